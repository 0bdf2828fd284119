//! What replies taught of a server's limits: quotas, and a pace.
//!
//! Pure: times are nanoseconds since the bucket was opened. Must never allow what the bucket's own windows
//! don't: it is asked beside them and only ever slows down. Decides no token itself: a count that is left of
//! a quota is compared with, and a pace is kept by a governor cell.
//!
//! **Quotas** (RateLimit and X-RateLimit fields). Of `remaining` tokens, those of requests that are on the wire
//! now may not be counted yet, so that one more leaves only while `wire + cost <= remaining`. Replies overtake
//! each other: one to a request that left after the last word was heard replaces it, whatever it says; one
//! that left before can only lower it. When less than half of a quota is left, the rest is spread evenly until
//! its reset. No rate is inferred from `remaining / reset` otherwise (draft-ietf-httpapi-ratelimit-headers:
//! 10,000 in 1,000 s may be told with 10 s to the reset).
//!
//! **The pace** (429 without a time). Additive increase, multiplicative decrease: see [`Pace`].

use std::num::NonZeroU32;

use crate::hints::Quota;

use super::plan::FASTEST;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// How long a quota bounds that does not say for how long.
const UNTOLD: u64 = SECOND;
/// Resets that differ by less are taken for one: they are told in whole seconds.
const SAME: u64 = SECOND;
/// Quotas that are kept side by side; beyond it the one with most left goes.
const QUOTAS: usize = 16;

/// Slots of the meter, and its least time to divide by.
const SLOT: u64 = SECOND;
const LEAST: u64 = SECOND / 10;
/// Longest gap between two requests that counts as busy.
const GAP: u64 = SECOND / 4;

/// Share of what left that the first throttle leaves, each one that follows while the way down is still being
/// found, and one after a time in peace: near to what the server bears.
const FIRST: f64 = 0.5;
const AGAIN: f64 = 0.7;
const NEAR: f64 = 0.85;
/// Such a time in peace.
const PEACE: u64 = 2 * SECOND;
/// Slowest pace, in tokens per second.
const SLOWEST: f64 = 0.1;
/// Share of the pace before the cut that is given back per second.
const BACK: f64 = 0.05;
/// After so many seconds without a throttle the pace grows ever faster.
const PATIENCE: f64 = 10.0;
/// A pace that is so many times what is used is dropped.
const NEEDLESS: f64 = 4.0;
/// Most often that it grows.
const STEP: u64 = SECOND / 10;
/// A pace that nobody used for so long is forgotten.
const STALE: u64 = 600 * SECOND;

/// What is learned and still holds.
#[derive(Debug, Default)]
pub struct Learned {
    quotas: Vec<Left>,
    pace: Option<Pace>,
    /// Somebody waits for a quota, and wants to know of every reply.
    pub awaited: bool,
}

/// What is left of a quota.
#[derive(Debug)]
struct Left {
    /// Which: its size, and its place among those of this size in a reply.
    limit: Option<u64>,
    nth: usize,
    remaining: u64,
    /// The most that was seen left in this window.
    most: u64,
    /// Until it begins anew; no more than a bound where that is not told.
    until: u64,
    told: bool,
    /// When `remaining` was heard.
    heard: u64,
}

/// A pace found by trial: cut when the server throttles, to a share of what really left per second, and once
/// for all requests that left before the cut; given back by 1/20 per second of what it was cut from, and faster
/// after 10 s in peace. It grows only while it is used, and is dropped when it reaches the bucket's own rate
/// or four times what is used.
///
/// Measured on simulated time, 64 workers, 40 ms there and back, in the minute after the first 30 s: of what a
/// server bears, 86 % is used at 5/s (5 % of requests are turned away), 91 % at 50/s and 73 % at 500/s by one that
/// forgives no two requests at once, 99 % and more by one that forgives a fifth of a second's (0.6 % at 50/s, 0.2 %
/// at 500/s turned away), whether the bucket's own rate is ten times as high or there is none.
#[derive(Debug)]
struct Pace {
    /// Tokens per second.
    rate: f64,
    /// What it was cut from.
    from: f64,
    cut: u64,
    grown: u64,
}

impl Learned {
    /// Notes what is left of a quota, as a reply says to a request that left at `left`.
    pub fn note(&mut self, quota: &Quota, nth: usize, left: u64, now: u64) {
        let heard = Left::new(quota, nth, now);
        match self.quotas.iter_mut().find(|known| known.limit == heard.limit && known.nth == nth) {
            Some(known) => known.hear(heard, left),
            None => self.quotas.push(heard),
        }
        if self.quotas.len() > QUOTAS
            && let Some(most) = (0..self.quotas.len()).max_by_key(|position| self.quotas[*position].remaining)
        {
            self.quotas.swap_remove(most);
        }
    }

    /// Cuts the pace for a request that left at `left` and was throttled, of `used` tokens per second.
    pub fn cut(&mut self, used: f64, left: u64, now: u64) {
        let (from, share) = match &self.pace {
            Some(pace) if left <= pace.cut => return,
            Some(pace) => (pace.rate.min(used), if now.saturating_sub(pace.cut) > PEACE { NEAR } else { AGAIN }),
            None => (used, FIRST),
        };
        self.pace = Some(Pace { rate: (from * share).max(SLOWEST), from, cut: now, grown: now });
    }

