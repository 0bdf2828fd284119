//! The demo API behind `demo:` URLs: worth playing with, deterministic by seed, on loopback only.
//!
//! A small HTTP/1.1 server with a table of routes, one file per group. What it answers depends on the
//! seed and the request alone; what it remembers (who was refused once, how full a bucket is) lives
//! and ends with the server. Must never listen anywhere but on 127.0.0.1, and never touch a file.

mod access;
mod answer;
mod bulk;
mod echo;
mod files;
mod graphql;
mod inbox;
mod limited;
mod lists;
mod orders;
mod pages;
mod products;
mod rates;
mod router;
mod seed;
mod server;
mod streams;
#[cfg(test)]
mod tests;
mod ticks;
mod trouble;
mod upload;
mod users;

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, response};
use hyper::body::Body;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use answer::Answer;
use router::{Asked, World, dispatch};

/// Settings of the demo API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoPlan {
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Seed of everything that looks random.
    pub seed: u64,
}

impl DemoPlan {
    /// The seed of `demo:` URLs, so that a job answers the same on every machine.
    pub const SEED: u64 = 1;
}

impl Default for DemoPlan {
    fn default() -> Self {
        Self { port: 0, seed: Self::SEED }
    }
}

/// A running demo API; ends, with all of its connections, when dropped.
#[derive(Debug)]
pub struct Demo {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Demo {
    /// Starts the server on 127.0.0.1. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port can't be bound.
    pub async fn start(plan: DemoPlan) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, plan.port)).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::new(plan.seed));
        Ok(Self { address, server: tokio::spawn(server::serve(listener, world)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The task owns every connection, so they end with it.
        self.server.abort();
    }
}

/// What the API of `demo:` URLs replies to a request with this body that is the first ever; `None`: nothing, or not at
/// once.
#[must_use]
pub fn reply<B>(request: &Request<B>, body: &Bytes) -> Option<(response::Parts, Bytes)> {
    let asked = Asked {
        method: request.method(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
        body,
        part: "".into(),
    };
    let Answer::Now(reply) = dispatch(&World::new(DemoPlan::SEED), asked) else { return None };
    let (head, mut body) = reply.into_parts();
    // Of bytes in memory the one frame is there at once.
    let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(frame) = frame else { return None };
    let Some(Ok(frame)) = frame else { return Some((head, Bytes::new())) };
    Some((head, frame.into_data().unwrap_or_default()))
}

/// One line per route, for `paceline demo` and the docs: method, path, what it does.
#[must_use]
pub fn routes() -> &'static [(&'static str, &'static str, &'static str)] {
    static LINES: LazyLock<Vec<(&str, &str, &str)>> =
        LazyLock::new(|| router::table().map(|route| (route.method, route.pattern, route.doc)).collect());
    &LINES
}
