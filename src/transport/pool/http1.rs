//! One HTTP/1.1 connection: hyper's two halves, kept together and driven by whoever uses them.
//!
//! No task of its own: an exchange polls the connection while it waits for its reply, and an idle
//! connection is not polled at all. Must never be used by two exchanges at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use crate::clock::{self, Instant};
use crate::transport::body::SendBody;
use crate::transport::connect::wire::{Traffic, Wire};

/// Longest head of a reply, in bytes; hyper allows 100 headers in it.
pub(in crate::transport) const MAX_HEAD: usize = 256 * 1024;

type Driver = Connection<TokioIo<Wire>, SendBody>;

/// A connection and what belongs to it.
pub(in crate::transport) struct Http1Connection {
    /// Takes requests.
    pub sender: SendRequest<SendBody>,
    // `None` once the connection has ended.
    driver: Option<Driver>,
    // Where the connection may be switched: what has ended, since the byte stream can be taken out of it.
    ended: Option<Driver>,
    /// Whether the connection may be switched to another protocol by the reply.
    pub switches: bool,
    /// What moves over the wire.
    pub traffic: Arc<Traffic>,
    /// The one timer of the connection, re-armed instead of made anew.
    pub sleep: Pin<Box<Sleep>>,
    /// Since when it is unused.
    pub idle_since: Instant,
    /// Whether a reply was received over it before.
    pub used: bool,
    /// Whether it may go back to the pool; set when a reply is complete, unset when a request begins.
    pub reusable: bool,
}

impl Http1Connection {
    /// Makes an HTTP/1.1 connection of a byte stream.
    ///
    /// # Errors
    /// hyper's.
    pub async fn open(wire: Wire) -> hyper::Result<Box<Self>> {
        let traffic = wire.traffic();
        let (sender, driver) = Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(wire)).await?;
        let now = clock::now();
        let sleep = Box::pin(tokio::time::sleep_until(now));
        Ok(Box::new(Self {
            sender,
            driver: Some(driver),
            ended: None,
            switches: false,
            traffic,
            sleep,
            idle_since: now,
            used: false,
            reusable: false,
        }))
    }

    /// Lets the connection read and write as far as it can. A connection that has ended is dropped at
    /// once, which answers whoever waits for a reply on it; one that may be switched waits for
    /// [`Http1Connection::bury`] or [`Http1Connection::switched`].
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = Pin::new(driver).poll(cx)
        {
            self.ended = self.driver.take().filter(|_| self.switches && ended.is_ok());
        }
    }

    /// Drops a connection that has ended without being switched; tells whether there was one.
    pub fn bury(&mut self) -> bool {
        self.ended.take().is_some()
    }

    /// The byte stream behind a 101 that has come, with what was read of it already. `None`: it has broken.
    pub fn switched(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Bytes, Wire)>> {
        self.drive(cx);
        if self.driver.is_some() {
            return Poll::Pending;
        }
        let parts = self.ended.take().map(Connection::into_parts);
        Poll::Ready(parts.map(|Parts { io, read_buf, .. }| (read_buf, io.into_inner())))
    }

    /// Whether a request can be sent now: the peer has not closed and the last exchange is over.
    ///
    /// Polls without a waker: whoever sends next polls with its own.
    pub fn is_alive(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// After a complete reply: decides whether the connection may be used again.
    pub fn settle(&mut self, now: Instant) {
        self.used = true;
        self.idle_since = now;
        self.reusable = (self.driver.is_some() && self.sender.is_ready()) || self.is_alive();
    }
}
