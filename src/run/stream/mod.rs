//! Rows whose messages are collected: a connection is an attempt, and what comes over it becomes records of the row, piece
//! by piece, until the row has enough.
//!
//! A connection that ends before its row is a failed attempt like any other: it backs off, gives its slot back, waits for a
//! host that is out. A message that was taken sets the count of attempts back. Must never end a row twice, and never take
//! it for complete because nobody was there to speak.

mod events;
mod heard;
mod listening;
mod settle;
mod socket;

use http::Request;

use crate::clock;
use crate::plan::StreamKind;
use crate::transport::RequestBody;
use crate::websocket::Handshake;

use super::call::Call;
use super::ending;
use super::gate::LaneGate;
use super::lane::Lane;
use super::sending::{self, Answer, Takers};
use super::worker::Step;

pub(super) use events::is_event_stream;
pub use heard::Heard;
pub(super) use listening::Listening;
pub(super) use settle::{not_beyond, rest_as_told, settle};
use socket::Conversation;

/// How a row ends that has enough before it is connected again; `None`: it has not.
pub(super) fn ended(lane: &Lane, call: &Call) -> Option<Step> {
    let (plan, heard) = lane.plan().stream.as_ref().zip(call.heard.as_ref())?;
    heard.is_enough(&plan.until, clock::now()).then(|| Step::Ended(ending::empty(lane, call), false))
}

impl<'l> Listening<'l, '_> {
    /// Connects, and listens until the connection is over.
    pub async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        build: impl Fn() -> Result<Request<RequestBody>, crate::retry::Failure>,
        gate: &LaneGate<'l>,
    ) -> Answer {
        let lane = self.lane;
        match &self.plan.kind {
            StreamKind::WebSocket(plan) => {
                let handshake = Handshake::new(&plan.protocols);
                let dress = |mut request: Request<RequestBody>| {
                    handshake.put(request.headers_mut());
                    request
                };
                let url = request.uri().clone();
                let mut conversation = Conversation { listening: self, plan, handshake: &handshake, gate, url };
                let takers = Takers { writer: None, talk: Some(&mut conversation) };
                sending::exchange(lane.way(), dress(request), || build().map(dress), gate, takers).await
            }
            StreamKind::Events(plan) => self.events(plan, request, build, gate).await,
        }
    }
}
