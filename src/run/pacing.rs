//! What an endpoint's calls have to wait for beside their limits: outages, the retry budget, its place at a
//! limit with a bucket for each key; and how many may be at work where that is found while the run goes on.
//!
//! All of it decides with values; the waiting is done in the queue, without a slot. Must never fail a row.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;

use crate::clock::{self, Instant};
use crate::concurrency::{Concurrency, Sample};
use crate::plan::EndpointPlan;
use crate::retry::budget::Budget;

use super::call::{Call, Postponed, Wait};
use super::outages::{Leave, Outages};
use super::taking::Takings;

/// See the module.
#[derive(Debug)]
pub struct Pacing {
    /// Outages of the endpoint's hosts.
    pub outages: Outages,
    budget: Mutex<Budget>,
    /// Until when the budget lets no retry go.
    spent_until: Mutex<Option<Instant>>,
    /// Whether the last reply throttled, and since when every one does.
    throttles: AtomicBool,
    throttled_since: Mutex<Option<Instant>>,
    concurrency: Option<Mutex<Concurrency>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pacing {
    /// For an endpoint at the beginning of a session, with so many slots.
    #[must_use]
    pub fn new(plan: &EndpointPlan, slots: usize) -> Self {
        Self {
            outages: Outages::default(),
            budget: Mutex::new(Budget::new(plan.retry.budget, clock::now())),
            spent_until: Mutex::default(),
            throttles: AtomicBool::new(false),
            throttled_since: Mutex::default(),
            concurrency: plan.adaptive.then(|| Mutex::new(Concurrency::new(slots))),
        }
    }

    /// Whether an attempt may be made now.
    ///
    /// # Errors
    /// When to ask again, at the earliest, and what it waits for.
    pub fn admit(&self, call: &mut Call, url: &Uri, takings: &Takings<'_>) -> Result<Leave<'_>, Postponed> {
        let now = clock::now();
        // Who comes back to a bucket that is held meanwhile gets another place, and does not wait there with a slot.
        if (!call.placed || takings.is_held(url, now))
            && let Some(place) = takings.place(url, now)
        {
            call.placed = true;
            return Err(Postponed { until: place, wait: Wait::Place });
        }
        let leave = self.outages.admit(url, now).map_err(|until| Postponed { until, wait: Wait::Outage })?;
        // What looks whether a host is back is rare enough.
        if !leave.is_probe() {
            self.pay(call, now).map_err(|until| Postponed { until, wait: Wait::Budget })?;
        }
        call.placed = false;
        Ok(leave)
    }

    /// What was admitted was turned back with nothing sent. It has had its place and does not ask for another, which
    /// would be behind all others.
    pub fn turned_back(&self, call: &mut Call) {
        call.placed = true;
    }

    fn pay(&self, call: &mut Call, now: Instant) -> Result<(), Instant> {
        if call.attempts == 0 {
            // Who was turned back comes again, and is one request all the same.
            if !std::mem::replace(&mut call.counted, true) {
                lock(&self.budget).request(now);
            }
        } else if call.on_budget {
            let paid = lock(&self.budget).retry(now);
            *lock(&self.spent_until) = paid.err();
            paid?;
            call.on_budget = false;
        }
        Ok(())
    }

    /// Whether a retry waits for the budget.
    #[must_use]
    pub fn waits_for_budget(&self, now: Instant) -> bool {
        lock(&self.spent_until).is_some_and(|until| now < until)
    }

    /// A reply throttles: for how long every one has.
    pub fn throttled(&self, now: Instant) -> Duration {
        self.throttles.store(true, Ordering::Release);
        now - *lock(&self.throttled_since).get_or_insert(now)
    }

    /// A reply does not throttle.
    pub fn let_through(&self) {
        if self.throttles.swap(false, Ordering::AcqRel) {
            *lock(&self.throttled_since) = None;
        }
    }

    /// An attempt has ended on the wire, which may change how many calls may be at work.
    pub fn ended(&self, sample: Sample) {
        if let Some(concurrency) = &self.concurrency {
            lock(concurrency).ended(sample, clock::now());
        }
    }

    /// How many calls may be at work just now, where that is found.
    #[must_use]
    pub fn allowed(&self) -> Option<usize> {
        Some(lock(self.concurrency.as_ref()?).now())
    }
}
