//! The default engine: HTTP/1.1 on hyper's connections, HTTP/2 on h2's, and a pool of our own.
//!
//! One request's way: seat, connection, gate, wire, reply, redirect. Must never retry, but for one
//! resend of a request that surely nobody saw: it could not begin to be written, or the server says that
//! it did nothing with it.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri};

use super::body::SendBody;
use super::connect::Connector;
use super::cookies::Jar;
use super::exchange::{self, Ended, Received, Terms};
use super::fault;
use super::pool::http1::Http1Connection;
use super::pool::http2::Http2Connection;
use super::pool::{Host, Lease, Pool, Seat};
use super::proxy::environment::LookUp;
use super::reach::Reached;
use super::redirect::Trail;
use super::target::{Origin, Outgoing};
use super::{
    Abroad, Bodied, BodyWriter, BoxFuture, Call, ClientPlan, Gate, OpenError, Opening, Reply, Signer, Talk,
    TimeoutPlan, Timings, Transport, lend, lend_talk,
};
use crate::clock::{self, Instant};
use crate::environment;
use crate::recap::Bytes;
use crate::retry::{Failure, FailureKind, Reach};

/// The default engine. Shared by every endpoint with the same [`ClientPlan`].
pub struct HyperTransport {
    pool: Pool,
    connector: Connector,
    redirects: u32,
    max_body: u64,
    compression: bool,
    cookies: Option<Jar>,
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// Opens the engine: no connection yet. Files named in the plan are read, and the environment where the
    /// plan leaves the proxy to it.
    ///
    /// # Errors
    /// When a certificate, a key or the machine's roots can't be used.
    pub fn open(plan: &ClientPlan, opening: &Opening<'_>) -> Result<Self, OpenError> {
        Self::open_in(plan, opening, &environment::variable)
    }

    /// The same, in an environment of one's own.
    pub(super) fn open_in(plan: &ClientPlan, opening: &Opening<'_>, look_up: LookUp<'_>) -> Result<Self, OpenError> {
        Ok(Self {
            pool: Pool::new(plan.connections_total, plan.connections_per_host, plan.idle_timeout, plan.http),
            connector: Connector::open(plan, opening, look_up)?,
            redirects: plan.redirects,
            max_body: plan.max_body,
            compression: plan.compression,
            cookies: plan.cookies.then(Jar::default),
        })
    }

    /// Connects to the server of a URL within `limit`, and hangs up: nothing is sent.
    ///
    /// # Errors
    /// When it can't be reached.
    pub async fn reach(&self, url: &Uri, limit: Duration) -> Result<Reached, Failure> {
        let origin = Origin::of(url).map_err(|why| Failure::unsent(FailureKind::Request, why))?;
        let host = self.pool.host(origin, clock::now());
        let mut timings = Timings::default();
        let link = self.connector.connect(&host, limit, &mut timings).await?;
        Ok(Reached::of(&link, &host, timings))
    }

    async fn follow(&self, mut call: Call<'_>) -> Result<Reply, Failure> {
        let (parts, body) = call.request.into_parts();
        let (abroad, bodied) = (parts.extensions.get::<Abroad>().is_some(), parts.extensions.get::<Bodied>().is_some());
        let (method, url, headers) = (parts.method, parts.uri, parts.headers);
        let mut outgoing = Outgoing { method, url, headers, kept: Vec::new(), body, abroad, bodied };
        let mut trail = Trail::new(self.redirects);
        let mut timings = Timings::default();
        loop {
            let hop = Hop {
                transport: self,
                gate: call.gate,
                timeouts: call.timeouts,
                timings: &mut timings,
                signer: call.signer.as_deref(),
                writer: lend(&mut call.writer),
                talk: lend_talk(&mut call.talk),
            };
            let received =
                hop.run(&mut outgoing, trail.follows()).await.map_err(|failure| on_trail(&trail, failure))?;
            match trail.next(&outgoing, received.head.status, &received.head.headers)? {
                Some(next) => {
                    if call.signer.is_some() && !same_origin(&outgoing, &next) {
                        call.signer = None;
                    }
                    outgoing = next;
                }
                None => return Ok(reply(received, outgoing, timings)),
            }
        }
    }
}

fn same_origin(one: &Outgoing, other: &Outgoing) -> bool {
    Origin::of(&one.url).is_ok_and(|one| Origin::of(&other.url).is_ok_and(|other| one == other))
}

// After a redirect something has been sent, whatever became of the next request; and what its target does
// to everybody who comes it does only to rows that are sent there.
fn on_trail(trail: &Trail, failure: Failure) -> Failure {
    if !trail.begun() {
        return failure;
    }
    match failure.kind.reach() {
        Reach::Row => Failure { sent: true, ..failure },
        Reach::Origin | Reach::Endpoint => {
            Failure::sent(FailureKind::Redirect, format!("after a redirect: {}", failure.message))
        }
    }
}

