//! What an attempt was on the wire, kept where somebody wants to be told of every attempt and nowhere else.
//!
//! Must cost nothing where nobody listens, and never be shown: the URL is as it was sent.

use http::Uri;

use crate::clock::{self, Instant};
use crate::event::Sent;
use crate::retry::Failure;

use super::call::Call;
use super::lane::Lane;
use super::tried::Tried;

/// See the module.
pub(super) struct Witness {
    url: Uri,
    begun: Instant,
}

impl Witness {
    /// Of an attempt that begins; `None`: nobody wants to know.
    pub fn of(lane: &Lane, url: &Uri) -> Option<Self> {
        lane.shared.control.hears_attempts().then(|| Self { url: url.clone(), begun: clock::now() })
    }

    /// What is told when it has ended and was judged. One that never left took as long as it was tried.
    pub fn sent(&self, (lane, call): (&Lane, &Call), tried: &Tried<'_>, failure: Option<&Failure>) -> Sent {
        let since = tried.left_at(self.begun).elapsed();
        Sent {
            method: lane.plan().method.clone(),
            url: self.url.clone(),
            at: clock::wall() - since,
            // Of a connection that stays open `wire` is the time to its first byte alone.
            lasted: tried.wire.filter(|_| lane.plan().stream.is_none()).unwrap_or(since),
            failure: failure.map(|failure| failure.kind),
            batch: call.ticket.as_ref().map(super::batch::BatchTicket::number),
        }
    }
}
