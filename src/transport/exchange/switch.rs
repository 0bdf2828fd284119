//! A connection that goes on as another protocol behind a 101.
//!
//! Must never bound the talk: whoever talks knows when it is over.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Terms;
use super::watch::Watch;
use crate::retry::{Failure, FailureKind};
use crate::transport::Talk;
use crate::transport::connect::wire::Wire;
use crate::transport::pool::http1::Http1Connection;

/// Takes the byte stream out of the connection and talks over it until that is over; then it is closed.
pub(super) async fn run(
    connection: &mut Http1Connection,
    watch: &mut Watch,
    terms: &Terms<'_>,
    head: &response::Parts,
    talk: &mut dyn Talk,
) -> Result<(), Failure> {
    talk.begin(head)?;
    let switched = poll_fn(|cx| {
        let overdue = watch.step(connection, cx);
        match (connection.switched(cx), overdue) {
            (Poll::Ready(parts), _) => Poll::Ready(Ok(parts)),
            (Poll::Pending, Some(overdue)) => Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts))),
            (Poll::Pending, None) => Poll::Pending,
        }
    });
    let Some((early, wire)) = switched.await? else {
        let message = format!("the connection to `{}` broke as it changed to another protocol", terms.host);
        return Err(Failure::sent(FailureKind::Reset, message));
    };
    talk.talk(Box::new(Switched { early, wire })).await
}

/// The byte stream, what came with the head first.
struct Switched {
    early: Bytes,
    wire: Wire,
}

impl AsyncRead for Switched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.wire).poll_read(cx, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..length]);
        self.early.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Switched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