fn reply(received: Received, outgoing: Outgoing, timings: Timings) -> Reply {
    let Received { head, body, .. } = received;
    Reply { status: head.status, headers: head.headers, body, url: outgoing.url, timings }
}

impl Transport for HyperTransport {
    fn bytes(&self) -> Bytes {
        self.connector.bytes()
    }

    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.follow(call))
    }
}

/// One request on its way, redirects not followed.
struct Hop<'a> {
    transport: &'a HyperTransport,
    gate: &'a dyn Gate,
    timeouts: &'a TimeoutPlan,
    timings: &'a mut Timings,
    signer: Option<&'a dyn Signer>,
    writer: Option<&'a mut dyn BodyWriter>,
    talk: Option<&'a mut dyn Talk>,
}

impl Hop<'_> {
    async fn run(mut self, outgoing: &mut Outgoing, keep: bool) -> Result<Received, Failure> {
        let origin = Origin::of(&outgoing.url).map_err(|why| Failure::unsent(FailureKind::Request, why))?;
        let mut now = clock::now();
        let host: Arc<Host> = self.transport.pool.host(origin, now);
        let mut seat = match self.transport.pool.try_seat(&host, now) {
            Some(seat) => seat,
            None => {
                let seat = Box::pin(self.wait(&host)).await?;
                now = clock::now();
                seat
            }
        };
        let start = self.approach(&mut seat, &host, &outgoing.url, now).await?;
        let start = self.sign(outgoing, start).await?;
        let mut terms = Terms {
            host: &host.label,
            timeouts: self.timeouts,
            start,
            total: self.timeouts.total.saturating_sub(self.timings.exchange()),
            follows: keep,
            max_body: self.transport.max_body,
            decodes: self.transport.compression,
            forward: host.forward(),
        };
        let ended = match self.send(&mut seat, &host, outgoing, &terms).await {
            Err(Ended::Unsent(_, request)) if seat.was_used() => {
                outgoing.restore(Some(*request), keep);
                Box::pin(self.connect(&mut seat, &host)).await?;
                terms.start = self.sign(outgoing, clock::now()).await?;
                self.send(&mut seat, &host, outgoing, &terms).await
            }
            Err(Ended::Unprocessed(_)) => {
                outgoing.restore(None, keep);
                let start = Box::pin(self.go_again(&mut seat, &host, &outgoing.url)).await?;
                terms.start = self.sign(outgoing, start).await?;
                self.send(&mut seat, &host, outgoing, &terms).await
            }
            ended => ended,
        };
        let received = ended.map_err(Ended::into_failure)?;
        if let Some(jar) = &self.transport.cookies {
            jar.receive(&outgoing.url, &received.head.headers);
        }
        self.timings.first_byte += received.head_at - terms.start;
        self.timings.body += received.end - received.head_at;
        Ok(received)
    }

    // Connection, then gate, then a look whether the connection outlived the wait. Gives the time at
    // which the request may leave; the clock is read again only where something was waited for.
    async fn approach<'p>(
        &mut self,
        seat: &mut Seat<'p>,
        host: &'p Host,
        url: &Uri,
        mut now: Instant,
    ) -> Result<Instant, Failure>
    where
        Self: 'p,
    {
        if !seat.take_idle(now) {
            Box::pin(self.connect(seat, host)).await?;
            now = clock::now();
        }
        if pass(self.gate, url, seat).await {
            if !seat.is_alive() {
                Box::pin(self.connect(seat, host)).await?;
            }
            now = clock::now();
        }
        Ok(now)
    }

    // The server has done nothing with the request: it goes anew, over another connection, and takes
    // its tokens anew, for it may have been on the wire.
    async fn go_again<'p>(&mut self, seat: &mut Seat<'p>, host: &'p Host, url: &Uri) -> Result<Instant, Failure>
    where
        Self: 'p,
    {
        self.connect(seat, host).await?;
        if pass(self.gate, url, seat).await && !seat.is_alive() {
            self.connect(seat, host).await?;
        }
        Ok(clock::now())
    }

    async fn wait<'p>(&mut self, host: &'p Host) -> Result<Seat<'p>, Failure>
    where
        Self: 'p,
    {
        let began = clock::now();
        let seat = self.transport.pool.seat_within(host, self.timeouts.pool).await;
        self.timings.pool += clock::now() - began;
        seat.unwrap_or_else(|| Err(fault::pool_timeout(&host.label, self.timeouts.pool)))
    }

    /// Sees to it that the seat has a living connection; another one, if it had one before.
    async fn connect<'p>(&mut self, seat: &mut Seat<'p>, host: &'p Host) -> Result<(), Failure>
    where
        Self: 'p,
    {
        if let Seat::Stream(stream) = seat {
            stream.leave();
            *seat = self.wait(host).await?;
            if seat.take_idle(clock::now()) {
                return Ok(());
            }
        }
        let Seat::Whole(lease) = seat else { return Ok(()) };
        match self.open(lease).await {
            Ok(None) => Ok(()),
            Ok(Some(shared)) => {
                *seat = Seat::Stream(lease.share(shared));
                Ok(())
            }
            Err(failure) => {
                lease.not_opened(&failure);
                Err(failure)
            }
        }
    }

    /// Opens a connection: the lease's own, or one that is to be shared.
    async fn open(&mut self, lease: &mut Lease<'_>) -> Result<Option<Arc<Http2Connection>>, Failure> {
        lease.discard();
        lease.reserve();
        let (label, limit, began) = (&lease.host.label, self.timeouts.connect, clock::now());
        let link = self.transport.connector.connect(lease.host, limit, self.timings).await?;
        if link.http2 {
            let connected = clock::now();
            let opened = tokio::time::timeout_at(began + limit, Http2Connection::open(link.wire, label)).await;
            self.timings.connect += clock::now() - connected;
            return opened.map_err(|_| fault::connect_timeout(label, limit, "the HTTP/2 handshake"))?.map(Some);
        }
        let connection = Http1Connection::open(link.wire)
            .await
            .map_err(|error| Failure::unsent(FailureKind::Connect, format!("connecting to `{label}`: {error}")))?;
        lease.connection = Some(connection);
        lease.opened_alone();
        Ok(None)
    }

    // Behind the gate, so that the signature is fresh. Gives the time at which the request leaves: a large
    // file is read to be signed, and that is not the server's time.
    async fn sign(&mut self, outgoing: &mut Outgoing, start: Instant) -> Result<Instant, Failure> {
        let Some(signer) = self.signer else { return Ok(start) };
        signer.sign(&outgoing.method, &outgoing.url, &mut outgoing.headers, &outgoing.body).await?;
        Ok(clock::now())
    }

    async fn send(
        &mut self,
        seat: &mut Seat<'_>,
        host: &Host,
        outgoing: &mut Outgoing,
        terms: &Terms<'_>,
    ) -> Result<Received, Ended> {
        let jar = self.transport.cookies.as_ref();
        let writer = lend(&mut self.writer);
        match seat {
            Seat::Stream(stream) => {
                let mut request = outgoing.on_stream(host.header.to_str().unwrap_or(&host.label));
                put_cookies(jar, outgoing, &mut request);
                leaving(self.gate, exchange::http2::run(&stream.connection, request, terms, writer)).await
            }
            Seat::Whole(lease) => {
                let Some(connection) = &mut lease.connection else {
                    return Err(Ended::Failed(Failure::unsent(FailureKind::Connect, "no connection")));
                };
                let mut request = outgoing.on_wire(&host.header, terms.follows);
                put_cookies(jar, outgoing, &mut request);
                if let Some(proxy) = terms.forward {
                    proxy.address_request(&mut request, &outgoing.url);
                }
                let talk = lend_talk(&mut self.talk);
                leaving(self.gate, exchange::run(connection, request, terms, (writer, talk))).await
            }
        }
    }
}

