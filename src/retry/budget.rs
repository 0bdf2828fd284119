//! The budget: how many retries there may be for what is sent.
//!
//! When a server fails everything, retries multiply the load that it fails under; a share of the requests
//! is all that they may be (Google SRE book, ch. 22; Finagle's `RetryBudget`, tower's `TpsBudget`). An empty
//! budget delays a retry. Must never fail a row, never allocate when used, and never be emptied for good.
//!
//! A retry is paid in one of two ways:
//! - from the **share**: retries paid so within the last 10 s are no more than `share` of the first
//!   attempts within the last 10 s;
//! - from the **floor**: one a second, whatever the share. What it did not use it saves up, ten at most and
//!   ten at the start, so that the few retries of a small job are not delayed. Once the savings are gone
//!   retries come one by one, a second apart: probes.
//!
//! So in any time T there are no more retries than `share` of the first attempts in it and in the 10 s before it,
//! and T seconds, and ten.

use std::time::Duration;

use super::BudgetPlan;
use crate::clock::Instant;

/// Slots of the sliding window.
const SLOTS: usize = 20;

/// Nanoseconds of a slot. The window is the running slot and the whole ones before it.
const SLOT: u64 = BudgetPlan::WINDOW.as_nanos() as u64 / SLOTS as u64;

/// Nanoseconds in which the floor gives a retry.
const INTERVAL: u64 = (1e9 / BudgetPlan::FLOOR) as u64;

/// What the floor saves up at most, in retries: what it gives in a whole window.
const SAVINGS: u64 = BudgetPlan::WINDOW.as_nanos() as u64 / INTERVAL;

/// Makes up for the rounding of a share: 29 % of 100 are 29.
const ROUNDING: f64 = 1e-9;

/// See the module.
#[derive(Debug, Clone)]
pub struct Budget {
    share: f64,
    opened: Instant,
    slots: [Slot; SLOTS],
    /// The running slot, counted from the opening.
    slot: u64,
    /// All slots together.
    total: Slot,
    /// When the floor will have saved up all it can, in nanoseconds since the opening.
    full_at: u64,
}

/// What happened in a part of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// First attempts.
    requests: u64,
    /// Retries that were paid from the share.
    retries: u64,
}

impl Budget {
    /// A budget with full savings.
    #[must_use]
    pub fn new(plan: BudgetPlan, now: Instant) -> Self {
        let slots = [Slot::default(); SLOTS];
        Self { share: plan.share, opened: now, slots, slot: 0, total: Slot::default(), full_at: 0 }
    }

    /// Notes that a first attempt is sent.
    pub fn request(&mut self, now: Instant) {
        self.slide(now);
        self.running().requests += 1;
        self.total.requests += 1;
    }

    /// Takes a retry.
    ///
    /// # Errors
    /// When there is none: the time at which the floor will have the next one. There may be one earlier if
    /// first attempts go out until then, and none if somebody else takes it.
    pub fn retry(&mut self, now: Instant) -> Result<(), Instant> {
        if self.share.is_infinite() {
            return Ok(());
        }
        let at = self.slide(now);
        if self.total.retries.saturating_add(1) as f64 <= self.share * self.total.requests as f64 + ROUNDING {
            self.running().retries += 1;
            self.total.retries += 1;
            return Ok(());
        }
        let due = self.full_at.saturating_sub((SAVINGS - 1) * INTERVAL);
        if due > at {
            return Err(self.opened + Duration::from_nanos(due));
        }
        self.full_at = self.full_at.max(at) + INTERVAL;
        Ok(())
    }

    /// Lets go of what is older than the window. Gives the nanoseconds since the opening.
    fn slide(&mut self, now: Instant) -> u64 {
        let at = u64::try_from(now.saturating_duration_since(self.opened).as_nanos()).unwrap_or(u64::MAX / 2);
        // A time that lies back, told by one who looked at the clock earlier, counts as the latest one.
        let slot = (at / SLOT).max(self.slot);
        for _ in 0..(slot - self.slot).min(SLOTS as u64) {
            self.slot += 1;
            let old = std::mem::take(self.running());
            self.total.requests -= old.requests;
            self.total.retries -= old.retries;
        }
        self.slot = slot;
        at
    }

    fn running(&mut self) -> &mut Slot {
        &mut self.slots[(self.slot % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests;
