//! The settings of a URL, the connection that they give, and what is said of it.
//!
//! Must never show a password.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::{Client, Config, Error};

use super::{is_postgres, tls};

/// A server that has not answered by then is not there.
const CONNECT: Duration = Duration::from_secs(30);

/// How a URL is written.
pub(crate) const EXAMPLE: &str = "write it as `postgres://user@host:5432/database?sslmode=require`";

/// The settings of a URL. One that says nothing of TLS asks for it, unless the server is this machine.
pub(crate) fn config(url: &str) -> Result<Config, String> {
    if !is_postgres(url) {
        return Err("a database that is not a file begins with `postgres://`".to_owned());
    }
    // What verifies certificates in full is all that there is here.
    let url = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = url.parse().map_err(|error| format!("this is no PostgreSQL URL: {}", words(&error)))?;
    if config.get_hosts().is_empty() {
        return Err("the URL names no host".to_owned());
    }
    if !url.contains("sslmode=") {
        // An address is where it goes, whatever the host is called.
        let here = config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("paceline");
    }
    Ok(config)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// How a server is called in messages: without user and password.
pub(crate) fn name(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{host}{port}/{database}")
}

/// What the server said, or why it could not be asked.
pub(crate) fn words(error: &Error) -> String {
    let Some(said) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            let more = inner.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            source = inner.source();
        }
        return text;
    };
    let position = match said.position() {
        Some(ErrorPosition::Original(position)) => format!(" (at character {position})"),
        Some(ErrorPosition::Internal { .. }) | None => String::new(),
    };
    let more = said.detail().into_iter().chain(said.hint()).map(|text| format!("; {text}"));
    format!("{}{position}{}", said.message(), more.collect::<String>())
}

/// Tells databases apart whose names are secret: a hash of hosts, addresses, ports and database, without user and
/// password, which may change. Cut to 32 bits, so that it tells that they differ and too little to say what they are.
pub(crate) fn print(config: &Config) -> String {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let servers = (0..hosts.len().max(addresses.len()).max(ports.len())).map(|index| {
        let host = hosts.get(index).map(|host| format!("{host:?}")).unwrap_or_default();
        // What is connected to; the host is only the name in its certificate then.
        let address = addresses.get(index).map(|address| format!(" at {address}")).unwrap_or_default();
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        format!("{host}{address}:{port}")
    });
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let text = format!("{}\n{database}", servers.collect::<Vec<_>>().join("\n"));
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(4).fold(String::new(), |print, byte| format!("{print}{byte:02x}"))
}

/// Connects, with the connection as a task of the runtime that this is called in.
///
/// # Errors
/// When the server can't be reached, or refuses us.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(tls::Connector).await?;
    // Its end is seen by whoever asks the client next.
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_asked_for_unless_the_server_is_here() {
        let mode = |url: &str| config(url).unwrap().get_ssl_mode();
        assert_eq!(mode("postgres://me@db.example.com/shop"), SslMode::Require);
        assert_eq!(mode("postgresql://me@db.example.com/shop?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://me@db.example.com/shop?sslmode=disable"), SslMode::Disable);
        for here in ["localhost", "127.0.0.1", "%2Frun%2Fpostgresql"] {
            assert_eq!(mode(&format!("postgres://me@{here}/shop")), SslMode::Disable, "{here}");
        }
        assert_eq!(mode("postgres://me@localhost/shop?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://me@localhost/shop?hostaddr=10.0.0.1"), SslMode::Require);
        assert_eq!(mode("postgres://me@localhost/shop?hostaddr=127.0.0.1"), SslMode::Disable);
    }

    #[test]
    fn a_name_has_no_password() {
        let config = config("postgres://me:hunter2@db.example.com:5433/shop").unwrap();
        assert_eq!(name(&config), "postgres://db.example.com:5433/shop");
    }

    #[test]
    fn a_print_is_of_the_database_and_not_of_who_asks() {
        let print = |url: &str| super::print(&config(url).unwrap());
        let one = print("postgres://me:hunter2@db.example.com/shop");
        for same in
            ["postgres://you:other@db.example.com:5432/shop?sslmode=disable", "postgresql://db.example.com/shop"]
        {
            assert_eq!(print(same), one, "{same}");
        }
        let others = [
            "db.example.com/shop2",
            "db2.example.com/shop",
            "db.example.com:5433/shop",
            "a,db.example.com/shop",
            "db.example.com/shop?hostaddr=10.0.0.1",
            "db.example.com/shop?hostaddr=10.0.0.2",
            "db.example.com:5433/shop?hostaddr=10.0.0.1",
            "db.example.com/shop?hostaddr=10.0.0.1,10.0.0.2",
            "db.example.com/shop?port=5433",
        ];
        let prints: std::collections::HashSet<String> =
            others.iter().map(|rest| print(&format!("postgres://me:hunter2@{rest}"))).chain([one]).collect();
        assert_eq!(prints.len(), others.len() + 1);
        let addressed = |url: &str| super::print(&url.parse().unwrap());
        let [first, second] = ["10.0.0.1", "10.0.0.2"].map(|address| format!("postgres:///shop?hostaddr={address}"));
        assert_ne!(addressed(&first), addressed(&second), "addresses alone");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (url, why) in [
            ("sqlite:shop.db", "begins with `postgres://`"),
            ("postgres:///shop", "names no host"),
            ("postgres://me@host:port/shop", "no PostgreSQL URL"),
            ("postgres://me@host/shop?sslmode=perhaps", "no PostgreSQL URL"),
        ] {
            let error = config(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