    /// A request leaves: gives back some of the pace. Says whether anything changed.
    pub fn grow(&mut self, now: u64, own: f64, used: f64) -> bool {
        let Some(pace) = &mut self.pace else { return false };
        let since = now.saturating_sub(pace.grown);
        if since < STEP {
            return false;
        }
        pace.grown = now;
        let peace = now.saturating_sub(pace.cut) as f64 / SECOND as f64 / PATIENCE;
        // A quiet time teaches nothing.
        let step = since.min(pace.interval().max(SECOND)) as f64 / SECOND as f64;
        pace.rate += pace.from.max(SLOWEST) * BACK * peace.max(1.0) * step;
        if pace.rate >= own.min(f64::from(FASTEST)) || pace.rate > used * NEEDLESS {
            self.pace = None;
        }
        true
    }

    /// Drops what holds no longer. Says whether anything changed.
    pub fn forget(&mut self, now: u64) -> bool {
        let quotas = self.quotas.len();
        self.quotas.retain(|quota| quota.until > now);
        let stale = |pace: &Pace| now.saturating_sub(pace.grown) > STALE;
        let is_stale = self.pace.as_ref().is_some_and(stale);
        if is_stale {
            self.pace = None;
        }
        is_stale || quotas != self.quotas.len()
    }

    /// Until when there are no `cost` tokens left of a quota while `wire` are on the way.
    pub fn short_until(&self, now: u64, wire: u64, cost: u32) -> Option<u64> {
        let short = |quota: &&Left| quota.until > now && wire.saturating_add(u64::from(cost)) > quota.remaining;
        self.quotas.iter().filter(short).map(|quota| quota.until).max()
    }

    /// The slowest pace that is learned: nanoseconds from token to token, and tokens at once. Even, but with
    /// as much at once as keeps waiting for it cheap.
    pub fn pace(&self, now: u64, wire: u64) -> Option<(u64, NonZeroU32)> {
        let spread = self.quotas.iter().filter_map(|quota| quota.interval(now, wire));
        let interval = self.pace.iter().map(Pace::interval).chain(spread).max()?.max(SECOND / u64::from(FASTEST));
        let burst = u32::try_from(SECOND / 400 / interval).unwrap_or(u32::MAX);
        Some((interval, NonZeroU32::new(burst.saturating_add(1)).unwrap_or(NonZeroU32::MIN)))
    }

    /// The pace found by trial, in tokens per second.
    #[cfg(test)]
    pub fn rate(&self) -> Option<f64> {
        self.pace.as_ref().map(|pace| pace.rate)
    }

    /// When the first quota begins anew.
    pub fn next_change(&self) -> u64 {
        self.quotas.iter().map(|quota| quota.until).min().unwrap_or(u64::MAX)
    }

    /// Whether nothing is left that holds.
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty() && self.pace.is_none()
    }
}

impl Left {
    fn new(quota: &Quota, nth: usize, now: u64) -> Self {
        let reset = quota.reset.map(|reset| u64::try_from(reset.as_nanos()).unwrap_or(u64::MAX));
        let reset = reset.filter(|reset| *reset > 0);
        let until = now.saturating_add(reset.unwrap_or(UNTOLD));
        let (limit, remaining) = (quota.limit, quota.remaining);
        Self { limit, nth, remaining, most: remaining, until, told: reset.is_some(), heard: now }
    }

    /// Hears another word on the same quota, of a reply to a request that left at `left`.
    fn hear(&mut self, other: Self, left: u64) {
        let same_window = other.until <= self.until.saturating_add(SAME);
        let most = if same_window { self.most.max(other.most) } else { other.most };
        if left >= self.heard {
            *self = Self { most, ..other };
        } else if other.remaining < self.remaining {
            // It may be of the window before; when that ended is no reason to let go of this one.
            *self = Self { most: self.most, until: self.until.max(other.until), ..other };
        }
    }

    /// Nanoseconds between the tokens that are left, where less than half of them are.
    fn interval(&self, now: u64, wire: u64) -> Option<u64> {
        let whole = self.limit.unwrap_or(self.most);
        let is_short = self.told && self.remaining.saturating_mul(2) < whole;
        is_short.then(|| self.until.saturating_sub(now) / self.remaining.saturating_sub(wire).max(1))
    }
}

impl Pace {
    fn interval(&self) -> u64 {
        (SECOND as f64 / self.rate).ceil() as u64
    }
}

/// What really left per second lately, in times that were busy.
#[derive(Debug, Default)]
pub struct Meter {
    last: Option<u64>,
    /// Nanoseconds and tokens of this slot, and of the one before.
    slot: (u64, u64),
    before: (u64, u64),
}

impl Meter {
    /// A request of `cost` tokens left.
    pub fn note(&mut self, now: u64, cost: u32) {
        let gap = now.saturating_sub(self.last.replace(now).unwrap_or(now)).min(GAP);
        self.slot = (self.slot.0 + gap, self.slot.1.saturating_add(u64::from(cost)));
        if self.slot.0 >= SLOT {
            self.before = std::mem::take(&mut self.slot);
        }
    }

    /// Whether it has seen too little to tell a rate.
    pub fn is_young(&self) -> bool {
        self.slot.0 + self.before.0 < LEAST
    }

    /// Tokens per second.
    pub fn rate(&self) -> f64 {
        let (busy, tokens) = (self.slot.0 + self.before.0, self.slot.1.saturating_add(self.before.1));
        tokens as f64 * SECOND as f64 / busy.max(LEAST) as f64
    }
}

#[cfg(test)]
mod tests;
