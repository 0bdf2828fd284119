//! Routes behind a token bucket, which say so in their headers.
//!
//! `/limited` speaks the RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11, `/limited-legacy`
//! the X-RateLimit ones that many APIs still send, with the reset as epoch seconds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use serde_json::json;

use super::answer::{Answer, Reply, ok, refuse, with};
use super::router::{Asked, Route, World};
use crate::clock::{self, Instant};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/limited/{id}",
        doc: "50 requests a second over all ids; beyond it 429 with Retry-After; RateLimit headers",
        handle: limited,
    },
    Route {
        method: "GET",
        pattern: "/limited-legacy/{id}",
        doc: "the same with a bucket of its own and X-RateLimit headers",
        handle: legacy,
    },
];

/// Tokens the bucket holds, and gains in a second.
const QUOTA: u32 = 50;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens it holds.
    most: f64,
    /// Tokens it gains in a second.
    gain: f64,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

/// What taking tokens came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taken {
    /// Whether there were enough.
    pub(super) allowed: bool,
    /// Whole tokens left.
    pub(super) left: u32,
    /// Until the bucket is full again.
    full_in: Duration,
}

impl Bucket {
    /// A full bucket of [`QUOTA`] tokens that gains as many in a second.
    pub(super) fn full() -> Self {
        Self::of(QUOTA, QUOTA)
    }

    /// A full bucket of `most` tokens that gains `gain` in a second.
    pub(super) fn of(most: u32, gain: u32) -> Self {
        let (most, gain) = (f64::from(most), f64::from(gain));
        Self { most, gain, level: Mutex::new(Level { tokens: most, at: clock::now() }) }
    }

    /// Takes `cost` tokens, all or none.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to what it holds, a u32")]
    pub(super) fn take(&self, now: Instant, cost: u32) -> Taken {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * self.gain;
        level.tokens = (level.tokens + gained).min(self.most);
        level.at = now;
        let allowed = level.tokens >= f64::from(cost);
        if allowed {
            level.tokens -= f64::from(cost);
        }
        let missing = self.most - level.tokens;
        Taken { allowed, left: level.tokens as u32, full_in: Duration::from_secs_f64((missing / self.gain).max(0.0)) }
    }
}

/// Whole seconds, rounded up, so that a client that obeys is never too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn limited(world: &World, asked: &Asked<'_>) -> Answer {
    let taken = world.bucket.take(clock::now(), 1);
    let reply = with(reply(taken, asked), "ratelimit-policy", format!("\"demo\";q={QUOTA};w=1"));
    with(reply, "ratelimit", format!("\"demo\";r={};t={}", taken.left, seconds(taken.full_in))).into()
}

fn legacy(world: &World, asked: &Asked<'_>) -> Answer {
    let taken = world.legacy_bucket.take(clock::now(), 1);
    let reset = (clock::wall() + taken.full_in).duration_since(UNIX_EPOCH).map_or(0, seconds);
    let reply = with(reply(taken, asked), "x-ratelimit-limit", QUOTA.to_string());
    let reply = with(reply, "x-ratelimit-remaining", taken.left.to_string());
    with(reply, "x-ratelimit-reset", reset.to_string()).into()
}

fn reply(taken: Taken, asked: &Asked<'_>) -> Reply {
    if taken.allowed {
        return ok(&json!({ "id": asked.part, "left": taken.left }));
    }
    let reply = refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests", "wait as Retry-After says");
    with(reply, "retry-after", "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_quota_and_what_it_gains() {
        let bucket = Bucket::full();
        let start = clock::now();
        let given = (0..100).filter(|_| bucket.take(start, 1).allowed).count();
        assert_eq!(given, 50);
        let later = start + Duration::from_millis(100);
        let given = (0..100).filter(|_| bucket.take(later, 1).allowed).count();
        assert_eq!(given, 5);
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let bucket = Bucket::full();
        let start = clock::now() + Duration::from_secs(1);
        while bucket.take(start, 1).allowed {}
        assert!(!bucket.take(start - Duration::from_secs(1), 1).allowed);
    }

    #[test]
    fn a_cost_is_taken_whole_or_not_at_all() {
        let bucket = Bucket::of(10, 5);
        let start = clock::now();
        assert_eq!([7, 7, 3].map(|cost| bucket.take(start, cost).allowed), [true, false, true]);
        let taken = bucket.take(start + Duration::from_secs(1), 5);
        assert_eq!((taken.allowed, taken.left, taken.full_in), (true, 0, Duration::from_secs(2)));
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!([0, 1, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 2]);
    }
}
