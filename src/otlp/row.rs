//! Rows under way: their attempts wait here until the row has ended, and then the row is told whole or not at all.
//!
//! So how a row ended decides whether it is told, which nobody knows when it begins. Must stay bounded: of a row, and in
//! all; what is left out is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::attempt::Attempt;

/// Rows that are followed at once. A run begins no new row while a hundred for each slot sleep.
const MOST_ROWS: usize = 20_000;

/// Attempts of one row that are told: the first ones, and of a walk its first pages.
const MOST_ATTEMPTS: usize = 64;

/// Attempts of all of them that wait here: some 20 MiB.
const MOST_HELD: usize = 50_000;

/// What is known of a row that has not ended.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub attempts: Vec<Attempt>,
    /// How many more there were.
    pub left_out: u64,
    /// Why it failed, masked.
    pub reason: Option<String>,
    /// The span of its batch.
    pub parent: Option<u64>,
}

impl Row {
    /// When its first attempt began.
    pub fn began(&self) -> Option<SystemTime> {
        self.attempts.first().map(|attempt| attempt.sent.at)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rows {
    open: HashMap<(Arc<str>, u64), Row>,
    held: usize,
}

impl Rows {
    /// The row with this number of an endpoint; `None`: too many are followed.
    fn of(&mut self, endpoint: &Arc<str>, row: u64) -> Option<&mut Row> {
        let key = (Arc::clone(endpoint), row);
        if self.open.len() >= MOST_ROWS && !self.open.contains_key(&key) {
            return None;
        }
        Some(self.open.entry(key).or_default())
    }

    /// An attempt of a row in the batch of this span. Whether it is followed.
    pub fn attempted(&mut self, endpoint: &Arc<str>, row: u64, attempt: Attempt, parent: Option<u64>) -> bool {
        let is_full = self.held >= MOST_HELD;
        let Some(row) = self.of(endpoint, row).filter(|_| !is_full) else { return false };
        row.parent = row.parent.or(parent);
        if row.attempts.len() < MOST_ATTEMPTS {
            row.attempts.push(attempt);
            self.held += 1;
        } else {
            row.left_out += 1;
        }
        true
    }

    /// Why a row failed or was skipped.
    pub fn failed(&mut self, endpoint: &Arc<str>, row: u64, reason: &str) {
        if let Some(row) = self.of(endpoint, row) {
            row.reason = Some(reason.to_owned());
        }
    }

    /// A row has ended: what was known of it.
    pub fn ended(&mut self, endpoint: &Arc<str>, row: u64) -> Row {
        let row = self.open.remove(&(Arc::clone(endpoint), row)).unwrap_or_default();
        self.held -= row.attempts.len();
        row
    }

    /// Rows whose end nobody will tell. How many spans they would have been.
    pub fn forget(&mut self) -> u64 {
        self.held = 0;
        self.open.drain().map(|(_, row)| 1 + row.attempts.len() as u64).sum()
    }

    /// Those that have not ended when the run does.
    pub fn rest(&mut self) -> Vec<((Arc<str>, u64), Row)> {
        self.held = 0;
        let mut rest: Vec<_> = self.open.drain().collect();
        rest.sort_by(|one, other| one.0.cmp(&other.0));
        rest
    }
}
