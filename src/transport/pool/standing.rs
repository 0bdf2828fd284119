//! A clock that runs while somebody waits for a slot that another keeps for want of tokens.
//!
//! The pool has one for each host and one for all slots. Must never be read as a time of day: it only says
//! how much of a wait is the limits' doing and not the server's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

/// See the module.
#[derive(Default)]
pub(in crate::transport) struct Standing(Mutex<State>);

#[derive(Default)]
struct State {
    // Leases that stand before their gates.
    standing: usize,
    // Those who wait for a slot.
    waiting: usize,
    since: Option<Instant>,
    before: Duration,
}

impl Standing {
    /// A lease stands before its gate, until what is given back is dropped.
    pub fn stand(&self) -> Stood<'_> {
        self.change(|state| state.standing += 1);
        Stood(self)
    }

    /// Somebody waits for a slot, until what is given back is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.change(|state| state.waiting += 1);
        Waiting(self)
    }

    /// How long it has run.
    pub fn at(&self, now: Instant) -> Duration {
        self.lock().at(now)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let now = clock::now();
        let mut state = self.lock();
        state.before = state.at(now);
        change(&mut state);
        state.since = (state.standing > 0 && state.waiting > 0).then_some(now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn at(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// A lease that stands before its gate.
pub(in crate::transport) struct Stood<'s>(&'s Standing);

impl Drop for Stood<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.standing -= 1);
    }
}

/// One who waits for a slot.
pub(in crate::transport) struct Waiting<'s>(&'s Standing);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_runs_while_one_stands_and_one_waits() {
        const SECOND: Duration = Duration::from_secs(1);
        let clock = Standing::default();
        let seconds = || clock.at(clock::now()).as_secs();
        let stood = clock.stand();
        tokio::time::advance(SECOND).await;
        assert_eq!(seconds(), 0);
        let (one, other) = (clock.wait(), clock.wait());
        tokio::time::advance(SECOND).await;
        drop(one);
        tokio::time::advance(SECOND).await;
        assert_eq!(seconds(), 2);
        drop(stood);
        tokio::time::advance(SECOND).await;
        assert_eq!(seconds(), 2);
        let _stood = clock.stand();
        tokio::time::advance(SECOND).await;
        drop(other);
        tokio::time::advance(SECOND).await;
        assert_eq!(seconds(), 3);
    }
}
