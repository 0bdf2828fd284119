//! One request and its reply over one connection.
//!
//! Here over HTTP/1.1: connection, reply and timer are polled together by the task that asked, nothing is
//! spawned and no other task is woken. `http2` has the other way. Must never decide about another attempt.

mod coder;
mod decode;
pub(in crate::transport) mod http2;
mod intake;
mod switch;
mod watch;

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, response};
use hyper::body::{Body, Incoming};
use tokio::task::coop::unconstrained;

use super::body::SendBody;
use super::fault;
use super::pool::http1::{Http1Connection, MAX_HEAD};
use super::proxy::Proxy;
use super::{BodyWriter, Talk, TimeoutPlan};
use crate::clock::Instant;
use crate::retry::Failure;

#[cfg(feature = "surf")]
pub(super) use intake::Collected;
pub(super) use intake::Intake;
use watch::Watch;

/// Bytes that may come before a reply's head is whole. hyper caps each head, but not the number of
/// informational replies (100, 103) before it.
const MOST_BEFORE_HEAD: u64 = 2 * MAX_HEAD as u64;
/// Bytes that may gather for a writer before it is given them: a fast server may send without a pause.
const GATHERED: u64 = 64 * 1024;

/// What an exchange needs to know besides its request.
pub(in crate::transport) struct Terms<'a> {
    /// The host in texts.
    pub host: &'a str,
    /// Timeouts as planned, for texts and for `read`.
    pub timeouts: &'a TimeoutPlan,
    /// When the request may leave; its clock begins here.
    pub start: Instant,
    /// What is left of `timeout.total`.
    pub total: Duration,
    /// Whether redirects are followed: their bodies go nowhere.
    pub follows: bool,
    /// Largest body, in bytes: on the wire and decoded.
    pub max_body: u64,
    /// Whether encoded bodies are decoded.
    pub decodes: bool,
    /// The proxy that takes the request, where one does: its 407 is no reply of the host.
    pub forward: Option<&'a Proxy>,
}

/// A whole reply, and when it came.
pub(in crate::transport) struct Received {
    /// Status, headers.
    pub head: response::Parts,
    /// The body.
    pub body: Bytes,
    /// When the head was there.
    pub head_at: Instant,
    /// When the body was complete; of one that is endless, when the head was there.
    pub end: Instant,
}

/// Why there is no reply.
pub(in crate::transport) enum Ended {
    /// hyper gave the request back: the connection had died before it was written.
    Unsent(Failure, Box<Request<SendBody>>),
    /// Nothing was done with the request, surely: the server says so, or the stream was never opened.
    Unprocessed(Failure),
    /// Anything else.
    Failed(Failure),
}

impl Ended {
    /// The failure, either way.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Unsent(failure, _) | Self::Unprocessed(failure) | Self::Failed(failure) => failure,
        }
    }
}

/// Sends a request over a living connection and receives the reply, or talks on where it switches protocols. The
/// connection is reusable afterwards only if the reply was complete.
pub(in crate::transport) async fn run(
    connection: &mut Http1Connection,
    request: Request<SendBody>,
    terms: &Terms<'_>,
    (writer, talk): (Option<&mut dyn BodyWriter>, Option<&mut dyn Talk>),
) -> Result<Received, Ended> {
    connection.reusable = false;
    connection.switches = talk.is_some();
    let (read, written) = (connection.traffic.read(), connection.traffic.written());
    let mut watch = Watch::new(connection, terms);
    // hyper hands the reply over within our own poll of the connection, so nobody needs to be woken
    // for it; and tokio's task budget must not hide it, since only a waker would bring us back.
    let mut reply = pin!(unconstrained(connection.sender.try_send_request(request)));
    let head = poll_fn(|cx| {
        let overdue = watch.step(connection, cx);
        loop {
            if let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(Ok(reply));
            }
            if !connection.bury() {
                break;
            }
        }
        if connection.traffic.read() - read > MOST_BEFORE_HEAD {
            return Poll::Ready(Err(fault::endless_head(terms.host)));
        }
        overdue.map_or(Poll::Pending, |overdue| Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts))))
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
        Err(failure) => return Err(Ended::Failed(failure)),
    };
    let head_at = watch.last();
    let (head, incoming) = reply.into_parts();
    if let Some(proxy) = terms.forward.filter(|_| head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
        return Err(Ended::Failed(fault::proxy_wants(proxy)));
    }
    let cut = |failure: Failure| Ended::Failed(failure.behind(head.status));
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let Some(talk) = talk else { return Err(Ended::Failed(fault::switched(terms.host))) };
        switch::run(connection, &mut watch, terms, &head, talk).await.map_err(cut)?;
        return Ok(Received { head, body: Bytes::new(), head_at, end: head_at });
    }
    connection.switches = false;
    let intake = Intake::open(&head, incoming.size_hint().lower(), terms, writer).map_err(cut)?;
    let endless = intake.endless();
    if let Some(endless) = endless {
        watch.go_on(endless, connection);
    }
    let (body, whole) = receive(connection, incoming, intake, (&mut watch, read), terms).await.map_err(cut)?;
    if whole {
        connection.settle(watch.last());
    }
    Ok(Received { head, body, head_at, end: if endless.is_some() { head_at } else { watch.last() } })
}

