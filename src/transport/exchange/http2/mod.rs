//! One request and its reply over a stream of a shared HTTP/2 connection.
//!
//! The connection's own task moves the bytes; here the task that asked waits for what belongs to its
//! stream, with a clock of its own. Dropped half-way, or with a writer that has had enough, the stream is reset (CANCEL) and the others
//! go on.
//! Must never call a body whole that the server did not end itself.

mod fault;
mod upload;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::time::Sleep;

use super::intake::Intake;
use super::watch::Deadline;
use super::{Ended, Received, Terms};
use crate::clock::{self, Instant};
use crate::retry::{Failure, FailureKind};
use crate::transport::BodyWriter;
use crate::transport::body::SendBody;
use crate::transport::fault::switched;
use crate::transport::pool::http2::Http2Connection;

use upload::Upload;

/// Sends a request over its stream and receives the reply.
pub(in crate::transport) async fn run(
    connection: &Http2Connection,
    request: Request<SendBody>,
    terms: &Terms<'_>,
    writer: Option<&mut dyn BodyWriter>,
) -> Result<Received, Ended> {
    let (head, body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    let written = connection.traffic.written();
    let bodiless = hyper::body::Body::is_end_stream(&body);
    let opened = connection.sender().send_request(Request::from_parts(head, ()), bodiless);
    let (reply, sink) = opened.map_err(|_| {
        connection.retire();
        fault::unopened(terms.host)
    })?;
    let mut upload = Upload::new(body, sink, bodiless);
    let mut deadline = Deadline::new(terms);
    let mut sleep = pin!(tokio::time::sleep_until(deadline.due()));
    let reply = match head_of(reply, &mut upload, &mut deadline, sleep.as_mut(), terms).await {
        Ok(reply) => reply,
        Err(Broken::Failed(failure)) => {
            doubt(connection, &failure, deadline.last);
            return Err(Ended::Failed(failure));
        }
        Err(Broken::Wire(error)) => {
            // Before the stream is given back: nobody shall find the connection there, this request again
            // least of all.
            if fault::is_refusal(&error) || !error.is_reset() {
                connection.retire();
            }
            let sent = connection.traffic.written() != written;
            return Err(fault::before_head(terms.host, &error, sent));
        }
    };
    let head_at = deadline.last;
    let (head, stream) = reply.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Ended::Failed(switched(terms.host)));
    }
    let announced = if is_head || stream.is_end_stream() { 0 } else { announced(&head.headers) };
    let intake =
        Intake::open(&head, announced, terms, writer).map_err(|failure| Ended::Failed(failure.behind(head.status)))?;
    let endless = intake.endless();
    if let Some(endless) = endless {
        deadline.go_on(endless, sleep.as_mut());
    }
    let mut download = Download { stream, upload, deadline, sleep };
    let body = download.receive(intake, terms).await.map_err(|failure| {
        doubt(connection, &failure, download.deadline.last);
        Ended::Failed(failure.behind(head.status))
    })?;
    let end = if endless.is_some() { head_at } else { download.deadline.last };
    Ok(Received { head, body, head_at, end })
}

/// What runs out of time may have met a slow server, or a connection that is dead and does not say so.
fn doubt(connection: &Http2Connection, failure: &Failure, silent_since: Instant) {
    if matches!(failure.kind, FailureKind::ReadTimeout | FailureKind::TotalTimeout) {
        connection.doubt(silent_since);
    }
}

fn announced(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Why no head came.
enum Broken {
    Wire(h2::Error),
    Failed(Failure),
}

async fn head_of(
    reply: ResponseFuture,
    upload: &mut Upload,
    deadline: &mut Deadline,
    mut sleep: Pin<&mut Sleep>,
    terms: &Terms<'_>,
) -> Result<Response<RecvStream>, Broken> {
    let mut reply = reply;
    let mut first = true;
    poll_fn(|cx| {
        let rang = sleep.as_mut().poll(cx).is_ready();
        match upload.step(cx) {
            Ok(false) => {}
            Ok(true) => deadline.last = clock::now(),
            Err(failure) => return Poll::Ready(Err(Broken::Failed(failure))),
        }
        // A 1xx is no reply, but no silence either. None can have come before the first look.
        while !std::mem::take(&mut first) && matches!(reply.poll_informational(cx), Poll::Ready(Some(Ok(_)))) {
            deadline.last = clock::now();
        }
        if let Poll::Ready(reply) = Pin::new(&mut reply).poll(cx) {
            deadline.last = clock::now();
            return Poll::Ready(reply.map_err(Broken::Wire));
        }
        match rang.then(|| deadline.judge(sleep.as_mut(), cx)).flatten() {
            Some(overdue) => Poll::Ready(Err(Broken::Failed(overdue.failure(terms.host, terms.timeouts)))),
            None => Poll::Pending,
        }
    })
    .await
}

/// A reply's body on its way in, while the request's may still be on its way out.
struct Download<'a> {
    stream: RecvStream,
    upload: Upload,
    deadline: Deadline,
    sleep: Pin<&'a mut Sleep>,
}

impl Download<'_> {
    async fn receive(&mut self, mut intake: Intake<'_>, terms: &Terms<'_>) -> Result<Bytes, Failure> {
        while !self.stream.is_end_stream() {
            let received = intake.length();
            let Some(piece) = poll_fn(|cx| self.step(cx, received, terms)).await? else { break };
            let length = piece.len();
            intake.take(piece, terms)?;
            if intake.is_full() {
                intake.flush().await?;
                self.deadline.last = clock::now();
            }
            if intake.is_done() {
                break;
            }
            // Only now may the server send as much again. A stream that has ended needs no room.
            let _ = self.stream.flow_control().release_capacity(length);
        }
        intake.end().await
    }

    /// The next piece; `None`: the body is complete.
    fn step(&mut self, cx: &mut Context<'_>, received: u64, terms: &Terms<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        let rang = self.sleep.as_mut().poll(cx).is_ready();
        // A server may answer without having read it all; whether it wants the rest is its affair. What can't
        // be read here is not: the stream must end before the server can take a part for the whole.
        match self.upload.step(cx) {
            Ok(true) => self.deadline.last = clock::now(),
            Ok(false) => {}
            Err(failure) => return Poll::Ready(Err(failure)),
        }
        match self.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                self.deadline.last = clock::now();
                Poll::Ready(Ok(Some(piece)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(fault::in_body(terms.host, &error, received))),
            Poll::Ready(None) => {
                self.deadline.last = clock::now();
                Poll::Ready(Ok(None))
            }
            Poll::Pending => match rang.then(|| self.deadline.judge(self.sleep.as_mut(), cx)).flatten() {
                Some(overdue) => Poll::Ready(Err(overdue.failure(terms.host, terms.timeouts))),
                None => Poll::Pending,
            },
        }
    }
}
