//! Records that an output can't take: their row fails, with the reason.
//!
//! Asked on the scribe's thread, before anything of a row is written. A page of a walk whose record does not fit is not
//! taken, and neither is any later one: the note of the walk stays where it was, so that `--failed` sends them again. Must
//! never let a part of a row's records stand in one output when another output refuses the rest.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::chain::Chains;
use super::lane::Shared;
use super::scribe::OpenSink;
use crate::event::Event;
use crate::plan::stop_if::Ended;
use crate::plan::{EndpointPlan, Meta};
use crate::record::{Ending, Outcome, Record};
use crate::retry::FailureKind;

/// Why a row will fail.
#[derive(Debug)]
struct Misfit {
    reason: String,
    /// The first of the records of which one does not fit.
    record: Record,
}

/// Rows that will fail, by endpoint and row.
#[derive(Debug, Default)]
pub(super) struct Misfits(BTreeMap<(usize, u64), Misfit>);

impl Misfits {
    /// The outcome as it is written: the failure of its row where an output can't take a record of it. `None`: nothing of
    /// it is written.
    pub fn settle(&mut self, outcome: Outcome, sinks: &mut [OpenSink], shared: &Shared) -> Option<Outcome> {
        let row = (outcome.endpoint, outcome.ordinal);
        let known = if self.0.is_empty() { None } else { self.0.remove(&row) };
        let misfit = match outcome.ending {
            Ending::Failed | Ending::Skipped => return Some(outcome),
            Ending::Ok | Ending::Page => known.or_else(|| misfit(&outcome, sinks)),
        };
        let Some(misfit) = misfit else { return Some(outcome) };
        if outcome.ending == Ending::Page {
            self.0.insert(row, misfit);
            withdraw(&shared.chains, &outcome);
            return None;
        }
        tell(shared, &outcome, &misfit.reason);
        if let Some(chain) = shared.chains.of(outcome.endpoint) {
            // The failure is a line as well.
            chain.gave(1);
        }
        withdraw(&shared.chains, &outcome);
        Some(failed(outcome, misfit, &shared.plan.endpoints[row.0]))
    }
}

/// The row was counted as one that ended well, and is told as the failure that it is.
fn tell(shared: &Shared, outcome: &Outcome, reason: &str) {
    let live = &shared.live.lanes[outcome.endpoint];
    live.ok.fetch_sub(1, Ordering::Relaxed);
    live.failed.fetch_add(1, Ordering::Relaxed);
    let ended = Ended { ending: Ending::Failed, unauthorized: false, attempts: 0, was_ok: true };
    shared.stops.note(&ended, shared);
    // By the column: the value is another one in each row.
    let kind = reason.split(", as the table").next().unwrap_or(reason);
    shared.meter.failed(outcome.endpoint, kind, outcome.ordinal);
    let endpoint = shared.plan.endpoints[outcome.endpoint].name.clone();
    shared.control.tell(Event::RowFailed { endpoint, row: outcome.ordinal, reason: reason.to_owned() });
}

/// Readers of the endpoint's records do not get those that were said when the row ended.
fn withdraw(chains: &Chains, outcome: &Outcome) {
    if let Some(chain) = chains.of(outcome.endpoint) {
        chain.withdrew(outcome.records.len() as u64);
    }
}

fn misfit(outcome: &Outcome, sinks: &mut [OpenSink]) -> Option<Misfit> {
    let record = outcome.records.first()?;
    let mut takers = sinks.iter_mut().filter(|open| open.takes(outcome));
    let reason = takers
        .find_map(|open| outcome.records.iter().find_map(|record| open.sink.fits(outcome.endpoint, record).err()))?;
    Some(Misfit { reason, record: record.clone() })
}

/// The row's failure, with the record that a failed row has: its extracted columns are null.
fn failed(outcome: Outcome, Misfit { reason, record }: Misfit, plan: &EndpointPlan) -> Outcome {
    let mut cells = record.cells;
    cells.iter_mut().take(plan.columns.len()).for_each(|cell| *cell = Value::Null);
    let error = plan.meta.iter().position(|meta| *meta == Meta::Error);
    if let Some(cell) = error.and_then(|position| cells.get_mut(plan.columns.len() + position)) {
        *cell = Value::from(reason.as_str());
    }
    let records = vec![Record { row: record.row, cells }];
    let (ending, kind, error) = (Ending::Failed, Some(FailureKind::Sink), Some(reason));
    Outcome { ending, kind, error, records, walk: None, ..outcome }
}
