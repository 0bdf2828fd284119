//! Feeding: a source on its own thread, its rows in batches or as they come into the lane's queue.
//!
//! Must never read further ahead than its bounded mailbox, never begin a row that has ended, and never send one
//! whose request was on the wire when an earlier session was cut off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify};

use crate::clock;
use crate::event::Event;
use crate::journal::{RowSet, WalkNote};
use crate::plan::Order;
use crate::row::Row;
use crate::source::{Read, Source, SourceError, SourcePlan};

use super::batch::{Batch, BatchTicket};
use super::call::Call;
use super::control::Cause;
use super::lane::{Lane, LastAttempt};
use super::live::Raised;
use super::mailbox::Mailbox;
use super::unsent::{end_unsent, leave_out, unknown_row};
use super::walk::Walk;

/// Rows read ahead of the queue.
const READ_AHEAD: usize = 256;
/// Rows that are moved at once where there are no batches.
const MOVED: u64 = 256;
/// Rows that may be under way ahead of the oldest one that has not been written, in input order. Those that
/// have ended wait in memory, and are sent again after a kill: the wider the more of both.
pub const ORDER_WINDOW: u64 = 1_000;

/// Which rows a session works on.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Rows that have ended.
    pub done: RowSet,
    /// Walks through pages that earlier sessions left, by row.
    pub walks: BTreeMap<u64, WalkNote>,
    /// Rows that end as unknown without being sent: an earlier session was cut off while their requests were on
    /// the wire.
    pub unknown: RowSet,
    /// Only these, ascending (`--failed`); `None`: all.
    pub only: Option<Vec<u64>>,
    /// Only the first so many rows of the input (`--limit`).
    pub limit: Option<u64>,
    /// What the input was when the session began; `None` where that can't be told.
    pub content: Option<String>,
}

impl Selection {
    fn wants(&self, row: u64) -> bool {
        !self.done.contains(row) && self.only.as_ref().is_none_or(|only| only.binary_search(&row).is_ok())
    }

    fn walk(&self, row: u64) -> Option<WalkNote> {
        self.walks.get(&row).cloned()
    }

    /// Whether no row from this one on is wanted.
    fn is_beyond(&self, row: u64) -> bool {
        self.limit.is_some_and(|limit| row >= limit)
            || self.only.as_ref().is_some_and(|only| only.last().is_none_or(|last| row > *last))
    }
}

/// A row as it was read.
#[derive(Debug)]
struct Taken {
    read: Read,
    /// Whether nobody knows what became of its request.
    unknown: bool,
    /// How far its walk through pages has come.
    walk: Option<WalkNote>,
}

/// Rows on their way from the source's thread to the lane.
#[derive(Debug)]
pub struct Intake {
    rows: Mailbox<Taken>,
    /// Position of the next row in this session. Held while a batch is filled, so that the rows of a
    /// batch stand together in the input.
    sequence: Mutex<u64>,
    /// Rows that were handed to the lane.
    pub begun: AtomicU64,
    /// Whether the source came to its end, and not to a limit.
    pub exhausted: AtomicBool,
    /// Rows written so far, in input order.
    pub written: AtomicU64,
    /// Raised with `written`.
    pub progress: Notify,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            rows: Mailbox::new(READ_AHEAD),
            sequence: Mutex::new(0),
            begun: AtomicU64::new(0),
            exhausted: AtomicBool::new(false),
            written: AtomicU64::new(0),
            progress: Notify::new(),
        }
    }
}

impl Intake {
    /// Ends the source's thread, and with it the rows.
    pub fn close(&self) {
        self.rows.close();
    }

    /// Reads the source to its end. Blocking: runs on a thread of its own.
    pub(super) fn pump(
        &self,
        mut source: Box<dyn Source>,
        plan: &dyn SourcePlan,
        selection: &Selection,
    ) -> Result<(), String> {
        source.skip(selection.done.first_missing()).map_err(|error| error.message)?;
        let mut next = selection.done.first_missing();
        while !selection.is_beyond(next) {
            let Some(read) = source.next().map_err(|error| error.message)? else {
                return self.came_to_end(source.as_ref(), plan, selection);
            };
            let row = read.ordinal();
            next = row + 1;
            let taken = Taken { read, unknown: selection.unknown.contains(row), walk: selection.walk(row) };
            if selection.wants(row) {
                if self.rows.push_blocking(taken).is_err() {
                    return Ok(());
                }
                self.begun.fetch_add(1, Ordering::AcqRel);
            }
        }
        // A limit of as many rows as there are leaves nothing over. Standard input is not asked: it would
        // wait for a line that nobody wants.
        if selection.only.is_none() && !plan.is_read_once() && source.next().map_err(|error| error.message)?.is_none() {
            return self.came_to_end(source.as_ref(), plan, selection);
        }
        Ok(())
    }

