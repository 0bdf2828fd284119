//! One live bucket: its queue, its holds, and what replies teach it.
//!
//! Must never let a reply make it faster than its own windows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::hints::{Hints, Quota};

use super::bucket::Bucket;
use super::plan::LimitPlan;
use super::queue::{self, Ask, Head, Queue};

/// A token that is there within this, in nanoseconds, is worth waiting for with a slot in hand: 20 ms.
const NEAR: u64 = 20_000_000;

/// Shortest hold of a quota that has nothing left: whatever a server says, it is not asked in a busy loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// Queues of sets that are kept without a look whether anybody uses them.
const QUEUES: usize = 1_000;

/// What requests wait for at a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// Its own windows.
    Own,
    /// A time that the server named, or a rule.
    Held,
    /// What was learned from replies: a quota that is short, or the pace that the server bears.
    Learned,
}

/// A live token bucket, shared by every request that takes from it.
#[derive(Debug)]
pub struct Limiter {
    plan: Arc<LimitPlan>,
    /// Its place in the order in which locks are taken.
    pub(super) id: u64,
    opened: Instant,
    minds_gaps: bool,
    /// Until when the bucket is held, in nanoseconds since `opened`; 0: never was.
    held: AtomicU64,
    /// Tokens that were taken, from this bucket and all others of its limit.
    tokens: Arc<AtomicU64>,
    head: Mutex<Head>,
    /// Requests that take from this bucket alone.
    alone: Queue,
    /// Requests that take from this bucket and others of a higher id, by those others.
    joint: Mutex<Joint>,
}

#[derive(Debug, Default)]
struct Joint {
    queues: HashMap<Box<[u64]>, Arc<Queue>>,
    /// Queues that were in use when it was last looked.
    used: usize,
}

impl Limiter {
    /// Opens a bucket that is full (`burst` tokens). A plan that fails [`LimitPlan::check`] is paced
    /// as near to it as can be, never faster.
    #[must_use]
    pub fn open(plan: impl Into<Arc<LimitPlan>>) -> Self {
        Self::counting(plan, Arc::default())
    }

