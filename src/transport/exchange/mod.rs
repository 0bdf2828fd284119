//! One request and its reply over one connection.
//!
//! Connection, reply and timer are polled together by the task that asked: nothing is spawned and no
//! other task is woken. Must never decide about another attempt.

mod intake;
mod watch;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, response};
use hyper::body::{Body, Incoming};
use tokio::task::coop::unconstrained;

use super::body::SendBody;
use super::fault;
use super::pool::http1::Http1Connection;
use super::redirect;
use super::{BodyWriter, TimeoutPlan};
use crate::clock::Instant;
use crate::retry::Failure;

#[cfg(feature = "surf")]
pub(super) use intake::Collected;
pub(super) use intake::Intake;
use watch::Watch;

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
    /// Largest body, in bytes.
    pub max_body: u64,
}

/// A whole reply, and when it came.
pub(in crate::transport) struct Received {
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
pub(in crate::transport) enum Ended {
    /// hyper gave the request back: the connection had died before it was written.
    Unsent(Failure, Box<Request<SendBody>>),
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
pub(in crate::transport) async fn run(
    connection: &mut Http1Connection,
    request: Request<SendBody>,
    terms: &Terms<'_>,
    writer: Option<&mut dyn BodyWriter>,
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
    let writer = writer.filter(|_| !(terms.follows && redirect::is_one(&head)));
    let intake = Intake::open(&head, incoming.size_hint().lower(), terms, writer).map_err(Ended::Failed)?;
    let body = receive(connection, incoming, intake, &mut watch, terms).await.map_err(Ended::Failed)?;
    connection.settle(watch.last);
    Ok(Received { head, body, head_at, end: watch.last })
}

async fn receive(
    connection: &mut Http1Connection,
    mut incoming: Incoming,
    mut intake: Intake<'_>,
    watch: &mut Watch,
    terms: &Terms<'_>,
) -> Result<Bytes, Failure> {
    if incoming.is_end_stream() {
        return intake.end().await;
    }
    // Often the body came with the head.
    let mut ended = drain(&mut incoming, &mut intake, terms)?;
    while !ended {
        if intake.is_full() {
            intake.flush().await?;
            watch.resume();
        }
        ended = poll_fn(|cx| {
            let before = intake.length();
            loop {
                let overdue = watch.step(connection, cx);
                let moved = intake.length();
                match drain(&mut incoming, &mut intake, terms) {
                    Ok(false) => {}
                    ended => return Poll::Ready(ended),
                }
                if let Some(overdue) = overdue {
                    return Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts)));
                }
                if intake.length() == moved {
                    let pause = intake.is_full() && moved != before;
                    return if pause { Poll::Ready(Ok(false)) } else { Poll::Pending };
                }
            }
        })
        .await?;
    }
    intake.end().await
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
