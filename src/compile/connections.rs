//! Calls in flight against connections: a call that can't have one only waits. Where HTTP/2 may be spoken,
//! many calls share one, and only the server knows how many.
//!
//! Must never change a plan: what is written stands, and is told to have no effect.

use super::{Site, flow, url};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;

/// Most requests in flight that `concurrency = "auto"` tries.
const MOST_BY_ITSELF: usize = 1000;

/// Requests that the connections of an endpoint can carry at once, as far as they are worth trying.
pub fn capacity(endpoint: &EndpointPlan) -> usize {
    let (_, connections) = connections(endpoint);
    connections.saturating_mul(endpoint.client.calls_per_connection(endpoint.needs_tls())).min(MOST_BY_ITSELF)
}

/// The setting that bounds the connections of an endpoint, and its value.
fn connections(endpoint: &EndpointPlan) -> (&'static str, usize) {
    let (total, per_host) = (endpoint.client.connections_total, endpoint.client.connections_per_host);
    // Where the host varies, each has its own.
    let to_one_host = url::origin_is_fixed(&endpoint.url);
    if to_one_host && per_host < total { ("per-host", per_host) } else { ("total", total) }
}

/// The settings that give an endpoint fewer connections than this.
fn too_few(endpoint: &EndpointPlan, calls: usize) -> Vec<&'static str> {
    let (total, per_host) = (endpoint.client.connections_total, endpoint.client.connections_per_host);
    let to_one_host = url::origin_is_fixed(&endpoint.url);
    let too_few = [("total", total < calls), ("per-host", to_one_host && per_host < calls)];
    too_few.iter().filter(|(_, few)| *few).map(|(key, _)| *key).collect()
}

/// Warns of endpoints that would have more calls in flight than connections.
pub fn check(site: &mut Site<'_>, endpoints: &[EndpointPlan]) {
    for endpoint in endpoints {
        if endpoint.client.calls_per_connection(endpoint.needs_tls()) > 1 {
            continue;
        }
        // What `concurrency` was meant to be is not known then.
        if site.is_refused(&KeyPath::of(["endpoints", endpoint.name.as_str()]), "concurrency") {
            continue;
        }
        let (key, most) = connections(endpoint);
        if endpoint.adaptive && most == 1 {
            nothing_to_find(site, endpoint, key);
        } else if !endpoint.adaptive && endpoint.concurrency > most {
            warn(site, endpoint, (key, most), &too_few(endpoint, endpoint.concurrency));
        }
    }
}

/// `concurrency = "auto"` where only one number is possible.
fn nothing_to_find(site: &mut Site<'_>, endpoint: &EndpointPlan, key: &str) {
    let name = endpoint.name.as_str();
    let place = site.document.place(&KeyPath::of(["endpoints", name, "concurrency"]));
    let only =
        site.document.place(&flow::origin(site, &KeyPath::of(["endpoints", name]), &["client", "connections", key]));
    let keys: Vec<String> = too_few(endpoint, 2).iter().map(|key| format!("`{key}`")).collect();
    let message = "`concurrency = \"auto\"` has nothing to find: there is one connection";
    let help = format!("raise {} in `client.connections`, or write `concurrency = 1`", keys.join(" and "));
    let diagnostic = Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").also(only, "1 connection");
    site.diagnostics.push(diagnostic.help(help));
}

fn warn(site: &mut Site<'_>, endpoint: &EndpointPlan, (key, most): (&str, usize), too_few: &[&str]) {
    let (name, calls) = (endpoint.name.as_str(), endpoint.concurrency);
    let concurrency = KeyPath::of(["endpoints", name, "concurrency"]);
    let connections = flow::origin(site, &KeyPath::of(["endpoints", name]), &["client", "connections", key]);
    let plural = if most == 1 { "" } else { "s" };
    let labels = [(concurrency, format!("{calls} calls")), (connections, format!("{most} connection{plural}"))];
    // A default stands nowhere in the file; at least one of the two was written.
    let mut written = labels.iter().filter(|(path, _)| site.document.get(path).is_some());
    let raised: Vec<String> = too_few.iter().map(|key| format!("{key} = {calls}")).collect();
    let message = format!("only {most} of the {calls} calls in flight can have a connection");
    let help = format!("set `connections = {{ {} }}` in `client`, or `concurrency = {most}`", raised.join(", "));
    let mut diagnostic = Diagnostic::warning(codes::NO_EFFECT, message).help(help);
    if let Some((path, label)) = written.next() {
        diagnostic = diagnostic.at(site.document.place(path), label);
    }
    for (path, label) in written {
        diagnostic = diagnostic.also(site.document.place(path), label);
    }
    site.push_once(diagnostic);
}
