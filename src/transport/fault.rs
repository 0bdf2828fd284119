//! What failed on the wire, as a [`Failure`]: classified here, once, with words for people.
//!
//! Texts name the host and never a URL with its query. Must never guess: `sent` is false only when no
//! byte of the request can have left.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::TimeoutPlan;
use super::body::Unreadable;
use super::connect::tls;
use super::pool::http1::MAX_HEAD;
use super::proxy::Proxy;
use crate::clock::human;
use crate::retry::{Failure, FailureKind};

/// A timeout that runs while a request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing moved for so long, which is `timeout.read`.
    Read(Duration),
    /// The attempt took longer than `timeout.total`.
    Total,
}

impl Overdue {
    /// The failure.
    pub fn failure(self, host: &str, timeouts: &TimeoutPlan) -> Failure {
        match self {
            Self::Read(silence) => Failure::sent(
                FailureKind::ReadTimeout,
                format!("`{host}` was silent for {} (timeout.read)", human(silence)),
            ),
            Self::Total => Failure::sent(
                FailureKind::TotalTimeout,
                format!("the attempt at `{host}` took longer than {} (timeout.total)", human(timeouts.total)),
            ),
        }
    }
}

/// No slot of the pool within `limit`.
pub(super) fn pool_timeout(host: &str, limit: Duration) -> Failure {
    Failure::unsent(
        FailureKind::PoolTimeout,
        format!("no connection to `{host}` became free within {} (timeout.pool); see client.connections", human(limit)),
    )
}

/// No connection within `limit`.
pub(super) fn connect_timeout(host: &str, limit: Duration, stage: &str) -> Failure {
    Failure::unsent(
        FailureKind::ConnectTimeout,
        format!("no connection to `{host}` within {} (timeout.connect): {stage} took too long", human(limit)),
    )
}

/// The proxy wants another user or password than it was given.
pub(super) fn proxy_wants(proxy: &Proxy) -> Failure {
    Failure::sent(FailureKind::Proxy, format!("the proxy `{}` {}", proxy.label, proxy.wants_words()))
}

/// hyper failed before the reply's head was there. `sent`: whether bytes of the request have left.
pub(super) fn before_head(host: &str, error: &hyper::Error, sent: bool) -> Failure {
    let (kind, message) = if let Some(unreadable) = Unreadable::within(error) {
        (FailureKind::Request, unreadable.0.clone())
    } else if error.is_parse_too_large() {
        let head = format!(
            "the head of the reply from `{host}` is larger than {} KiB or has more than 100 headers",
            MAX_HEAD / 1024
        );
        (FailureKind::Protocol, head)
    } else if error.is_parse() {
        (FailureKind::Protocol, format!("`{host}` does not speak HTTP/1.1 as it should: {}", deepest(error)))
    } else if let Some(error) = io_source(error) {
        match tls::inner(error) {
            Some(_) => (tls::kind(error), tls::words(host, error)),
            None => (FailureKind::Reset, format!("the connection to `{host}` broke: {}", io_words(error))),
        }
    } else {
        (FailureKind::Reset, format!("`{host}` closed the connection without a reply"))
    };
    Failure { kind, sent, head: None, message }
}

/// Informational replies without end.
pub(super) fn endless_head(host: &str) -> Failure {
    let message = format!("`{host}` sent more than {} KiB and no reply yet", 2 * MAX_HEAD / 1024);
    Failure::sent(FailureKind::Protocol, message)
}

/// Chunks that are nearly all framing.
pub(super) fn endless_framing(host: &str, length: u64) -> Failure {
    let message = format!("the body from `{host}` is malformed after {length} bytes: its chunks have no end");
    Failure::sent(FailureKind::Protocol, message)
}

/// The server changed to another protocol, which nobody asked for.
pub(super) fn switched(host: &str) -> Failure {
    let message = format!("`{host}` changed to another protocol (101 Switching Protocols), which was not asked for");
    Failure::sent(FailureKind::Protocol, message)
}

/// hyper failed within the reply's body, after `received` bytes of it.
pub(super) fn in_body(host: &str, error: &hyper::Error, received: u64) -> Failure {
    match io_source(error) {
        Some(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            let message = format!("the body from `{host}` is malformed after {received} bytes: {}", io_words(error));
            Failure::sent(FailureKind::Protocol, message)
        }
        Some(_) | None => {
            let message = format!("the body from `{host}` was cut short after {received} bytes");
            Failure::sent(FailureKind::Truncated, message)
        }
    }
}

/// The body is larger than `client.max-body`.
pub(super) fn too_large(host: &str, limit: u64) -> Failure {
    let message = format!("the body from `{host}` is larger than {limit} bytes (client.max-body)");
    Failure::sent(FailureKind::TooLarge, message)
}

/// An I/O error as people read it, without the system's error number.
pub(super) fn io_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

fn io_source(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
