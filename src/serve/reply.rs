//! Replies: a status, a text, and the headers that keep browsers from doing anything with it but show it.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;

/// What a site says.
pub(super) type Reply = Response<Full<Bytes>>;

/// On every reply: nothing is kept, guessed, framed, or told to others.
const GUARDS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// A text of this type.
pub(super) fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(text.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    GUARDS.into_iter().for_each(|(name, value)| drop(headers.insert(name, HeaderValue::from_static(value))));
    reply
}

/// A refusal, in a sentence.
pub(super) fn refuse(status: StatusCode, words: &str) -> Reply {
    text(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

/// The answer to whoever wants to change something.
pub(super) fn read_only() -> Reply {
    let mut reply = refuse(StatusCode::METHOD_NOT_ALLOWED, "this can be read and nothing else: GET or HEAD");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}