    fn came_to_end(&self, source: &dyn Source, plan: &dyn SourcePlan, selection: &Selection) -> Result<(), String> {
        if !source.was_cut_off() {
            unchanged(plan, selection)?;
            self.exhausted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// At most `most` of the rows that are there, each with its position; empty at the end.
    async fn take(&self, sequence: &mut u64, most: u64) -> Vec<(u64, Taken)> {
        let rows = self.rows.drain(usize::try_from(most).unwrap_or(usize::MAX)).await;
        let first = *sequence;
        *sequence += rows.len() as u64;
        (first..).zip(rows).collect()
    }

    /// Waits until row `sequence` is less than `window` ahead of the oldest unwritten one.
    async fn window(&self, sequence: u64, window: u64) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if sequence < self.written.load(Ordering::Acquire) + window {
                return;
            }
            progress.await;
        }
    }
}

/// An end of the input is its end only if the input is still the one that the session began with: a file
/// that shrinks while it is read has an end as well.
fn unchanged(plan: &dyn SourcePlan, selection: &Selection) -> Result<(), String> {
    if plan.is_snapshot() {
        return Ok(());
    }
    let now = plan.identity().map_err(|error| error.message)?;
    if selection.content.is_none() || selection.content == now {
        return Ok(());
    }
    Err(format!(
        "{} changed while it was read; put it back as it was and go on, or begin anew with --fresh",
        plan.describe()
    ))
}

/// Moves rows into the lane's queue until the input ends or the run drains: one of `batch.in-flight`
/// batch lanes, or the only one where there are no batches.
pub async fn dispatch(lane: Arc<Lane>, intake: Arc<Intake>, batches: Arc<AtomicU64>) {
    tokio::select! {
        () = lane.shared.control.drained() => {}
        () = move_rows(&lane, &intake, &batches) => {}
    }
}

async fn move_rows(lane: &Lane, intake: &Intake, batches: &AtomicU64) {
    match lane.plan().batch.size {
        Some(size) => move_batches(lane, intake, size, batches).await,
        None => {
            let mut sequence = intake.sequence.lock().await;
            let mut chunk = Chunk::default();
            loop {
                let rows = intake.take(&mut sequence, MOVED).await;
                if rows.is_empty() {
                    return chunk.send(lane).await;
                }
                add(lane, intake, rows, &mut chunk).await;
            }
        }
    }
}

/// One batch after the other. Rows go out as they come: a batch needs no more memory than these, and
/// a slow input keeps no row waiting for its batch to be full.
async fn move_batches(lane: &Lane, intake: &Intake, size: u64, batches: &AtomicU64) {
    let mut start = clock::now();
    loop {
        let mut sequence = intake.sequence.lock().await;
        let mut rows = intake.take(&mut sequence, size.min(MOVED)).await;
        if rows.is_empty() {
            return;
        }
        // The pause counts from the end of the batch before; nobody waits after the last one.
        if clock::now() < start {
            let _pausing = Raised::new(&lane.live().pausing);
            tokio::time::sleep_until(start).await;
        }
        let mut begun = Begun::new(lane, batches.fetch_add(1, Ordering::Relaxed) + 1);
        let batch = Batch::default();
        let mut chunk = Chunk::of(batch.ticket());
        while !rows.is_empty() {
            begun.rows += rows.len() as u64;
            add(lane, intake, rows, &mut chunk).await;
            let left = size.saturating_sub(begun.rows);
            rows = if left > 0 { intake.take(&mut sequence, left.min(MOVED)).await } else { Vec::new() };
        }
        chunk.send(lane).await;
        drop((sequence, chunk));
        batch.ended().await;
        drop(begun);
        start = clock::now() + lane.plan().batch.pause;
    }
}

/// A batch that was told to have begun; tells its end, however it comes.
struct Begun<'a> {
    lane: &'a Lane,
    number: u64,
    rows: u64,
}

