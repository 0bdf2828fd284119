//! Feeding: a source on its own thread, its rows in batches or as they come into the lane's queue.
//!
//! Must never read further ahead than its bounded mailbox, never begin a row that has ended, and never send one
//! whose request was on the wire when an earlier session was cut off.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, Notify};

use crate::clock;
use crate::event::Event;
use crate::journal::{RowSet, WalkNote};
use crate::plan::Order;
use crate::retry::FailureKind;
use crate::source::{Read, Source, SourceError, SourcePlan};

use super::batch::Batch;
use super::chunk::{Chunk, Cut, Room};
use super::control::Cause;
use super::lane::{Lane, LastAttempt};
use super::live::Raised;
use super::mailbox::Mailbox;
use super::unsent::{end_unsent, leave_out, unknown_row};

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
    /// Where the input is cut into chunks.
    pub cut: Option<Cut>,
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

    /// The row to begin with: of a chunk all are looked at, also those that have ended.
    fn start(&self) -> u64 {
        let missing = self.done.first_missing();
        self.cut.map_or(missing, |cut| cut.window(missing).start)
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
    /// Rows of chunks that earlier sessions have sent to their end.
    ended: std::sync::Mutex<RowSet>,
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
            ended: std::sync::Mutex::default(),
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
        let mut next = selection.start();
        source.skip(next).map_err(|error| error.message)?;
        while !selection.is_beyond(next) {
            let Some(read) = source.next().map_err(|error| error.message)? else {
                return self.came_to_end(source.as_ref(), plan, selection);
            };
            let row = read.ordinal();
            next = row + 1;
            self.note_ended(&read, selection);
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

    /// A row that could not be used was no part of a chunk.
    fn note_ended(&self, read: &Read, selection: &Selection) {
        if let (Some(_), Read::Row(row)) = (selection.cut, read)
            && selection.done.contains(row.ordinal)
        {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(row.ordinal);
        }
    }

    /// Whether rows among these, which are of one chunk, were sent to their end by earlier sessions. Known of a chunk
    /// once a row behind it was taken, or the last of its own.
    pub fn has_ended(&self, rows: &Range<u64>) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).has_any(rows)
    }

    fn came_to_end(&self, source: &dyn Source, plan: &dyn SourcePlan, selection: &Selection) -> Result<(), String> {
        if !source.was_cut_off() {
            unchanged(plan, selection)?;
            self.exhausted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// At most `most` of the rows that are there, each with its position, up to the first that has no `room`; empty
    /// at the end, or where not even one has.
    async fn take(&self, sequence: &mut u64, most: u64, room: &mut Room) -> Vec<(u64, Taken)> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let rows = self.rows.drain_while(most, |taken| room.takes(taken.read.ordinal())).await;
        let first = *sequence;
        *sequence += rows.len() as u64;
        (first..).zip(rows).collect()
    }

    /// Raises `waiting` until row `sequence` is less than `window` ahead of the oldest unwritten one.
    async fn window(&self, sequence: u64, window: u64, waiting: &AtomicU64) {
        let mut waits = None;
        loop {
            tokio::pin! { let progress = self.progress.notified(); }
            progress.as_mut().enable();
            if sequence < self.written.load(Ordering::Acquire) + window {
                return;
            }
            waits.get_or_insert_with(|| Raised::new(waiting));
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
            let mut chunk = Chunk::new(lane, None);
            let mut room = Room::new(None, u64::MAX);
            loop {
                let rows = intake.take(&mut sequence, MOVED, &mut room).await;
                if rows.is_empty() {
                    return chunk.send(lane, intake).await;
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
        let mut room = Room::new(Cut::of(lane.plan()), size);
        let mut rows = intake.take(&mut sequence, size.min(MOVED), &mut room).await;
        if rows.is_empty() {
            return;
        }
        // The pause counts from the end of the batch before; nobody waits after the last one.
        if clock::now() < start {
            let _pausing = Raised::new(&lane.live().pausing);
            tokio::time::sleep_until(start).await;
        }
        let mut begun = Begun::new(lane, batches.fetch_add(1, Ordering::Relaxed) + 1);
        let batch = Batch::new(begun.number);
        let mut chunk = Chunk::new(lane, batch.ticket());
        while !rows.is_empty() {
            begun.rows += rows.len() as u64;
            add(lane, intake, rows, &mut chunk).await;
            let left = size.saturating_sub(begun.rows);
            rows = if left > 0 { intake.take(&mut sequence, left.min(MOVED), &mut room).await } else { Vec::new() };
        }
        chunk.send(lane, intake).await;
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
        let ordinal = read.ordinal();
        chunk.reach(lane, intake, ordinal).await;
        if lane.plan().order == Order::Input && chunk.is_empty() {
            intake.window(sequence, window, &lane.live().in_order).await;
        }
        match read {
            Read::Row(row) if unknown => unknown_row(lane, Arc::new(row), sequence).await,
            Read::Row(row) => chunk.add(lane, sequence, Arc::new(row), walk).await,
            Read::Bad { row, reason } => {
                let kind = Some(FailureKind::Input);
                let last = LastAttempt { error: Some(&reason), kind, ..LastAttempt::default() };
                end_unsent(lane, Arc::new(row), sequence, &last).await;
            }
            Read::Skipped { row, reason } => leave_out(lane, Arc::new(row), sequence, reason).await,
        }
        chunk.end(lane, intake, ordinal).await;
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
        let opened = open(&lane).map(|source| Box::new(Told { source, lane: Arc::clone(&lane) }));
        let pumped = opened.map_err(|error| error.message);
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

/// A source of which the run is told what turns out odd.
struct Told {
    source: Box<dyn Source>,
    lane: Arc<Lane>,
}

impl Source for Told {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let read = self.source.next();
        if let Some(words) = self.source.doubt() {
            self.lane.doubt(0, &words);
        }
        read
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        self.source.skip(rows)
    }

    fn was_cut_off(&self) -> bool {
        self.source.was_cut_off()
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
