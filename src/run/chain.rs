//! Chaining: records of one endpoint as rows of others, as they come.
//!
//! The scribe writes them to a spool in the state folder ([`Spool`]), whose end stands in the same commit as
//! everything else. A reader sees lines only when they are committed, so that what it sends can't come back under
//! another number: keys and notes of its rows stay true over kills. So that it need not wait long, commits come
//! quickly while one of them wants lines.
//!
//! Must never begin a row of the endpoint that gives records while the slowest reader is [`AHEAD`] lines behind, nor
//! pass the end of a run that drains for the end of the records.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::journal::SpoolNote;
use crate::plan::Plan;
use crate::record::Outcome;
use crate::row::{Fields, Row};
use crate::sink::spool::{self, Spool};
use crate::source::{Read, Source, SourceError};

/// Lines that a spool may be ahead of its slowest reader before no new row is begun for it.
pub const AHEAD: u64 = 10_000;
/// A reader that has fewer committed lines left than this wants more soon.
const NEAR: u64 = 1_000;
/// The position of a reader that wants no more lines.
const GONE: u64 = u64::MAX;

/// The chains of a run.
#[derive(Debug, Default)]
pub struct Chains {
    /// By position of the endpoint that gives records; `None`: nobody reads them.
    giving: Vec<Option<Arc<Chain>>>,
    /// By position of the endpoint that reads: what it reads, and the position of its reader there.
    reading: Vec<Option<(Arc<Chain>, usize)>>,
}

/// The spool of one endpoint, as those see it that write and read it.
#[derive(Debug)]
pub struct Chain {
    name: String,
    path: PathBuf,
    state: Mutex<State>,
    /// Lines of rows that have ended, also those that the scribe has still to write.
    given: AtomicU64,
    /// Wakes readers.
    grown: Condvar,
    /// Lines that readers have taken, [`GONE`] where they want no more.
    taken: Vec<AtomicU64>,
    /// Wakes the feeder of the endpoint that gives records.
    room: Notify,
    /// Whether every row of that endpoint has ended.
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    committed: u64,
    end: End,
}

/// How the records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    /// There may be more.
    #[default]
    Open,
    /// These were all.
    Whole,
    /// The run drains.
    Cut,
}

impl Chains {
    /// The chains of a plan. `lines`: how many each spool has, by position of its endpoint; `passed`: how many each
    /// endpoint passes over at its beginning.
    #[must_use]
    pub fn new(plan: &Plan, lines: &[u64], passed: &[u64]) -> Self {
        let parents = plan.parents();
        let readers = |parent: usize| parents.iter().enumerate().filter(move |(_, of)| **of == Some(parent));
        let chain = |(parent, endpoint): (usize, &crate::plan::EndpointPlan)| {
            let taken: Vec<_> = readers(parent).map(|(child, _)| AtomicU64::new(passed[child])).collect();
            let state = State { written: lines[parent], committed: lines[parent], end: End::Open };
            (!taken.is_empty()).then(|| {
                let path = spool::path(&plan.state, &endpoint.name);
                Arc::new(Chain::new(endpoint.name.clone(), path, state, taken))
            })
        };
        let giving: Vec<_> = plan.endpoints.iter().enumerate().map(chain).collect();
        let reading = parents.iter().enumerate().map(|(child, parent)| {
            let chain = giving[(*parent)?].clone()?;
            let reader = readers((*parent)?).position(|(reader, _)| reader == child)?;
            Some((chain, reader))
        });
        Self { reading: reading.collect(), giving }
    }

    /// The chain of an endpoint that gives records.
    #[must_use]
    pub fn of(&self, parent: usize) -> Option<&Arc<Chain>> {
        self.giving.get(parent)?.as_ref()
    }

    /// The rows of an endpoint that reads records; `None`: it reads something else.
    #[must_use]
    pub fn rows(&self, child: usize) -> Option<Box<dyn Source>> {
        let (chain, reader) = self.reading.get(child)?.clone()?;
        Some(Box::new(Reader { chain, reader, file: None, buffer: Vec::new(), next: 0, known: 0 }))
    }

    /// The run drains: nobody waits for records any more.
    pub fn cut(&self) {
        self.giving.iter().flatten().for_each(|chain| chain.close(End::Cut));
    }

    /// Whether a reader wants lines that are written and not committed.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.giving.iter().flatten().any(|chain| chain.is_hungry())
    }

    /// Chains whose rows have all ended and are open: what is in the outbox when this is asked is the last of it.
    #[must_use]
    pub fn ended(&self) -> Vec<Arc<Chain>> {
        let over = |chain: &&Arc<Chain>| chain.ended.load(Ordering::Acquire) && chain.state().end == End::Open;
        self.giving.iter().flatten().filter(over).cloned().collect()
    }
}

