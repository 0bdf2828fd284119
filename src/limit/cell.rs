//! One window of a bucket: a governor cell on a clock that the pacer sets, and a ledger that it can read.
//!
//! Pure: times are nanoseconds since the bucket was opened, given by the caller, which must be the only one
//! to ask. governor decides; what is added here is to ask without taking, to take more than the burst, and to
//! change the pace. Must never give a token earlier than governor would for the time it was told.
//!
//! **More than the burst.** A request that costs more tokens than the bucket holds leaves when the bucket is
//! full and pays the rest afterwards: governor is asked for `burst` tokens, and the ledger is moved on by what
//! is missing, so that those behind wait longer. With `c` as the dearest cost, at most
//! `max(burst, c) + rate * T` tokens leave in any stretch of time T.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::alarm::Grain;

/// Lateness that is caught up with: what a busy machine may add to a coarse timer.
const LATENESS: u64 = 10_000_000;

/// Longest interval and longest time to fill, 73 years: sums of a few never overflow.
const LONGEST: u64 = 1 << 61;

/// Intervals that no server sees the inside of, in nanoseconds.
const UNSEEN: u64 = 2_000_000;

/// A gap that a server may look at makes up for this part of what its pace is behind, which is an interval at the most.
/// Who is late by little, as on a quiet machine, then shortens it by what no server sees; where no core is free when
/// the time has come, more is owed and the pace is kept. A fiftieth of the interval, whatever was owed, lost 5 % of the
/// pace there; a tenth was seen everywhere.
const MADE_UP: u64 = 8;

/// Within this part of the interval the head of such a cell wakes.
const EXACTLY: u64 = 50;

/// Latest time at which a ledger may say that the bucket is full again, 146 years: room for one more
/// [`LONGEST`] on top of it.
const DEEPEST: u64 = 1 << 62;

type Governor = RateLimiter<NotKeyed, Ledger, Told, NoOpMiddleware<Nanos>>;

/// See the module.
#[derive(Debug)]
pub struct Cell {
    governor: Governor,
    told: Told,
    ledger: Ledger,
    /// Nanoseconds from one token to the next.
    interval: u64,
    burst: u32,
    /// How far a told time may lie in the past.
    catch_up: u64,
    grain: Grain,
    /// Whether it is one of the job's own windows, whose gaps are kept where a server may look at them. A pace that was
    /// learned is no promise.
    own: bool,
    /// When its last token was on the wire, as far as that is known.
    left: Option<u64>,
    /// How far behind its pace that was.
    owed: u64,
    /// The ledger as it would be if all who were given a place had taken.
    places: u64,
}

/// governor's clock: shows what it was told.
#[derive(Debug, Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

/// governor's memory: when the bucket will be full again. Only one task asks at a time, so that it
/// needs no compare-and-swap, and an answer can be taken back.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<AtomicU64>);

impl Ledger {
    fn full_at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, full_at: u64) {
        self.0.store(full_at, Ordering::Relaxed);
    }
}

impl StateStore for Ledger {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, full_at) = decide(Some(self.full_at().into()))?;
        self.set(full_at.into());
        Ok(outcome)
    }
}

impl Cell {
    /// A full cell of a token each `interval` nanoseconds, clamped to what can be counted with.
    pub fn open(interval: u128, burst: NonZeroU32, own: bool) -> Self {
        let (told, ledger) = (Told::default(), Ledger::default());
        let interval = u64::try_from(interval).unwrap_or(LONGEST).clamp(1, LONGEST);
        let burst = clamped(interval, burst);
        let governor = governor(interval, burst, &ledger, &told);
        let (catch_up, grain) = bearing(interval, burst);
        let burst = burst.get();
        Self { governor, told, ledger, interval, burst, catch_up, grain, own, left: None, owed: 0, places: 0 }
    }

    /// Goes on at another pace: what is owed, in tokens, stays owed.
    pub fn retune(&mut self, interval: u64, burst: NonZeroU32, now: u64) {
        let before = std::mem::replace(&mut self.interval, interval.clamp(1, LONGEST));
        let burst = clamped(self.interval, burst);
        self.burst = burst.get();
        (self.catch_up, self.grain) = bearing(self.interval, burst);
        let scaled = |full_at: u64| {
            let owed = u128::from(full_at.saturating_sub(now)) * u128::from(self.interval) / u128::from(before);
            u64::try_from(owed).unwrap_or(DEEPEST).saturating_add(now).min(DEEPEST)
        };
        let (full_at, places) = (scaled(self.ledger.full_at()), scaled(self.places));
        self.ledger.set(full_at);
        self.places = places;
        self.governor = governor(self.interval, burst, &self.ledger, &self.told);
    }

    /// How exactly to wait for its tokens.
    pub fn grain(&self) -> Grain {
        self.grain
    }

    /// Whether a server may look at the gap between two tokens.
    pub fn minds_gaps(&self) -> bool {
        self.own && self.burst == 1 && self.interval >= UNSEEN
    }

