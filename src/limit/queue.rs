//! Who may take next: one queue for each set of limits, and the heads of the queues among each other.
//!
//! - **A queue** is made for each distinct set of limits that some request takes from: first come, first
//!   served. Only its head asks the buckets.
//! - **All or none.** A head asks every bucket of its set at one time, holds first, with the locks of all
//!   of them held for that moment (in the order of the limits' ids, so that no two heads wait for each
//!   other's locks). It takes from all of them or from none, and never keeps a token while it waits.
//! - **Heads among each other.** A bucket may stand in several sets. A head that must wait leaves its
//!   number (the order in which heads began to wait) and the time at which it will be able to go with
//!   every bucket of its set, and sleeps without a lock. Another head may go ahead of it only if that
//!   does not delay it: if the bucket will have a token again by then. So who wants `a` and `b` and waits
//!   for a slow `a` does not block those who want `b` alone, and they can't take the token of `b` from
//!   under its nose either, which would starve it. Head and head take turns, whatever the length of
//!   their queues.
//!
//! The head with the smallest number waits for time, or for a reply, never for another head, so there is no
//! deadlock. A reply may allow more than a head thought when it went to sleep; it is called then, and the
//! call is kept for it if it is not asleep yet. Must never hold a lock over an await.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify};

use crate::clock::{self, Instant};

use super::alarm::{Grain, Sleeper};
use super::bucket::{Bucket, Due};
use super::limiter::{Bind, Limiter};

/// The number of a head that has not waited yet: it is behind every one that has.
const NEW: u64 = u64::MAX;

/// A queue in front of a set of limits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    turn: Mutex<()>,
    sleeper: Sleeper,
    calls: Arc<Calls>,
}

/// How the head of a queue is called.
#[derive(Debug, Default)]
struct Calls {
    /// Another head that stood in the way has gone, or will go later than it said.
    passed: Notify,
    /// Tokens may be there earlier than they were said to be.
    eased: Notify,
}

/// What a request wants of one limiter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub limiter: &'a Limiter,
    /// Tokens; 0: it takes none, and only obeys holds.
    pub cost: u32,
}

/// What stands behind a limiter's lock.
#[derive(Debug)]
pub(super) struct Head {
    pub bucket: Bucket,
    /// The hold that was last seen to be over.
    served: u64,
    /// No token counts as taken before this: when that hold was seen to be over.
    floor: u64,
    /// Heads that wait and whose set this bucket is in.
    rivals: Vec<Rival>,
}

/// A head that waits.
#[derive(Debug)]
struct Rival {
    number: u64,
    /// When it will be able to go, in nanoseconds since the bucket was opened.
    ready_at: u64,
    /// Tokens that it wants of this bucket.
    cost: u32,
    /// What it waits for, if this bucket is the one that it waits for.
    bind: Option<Bind>,
    calls: Arc<Calls>,
}

/// Why a head can't go now.
#[derive(Debug, Clone, Copy)]
struct Obstacle {
    /// Not before this.
    until: Instant,
    /// How exactly to wait for it; `None`: another head goes first, and calls.
    grain: Option<Grain>,
    /// Id of the limiter that is in the way, and what it waits for.
    limiter: u64,
    bind: Bind,
}

impl Obstacle {
    fn new(limiter: &Limiter, at: u64, grain: Option<Grain>, bind: Bind) -> Self {
        Self { until: limiter.instant(at), grain, limiter: limiter.id, bind }
    }

    /// Both at once: the later one, and whichever is the more exact way to wait. Behind another head
    /// there is nothing to be exact about.
    fn and(self, other: Self) -> Self {
        let grain = self.grain.zip(other.grain).map(|(one, two)| one.max(two));
        let later = if other.until > self.until { other } else { self };
        Self { grain, ..later }
    }
}

/// One request at the head of its queue. Dropped, it lets the others past.
struct Place<'a> {
    asks: &'a [Ask<'a>],
    queue: &'a Queue,
    came: Instant,
    number: u64,
}

