//! Bodies on their way through surf: those of requests as its middleware may read them, those of replies as they come.
//!
//! Must never hold more of a body than a piece, but for a request's body that a middleware gives.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use ::surf::Body;
use async_std::io::{BufRead, Read};
use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Body as _;

use crate::transport::RequestBody;
use crate::transport::body::SendBody;
use crate::transport::relay::{Errand, Rest};

/// Bytes that are read of a middleware's body at once.
const AT_ONCE: usize = 16 * 1024;

/// A request's body, for middleware to read.
pub(super) struct Outbound {
    body: SendBody,
    piece: Bytes,
    read: Arc<AtomicBool>,
}

impl Outbound {
    /// `read` is set when somebody has read of it.
    pub fn new(body: &RequestBody, read: Arc<AtomicBool>) -> Self {
        Self { body: SendBody::new(body), piece: Bytes::new(), read }
    }
}

impl BufRead for Outbound {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        this.read.store(true, Ordering::Release);
        while this.piece.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(frame) => this.piece = frame.map_err(io::Error::other)?.into_data().unwrap_or_default(),
                None => break,
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().piece.advance(amount);
    }
}

/// A reply's body, as it comes.
pub(super) struct Inbound {
    rest: Rest,
    piece: Bytes,
}

impl Inbound {
    /// Nothing of it has come yet.
    pub fn new(rest: Rest) -> Self {
        Self { rest, piece: Bytes::new() }
    }
}

impl BufRead for Inbound {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty()
            && let Some(piece) = ready!(this.rest.poll_piece(cx))
        {
            this.piece = piece.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().piece.advance(amount);
    }
}

macro_rules! read_as_buffered {
    ($($reader:ty),*) => {$(
        impl Read for $reader {
            fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
                let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
                let count = bytes.len().min(into.len());
                into[..count].copy_from_slice(&bytes[..count]);
                self.consume(count);
                Poll::Ready(Ok(count))
            }
        }
    )*};
}

read_as_buffered!(Outbound, Inbound);

/// The next piece of a body; `None`: there is no more.
pub(super) async fn piece(body: &mut Body, errand: &Errand) -> io::Result<Option<Bytes>> {
    // A body with a length may be longer than it says; only `poll_read` keeps to it.
    let piece = if body.len().is_some() {
        let mut buffer = BytesMut::zeroed(AT_ONCE);
        let count = poll_fn(|cx| Pin::new(&mut *body).poll_read(cx, &mut buffer)).await?;
        buffer.truncate(count);
        buffer.freeze()
    } else {
        let piece = poll_fn(|cx| Pin::new(&mut *body).poll_fill_buf(cx).map_ok(|bytes| errand.piece(bytes))).await?;
        Pin::new(body).consume(piece.len());
        piece
    };
    Ok(Some(piece).filter(|piece| !piece.is_empty()))
}

/// All of a request's body that a middleware gave.
pub(super) async fn whole(mut body: Body, errand: &Errand) -> io::Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(piece) = piece(&mut body, errand).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}
