//! The default engine: HTTP/1.1 on hyper's connections and a pool of our own.
//!
//! One request's way: slot, connection, gate, wire, reply, redirect. Must never retry, but for one
//! resend when hyper gives a request back that it could not begin to write.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use http::{Request, StatusCode};

use super::body::SendBody;
use super::connect::Connector;
use super::cookies::Jar;
use super::exchange::{self, Ended, Received, Terms};
use super::fault;
use super::pool::http1::Http1Connection;
use super::pool::{Host, Lease, Pool};
use super::proxy::environment::LookUp;
use super::redirect::Trail;
use super::target::{Origin, Outgoing};
use super::{
    BodyWriter, BoxFuture, Call, ClientPlan, Gate, OpenError, Opening, Reply, Signer, TimeoutPlan, Timings, Transport,
    lend,
};
use crate::clock::{self, Instant};
use crate::environment;
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
            pool: Pool::new(plan.connections_total, plan.connections_per_host, plan.idle_timeout),
            connector: Connector::open(plan, opening, look_up)?,
            redirects: plan.redirects,
            max_body: plan.max_body,
            compression: plan.compression,
            cookies: plan.cookies.then(Jar::default),
        })
    }

    async fn follow(&self, mut call: Call<'_>) -> Result<Reply, Failure> {
        let (parts, body) = call.request.into_parts();
        let mut outgoing =
            Outgoing { method: parts.method, url: parts.uri, headers: parts.headers, kept: Vec::new(), body };
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
                None => return reply(received, outgoing, timings),
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

fn reply(received: Received, outgoing: Outgoing, timings: Timings) -> Result<Reply, Failure> {
    let Received { head, body, .. } = received;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let host = Origin::of(&outgoing.url).map_or_else(|_| String::new(), |origin| origin.label());
        return Err(fault::switched(&host));
    }
    Ok(Reply { status: head.status, headers: head.headers, body, url: outgoing.url, timings })
}

impl Transport for HyperTransport {
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
}

impl Hop<'_> {
    async fn run(mut self, outgoing: &mut Outgoing, keep: bool) -> Result<Received, Failure> {
        let origin = Origin::of(&outgoing.url).map_err(|why| Failure::unsent(FailureKind::Request, why))?;
        let mut now = clock::now();
        let host: Arc<Host> = self.transport.pool.host(origin, now);
        let mut lease = match self.transport.pool.try_lease(&host) {
            Some(lease) => lease,
            None => {
                let lease = Box::pin(self.wait(&host)).await?;
                now = clock::now();
                lease
            }
        };
        let start = self.approach(&mut lease, now).await?;
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
        if let Some(signer) = self.signer {
            signer.sign(&outgoing.method, &outgoing.url, &mut outgoing.headers, &outgoing.body).await?;
        }
        let mut request = outgoing.on_wire(&lease.host.header, keep);
        // Chosen anew for each hop: what is put here is not among the headers that a redirect keeps.
        if let Some(jar) = &self.transport.cookies {
            jar.send(&outgoing.url, request.headers_mut());
        }
        if let Some(proxy) = terms.forward {
            proxy.address_request(&mut request, &outgoing.url);
        }
        let ended = match self.send(&mut lease, request, &terms).await {
            Err(Ended::Unsent(_, request)) if lease.connection.as_ref().is_some_and(|old| old.used) => {
                Box::pin(self.connect(&mut lease)).await?;
                terms.start = clock::now();
                self.send(&mut lease, *request, &terms).await
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
    async fn approach(&mut self, lease: &mut Lease<'_>, mut now: Instant) -> Result<Instant, Failure> {
        if !lease.take_idle(now) {
            Box::pin(self.connect(lease)).await?;
            now = clock::now();
        }
        if pass(self.gate, lease).await {
            if lease.connection.as_mut().is_none_or(|connection| !connection.is_alive()) {
                Box::pin(self.connect(lease)).await?;
            }
            now = clock::now();
        }
        Ok(now)
    }

    async fn wait<'p>(&mut self, host: &'p Host) -> Result<Lease<'p>, Failure>
    where
        Self: 'p,
    {
        let began = clock::now();
        let lease = self.transport.pool.lease_within(host, self.timeouts.pool).await;
        self.timings.pool += clock::now() - began;
        lease.ok_or_else(|| fault::pool_timeout(&host.label, self.timeouts.pool))
    }

    async fn connect(&mut self, lease: &mut Lease<'_>) -> Result<(), Failure> {
        lease.discard();
        lease.reserve();
        let connector = &self.transport.connector;
        let link = connector.connect(lease.host, self.timeouts.connect, self.timings).await?;
        lease.connection = Some(Http1Connection::open(link.wire).await.map_err(|error| {
            Failure::unsent(FailureKind::Connect, format!("connecting to `{}`: {error}", lease.host.label))
        })?);
        Ok(())
    }

    async fn send(
        &mut self,
        lease: &mut Lease<'_>,
        request: Request<SendBody>,
        terms: &Terms<'_>,
    ) -> Result<Received, Ended> {
        match &mut lease.connection {
            Some(connection) => exchange::run(connection, request, terms, lend(&mut self.writer)).await,
            None => Err(Ended::Failed(Failure::unsent(FailureKind::Connect, "no connection"))),
        }
    }
}

/// Passes the gate; tells whether that took a wait, in which the lease stood before it.
async fn pass(gate: &dyn Gate, lease: &Lease<'_>) -> bool {
    let mut passing = gate.pass();
    let mut stood = None;
    poll_fn(|cx| {
        let passed = passing.as_mut().poll(cx);
        if passed.is_pending() {
            stood.get_or_insert_with(|| lease.stand());
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
