//! Transport: one request out, one whole reply in, with the time of each stage.
//!
//! The way of a request is slot, connection, gate, wire: tokens are taken when the connection is there,
//! so that what has taken its tokens leaves at once. That means that a request keeps its connection while
//! it waits for its tokens, and others may wait for a connection because of that. `timeout.pool` is about
//! servers, not about tokens, so its clock stands still while some request to the same host stands before
//! its gate (or to any host, where `connections.total` is used up): a slow limit or a 429 that holds
//! one never makes a pool timeout. It may make others wait: an endpoint that is held keeps up to
//! `concurrency` connections, and another one at the same host gets by with the rest.
//!
//! Unused connections are closed after `idle-timeout`, as requests come by: nothing runs between them.
//!
//! Takes and gives `http` types and a closed set of failures, classified here and nowhere else. Must
//! never retry (but for a resend on a connection that died before a byte was sent), never pace, and
//! never see a row.

mod connect;
mod connection;
mod exchange;
mod fault;
mod hyper;
mod pool;
mod redirect;
mod reference;
mod resolve;
pub mod scripted;
mod standing;
mod target;
mod tls;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};

use crate::retry::Failure;

pub use hyper::HyperTransport;

/// A boxed future, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Timeouts of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeoutPlan {
    /// Wait for a free connection; waits in which others keep it for want of tokens do not count.
    pub pool: Duration,
    /// DNS, TCP and TLS.
    pub connect: Duration,
    /// Silence between two reads.
    pub read: Duration,
    /// One attempt, from the first byte sent to the last byte of the body; waits for tokens do not count.
    pub total: Duration,
    /// One row: all attempts and waits. `None`: no bound. Kept by the worker, not by the transport.
    pub row: Option<Duration>,
}

/// Settings of connections. Endpoints with equal settings share a transport and its connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientPlan {
    /// Connections in all.
    pub connections_total: usize,
    /// Connections to one origin.
    pub connections_per_host: usize,
    /// Unused connections are closed after this.
    pub idle_timeout: Duration,
    /// How long a resolved address is believed.
    pub dns_ttl: Duration,
    /// Redirects that are followed; 0: a redirect is a reply like any other.
    pub redirects: u32,
    /// Largest body, in bytes.
    pub max_body: u64,
    /// `User-Agent`, unless the endpoint has a header of that name; empty: none. Set by whoever builds
    /// the requests.
    pub user_agent: String,
    /// `host` or `host:port` → `address:port` to connect to instead.
    pub resolve: BTreeMap<String, std::net::SocketAddr>,
    /// TLS.
    pub tls: TlsPlan,
}

/// TLS settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsPlan {
    /// `false` accepts any certificate.
    pub verify: bool,
    /// More roots, PEM.
    pub ca: Option<PathBuf>,
    /// Client certificate chain and key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Lowest version spoken.
    pub min_version: TlsVersion,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    V12,
    /// TLS 1.3
    V13,
}

/// Where the tokens are: awaited when the connection is there, last before the wire; once for each
/// request that leaves, redirects included.
pub trait Gate: Send + Sync {
    /// Waits until a request may leave.
    fn pass(&self) -> BoxFuture<'_, ()>;
}

/// One request and what it needs on its way.
pub struct Call<'a> {
    /// The request, with an absolute `http` or `https` URI. `Content-Length` and `Transfer-Encoding`
    /// are the transport's to set, and so is `Host` where it is not given; all others are the caller's.
    pub request: Request<Bytes>,
    /// Where tokens are taken. On a redirect to another origin every header marked sensitive and
    /// `authorization`, `cookie` and `proxy-authorization` stay behind.
    pub gate: &'a dyn Gate,
    /// Timeouts.
    pub timeouts: &'a TimeoutPlan,
}

/// How long each stage took; zero where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Wait for a free connection.
    pub pool: Duration,
    /// Name resolution.
    pub dns: Duration,
    /// TCP.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// From the request's first byte to the reply's head.
    pub first_byte: Duration,
    /// From the reply's head to the end of its body.
    pub body: Duration,
}

impl Timings {
    /// What `duration_ms` says: from the request's first byte to the end of the body.
    #[must_use]
    pub fn exchange(&self) -> Duration {
        self.first_byte + self.body
    }
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, decoded and whole.
    pub body: Bytes,
    /// URL of the last request, after redirects.
    pub url: Uri,
    /// Times.
    pub timings: Timings,
}

/// Sends requests.
pub trait Transport: Send + Sync {
    /// Makes one attempt. Dropping the future ends it; its connection is not reused then.
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>>;
}

/// Why a transport could not be opened: a certificate file, a key, or no root certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// What is wrong and how to mend it, in words.
    pub message: String,
}

impl OpenError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OpenError {}
