//! Endpoints that stay open, decided: a row is a connection whose messages are collected.
//!
//! Must never hold a live resource.

use std::borrow::Cow;
use std::time::Duration;

use super::{BodyPlan, FilePlan};
use crate::template::Condition;

/// A connection that stays open, instead of a request and its reply.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// What is spoken over it.
    pub kind: StreamKind,
    /// When a row has all of its messages.
    pub until: UntilPlan,
    /// Largest message, in bytes.
    pub max_message: u64,
    /// Whether a template looks at the record before (`last`).
    pub uses_last: bool,
}

impl StreamPlan {
    /// Whether it is a WebSocket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        matches!(self.kind, StreamKind::WebSocket(_))
    }

    /// The URL of a request that opens it, as people know it: that of a WebSocket is ws or wss.
    #[must_use]
    pub fn shown<'u>(&self, url: &'u str) -> Cow<'u, str> {
        match url.strip_prefix("http").filter(|_| self.is_socket()) {
            Some(rest) => Cow::Owned(format!("ws{rest}")),
            None => Cow::Borrowed(url),
        }
    }

    /// What is sent when it has opened, in order.
    #[must_use]
    pub fn send(&self) -> &[BodyPlan] {
        match &self.kind {
            StreamKind::WebSocket(socket) => &socket.send,
            StreamKind::Events(_) => &[],
        }
    }

    /// Every file that is named in what is sent.
    pub fn files(&self) -> impl Iterator<Item = &FilePlan> {
        self.send().iter().flat_map(BodyPlan::files)
    }
}

/// What is spoken over a connection that stays open.
#[derive(Debug, Clone)]
pub enum StreamKind {
    /// WebSocket (RFC 6455).
    WebSocket(WebSocketPlan),
    /// Server-sent events (WHATWG HTML, section 9.2).
    Events(EventsPlan),
}

/// A WebSocket, decided. The URL of its endpoint is `ws://`, `wss://` or `demo:`; its requests have http or https.
#[derive(Debug, Clone)]
pub struct WebSocketPlan {
    /// Subprotocols that are offered, in order.
    pub protocols: Vec<String>,
    /// What is sent when the socket has opened, in order. Of the kinds of bodies there are `Json`, `Text` and `File`.
    pub send: Vec<BodyPlan>,
    /// Position of the limit that frames take from, in [`super::Plan::limits`]; `None`: none.
    pub send_limit: Option<usize>,
    /// Pings; `None`: none are sent.
    pub heartbeat: Option<HeartbeatPlan>,
}

/// Server-sent events, decided.
#[derive(Debug, Clone)]
pub struct EventsPlan {
    /// Types of events that are taken; empty: all.
    pub events: Vec<String>,
    /// Silence after which the stream is opened again; `None`: it may be silent for ever.
    pub silence: Option<Duration>,
}

/// Pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatPlan {
    /// A ping when nothing has come for so long.
    pub every: Duration,
    /// Silence after a ping that ends the socket.
    pub timeout: Duration,
}

/// When a row has all of its messages: what comes first counts. At least one is given.
#[derive(Debug, Clone, Default)]
pub struct UntilPlan {
    /// Messages that were taken, over all connections and sessions.
    pub messages: Option<u64>,
    /// Silence of an open connection.
    pub idle: Option<Duration>,
    /// Time since the first connection of this session.
    pub time: Option<Duration>,
    /// What the last message meets.
    pub when: Option<Condition>,
}
