//! How a call ends: an outcome for each of its rows.
//!
//! Must never leave a row of a chunk without an outcome, nor give it two.

use std::sync::Arc;

use serde_json::Value;

use crate::record::{Ending, Outcome, Record};
use crate::retry::FailureKind;
use crate::row::Row;

use super::call::Call;
use super::lane::{Lane, LastAttempt};
use super::walk::Turn;

/// What an accepted reply leaves.
#[derive(Debug, Default)]
pub(super) struct Yield {
    /// Records in the order of the reply, each with the position of its row in the call.
    pub records: Vec<(usize, Record)>,
    /// Rows of a chunk that the reply has nothing for, by position, with the reason.
    pub lost: Vec<(usize, String)>,
    /// Items of a chunk's reply that belong to none of its rows.
    pub stray: usize,
    /// A hash of what a numbered page holds; `None` where that is nothing, or the page is not one of such.
    pub print: Option<u64>,
    /// What a page says of its walk; `None`: it is no walk.
    pub turn: Option<Turn>,
}

impl Yield {
    /// Of one record for the only row.
    pub fn one(record: Record) -> Self {
        Self { records: vec![(0, record)], ..Self::default() }
    }
}

/// The outcomes of an accepted reply. `lost` rows fail with their record as `last` has it.
pub(super) fn accepted(lane: &Lane, call: &Call, taken: Yield, last: &LastAttempt<'_>) -> Vec<Outcome> {
    let mut outcomes = each(lane, call, Ending::Ok);
    for (member, record) in taken.records {
        outcomes[member].records.push(record);
    }
    for (member, reason) in taken.lost {
        let last = LastAttempt { error: Some(&reason), kind: Some(FailureKind::Extract), ..*last };
        fail(lane, &mut outcomes[member], &call.row.members()[member], &last);
    }
    outcomes
}

/// The outcomes of a call that failed: one record for each row, its extracted columns null.
pub(super) fn failed(lane: &Lane, call: &Call, last: &LastAttempt<'_>) -> Vec<Outcome> {
    let mut outcomes = each(lane, call, Ending::Failed);
    for (outcome, (row, _)) in outcomes.iter_mut().zip(call.members()) {
        fail(lane, outcome, row, last);
    }
    outcomes
}

/// Makes an outcome that of a row that failed. Its error leaves the run here, in the journal and in spools, so that it
/// is masked here as well, wherever it came from.
fn fail(lane: &Lane, outcome: &mut Outcome, row: &Arc<Row>, last: &LastAttempt<'_>) {
    outcome.ending = Ending::Failed;
    outcome.unknown = last.unknown;
    outcome.error = last.error.map(|error| lane.shared.masker.mask(error).into_owned());
    outcome.kind = last.kind;
    outcome.records = vec![failed_record(lane, Arc::clone(row), last)];
}

/// The outcomes of a call that ends well and has nothing to give.
pub(super) fn empty(lane: &Lane, call: &Call) -> Vec<Outcome> {
    each(lane, call, Ending::Ok)
}

/// The outcomes of a call that is left out: no record.
pub(super) fn skipped(lane: &Lane, call: &Call) -> Vec<Outcome> {
    each(lane, call, Ending::Skipped)
}

/// An outcome without records for each row. Attempts count once, with the first.
fn each(lane: &Lane, call: &Call, ending: Ending) -> Vec<Outcome> {
    let outcome = |(position, (row, sequence)): (usize, (&Arc<Row>, u64))| Outcome {
        endpoint: lane.index,
        ordinal: row.ordinal,
        sequence,
        ending,
        unknown: false,
        error: None,
        kind: None,
        attempts: if position == 0 { call.attempts } else { 0 },
        tried: call.attempts,
        walk: None,
        records: Vec::new(),
    };
    call.members().enumerate().map(outcome).collect()
}

fn failed_record(lane: &Lane, row: Arc<Row>, last: &LastAttempt<'_>) -> Record {
    let plan = lane.plan();
    let mut cells = vec![Value::Null; plan.columns.len()];
    cells.extend(plan.meta.iter().map(|meta| lane.meta(*meta, &row, last)));
    cells.iter_mut().for_each(|cell| lane.shared.record_masker.mask_value(cell));
    Record { row, cells }
}
