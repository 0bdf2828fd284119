//! How the head of a queue sleeps: by tokio's timer where that is fine enough, by a thread of its own
//! where it is not, and by yielding where even that is not.
//!
//! May wake early, and says nothing about the time: the caller looks at the clock again. Must never
//! be the only thing that keeps a queue alive: beside the thread there is always a timer, which is
//! also what a paused clock moves by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{self, Instant};

/// Lateness of tokio's timers: a millisecond of their own and one of the poll below them, and some.
const TIMER_LATENESS: u64 = 2_500_000;

/// Lateness of a thread that sleeps on a condition variable and then wakes a task.
const THREAD_LATENESS: Duration = Duration::from_micros(200);

/// How exactly to wake; the greater, the more exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    /// Within 2 ms: by tokio's timer.
    Timer,
    /// Within 0.2 ms, mostly: by a thread.
    Thread,
    /// At once: by yielding, in the last moments before, for which see [`Lead`].
    Yield,
}

impl Grain {
    /// The cheapest grain for a bucket that loses nothing when its head wakes late by up to `slack`
    /// nanoseconds.
    pub(super) fn fitting(slack: u64) -> Self {
        match slack {
            TIMER_LATENESS.. => Self::Timer,
            slack if u128::from(slack) >= THREAD_LATENESS.as_nanos() => Self::Thread,
            _ => Self::Yield,
        }
    }

    /// The grain for a head that has nothing but these nanoseconds to make up for a late wake-up: a thread is too late
    /// for less than the most that it may be late by.
    pub(super) fn exact(slack: u64) -> Self {
        match slack {
            TIMER_LATENESS.. => Self::Timer,
            Lead::MOST.. => Self::Thread,
            _ => Self::Yield,
        }
    }
}

/// Sleeps for one head at a time.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    /// The thread; none until one is needed.
    alarm: OnceLock<Alarm>,
    lead: Lead,
}

impl Sleeper {
    /// Sleeps until about `until`, which is `wait` from now. Dropping it is fine at any time.
    pub(super) async fn sleep(&self, until: Instant, wait: Duration, grain: Grain) {
        match grain {
            Grain::Timer => tokio::time::sleep_until(until).await,
            Grain::Thread => self.alarm().wait(until, wait).await,
            Grain::Yield => self.sleep_lightly(until, wait).await,
        }
    }

    /// By the thread until shortly before, and by yielding then: a ring may be one for a head that is gone, so that only
    /// the caller knows whether to sleep on.
    async fn sleep_lightly(&self, until: Instant, wait: Duration) {
        let lead = self.lead.get();
        if wait <= lead {
            return yield_until(until).await;
        }
        self.alarm().wait(until, wait - lead).await;
        self.lead.note(lead.saturating_sub(until.saturating_duration_since(clock::now())));
    }

    fn alarm(&self) -> &Alarm {
        self.alarm.get_or_init(Alarm::start)
    }
}

/// How long before its time a head is woken that must be exact: as long as nearly all rings of this machine are late by.
///
/// A machine where that is 0.05 ms need not yield for longer, and one with two busy cores is often late by more than
/// 0.2 ms. Which of them it is shows only while it runs.
#[derive(Debug)]
struct Lead(AtomicU64);

impl Default for Lead {
    fn default() -> Self {
        Self(AtomicU64::new(Self::FIRST))
    }
}

impl Lead {
    const FIRST: u64 = 200_000;
    const LEAST: u64 = 50_000;
    const MOST: u64 = 400_000;

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// A ring was late by this. Half as much more when that was too much, and a sixty-fourth less when it was not: so
    /// about one ring of twenty-six is too late.
    fn note(&self, late: Duration) {
        let lead = self.0.load(Ordering::Relaxed);
        let next = if late.as_nanos() >= u128::from(lead - lead / 8) { lead + lead / 2 } else { lead - lead / 64 };
        self.0.store(next.clamp(Self::LEAST, Self::MOST), Ordering::Relaxed);
    }
}

/// Lets other tasks run until the time has come. A clock that stands still (a paused one) can only
/// be moved by a timer.
async fn yield_until(until: Instant) {
    let mut seen = clock::now();
    while seen < until {
        tokio::task::yield_now().await;
        let now = clock::now();
        if now == seen {
            return tokio::time::sleep_until(until).await;
        }
        seen = now;
    }
}

/// A thread that wakes a task. Ends when the alarm is dropped.
#[derive(Debug)]
struct Alarm(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    order: Mutex<Order>,
    changed: Condvar,
    ring: Notify,
}

#[derive(Debug, Default)]
struct Order {
    /// Ring after this; taken by the thread when it begins to wait.
    after: Option<Duration>,
    /// The alarm was dropped.
    ended: bool,
}

impl Alarm {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // Without a thread there is still the timer of `wait`: late, but correct.
        let _ = std::thread::Builder::new().name("paceline-pace".to_owned()).spawn(move || theirs.serve());
        Self(shared)
    }

    async fn wait(&self, until: Instant, wait: Duration) {
        self.0.orders().after = Some(wait);
        self.0.changed.notify_one();
        tokio::select! {
            () = self.0.ring.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.orders().ended = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    /// Waits for orders and rings; a new order takes the place of the one before. Rings that nobody
    /// waits for any more wake the next head too early once, which looks at the clock and sleeps on.
    fn serve(&self) {
        let mut order = self.orders();
        while !order.ended {
            let Some(wait) = order.after.take() else {
                order = self.changed.wait(order).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            order = self.changed.wait_timeout(order, wait).unwrap_or_else(PoisonError::into_inner).0;
            if order.after.is_none() {
                self.ring.notify_one();
            }
        }
    }

    fn orders(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: u64 = 1_000;

    fn after(rings: impl IntoIterator<Item = u64>) -> u64 {
        let lead = Lead::default();
        for late in rings {
            lead.note(Duration::from_nanos(late * MICROSECOND));
            assert!((Lead::LEAST..=Lead::MOST).contains(&lead.0.load(Ordering::Relaxed)));
        }
        lead.0.load(Ordering::Relaxed)
    }

    #[test]
    fn the_lead_is_what_nearly_all_rings_are_late_by() {
        // Where the machine is quick, and where it never is.
        assert_eq!(after([10; 500]), Lead::LEAST);
        assert_eq!(after([5_000; 5]), Lead::MOST);
        // One ring of fifty is late by 0.3 ms: that is not worth to yield for.
        let rare = (0..5_000).map(|ring| if ring % 50 == 0 { 300 } else { 60 });
        assert!(after(rare) < 150 * MICROSECOND);
        // Of ten: that is.
        let frequent = (0..5_000).map(|ring| if ring % 10 == 0 { 300 } else { 60 });
        assert!(after(frequent) > 250 * MICROSECOND);
        // A machine that was busy for a while and is no longer.
        assert_eq!(after([900; 10].into_iter().chain([20; 500])), Lead::LEAST);
    }
}
