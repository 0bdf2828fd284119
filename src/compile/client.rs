//! Timeouts and connections of an endpoint.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::COOKIE;
use http::uri::Authority;

use super::endpoint::Surroundings;
use super::{Site, flow, proxy};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::spec::settings::{ClientSpec, ConnectionsSpec, TlsSpec, TlsVersionSpec};
use crate::spec::text::{DurationSpec, PositiveDurationSpec, SizeSpec};
use crate::spec::{EndpointSpec, JobSpec};
use crate::transport::{ClientPlan, ProxyPlan, TimeoutPlan, TlsPlan, TlsVersion};

/// What a request says of its sender.
pub const USER_AGENT: &str = concat!("paceline/", env!("CARGO_PKG_VERSION"));

/// Decides the timeouts of an endpoint.
pub fn timeout(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointSpec, job: &JobSpec) -> TimeoutPlan {
    let spec = flow::settle(endpoint.timeout.as_ref(), job.timeout.as_ref());
    for (key, inner, outer_key, outer) in [
        ("connect", &spec.connect, "total", &spec.total),
        ("read", &spec.read, "total", &spec.total),
        ("total", &spec.total, "row", &spec.row),
    ] {
        // Silence of a stream is no part of an attempt: that ends with the head of its reply.
        let is_apart = key == "read" && endpoint.is_stream();
        if let (Some(inner), Some(outer)) = (inner, outer)
            && inner.get() > outer.get()
            && !is_apart
        {
            never(site, path, (key, inner.text()), (outer_key, outer.text()));
        }
    }
    let or = |given: &Option<PositiveDurationSpec>, seconds| {
        given.as_ref().map_or(Duration::from_secs(seconds), PositiveDurationSpec::get)
    };
    TimeoutPlan {
        pool: or(&spec.pool, 30),
        connect: or(&spec.connect, 10),
        read: or(&spec.read, 30),
        total: or(&spec.total, 120),
        row: spec.row.as_ref().map(PositiveDurationSpec::get),
    }
}

/// A timeout that another one always cuts short; not told where an endpoint shortens what the top
/// level says.
fn never(site: &mut Site<'_>, sender: &KeyPath, (key, inner): (&str, &str), (outer_key, outer): (&str, &str)) {
    let path = flow::origin(site, sender, &["timeout", key]);
    let other = flow::origin(site, sender, &["timeout", outer_key]);
    if path.0.len() >= other.0.len() {
        let message = format!("`timeout.{key}` of {inner} has no effect: `timeout.{outer_key}` is over after {outer}");
        let help = format!("make `{key}` shorter, or `{outer_key}` longer");
        site.conflict(&path, "no effect", &other, "because of this", message, &help);
    }
}

/// Decides the connections of an endpoint.
pub fn client(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointSpec, around: &Surroundings<'_>) -> ClientPlan {
    let spec = flow::settle(endpoint.client.as_ref(), around.job.client.as_ref());
    cookies(site, path, endpoint, &spec);
    resolve(site, path, &spec);
    let connections = spec.connections.clone().unwrap_or_default();
    let ConnectionsSpec { total, per_host, idle_timeout } = connections;
    let count = |given: Option<std::num::NonZeroU32>| given.map_or(100, |count| count.get() as usize);
    let duration =
        |given: &Option<DurationSpec>, seconds| given.as_ref().map_or(Duration::from_secs(seconds), DurationSpec::get);
    ClientPlan {
        engine: spec.engine.unwrap_or_default(),
        http: spec.http.unwrap_or_default(),
        upgrades: false,
        cookies: spec.cookies.unwrap_or(false),
        compression: spec.compression.unwrap_or(true),
        proxy: spec.proxy.as_deref().map_or(ProxyPlan::Environment, |proxy| proxy::proxy(site, path, proxy, around)),
        connections_total: count(total),
        connections_per_host: count(per_host),
        idle_timeout: duration(&idle_timeout, 90),
        dns_ttl: duration(&spec.dns_ttl, 300),
        redirects: spec.redirects.unwrap_or(10),
        max_body: spec.max_body.as_ref().map_or(64 << 20, SizeSpec::get),
        user_agent: user_agent(site, path, &spec),
        resolve: spec
            .resolve
            .iter()
            .flat_map(|hosts| &hosts.0)
            .map(|(host, to)| (host.to_lowercase(), to.get()))
            .collect(),
        tls: tls(site, path, spec.tls.unwrap_or_default()),
    }
}

