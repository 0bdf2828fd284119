//! Transport: one request out, one whole reply in, with the time of each stage.
//!
//! The way of a request is slot, connection, gate, wire: tokens are taken when the connection is there,
//! so that what has taken its tokens leaves at once. That means that a request keeps its connection while
//! it waits for its tokens, and others may wait for a connection because of that. `timeout.pool` is about
//! servers, not about tokens, so its clock stands still while some request to the same host stands before
//! its gate (or to any host, where `connections.total` is used up): a slow limit or a 429 that holds
//! one never makes a pool timeout. It may make others wait: an endpoint that is held keeps up to
//! `concurrency` connections, and another one at the same host gets by with the rest. Over HTTP/2 a request
//! keeps a stream of a shared connection, and the same holds for streams.
//!
//! Unused connections are closed after `idle-timeout`, as requests come by: nothing runs between them.
//!
//! Takes and gives `http` types and a closed set of failures, classified here and nowhere else. Must
//! never retry (but for one resend of a request that surely nobody processed), never pace, and never see
//! a row.

pub mod body;
mod connect;
mod cookies;
mod engine;
mod exchange;
mod fault;
mod hyper;
#[cfg(feature = "surf")]
mod lossy;
mod pool;
pub(crate) mod proxy;
pub mod reach;
pub(crate) mod redirect;
pub(crate) mod reference;
#[cfg(feature = "surf")]
mod relay;
pub mod scripted;
pub(crate) mod socket;
#[cfg(feature = "surf")]
pub mod surf;
mod takers;
mod target;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};

use crate::retry::Failure;
use crate::secret::{Masker, Secrets};

pub use body::{BodyPart, RequestBody};
pub use engine::open;
pub use hyper::HyperTransport;
pub use proxy::{ProxyAddress, ProxyScheme, ProxyUrl};
pub use takers::{BodyWriter, Endless, Keep, Stream, Talk};
pub(crate) use takers::{lend, lend_talk};

/// Requests that share an HTTP/2 connection at most, whatever the server allows: what RFC 9113 §6.5.2
/// recommends to allow at least.
pub const STREAMS_PER_CONNECTION: usize = 100;

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
    /// What requests go through.
    pub engine: Engine,
    /// Which HTTP is spoken.
    pub http: HttpVersion,
    /// Whether connections are switched to another protocol: they go through proxies by tunnels alone.
    pub upgrades: bool,
    /// Whether cookies are kept and sent, for the time of a session.
    pub cookies: bool,
    /// Whether encoded replies are asked for and decoded.
    pub compression: bool,
    /// Through whom connections are made.
    pub proxy: ProxyPlan,
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

impl ClientPlan {
    /// Requests that can be on their way over one connection at once.
    #[must_use]
    pub fn calls_per_connection(&self, https: bool) -> usize {
        match self.http {
            HttpVersion::Auto if https => STREAMS_PER_CONNECTION,
            HttpVersion::Auto | HttpVersion::One => 1,
            HttpVersion::Two => STREAMS_PER_CONNECTION,
        }
    }
}

/// What requests go through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// hyper's connections alone.
    #[default]
    Hyper,
    /// A surf client over the same connections.
    Surf,
}

/// Which HTTP is spoken.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub enum HttpVersion {
    /// HTTP/2 where a TLS server chooses it (ALPN), else HTTP/1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 alone.
    #[serde(rename = "1.1")]
    One,
    /// HTTP/2 alone; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Two,
}

/// Through whom connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProxyPlan {
    /// What HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
    Environment,
    /// Nobody.
    None,
    /// This one, always, whatever NO_PROXY says.
    Url(Box<ProxyUrl>),
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
    /// Waits until a request to this URL may leave.
    fn pass(&self, url: &Uri) -> BoxFuture<'_, ()>;

    /// The request that was let through last has been handed to the wire. Told by engines that see it.
    fn left(&self) {}
}

