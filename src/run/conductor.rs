//! The conductor: the single owner of the run's state.
//!
//! Everyone else sends it messages; it moves the phase on, ends every task it began, and its main loop
//! has no `?`: whatever happens ends in a commit and a report.

mod closing;
mod steering;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::event::Event;
use crate::report::Reporter;

use super::balance::Balance;
use super::command::Commands;
use super::control::{Cause, Desk, Phase};
use super::feeder::{self, Intake, Selection};
use super::holds;
use super::keeping::Keeping;
use super::lane::{Lane, Shared};
use super::notify::Herald;
use super::open::{Facts, Opened};
use super::scribe::{Scribe, Written};
use super::signals::{Signals, force_exit};
use super::telling::Telling;
use super::{Keyed, RunEnding, RunReport, Signal, lanes, told, worker};

/// Redraws of reporters.
const TICK: Duration = Duration::from_millis(100);

/// See the module.
pub struct Conductor {
    shared: Arc<Shared>,
    lanes: Vec<Arc<Lane>>,
    intakes: Vec<Arc<Intake>>,
    desk: Desk,
    telling: Telling,
    balance: Balance,
    /// Workers; each gives the position of its lane.
    workers: JoinSet<usize>,
    /// The same of what feeds them.
    feeders: JoinSet<usize>,
    /// Of both those that have not ended, by lane.
    working: Vec<usize>,
    writing: JoinHandle<Written>,
    written: Option<Written>,
    ending: Option<RunEnding>,
    /// Which key of the job the ending comes from.
    blamed: Option<Keyed>,
    signals: Signals,
    signals_seen: u32,
    /// Keeps the recap; `None` only while it keeps the last one.
    keeping: Option<Keeping>,
    commands: Commands,
}

impl Conductor {
    /// Runs what was opened to its end, and has the herald tell of it.
    pub async fn conduct(
        opened: Opened,
        (reporters, commands): (Vec<Box<dyn Reporter>>, Commands),
        herald: &Herald<'_>,
    ) -> RunReport {
        let began = clock::now();
        let complete = Arc::new(AtomicBool::new(false));
        let intakes: Vec<Arc<Intake>> = opened.lanes.iter().map(|_| Arc::default()).collect();
        let scribe = Scribe::new(
            opened.shared.clone(),
            opened.sinks,
            opened.writer,
            opened.state,
            intakes.clone(),
            complete.clone(),
            Box::new(opened.shared.clone()),
        )
        .with_spools(opened.spools);
        let telling = Telling::start(reporters, &opened.shared);
        let mut conductor = Self {
            working: vec![0; opened.lanes.len()],
            shared: opened.shared,
            lanes: opened.lanes,
            intakes,
            desk: opened.desk,
            telling,
            balance: Balance::default(),
            workers: JoinSet::new(),
            feeders: JoinSet::new(),
            writing: tokio::task::spawn_blocking(move || scribe.run()),
            written: None,
            ending: None,
            blamed: None,
            signals: Signals::listen(),
            signals_seen: 0,
            keeping: None,
            commands,
        };
        conductor.commands.begun();
        conductor.keeping = Some(Keeping::begin(&conductor.shared));
        conductor.begin(&opened.facts, opened.selections);
        for over in &opened.holds {
            let wait_ms = u64::try_from(over.wait.as_millis()).unwrap_or(u64::MAX);
            conductor.tell(Event::Held { limit: over.limit.clone(), wait_ms });
        }
        if let Some(cause) = holds::beyond_patience(&conductor.shared.plan, &opened.holds) {
            conductor.end(cause);
        }
        conductor.main_loop().await;
        complete.store(conductor.is_complete(), Ordering::Release);
        conductor.finish().await;
        conductor.report(&opened.facts, began, herald).await
    }

    fn tell(&mut self, event: Event) {
        self.balance.note(&event);
        self.shared.chronicle.note(&event);
        self.telling.tell(event);
    }

    /// Tells what has come from workers and threads so far.
    fn tell_what_came(&mut self) {
        while let Some(event) = self.desk.events.came() {
            self.tell(event);
        }
    }

    fn begin(&mut self, facts: &Facts, selections: Vec<Selection>) {
        self.tell(Event::RunStarted {
            paceline: env!("CARGO_PKG_VERSION").to_owned(),
            job: self.shared.plan.name.clone(),
            run: self.shared.run.clone(),
            resumed_rows: facts.resumed_rows,
        });
        for warning in &facts.warnings {
            self.tell(Event::Warning { message: warning.clone() });
        }
        for (position, selection) in selections.into_iter().enumerate() {
            self.begin_lane(position, facts.rows[position], selection);
        }
    }

