//! Connections that stay open and that nothing may ever close, and pings that are never sent.
//!
//! Must never warn where some time bounds a row: of `until`, of the row, or of the silence of its events.

use super::Facts;
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{EndpointPlan, StreamKind, StreamPlan};

pub(super) fn check(site: &mut Site<'_>, facts: Facts<'_>) {
    for endpoint in facts.endpoints {
        let Some(stream) = &endpoint.stream else { continue };
        let key = if stream.is_socket() { "websocket" } else { "sse" };
        let path = KeyPath::of(["endpoints", endpoint.name.as_str(), key]);
        endless(site, &path, endpoint, stream);
        unheard(site, &path, stream);
    }
}

/// A server that is there and says nothing keeps such a row open for ever: it answers pings, too.
fn endless(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointPlan, stream: &StreamPlan) {
    let silence = match &stream.kind {
        StreamKind::WebSocket(_) => None,
        StreamKind::Events(events) => events.silence,
    };
    let until = &stream.until;
    if until.idle.or(until.time).or(endpoint.timeout.row).or(silence).is_some() {
        return;
    }
    let message = "a server that says nothing keeps a row open for ever: `until` has no time";
    let place = site.document.place(&path.key("until"));
    let told = Diagnostic::warning(codes::ENDLESS_STREAM, message).at(place, "");
    site.diagnostics.push(told.help(
        "write how long it may be silent, such as `idle = \"30s\"`, or how long it may last, such as `time = \"5m\"`",
    ));
}

/// Pings are sent into a silence that ends the row before.
fn unheard(site: &mut Site<'_>, path: &KeyPath, stream: &StreamPlan) {
    let StreamKind::WebSocket(socket) = &stream.kind else { return };
    let every = path.key("heartbeat").key("every");
    if let (Some(heartbeat), Some(idle)) = (socket.heartbeat, stream.until.idle)
        && heartbeat.every >= idle
        && site.document.get(&every).is_some()
    {
        let message = "no ping is ever sent: the row ends first";
        let told = Diagnostic::warning(codes::NO_EFFECT, message).at(site.document.place(&every), "");
        let idle = site.document.place(&path.key("until").key("idle"));
        let told = told.also(idle, "after this silence");
        site.diagnostics.push(told.help("shorten `every`, or take it out"));
    }
}
