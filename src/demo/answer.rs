//! What a route can say, and the small ways to say it.
//!
//! Must never fail: a header value that can't be sent is left out.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::ticks::Feed;

/// A whole reply.
pub(super) type Reply = Response<Full<Bytes>>;

/// What a route says.
#[derive(Debug)]
pub(super) enum Answer {
    /// At once.
    Now(Reply),
    /// After this long.
    Later(Duration, Reply),
    /// Nothing: the connection is cut.
    Cut,
    /// This head, and then a WebSocket.
    Socket(Reply, Feed),
    /// Server-sent events.
    Events(Feed),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Now(reply)
    }
}

/// A JSON reply.
pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(value.to_string())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// A JSON reply with status 200.
pub(super) fn ok(value: &Value) -> Reply {
    json(StatusCode::OK, value)
}

/// A reply that says what went wrong and how to do better.
pub(super) fn refuse(status: StatusCode, error: &str, help: &str) -> Reply {
    json(status, &json!({ "error": error, "help": help }))
}

/// The reply with one more header.
pub(super) fn with(mut reply: Reply, name: &'static str, value: impl Into<String>) -> Reply {
    if let Ok(value) = HeaderValue::try_from(value.into()) {
        reply.headers_mut().append(HeaderName::from_static(name), value);
    }
    reply
}
