//! The queue of an endpoint: calls that are ready, calls that sleep before a retry, calls at work.
//!
//! A sleeping call is data in a heap, not a task: it gives its slot back, costs no stack, and is
//! eligible again when it is due, before any new row. Must never lose a call: whatever is taken is
//! finished, put to sleep, or abandoned by a drain.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::{self, Instant};

use super::call::Call;

#[derive(Debug)]
struct Sleeper {
    due: Instant,
    call: Call,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Sleeper {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.call.row.ordinal)
    }
}

#[derive(Debug)]
struct Inside {
    ready: VecDeque<Call>,
    /// Rows whose pages go out together, and have not all gone out.
    spread: VecDeque<Call>,
    sleeping: BinaryHeap<Reverse<Sleeper>>,
    at_work: usize,
    /// Calls that may be at work at once.
    allowed: usize,
    /// No more rows will be added.
    complete: bool,
    /// Nothing is handed out any more.
    drained: bool,
    /// Nothing is handed out for now.
    paused: bool,
}

impl Inside {
    /// No more will come, and none is left.
    fn is_over(&self) -> bool {
        let none = self.sleeping.is_empty() && self.spread.is_empty() && self.ready.is_empty();
        self.complete && self.at_work == 0 && none
    }

    /// The next of the pages that go out together.
    fn next_page(&mut self) -> Option<Call> {
        while let Some(row) = self.spread.front() {
            if let Some(page) = row.walk.as_ref().and_then(|walk| walk.unsent()) {
                return Some(row.on(page));
            }
            self.spread.pop_front();
        }
        None
    }
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Calls that are ready.
    pub ready: usize,
    /// Calls that sleep.
    pub sleeping: usize,
    /// Calls at work.
    pub at_work: usize,
    /// Calls that may be at work.
    pub allowed: usize,
    /// No more will come, and none is left.
    pub over: bool,
}

