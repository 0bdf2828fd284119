//! From an origin to a connection: name, TCP, TLS, each timed, all within `timeout.connect`; or a
//! Unix-domain socket, or a way through a proxy.
//!
//! Must never send a byte of a request.

mod resolve;
mod socks;
mod through;
pub(in crate::transport) mod tls;
mod tunnel;
pub(in crate::transport) mod wire;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::fault;
use super::pool::Host;
use super::proxy::environment::LookUp;
use super::proxy::routes::{Route, Routes};
use super::target::bare_host;
use super::{ClientPlan, HttpVersion, OpenError, Opening, Timings, TlsPlan, socket};
use crate::clock::{self, Instant};
use crate::recap::Bytes;
use crate::retry::{Failure, FailureKind};

use resolve::{Resolver, Unresolved};
use through::Reached;
use tls::Tls;
use wire::{Total, Wire};

/// The next address is tried this long after the one before (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Makes connections.
pub(in crate::transport) struct Connector {
    resolver: Arc<Resolver>,
    tls: Tls,
    routes: Routes,
    /// For proxies that are spoken to over TLS; our own certificate is not shown to them.
    proxy_tls: Option<Tls>,
    http: HttpVersion,
    /// Bytes over all its connections.
    total: Arc<Total>,
}

/// What a connection attempt gives.
pub(in crate::transport) struct Link {
    /// The byte stream, ready for requests.
    pub wire: Wire,
    /// Whether HTTP/2 is to be spoken over it: the server chose it, or the job says so.
    pub http2: bool,
}

/// How far a connection attempt has come.
#[derive(Clone, Copy)]
enum Stage<'h> {
    Name,
    Tcp,
    Socket,
    Tls,
    ProxyName(&'h str),
    ProxyTcp(&'h str),
    ProxyTls(&'h str),
    Tunnel(&'h str),
}

impl Stage<'_> {
    fn words(self) -> String {
        match self {
            Self::Name => "name resolution".to_owned(),
            Self::Tcp => "TCP".to_owned(),
            Self::Socket => "the socket".to_owned(),
            Self::Tls => "the TLS handshake".to_owned(),
            Self::ProxyName(proxy) => format!("resolving the name of the proxy `{proxy}`"),
            Self::ProxyTcp(proxy) => format!("TCP to the proxy `{proxy}`"),
            Self::ProxyTls(proxy) => format!("the TLS handshake with the proxy `{proxy}`"),
            Self::Tunnel(proxy) => format!("the tunnel through the proxy `{proxy}`"),
        }
    }
}

impl Connector {
    /// A connector for these settings and this environment.
    ///
    /// # Errors
    /// When certificates or keys, or user and password of a proxy, can't be used.
    pub fn open(plan: &ClientPlan, opening: &Opening<'_>, look_up: LookUp<'_>) -> Result<Self, OpenError> {
        let resolver = Resolver::new(&plan.resolve, plan.dns_ttl);
        let routes = Routes::open(&plan.proxy, opening, look_up)?.tunnelled(plan.upgrades);
        let without_identity = TlsPlan { identity: None, ..plan.tls.clone() };
        let open_proxy = || Tls::open(&without_identity, HttpVersion::One, true);
        let proxy_tls = routes.need_tls().then(open_proxy).transpose()?;
        let tls = Tls::open(&plan.tls, plan.http, opening.needs_tls)?;
        Ok(Self { resolver, tls, routes, proxy_tls, http: plan.http, total: Arc::default() })
    }

    /// Bytes over all its connections.
    pub fn bytes(&self) -> Bytes {
        self.total.bytes()
    }

    /// Connects within `limit` and adds the time of each stage to `timings`.
    ///
    /// # Errors
    /// [`FailureKind::Proxy`], [`FailureKind::Dns`], [`FailureKind::UnknownHost`], [`FailureKind::Connect`], [`FailureKind::Tls`], [`FailureKind::ConnectTimeout`].
    pub async fn connect(&self, host: &Host, limit: Duration, timings: &mut Timings) -> Result<Link, Failure> {
        let mut stage = Stage::Name;
        match tokio::time::timeout(limit, self.stages(host, &mut stage, timings)).await {
            Ok(connected) => connected.map(|link| Link { wire: link.wire.counted_in(&self.total), http2: link.http2 }),
            Err(_elapsed) => Err(fault::connect_timeout(&host.label, limit, &stage.words())),
        }
    }

    async fn stages<'h>(&self, host: &'h Host, stage: &mut Stage<'h>, timings: &mut Timings) -> Result<Link, Failure> {
        if host.origin.unix {
            return self.socket(host, stage, timings).await;
        }
        let reached = match host.route.get_or_init(|| self.routes.of(&host.origin)) {
            Route::Direct => Reached::Tcp(self.direct(host, stage, timings).await?),
            Route::Forward(proxy) => self.to_proxy(proxy, stage, timings).await?,
            Route::Tunnel(proxy) => self.through(proxy, host, stage, timings).await?,
            Route::Unusable(why) => return Err(Failure::unsent(FailureKind::Proxy, why.clone())),
        };
        if !host.origin.secure {
            // A proxy that forwards requests takes them as HTTP/1.1.
            let http2 = self.http == HttpVersion::Two && host.forward().is_none();
            let wire = match reached {
                Reached::Tcp(stream) => Wire::plain(stream),
                Reached::Tls(stream) => Wire::tls(stream),
            };
            return Ok(Link { wire, http2 });
        }
        *stage = Stage::Tls;
        let mut clock = Lap::start();
        let name = bare_host(&host.origin.host);
        let link = match reached {
            Reached::Tcp(stream) => tls::handshake(&self.tls, name, &host.label, stream).await.map(|stream| {
                let http2 = tls::chose_http2(&stream);
                Link { wire: Wire::tls(Box::new(stream)), http2 }
            }),
            Reached::Tls(stream) => tls::handshake(&self.tls, name, &host.label, stream).await.map(|stream| {
                let http2 = tls::chose_http2(&stream);
                Link { wire: Wire::nested(stream), http2 }
            }),
        };
        timings.tls += clock.lap();
        link
    }

    async fn socket(&self, host: &Host, stage: &mut Stage<'_>, timings: &mut Timings) -> Result<Link, Failure> {
        *stage = Stage::Socket;
        let mut clock = Lap::start();
        let connected = UnixStream::connect(socket::path(&host.origin.host).unwrap_or_default()).await;
        timings.connect += clock.lap();
        let http2 = self.http == HttpVersion::Two;
        connected.map(Wire::unix).map(|wire| Link { wire, http2 }).map_err(|error| closed(&host.label, &error))
    }

    async fn direct(&self, host: &Host, stage: &mut Stage<'_>, timings: &mut Timings) -> Result<TcpStream, Failure> {
        let mut clock = Lap::start();
        let found = self.resolver.resolve(&host.origin).await;
        timings.dns += clock.lap();
        let addresses = found.map_err(Unresolved::into_failure)?;
        *stage = Stage::Tcp;
        let connected = tcp(&addresses).await;
        timings.connect += clock.lap();
        connected.map_err(|error| refused(&host.label, &addresses, &error))
    }
}

async fn tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let stream = race(addresses, TcpStream::connect).await?;
    // Without this the last packet of a request waits for an acknowledgement; failing to set it costs
    // speed and nothing else.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn closed(label: &str, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket; is its server running?".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens at this socket; is its server running?".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied; whoever runs this must may write to it".to_owned(),
        _ => fault::io_words(error),
    };
    Failure::unsent(FailureKind::Connect, format!("connecting to `{label}` failed: {why}"))
}

