//! What the scribe tells of its work: rows that have ended, and commits.
//!
//! Told on its thread, in the order of writing, so that the rows told before a commit are those that it made durable.
//! Must never be waited for.

use crate::event::{Event, RowEnding, Rows, Written};
use crate::journal::Counts;
use crate::record::{Ending, Outcome};

use super::scribe::Scribe;

/// Counts as events have them.
#[must_use]
pub(super) fn rows(counts: &Counts) -> Rows {
    Rows { ok: counts.ok, failed: counts.failed, skipped: counts.skipped, unknown: counts.unknown }
}

impl Scribe {
    /// A row has ended, if it has, and somebody wants to know of each.
    pub(super) fn tell_ended(&self, outcome: &Outcome) {
        let ending = match outcome.ending {
            Ending::Page => return,
            Ending::Ok => RowEnding::Ok,
            Ending::Failed => RowEnding::Failed,
            Ending::Skipped => RowEnding::Skipped,
        };
        self.shared.control.tell_row(|| Event::RowEnded {
            endpoint: self.shared.plan.endpoints[outcome.endpoint].name.clone(),
            row: outcome.ordinal,
            ending,
            unknown: outcome.unknown,
            attempts: outcome.tried,
            records: outcome.records.len() as u64,
        });
    }

    /// What has ended so far is durable.
    pub(super) fn tell_committed(&self) {
        let total = self.state.counts.iter().fold(Counts::default(), |sum, counts| sum + *counts);
        let written = self.shared.plan.sinks.iter().zip(&self.sinks);
        let outputs = written.map(|(plan, open)| Written { sink: plan.name.clone(), records: open.records });
        self.shared.control.tell(Event::Committed { rows: rows(&total), outputs: outputs.collect() });
    }
}