/// An exchange hands its request to the wire when it is first polled: the gate is told.
async fn leaving<T>(gate: &dyn Gate, exchange: impl Future<Output = T>) -> T {
    let mut exchange = std::pin::pin!(exchange);
    let mut left = false;
    poll_fn(|cx| {
        let polled = exchange.as_mut().poll(cx);
        if !std::mem::replace(&mut left, true) {
            gate.left();
        }
        polled
    })
    .await
}

/// Cookies are chosen anew for each hop: what is put here is not among the headers that a redirect keeps.
fn put_cookies(jar: Option<&Jar>, outgoing: &Outgoing, request: &mut Request<SendBody>) {
    if let Some(jar) = jar {
        jar.send(&outgoing.url, outgoing.abroad, request.headers_mut());
    }
}

/// Passes the gate; tells whether that took a wait, in which the seat stood before it.
async fn pass(gate: &dyn Gate, url: &Uri, seat: &Seat<'_>) -> bool {
    let mut passing = gate.pass(url);
    let mut stood = None;
    poll_fn(|cx| {
        let passed = passing.as_mut().poll(cx);
        if passed.is_pending() {
            stood.get_or_insert_with(|| seat.stand());
        }
        passed
    })
    .await;
    stood.is_some()
}

#[cfg(test)]
impl HyperTransport {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}
