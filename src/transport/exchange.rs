//! One request and its reply over one connection.
//!
//! Connection, reply and timer are polled together by the task that asked: nothing is spawned and no
//! other task is woken. Must never decide about another attempt.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

use super::TimeoutPlan;
use super::connection::Http1Connection;
use super::fault::{self, Overdue};
use crate::clock::{self, Instant};
use crate::retry::Failure;

/// Most memory that a `Content-Length` alone is trusted with.
const MOST_RESERVED: u64 = 1024 * 1024;

/// What an exchange needs to know besides its request.
pub(super) struct Terms<'a> {
    /// The host in texts.
    pub host: &'a str,
    /// Timeouts as planned, for texts and for `read`.
    pub timeouts: &'a TimeoutPlan,
    /// When the request may leave; its clock begins here.
    pub start: Instant,
    /// What is left of `timeout.total`.
    pub total: Duration,
    /// Largest body, in bytes.
    pub max_body: u64,
}

/// A whole reply, and when it came.
pub(super) struct Received {
    /// Status, headers.
    pub head: response::Parts,
    /// The body.
    pub body: Bytes,
    /// When the head was there.
    pub head_at: Instant,
    /// When the body was complete.
    pub end: Instant,
}

/// Why there is no reply.
pub(super) enum Ended {
    /// hyper gave the request back: the connection had died before it was written.
    Unsent(Failure, Box<Request<Full<Bytes>>>),
    /// Anything else.
    Failed(Failure),
}

impl Ended {
    /// The failure, either way.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Unsent(failure, _) | Self::Failed(failure) => failure,
        }
    }
}

/// Sends a request over a living connection and receives the reply. The connection is reusable
/// afterwards only if the reply was complete.
pub(super) async fn run(
    connection: &mut Http1Connection,
    request: Request<Full<Bytes>>,
    terms: &Terms<'_>,
) -> Result<Received, Ended> {
    connection.reusable = false;
    let written = connection.traffic.written();
    let mut watch = Watch::new(connection, terms);
    // hyper hands the reply over within our own poll of the connection, so nobody needs to be woken
    // for it; and tokio's task budget must not hide it, since only a waker would bring us back.
    let mut reply = pin!(unconstrained(connection.sender.try_send_request(request)));
    let head = poll_fn(|cx| {
        let overdue = watch.step(connection, cx);
        if let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(Ok(reply));
        }
        overdue.map_or(Poll::Pending, |overdue| Poll::Ready(Err(overdue)))
    });
    let reply = match head.await {
        Ok(Ok(reply)) => reply,
        Ok(Err(mut error)) => {
            let given_back = error.take_message();
            let sent = given_back.is_none() && connection.traffic.written() != written;
            let failure = fault::before_head(terms.host, error.error(), sent);
            return Err(match given_back {
                Some(request) => Ended::Unsent(failure, Box::new(request)),
                None => Ended::Failed(failure),
            });
        }
        Err(overdue) => return Err(Ended::Failed(overdue.failure(terms.host, terms.timeouts))),
    };
    let head_at = watch.last;
    let (head, incoming) = reply.into_parts();
    let body = receive(connection, incoming, &mut watch, terms).await.map_err(Ended::Failed)?;
    connection.settle(watch.last);
    Ok(Received { head, body, head_at, end: watch.last })
}

async fn receive(
    connection: &mut Http1Connection,
    mut incoming: Incoming,
    watch: &mut Watch,
    terms: &Terms<'_>,
) -> Result<Bytes, Failure> {
    let announced = incoming.size_hint().lower();
    if announced > terms.max_body {
        return Err(fault::too_large(terms.host, terms.max_body));
    }
    if incoming.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut collected = Collected::new(announced);
    // Often the body came with the head.
    let mut ended = collected.drain(&mut incoming, terms);
    if ended.is_pending() {
        let whole = poll_fn(|cx| {
            loop {
                let before = collected.length;
                let overdue = watch.step(connection, cx);
                if let Poll::Ready(ended) = collected.drain(&mut incoming, terms) {
                    return Poll::Ready(ended);
                }
                if let Some(overdue) = overdue {
                    return Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts)));
                }
                if collected.length == before {
                    return Poll::Pending;
                }
            }
        });
        ended = Poll::Ready(whole.await);
    }
    if let Poll::Ready(Err(failure)) = ended {
        return Err(failure);
    }
    Ok(collected.finish())
}

/// The pieces of a body: none, one as it came, or many copied together.
struct Collected {
    announced: u64,
    length: u64,
    first: Bytes,
    rest: BytesMut,
}

impl Collected {
    fn new(announced: u64) -> Self {
        Self { announced, length: 0, first: Bytes::new(), rest: BytesMut::new() }
    }

    // Takes what is there; ready at the end of the body.
    fn drain(&mut self, incoming: &mut Incoming, terms: &Terms<'_>) -> Poll<Result<(), Failure>> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut *incoming).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        self.length += piece.len() as u64;
                        if self.length > terms.max_body {
                            return Poll::Ready(Err(fault::too_large(terms.host, terms.max_body)));
                        }
                        self.add(piece);
                    }
                    if incoming.is_end_stream() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(fault::in_body(terms.host, &error, self.length)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn add(&mut self, piece: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            let expected = self.announced.min(MOST_RESERVED).max(self.length);
            self.rest.reserve(usize::try_from(expected).unwrap_or(usize::MAX));
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

/// The clock of an exchange: when something last moved, and what is due when.
struct Watch {
    read: Duration,
    end: Instant,
    last: Instant,
    moves: u64,
    // Whether the request has had its chance to be written: that move is no news.
    begun: bool,
}

impl Watch {
    fn new(connection: &mut Http1Connection, terms: &Terms<'_>) -> Self {
        let watch = Self {
            read: terms.timeouts.read,
            end: later(terms.start, terms.total),
            last: terms.start,
            moves: connection.traffic.moves(),
            begun: false,
        };
        // A timer that is armed earlier is left alone: it costs one needless look when it rings, which is
        // less than arming it anew for every request.
        let due = watch.due();
        if connection.sleep.deadline() > due || connection.sleep.is_elapsed() {
            connection.sleep.as_mut().reset(due);
        }
        watch
    }

    fn due(&self) -> Instant {
        later(self.last, self.read).min(self.end)
    }

    // The timer is asked first, while the task's budget is fresh, and judged last: bytes that came while
    // nobody looked count.
    fn step(&mut self, connection: &mut Http1Connection, cx: &mut Context<'_>) -> Option<Overdue> {
        let rang = connection.sleep.as_mut().poll(cx).is_ready();
        connection.drive(cx);
        let moves = connection.traffic.moves();
        if moves != self.moves {
            self.moves = moves;
            if self.begun {
                self.last = clock::now();
            }
        }
        self.begun = true;
        if rang { self.judge(connection.sleep.as_mut(), cx) } else { None }
    }

    fn judge(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Option<Overdue> {
        loop {
            let now = clock::now();
            if now >= self.end {
                return Some(Overdue::Total);
            }
            if now >= later(self.last, self.read) {
                return Some(Overdue::Read);
            }
            sleep.as_mut().reset(self.due());
            if sleep.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }
}

/// `start + duration`, or so far away that nobody waits for it.
fn later(start: Instant, duration: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + duration.min(AGES)
}
