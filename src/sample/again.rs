//! Replies that a run neither takes nor fails its row for: what it does about them is a matter of `retry`.
//!
//! Must never judge anew what the verdict of a run decides.

use std::time::Duration;

use http::HeaderMap;

use crate::clock;
use crate::hints;
use crate::plan::EndpointPlan;
use crate::retry::{self, Attempt, Attempted, Then, verdict};

/// What a run does about a reply whose status is not expected, but for failing its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It tries again, so many times in all.
    Retry(u32),
    /// The server throttles: it waits, for as long as the server named, and asks again.
    Throttle(Option<Duration>),
    /// The server names a wait that is too long for the job: it stops, to be resumed.
    Stop(Duration),
}

impl Again {
    /// What a run does behind the first reply of such a status; `None`: the row fails.
    pub(super) fn of(endpoint: &EndpointPlan, status: u16, headers: &HeaderMap) -> Option<Self> {
        let hints = hints::read(headers, clock::wall());
        let (attempted, first) = (Attempted::Refused { status, hints: &hints }, Attempt { spent: 1, throttled: 0 });
        match verdict(attempted, first, &endpoint.method, &endpoint.retry, 0.0) {
            retry::Verdict::Retry(_) => Some(Self::Retry(endpoint.retry.attempts)),
            retry::Verdict::Throttle { hold, named, again: true, .. } => Some(Self::Throttle(named.then_some(hold))),
            retry::Verdict::Stop(wait) => Some(Self::Stop(wait)),
            retry::Verdict::Throttle { again: false, .. } | retry::Verdict::Fail | retry::Verdict::Unknown => None,
            // What rules say, and what is accepted: no status is.
            retry::Verdict::Accept | retry::Verdict::Skip | retry::Verdict::Halt => None,
        }
    }

    /// The rule that would say the same.
    #[must_use]
    pub fn then(self) -> Then {
        match self {
            Self::Retry(_) => Then::Retry,
            Self::Throttle(_) => Then::Throttle,
            Self::Stop(_) => Then::Stop,
        }
    }

    /// For people, as the end of a sentence about the reply.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Retry(attempts) => format!("a run tries again, up to {attempts} attempts"),
            Self::Throttle(Some(wait)) => {
                format!("the server throttles, and a run asks again after {}", clock::human(wait))
            }
            Self::Throttle(None) => "the server throttles, and a run waits and asks again".to_owned(),
            Self::Stop(wait) => format!(
                "the server asks to wait for {}, which is longer than retry.max-wait: a run stops, to be resumed",
                clock::human(wait)
            ),
        }
    }
}
