//! Connections that stay open: opened as a run opens them, and closed at once.
//!
//! Must never send a frame, nor wait for a message.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use tokio::sync::Notify;

use crate::plan::{StreamKind, StreamPlan};
use crate::retry::Failure;
use crate::run::sending::Takers;
use crate::run::stream::is_event_stream;
use crate::transport::{BodyWriter, BoxFuture, Keep, Stream, Talk};
use crate::websocket::{Handshake, Socket};

/// How long the server's close frame is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The handshake of a WebSocket; `None`: a stream of events has none.
pub(super) fn handshake(plan: &StreamPlan) -> Option<Handshake> {
    match &plan.kind {
        StreamKind::WebSocket(socket) => Some(Handshake::new(&socket.protocols)),
        StreamKind::Events(_) => None,
    }
}

/// What hangs up when a connection is open.
pub(super) enum Greeting<'o> {
    /// A WebSocket, which is closed as the standard has it.
    Socket(&'o Handshake),
    /// A stream of events: who asked is told, and drops it.
    Events(&'o Notify),
}

impl Greeting<'_> {
    /// What takes the reply.
    pub fn takers(&mut self) -> Takers<'_> {
        match self {
            Self::Socket(_) => Takers { writer: None, talk: Some(self) },
            Self::Events(_) => Takers { writer: Some(self), talk: None },
        }
    }
}

impl Talk for Greeting<'_> {
    fn begin(&mut self, head: &response::Parts) -> Result<(), Failure> {
        match self {
            Self::Socket(handshake) => handshake.check(head),
            Self::Events(_) => Ok(()),
        }
    }

    fn talk<'s>(&'s mut self, stream: Box<dyn Stream>) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async move {
            // Nothing of it is read: what comes is thrown away.
            Socket::over(stream, u64::MAX).close(1000, "", PATIENCE).await;
            Ok(())
        })
    }
}

impl BodyWriter for Greeting<'_> {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        match self {
            Self::Events(opened) if opens(head.status, &head.headers) => {
                opened.notify_one();
                Keep::Writer
            }
            Self::Events(_) | Self::Socket(_) => Keep::Memory,
        }
    }

    fn write(&mut self, _: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Whether a reply is a stream of events.
fn opens(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::OK && is_event_stream(headers)
}