    /// Notes when a token was truly taken, and what time was told for it.
    pub fn took(&mut self, now: u64, told: u64) {
        self.left = Some(now);
        self.owed = now.saturating_sub(told);
    }

    /// The last token came to the wire later than others by this: where that is more than the wire itself does, it
    /// counts for the gap behind it.
    pub fn widen(&mut self, late: u64) {
        if late >= self.interval / 25 {
            self.left = self.left.map(|left| left.saturating_add(late.min(self.interval)));
        }
    }

    /// Before this the gap behind the last token would be too short for a server that looks at it; 0: none does.
    pub fn gap_until(&self) -> u64 {
        let left = self.left.filter(|_| self.minds_gaps());
        left.map_or(0, |left| left.saturating_add(self.gap(self.owed)))
    }

    /// The shortest gap behind a token that was late by `owed`.
    fn gap(&self, owed: u64) -> u64 {
        self.interval - owed / MADE_UP
    }

    /// The time to tell for a token that should have left at `ideal` and leaves `now`.
    pub fn told_at(&self, ideal: u64, now: u64) -> u64 {
        ideal.max(now.saturating_sub(self.catch_up))
    }

    /// Takes `cost` tokens at `at`, or says when they are there.
    pub fn ask(&self, at: u64, cost: u32) -> Result<(), u64> {
        let Some(at_once) = NonZeroU32::new(cost.min(self.burst)) else { return Ok(()) };
        self.told.0.store(at, Ordering::Relaxed);
        let answer = match at_once.get() {
            1 => self.governor.check(),
            // It is no more than the burst, so that there is always room for it.
            _ => self.governor.check_n(at_once).unwrap_or_else(|_| self.governor.check()),
        };
        answer.map_err(|refusal| refusal.earliest_possible().as_u64())?;
        if cost > self.burst {
            let rest = self.interval.saturating_mul(u64::from(cost - self.burst));
            self.ledger.set(self.ledger.full_at().saturating_add(rest).min(DEEPEST));
        }
        Ok(())
    }

    /// The first time at which `cost` tokens are there; 0: ever since. Takes none.
    pub fn due(&self, cost: u32) -> u64 {
        let before = self.ledger.full_at();
        let due = self.ask(0, cost).err();
        self.ledger.set(before);
        due.unwrap_or(0)
    }

    /// Whether `theirs` tokens are there at `until` after `cost` were taken at `at`; takes none.
    pub fn spares(&self, at: u64, cost: u32, until: u64, theirs: u32) -> bool {
        let before = self.ledger.full_at();
        let gap = if self.minds_gaps() { self.gap(self.catch_up) } else { 0 };
        let spares = self.ask(at, cost).is_ok() && self.ask(until, theirs).is_ok() && until >= at.saturating_add(gap);
        self.ledger.set(before);
        spares
    }

    /// Whether no token is missing at `now`.
    pub fn is_full(&self, now: u64) -> bool {
        self.ledger.full_at() <= now
    }

    /// When it would be the turn of one more who wants `cost` tokens, behind all who were given a place.
    pub fn turn(&self, cost: u32) -> u64 {
        let at_once = u64::from(self.burst - cost.min(self.burst));
        self.behind().saturating_sub(self.interval.saturating_mul(at_once))
    }

    /// Gives a place at `turn`.
    pub fn give_place(&mut self, turn: u64, cost: u32) {
        let takes = self.interval.saturating_mul(u64::from(cost));
        self.places = self.behind().max(turn).saturating_add(takes).min(DEEPEST);
    }

    fn behind(&self) -> u64 {
        self.places.max(self.ledger.full_at())
    }
}

/// The burst, but one that fills within [`LONGEST`].
fn clamped(interval: u64, burst: NonZeroU32) -> NonZeroU32 {
    let most = u32::try_from(LONGEST / interval).unwrap_or(u32::MAX);
    burst.min(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN))
}

/// What a cell can bear: how far it catches up, and how exactly its head must wake.
///
/// Without a burst the gap between two requests is what a server looks at, and the head makes up for what it wakes late
/// in many small steps ([`MADE_UP`]). Servers count in milliseconds: below [`UNSEEN`] no
/// gap is looked at.
fn bearing(interval: u64, burst: NonZeroU32) -> (u64, Grain) {
    let slack = interval * u64::from(burst.get() - 1);
    let catch_up = LATENESS.saturating_sub(slack).min(interval);
    if slack == 0 && interval >= UNSEEN {
        return (catch_up, Grain::exact((interval / EXACTLY).min(catch_up)));
    }
    (catch_up, Grain::fitting(slack + catch_up))
}

fn governor(interval: u64, burst: NonZeroU32, ledger: &Ledger, told: &Told) -> Governor {
    // governor counts from the time that its clock shows now.
    told.0.store(0, Ordering::Relaxed);
    // The interval is at least 1 ns, which is all that `with_period` asks for.
    let period = Quota::with_period(Duration::from_nanos(interval));
    let quota = period.unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
    RateLimiter::new(quota, ledger.clone(), told.clone())
}