/// The `Host` that a request to this URL carries where none is given: what a [`Signer`] signs.
///
/// # Errors
/// In words, when the URL is no place that can be asked over HTTP.
pub(crate) fn host_header(url: &Uri) -> Result<http::HeaderValue, String> {
    let header = target::Origin::of(url)?.header();
    http::HeaderValue::from_str(&header).map_err(|_| "the host can't stand in a header".to_owned())
}

/// Signs a request as it is about to leave: behind the gate, so that a signature that names the time does
/// not grow old before it.
pub trait Signer: Send + Sync {
    /// Adds the headers that sign the request; their values are marked sensitive.
    fn sign<'a>(
        &'a self,
        method: &'a Method,
        url: &'a Uri,
        headers: &'a mut HeaderMap,
        body: &'a RequestBody,
    ) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Marks a request, in its extensions, that a reply's link or a middleware leads to another origin than the job's own:
/// it goes there without anything that proves who asks, and of cookies with those that this very port has set (443 also
/// with those of 80).
#[derive(Debug, Clone, Copy)]
pub struct Abroad;

/// Marks a request, in its extensions, that is of no use without its body: a redirect that would turn it into a GET is not
/// followed, since what that answers says nothing of the request.
#[derive(Debug, Clone, Copy)]
pub struct Bodied;

/// One request and what it needs on its way.
pub struct Call<'a> {
    /// The request, with an absolute `http` or `https` URI, or `unix://HEX/path`: the path of a
    /// Unix-domain socket in hexadecimal digits. `Content-Length` and `Transfer-Encoding`
    /// are the transport's to set, and so is `Host` where it is not given; all others are the caller's.
    pub request: Request<RequestBody>,
    /// Where tokens are taken. On a redirect to another origin every header marked sensitive and
    /// `authorization`, `cookie` and `proxy-authorization` stay behind.
    pub gate: &'a dyn Gate,
    /// Timeouts.
    pub timeouts: &'a TimeoutPlan,
    /// Signs the request, and those of redirects within its origin.
    pub signer: Option<Arc<dyn Signer>>,
    /// Where the reply's body goes; `None`: into memory.
    pub writer: Option<&'a mut dyn BodyWriter>,
    /// What goes on where the server switches protocols; `None`: that is no reply.
    pub talk: Option<&'a mut dyn Talk>,
}

impl<'a> Call<'a> {
    /// A request whose reply is kept in memory.
    #[must_use]
    pub fn new(request: Request<RequestBody>, gate: &'a dyn Gate, timeouts: &'a TimeoutPlan) -> Self {
        Self { request, gate, timeouts, signer: None, writer: None, talk: None }
    }
}

/// How long each stage took; zero where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Wait for a free connection.
    pub pool: Duration,
    /// Name resolution; with a proxy that resolves, that of its own name.
    pub dns: Duration,
    /// TCP; with a proxy, that to it, TLS with it and its tunnel.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// From the request's first byte to the reply's head.
    pub first_byte: Duration,
    /// From the reply's head to the end of its body; zero where that is endless.
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

    /// Bytes over its connections so far, without TLS; none where it has no connections.
    fn bytes(&self) -> crate::recap::Bytes {
        crate::recap::Bytes::default()
    }
}

/// What a transport is opened with, beside its plan.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Some endpoint surely uses https, so that missing roots are told now.
    pub needs_tls: bool,
    /// For a proxy's user and password.
    pub secrets: &'a Secrets,
    /// Learns passwords that the environment brings.
    pub masker: &'a Masker,
    /// What stands for `demo:`; never reached through a proxy.
    pub demo: Option<&'a str>,
}

/// Why a transport could not be opened: a certificate file, a key, or no root certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// What is wrong and how to mend it, in words.
    pub message: String,
    /// The key that it comes from, below the endpoint's own or the job's; empty: it comes from none.
    pub key: &'static [&'static str],
}

impl OpenError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), key: &[] }
    }

    /// An error that comes from a key, which its words begin with.
    fn of(key: &'static [&'static str], why: impl fmt::Display) -> Self {
        Self { message: format!("{}: {why}", key.join(".")), key }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OpenError {}