/// Waits for the tokens of each of the limiters, which must be in the order of their ids and distinct, and
/// takes all of them at once.
pub(super) async fn pass(asks: &[Ask<'_>], queue: &Queue) {
    let came = clock::now();
    let mut now = came;
    let _turn = match queue.turn.try_lock() {
        Ok(turn) => turn,
        Err(_) => {
            let turn = queue.turn.lock().await;
            now = clock::now();
            turn
        }
    };
    let mut place = Place { asks, queue, came, number: NEW };
    while let Err(obstacle) = place.ask(now) {
        // A hold may come while the head sleeps. It only ever makes the wait longer, so it is early
        // enough to look at it after every sleep.
        queue.wait(&obstacle, now).await;
        now = clock::now();
    }
}

impl Queue {
    async fn wait(&self, obstacle: &Obstacle, now: Instant) {
        let Some(grain) = obstacle.grain else { return self.calls.passed.notified().await };
        let wait = obstacle.until.saturating_duration_since(now);
        tokio::select! {
            biased;
            () = self.calls.eased.notified() => {}
            () = self.sleeper.sleep(obstacle.until, wait, grain) => {}
        }
    }
}

impl Place<'_> {
    fn ask(&mut self, now: Instant) -> Result<(), Obstacle> {
        let mut asked = self.ask_each(self.asks, now, None);
        if asked.is_err() && self.number == NEW {
            static NUMBERS: AtomicU64 = AtomicU64::new(0);
            self.number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            // Once more, now that it has a number to leave with the buckets.
            asked = self.ask_each(self.asks, now, None);
        }
        if asked.is_ok() {
            self.number = NEW;
        }
        asked
    }

    /// Asks the first of the limiters, and the others with its lock held; the last one knows whether
    /// all agree, and then each settles on the way back.
    fn ask_each(&self, asks: &[Ask<'_>], now: Instant, so_far: Option<Obstacle>) -> Result<(), Obstacle> {
        let Some((Ask { limiter, cost }, rest)) = asks.split_first() else { return so_far.map_or(Ok(()), Err) };
        let at = limiter.nanos(now);
        let mut head = limiter.head();
        let mine = head.ready(limiter, at, limiter.nanos(self.came), self.number, *cost);
        let obstacle = mine.err().into_iter().chain(so_far).reduce(Obstacle::and);
        let answer = self.ask_each(rest, now, obstacle);
        match (answer, mine) {
            (Ok(()), Ok(ideal)) => {
                head.bucket.settle(at, ideal, *cost);
                head.leave(self.number);
            }
            // All agree only if this one does.
            (Ok(()), Err(obstacle)) => return Err(obstacle),
            (Err(obstacle), _) => head.stay(self.rival(limiter, *cost, &obstacle)),
        }
        answer
    }

    /// What it leaves with a bucket while it waits.
    fn rival(&self, limiter: &Limiter, cost: u32, obstacle: &Obstacle) -> Rival {
        let bind = (obstacle.limiter == limiter.id).then_some(obstacle.bind);
        let (ready_at, calls) = (limiter.nanos(obstacle.until), Arc::clone(&self.queue.calls));
        Rival { number: self.number, ready_at, cost, bind, calls }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.number != NEW {
            self.asks.iter().for_each(|ask| ask.limiter.head().leave(self.number));
        }
    }
}

impl Head {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, served: 0, floor: 0, rivals: Vec::new() }
    }

    /// Whether the head of this number may take its tokens at `now`, and when it should have left. After a
    /// hold the queue starts anew: who waited through it has no lost time to catch up with, so that no
    /// more than `burst` leave at once.
    fn ready(&mut self, limiter: &Limiter, now: u64, came: u64, number: u64, cost: u32) -> Result<u64, Obstacle> {
        let held = limiter.held();
        if held > now {
            return Err(Obstacle::new(limiter, held, Some(Grain::Timer), Bind::Held));
        }
        if cost == 0 {
            return Ok(now);
        }
        if held > self.served {
            (self.served, self.floor) = (held, now);
        }
        let ready = self.bucket.ready(now, came.max(self.floor), cost);
        let ideal = ready.map_err(|Due { at, grain, bind }| Obstacle::new(limiter, at, Some(grain), bind))?;
        let first = |rival: &&Rival| {
            rival.number < number && !self.bucket.spares(now, ideal, cost, (rival.ready_at, rival.cost))
        };
        match self.rivals.iter().find(first) {
            Some(rival) => Err(Obstacle::new(limiter, rival.ready_at.max(now), None, rival.bind.unwrap_or(Bind::Own))),
            None => Ok(ideal),
        }
    }

    /// What heads wait for that wait for this bucket; of several the one that waits longest.
    pub(super) fn bind(&self) -> Option<Bind> {
        self.rivals.iter().filter(|rival| rival.bind.is_some()).max_by_key(|rival| rival.ready_at)?.bind
    }

    /// Calls the heads that sleep: tokens may be there earlier than they were said to be.
    pub(super) fn ease(&self) {
        self.rivals.iter().for_each(|rival| rival.calls.eased.notify_one());
    }

    /// Notes when a head will be able to go.
    fn stay(&mut self, rival: Rival) {
        if rival.number == NEW {
            return;
        }
        let Some(known) = self.rivals.iter_mut().find(|known| known.number == rival.number) else {
            self.rivals.push(rival);
            return;
        };
        let later = rival.ready_at > known.ready_at;
        (known.ready_at, known.bind) = (rival.ready_at, rival.bind);
        if later {
            self.call_behind(rival.number);
        }
    }

    /// Forgets the head of this number.
    fn leave(&mut self, number: u64) {
        if let Some(place) = self.rivals.iter().position(|rival| rival.number == number) {
            self.rivals.swap_remove(place);
            self.call_behind(number);
        }
    }

    /// Those who may have waited for this head look again. Who did not looks once in vain.
    fn call_behind(&self, number: u64) {
        self.rivals.iter().filter(|rival| rival.number > number).for_each(|rival| rival.calls.passed.notify_one());
    }
}
