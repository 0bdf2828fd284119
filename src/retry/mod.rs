//! Retry: what went wrong, whether to try again, and when.
//!
//! [`verdict`] is pure: it gets values and gives a value; waiting happens in `run`. A retry covers the
//! whole attempt: connect, head, body, decode, expect. [`Budget`] and [`Outage`] say when what the verdict
//! wants may be done: they delay, and never fail a row. Must never wait, and never read a clock.

pub mod backoff;
pub mod budget;
pub mod failure;
pub mod outage;
mod verdict;

use std::time::Duration;

use http::Method;

use crate::plan::StatusSet;

pub use backoff::backoff;
pub use budget::Budget;
pub use failure::{ErrorClass, Failure, FailureKind, Reach};
pub use outage::{Admission, Outage, ProbeId, Sign, Turn};
pub use verdict::{Attempt, Attempted, Verdict, verdict};

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

impl Then {
    /// As a rule says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Retry => "retry",
            Self::Throttle => "throttle",
            Self::Skip => "skip",
            Self::Fail => "fail",
            Self::Stop => "stop",
        }
    }
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

#[cfg(test)]
mod tests;
