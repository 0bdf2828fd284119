//! What stops a run by itself: the conditions of `run.stop-if`, looked at whenever a row has ended.
//!
//! Must never stop a run twice, and never look at earlier sessions: a run that goes on begins to count anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::plan::stop_if::{Ended, Tally};

use super::control::Cause;
use super::lane::Shared;

/// See the module.
#[derive(Debug, Default)]
pub struct Stops {
    tally: Mutex<Tally>,
    stopped: AtomicBool,
}

impl Stops {
    /// A row has ended: ends the run where a condition holds.
    pub fn note(&self, ended: &Ended, shared: &Shared) {
        if shared.plan.stop_if.is_empty() {
            return;
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.note(ended);
        let percentile = |share| shared.meter.quantile(share);
        let held = shared.plan.stop_if.iter().find(|condition| condition.holds(&tally, percentile));
        if let Some(condition) = held
            && !self.stopped.swap(true, Ordering::Relaxed)
        {
            shared.control.end(Cause::StopIf { condition: condition.source.clone() });
        }
    }
}
