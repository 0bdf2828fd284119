//! The scribe: the one thread that writes records and notes them.
//!
//! Data before its note: sink bytes and saved files are synced first, then the journal. Must never note a row whose
//! records are not durable, and never write a record twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::journal::{self, Commit, Counts, FailedRow, Span, WalkNote, Writer, WrittenNote};
use crate::plan::Order;
use crate::record::{Ending, Outcome};
use crate::sink::dedupe::Doubles;
use crate::sink::{Delivery, RowChoice, Sink, SinkPlan};

use super::chain::OpenSpool;
use super::control::Cause;
use super::feeder::Intake;
use super::fitting::Misfits;
use super::holds::{self, Held, Hold};
use super::lane::Shared;

/// Time from one commit to the next.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// The same where rows have ended whose requests were noted: until the commit a kill makes each of them unknown. And
/// where a chained endpoint waits for records, which it sees when they are committed.
const COMMIT_NOTED: Duration = Duration::from_millis(100);
/// A commit that takes long (a slow disk, a state with millions of gaps) is made more rarely, so that no
/// more than a twentieth of the time goes into commits, but for [`COMMIT_LATEST`].
const COMMIT_SHARE: u32 = 20;
/// Longest time from one commit to the next.
const COMMIT_LATEST: Duration = Duration::from_secs(10);
/// How long the scribe waits for more outcomes before it writes those it has.
const LINGER: Duration = Duration::from_millis(5);

/// A sink with what its plan says of it.
pub struct OpenSink {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// Endpoints it takes from, by position.
    pub from: Vec<usize>,
    /// Outcomes it takes.
    pub rows: RowChoice,
    /// Records written in this session.
    pub records: u64,
    /// Whether records can be taken out of it again: those of a stream can't.
    takes_back: bool,
    /// Rows whose records have no known place yet, in the order of writing.
    unplaced: VecDeque<(usize, u64)>,
    /// What carries its records on, where they wait in a spool.
    pub(super) delivery: Option<Arc<Delivery>>,
    /// Records of failed rows that it could not take, and why it could not take the first of them.
    left_out: Option<(u64, String)>,
    /// What it has written, where doubles are left out.
    doubles: Option<Doubles>,
}

/// Records that wait for those before them.
#[derive(Debug, Default)]
struct InOrder {
    next: u64,
    /// By row; those of a walk page by page.
    waiting: BTreeMap<u64, Vec<Outcome>>,
}

/// See the module.
pub struct Scribe {
    /// What lanes share with it.
    pub shared: Arc<Shared>,
    /// Sinks, by position in the plan.
    pub sinks: Vec<OpenSink>,
    /// What chained endpoints read.
    pub spools: Vec<OpenSpool>,
    /// The journal.
    pub writer: Writer,
    /// The state of the run, whole.
    pub state: Commit,
    /// Intakes by endpoint, to be told how far ordered output has come.
    pub intakes: Vec<Arc<Intake>>,
    /// Set by the conductor before it closes the outbox, when every row has ended.
    pub complete: Arc<AtomicBool>,
    /// What knows which limits are held.
    held: Box<dyn Held>,
    /// Holds as of the last commit.
    noted: Vec<Hold>,
    orders: Vec<Option<InOrder>>,
    misfits: Misfits,
    uncommitted: bool,
    /// Whether a row among them was noted before it was sent.
    noted_ended: bool,
    /// When the next commit is due, and when it is due for such rows.
    due: Instant,
    due_noted: Instant,
    /// As of the last commit.
    written: Written,
}

/// What the scribe leaves when it ends: what was committed, and no more.
#[derive(Debug, Default)]
pub struct Written {
    /// Counts of all sessions, by endpoint.
    pub counts: Vec<Counts>,
    /// Whether the run is complete.
    pub complete: bool,
    /// Records of this session, by sink.
    pub records: Vec<u64>,
    /// Names of values that had no column, by sink.
    pub dropped: Vec<Vec<String>>,
    /// By sink: records of failed rows that it could not take, and why it could not take the first of them.
    pub left_out: Vec<Option<(u64, String)>>,
    /// By sink: records of this session that it had before.
    pub doubles: Vec<u64>,
}

