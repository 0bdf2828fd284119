//! What an endpoint notes of requests that must not be repeated, before they leave.
//!
//! Must never let more requests be noted than will leave within moments: after a kill each of them counts as
//! sent.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::journal::Intents;
use crate::limit::{KeyPlan, LimitPlan};
use crate::row::Row;

/// Seconds that a slow disk takes to sync: so much ahead of its tokens a request may be noted.
const SYNC: f64 = 0.1;

/// See the module.
#[derive(Debug)]
pub struct Notes {
    intents: Arc<Intents>,
    endpoint: usize,
    near: Semaphore,
}

impl Notes {
    /// Notes of an endpoint with so many slots whose requests take from these limits.
    #[must_use]
    pub fn new<'p>(
        intents: Arc<Intents>,
        endpoint: usize,
        slots: usize,
        limits: impl Iterator<Item = &'p LimitPlan>,
    ) -> Self {
        // Of a limit with many buckets the rate says nothing about all of them.
        let one = limits.filter(|limit| matches!(limit.key, KeyPlan::One));
        let rate = one.map(LimitPlan::rate).fold(f64::INFINITY, f64::min);
        Self { intents, endpoint, near: Semaphore::new(ahead(rate, slots)) }
    }

    /// Waits until the request is near enough to its tokens to be noted.
    pub async fn near(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so that the error has no case.
        self.near.acquire().await.ok()
    }

    /// Notes the request of these rows; durable when it returns.
    ///
    /// # Errors
    /// In words, when it can't be noted: then it must not be sent.
    pub async fn note(&self, rows: &[Arc<Row>]) -> Result<(), String> {
        self.intents.note(self.endpoint, rows.iter().map(|row| row.ordinal)).await
    }

    /// The row's request was answered, or surely not sent.
    pub fn clear(&self, row: u64) {
        self.intents.clear(self.endpoint, row);
    }
}

/// How many requests may be noted and wait for their tokens: as many as leave while a slow disk syncs.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the slots")]
fn ahead(rate: f64, slots: usize) -> usize {
    let leave = (rate * SYNC).ceil();
    if leave < slots as f64 { (leave as usize + 1).min(slots) } else { slots }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_noted_ahead_where_tokens_are_slow() {
        let cases =
            [(0.01, 10, 2), (1.0, 10, 2), (50.0, 10, 6), (5_000.0, 10, 10), (f64::INFINITY, 10, 10), (1.0, 1, 1)];
        for (rate, slots, expected) in cases {
            assert_eq!(ahead(rate, slots), expected, "{rate}/s with {slots} slots");
        }
    }
}
