//! Limits: token buckets, and the only place that names governor.
//!
//! governor decides whether a token may be taken; the pacer here waits, first come first served, so
//! that in any stretch of time T at most `burst + rate * T` (+ 1) requests leave, and no fewer than
//! that when there is work. Must never hand out a token earlier than governor would, but for the
//! bounded catch-up described in `bucket`.
//!
//! How it is built:
//! - `bucket` is pure: all windows of a limit, asked together, with times as plain numbers.
//! - [`Limiter`] is the queue in front of it. Only its head talks to the bucket, so a token is taken in
//!   one step of one task: a caller that goes away while it waits has taken nothing from any window.
//! - `alarm` is how the head sleeps, for each bucket in the cheapest way that costs no rate. What
//!   counts is how late a wake-up the bucket can bear: `burst` intervals.
//!   - 2.5 ms and more (400/s without a burst): tokio's timer, which is up to 2 ms late, as it rounds
//!     to milliseconds and so does the poll below it. Next to no CPU.
//!   - 0.2 ms and more (5,000/s without a burst): a thread, some 0.1 ms late. Measured on two cores at
//!     900/s 7 % of a core, at 5,000/s 35 %.
//!   - less: the head yields to the runtime until the time has come, which keeps a core busy. A
//!     `burst` of 1/400 of the rate makes it needless: 20,000/s take 5 % of a core with a burst of 50.
//!
//! A take that finds its token there costs some 0.1 µs.

mod alarm;
mod bucket;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::{self, Instant};

use alarm::Sleeper;
use bucket::Bucket;

/// Fastest rate that is paced, in tokens per second.
pub const FASTEST: u32 = 1_000_000;

/// Longest time in which an empty bucket may fill: a century.
const LONGEST_FILL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `count` tokens per `per`, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens.
    pub count: NonZeroU32,
    /// Length of the window.
    pub per: Duration,
}

impl Window {
    /// Nanoseconds from one token to the next, rounded up: never faster than written.
    pub(crate) fn interval(&self) -> u128 {
        self.per.as_nanos().div_ceil(u128::from(self.count.get()))
    }
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
    /// A bucket that never runs out and knows only holds: for an endpoint without a limit, so that a
    /// server's word has something to hold.
    #[must_use]
    pub fn hold_only(endpoint: &str) -> Self {
        Self { name: format!("endpoints.{endpoint}"), windows: Vec::new(), burst: NonZeroU32::MIN }
    }

    /// Requests per second in the long run: the slowest window.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.windows
            .iter()
            .map(|window| f64::from(window.count.get()) / window.per.as_secs_f64())
            .fold(f64::INFINITY, f64::min)
    }

    /// Whether the bucket can be kept as written.
    ///
    /// # Errors
    /// A sentence for people when there is no window, a window is empty or faster than
    /// [`FASTEST`], or the burst would take more than a century to fill.
    pub fn check(&self) -> Result<(), String> {
        if self.windows.is_empty() {
            return Err(format!("limit `{}` has no rate; give it one, such as \"10/s\"", self.name));
        }
        self.windows.iter().try_for_each(|window| self.check_window(window))
    }

    fn check_window(&self, window: &Window) -> Result<(), String> {
        let (name, count, per) = (&self.name, window.count, clock::human(window.per));
        if window.per.is_zero() {
            return Err(format!(
                "limit `{name}` has a rate over no time; write a time above zero, as in \"{count}/s\""
            ));
        }
        if u128::from(count.get()) * 1_000_000_000 > u128::from(FASTEST) * window.per.as_nanos() {
            return Err(format!(
                "limit `{name}` is too fast: {count} per {per} is more than {FASTEST} per second, the most that is \
                 paced; lower the rate, or leave the limit away"
            ));
        }
        if window.interval().saturating_mul(u128::from(self.burst.get())) > LONGEST_FILL.as_nanos() {
            return Err(format!(
                "limit `{name}` has a burst that never fills: {} tokens at {count} per {per} take more than a \
                 century; lower `burst`, or raise the rate",
                self.burst
            ));
        }
        Ok(())
    }
}

/// A live token bucket, shared by every request that takes from it.
#[derive(Debug)]
pub struct Limiter {
    plan: LimitPlan,
    opened: Instant,
    /// Until when the bucket is held, in nanoseconds since `opened`; 0: never was.
    held: AtomicU64,
    head: Mutex<Head>,
    sleeper: Sleeper,
}

/// What only the head of the queue touches.
#[derive(Debug)]
struct Head {
    bucket: Bucket,
    /// The hold that was last seen to be over.
    served: u64,
    /// No token counts as taken before this: when that hold was seen to be over.
    floor: u64,
}

impl Limiter {
    /// Opens a bucket that is full (`burst` tokens). A plan that fails [`LimitPlan::check`] is paced
    /// as near to it as can be, never faster.
    #[must_use]
    pub fn open(plan: LimitPlan) -> Self {
        let bucket = Bucket::open(&plan);
        let head = Mutex::new(Head { bucket, served: 0, floor: 0 });
        Self { plan, opened: clock::now(), held: AtomicU64::new(0), head, sleeper: Sleeper::default() }
    }

    /// What it was opened from.
    #[must_use]
    pub fn plan(&self) -> &LimitPlan {
        &self.plan
    }

    /// Waits for a token and takes it. First come, first served; a caller that goes away while it
    /// waits takes nothing, and only gives up its place.
    pub async fn take(&self) {
        let came = self.now();
        let mut head = match self.head.try_lock() {
            Ok(head) => head,
            Err(_) => self.head.lock().await,
        };
        loop {
            let now = self.now();
            // A hold may come while the head sleeps. It only ever makes the wait longer, so it is
            // early enough to look at it here, after every sleep.
            let held = self.held.load(Ordering::Acquire);
            if held > now {
                tokio::time::sleep_until(self.instant(held)).await;
            } else if let Err(due) = head.take(now, came, held) {
                self.sleeper.sleep(self.instant(due.at), Duration::from_nanos(due.at - now), due.grain).await;
            } else {
                return;
            }
        }
    }

    /// Hands out no token before `until`: a server said so. Only ever later, never earlier.
    pub fn hold(&self, until: Instant) {
        self.held.fetch_max(self.nanos(until), Ordering::AcqRel);
    }

    /// Until when the bucket is held, if it is.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        let held = self.held.load(Ordering::Acquire);
        (held > self.now()).then(|| self.instant(held))
    }

    fn now(&self) -> u64 {
        self.nanos(clock::now())
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.opened).as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.opened + Duration::from_nanos(nanos)
    }
}

impl Head {
    /// A token for one who came at `came`, at `now`, when the hold `held` is over. After a hold the
    /// queue starts anew: who waited through it has no lost time to catch up with, so that no more
    /// than `burst` leave at once.
    fn take(&mut self, now: u64, came: u64, held: u64) -> Result<(), bucket::Due> {
        if held > self.served {
            (self.served, self.floor) = (held, now);
        }
        self.bucket.take(now, came.max(self.floor))
    }
}
