//! What failed on a stream, as a [`Failure`].
//!
//! A request that surely nobody saw is told from one that somebody may have seen (RFC 9113 §8.7). Must
//! never guess: when in doubt it was seen.

use std::io;

use h2::{Error, Reason};

use super::super::Ended;
use crate::retry::{Failure, FailureKind};
use crate::transport::body::Unreadable;
use crate::transport::fault::io_words;

/// The stream could not even be opened.
pub(super) fn unopened(host: &str) -> Ended {
    Ended::Unprocessed(Failure::unsent(
        FailureKind::Reset,
        format!("`{host}` takes no more requests over this connection"),
    ))
}

/// Whether the server refused the stream before it did anything with it.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM)
}

/// The stream ended before the reply's head. `sent`: whether the connection wrote anything since.
pub(super) fn before_head(host: &str, error: &Error, sent: bool) -> Ended {
    // h2 gives a server's GOAWAY to the streams beyond the last one that the server will look at, and to
    // no others.
    if is_refusal(error) || (error.is_go_away() && error.is_remote()) {
        let why = error.reason().unwrap_or(Reason::NO_ERROR);
        let message = format!("`{host}` did not take the request: {}", why.description());
        return Ended::Unprocessed(Failure::unsent(FailureKind::Reset, message));
    }
    let (kind, message) = match error.get_io() {
        Some(broken) if broken.kind() == io::ErrorKind::BrokenPipe => {
            (FailureKind::Reset, format!("`{host}` closed the connection without a reply"))
        }
        Some(broken) => (FailureKind::Reset, format!("the connection to `{host}` broke: {}", io_words(broken))),
        None if error.is_remote() => reset(host, error),
        None => (FailureKind::Protocol, misspoken(host, error)),
    };
    match sent {
        true => Ended::Failed(Failure::sent(kind, message)),
        false => Ended::Unprocessed(Failure::unsent(kind, message)),
    }
}

fn reset(host: &str, error: &Error) -> (FailureKind, String) {
    match error.reason() {
        Some(Reason::HTTP_1_1_REQUIRED) => {
            let message = format!("`{host}` wants HTTP/1.1 for this request; set client.http = \"1.1\"");
            (FailureKind::Protocol, message)
        }
        Some(_) | None => (FailureKind::Reset, format!("`{host}` broke the request off: {}", words(error))),
    }
}

/// The stream ended within the reply's body, after `received` bytes of it.
pub(super) fn in_body(host: &str, error: &Error, received: u64) -> Failure {
    if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) && error.is_library() {
        return Failure::sent(FailureKind::Protocol, misspoken(host, error));
    }
    if error.is_library() {
        let message = format!("the body from `{host}` is malformed after {received} bytes: {}", words(error));
        return Failure::sent(FailureKind::Protocol, message);
    }
    let why = if error.is_io() { String::new() } else { format!(": {}", words(error)) };
    Failure::sent(FailureKind::Truncated, format!("the body from `{host}` was cut short after {received} bytes{why}"))
}

/// The request's body could not be read; its head may have left.
pub(super) fn unreadable(error: &Unreadable) -> Failure {
    Failure::sent(FailureKind::Request, error.0.clone())
}

fn misspoken(host: &str, error: &Error) -> String {
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => {
            format!("`{host}` floods the connection: empty frames, or more small ones than anybody needs")
        }
        Some(_) | None => format!("`{host}` does not speak HTTP/2 as it should: {}", words(error)),
    }
}

fn words(error: &Error) -> String {
    error.reason().map_or_else(|| error.to_string(), |reason| reason.description().to_owned())
}
