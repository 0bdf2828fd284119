//! A request's body on its way out, as fast as the server lets it.
//!
//! Must never hold more than one piece that the server has no room for.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use hyper::body::Body;

use super::fault;
use crate::retry::Failure;
use crate::transport::body::SendBody;

/// A body on its way out.
pub(super) struct Upload {
    body: SendBody,
    sink: SendStream<Bytes>,
    piece: Bytes,
    done: bool,
}

impl Upload {
    /// The body, from its beginning; `done`: there is none.
    pub fn new(body: SendBody, sink: SendStream<Bytes>, done: bool) -> Self {
        Self { body, sink, piece: Bytes::new(), done }
    }

    /// Sends what can be sent; tells whether that was anything.
    ///
    /// # Errors
    /// When the body can't be read. What becomes of the stream is told by the reply.
    pub fn step(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut moved = false;
        while !self.done {
            if self.piece.is_empty() {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => self.piece = frame.into_data().unwrap_or_default(),
                    Poll::Ready(Some(Err(error))) => return Err(fault::unreadable(&error)),
                    Poll::Ready(None) => {
                        self.done = true;
                        let _ = self.sink.send_data(Bytes::new(), true);
                    }
                    Poll::Pending => break,
                }
                continue;
            }
            match self.room(cx) {
                Poll::Ready(Some(room)) => self.send(room),
                // The stream has ended.
                Poll::Ready(None) => self.done = true,
                Poll::Pending => break,
            }
            moved = true;
        }
        Ok(moved)
    }

    fn send(&mut self, room: usize) {
        let part = self.piece.split_to(room.min(self.piece.len()));
        self.done = self.piece.is_empty() && self.body.is_end_stream();
        if self.sink.send_data(part, self.done).is_err() {
            self.done = true;
        }
    }

    /// Bytes that may be sent now, at least one.
    fn room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.sink.reserve_capacity(self.piece.len());
        loop {
            let room = self.sink.capacity();
            if room > 0 {
                return Poll::Ready(Some(room));
            }
            match self.sink.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
