//! Hints: what a reply says of the server's limits, in every dialect that is spoken.
//!
//! Pure. Must never come out shorter than what the server said, and never fail on what it should not have
//! said: a value that can't be read is counted and otherwise as good as absent.
//!
//! | dialect | read in |
//! |---|---|
//! | Retry-After (RFC 9110 §10.2.3) | [`mod@retry_after`] |
//! | RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers, -07 and later) | `structured` |
//! | RateLimit-Limit, -Remaining, -Reset (the same, before -07); X-RateLimit-*; X-Rate-Limit-* | `triple` |
//! | Shopify | `triple` |

mod moment;
pub mod retry_after;
mod seen;
mod structured;
mod triple;

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::AGE;

pub use moment::LONGEST;
pub use retry_after::retry_after;

use moment::ServerClock;
use seen::Seen;

/// The wait after a reply of GitHub that throttles and names no time, as its documentation asks for (REST API,
/// "Rate limits", § "Exceeding the rate limit").
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);
/// The shortest wait for a quota that is used up: one that claims to be whole again right now, and throttles
/// all the same, is not to be asked again and again.
const SHORTEST_RESET: Duration = Duration::from_secs(1);

/// What a reply says of limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// How long the server asks to be left alone (Retry-After), at most [`LONGEST`].
    pub wait: Option<Duration>,
    /// What is left of its quotas, at most [`Hints::QUOTAS`] of them: those with the least left.
    pub quotas: Vec<Quota>,
    /// Values that could not be read.
    pub malformed: u32,
    /// Whether the reply is GitHub's, whose secondary limits name no time.
    pub github: bool,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a whole window, where the server says so.
    pub limit: Option<u64>,
    /// Requests that are left.
    pub remaining: u64,
    /// Until the quota is whole again, where the server says so; at most [`LONGEST`].
    pub reset: Option<Duration>,
}

/// Reads what a reply says. `now` is the local wall clock, for dates where the reply has none of its own.
///
/// A reply of no interest costs a look at each name, and nothing else: this runs for every reply. What a cache
/// says of quotas is not current and left out (draft-ietf-httpapi-ratelimit-headers-11, § "Caching").
#[must_use]
pub fn read(headers: &HeaderMap, now: SystemTime) -> Hints {
    let seen = Seen::of(headers);
    if seen == Seen::default() {
        return Hints::default();
    }
    let clock = ServerClock::new(headers, now);
    let mut hints = Hints { github: seen.github, ..Hints::default() };
    if seen.retry_after {
        (hints.wait, hints.malformed) = retry_after::read(headers, &clock);
    }
    if !cached(headers) {
        quotas(seen, headers, &clock, &mut hints);
    }
    hints
}

fn quotas(seen: Seen, headers: &HeaderMap, clock: &ServerClock<'_>, hints: &mut Hints) {
    if seen.structured {
        structured::read(headers, hints);
    }
    let families = [
        (seen.draft, triple::DRAFT),
        (seen.x, triple::X),
        (seen.x_requests, triple::X_REQUESTS),
        (seen.dashed, triple::X_DASHED),
    ];
    for (_, family) in families.iter().filter(|(seen, _)| *seen) {
        triple::read(family, headers, clock, hints);
    }
    if seen.shopify {
        triple::read_shopify(headers, hints);
    }
    if hints.quotas.len() > Hints::QUOTAS {
        hints.quotas.sort_by_key(|quota| (quota.remaining, std::cmp::Reverse(quota.reset)));
        hints.quotas.truncate(Hints::QUOTAS);
    }
}

/// Whether a reply comes from a cache: it has an age (RFC 9111 §5.1).
fn cached(headers: &HeaderMap) -> bool {
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    age.and_then(moment::decimal).is_some_and(|age| !age.is_zero())
}

impl Hints {
    /// How many quotas are kept.
    pub const QUOTAS: usize = 8;

    /// Whether a reply of this status throttles: 429 (RFC 6585 §4); 503 that names a time (RFC 9110 §15.6.4);
    /// and GitHub's 403, which names a time or has nothing left.
    #[must_use]
    pub fn throttles(&self, status: u16) -> bool {
        match status {
            429 => true,
            503 => self.wait.is_some(),
            403 => self.wait.is_some() || self.empty().next().is_some(),
            _ => false,
        }
    }

    /// What a reply of this status asks to wait before the next request, at most [`LONGEST`]; `None` when it
    /// does not say.
    ///
    /// Retry-After wins over any reset (draft-ietf-httpapi-ratelimit-headers-11, § "Client Behavior"). A reply that
    /// throttles without it asks to wait until the last of its used-up quotas is whole again, and not less than a
    /// second. GitHub's that names neither asks for a minute: a 403 with `x-github-request-id` or with any quota,
    /// and a 429 with the former.
    #[must_use]
    pub fn server_wait(&self, status: u16) -> Option<Duration> {
        let secondary = match status {
            403 => self.github || !self.quotas.is_empty(),
            429 => self.github,
            _ => false,
        };
        let wait = if self.throttles(status) { self.throttle_wait() } else { self.wait };
        wait.or(secondary.then_some(SECONDARY_LIMIT))
    }

    /// What a reply asks to wait that throttles whatever its status, because a rule says so: Retry-After, or
    /// the longest reset of the quotas that are used up, and not less than a second of those.
    #[must_use]
    pub fn throttle_wait(&self) -> Option<Duration> {
        let reset = || self.empty().filter_map(|quota| quota.reset).max();
        self.wait.or_else(|| reset().map(|reset| reset.max(SHORTEST_RESET)))
    }

    fn empty(&self) -> impl Iterator<Item = &Quota> {
        self.quotas.iter().filter(|quota| quota.remaining == 0)
    }
}

#[cfg(test)]
mod tests;