/// What a worker is told when it asks for a call.
enum Next {
    Call(Call),
    /// Nothing yet; something may be due at this time.
    Wait(Option<Instant>),
    End,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    inside: Mutex<Inside>,
    /// Rows that may wait ready.
    room: usize,
    /// Rows that may sleep; beyond it no new row is begun.
    most_sleeping: usize,
    changed: Notify,
    has_room: Notify,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(room: usize, most_sleeping: usize) -> Self {
        Self {
            inside: Mutex::new(Inside {
                ready: VecDeque::new(),
                spread: VecDeque::new(),
                sleeping: BinaryHeap::new(),
                at_work: 0,
                allowed: usize::MAX,
                complete: false,
                drained: false,
                paused: false,
            }),
            room: room.max(1),
            most_sleeping: most_sleeping.max(1),
            changed: Notify::new(),
            has_room: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call; waits while there is no room. After a drain it is dropped at once.
    pub async fn add(&self, call: Call) {
        loop {
            let room = self.has_room.notified();
            tokio::pin!(room);
            {
                let mut inside = self.lock();
                if inside.drained {
                    return;
                }
                if inside.ready.len() < self.room {
                    inside.ready.push_back(call);
                    drop(inside);
                    self.changed.notify_one();
                    return;
                }
                // Registered while the lock is held: room that comes after this can't be missed.
                room.as_mut().enable();
            }
            room.await;
        }
    }

    /// Says that no more rows will be added.
    pub fn complete(&self) {
        self.lock().complete = true;
        self.changed.notify_waiters();
    }

    /// Hands out nothing more and forgets what is ready or asleep: these rows have not ended and come
    /// again when the run goes on.
    pub fn drain(&self) {
        let forgotten = {
            let mut inside = self.lock();
            inside.drained = true;
            (
                std::mem::take(&mut inside.ready),
                std::mem::take(&mut inside.spread),
                std::mem::take(&mut inside.sleeping),
            )
        };
        // Dropped outside the lock: tickets wake their batches.
        drop(forgotten);
        self.changed.notify_waiters();
        self.has_room.notify_waiters();
    }

    /// The next call: one that is due before one that is new. `None`: there will be no more.
    pub async fn next(&self) -> Option<Call> {
        // The fast path registers no waiter.
        if let Next::Call(call) = self.try_next() {
            return Some(call);
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.try_next() {
                Next::Call(call) => return Some(call),
                Next::End => return None,
                Next::Wait(None) => changed.await,
                Next::Wait(Some(due)) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// Hands out nothing while it is paused; calls at work go on.
    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        self.changed.notify_waiters();
    }

    fn try_next(&self) -> Next {
        let mut inside = self.lock();
        if inside.drained {
            return Next::End;
        }
        if inside.paused {
            return if inside.is_over() { Next::End } else { Next::Wait(None) };
        }
        if inside.at_work >= inside.allowed {
            // Whoever finishes looks for the next call by itself.
            return Next::Wait(None);
        }
        let due = inside.sleeping.peek().map(|Reverse(sleeper)| sleeper.due);
        if due.is_some_and(|due| due <= clock::now())
            && let Some(Reverse(sleeper)) = inside.sleeping.pop()
        {
            inside.at_work += 1;
            return Next::Call(sleeper.call);
        }
        if inside.sleeping.len() < self.most_sleeping
            && let Some(page) = inside.next_page()
        {
            inside.at_work += 1;
            return Next::Call(page);
        }
        if inside.sleeping.len() < self.most_sleeping
            && let Some(call) = inside.ready.pop_front()
        {
            inside.at_work += 1;
            if inside.ready.len() == self.room / 2 {
                self.has_room.notify_waiters();
            }
            return Next::Call(call);
        }
        if inside.is_over() { Next::End } else { Next::Wait(due) }
    }

    /// A call that was taken has ended.
    pub fn finish(&self) {
        let idle = {
            let mut inside = self.lock();
            inside.at_work -= 1;
            inside.complete && inside.at_work == 0
        };
        if idle {
            self.changed.notify_waiters();
        }
    }

    /// A call that was taken sleeps until `due` and comes again; after a drain it is dropped.
    pub fn sleep(&self, call: Call, due: Instant) {
        let mut inside = self.lock();
        inside.at_work -= 1;
        if inside.drained {
            drop(inside);
            self.changed.notify_waiters();
            return;
        }
        inside.sleeping.push(Reverse(Sleeper { due, call }));
        drop(inside);
        // Whoever waits must learn of the new due time.
        self.changed.notify_one();
    }

    /// All pages of the walk of a call that was taken come together, as slots are free, before any new row.
    pub fn spread(&self, call: Call) {
        let mut inside = self.lock();
        inside.at_work -= 1;
        if !inside.drained {
            inside.spread.push_back(call);
        }
        drop(inside);
        self.changed.notify_waiters();
    }

    /// A call that was taken comes again as these, at once.
    pub fn split(&self, calls: impl IntoIterator<Item = Call>) {
        let now = clock::now();
        let mut inside = self.lock();
        inside.at_work -= 1;
        if !inside.drained {
            inside.sleeping.extend(calls.into_iter().map(|call| Reverse(Sleeper { due: now, call })));
        }
        drop(inside);
        self.changed.notify_waiters();
    }

    /// Lets so many calls be at work at once; those that are above it end first.
    pub fn allow(&self, calls: usize) {
        let more = {
            let mut inside = self.lock();
            let before = std::mem::replace(&mut inside.allowed, calls.max(1));
            before < calls
        };
        if more {
            self.changed.notify_waiters();
        }
    }

    /// Those that sleep for something that may be over by now look again.
    pub fn rouse(&self) {
        let now = clock::now();
        {
            let mut inside = self.lock();
            let sleeping = std::mem::take(&mut inside.sleeping).into_vec();
            let roused = sleeping.into_iter().map(|Reverse(Sleeper { due, call })| {
                let due = if call.postponed.is_some() { due.min(now) } else { due };
                Reverse(Sleeper { due, call })
            });
            inside.sleeping = roused.collect();
        }
        self.changed.notify_waiters();
    }

    /// Calls that sleep.
    #[must_use]
    pub fn sleeping(&self) -> usize {
        self.lock().sleeping.len()
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let inside = self.lock();
        let (ready, sleeping, at_work) = (inside.ready.len(), inside.sleeping.len(), inside.at_work);
        Standing { ready, sleeping, at_work, allowed: inside.allowed, over: inside.is_over() }
    }
}

#[cfg(test)]
mod tests;
