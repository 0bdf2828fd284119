//! Limit, remaining and reset in three headers of their own, in every family of names that is in use, and
//! Shopify's one header for two of them.
//!
//! Must never come out milder than what was said: of several values of one header, which a gateway and the
//! server behind it make, the fewest that are left and the longest wait count.

use std::time::Duration;

use http::HeaderMap;

use super::moment::{ServerClock, decimal};
use super::{Hints, Quota};

/// A family of names.
pub(super) struct Family {
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
    /// Always a wait, beside a `reset` that is a time (Discord).
    reset_after: Option<&'static str>,
}

/// Drafts -01 to -06 of draft-ietf-httpapi-ratelimit-headers.
pub(super) const DRAFT: Family =
    Family { limit: "ratelimit-limit", remaining: "ratelimit-remaining", reset: "ratelimit-reset", reset_after: None };

/// GitHub, Discord, Reddit and most others.
pub(super) const X: Family = Family {
    limit: "x-ratelimit-limit",
    remaining: "x-ratelimit-remaining",
    reset: "x-ratelimit-reset",
    reset_after: Some("x-ratelimit-reset-after"),
};

/// X, and Okta.
pub(super) const X_DASHED: Family = Family {
    limit: "x-rate-limit-limit",
    remaining: "x-rate-limit-remaining",
    reset: "x-rate-limit-reset",
    reset_after: None,
};

/// OpenAI and those that speak as it does. Its `-tokens` are not requests.
pub(super) const X_REQUESTS: Family = Family {
    limit: "x-ratelimit-limit-requests",
    remaining: "x-ratelimit-remaining-requests",
    reset: "x-ratelimit-reset-requests",
    reset_after: None,
};

/// Adds what the headers of a family say: what is left, and until when. A reset alone says nothing.
pub(super) fn read(family: &Family, headers: &HeaderMap, clock: &ServerClock<'_>, hints: &mut Hints) {
    let mut values = Values { headers, malformed: &mut hints.malformed };
    let limit = values.strictest(family.limit, limit, u64::min);
    let remaining = values.strictest(family.remaining, |text| each(text, count, u64::min), u64::min);
    let mut wait = |name| {
        let until = |text: &str| clock.until(text).or_else(|| each(text, |part| clock.until(part), Duration::max));
        values.strictest(name, until, Duration::max)
    };
    let reset = wait(family.reset).max(family.reset_after.and_then(wait));
    if let Some(remaining) = remaining {
        hints.quotas.push(Quota { limit, remaining, reset });
    }
}

/// Adds what Shopify says, `X-Shopify-Shop-Api-Call-Limit: 32/40`: what is used of how much. It leaks out evenly,
/// so there is no reset.
pub(super) fn read_shopify(headers: &HeaderMap, hints: &mut Hints) {
    let mut values = Values { headers, malformed: &mut hints.malformed };
    let parse = |text: &str| {
        let (used, limit) = text.split_once('/')?;
        let limit = count(limit)?;
        Some((limit.saturating_sub(count(used)?), limit))
    };
    if let Some((remaining, limit)) = values.strictest(SHOPIFY, parse, std::cmp::min) {
        hints.quotas.push(Quota { limit: Some(limit), remaining, reset: None });
    }
}

/// The name of Shopify's header.
pub(super) const SHOPIFY: &str = "x-shopify-shop-api-call-limit";

/// Values of headers; what can't be read is counted.
struct Values<'a> {
    headers: &'a HeaderMap,
    malformed: &'a mut u32,
}

impl Values<'_> {
    fn strictest<T: Copy>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        strict: fn(T, T) -> T,
    ) -> Option<T> {
        let mut found = None;
        for value in self.headers.get_all(name) {
            match value.to_str().ok().and_then(|text| parse(text.trim())) {
                Some(value) => found = Some(found.map_or_else(|| value, |other| strict(other, value))),
                None => *self.malformed += 1,
            }
        }
        found
    }
}

/// Values that were joined by commas; all must be readable.
fn each<T>(text: &str, parse: impl Fn(&str) -> Option<T>, strict: fn(T, T) -> T) -> Option<T> {
    text.split(',').map(|part| parse(part.trim())).reduce(|one, other| Some(strict(one?, other?))).flatten()
}

/// A number of requests: fractions of one (Reddit's `598.0`) are none, and less than nothing is nothing.
fn count(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        Some(number) => decimal(number).map(|_| 0),
        None => decimal(text).map(|number| number.as_secs()),
    }
}

/// The first number of `100, 100;w=60;comment="a, b"` (draft -03 §3.1): the limit that is closest to be reached;
/// the policies after it say nothing of what is left.
fn limit(text: &str) -> Option<u64> {
    let first = text.split([',', ';']).next()?;
    decimal(first.trim()).map(|number| number.as_secs())
}
