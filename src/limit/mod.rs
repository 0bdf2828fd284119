//! Limits: token buckets, and the only place that names governor.
//!
//! governor decides whether a token may be taken; the pacer here waits, first come first served, so
//! that in any window of length T at most `burst + rate * T` requests leave. Must never hand out a
//! token earlier than governor would.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Instant;

/// `count` tokens per `per`, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens.
    pub count: NonZeroU32,
    /// Length of the window.
    pub per: Duration,
}

/// A token bucket, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitPlan {
    /// Its name; `endpoints.NAME` for a bucket of an endpoint's own.
    pub name: String,
    /// All hold at once.
    pub windows: Vec<Window>,
    /// Tokens that may be taken at once after a quiet time.
    pub burst: NonZeroU32,
}

impl LimitPlan {
    /// Requests per second in the long run: the slowest window.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.windows
            .iter()
            .map(|window| f64::from(window.count.get()) / window.per.as_secs_f64())
            .fold(f64::INFINITY, f64::min)
    }
}

/// A live token bucket, shared by every request that takes from it.
#[derive(Debug)]
pub struct Limiter {
    plan: LimitPlan,
}

impl Limiter {
    /// Opens a bucket that is full (`burst` tokens).
    #[must_use]
    pub fn open(plan: LimitPlan) -> Self {
        Self { plan }
    }

    /// What it was opened from.
    #[must_use]
    pub fn plan(&self) -> &LimitPlan {
        &self.plan
    }

    /// Waits for a token and takes it. First come, first served; a caller that goes away while it
    /// waits takes nothing.
    pub async fn take(&self) {
        todo!()
    }

    /// Hands out no token before `until`: a server said so. Only ever later, never earlier.
    pub fn hold(&self, until: Instant) {
        let _ = until;
        todo!()
    }

    /// Until when the bucket is held, if it is.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        todo!()
    }
}
