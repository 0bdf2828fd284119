//! Retry: what went wrong, whether to try again, and when.
//!
//! [`verdict`] is pure: it gets values and gives a value; waiting happens in `run`. A retry covers the
//! whole attempt: connect, head, body, decode, expect.

pub mod backoff;
pub mod failure;

use std::time::Duration;

use http::{HeaderMap, Method};

use crate::hints::retry_after;
use crate::plan::StatusSet;

pub use backoff::backoff;
pub use failure::{ErrorClass, Failure, FailureKind, Reach};

/// Shape of the growing wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackoffShape {
    /// `initial * factor^(n-1)`
    #[default]
    Exponential,
    /// `initial * n`
    Linear,
    /// `initial`
    Constant,
}

/// How a wait is spread (AWS Architecture Blog, "Exponential Backoff And Jitter").
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// Uniform in 0..wait.
    Full,
    /// Half the wait, and a uniform half.
    Equal,
    /// None.
    None,
    /// Plus or minus this share of the wait, 0..=1.
    Proportional(f64),
}

/// What becomes of a request that must not be repeated and was cut off without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// Its row fails as unknown, also after a kill, and is not sent again unasked.
    #[default]
    Fail,
    /// It is sent again as any other.
    Resend,
}

/// How many retries there may be for what is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetPlan {
    /// Retries as a share of requests over the last [`BudgetPlan::WINDOW`], 0..=1.
    pub share: f64,
}

impl BudgetPlan {
    /// How far back requests count.
    pub const WINDOW: Duration = Duration::from_secs(10);
    /// Retries per second that there may be whatever the share.
    pub const FLOOR: f64 = 1.0;
}

/// What a rule makes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The reply is taken, whatever its status.
    Accept,
    /// The row is tried again, as long as it has attempts left, whatever its method.
    Retry,
    /// As a retry; and the server throttles: the limits of the request are held.
    Throttle,
    /// The row is left out.
    Skip,
    /// The row fails.
    Fail,
    /// The run stops, resumable; the row has not ended.
    Stop,
}

/// The retry policy, decided.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPlan {
    /// Attempts, the first included; at least 1.
    pub attempts: u32,
    /// Shape of the wait.
    pub backoff: BackoffShape,
    /// First wait.
    pub initial: Duration,
    /// First wait where the server throttles (429, or 503 with Retry-After).
    pub throttle_initial: Duration,
    /// Growth of the exponential wait.
    pub factor: f64,
    /// Longest wait of our own making.
    pub max: Duration,
    /// Spread.
    pub jitter: Jitter,
    /// Statuses that are tried again.
    pub statuses: StatusSet,
    /// Classes of failures that are tried again.
    pub errors: Vec<ErrorClass>,
    /// Methods that may be repeated although the request may have reached the server.
    pub methods: Vec<Method>,
    /// Longest wait a server may ask for, and longest outage; beyond it the run stops, resumable.
    pub max_wait: Duration,
    /// What becomes of requests that must not be repeated and were cut off without an answer.
    pub unknown: Unknown,
    /// Retries that there may be.
    pub budget: BudgetPlan,
    /// Whether requests carry a key that lets servers tell a repetition: then any method may be repeated.
    pub keyed: bool,
}

/// What became of an attempt, as far as a retry is concerned.
#[derive(Debug, Clone, Copy)]
pub enum Attempted<'a> {
    /// A whole reply with an accepted status.
    Accepted,
    /// A whole reply whose status is not accepted.
    Refused {
        /// The status.
        status: u16,
        /// The headers, for Retry-After and Date.
        headers: &'a HeaderMap,
    },
    /// No usable reply.
    Failed(&'a Failure),
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
        /// How long the row waits: never shorter than `hold`, and never shorter than our own backoff, so
        /// that a server which names no time at all (`0`, a date gone by) does not burn every attempt
        /// at once.
        wait: Duration,
        /// Whether the row is tried again: attempts are left and the policy has the status.
        again: bool,
    },
    /// The row fails.
    Fail,
    /// The server asks for a wait beyond `max-wait`: stop the run, to be resumed after this.
    Stop(Duration),
}

/// Decides about an attempt. Pure: `attempt` counts from 1, `random` is a number in 0..1, `now` the
/// local wall clock (used only where a date has no `Date` header to be compared with).
///
/// What may be repeated, beyond what the policy's `statuses`, `errors` and `attempts` say:
/// - A method in `methods` may always be repeated: doing it twice is doing it once (RFC 9110 §9.2.2).
/// - Any other method only when the server surely did not act on it. That is so when no byte was sent,
///   and when a reply says that the request was turned away at the door: 429 (RFC 6585 §4), and 503
///   that names a time to come back. It is not so for 500, 502, 504 and a bare 503, which may come
///   after the deed (a gateway whose backend had finished), nor for 408 and 425, which by the book
///   come before it but are also sent by gateways that gave up waiting.
///
/// What a server asks for is obeyed whether or not the row is tried again: a throttling reply holds
/// the limits even after the last attempt and even if its status is not in `statuses`. A wait that a
/// server named is never shortened; beyond `max_wait` the run stops instead of waiting.
#[must_use]
pub fn verdict(
    attempted: Attempted<'_>,
    attempt: u32,
    method: &Method,
    policy: &RetryPlan,
    random: f64,
    now: std::time::SystemTime,
) -> Verdict {
    let turn = Turn { attempt, repeatable: policy.methods.contains(method), policy, random };
    match attempted {
        Attempted::Accepted => Verdict::Accept,
        Attempted::Refused { status, headers } => turn.refused(status, retry_after(headers, now)),
        Attempted::Failed(failure) => turn.failed(failure),
    }
}

/// What a verdict looks at beside the outcome itself.
struct Turn<'a> {
    attempt: u32,
    repeatable: bool,
    policy: &'a RetryPlan,
    random: f64,
}

impl Turn<'_> {
    fn refused(&self, status: u16, told: Option<Duration>) -> Verdict {
        let throttled = status == 429 || (status == 503 && told.is_some());
        let again = self.attempts_left() && self.policy.statuses.contains(status);
        let repeated = again && (throttled || self.repeatable);
        match told {
            Some(wait) if wait > self.policy.max_wait && (throttled || repeated) => Verdict::Stop(wait),
            _ if throttled => {
                let own = self.backoff(self.policy.throttle_initial);
                let hold = told.unwrap_or(own);
                Verdict::Throttle { hold, wait: hold.max(own), again }
            }
            _ if repeated => Verdict::Retry(self.backoff(self.policy.initial).max(told.unwrap_or_default())),
            _ => Verdict::Fail,
        }
    }

    fn failed(&self, failure: &Failure) -> Verdict {
        let worth_it = failure.kind.class().is_some_and(|class| self.policy.errors.contains(&class));
        if worth_it && self.attempts_left() && (self.repeatable || !failure.sent) {
            Verdict::Retry(self.backoff(self.policy.initial))
        } else {
            Verdict::Fail
        }
    }

    fn attempts_left(&self) -> bool {
        self.attempt < self.policy.attempts
    }

    fn backoff(&self, initial: Duration) -> Duration {
        backoff(self.policy, initial, self.attempt, self.random)
    }
}

#[cfg(test)]
mod tests;