/// What is kept of the body, and whether all of it was received: its writer may have had enough before.
async fn receive(
    connection: &mut Http1Connection,
    mut incoming: Incoming,
    mut intake: Intake<'_>,
    timed: (&mut Watch, u64),
    terms: &Terms<'_>,
) -> Result<(Bytes, bool), Failure> {
    let whole = pieces(connection, &mut incoming, &mut intake, timed, terms).await;
    if whole.is_err() && intake.endless().is_some() {
        // What came before a stream broke off came all the same: nobody sends it again.
        intake.flush().await?;
    }
    let whole = whole?;
    Ok((intake.end().await?, whole))
}

/// Takes the pieces of a body; tells whether that was all of them, or the writer had enough before.
async fn pieces(
    connection: &mut Http1Connection,
    incoming: &mut Incoming,
    intake: &mut Intake<'_>,
    (watch, read): (&mut Watch, u64),
    terms: &Terms<'_>,
) -> Result<bool, Failure> {
    if incoming.is_end_stream() {
        return Ok(true);
    }
    // Often the body came with the head.
    let mut ended = drain(incoming, intake, terms)?;
    while !ended {
        if intake.is_full() {
            intake.flush().await?;
            watch.resume();
        }
        if intake.is_done() {
            return Ok(false);
        }
        ended = poll_fn(|cx| {
            let before = intake.length();
            loop {
                let overdue = watch.step(connection, cx);
                let moved = intake.length();
                match drain(incoming, intake, terms) {
                    Ok(false) => {}
                    ended => return Poll::Ready(ended),
                }
                if let Some(overdue) = overdue {
                    return Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts)));
                }
                if intake.is_full() && intake.length() - before >= GATHERED {
                    return Poll::Ready(Ok(false));
                }
                if intake.length() == moved {
                    if connection.traffic.read() - read > most_read(moved) {
                        return Poll::Ready(Err(fault::endless_framing(terms.host, moved)));
                    }
                    let pause = intake.is_full() && moved != before;
                    return if pause { Poll::Ready(Ok(false)) } else { Poll::Pending };
                }
            }
        })
        .await?;
    }
    Ok(true)
}

/// Bytes that may come over the wire for a reply with so much body: chunks of one byte are six, and what
/// hyper has read ahead counts too. hyper caps extensions of chunks, but not the digits of their sizes.
fn most_read(length: u64) -> u64 {
    length.saturating_mul(16) + 2 * MOST_BEFORE_HEAD
}

/// Takes what is there; tells whether it was the end of the body.
fn drain(incoming: &mut Incoming, intake: &mut Intake<'_>, terms: &Terms<'_>) -> Result<bool, Failure> {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut *incoming).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    intake.take(piece, terms)?;
                }
                if incoming.is_end_stream() {
                    return Ok(true);
                }
            }
            Poll::Ready(Some(Err(error))) => return Err(fault::in_body(terms.host, &error, intake.length())),
            Poll::Ready(None) => return Ok(true),
            Poll::Pending => return Ok(false),
        }
    }
}
