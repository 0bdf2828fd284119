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

/// A token bucket of [`QUOTA`] tokens that gains as many in a second.
#[derive(Debug)]
pub(super) struct Bucket(Mutex<Level>);

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

/// What taking a token came to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Taken {
    allowed: bool,
    /// Whole tokens left.
    left: u32,
    /// Until the bucket is full again.
    full_in: Duration,
}

impl Bucket {
    /// A bucket that is full.
    pub(super) fn full() -> Self {
        Self(Mutex::new(Level { tokens: f64::from(QUOTA), at: clock::now() }))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to QUOTA")]
    fn take(&self, now: Instant) -> Taken {
        let mut level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * f64::from(QUOTA);
        level.tokens = (level.tokens + gained).min(f64::from(QUOTA));
        level.at = now;
        let allowed = level.tokens >= 1.0;
        if allowed {
            level.tokens -= 1.0;
        }
        let missing = f64::from(QUOTA) - level.tokens;
        Taken {
            allowed,
            left: level.tokens as u32,
            full_in: Duration::from_secs_f64((missing / f64::from(QUOTA)).max(0.0)),
        }
    }
}

/// Whole seconds, rounded up, so that a client that obeys is never too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn limited(world: &World, asked: &Asked<'_>) -> Answer {
    let taken = world.bucket.take(clock::now());
    let reply = with(reply(taken, asked), "ratelimit-policy", format!("\"demo\";q={QUOTA};w=1"));
    with(reply, "ratelimit", format!("\"demo\";r={};t={}", taken.left, seconds(taken.full_in))).into()
}

fn legacy(world: &World, asked: &Asked<'_>) -> Answer {
    let taken = world.legacy_bucket.take(clock::now());
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
        let given = (0..100).filter(|_| bucket.take(start).allowed).count();
        assert_eq!(given, 50);
        let later = start + Duration::from_millis(100);
        let given = (0..100).filter(|_| bucket.take(later).allowed).count();
        assert_eq!(given, 5);
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let bucket = Bucket::full();
        let start = clock::now() + Duration::from_secs(1);
        while bucket.take(start).allowed {}
        assert!(!bucket.take(start - Duration::from_secs(1)).allowed);
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!([0, 1, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 2]);
    }
}
