//! A sink as the scribe has it: which outcomes it takes, what of them it leaves out, and what it knows of its records.
//!
//! Must never write what the sink has, where doubles are left out.

use std::collections::VecDeque;

use super::OpenSink;
use crate::journal::WrittenNote;
use crate::record::{Ending, Outcome};
use crate::sink::dedupe::Doubles;
use crate::sink::{RowChoice, Sink, SinkPlan};

impl OpenSink {
    /// A sink at the beginning of a session.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>, plan: &SinkPlan) -> Self {
        let takes_back = plan.kind.path().is_some() || plan.kind.is_spooled();
        let (from, rows, unplaced) = (plan.from.clone(), plan.rows, VecDeque::new());
        Self { sink, from, rows, records: 0, takes_back, unplaced, delivery: None, left_out: None, doubles: None }
    }

    /// Leaves out what is known to be written.
    #[must_use]
    pub fn leaving_out(self, doubles: Option<Doubles>) -> Self {
        Self { doubles, ..self }
    }

    /// Writes the records of an outcome, but for doubles; gives how many. What a failed row leaves may be taken out again, and
    /// tells nothing of what was written.
    pub(super) fn write(&mut self, outcome: &Outcome) -> Result<usize, String> {
        let mut written = 0;
        for record in &outcome.records {
            if let Some(doubles) = self.doubles.as_mut().filter(|_| outcome.ending != Ending::Failed)
                && !doubles.is_new(outcome.endpoint, record).map_err(|error| error.message)?
            {
                continue;
            }
            self.sink.write(outcome.endpoint, record).map_err(|error| error.message)?;
            written += 1;
        }
        self.records += written as u64;
        Ok(written)
    }

    pub(super) fn doubles_left_out(&self) -> u64 {
        self.doubles.as_ref().map_or(0, Doubles::left_out)
    }

    /// Makes durable what is known to be written.
    pub(in super::super) fn commit_doubles(&mut self) -> Result<Option<WrittenNote>, String> {
        self.doubles.as_mut().map(Doubles::commit).transpose().map_err(|error| error.message)
    }

    /// Whether the record of a failed row can't stand in it, which fails nobody any more.
    pub(super) fn leaves_out(&mut self, outcome: &Outcome) -> bool {
        if outcome.ending != Ending::Failed {
            return false;
        }
        let refused = outcome.records.iter().find_map(|record| self.sink.fits(outcome.endpoint, record).err());
        let Some(reason) = refused else { return false };
        self.left_out.get_or_insert((0, reason)).0 += 1;
        true
    }

    pub(in super::super) fn takes(&self, outcome: &Outcome) -> bool {
        let wanted = match self.rows {
            RowChoice::Ok => matches!(outcome.ending, Ending::Ok | Ending::Page),
            RowChoice::Failed => outcome.ending == Ending::Failed,
            RowChoice::All => outcome.ending != Ending::Skipped,
        };
        wanted && self.from.contains(&outcome.endpoint)
    }
}
