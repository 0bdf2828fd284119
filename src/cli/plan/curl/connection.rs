//! How an endpoint connects and what it waits for, as far as curl would do otherwise unasked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

use super::DEMO;
use crate::curl::{Command, Word};
use crate::plan::EndpointPlan;
use crate::transport::proxy::routes::survey;
use crate::transport::{ClientPlan, HttpVersion, ProxyPlan, TlsPlan, TlsVersion, socket};

/// Redirects that a job follows where it does not say how many.
const REDIRECTS: u32 = 10;
/// What a job waits for where it does not say, in seconds.
const CONNECT: u64 = 10;
const SILENCE: u64 = 30;
const TOTAL: u64 = 120;

/// The URL of a request, and the socket that it goes to, where it is no host's.
pub(super) fn place(url: &Uri) -> (String, Option<String>) {
    let Some(path) = socket_of(url) else { return (url.to_string(), None) };
    let below = url.path_and_query().map_or("/", |below| below.as_str());
    // What a job sends as `Host`, too.
    (format!("http://localhost{below}"), Some(path))
}

fn socket_of(url: &Uri) -> Option<String> {
    let is_socket = url.scheme_str() == Some(socket::SCHEME);
    is_socket.then(|| socket::path(url.host().unwrap_or_default()).unwrap_or_default().display().to_string())
}

/// Whether a request never goes through a proxy.
pub(super) fn is_near(url: &str, socket: Option<&String>) -> bool {
    socket.is_some() || url.starts_with(DEMO)
}

/// The environment names a proxy, which curl would take also for what a job never sends through one.
pub(super) fn directly(url: &str, command: &mut Command) {
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    if !survey(&ProxyPlan::Environment, &[origin]).is_empty() {
        command.set("--noproxy", Word::of("*"));
    }
}

/// Flags for all of it.
pub(super) fn flags(endpoint: &EndpointPlan, url: &Uri, command: &mut Command) {
    let client = &endpoint.client;
    resolved(client, url, command);
    match client.http {
        HttpVersion::Auto => {}
        HttpVersion::One => command.flag("--http1.1"),
        HttpVersion::Two => command.flag("--http2-prior-knowledge"),
    }
    tls(&client.tls, url, command);
    if client.redirects > 0 {
        command.flag("--location");
    }
    if !matches!(client.redirects, 0 | REDIRECTS) {
        command.set("--max-redirs", Word::of(&client.redirects.to_string()));
    }
    waits(endpoint, command);
}

/// Timeouts that the job says; without a word of it nobody who tries a command needs them.
fn waits(endpoint: &EndpointPlan, command: &mut Command) {
    let said = |given: Duration, usual: u64| (given != Duration::from_secs(usual)).then_some(given);
    if let Some(connect) = said(endpoint.timeout.connect, CONNECT) {
        command.set("--connect-timeout", Word::of(&connect.as_secs_f64().to_string()));
    }
    if let Some(silence) = said(endpoint.timeout.read, SILENCE) {
        // curl counts whole seconds in which less than so many bytes a second come.
        command.set("--speed-limit", Word::of("1"));
        command.set("--speed-time", Word::of(&silence.as_secs_f64().ceil().to_string()));
    }
    if let Some(total) = said(endpoint.timeout.total, TOTAL) {
        command.set("--max-time", Word::of(&total.as_secs_f64().to_string()));
    }
}

fn resolved(client: &ClientPlan, url: &Uri, command: &mut Command) {
    let port = url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let host = url.host().unwrap_or_default();
    let led = client.resolve.get(&format!("{host}:{port}")).or_else(|| client.resolve.get(host));
    if let Some(to) = led {
        command.set("--connect-to", Word::of(&format!("{host}:{port}:{}:{}", address(to), to.port())));
    }
}

fn tls(tls: &TlsPlan, url: &Uri, command: &mut Command) {
    if tls.min_version == TlsVersion::V13 && url.scheme() == Some(&Scheme::HTTPS) {
        command.flag("--tlsv1.3");
    }
    if !tls.verify {
        command.flag("--insecure");
    }
    if let Some(ca) = &tls.ca {
        command.set("--cacert", Word::of(&ca.display().to_string()));
    }
    if let Some((certificate, key)) = &tls.identity {
        command.set("--cert", Word::of(&certificate.display().to_string()));
        command.set("--key", Word::of(&key.display().to_string()));
    }
}

/// An address as a part of a host and port.
fn address(to: &SocketAddr) -> String {
    match to.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_beside_the_url() {
        let at = |url: &str| place(&url.parse().unwrap());
        assert_eq!(at("unix://2f782e73/a?b=c"), ("http://localhost/a?b=c".to_owned(), Some("/x.s".to_owned())));
        assert_eq!(at("https://a.example/b"), ("https://a.example/b".to_owned(), None));
    }
}