impl Chain {
    fn new(name: String, path: PathBuf, state: State, taken: Vec<AtomicU64>) -> Self {
        let (grown, room, ended) = (Condvar::new(), Notify::new(), AtomicBool::new(false));
        let given = AtomicU64::new(state.written);
        Self { name, path, state: Mutex::new(state), given, grown, taken, room, ended }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every row of the endpoint has ended and is on its way to the scribe.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// All its records are committed: readers get what is left and then the end.
    pub fn complete(&self) {
        self.close(End::Whole);
    }

    fn close(&self, end: End) {
        let mut state = self.state();
        if state.end == End::Open {
            state.end = end;
        }
        drop(state);
        self.grown.notify_all();
    }

    /// A row has ended that gives so many lines.
    pub fn gave(&self, lines: u64) {
        self.given.fetch_add(lines, Ordering::AcqRel);
    }

    /// So many of them will not be written.
    pub fn withdrew(&self, lines: u64) {
        self.given.fetch_sub(lines, Ordering::AcqRel);
        self.room.notify_waiters();
    }

    fn wrote(&self, lines: u64) {
        self.state().written = lines;
    }

    fn committed(&self, lines: u64) {
        self.state().committed = lines;
        self.grown.notify_all();
    }

    /// Lines taken by the slowest reader that wants more; [`GONE`]: none does.
    fn slowest(&self) -> u64 {
        self.taken.iter().map(|taken| taken.load(Ordering::Acquire)).min().unwrap_or(GONE)
    }

    fn is_hungry(&self) -> bool {
        let state = self.state();
        let taken = self.taken.iter().map(|taken| taken.load(Ordering::Acquire)).filter(|taken| *taken != GONE);
        let mut left = taken.map(|taken| state.committed.saturating_sub(taken));
        state.written > state.committed && left.any(|left| left < NEAR)
    }

    /// Waits until the slowest reader is less than [`AHEAD`] lines behind.
    pub async fn room(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.given.load(Ordering::Acquire).saturating_sub(self.slowest()) < AHEAD {
                return;
            }
            room.await;
        }
    }

    fn took(&self, reader: usize, lines: u64) {
        self.taken[reader].store(lines, Ordering::Release);
        self.room.notify_waiters();
    }

    /// Waits for line `line` to be committed, or for the end; the lines that are committed.
    fn wait(&self, line: u64) -> u64 {
        let mut state = self.state();
        while state.committed <= line && state.end == End::Open {
            state = self.grown.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // Who drains begins no row, whatever is there.
        if state.end == End::Cut { line } else { state.committed }
    }
}

/// The committed lines of a spool as rows, for who reads them when the run is over, or beside it.
#[must_use]
pub fn recorded(name: &str, path: PathBuf, lines: u64) -> Box<dyn Source> {
    let state = State { written: lines, committed: lines, end: End::Whole };
    let chain = Arc::new(Chain::new(name.to_owned(), path, state, vec![AtomicU64::new(0)]));
    Box::new(Reader { chain, reader: 0, file: None, buffer: Vec::new(), next: 0, known: 0 })
}

/// A spool with those who read it: the scribe's end of a chain.
#[derive(Debug)]
pub struct OpenSpool {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// Its name.
    pub name: String,
    /// The file.
    pub file: Spool,
}

impl OpenSpool {
    /// Adds what a row leaves.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&mut self, outcome: &Outcome, chains: &Chains) -> Result<(), String> {
        self.file.write(outcome).map_err(|error| error.message)?;
        if let Some(chain) = chains.of(self.endpoint) {
            chain.wrote(self.file.lines());
        }
        Ok(())
    }

    /// Makes what is written durable.
    ///
    /// # Errors
    /// When it can't.
    pub fn commit(&mut self) -> Result<SpoolNote, String> {
        let cursor = self.file.commit().map_err(|error| error.message)?;
        Ok(SpoolNote { endpoint: self.name.clone(), lines: self.file.lines(), cursor })
    }

    /// Shows readers what the journal says now.
    pub fn publish(&self, chains: &Chains) {
        if let Some(chain) = chains.of(self.endpoint) {
            chain.committed(self.file.lines());
        }
    }
}

/// The lines of a spool as rows.
struct Reader {
    chain: Arc<Chain>,
    reader: usize,
    file: Option<BufReader<File>>,
    buffer: Vec<u8>,
    /// The next line.
    next: u64,
    /// Lines that are known to be committed.
    known: u64,
}

impl Reader {
    /// Reads the next line into the buffer; `false` at the end of what is committed.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if self.next >= self.known {
            self.known = self.chain.wait(self.next);
        }
        if self.next >= self.known {
            return Ok(false);
        }
        let failed = |what: String| SourceError::new(format!("{} can't be read: {what}", self.chain.path.display()));
        if self.file.is_none() {
            let file = File::open(&self.chain.path).map_err(|error| failed(error.to_string()))?;
            self.file = Some(BufReader::with_capacity(128 * 1024, file));
        }
        self.buffer.clear();
        if let Some(file) = &mut self.file {
            file.read_until(b'\n', &mut self.buffer).map_err(|error| failed(error.to_string()))?;
        }
        if self.buffer.pop() != Some(b'\n') {
            return Err(failed(format!("line {} is not whole", self.next + 1)));
        }
        self.next += 1;
        self.chain.took(self.reader, self.next);
        Ok(true)
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if !self.advance()? {
            return Ok(None);
        }
        let line: spool::Line = serde_json::from_slice(&self.buffer).map_err(|error| {
            let (path, number) = (self.chain.path.display(), self.next);
            SourceError::new(format!(
                "{path} can't be read: line {number} is not a record of {}: {error}",
                self.chain.name
            ))
        })?;
        let row = Row { ordinal: self.next - 1, line: 0, fields: Fields::Object(line.row) };
        Ok(Some(match line.skipped {
            None => Read::Row(row),
            Some(reason) => Read::Skipped { row, reason },
        }))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        for _ in 0..rows {
            if !self.advance()? {
                break;
            }
        }
        Ok(())
    }

    fn was_cut_off(&self) -> bool {
        self.chain.state().end == End::Cut
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.chain.took(self.reader, GONE);
    }
}

#[cfg(test)]
mod tests;