    fn begin_lane(&mut self, position: usize, rows: Option<u64>, selection: Selection) {
        let (lane, intake) = (self.lanes[position].clone(), self.intakes[position].clone());
        let before = told::rows(&self.shared.chronicle.before(position));
        self.tell(Event::EndpointStarted { endpoint: lane.plan().name.clone(), rows, before });
        // What feeds them is one more.
        self.working[position] = lane.slots + 1;
        lane.allow();
        for _ in 0..lane.slots {
            let lane = lane.clone();
            self.workers.spawn(async move {
                worker::work(lane).await;
                position
            });
        }
        if let Err(error) = feeder::spawn(lane.clone(), intake.clone(), selection) {
            self.end(Cause::Broken(format!("no thread could be made for the input: {error}")));
        }
        if rows.is_none() && self.telling.is_heard() && lane.plan().source.counts_cheaply() {
            lanes::count(lane.clone());
        }
        self.feeders.spawn(async move {
            feed(lane, intake).await;
            position
        });
    }

    /// Until no worker is left.
    async fn main_loop(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                // Most urgent first; a cause comes before the end that it brings about.
                biased;
                signal = self.signals.next() => self.on_signal(signal),
                command = self.commands.next() => self.on_command(command),
                Some(cause) = self.desk.causes.recv() => self.end(cause),
                Some(end) = self.feeders.join_next() => self.on_feeder_end(end),
                written = &mut self.writing, if self.written.is_none() => self.on_written(written),
                worker = self.workers.join_next() => match worker {
                    Some(end) => self.on_worker_end(end),
                    None => return,
                },
                // Before events, which may come without end.
                _ = tick.tick() => self.tick(),
                Some(event) = self.desk.events.next() => self.tell(event),
            }
        }
    }

    fn tick(&mut self) {
        for lane in &self.lanes {
            lane.live().sleeping.store(lane.queue.sleeping() as u64, Ordering::Relaxed);
        }
        self.shared.chronicle.look(&self.shared, &self.lanes);
        self.telling.tick();
        if let Some(keeping) = &mut self.keeping {
            keeping.tick(&self.shared);
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        // The kernel and the shell may both tell of a terminal that was closed: that is once.
        if signal == Signal::Hangup && self.signals_seen > 0 {
            return;
        }
        self.signals_seen += 1;
        match self.signals_seen {
            1 => {
                self.ending.get_or_insert(RunEnding::Interrupted(signal));
                self.drain("interrupted; once more stops at once");
            }
            2 => self.stop(),
            _ => {
                self.commands.leaving();
                force_exit(signal)
            }
        }
    }

    fn end(&mut self, cause: Cause) {
        let blamed = cause.blamed();
        // Whatever ends a run may say what a file, a database or a disk has said: here it becomes words of the run.
        let ending = cause.ending().masked(&self.shared.masker);
        let reason = match &ending {
            RunEnding::Broken(reason) | RunEnding::Stopped { reason, .. } => reason.clone(),
            RunEnding::Complete | RunEnding::Partial | RunEnding::Interrupted(_) => String::new(),
        };
        // What breaks outranks what merely stops; the first of each kind is told.
        let outranks = matches!(ending, RunEnding::Broken(_)) && !matches!(self.ending, Some(RunEnding::Broken(_)));
        if self.ending.is_none() || outranks {
            (self.ending, self.blamed) = (Some(ending), blamed);
        }
        self.drain(&reason);
    }

    fn drain(&mut self, reason: &str) {
        self.shared.live.draining.store(true, Ordering::Relaxed);
        if self.desk.phase.send_if_modified(|phase| advance(phase, Phase::Draining)) {
            self.tell(Event::Draining { reason: reason.to_owned() });
        }
        for lane in &self.lanes {
            lane.queue.drain();
        }
        for intake in &self.intakes {
            intake.close();
        }
        self.shared.chains.cut();
        // Last: what a pause held back may not leave between its end and the drain.
        self.resume();
    }

    fn stop(&mut self) {
        self.desk.phase.send_if_modified(|phase| advance(phase, Phase::Stopped));
        self.workers.abort_all();
    }

    fn on_worker_end(&mut self, end: Result<usize, JoinError>) {
        match end {
            Ok(lane) => self.one_less(lane),
            Err(error) => self.on_panic(&error, "a worker"),
        }
    }

    fn one_less(&mut self, lane: usize) {
        self.working[lane] -= 1;
        if self.working[lane] == 0 {
            self.tell_what_came();
            let endpoint = self.lanes[lane].plan().name.clone();
            self.tell(Event::EndpointFinished { endpoint });
            self.end_chain(lane);
        }
    }

    /// The records of an endpoint whose rows have all ended are whole; those who read them wait for the commit.
    fn end_chain(&self, lane: usize) {
        let runs = *self.desk.phase.borrow() == Phase::Running;
        if let Some(chain) = self.shared.chains.of(lane).filter(|_| runs) {
            chain.end();
            self.shared.outbox.nudge();
        }
    }

    fn on_feeder_end(&mut self, end: Result<usize, JoinError>) {
        match end {
            Ok(lane) => self.one_less(lane),
            Err(error) => self.on_panic(&error, "a batch"),
        }
    }

    /// The scribe ends before the outbox is closed only when it can't go on; then nobody may wait for it.
    fn on_written(&mut self, written: Result<Written, JoinError>) {
        self.shared.outbox.close();
        match written {
            Ok(written) => self.written = Some(written),
            Err(error) => {
                self.written = Some(Written::default());
                self.on_panic(&error, "the writing thread");
            }
        }
    }

    fn on_panic(&mut self, error: &JoinError, who: &str) {
        if error.is_panic() {
            self.end(panicked(who));
        }
    }

    /// Whether every row of every input has ended.
    fn is_complete(&self) -> bool {
        let once = |intake: &Arc<Intake>, lane: &Arc<Lane>| {
            intake.exhausted.load(Ordering::Acquire) || lane.plan().source.is_read_once()
        };
        // What stops a run at its last row stops nothing.
        let stopped_late = |intake: &Arc<Intake>, lane: &Arc<Lane>| {
            let begun = intake.begun.load(Ordering::Acquire);
            intake.exhausted.load(Ordering::Acquire) && begun == lane.live().ended()
        };
        let mut lanes = self.intakes.iter().zip(&self.lanes);
        match &self.ending {
            None => lanes.all(|(intake, lane)| once(intake, lane)),
            Some(RunEnding::Stopped { .. }) => lanes.all(|(intake, lane)| stopped_late(intake, lane)),
            Some(_) => false,
        }
    }

    /// Ends the scribe, and with it what the session writes.
    async fn finish(&mut self) {
        self.resume();
        // Without workers nothing is left to feed: they end by themselves, so that each batch tells its end.
        while let Some(end) = self.feeders.join_next().await {
            self.on_feeder_end(end);
        }
        self.shared.outbox.close();
        while self.written.is_none() {
            tokio::select! {
                written = &mut self.writing => self.on_written(written),
                signal = self.signals.next() => self.on_signal(signal),
                command = self.commands.next() => self.on_command(command),
                Some(cause) = self.desk.causes.recv() => self.end(cause),
                // A sink that is away is waited for, which somebody may want to know.
                Some(event) = self.desk.events.next() => self.tell(event),
                () = tokio::time::sleep(TICK) => self.tick(),
            }
        }
        self.shared.saves.close();
        if let Some(intents) = &self.shared.intents {
            intents.close();
        }
        while let Ok(cause) = self.desk.causes.try_recv() {
            self.end(cause);
        }
        self.tell_what_came();
        self.tick();
        for event in self.balance.rest() {
            self.tell(event);
        }
    }
}

fn panicked(who: &str) -> Cause {
    Cause::Broken(format!("{who} panicked; this is a bug of paceline, and what was committed is safe"))
}

fn advance(phase: &mut Phase, to: Phase) -> bool {
    let forward = *phase < to;
    if forward {
        *phase = to;
    }
    forward
}

/// Runs the batch lanes of an endpoint and says when there are no more rows.
async fn feed(lane: Arc<Lane>, intake: Arc<Intake>) {
    let batches = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..lane.plan().batch.in_flight {
        lanes.spawn(feeder::dispatch(lane.clone(), intake.clone(), batches.clone()));
    }
    while let Some(end) = lanes.join_next().await {
        // The others end as the run drains.
        if end.is_err_and(|error| error.is_panic()) {
            lane.shared.control.end(panicked("a batch"));
        }
    }
    lane.queue.complete();
}
