//! Endpoints that stay open: what is sent over a connection, until when its messages are collected, and when it is
//! opened again.
//!
//! Must never decide what an endpoint of requests has too: `endpoint` does. What has no effect here is told by `idle`.

mod frames;
mod idle;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::ACCEPT;

use super::endpoint::{Request, Surroundings};
use super::{Site, columns, flow, limits, mention, names, retry, rules};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::plan::{EventsPlan, HeartbeatPlan, Meta, StatusSet, StreamKind, StreamPlan, UntilPlan, WebSocketPlan};
use crate::retry::{BackoffShape, BudgetPlan, RetryPlan};
use crate::row::Header;
use crate::source::Columns;
use crate::spec::pace::ConcurrencySpec;
use crate::spec::stream::{HeartbeatSpec, ReconnectSpec, SseSpec, UntilSpec, WebsocketSpec};
use crate::spec::text::{DurationSpec, JitterSpec, PositiveDurationSpec, SizeSpec};
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::{LastScope, Messages, Scope, Spot, Template};
use crate::transport::{ClientPlan, HttpVersion};

pub use idle::{check as idle, without};

/// Largest message where the job does not say, in bytes.
const MAX_MESSAGE: u64 = 1 << 20;

/// Silence before a ping, and after it.
const EVERY: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reconnects in a row, and the first and longest wait before them.
const RECONNECTS: u32 = 5;
const INITIAL: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);

/// What an endpoint that stays open is written as.
#[derive(Debug, Clone, Copy)]
pub enum Written<'e> {
    /// `websocket`
    WebSocket(&'e WebsocketSpec),
    /// `sse`
    Events(&'e SseSpec),
}

impl<'e> Written<'e> {
    /// What stands in an endpoint; `None`: it sends requests.
    pub fn of(spec: &'e EndpointSpec) -> Option<Self> {
        match (&spec.url, &spec.websocket, &spec.sse) {
            (Some(_), _, _) | (None, None, None) => None,
            (None, Some(websocket), _) => Some(Self::WebSocket(websocket)),
            (None, None, Some(sse)) => Some(Self::Events(sse)),
        }
    }

    /// The key it stands under.
    pub fn key(self) -> &'static str {
        match self {
            Self::WebSocket(_) => "websocket",
            Self::Events(_) => "sse",
        }
    }

    /// What its messages come by.
    pub fn messages(self) -> Messages {
        match self {
            Self::WebSocket(_) => Messages::WebSocket,
            Self::Events(_) => Messages::Events,
        }
    }

    /// What it would send and collect, key by key: pace and patience are no part of it.
    pub fn identity(self) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        let mut put = |key: &str, value: Option<String>| {
            keys.extend(value.map(|value| (format!("{}.{key}", self.key()), value)));
        };
        put("until", Some(mention::text_of(self.until())));
        match self {
            Self::WebSocket(spec) => {
                put("protocols", spec.protocols.as_ref().map(mention::text_of));
                put("send", spec.send.as_ref().map(mention::text_of));
            }
            Self::Events(spec) => put("events", spec.events.as_ref().map(mention::text_of)),
        }
        keys
    }

    fn until(self) -> &'e UntilSpec {
        match self {
            Self::WebSocket(spec) => &spec.until,
            Self::Events(spec) => &spec.until,
        }
    }

    fn reconnect(self) -> Option<&'e ReconnectSpec> {
        match self {
            Self::WebSocket(spec) => spec.reconnect.as_ref(),
            Self::Events(spec) => spec.reconnect.as_ref(),
        }
    }

    fn max_message(self) -> Option<&'e SizeSpec> {
        match self {
            Self::WebSocket(spec) => spec.max_message.as_ref(),
            Self::Events(spec) => spec.max_message.as_ref(),
        }
    }

    /// The status of a connection that is open.
    pub fn status(self) -> StatusSet {
        let status = match self {
            Self::WebSocket(_) => 101,
            Self::Events(_) => 200,
        };
        StatusSet::new(vec![(status, status)])
    }
}

/// Why a meta column tells nothing of an endpoint, and the way out; `None`: it may tell something.
pub fn lacks(spec: &EndpointSpec, meta: Meta) -> Option<(&'static str, &'static str)> {
    const TAKE_OUT: &str = "take it out";
    match (meta, Written::of(spec)) {
        (Meta::Message, None) => Some(("this endpoint collects no messages", TAKE_OUT)),
        (Meta::Event | Meta::EventId, None) => Some(("this endpoint collects no events", TAKE_OUT)),
        (Meta::Event | Meta::EventId, Some(Written::WebSocket(_))) => {
            Some(("messages of a WebSocket have none", "take it out, or write `message`, the number of the message"))
        }
        (Meta::Page, Some(_)) => Some(("messages have no pages", "write `message`, the number of the message")),
        (_, _) => None,
    }
}