impl Scribe {
    /// A scribe at the beginning of a session.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        sinks: Vec<OpenSink>,
        writer: Writer,
        state: Commit,
        intakes: Vec<Arc<Intake>>,
        complete: Arc<AtomicBool>,
        held: Box<dyn Held>,
    ) -> Self {
        let ordered = |order| (order == Order::Input).then(InOrder::default);
        let orders = shared.plan.endpoints.iter().map(|endpoint| ordered(endpoint.order)).collect();
        let now = clock::now();
        let (due, due_noted) = (now + COMMIT_EVERY, now + COMMIT_NOTED);
        let written = Written { counts: state.counts.clone(), ..Written::default() };
        let noted = Vec::new();
        let (uncommitted, noted_ended) = (false, false);
        Self {
            shared,
            sinks,
            spools: Vec::new(),
            writer,
            state,
            intakes,
            complete,
            held,
            noted,
            orders,
            misfits: Misfits::default(),
            uncommitted,
            noted_ended,
            due,
            due_noted,
            written,
        }
    }

    /// With what chained endpoints read.
    #[must_use]
    pub fn with_spools(self, spools: Vec<OpenSpool>) -> Self {
        Self { spools, ..self }
    }

    /// Writes until the outbox is closed, then commits a last time. Blocking: a thread of its own.
    #[must_use]
    pub fn run(mut self) -> Written {
        if let Err(message) = self.work() {
            self.shared.outbox.close();
            self.shared.control.end(Cause::Broken(message));
            self.finish_deliveries();
        }
        self.written.left_out = self.sinks.iter().map(|open| open.left_out.clone()).collect();
        self.written.doubles = self.sinks.iter().map(OpenSink::doubles_left_out).collect();
        self.written.dropped = self.sinks.iter().map(|open| open.sink.dropped_columns()).collect();
        self.written
    }

    fn work(&mut self) -> Result<(), String> {
        self.start_deliveries()?;
        // What an earlier session left in spools goes on at once.
        self.release_deliveries();
        loop {
            self.make_room()?;
            // Asked before the outbox is emptied: what is in it now is the last of them.
            let ended = self.shared.chains.ended();
            let patience = if ended.is_empty() { self.patience() } else { Duration::ZERO };
            let Some(outcomes) = self.shared.outbox.drain_blocking(patience, LINGER) else { break };
            // What came together stands in one commit: a chunk of which a part was committed would be sent again in part.
            for outcome in outcomes.into_iter().flatten() {
                self.accept(outcome)?;
            }
            if !ended.is_empty() || self.is_due(clock::now()) {
                self.commit()?;
            }
            ended.iter().for_each(|chain| chain.complete());
        }
        let all = self.complete.load(Ordering::Acquire);
        if all {
            self.sinks.iter_mut().try_for_each(|open| open.sink.end()).map_err(|error| error.message)?;
        }
        self.state.complete = all && self.sinks.iter().all(|open| open.delivery.is_none());
        self.commit()?;
        if all {
            self.tell_whole();
        }
        if self.finish_deliveries() && all && !self.state.complete {
            self.state.complete = true;
            self.commit()?;
        }
        Ok(())
    }

    /// A hold is worth a commit of its own: a server asks for it when no row ends any more, and a kill in the
    /// middle of the wait must not make the next session ask before its time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due() && (self.uncommitted || holds::are_news(&self.held.held(), &self.noted, now))
    }

    fn due(&self) -> Instant {
        if self.noted_ended || self.shared.chains.is_hungry() { self.due_noted } else { self.due }
    }

    fn patience(&self) -> Duration {
        if self.uncommitted { self.due().saturating_duration_since(clock::now()) } else { COMMIT_EVERY }
    }

    pub(super) fn accept(&mut self, outcome: Outcome) -> Result<(), String> {
        let endpoint = outcome.endpoint;
        let Some(order) = &mut self.orders[endpoint] else { return self.write(outcome) };
        order.waiting.entry(outcome.sequence).or_default().push(outcome);
        let mut ripe = Vec::new();
        while let Some(outcomes) = order.waiting.remove(&order.next) {
            let ended = outcomes.last().is_some_and(|outcome| outcome.ending != Ending::Page);
            ripe.extend(outcomes);
            if !ended {
                break;
            }
            order.next += 1;
        }
        let written = order.next;
        for outcome in ripe {
            self.write(outcome)?;
        }
        self.intakes[endpoint].written.store(written, Ordering::Release);
        self.intakes[endpoint].progress.notify_waiters();
        Ok(())
    }

    fn write(&mut self, outcome: Outcome) -> Result<(), String> {
        let Some(outcome) = self.misfits.settle(outcome, &mut self.sinks, &self.shared) else { return Ok(()) };
        let outcome = &outcome;
        let mut spans = Vec::new();
        for (position, open) in self.sinks.iter_mut().enumerate() {
            if !open.takes(outcome) || open.leaves_out(outcome) {
                continue;
            }
            let start = open.sink.position();
            let written = open.write(outcome)?;
            let end = open.sink.position();
            if start.is_none() && open.takes_back {
                open.unplaced.extend(std::iter::repeat_n((outcome.endpoint, outcome.ordinal), written));
            }
            spans.push(Span { sink: position, bytes: start.zip(end), line: None });
        }
        for spool in self.spools.iter_mut().filter(|spool| spool.endpoint == outcome.endpoint) {
            spool.write(outcome, &self.shared.chains)?;
        }
        self.note(outcome, spans);
        self.place();
        Ok(())
    }

    /// Fills in where records stand that a sink held back. They are released by its next commit at the
    /// latest, so that their rows still wait for theirs.
    fn place(&mut self) {
        for (position, open) in self.sinks.iter_mut().enumerate().filter(|(_, open)| !open.unplaced.is_empty()) {
            for bytes in open.sink.released() {
                let Some((endpoint, row)) = open.unplaced.pop_front() else { break };
                let failed =
                    self.state.failed.iter_mut().find(|failed| (failed.endpoint, failed.row) == (endpoint, row));
                let span = failed.and_then(|failed| failed.spans.iter_mut().find(|span| span.sink == position));
                if let Some(span) = span {
                    span.bytes = Some(bytes);
                }
            }
        }
    }

    fn note(&mut self, outcome: &Outcome, spans: Vec<Span>) {
        self.tell_ended(outcome);
        self.uncommitted = true;
        self.noted_ended |= self.shared.plan.endpoints[outcome.endpoint].holds_back();
        let walk = self.note_walk(outcome);
        let counts = &mut self.state.counts[outcome.endpoint];
        counts.attempts += u64::from(outcome.attempts);
        counts.records += outcome.records.len() as u64;
        match outcome.ending {
            Ending::Page => {}
            Ending::Ok => counts.ok += 1,
            Ending::Skipped => counts.skipped += 1,
            Ending::Failed => {
                counts.failed += 1;
                counts.unknown += u64::from(outcome.unknown);
                let (endpoint, row, unknown) = (outcome.endpoint, outcome.ordinal, outcome.unknown);
                let (attempts, kind) = (outcome.tried, outcome.kind);
                let error = journal::short(outcome.error.as_deref().unwrap_or_default());
                self.state.failed.push(FailedRow { endpoint, row, spans, unknown, walk, attempts, kind, error });
            }
        }
    }

    /// Notes how far a row's walk has come, or that the row has ended; gives where a walk that has ended stands.
    fn note_walk(&mut self, outcome: &Outcome) -> Option<Box<WalkNote>> {
        if let (Ending::Page, Some(walk)) = (outcome.ending, &outcome.walk) {
            self.state.walks.put(walk.clone());
            return None;
        }
        self.state.done[outcome.endpoint].insert(outcome.ordinal);
        let endpoint = &self.shared.plan.endpoints[outcome.endpoint];
        if endpoint.paginate.is_none() && endpoint.stream.is_none() {
            return None;
        }
        self.state.walks.take(outcome.endpoint, outcome.ordinal).map(Box::new)
    }

    pub(super) fn commit(&mut self) -> Result<(), String> {
        let began = clock::now();
        for (position, open) in self.sinks.iter_mut().enumerate() {
            self.state.cursors[position] = Some(open.sink.commit().map_err(|error| error.message)?);
        }
        let doubles = self.sinks.iter_mut().map(OpenSink::commit_doubles).collect::<Result<Vec<_>, _>>()?;
        self.state.written = doubles.into_iter().flatten().collect();
        self.state.spools = self.spools.iter_mut().map(OpenSpool::commit).collect::<Result<_, _>>()?;
        self.shared.saves.sync()?;
        self.place();
        self.keep_lines()?;
        self.noted = self.held.held();
        self.state.holds = holds::notes(&self.noted, clock::now(), clock::wall());
        self.writer.commit(&self.state).map_err(|error| error.message)?;
        self.release_deliveries();
        self.spools.iter().for_each(|spool| spool.publish(&self.shared.chains));
        if let Some(intents) = &self.shared.intents {
            intents.settle(&self.state.done);
        }
        self.state.failed.clear();
        self.state.healed = false;
        self.written.counts.clone_from(&self.state.counts);
        self.written.complete = self.state.complete;
        self.written.records = self.sinks.iter().map(|open| open.records).collect();
        self.shared.chronicle.wrote(&self.written.records);
        (self.uncommitted, self.noted_ended) = (false, false);
        let (now, rest) = (clock::now(), began.elapsed() * COMMIT_SHARE);
        self.due = now + rest.clamp(COMMIT_EVERY, COMMIT_LATEST);
        self.due_noted = now + rest.clamp(COMMIT_NOTED, COMMIT_LATEST);
        self.tell_committed();
        Ok(())
    }
}

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
    fn write(&mut self, outcome: &Outcome) -> Result<usize, String> {
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

    fn doubles_left_out(&self) -> u64 {
        self.doubles.as_ref().map_or(0, Doubles::left_out)
    }

    /// Makes durable what is known to be written.
    pub(super) fn commit_doubles(&mut self) -> Result<Option<WrittenNote>, String> {
        self.doubles.as_mut().map(Doubles::commit).transpose().map_err(|error| error.message)
    }

    /// Whether the record of a failed row can't stand in it, which fails nobody any more.
    fn leaves_out(&mut self, outcome: &Outcome) -> bool {
        if outcome.ending != Ending::Failed {
            return false;
        }
        let refused = outcome.records.iter().find_map(|record| self.sink.fits(outcome.endpoint, record).err());
        let Some(reason) = refused else { return false };
        self.left_out.get_or_insert((0, reason)).0 += 1;
        true
    }

    pub(super) fn takes(&self, outcome: &Outcome) -> bool {
        let wanted = match self.rows {
            RowChoice::Ok => matches!(outcome.ending, Ending::Ok | Ending::Page),
            RowChoice::Failed => outcome.ending == Ending::Failed,
            RowChoice::All => outcome.ending != Ending::Skipped,
        };
        wanted && self.from.contains(&outcome.endpoint)
    }
}