fn refused(label: &str, addresses: &[SocketAddr], error: &io::Error) -> Failure {
    let tried = match addresses {
        [only] => format!(" ({only})"),
        several => format!(" (the last of {} addresses)", several.len()),
    };
    Failure::unsent(FailureKind::Connect, format!("connecting to `{label}`{tried} failed: {}", fault::io_words(error)))
}

/// Times consecutive stages.
struct Lap {
    last: Instant,
}

impl Lap {
    fn start() -> Self {
        Self { last: clock::now() }
    }

    fn lap(&mut self) -> Duration {
        let now = clock::now();
        let lap = now - self.last;
        self.last = now;
        lap
    }
}

/// Connects to the first address that answers, starting the next one when an attempt fails or after
/// [`STAGGER`] (RFC 8305 §5). The losers are closed.
///
/// # Errors
/// The last attempt's.
async fn race<S, F>(addresses: &[SocketAddr], connect: impl Fn(SocketAddr) -> F) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    if let [only] = addresses {
        return connect(*only).await;
    }
    let mut waiting = addresses.iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut last_error = io::Error::other("no address to connect to");
    loop {
        match waiting.next() {
            Some(address) => attempts.push(Box::pin(connect(*address))),
            None if attempts.is_empty() => return Err(last_error),
            None => {}
        }
        let ended = poll_fn(|cx| poll_any(&mut attempts, cx));
        let outcome = if waiting.len() == 0 { Ok(ended.await) } else { tokio::time::timeout(STAGGER, ended).await };
        match outcome {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last_error = error,
            Err(_next_is_due) => {}
        }
    }
}

// The outcome of an attempt that has ended; the attempt is taken out.
fn poll_any<S, F>(attempts: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Poll<io::Result<S>>
where
    F: Future<Output = io::Result<S>>,
{
    for at in 0..attempts.len() {
        if let Poll::Ready(outcome) = attempts[at].as_mut().poll(cx) {
            drop(attempts.swap_remove(at));
            return Poll::Ready(outcome);
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    fn addresses(count: u16) -> &'static [SocketAddr] {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect::<Vec<_>>().leak()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_does_not_hold_up_the_next() {
        let began = clock::now();
        let won = race(addresses(3), async |address: SocketAddr| match address.port() {
            3 => Ok(address.port()),
            _ => pending().await,
        });
        assert_eq!(won.await.unwrap(), 3);
        assert_eq!(clock::now() - began, STAGGER * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_at_once() {
        let began = clock::now();
        let won = race(addresses(2), async |address: SocketAddr| match address.port() {
            1 => Err(io::ErrorKind::ConnectionRefused.into()),
            port => Ok(port),
        });
        assert_eq!(won.await.unwrap(), 2);
        assert_eq!(clock::now(), began);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_first_address_may_still_win() {
        let won = race(addresses(2), async |address: SocketAddr| match address.port() {
            1 => {
                tokio::time::sleep(STAGGER * 2).await;
                Ok(1)
            }
            _ => pending().await,
        });
        assert_eq!(won.await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_is_told_when_all_fail() {
        let lost = race(addresses(2), async |address: SocketAddr| {
            Err::<(), _>(io::Error::other(format!("port {}", address.port())))
        });
        assert_eq!(lost.await.unwrap_err().to_string(), "port 2");
    }
}
