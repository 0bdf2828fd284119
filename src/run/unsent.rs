//! Rows that end without a request of this session: nobody knows what became of the one of then, they can't be used,
//! or the row that was to give them failed.
//!
//! Must never send anything.

use std::sync::Arc;

use crate::event::Event;
use crate::row::Row;

use super::call::Call;
use super::ending;
use super::lane::{Lane, LastAttempt};

/// A row whose request was on the wire when an earlier session was cut off. Its note stays until the commit with
/// this end of it is durable.
pub(super) async fn unknown_row(lane: &Lane, row: Arc<Row>, sequence: u64) {
    let reason = format!(
        "unknown: this {} was on the wire when the run was cut off, and the server may have acted on it; it is not \
         sent again (retry.unknown = \"resend\" would)",
        lane.plan().method
    );
    // It was noted as it was about to leave: one attempt at least, and the note knows no more.
    let last = LastAttempt { error: Some(&reason), attempts: 1, unknown: true, ..LastAttempt::default() };
    end_unsent(lane, row, sequence, &last).await;
}

/// A row whose parent failed ends as skipped.
pub(super) async fn leave_out(lane: &Lane, row: Arc<Row>, sequence: u64, reason: String) {
    lane.shared.meter.orphaned(lane.index, &reason);
    let endpoint = lane.plan().name.clone();
    lane.shared.control.tell(Event::RowSkipped { endpoint, row: row.ordinal, reason });
    lane.deliver(ending::skipped(lane, &Call::new(row, sequence, None)), false).await;
}

/// A row that is not sent in this session ends as failed.
pub(super) async fn end_unsent(lane: &Lane, row: Arc<Row>, sequence: u64, last: &LastAttempt<'_>) {
    let reason = last.error.unwrap_or_default();
    lane.shared.meter.failed(lane.index, reason, row.ordinal);
    lane.shared.control.tell(Event::RowFailed {
        endpoint: lane.plan().name.clone(),
        row: row.ordinal,
        reason: reason.to_owned(),
    });
    let mut call = Call::new(row, sequence, None);
    call.attempts = last.attempts;
    lane.deliver(ending::failed(lane, &call, last), false).await;
}
