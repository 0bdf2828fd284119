//! Flags of curl that are keys of a job.

use super::flags::{Flag, Given};
use super::read::Reader;
use super::words::OPEN;
use crate::init::toml;

/// Units of `--rate`, which a job has too.
const UNITS: &[&str] = &["s", "m", "h", "d"];

impl Reader {
    /// Takes a flag that is a key.
    pub(super) fn key(&mut self, given: &Given) -> Result<(), String> {
        let (name, value) = (given.name.as_str(), given.value.as_str());
        if value.contains(OPEN) && !matches!(given.flag, Flag::Proxy | Flag::ProxyUser) {
            return Err(format!("{name}: a job can have no variable there; write its value"));
        }
        let number = || value.parse::<u32>().map_err(|_| format!("{name}: its value is no number"));
        match given.flag {
            Flag::Text(key) => self.setting(key, toml::text(value)),
            Flag::Number(key) => self.setting(key, number()?.to_string()),
            Flag::Retry => self.setting("retry.attempts", number()?.saturating_add(1).to_string()),
            Flag::RetryDelay => self.retry_delay = milliseconds(name, value)?,
            // No seconds at all are no bound.
            Flag::Seconds(key) => {
                if let Some(time) = milliseconds(name, value)? {
                    self.setting(key, format!("\"{time}ms\""));
                }
            }
            Flag::Fixed(key, value) => self.setting(key, value.to_owned()),
            Flag::Certificate if value.contains(':') => {
                return Err(
                    "--cert FILE:PASSWORD: a job reads no encrypted keys; decrypt it, and give --cert FILE --key FILE"
                        .to_owned(),
                );
            }
            Flag::Certificate => self.setting("client.tls.cert", toml::text(value)),
            Flag::Rate => self.request.rate = Some(rate(value)?),
            Flag::UnixSocket => self.socket = Some(value.to_owned()),
            Flag::Resolve => self.resolve(value)?,
            Flag::Proxy => self.proxy(value),
            Flag::ProxyUser => self.request.proxy_user = Some(user(value)),
            Flag::NoProxy if value == "*" => self.setting("client.proxy", toml::text("none")),
            Flag::NoProxy => {
                self.request.notes.push("--noproxy is left out: NO_PROXY in the environment says the same".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn proxy(&mut self, value: &str) {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let rest = rest.trim_end_matches('/');
        let host = match rest.rsplit_once('@') {
            Some((who, host)) => {
                let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
                let (name, password) = user(who);
                self.request.proxy_user.get_or_insert((decode(&name), decode(&password)));
                host
            }
            None => rest,
        };
        self.request.proxy =
            Some(if value.starts_with(OPEN) { value.to_owned() } else { format!("{scheme}://{host}") });
    }

    /// `[+]HOST:PORT:ADDRESS[,ADDRESS]`.
    fn resolve(&mut self, value: &str) -> Result<(), String> {
        let wrong = || format!("--resolve {value}: write HOST:PORT:ADDRESS");
        let mut cut = value.strip_prefix('+').unwrap_or(value).splitn(3, ':');
        let (Some(host), Some(port), Some(found)) = (cut.next(), cut.next(), cut.next()) else { return Err(wrong()) };
        if host == "*" {
            return Err("--resolve: a job names the host; write it in the place of *".to_owned());
        }
        let mut found = found.split(',');
        let address = format!("{}:{port}", found.next().filter(|first| !first.is_empty()).ok_or_else(wrong)?);
        if found.next().is_some() {
            self.request.notes.push(format!("--resolve: of the addresses of {host} the first is taken"));
        }
        match self.addresses.iter().find(|(known, _)| known.eq_ignore_ascii_case(host)) {
            Some((_, known)) if *known != address => Err(format!(
                "--resolve: {host} has two addresses or ports, and a job has one for a host; keep that of the URL"
            )),
            Some(_) => Ok(()),
            None => {
                self.addresses.push((host.to_owned(), address));
                Ok(())
            }
        }
    }

    /// Keys that several flags make together.
    pub(super) fn finish_keys(&mut self) {
        let pairs: Vec<_> = self.addresses.iter().map(|(host, address)| (host.clone(), toml::text(address))).collect();
        if !pairs.is_empty() {
            self.setting("client.resolve", toml::table(&pairs));
        }
        let retries = self.request.settings.iter().any(|(key, _)| *key == "retry.attempts");
        if let Some(time) = self.retry_delay.filter(|_| retries) {
            self.setting("retry.backoff", toml::text("constant"));
            self.setting("retry.initial", format!("\"{time}ms\""));
            self.setting("retry.jitter", toml::text("none"));
        }
        if self.request.proxy_user.is_some() && self.request.proxy.is_none() {
            self.request.proxy_user = None;
            self.request.notes.push("--proxy-user is left out, as there is no -x".to_owned());
        }
        if !self.request.location {
            // Nothing is followed, however many may be.
            self.request.settings.retain(|(key, _)| *key != "client.redirects");
        }
    }
}

fn user(value: &str) -> (String, String) {
    let (user, password) = value.split_once(':').unwrap_or((value, ""));
    (user.to_owned(), password.to_owned())
}

/// Seconds with a fraction as milliseconds; `None` for none at all.
fn milliseconds(name: &str, value: &str) -> Result<Option<u64>, String> {
    let seconds: f64 = value.parse().map_err(|_| format!("{name}: its value is no number"))?;
    if !(0.0..=1e9).contains(&seconds) {
        return Err(format!("{name}: its value is no time"));
    }
    Ok(Some((seconds * 1000.0).ceil() as u64).filter(|time| *time > 0))
}

/// `N/s`, `N/m`, `N/h`, `N/d`; without a unit an hour is meant.
fn rate(value: &str) -> Result<String, String> {
    let wrong = || "--rate: write N/s, N/m or N/h".to_owned();
    let (number, unit) = value.split_once('/').unwrap_or((value, "h"));
    let unit = UNITS.iter().find(|known| **known == unit).ok_or_else(wrong)?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    Ok(format!("{number}/{unit}"))
}