impl<'a> Begun<'a> {
    fn new(lane: &'a Lane, number: u64) -> Self {
        let endpoint = lane.plan().name.clone();
        lane.shared.control.tell(Event::BatchStarted { endpoint, batch: number });
        Self { lane, number, rows: 0 }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let endpoint = self.lane.plan().name.clone();
        self.lane.shared.control.tell(Event::BatchFinished { endpoint, batch: self.number, rows: self.rows });
    }
}

async fn add(lane: &Lane, intake: &Intake, rows: Vec<(u64, Taken)>, chunk: &mut Chunk) {
    let chain = lane.shared.chains.of(lane.index);
    // Pages are not counted: with more than one row on its walk those that wait for the first would have no bound.
    let window = if lane.plan().paginate.is_some() { 1 } else { ORDER_WINDOW };
    for (sequence, Taken { read, unknown, walk }) in rows {
        if let Some(chain) = chain {
            chain.room().await;
        }
        if lane.plan().order == Order::Input && chunk.rows.is_empty() {
            intake.window(sequence, window).await;
        }
        match read {
            Read::Row(row) if unknown => unknown_row(lane, Arc::new(row), sequence).await,
            Read::Row(row) => chunk.add(lane, sequence, Arc::new(row), walk).await,
            Read::Bad { row, reason } => {
                let last = LastAttempt { error: Some(&reason), ..LastAttempt::default() };
                end_unsent(lane, Arc::new(row), sequence, &last).await;
            }
            Read::Skipped { row, reason } => leave_out(lane, Arc::new(row), sequence, reason).await,
        }
    }
}

/// Rows that go out in one request, as they gather.
#[derive(Debug, Default)]
struct Chunk {
    rows: Vec<(u64, Arc<Row>)>,
    ticket: Option<BatchTicket>,
}

impl Chunk {
    /// Rows of a batch.
    fn of(ticket: Option<BatchTicket>) -> Self {
        Self { rows: Vec::new(), ticket }
    }

    /// Takes a row; one that is full goes on its way.
    async fn add(&mut self, lane: &Lane, sequence: u64, row: Arc<Row>, walk: Option<WalkNote>) {
        let Some(plan) = &lane.plan().chunk else {
            let ordinal = row.ordinal;
            let call = Call::new(row, sequence, self.ticket.clone());
            let paginate = lane.plan().paginate.as_ref();
            let walk = paginate.map(|plan| Walk::begin(lane.index, ordinal, Arc::clone(plan), walk));
            return lane
                .queue
                .add(match walk {
                    Some(walk) => call.walking(walk),
                    None => call,
                })
                .await;
        };
        self.rows.push((sequence, row));
        if self.rows.len() >= plan.size {
            self.send(lane).await;
        }
    }

    /// Sends what has gathered.
    async fn send(&mut self, lane: &Lane) {
        if !self.rows.is_empty() {
            let call = Call::chunk(&self.rows, self.ticket.clone());
            self.rows.clear();
            lane.queue.add(call).await;
        }
    }
}

/// Reads a source on a thread of its own. When it can't go on, or panics, the conductor is told before
/// the rows end: an input that broke is never taken for one that is complete.
///
/// # Errors
/// When the thread can't be made.
pub fn spawn(lane: Arc<Lane>, intake: Arc<Intake>, selection: Selection) -> std::io::Result<()> {
    let name = format!("source-{}", lane.plan().name);
    std::thread::Builder::new().name(name).spawn(move || {
        let mut end =
            End { lane: &lane, intake: &intake, cause: Some("the source panicked; this is a bug".to_owned()) };
        let plan = lane.plan().source.as_ref();
        let pumped = open(&lane).map_err(|error| error.message);
        end.cause = pumped.and_then(|source| intake.pump(source, plan, &selection)).err();
    })?;
    Ok(())
}

/// The rows of an endpoint: the records of another one, or what its source reads.
fn open(lane: &Lane) -> Result<Box<dyn Source>, SourceError> {
    match lane.shared.chains.rows(lane.index) {
        Some(rows) => lane.plan().source.open_over(rows),
        None => lane.plan().source.open(),
    }
}

/// The end of a source's thread, however it comes.
struct End<'a> {
    lane: &'a Lane,
    intake: &'a Intake,
    cause: Option<String>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.cause.take() {
            self.lane.shared.control.end(Cause::Broken(message));
        }
        self.intake.close();
    }
}

#[cfg(test)]
mod tests;
