//! Settings of the client that can't reach what an endpoint sends: told at their key, never ignored.
//!
//! Must never speak of a setting that flows to endpoints where it has an effect.

use std::path::Path;

use http::header::USER_AGENT;

use super::{Site, flow};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::spec::{EndpointSpec, JobSpec};
use crate::transport::{HttpVersion, ProxyPlan};

/// What only connections over TCP have.
const OF_TCP: [&str; 4] = ["proxy", "resolve", "dns-ttl", "tls"];

/// Checks the clients of all endpoints.
pub fn check(site: &mut Site<'_>, spec: &JobSpec, endpoints: &[EndpointPlan]) {
    for endpoint in endpoints {
        forwarded(site, endpoint);
        files(site, endpoint);
    }
    spec.endpoints.0.iter().for_each(|(name, endpoint)| user_agent(site, name, endpoint));
    sockets(site, spec, endpoints);
}

/// A proxy takes requests for `http://` as HTTP/1.1; only what goes through a tunnel can be HTTP/2.
fn forwarded(site: &mut Site<'_>, endpoint: &EndpointPlan) {
    let ProxyPlan::Url(proxy) = &endpoint.client.proxy else { return };
    let plain = endpoint.url.literal_prefix().starts_with("http://");
    if endpoint.client.http == HttpVersion::Two && plain && !proxy.address.scheme.is_socks() {
        let path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        let origin = |key| flow::origin(site, &path, &["client", key]);
        let (http, proxy) = (origin("http"), origin("proxy"));
        let message = "a proxy takes requests for `http://` URLs as HTTP/1.1, never as HTTP/2".to_owned();
        let help = "write `client.http = \"auto\"` for this endpoint, or go through a socks5:// proxy";
        site.conflict(&http, "not through a proxy", &proxy, "this one", message, help);
    }
}

/// Both at one endpoint: only the header is sent. One at the top level is overruled, as all that flows down.
fn user_agent(site: &mut Site<'_>, name: &str, spec: &EndpointSpec) {
    let endpoint = KeyPath::of(["endpoints", name]);
    let agent = endpoint.key("client").key("user-agent");
    let mut headers = spec.headers.iter().flat_map(|headers| headers.names());
    let Some(header) = headers.find(|name| name.eq_ignore_ascii_case(USER_AGENT.as_str())) else { return };
    if site.document.get(&agent).is_some() {
        let header = endpoint.key("headers").key(header);
        let message = "the header `user-agent` and `client.user-agent` both say who sends".to_owned();
        site.conflict(&header, "here", &agent, "and here", message, "take one of the two out");
    }
}

/// Files of TLS that are not there: a key may well be only where the job runs, so it is a warning.
fn files(site: &mut Site<'_>, endpoint: &EndpointPlan) {
    let tls = &endpoint.client.tls;
    let identity = tls.identity.as_ref().map(|(cert, key)| [("cert", cert), ("key", key)]);
    let files = tls.ca.iter().map(|ca| ("ca", ca)).chain(identity.into_iter().flatten());
    for (key, file) in files.filter(|(_, file)| !Path::new(file).is_file()) {
        let path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        let path = flow::origin(site, &path, &["client", "tls", key]);
        let message = format!("there is no file {}: a run can't start without it", file.display());
        site.warning_once(codes::SUSPICIOUS, &path, message, "paths are relative to the job file");
    }
}

/// A socket of this machine is reached directly, whatever is said of names, proxies and TLS.
fn sockets(site: &mut Site<'_>, spec: &JobSpec, endpoints: &[EndpointPlan]) {
    let is_socket = |endpoint: &EndpointPlan| endpoint.url.literal_prefix().starts_with("unix:");
    let only_sockets = endpoints.len() == spec.endpoints.0.len() && endpoints.iter().all(is_socket);
    for endpoint in endpoints.iter().filter(|endpoint| is_socket(endpoint)) {
        for key in OF_TCP {
            let own = KeyPath::of(["endpoints", endpoint.name.as_str(), "client", key]);
            let top = KeyPath::of(["client", key]);
            let written = |path: &KeyPath| site.document.get(path).is_some();
            let path = if written(&own) { own } else { top };
            let reaches_others = path.0.len() == 2 && !only_sockets;
            let says_none = key == "proxy" && endpoint.client.proxy == ProxyPlan::None;
            if written(&path) && !reaches_others && !says_none {
                let message = format!("`{path}` has no effect on a socket of this machine, which is reached directly");
                let place = site.document.key_place(&path);
                let help = "take it out, or write it at the endpoints that need it";
                site.push_once(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
            }
        }
    }
}
