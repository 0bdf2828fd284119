//! Counters that workers raise and reporters read, ten times a second at most. Never used to decide.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::record::Ending;

/// What is going on in one endpoint.
#[derive(Debug, Default)]
pub struct Lane {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Whether its rows are connections that stay open.
    pub stream: bool,
    /// Rows to come in all, 0 when the source does not know (yet).
    pub rows: AtomicU64,
    /// Rows that ended in earlier sessions.
    pub resumed: u64,
    /// Rows that ended ok in this session.
    pub ok: AtomicU64,
    /// Rows that failed in this session.
    pub failed: AtomicU64,
    /// Rows that were skipped in this session.
    pub skipped: AtomicU64,
    /// Attempts made in this session.
    pub attempts: AtomicU64,
    /// Attempts of this session that were not the first of their row.
    pub retries: AtomicU64,
    /// Messages taken in this session, of an endpoint whose rows are connections that stay open.
    pub messages: AtomicU64,
    /// Attempts under way.
    pub in_flight: AtomicU64,
    /// Attempts whose request has left and whose reply is not complete.
    pub on_wire: AtomicU64,
    /// Requests in flight that may be, as found so far; 0 where the number is fixed.
    pub allowed: AtomicU64,
    /// Rows that have ended and wait for the scribe.
    pub delivering: AtomicU64,
    /// Batches that wait for their pause to be over.
    pub pausing: AtomicU64,
    /// Rows of an endpoint in input order that wait for the oldest one to end.
    pub in_order: AtomicU64,
    /// Rows that sleep before a retry.
    pub sleeping: AtomicU64,
    /// Requests in flight that a hand allows; 0 where none has lowered the number.
    pub by_hand: AtomicU64,
    /// What holds it back, as of the last look; empty: nothing.
    pub bound: Mutex<String>,
}

impl Lane {
    /// Rows of this session that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        read(&self.ok) + read(&self.failed) + read(&self.skipped)
    }

    /// Messages taken in this session; `None` where rows are no connections that stay open.
    #[must_use]
    pub fn taken(&self) -> Option<u64> {
        self.stream.then(|| read(&self.messages))
    }

    /// Notes what holds it back; `None`: nothing, it has no work left.
    pub fn note_bound(&self, what: Option<&str>) {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let what = what.unwrap_or_default();
        if *bound != what {
            what.clone_into(&mut bound);
        }
    }

    /// What held it back at the last look.
    #[must_use]
    pub fn bound(&self) -> Option<String> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        (!bound.is_empty()).then(|| bound.clone())
    }
}

/// The counters of a run, one lane for each endpoint.
#[derive(Debug, Default)]
pub struct Live {
    /// Lanes, by position of the endpoint in the plan.
    pub lanes: Vec<Lane>,
    /// Whether a hand has paused the run.
    pub paused: AtomicBool,
    /// Whether no more rows are begun.
    pub draining: AtomicBool,
}

/// Reads a counter.
pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Raises a counter; gives what it was.
pub fn raise(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

/// A counter that is raised as long as this lives.
#[derive(Debug)]
pub struct Raised<'c>(&'c AtomicU64);

impl<'c> Raised<'c> {
    /// Raises a counter until this is dropped.
    #[must_use]
    pub fn new(counter: &'c AtomicU64) -> Self {
        raise(counter);
        Self(counter)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        lower(self.0);
    }
}

/// Rows that are counted as ended, unless this is dropped before it is kept.
#[derive(Debug)]
pub struct Counted<'l> {
    lane: &'l Lane,
    ok: u64,
    failed: u64,
    skipped: u64,
}

impl<'l> Counted<'l> {
    /// Counts them.
    pub fn new(lane: &'l Lane, endings: impl Iterator<Item = Ending>) -> Self {
        let mut counted = Self { lane, ok: 0, failed: 0, skipped: 0 };
        endings.for_each(|ending| match ending {
            Ending::Ok => counted.ok += 1,
            Ending::Failed => counted.failed += 1,
            Ending::Skipped => counted.skipped += 1,
            Ending::Page => {}
        });
        lane.ok.fetch_add(counted.ok, Ordering::Relaxed);
        lane.failed.fetch_add(counted.failed, Ordering::Relaxed);
        lane.skipped.fetch_add(counted.skipped, Ordering::Relaxed);
        counted
    }

    /// They have ended.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.lane.ok.fetch_sub(self.ok, Ordering::Relaxed);
        self.lane.failed.fetch_sub(self.failed, Ordering::Relaxed);
        self.lane.skipped.fetch_sub(self.skipped, Ordering::Relaxed);
    }
}

/// Lowers a counter.
pub fn lower(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}
