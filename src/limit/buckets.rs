//! The buckets of a limit: one, or one for each key.
//!
//! A key's bucket is made when it is first asked for, and dropped when a new one in its place would do the
//! same: it is full, not held, nothing learned still holds, and nobody has it. So a dropped bucket never
//! allows more than one that stayed, and a million keys cost the memory of those that are in use. Must never
//! drop one that somebody waits at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{self, Instant};

use super::limiter::{Bind, Limiter};
use super::plan::{KeyPlan, LimitPlan};

/// Buckets that are kept without a look whether they are idle.
const KEPT: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Buckets {
    plan: Arc<LimitPlan>,
    /// Tokens that were taken from all of them.
    tokens: Arc<AtomicU64>,
    one: Option<Arc<Limiter>>,
    keyed: Mutex<Keyed>,
}

#[derive(Debug, Default)]
struct Keyed {
    buckets: HashMap<Box<str>, Arc<Limiter>>,
    /// Buckets that were in use when it was last looked.
    used: usize,
}

impl Buckets {
    /// Opens a limit; the bucket of a limit without a key at once, and full.
    #[must_use]
    pub fn open(plan: LimitPlan) -> Self {
        let (plan, tokens) = (Arc::new(plan), Arc::<AtomicU64>::default());
        let open = || Arc::new(Limiter::counting(Arc::clone(&plan), Arc::clone(&tokens)));
        let one = matches!(plan.key, KeyPlan::One).then(open);
        Self { one, keyed: Mutex::default(), plan, tokens }
    }

    /// Tokens that requests took which are over by now.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// What it was opened from.
    #[must_use]
    pub fn plan(&self) -> &LimitPlan {
        &self.plan
    }

    /// The bucket of a limit without a key.
    #[must_use]
    pub fn one(&self) -> Option<&Arc<Limiter>> {
        self.one.as_ref()
    }

    /// The bucket of a key; a limit without a key has one for all.
    #[must_use]
    pub fn of(&self, key: &str) -> Arc<Limiter> {
        if let Some(one) = &self.one {
            return Arc::clone(one);
        }
        let mut keyed = self.keyed();
        if let Some(bucket) = keyed.buckets.get(key) {
            return Arc::clone(bucket);
        }
        keyed.sweep(clock::now());
        let bucket = Arc::new(Limiter::counting(Arc::clone(&self.plan), Arc::clone(&self.tokens)));
        keyed.buckets.insert(key.into(), Arc::clone(&bucket));
        bucket
    }

    /// Whether requests wait for one of the buckets at this moment, and for what.
    #[must_use]
    pub fn binds(&self, now: Instant) -> Option<Bind> {
        match &self.one {
            Some(one) => one.binds(now),
            None => self.keyed().buckets.values().find_map(|bucket| bucket.binds(now)),
        }
    }

    /// Whether one of the buckets is held at this moment, whoever waits for it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let one = self.one.as_ref().is_some_and(|one| one.held_until().is_some());
        one || self.keyed().buckets.values().any(|bucket| bucket.held_until().is_some())
    }

    /// Keys of the buckets that are held now, and until when; the key of a limit without a key is `None`.
    #[must_use]
    pub fn holds(&self) -> Vec<(Option<String>, Instant)> {
        let one = self.one.iter().filter_map(|one| Some((None, one.held_until()?)));
        let keyed = self.keyed();
        let held = keyed.buckets.iter().filter_map(|(key, bucket)| Some((Some(key.to_string()), bucket.held_until()?)));
        one.chain(held).collect()
    }

    /// Holds the bucket of a key, as [`Buckets::holds`] told. Without a key it holds the one bucket; where there
    /// is one for each key, it is not known which was meant, and nothing is held.
    pub fn hold(&self, key: Option<&str>, until: Instant) {
        match (&self.one, key) {
            (Some(one), _) => one.hold(until),
            (None, Some(key)) => self.of(key).hold(until),
            (None, None) => {}
        }
    }

    fn keyed(&self) -> MutexGuard<'_, Keyed> {
        self.keyed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keyed {
    /// Drops the idle ones when there are twice as many as were in use the last time.
    fn sweep(&mut self, now: Instant) {
        if self.buckets.len() < self.used.saturating_mul(2).max(KEPT) {
            return;
        }
        self.drop_idle(now);
        self.used = self.buckets.len();
    }

    fn drop_idle(&mut self, now: Instant) {
        // Only the map hands out a bucket that nobody else has, and it is locked.
        self.buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_idle(now));
    }
}

#[cfg(test)]
mod tests;
