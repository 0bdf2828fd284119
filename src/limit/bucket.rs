//! The windows of a limit, asked together: governor's cells on a clock that the pacer sets.
//!
//! Pure: times are nanoseconds since the bucket was opened, given by the caller, which must be the
//! only one to ask. Must never take from one window and not from another.
//!
//! **Catch-up.** A head that sleeps for a token wakes late. If governor were told that late time,
//! every bit of lateness would be lost for good, and a rate of 500/s without a burst would come out
//! at 350/s. So governor is told when the token *should* have left: as soon as it was due and someone
//! waited for it. How far that may lie in the past is bounded by each window's `catch_up`: one
//! interval at most, and nothing where the burst itself makes up for lateness. What governor
//! allows holds for the told times, and these are never later than the true ones and at most
//! `catch_up` earlier; so in true time no more than `burst + rate * (T + catch_up)` leave, which is
//! `burst + rate * T + 1` or less.

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
use super::{LimitPlan, Window};

/// Lateness that is caught up with: what a busy machine may add to a coarse timer.
const LATENESS: u64 = 10_000_000;

/// Longest interval and longest time to fill, 73 years: sums of a few never overflow.
const LONGEST: u64 = 1 << 61;

/// A token that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When it will be, in nanoseconds since the bucket was opened.
    pub at: u64,
    /// How exactly to wait for it.
    pub(super) grain: Grain,
}

/// All windows of a limit.
#[derive(Debug)]
pub struct Bucket {
    windows: Vec<Cell>,
}

/// One window: a governor, and what the pacer needs to set its clock and to ask without taking.
#[derive(Debug)]
struct Cell {
    governor: RateLimiter<NotKeyed, Ledger, Told, NoOpMiddleware<Nanos>>,
    told: Told,
    ledger: Ledger,
    catch_up: u64,
    grain: Grain,
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

impl StateStore for Ledger {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, full_at) = decide(Some(self.0.load(Ordering::Relaxed).into()))?;
        self.0.store(full_at.into(), Ordering::Relaxed);
        Ok(outcome)
    }
}

impl Bucket {
    /// Opens a full bucket.
    #[must_use]
    pub fn open(plan: &LimitPlan) -> Self {
        Self { windows: plan.windows.iter().map(|window| Cell::open(window, plan.burst)).collect() }
    }

    /// Whether there is a token of every window at `now` for one who waits since `since`, and when it
    /// should have left; takes none.
    ///
    /// # Errors
    /// The latest of the windows' due times.
    pub fn ready(&self, now: u64, since: u64) -> Result<u64, Due> {
        let mut ideal = since.min(now);
        for cell in &self.windows {
            ideal = ideal.max(cell.due(cell.told_at(ideal, now)).unwrap_or(0));
        }
        if ideal > now { Err(self.latest(now)) } else { Ok(ideal) }
    }

    /// Takes the token of every window that [`Bucket::ready`] found at this `now`.
    pub fn settle(&self, now: u64, ideal: u64) {
        for cell in &self.windows {
            let taken = cell.ask(cell.told_at(ideal, now));
            debug_assert_eq!(taken, Ok(()), "a token that was due is there");
        }
    }

    /// Whether another token is there at `until` although the one that [`Bucket::ready`] found at this
    /// `now` were taken; takes none.
    pub fn spares(&self, now: u64, ideal: u64, until: u64) -> bool {
        self.windows.iter().all(|cell| cell.spares(cell.told_at(ideal, now), until.max(now)))
    }

    /// When every window will have a token, and the grain of the one that is last.
    fn latest(&self, now: u64) -> Due {
        let dues = self.windows.iter().filter_map(|cell| Some(Due { at: cell.due(now)?, grain: cell.grain }));
        dues.max_by_key(|due| due.at).unwrap_or(Due { at: now, grain: Grain::Timer })
    }
}

impl Cell {
    fn open(window: &Window, burst: NonZeroU32) -> Self {
        let interval = u64::try_from(window.interval()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let burst = u64::from(burst.get()).min((LONGEST / interval).max(1));
        let slack = interval * (burst - 1);
        let (told, ledger) = (Told::default(), Ledger::default());
        let governor = RateLimiter::new(quota(interval, burst), ledger.clone(), told.clone());
        let catch_up = LATENESS.saturating_sub(slack).min(interval);
        Self { governor, told, ledger, catch_up, grain: Grain::fitting(slack + catch_up) }
    }

    /// The time to tell for a token that should have left at `ideal` and leaves `now`.
    fn told_at(&self, ideal: u64, now: u64) -> u64 {
        ideal.max(now.saturating_sub(self.catch_up))
    }

    /// Takes a token at `at`, or says when there is one.
    fn ask(&self, at: u64) -> Result<(), u64> {
        self.told.0.store(at, Ordering::Relaxed);
        self.governor.check().map_err(|refusal| refusal.earliest_possible().as_u64())
    }

    /// When there will be a token, if there is none at `at`; takes none.
    fn due(&self, at: u64) -> Option<u64> {
        let before = self.ledger.0.load(Ordering::Relaxed);
        let due = self.ask(at).err();
        self.ledger.0.store(before, Ordering::Relaxed);
        due
    }

    /// Whether there is a token at `until` after one was taken at `at`; takes none.
    fn spares(&self, at: u64, until: u64) -> bool {
        let before = self.ledger.0.load(Ordering::Relaxed);
        let spares = self.ask(at).is_ok() && self.ask(until).is_ok();
        self.ledger.0.store(before, Ordering::Relaxed);
        spares
    }
}

fn quota(interval: u64, burst: u64) -> Quota {
    let burst = u32::try_from(burst).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    // The interval is at least 1 ns, which is all that `with_period` asks for.
    let period = Quota::with_period(Duration::from_nanos(interval));
    period.unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst)
}

#[cfg(test)]
pub(super) mod tests;
