//! Server-sent events at work: the reply's body in, events out, for as long as the row wants them.
//!
//! The exchange hands over a piece and goes on when that was taken, so a slow output slows the server. Must never take what
//! is no event stream for one.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, response};
use tokio::sync::mpsc;

use crate::plan::EventsPlan;
use crate::retry::Failure;
use crate::sse::Parser;
use crate::transport::{BodyWriter, BoxFuture, Endless, Keep, RequestBody};

use super::super::gate::LaneGate;
use super::super::sending::{self, Answer, Takers};
use super::super::tried::Spoken;
use super::heard::Ring;
use super::listening::{Listening, Over};
use super::socket::rung;

/// What event streams are (WHATWG HTML, section 9.2.4).
const EVENT_STREAM: &str = "text/event-stream";
/// The last id that was seen, for a server that goes on there.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A part of a reply on its way to the row.
enum Piece {
    /// The stream begins.
    Head(StatusCode, HeaderMap),
    /// Bytes of it.
    Bytes(Bytes),
}

/// Takes the reply's body, where it is an event stream.
struct Intake {
    pieces: mpsc::Sender<Piece>,
    is_open: bool,
    silence: Option<Duration>,
}

impl BodyWriter for Intake {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        // One piece at the most is on its way, and of a reply before this one there is none.
        let opens = || self.pieces.try_send(Piece::Head(head.status, head.headers.clone())).is_ok();
        self.is_open = head.status == StatusCode::OK && is_event_stream(&head.headers) && opens();
        if self.is_open { Keep::Writer } else { Keep::Memory }
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            // Who does not listen any more drops the exchange.
            let _ = self.pieces.send(Piece::Bytes(piece)).await;
            Ok(())
        })
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn endless(&self) -> Option<Endless> {
        self.is_open.then_some(Endless { silence: self.silence })
    }
}

/// Whether a reply says that it is an event stream.
pub(in super::super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM)
}

impl<'l> Listening<'l, '_> {
    /// Asks for the stream, and listens until it is over.
    pub(super) async fn events(
        &mut self,
        plan: &EventsPlan,
        request: Request<RequestBody>,
        build: impl Fn() -> Result<Request<RequestBody>, Failure>,
        gate: &LaneGate<'_>,
    ) -> Answer {
        let (lane, url, id) = (self.lane, request.uri().clone(), self.heard.note.id.clone());
        let dress = |request| dress(request, id.as_deref());
        let (pieces, mut coming) = mpsc::channel(2);
        let mut intake = Intake { pieces, is_open: false, silence: plan.silence };
        let takers = Takers { writer: Some(&mut intake), talk: None };
        let mut exchange = pin!(sending::exchange(lane.way(), dress(request), || build().map(dress), gate, takers));
        let mut ears = Ears { parser: None, plan, url, gate };
        let over = loop {
            let ring = if ears.parser.is_some() { self.ring(None) } else { None };
            let heard = tokio::select! {
                biased;
                () = lane.shared.control.drained(), if ears.parser.is_some() => Err(Over::Drained),
                // Before what comes: who speaks without a pause would put it off for ever.
                ring = rung(ring) => match ring {
                    Ring::Enough => Err(Over::Enough),
                    Ring::Stood => {
                        self.stands();
                        Ok(())
                    }
                    Ring::Deliver | Ring::Ping | Ring::Dead => {
                        self.deliver().await;
                        Ok(())
                    }
                },
                Some(piece) = coming.recv() => self.piece(&mut ears, piece).await,
                answer = &mut exchange => {
                    let last = self.rest_of(&mut ears, &mut coming).await;
                    if ears.parser.is_none() {
                        return answer;
                    }
                    match (last, answer) {
                        (Err(over), _) => Err(over),
                        (Ok(()), None) => Err(Over::Drained),
                        (Ok(()), Some(Ok(_))) => Err(Over::Ended),
                        (Ok(()), Some(Err(failure))) => Err(Over::Broken(failure)),
                    }
                }
            };
            if let Err(over) = heard {
                break over;
            }
        };
        if let Some(rest) = ears.parser.as_ref().and_then(Parser::retry) {
            self.heard.rest = Some(rest);
        }
        self.over = Some(over);
        self.head().map(Ok)
    }

    /// What came before the end.
    async fn rest_of(&mut self, ears: &mut Ears<'_, '_>, coming: &mut mpsc::Receiver<Piece>) -> Result<(), Over<'l>> {
        while let Ok(piece) = coming.try_recv() {
            self.piece(ears, piece).await?;
        }
        Ok(())
    }

    async fn piece(&mut self, ears: &mut Ears<'_, '_>, piece: Piece) -> Result<(), Over<'l>> {
        let bytes = match piece {
            Piece::Head(status, headers) => {
                self.open(ears.gate, status, headers, ears.url.clone());
                let parser = Parser::new(self.plan.max_message);
                ears.parser = Some(match &self.heard.note.id {
                    Some(id) => parser.resume(id),
                    None => parser,
                });
                return Ok(());
            }
            Piece::Bytes(bytes) => bytes,
        };
        let Some(parser) = &mut ears.parser else { return Ok(()) };
        let fits = parser.feed(&bytes);
        for event in &mut *parser {
            if !ears.plan.events.is_empty() && !ears.plan.events.contains(&event.kind) {
                continue;
            }
            let spoken = Spoken { event: Some((event.kind, event.id)), ..Spoken::default() };
            self.hear(event.data.into(), spoken)?;
            self.deliver_many().await;
        }
        // Also events that are not wanted, or say nothing, bring it on.
        self.heard.note.id = parser.last_id().map(str::to_owned);
        fits.map_err(Over::Unfit)
    }
}

/// What pieces are heard with.
struct Ears<'p, 'g> {
    /// `None`: the stream has not begun.
    parser: Option<Parser>,
    plan: &'p EventsPlan,
    url: Uri,
    gate: &'p LaneGate<'g>,
}

/// What a request for events carries.
fn dress(mut request: Request<RequestBody>, id: Option<&str>) -> Request<RequestBody> {
    let headers = request.headers_mut();
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // The standard has it in UTF-8.
    if let Some(id) = id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
        headers.insert(LAST_EVENT_ID, id);
    }
    request
}
