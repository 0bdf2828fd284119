//! How connections stay open, as `plan` tells it.

use serde::Serialize;

use super::facts::LimitFacts;
use super::preview::ShownFrame;
use crate::clock;
use crate::plan::{EndpointPlan, Plan, StreamKind, StreamPlan, UntilPlan};
use crate::report::text::{clean, counted, thousands};

/// An endpoint whose messages are collected. Times are in seconds.
#[derive(Debug, Serialize)]
pub struct StreamFacts {
    /// `websocket` or `sse`.
    pub kind: &'static str,
    pub until: UntilFacts,
    /// Bytes.
    pub max_message: u64,
    /// Subprotocols that are offered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Types of events that are taken; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Silence before a ping and after it; `None`: no pings are sent.
    pub heartbeat: Option<HeartbeatFacts>,
    /// Silence of events after which they are asked for again; `None`: nothing bounds it.
    pub silence_seconds: Option<f64>,
    pub reconnect: ReconnectFacts,
    /// How fast frames are sent; `None`: as fast as the sockets take them.
    pub send_limit: Option<LimitFacts>,
    /// Whether what is sent looks at the record before.
    pub uses_last: bool,
    /// What is said for people.
    #[serde(skip)]
    words: Vec<(&'static str, String)>,
}

/// When a row has all of its messages.
#[derive(Debug, Serialize)]
pub struct UntilFacts {
    pub messages: Option<u64>,
    pub idle_seconds: Option<f64>,
    pub time_seconds: Option<f64>,
    pub when: Option<String>,
}

/// Pings.
#[derive(Debug, Serialize)]
pub struct HeartbeatFacts {
    pub every_seconds: f64,
    pub timeout_seconds: f64,
}

/// What happens when a connection ends before its row.
#[derive(Debug, Serialize)]
pub struct ReconnectFacts {
    /// In a row, without a message in between.
    pub attempts: u32,
    pub initial_seconds: f64,
    pub max_seconds: f64,
}

impl StreamFacts {
    pub(super) fn of(plan: &Plan, endpoint: &EndpointPlan, stream: &StreamPlan) -> Self {
        let retry = &endpoint.retry;
        let (socket, events) = match &stream.kind {
            StreamKind::WebSocket(socket) => (Some(socket), None),
            StreamKind::Events(events) => (None, Some(events)),
        };
        let limit = socket.and_then(|socket| plan.limits.get(socket.send_limit?));
        let heartbeat = socket.and_then(|socket| socket.heartbeat);
        Self {
            kind: if stream.is_socket() { "websocket" } else { "sse" },
            until: UntilFacts::of(&stream.until),
            max_message: stream.max_message,
            protocols: socket.map(|socket| socket.protocols.clone()).unwrap_or_default(),
            events: events.map(|events| events.events.clone()).unwrap_or_default(),
            heartbeat: heartbeat.map(|heartbeat| HeartbeatFacts {
                every_seconds: heartbeat.every.as_secs_f64(),
                timeout_seconds: heartbeat.timeout.as_secs_f64(),
            }),
            silence_seconds: events.and_then(|events| events.silence).map(|silence| silence.as_secs_f64()),
            reconnect: ReconnectFacts {
                attempts: retry.attempts.saturating_sub(1),
                initial_seconds: retry.initial.as_secs_f64(),
                max_seconds: retry.max.as_secs_f64(),
            },
            send_limit: limit.map(LimitFacts::of),
            uses_last: stream.uses_last,
            words: words(plan, endpoint, stream),
        }
    }

    /// Labels and what stands behind them.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        self.words.clone()
    }
}

impl UntilFacts {
    fn of(until: &UntilPlan) -> Self {
        Self {
            messages: until.messages,
            idle_seconds: until.idle.map(|idle| idle.as_secs_f64()),
            time_seconds: until.time.map(|time| time.as_secs_f64()),
            when: until.when.as_ref().map(|when| when.source().to_owned()),
        }
    }
}

fn words(plan: &Plan, endpoint: &EndpointPlan, stream: &StreamPlan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("until", until(stream))];
    match &stream.kind {
        StreamKind::WebSocket(socket) => {
            if !socket.protocols.is_empty() {
                lines.push(("protocols", socket.protocols.join(", ")));
            }
            if let Some(limit) = socket.send_limit.and_then(|limit| plan.limits.get(limit)) {
                lines.push(("frames", LimitFacts::of(limit).line));
            }
            lines.push((
                "heartbeat",
                match socket.heartbeat {
                    Some(heartbeat) => format!(
                        "a ping after {} of silence, and {} for an answer",
                        clock::human(heartbeat.every),
                        clock::human(heartbeat.timeout)
                    ),
                    None => "none: a connection that dies in silence is found by `until` alone".to_owned(),
                },
            ));
        }
        StreamKind::Events(events) => {
            if !events.events.is_empty() {
                lines.push(("events", events.events.join(", ")));
            }
            if let Some(silence) = events.silence {
                lines.push(("silence", format!("after {} the events are asked for again", clock::human(silence))));
            }
        }
    }
    lines.push(("reconnect", reconnect(endpoint, stream)));
    lines
}

fn until(stream: &StreamPlan) -> String {
    let (messages, one) = if stream.is_socket() { ("message", "a message") } else { ("event", "an event") };
    let until = &stream.until;
    let ends = [
        until.messages.map(|count| counted(count, messages)),
        until.idle.map(|idle| format!("{} of silence", clock::human(idle))),
        until.time.map(|time| format!("{} have passed", clock::human(time))),
        until.when.as_ref().map(|when| format!("{one} meets {}", when.source())),
    ];
    let ends: Vec<String> = ends.into_iter().flatten().collect();
    match ends.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn reconnect(endpoint: &EndpointPlan, stream: &StreamPlan) -> String {
    let retry = &endpoint.retry;
    match retry.attempts.saturating_sub(1) {
        0 if stream.is_socket() => "never: a row fails whose socket breaks".to_owned(),
        0 => "never: a stream that the server ends is the whole of its row".to_owned(),
        times => format!(
            "{} in a row without a message, after {} to {}",
            match times {
                1 => "once".to_owned(),
                times => format!("{} times", thousands(u64::from(times))),
            },
            clock::human(retry.initial),
            clock::human(retry.max)
        ),
    }
}

/// How many connections there are, and how many of them at once.
pub(super) fn connections(rows: Option<u64>, open: &str) -> String {
    let connections = rows.map(|rows| counted(rows, "connection"));
    let connections = connections.unwrap_or_else(|| "a connection for each row".to_owned());
    format!("{connections}, more with reconnects; {open} open at once")
}

/// A frame that is sent, on a line.
pub(super) fn frame_line(frame: &ShownFrame) -> String {
    match (&frame.file, &frame.text) {
        (Some(file), _) => format!("sends the file {}, {}", clean(&file.path), counted(file.size, "byte")),
        (None, text) => format!("sends {}", clean(text.as_deref().unwrap_or_default())),
    }
}
