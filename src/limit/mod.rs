//! Limits: token buckets, and the only place that names governor.
//!
//! governor decides whether a token may be taken; the pacer here waits, first come first served, so
//! that in any stretch of time T at most `burst + rate * T` (+ 1) requests leave, and no fewer than
//! that when there is work. Must never hand out a token earlier than governor would, but for the
//! bounded catch-up described in `bucket`.
//!
//! How it is built:
//! - `bucket` is pure: all windows of a limit, asked together, with times as plain numbers.
//! - `queue` stands in front of it. Only heads of queues talk to buckets, and a token of each bucket that
//!   a request takes from ([`take_all`]) is taken in one step of one task: a caller that goes away while
//!   it waits has taken nothing from any window of any bucket, and nobody keeps the token of one bucket
//!   while it waits for another's. What heads of different sets owe each other is described there.
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
mod queue;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::template::Template;

use bucket::Bucket;
use queue::{Head, Queue};

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

/// Tokens that a request takes.
#[derive(Debug, Clone)]
pub enum CostPlan {
    /// The same for every row.
    Fixed(NonZeroU32),
    /// Decided by each row: a whole number, 0 for a request that takes none.
    Row(Template),
}

/// How many buckets a limit has.
#[derive(Debug, Clone)]
pub enum KeyPlan {
    /// One for all requests.
    One,
    /// One for each host (and port) that requests go to, redirects included.
    Host,
    /// One for each text that rows make of this.
    Row(Template),
}

/// A token bucket, decided.
#[derive(Debug, Clone)]
pub struct LimitPlan {
    /// Its name; `endpoints.NAME` for a bucket of an endpoint's own.
    pub name: String,
    /// All hold at once.
    pub windows: Vec<Window>,
    /// Tokens that may be taken at once after a quiet time.
    pub burst: NonZeroU32,
    /// Tokens that a request takes.
    pub cost: CostPlan,
    /// How many buckets there are.
    pub key: KeyPlan,
    /// Whether what replies say of limits slows the bucket down.
    pub learn: bool,
}

impl LimitPlan {
    /// One bucket, a token for each request, that learns.
    #[must_use]
    pub fn new(name: impl Into<String>, windows: Vec<Window>, burst: NonZeroU32) -> Self {
        let cost = CostPlan::Fixed(NonZeroU32::MIN);
        Self { name: name.into(), windows, burst, cost, key: KeyPlan::One, learn: true }
    }

    /// A bucket that never runs out and knows only holds: for an endpoint without a limit, so that a
    /// server's word has something to hold.
    #[must_use]
    pub fn hold_only(endpoint: &str) -> Self {
        Self::new(format!("endpoints.{endpoint}"), Vec::new(), NonZeroU32::MIN)
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
    /// Its place in the order in which locks are taken.
    id: u64,
    opened: Instant,
    /// Until when the bucket is held, in nanoseconds since `opened`; 0: never was.
    held: AtomicU64,
    head: Mutex<Head>,
    /// Requests that take from this bucket alone.
    alone: Queue,
    /// Requests that take from this bucket and others of a higher id, by those others.
    joint: Mutex<Vec<(Vec<u64>, Arc<Queue>)>>,
}

/// Waits until every one of the limiters has a token and takes one of each, all at the same time. First
/// come, first served among those who take from the same limiters; a caller that goes away while it
/// waits takes nothing, and only gives up its place. A limiter that is named twice gives one token.
pub async fn take_all(limiters: &[Arc<Limiter>]) {
    if let [only] = limiters {
        return only.take().await;
    }
    let mut ordered: Vec<&Limiter> = limiters.iter().map(Arc::as_ref).collect();
    ordered.sort_unstable_by_key(|limiter| limiter.id);
    ordered.dedup_by_key(|limiter| limiter.id);
    match ordered.as_slice() {
        [] => {}
        [only] => only.take().await,
        [first, others @ ..] => queue::pass(&ordered, &first.queue_with(others)).await,
    }
}

impl Limiter {
    /// Opens a bucket that is full (`burst` tokens). A plan that fails [`LimitPlan::check`] is paced
    /// as near to it as can be, never faster.
    #[must_use]
    pub fn open(plan: LimitPlan) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            opened: clock::now(),
            held: AtomicU64::new(0),
            head: Mutex::new(Head::new(Bucket::open(&plan))),
            alone: Queue::default(),
            joint: Mutex::default(),
            plan,
        }
    }

    /// What it was opened from.
    #[must_use]
    pub fn plan(&self) -> &LimitPlan {
        &self.plan
    }

    /// Waits for a token and takes it. First come, first served; a caller that goes away while it
    /// waits takes nothing, and only gives up its place.
    pub async fn take(&self) {
        queue::pass(&[self], &self.alone).await;
    }

    /// Hands out no token before `until`: a server said so. Only ever later, never earlier.
    pub fn hold(&self, until: Instant) {
        self.held.fetch_max(self.nanos(until), Ordering::AcqRel);
    }

    /// Until when the bucket is held, if it is.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        let held = self.held.load(Ordering::Acquire);
        (held > self.nanos(clock::now())).then(|| self.instant(held))
    }

    /// The queue of those who take from this bucket and from `others`, in the order of their ids.
    fn queue_with(&self, others: &[&Self]) -> Arc<Queue> {
        let mut joint = self.joint.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = || others.iter().map(|limiter| limiter.id);
        if let Some((_, queue)) = joint.iter().find(|(known, _)| known.iter().copied().eq(ids())) {
            return Arc::clone(queue);
        }
        let queue = Arc::<Queue>::default();
        joint.push((ids().collect(), Arc::clone(&queue)));
        queue
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.opened).as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.opened + Duration::from_nanos(nanos)
    }
}
