//! What takes a reply elsewhere than into memory: its body, piece by piece, or the connection behind it.
//!
//! Traits alone; must never know who takes.

use std::time::Duration;

use bytes::Bytes;
use http::response;

use super::BoxFuture;
use crate::retry::Failure;

/// Where a reply's body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Into [`Reply::body`](super::Reply::body).
    Memory,
    /// To the writer; [`Reply::body`](super::Reply::body) stays empty.
    Writer,
    /// To both.
    Both,
}

/// Takes a reply's body elsewhere than into memory, piece by piece, decoded.
///
/// `begin` comes first and begins anew: an attempt may meet a redirect or a connection that has died.
pub trait BodyWriter: Send {
    /// A reply begins. Not called for redirects that are followed.
    fn begin(&mut self, head: &response::Parts) -> Keep;

    /// Takes a piece; nothing more is read from the server until it is done.
    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>>;

    /// The body is complete. Not called where the writer had enough before.
    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>>;

    /// Whether the body behind the head that `begin` was shown goes on for as long as the server likes. Asked once, of a writer
    /// that takes the body; nothing of it is kept in memory then.
    fn endless(&self) -> Option<Endless> {
        None
    }

    /// Whether nothing more is wanted of the body: asked after each `write`. The exchange ends well then, and the connection (over
    /// HTTP/2 the stream alone) is closed.
    fn is_done(&self) -> bool {
        false
    }
}

/// A body that goes on for as long as the server likes. Behind its head neither `timeout.total` nor `timeout.read` nor
/// `client.max-body` holds, and its time counts in no [`Timings`](super::Timings).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endless {
    /// Silence that ends it with [`FailureKind::ReadTimeout`](crate::retry::FailureKind::ReadTimeout); `None`: it may be silent for ever.
    pub silence: Option<Duration>,
}

/// A byte stream in both directions.
pub trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for S {}

/// Goes on over the connection once the server has switched protocols (101, RFC 9110 §15.2.2). The reply of such an exchange
/// is the 101, without a body, when the talk is over.
pub trait Talk: Send {
    /// Looks at the head of the 101. Not called for any other reply.
    ///
    /// # Errors
    /// When it is not what was asked for: the attempt fails so, and the connection is closed.
    fn begin(&mut self, head: &response::Parts) -> Result<(), Failure>;

    /// Talks until it is over, and only it says when that is: no timeout of the request bounds it. The connection keeps
    /// its slot until then, and is closed afterwards.
    ///
    /// # Errors
    /// When the attempt failed.
    fn talk<'s>(&'s mut self, stream: Box<dyn Stream>) -> BoxFuture<'s, Result<(), Failure>>;
}

/// The writer for another try; a trait object behind a mutable reference lends itself only by hand.
pub(crate) fn lend<'s>(writer: &'s mut Option<&mut dyn BodyWriter>) -> Option<&'s mut dyn BodyWriter> {
    match writer {
        Some(writer) => Some(&mut **writer),
        None => None,
    }
}

/// The talk for another try.
pub(crate) fn lend_talk<'s>(talk: &'s mut Option<&mut dyn Talk>) -> Option<&'s mut dyn Talk> {
    match talk {
        Some(talk) => Some(&mut **talk),
        None => None,
    }
}
