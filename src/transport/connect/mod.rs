//! From an origin to a connection: name, TCP, TLS, each timed, all within `timeout.connect`.
//!
//! Must never send a byte of a request.

mod resolve;
pub(in crate::transport) mod tls;
pub(in crate::transport) mod wire;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;

use super::fault;
use super::pool::Host;
use super::target::bare_host;
use super::{ClientPlan, HttpVersion, OpenError, Opening, Timings};
use crate::clock::{self, Instant};
use crate::retry::{Failure, FailureKind};

use resolve::Resolver;
use tls::Tls;
use wire::Wire;

/// The next address is tried this long after the one before (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Makes connections.
pub(in crate::transport) struct Connector {
    resolver: Arc<Resolver>,
    tls: Tls,
    http: HttpVersion,
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
enum Stage {
    Name,
    Tcp,
    Tls,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name resolution",
            Self::Tcp => "TCP",
            Self::Tls => "the TLS handshake",
        }
    }
}

impl Connector {
    /// A connector for these settings.
    ///
    /// # Errors
    /// When certificates or keys can't be used.
    pub fn open(plan: &ClientPlan, opening: &Opening<'_>) -> Result<Self, OpenError> {
        let resolver = Resolver::new(&plan.resolve, plan.dns_ttl);
        Ok(Self { resolver, tls: Tls::open(&plan.tls, plan.http, opening.needs_tls)?, http: plan.http })
    }

    /// Connects within `limit` and adds the time of each stage to `timings`.
    ///
    /// # Errors
    /// [`FailureKind::Dns`], [`FailureKind::Connect`], [`FailureKind::Tls`], [`FailureKind::ConnectTimeout`].
    pub async fn connect(&self, host: &Host, limit: Duration, timings: &mut Timings) -> Result<Link, Failure> {
        let mut stage = Stage::Name;
        match tokio::time::timeout(limit, self.stages(host, &mut stage, timings)).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(fault::connect_timeout(&host.label, limit, stage.name())),
        }
    }

    async fn stages(&self, host: &Host, stage: &mut Stage, timings: &mut Timings) -> Result<Link, Failure> {
        let mut clock = Lap::start();
        let found = self.resolver.resolve(&host.origin).await;
        timings.dns += clock.lap();
        let addresses = found.map_err(|words| Failure::unsent(FailureKind::Dns, words))?;
        *stage = Stage::Tcp;
        let connected = race(&addresses, TcpStream::connect).await;
        timings.connect += clock.lap();
        let stream = connected.map_err(|error| refused(&host.label, &addresses, &error))?;
        // Without this the last packet of a request waits for an acknowledgement; failing to set it costs
        // speed and nothing else.
        let _ = stream.set_nodelay(true);
        let (wire, http2) = if host.origin.secure {
            *stage = Stage::Tls;
            let handshaken = self.handshake(host, stream).await;
            timings.tls += clock.lap();
            handshaken?
        } else {
            (Wire::plain(stream), self.http == HttpVersion::Two)
        };
        Ok(Link { wire, http2 })
    }

    /// TLS, and whether HTTP/2 was agreed on.
    async fn handshake(&self, host: &Host, stream: TcpStream) -> Result<(Wire, bool), Failure> {
        let connector = self.tls.connector().map_err(|error| Failure::unsent(FailureKind::Tls, error.message))?;
        let name = tls::server_name(bare_host(&host.origin.host)).ok_or_else(|| {
            Failure::unsent(FailureKind::Tls, format!("`{}` is no name for a certificate", host.label))
        })?;
        let no_common_http = || Failure::unsent(FailureKind::Tls, tls::no_common_http(&host.label, self.http));
        let stream = connector.connect(name, stream).await.map_err(|error| {
            if tls::is_no_common_http(&error) {
                return no_common_http();
            }
            Failure::unsent(tls::kind(&error), tls::words(&host.label, &error))
        })?;
        let http2 = tls::chose_http2(&stream);
        if self.http == HttpVersion::Two && !http2 {
            return Err(no_common_http());
        }
        Ok((Wire::tls(stream), http2))
    }
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
