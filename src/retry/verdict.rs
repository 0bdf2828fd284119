//! The verdict: what one attempt means for its row, for the limits and for the run.
//!
//! Pure: the attempt, the policy and a random number go in, a value comes out. Must never decide a shorter
//! wait than the server asked for, and never repeat what may have been done and must not be done twice.

use std::time::Duration;

use http::Method;

use super::{Failure, RetryPlan, Then, Unknown, backoff};
use crate::hints::Hints;

/// What became of an attempt, as far as a retry is concerned.
#[derive(Debug, Clone, Copy)]
pub enum Attempted<'a> {
    /// A whole reply with an accepted status.
    Accepted,
    /// A whole reply whose status is not accepted.
    Refused {
        /// The status.
        status: u16,
        /// What it says of limits.
        hints: &'a Hints,
    },
    /// A whole reply that a rule of the job decides about.
    Ruled {
        /// What the rule makes of it.
        then: Then,
        /// The status.
        status: u16,
        /// What it says of limits.
        hints: &'a Hints,
    },
    /// No usable reply.
    Failed(&'a Failure),
}

/// How often a row was tried, the attempt that is judged included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts that count towards the policy's: 1 for the first. One that was throttled does not count, and
    /// neither does one that failed because its host is out.
    pub spent: u32,
    /// Times in a row that it was throttled before.
    pub throttled: u32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take the reply.
    Accept,
    /// Try again after this wait.
    Retry(Duration),
    /// The server throttles: hold every limit of the request, whether or not the row is tried again.
    Throttle {
        /// How long the limits are held: what the server said, or our own backoff where it said nothing.
        hold: Duration,
        /// Whether the server said how long.
        named: bool,
        /// How long the row waits: never shorter than `hold`, and never shorter than our own backoff, so
        /// that a server which names no time at all (`0`, a date gone by) does not burn every attempt
        /// at once.
        wait: Duration,
        /// Whether the row is tried again: the policy has the status or a rule says so, and allows more than one
        /// attempt. To be throttled takes no attempt: the server did nothing, and the row is not to blame.
        again: bool,
    },
    /// The row is left out.
    Skip,
    /// The row fails.
    Fail,
    /// The row fails as unknown: its request may have been done, nobody knows, and must not be done twice.
    Unknown,
    /// The server asks for a wait beyond `max-wait`: stop the run, to be resumed after this.
    Stop(Duration),
    /// A rule stops the run, to be resumed at any time; the row has not ended.
    Halt,
}

/// Decides about an attempt. Pure: `random` is a number in 0..1.
///
/// What may be repeated, beyond what the policy's `statuses`, `errors` and `attempts` say:
/// - A method in `methods` may always be repeated: doing it twice is doing it once (RFC 9110 §9.2.2). So
///   may any request with a key that lets the server tell a repetition (`keyed`).
/// - Any other only when the server surely did not act on it. That is so when no byte was sent,
///   and when a reply says that the request was turned away at the door: 429 (RFC 6585 §4), 503
///   that names a time to come back, and GitHub's 403. It is not so for 500, 502, 504 and a bare 503,
///   which may come after the deed (a gateway whose backend had finished), nor for 408 and 425, which by
///   the book come before it but are also sent by gateways that gave up waiting. Such a reply fails the
///   row; where there is no answer at all it fails as unknown, unless `unknown` has it sent again.
/// - What a rule says to try again: the job knows this very reply.
///
/// A keyed request that is answered with 409 has met itself, still in flight, and is tried again unchanged
/// (draft-ietf-httpapi-idempotency-key-header §2.6); 422 says that the key was used for something else.
///
/// What a server asks for is obeyed whether or not the row is tried again: a throttling reply holds
/// the limits even after the last attempt and even if its status is not in `statuses`. A wait that a
/// server named is never shortened; beyond `max_wait` the run stops instead of waiting. Only a rule that
/// ends the row (`accept`, `skip`, `fail`) or the run has the last word over a throttling reply.
#[must_use]
pub fn verdict(
    attempted: Attempted<'_>,
    attempt: Attempt,
    method: &Method,
    policy: &RetryPlan,
    random: f64,
) -> Verdict {
    let judge = Judge { attempt, repeatable: policy.keyed || policy.methods.contains(method), policy, random };
    match attempted {
        Attempted::Accepted => Verdict::Accept,
        Attempted::Refused { status, hints } => judge.refused(status, hints),
        Attempted::Ruled { then, status, hints } => judge.ruled(then, status, hints),
        Attempted::Failed(failure) => judge.failed(failure),
    }
}