/// One of the two decides what a request is sent with, and a reader should see which.
fn cookies(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointSpec, spec: &ClientSpec) {
    let mut headers = endpoint.headers.iter().flat_map(|headers| headers.names());
    let Some(header) = headers.find(|header| header.eq_ignore_ascii_case(COOKIE.as_str())) else { return };
    if spec.cookies == Some(true) {
        let header = path.key("headers").key(header);
        let other = flow::origin(site, path, &["client", "cookies"]);
        let message = "the header `cookie` and `client.cookies` both say which cookies are sent".to_owned();
        let help = "take the header out, or write `client.cookies = false` at the endpoint";
        site.conflict(&header, "these", &other, "those that servers set", message, help);
    }
}

/// A name that no URL can have would be asked for by nobody.
fn resolve(site: &mut Site<'_>, sender: &KeyPath, spec: &ClientSpec) {
    for (host, _) in spec.resolve.iter().flat_map(|hosts| &hosts.0) {
        let is_host = host.parse::<Authority>().is_ok_and(|authority| authority.host() == host) && !host.contains('*');
        if !is_host {
            let path = flow::origin(site, sender, &["client", "resolve", host]);
            let message = format!("`{}` is no name of a host", host.escape_debug());
            let help = "write the host as it stands in the URL, without scheme, port or path: \"api.example.com\"";
            let place = site.document.key_place(&path);
            site.push_once(Diagnostic::error(codes::BAD_VALUE, message).at(place, "").help(help));
        }
    }
}

fn user_agent(site: &mut Site<'_>, sender: &KeyPath, spec: &ClientSpec) -> String {
    let Some(agent) = &spec.user_agent else { return USER_AGENT.to_owned() };
    if HeaderValue::from_str(agent).is_err() {
        let path = flow::origin(site, sender, &["client", "user-agent"]);
        let message = "the user agent can't be sent: it has a control character or one outside ASCII";
        site.error_once(
            codes::HEADER,
            &path,
            message,
            "write printable ASCII, such as `user-agent = \"prices-nightly/1.0\"`",
        );
    }
    agent.clone()
}

fn tls(site: &mut Site<'_>, sender: &KeyPath, spec: TlsSpec) -> TlsPlan {
    let origin = |site: &Site<'_>, key| flow::origin(site, sender, &["client", "tls", key]);
    let lonely = match (&spec.cert, &spec.key) {
        (Some(_), None) => Some(("cert", "key")),
        (None, Some(_)) => Some(("key", "cert")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    if let Some((here, missing)) = lonely {
        let path = origin(site, here);
        let message = format!("`{path}` is here without `{missing}`: a client certificate needs both");
        let file = if missing == "key" { "me.key" } else { "me.pem" };
        site.error_once(codes::CONFLICT, &path, message, format!("add `{missing} = \"{file}\"` beside it"));
    }
    let verify = spec.verify.unwrap_or(true);
    if !verify {
        let path = origin(site, "verify");
        let message = "any certificate is accepted: whoever stands between reads and changes everything";
        site.warning_once(
            codes::SUSPICIOUS,
            &path,
            message,
            "name the server's root certificate instead: `ca = \"ca.pem\"`",
        );
        if spec.ca.is_some() {
            let ca = origin(site, "ca");
            let message = "`ca` has no effect while nothing is verified".to_owned();
            site.conflict(&ca, "no effect", &path, "because of this", message, "take one of the two out");
        }
    }
    TlsPlan {
        verify,
        ca: spec.ca.as_deref().map(|path| site.file(path)),
        identity: spec
            .cert
            .zip(spec.key)
            .map(|(cert, key)| -> (PathBuf, PathBuf) { (site.file(&cert), site.file(&key)) }),
        min_version: match spec.min_version {
            Some(TlsVersionSpec::V13) => TlsVersion::V13,
            Some(TlsVersionSpec::V12) | None => TlsVersion::V12,
        },
    }
}
