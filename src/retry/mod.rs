//! Retry: what went wrong, whether to try again, and when.
//!
//! [`verdict`] is pure: it gets values and gives a value; waiting happens in `run`. A retry covers the
//! whole attempt: connect, head, body, decode, expect.

pub mod failure;

use std::time::Duration;

use http::{HeaderMap, Method};

use crate::plan::StatusSet;

pub use failure::{ErrorClass, Failure, FailureKind};

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
    /// Longest wait a server may ask for; beyond it the run stops, resumable.
    pub max_wait: Duration,
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
    /// The server throttles: hold every limit of the request this long, and try again. `attempts`
    /// left or not, the hold is to be obeyed; `again` tells whether the row is tried again.
    Throttle {
        /// How long.
        wait: Duration,
        /// Whether attempts are left.
        again: bool,
    },
    /// The row fails.
    Fail,
    /// The server asks for a wait beyond `max-wait`: stop the run, to be resumed after this.
    Stop(Duration),
}

/// Decides about an attempt. Pure: `random` is a number in 0..1, `now` the local wall clock (used
/// only where a date has no `Date` header to be compared with).
#[must_use]
pub fn verdict(
    attempted: Attempted<'_>,
    attempt: u32,
    method: &Method,
    policy: &RetryPlan,
    random: f64,
    now: std::time::SystemTime,
) -> Verdict {
    let _ = (attempted, attempt, method, policy, random, now);
    todo!()
}
