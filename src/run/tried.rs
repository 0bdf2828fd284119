//! An attempt that was made, or could not be: what came of it, and what it took.
//!
//! Plain data; must never decide what that means.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::clock::Instant;
use crate::hints::Hints;
use crate::limit::Take;
use crate::retry::{Failure, FailureKind};
use crate::save::Saving;
use crate::transport::Reply;

use super::witness::Witness;

/// One attempt, made.
pub(super) struct Tried<'l> {
    pub reply: Result<Reply, Failure>,
    /// What the reply says of limits.
    pub hints: Hints,
    /// Time on the wire; `None` when nothing left.
    pub wire: Option<Duration>,
    /// When it left, and how many requests were on the wire then.
    pub left: Option<(Instant, usize)>,
    /// What it took from limits.
    pub taken: Cow<'l, [Take]>,
    /// What takes the body to its file.
    pub saving: Option<Saving>,
    /// Whether it was made at all.
    pub made: bool,
    /// Why it was made again, in a word; `None` for the first one.
    pub again_after: Option<String>,
    /// What is told of it, where somebody wants to know.
    pub witness: Option<Witness>,
    /// What the reply stands for, where it is a part of what came over a connection that stays open.
    pub spoken: Option<Spoken>,
}

/// A message that came over a connection that stays open, or the end of it.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// Number of the message in its row, from one; `None`: it is the end.
    pub number: Option<u64>,
    /// Whether it is binary.
    pub binary: bool,
    /// Type of the event, and the last id that there was.
    pub event: Option<(String, Option<String>)>,
    /// How the server closed.
    pub close: Option<(Option<u16>, String)>,
    /// Whether it is what `until.when` waits for; found when it is read.
    pub is_last: AtomicBool,
}

impl Tried<'_> {
    /// An attempt that could not be made.
    pub fn not(failure: Failure) -> Self {
        let (hints, taken) = (Hints::default(), Cow::default());
        let (wire, left, saving, again_after, witness, spoken) = (None, None, None, None, None, None);
        Self { reply: Err(failure), hints, wire, left, taken, saving, made: false, again_after, witness, spoken }
    }

    /// What messages are read as: the head that they come behind.
    pub fn behind(head: Reply) -> Self {
        Self { reply: Ok(head), ..Self::not(Failure::unsent(FailureKind::Closed, "")) }
    }

    /// Milliseconds on the wire with two decimals.
    pub fn milliseconds(&self) -> Option<f64> {
        self.wire.map(|wire| (wire.as_secs_f64() * 100_000.0).round() / 100.0)
    }

    /// When it left; `now` where nothing did.
    pub fn left_at(&self, now: Instant) -> Instant {
        self.left.map_or(now, |(left, _)| left)
    }

    /// The status of the reply, if one came.
    pub fn status(&self) -> Option<u16> {
        self.reply.as_ref().ok().map(|reply| reply.status.as_u16())
    }

    /// The status that the server gave, also where the body behind it was cut off: that is no reply to judge.
    pub fn told_status(&self) -> Option<u16> {
        let head = |failure: &Failure| failure.head.map(|status| status.as_u16());
        self.reply.as_ref().map_or_else(head, |reply| Some(reply.status.as_u16()))
    }
}