    /// As [`Limiter::open`]; the tokens that are taken are counted there.
    #[must_use]
    pub fn counting(plan: impl Into<Arc<LimitPlan>>, tokens: Arc<AtomicU64>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let plan = plan.into();
        let bucket = Bucket::open(&plan);
        Self {
            minds_gaps: bucket.minds_gaps(),
            id: IDS.fetch_add(1, Ordering::Relaxed),
            opened: clock::now(),
            held: AtomicU64::new(0),
            tokens,
            head: Mutex::new(Head::new(bucket)),
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

    /// Waits for `cost` tokens and takes them; 0 takes none, but obeys holds, and passes those who wait for
    /// tokens. First come, first served; a caller that goes away while it waits takes nothing, and only
    /// gives up its place. Who has taken must say when the request is [`Limiter::answered`].
    pub async fn take(&self, cost: u32) {
        let ask = [Ask { limiter: self, cost }];
        if cost == 0 {
            return queue::pass(&ask, &Queue::default()).await;
        }
        queue::pass(&ask, &self.alone).await;
    }

    /// A request that took `cost` tokens is over: answered, failed, or given up. Until then a quota that a
    /// reply tells of may not have counted it.
    pub fn answered(&self, cost: u32) {
        self.tokens.fetch_add(u64::from(cost), Ordering::Relaxed);
        let mut head = self.head();
        if head.bucket.answered(cost) {
            head.ease();
        }
    }

    /// Whether a server may look at the gap between two requests of this bucket.
    #[must_use]
    pub fn minds_gaps(&self) -> bool {
        self.minds_gaps
    }

    /// A request that took its tokens at `taken` was handed to the wire at `now`: what it lost on the way more than
    /// others is missing from the gap behind it, so that the next one leaves later.
    pub fn left(&self, taken: Instant, now: Instant) {
        self.head().bucket.left(nanoseconds(now.saturating_duration_since(taken)));
    }

    /// Hands out no token before `until`, whether the bucket learns or not. Only ever later, never earlier.
    pub fn hold(&self, until: Instant) {
        self.held.fetch_max(self.nanos(until), Ordering::AcqRel);
    }

    /// Holds the bucket because a reply said so. Nothing where it does not learn.
    pub fn told(&self, until: Instant) {
        if self.plan.learn {
            self.hold(until);
        }
    }

    /// Until when the bucket is held, if it is.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        let held = self.held();
        (held > self.nanos(clock::now())).then(|| self.instant(held))
    }

    /// Learns what a reply says is left of the server's quotas, to a request that left at `left` (or earlier:
    /// only slower then). Nothing left holds the bucket until the reset, 1 s at least; Retry-After wins over the
    /// reset. See `learned` for the rest. Nothing where the bucket does not learn.
    pub fn learn(&self, hints: &Hints, left: Instant, now: Instant) {
        if !self.plan.learn || hints.quotas.is_empty() {
            return;
        }
        let (left, now) = (self.nanos(left), self.nanos(now));
        let mut head = self.head();
        for (position, quota) in hints.quotas.iter().enumerate() {
            let nth = hints.quotas[..position].iter().filter(|other| other.limit == quota.limit).count();
            let mut quota = *quota;
            if quota.remaining == 0 {
                let reset = hints.wait.or(quota.reset).unwrap_or_default().max(SHORTEST);
                self.held.fetch_max(now.saturating_add(nanoseconds(reset)), Ordering::AcqRel);
                quota = Quota { reset: Some(reset), ..quota };
            }
            head.bucket.learn(&quota, nth, left, now);
        }
        head.ease();
    }

    /// The server throttled a request that left at `left` and named no time: the pace falls, once for all that
    /// left before it fell, and grows back. Nothing where the bucket does not learn.
    pub fn throttled(&self, left: Instant, now: Instant) {
        if self.plan.learn {
            self.head().bucket.throttled(self.nanos(left), self.nanos(now));
        }
    }

    /// Whether requests wait for this bucket at this moment, and for what. Of several limits that a request
    /// takes from only the one that comes last counts.
    #[must_use]
    pub fn binds(&self, now: Instant) -> Option<Bind> {
        let at = self.nanos(now);
        let head = self.head();
        let bind = head.bind().or_else(|| head.bucket.placed(at))?;
        Some(if self.held() > at { Bind::Held } else { bind })
    }

    /// Where a newcomer that wants `cost` tokens would stand. `None`: they are there within 20 ms, it had
    /// better take them. Else the time to come back, 20 ms before its turn, behind all who asked before it.
    /// An estimate that reserves nothing, so ask once: who comes back at its time takes.
    #[must_use]
    pub fn place(&self, cost: u32, now: Instant) -> Option<Instant> {
        let at = self.nanos(now);
        let held = self.held();
        let turn = if cost == 0 { held } else { self.head().bucket.place(at, cost, held) };
        (turn > at.saturating_add(NEAR)).then(|| self.instant(turn - NEAR))
    }

    /// Whether a new bucket in its place would do the same.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let at = self.nanos(now);
        self.held() <= at && self.head().bucket.is_idle(at)
    }

    /// The queue of those who take from this bucket and from `others`, in the order of their ids.
    pub(super) fn queue_with(&self, others: &[Ask<'_>]) -> Arc<Queue> {
        let ids: Box<[u64]> = others.iter().map(|ask| ask.limiter.id).collect();
        let mut joint = self.joint.lock().unwrap_or_else(PoisonError::into_inner);
        if joint.queues.len() >= joint.used.saturating_mul(2).max(QUEUES) {
            // Who is in a queue has it; one that nobody has is as good as a new one.
            joint.queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            joint.used = joint.queues.len();
        }
        Arc::clone(joint.queues.entry(ids).or_default())
    }

    pub(super) fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn nanos(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.opened))
    }

    pub(super) fn instant(&self, nanos: u64) -> Instant {
        self.opened + Duration::from_nanos(nanos)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Limiter {
    /// The pace that the server was found to bear, in tokens per second, while one is kept.
    pub(super) fn learned_rate(&self) -> Option<f64> {
        self.head().bucket.learned_rate()
    }

    /// Queues of sets that are kept.
    pub(super) fn queues(&self) -> usize {
        self.joint.lock().unwrap_or_else(PoisonError::into_inner).queues.len()
    }
}