/// The names that what is sent sees: beside the row, the record before.
pub fn sending_scope(spec: &EndpointSpec, scope: &Scope, known: &Columns) -> Scope {
    if Written::of(spec).is_none() {
        return scope.clone();
    }
    let (kept, open): (&[String], bool) = match (known, &spec.keep) {
        (_, Some(keep)) => (keep, false),
        (Columns::Known(header), None) => (header.names(), false),
        (Columns::Open, None) => (&[], true),
    };
    let extracted = spec.columns.iter().flat_map(|columns| columns.names()).map(str::to_owned);
    let meta = columns::meta_of(spec).into_iter().map(|meta| meta.name().to_owned());
    let names = kept.iter().cloned().chain(extracted).chain(meta);
    let last = LastScope { columns: Arc::new(Header::new(names.collect())), open };
    Scope { last: Some(last), ..scope.clone() }
}

/// Decides what stays open. `sending` has the names of what is sent, `judging` those of messages.
pub fn stream(
    site: &mut Site<'_>,
    path: &KeyPath,
    (spec, around): (&EndpointSpec, &Surroundings<'_>),
    (sending, judging): (&Scope, &Scope),
    buckets: &mut Vec<LimitPlan>,
) -> Option<StreamPlan> {
    let written = Written::of(spec)?;
    let here = path.key(written.key());
    let until = until(site, &here.key("until"), written.until(), judging);
    let kind = match written {
        Written::WebSocket(spec) => StreamKind::WebSocket(websocket(site, &here, spec, sending, buckets)),
        Written::Events(written) => StreamKind::Events(events(site, &here, written, silence(spec, around))),
    };
    let max_message = written.max_message().map_or(MAX_MESSAGE, SizeSpec::get);
    Some(StreamPlan { kind, until, max_message, uses_last: false })
}

fn websocket(
    site: &mut Site<'_>,
    path: &KeyPath,
    spec: &WebsocketSpec,
    scope: &Scope,
    buckets: &mut Vec<LimitPlan>,
) -> WebSocketPlan {
    let send_limit = spec.send_rate.as_ref().map(|rate| {
        let here = path.key("send-rate");
        if spec.send.as_ref().is_none_or(Vec::is_empty) && !site.is_refused(path, "send") {
            let message = format!("`{here}` has no effect: nothing is sent");
            site.key_error(codes::NO_EFFECT, &here, message, "say what is sent with `send`, or take it out");
        }
        buckets.push(limits::own_bucket(here.to_string(), rate));
        buckets.len() - 1
    });
    WebSocketPlan {
        protocols: protocols(site, &path.key("protocols"), spec),
        send: frames::frames(site, &path.key("send"), spec.send.as_deref().unwrap_or_default(), scope),
        send_limit,
        heartbeat: heartbeat(site, &path.key("heartbeat"), spec.heartbeat.as_ref()),
    }
}

/// Subprotocols are tokens (RFC 6455, section 4.1).
fn protocols(site: &mut Site<'_>, path: &KeyPath, spec: &WebsocketSpec) -> Vec<String> {
    let protocols = spec.protocols.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    names::twice(site, path, protocols);
    for (index, protocol) in protocols.iter().enumerate() {
        // The names of headers are the same tokens, in small letters.
        if HeaderName::from_bytes(protocol.as_bytes()).is_err() {
            let message = format!("`{}` can't be the name of a subprotocol", protocol.escape_debug());
            let help =
                "names are made of letters, digits and signs such as `.` and `-`, as in \"graphql-transport-ws\"";
            site.error(codes::BAD_VALUE, &names::item(site, path, index), message, help);
        }
    }
    protocols.to_vec()
}

fn events(site: &mut Site<'_>, path: &KeyPath, spec: &SseSpec, silence: Option<Duration>) -> EventsPlan {
    let path = path.key("events");
    let events = spec.events.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    names::twice(site, &path, events);
    for (index, event) in
        events.iter().enumerate().filter(|(_, event)| event.contains(['\r', '\n']) || event.is_empty())
    {
        let message = format!("\"{}\" can't be the type of an event", event.escape_debug());
        let help = "write a type such as \"trade\"; events without one are of the type \"message\"";
        site.error(codes::BAD_VALUE, &names::item(site, &path, index), message, help);
    }
    EventsPlan { events: events.to_vec(), silence }
}

/// Silence that the job itself bounds: a stream of events may be silent for as long as it likes.
fn silence(spec: &EndpointSpec, around: &Surroundings<'_>) -> Option<Duration> {
    let timeout = flow::settle(spec.timeout.as_ref(), around.job.timeout.as_ref());
    timeout.read.as_ref().map(PositiveDurationSpec::get)
}

fn until(site: &mut Site<'_>, path: &KeyPath, spec: &UntilSpec, scope: &Scope) -> UntilPlan {
    let when = spec.when.as_ref();
    UntilPlan {
        messages: spec.messages.map(std::num::NonZeroU64::get),
        idle: spec.idle.as_ref().map(PositiveDurationSpec::get),
        time: spec.time.as_ref().map(PositiveDurationSpec::get),
        when: when.and_then(|when| rules::condition(site, &path.key("when"), when, scope)),
    }
}

fn heartbeat(site: &mut Site<'_>, path: &KeyPath, spec: Option<&HeartbeatSpec>) -> Option<HeartbeatPlan> {
    let spec = spec.cloned().unwrap_or_default();
    let every = spec.every.as_ref().map_or(EVERY, DurationSpec::get);
    if every.is_zero() {
        if spec.timeout.is_some() {
            let message = format!("`{path}.timeout` has no effect: no pings are sent");
            let help = "take one of the two out";
            site.conflict(&path.key("timeout"), "no effect", &path.key("every"), "because of this", message, help);
        }
        return None;
    }
    Some(HeartbeatPlan { every, timeout: spec.timeout.as_ref().map_or(TIMEOUT, PositiveDurationSpec::get) })
}

/// A connection that ends before its row is tried again as `reconnect` says; what the job says of retries tells which
/// replies and errors are worth it.
pub fn reconnects(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, flowing: RetryPlan) -> RetryPlan {
    let Some(written) = Written::of(spec) else { return flowing };
    let spec = written.reconnect().cloned().unwrap_or_default();
    let path = path.key(written.key()).key("reconnect");
    if let (Some(initial), Some(max)) = (&spec.initial, &spec.max)
        && initial.get() > max.get()
    {
        let message = format!("the first wait of {} is longer than the longest of {}", initial.text(), max.text());
        let help = "shorten `initial`, or lengthen `max`";
        site.conflict(&path.key("initial"), "the first wait", &path.key("max"), "the longest", message, help);
    }
    let max = spec.max.as_ref().map_or(MAX, DurationSpec::get);
    let initial = spec.initial.as_ref().map_or(INITIAL, DurationSpec::get);
    RetryPlan {
        attempts: spec.attempts.unwrap_or(RECONNECTS).saturating_add(1),
        backoff: BackoffShape::Exponential,
        initial: initial.min(max),
        throttle_initial: initial.max(retry::THROTTLE_INITIAL).min(max),
        factor: 2.0,
        max,
        jitter: retry::jitter(spec.jitter.unwrap_or(JitterSpec::Full)),
        methods: retry::METHODS.into(),
        // A server that restarts cuts all sockets at once: that they come back is the load that it had.
        budget: BudgetPlan { share: f64::INFINITY },
        ..flowing
    }
}

/// What the connections of an endpoint are where they stay open. Where the job does not say how many there may be, each row
/// that is open has one.
pub fn client(spec: &EndpointSpec, job: &JobSpec, plan: ClientPlan) -> ClientPlan {
    let Some(written) = Written::of(spec) else { return plan };
    let said = flow::settle(spec.client.as_ref(), job.client.as_ref()).connections.unwrap_or_default();
    let open = match spec.concurrency {
        Some(ConcurrencySpec::Fixed(rows)) => rows as usize,
        Some(ConcurrencySpec::Auto) | None => 0,
    };
    let at_least = |said: Option<_>, count: usize| if said.is_some() { count } else { count.max(open) };
    let plan = ClientPlan {
        connections_total: at_least(said.total, plan.connections_total),
        connections_per_host: at_least(said.per_host, plan.connections_per_host),
        compression: false,
        ..plan
    };
    match written {
        Written::WebSocket(_) => ClientPlan { http: HttpVersion::One, upgrades: true, ..plan },
        Written::Events(_) => plan,
    }
}

/// Says that events are wanted, where the job does not say what is.
pub fn accepts(spec: &EndpointSpec, scope: &Scope, headers: &mut Vec<(HeaderName, Template)>) {
    let is_given = headers.iter().any(|(name, _)| *name == ACCEPT);
    if let Some(Written::Events(_)) = Written::of(spec)
        && !is_given
        && let Ok(template) = Template::compile("text/event-stream", Spot::Text, scope)
    {
        headers.push((ACCEPT, template));
    }
}

/// Whether what is sent looks at the record before.
pub fn uses_last(request: &Request, stream: &StreamPlan) -> bool {
    let frames = match &stream.kind {
        StreamKind::WebSocket(socket) => socket.send.iter().any(frames::use_last),
        StreamKind::Events(_) => false,
    };
    frames || request.templates().any(Template::uses_last)
}

/// Files that are sent as frames, and where they were written.
pub fn files<'s>(spec: &'s EndpointSpec, path: &KeyPath) -> Vec<(&'s String, KeyPath)> {
    let frames = spec.websocket.iter().flat_map(|websocket| websocket.send.iter().flatten());
    frames::files(frames, &path.key("websocket").key("send"))
}
