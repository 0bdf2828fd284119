//! Replies: a status, a text or what goes on, and the headers that keep browsers from doing anything with it but show it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Feeds a reply that goes on; ends when it has, or when nobody takes what it says.
pub(super) type Telling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a site says.
pub struct Reply {
    /// Head and body.
    pub(super) http: Response<Content>,
    /// What feeds the body; the connection works on it for as long as it stands.
    pub(super) telling: Option<Telling>,
}

/// A body.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it.
    Whole(Full<Bytes>),
    /// As it comes.
    Told(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Told(told) => told.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Told(_) => SizeHint::default(),
        }
    }
}

/// On every reply: nothing is kept, guessed, framed, or told to others.
const GUARDS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

impl Reply {
    fn new(status: StatusCode, kind: &'static str, content: Content, telling: Option<Telling>) -> Self {
        let mut http = Response::new(content);
        *http.status_mut() = status;
        let reply = Self { http, telling }.with(CONTENT_TYPE, kind);
        GUARDS.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }

    /// With this header, in place of another of its name.
    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.http.headers_mut().insert(name, HeaderValue::from_static(value));
        self
    }
}

/// A text of this type.
pub(super) fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Reply {
    Reply::new(status, kind, Content::Whole(Full::new(text.into())), None)
}

/// Server-sent events, as `telling` puts them behind the other end of `told`.
pub(super) fn events(told: mpsc::Receiver<Bytes>, telling: Telling) -> Reply {
    Reply::new(StatusCode::OK, "text/event-stream", Content::Told(told), Some(telling))
}

/// A refusal, in a sentence.
pub(super) fn refuse(status: StatusCode, words: &str) -> Reply {
    text(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

/// The answer to whoever wants to change something.
pub(super) fn read_only() -> Reply {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "this can be read and nothing else: GET or HEAD").with(ALLOW, "GET, HEAD")
}