/// What a verdict looks at beside the outcome itself.
struct Judge<'a> {
    attempt: Attempt,
    repeatable: bool,
    policy: &'a RetryPlan,
    random: f64,
}

impl Judge<'_> {
    fn refused(&self, status: u16, hints: &Hints) -> Verdict {
        let told = hints.server_wait(status);
        if hints.throttles(status) {
            return self.throttled(told, self.tries_throttled(status));
        }
        let in_flight = self.policy.keyed && status == 409;
        let worth_it = in_flight || self.policy.statuses.contains(status);
        if worth_it && self.repeatable { self.again(told) } else { Verdict::Fail }
    }

    /// Whether a throttling reply of this status is tried again: one that is neither 429 nor 503 is a 429
    /// by another name.
    fn tries_throttled(&self, status: u16) -> bool {
        self.policy.statuses.contains(status) || (status != 503 && self.policy.statuses.contains(429))
    }

    fn ruled(&self, then: Then, status: u16, hints: &Hints) -> Verdict {
        let told = hints.server_wait(status);
        match then {
            Then::Accept => Verdict::Accept,
            // A rule makes a reply worth another attempt; it does not make the server's word void.
            Then::Retry if !hints.throttles(status) => self.again(told),
            Then::Retry | Then::Throttle => self.throttled(told.or_else(|| hints.throttle_wait()), true),
            Then::Skip => Verdict::Skip,
            Then::Fail => Verdict::Fail,
            Then::Stop => Verdict::Halt,
        }
    }

    /// The verdict on a throttling reply, which is tried again if it is `worth_it` and anything is.
    fn throttled(&self, told: Option<Duration>, worth_it: bool) -> Verdict {
        if let Some(wait) = self.too_long(told) {
            return Verdict::Stop(wait);
        }
        let own = backoff(self.policy, self.policy.throttle_initial, self.attempt.throttled + 1, self.random);
        let hold = told.unwrap_or(own);
        let again = worth_it && self.policy.attempts > 1;
        Verdict::Throttle { hold, named: told.is_some(), wait: hold.max(own), again }
    }

    /// The verdict on another reply that is tried again if attempts are left.
    fn again(&self, told: Option<Duration>) -> Verdict {
        if !self.attempts_left() {
            return Verdict::Fail;
        }
        match self.too_long(told) {
            Some(wait) => Verdict::Stop(wait),
            None => Verdict::Retry(self.backoff(self.policy.initial).max(told.unwrap_or_default())),
        }
    }

    fn failed(&self, failure: &Failure) -> Verdict {
        let unknown = failure.sent && !self.repeatable && !failure.kind.answered();
        if unknown && self.policy.unknown == Unknown::Fail {
            return Verdict::Unknown;
        }
        let harmless = self.repeatable || !failure.sent || unknown;
        let worth_it = failure.kind.class().is_some_and(|class| self.policy.errors.contains(&class));
        if worth_it && harmless && self.attempts_left() {
            Verdict::Retry(self.backoff(self.policy.initial))
        } else {
            Verdict::Fail
        }
    }

    /// The wait that a server asks for, where it is longer than the job wants to wait.
    fn too_long(&self, told: Option<Duration>) -> Option<Duration> {
        told.filter(|wait| *wait > self.policy.max_wait)
    }

    fn attempts_left(&self) -> bool {
        self.attempt.spent < self.policy.attempts
    }

    fn backoff(&self, initial: Duration) -> Duration {
        backoff(self.policy, initial, self.attempt.spent, self.random)
    }
}
