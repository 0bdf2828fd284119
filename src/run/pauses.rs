//! Pauses by hand: when they were, so that no time runs out while nothing may leave.
//!
//! One look at an atomic where there is none, and a lock that is shared where a token is taken: a pause begins before or
//! after that, and never in between. Must never hold anything up by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Instant;

/// A pause, and its end where it is over.
type Span = (Instant, Option<Instant>);

/// See the module.
#[derive(Debug, Default)]
pub struct Pauses {
    on: AtomicBool,
    /// Whether there ever was one.
    known: AtomicBool,
    spans: Mutex<Vec<Span>>,
    /// Held while one begins, and shared by those who must have what they take before one does.
    beginning: RwLock<()>,
    /// Raised when one begins.
    began: Notify,
}

impl Pauses {
    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a pause; whether there was none.
    pub fn begin(&self, now: Instant) -> bool {
        let _alone = self.beginning.write().unwrap_or_else(PoisonError::into_inner);
        let mut spans = self.lock();
        if self.on.swap(true, Ordering::AcqRel) {
            return false;
        }
        spans.push((now, None));
        self.known.store(true, Ordering::Release);
        self.began.notify_waiters();
        true
    }

    /// Ends the pause; how long it was, if there was one.
    pub fn end(&self, now: Instant) -> Option<Duration> {
        let mut spans = self.lock();
        self.on.store(false, Ordering::Release);
        let (began, end) = spans.last_mut().filter(|(_, end)| end.is_none())?;
        *end = Some(now);
        Some(now.saturating_duration_since(*began))
    }

    /// As long as this is held no pause begins, which must not be for longer than a look; `None`: there is one.
    pub fn hold_off(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let held = self.beginning.read().unwrap_or_else(PoisonError::into_inner);
        (!self.is_on()).then_some(held)
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Ends when there is one.
    pub async fn begun(&self) {
        let began = self.began.notified();
        tokio::pin!(began);
        // Registered before the look: one that begins after it can't be missed.
        began.as_mut().enable();
        if !self.is_on() {
            began.await;
        }
    }

    /// How much of the time from `from` to `to` was paused.
    #[must_use]
    pub fn within(&self, from: Instant, to: Instant) -> Duration {
        if !self.known.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let part = |(began, end): &Span| {
            let (began, end) = ((*began).max(from), end.map_or(to, |end| end.min(to)));
            end.saturating_duration_since(began)
        };
        self.lock().iter().map(part).sum()
    }

    /// When something is out of time that may take `bound`, all of which would be over at `deadline` without pauses.
    #[must_use]
    pub fn put_off(&self, deadline: Instant, bound: Duration, now: Instant) -> Instant {
        deadline.checked_sub(bound).map_or(deadline, |began| deadline + self.within(began, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn only_the_part_of_a_pause_that_lies_within_counts() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (pauses, seconds) = (Pauses::default(), Duration::from_secs);
        assert_eq!((pauses.within(start, at(9)), pauses.end(at(1))), (Duration::ZERO, None));
        assert!(pauses.begin(at(10)) && !pauses.begin(at(11)) && pauses.is_on());
        assert_eq!(pauses.within(start, at(14)), seconds(4), "it lasts");
        assert_eq!(pauses.end(at(20)), Some(seconds(10)));
        assert!(!pauses.is_on() && pauses.begin(at(30)));
        assert_eq!(pauses.end(at(31)), Some(seconds(1)));
        assert_eq!(pauses.within(start, at(60)), seconds(11));
        assert_eq!(pauses.within(at(15), at(30)), seconds(5));
        assert_eq!(pauses.within(at(21), at(29)), Duration::ZERO);
        let deadline = at(25);
        assert_eq!(pauses.put_off(deadline, seconds(20), at(25)), at(35), "all of the first pause");
        assert_eq!(pauses.put_off(deadline, seconds(10), at(25)), at(30), "begun in the middle of it");
    }
}
