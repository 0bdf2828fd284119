//! The conductor: the single owner of the run's state.
//!
//! Everyone else sends it messages; it moves the phase on, ends every task it began, and its main loop
//! has no `?`: whatever happens ends in a commit and a report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::event::Event;
use crate::report::Reporter;

use super::control::{Cause, Desk, Phase};
use super::feeder::{self, Intake, Selection};
use super::lane::{Lane, Shared};
use super::open::Opened;
use super::scribe::{Scribe, Written};
use super::{RunEnding, RunReport, Signal, summing, worker};

/// Redraws of reporters.
const TICK: Duration = Duration::from_millis(100);

/// Unix exit code of a process that is told a third time to end.
const EXIT_FORCED: i32 = 130;

/// Signals that people send to end a run.
struct Signals {
    interrupt: Option<SignalStream>,
    terminate: Option<SignalStream>,
}

impl Signals {
    fn listen() -> Self {
        // A process that can't listen keeps the default behaviour, which ends it; the journal holds.
        Self { interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok() }
    }

    async fn next(&mut self) -> Signal {
        async fn one(stream: Option<&mut SignalStream>) {
            match stream {
                Some(stream) => {
                    stream.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(self.interrupt.as_mut()) => Signal::Interrupt,
            () = one(self.terminate.as_mut()) => Signal::Terminate,
        }
    }
}

/// See the module.
pub struct Conductor {
    shared: Arc<Shared>,
    lanes: Vec<Arc<Lane>>,
    intakes: Vec<Arc<Intake>>,
    desk: Desk,
    reporters: Vec<Box<dyn Reporter>>,
    workers: JoinSet<()>,
    feeders: JoinSet<()>,
    ending: Option<RunEnding>,
    signals: Signals,
    signals_seen: u32,
}

impl Conductor {
    /// Runs what was opened to its end.
    pub async fn conduct(opened: Opened, reporters: Vec<Box<dyn Reporter>>) -> RunReport {
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
        );
        let writing = tokio::task::spawn_blocking(move || scribe.run());
        let mut conductor = Self {
            shared: opened.shared,
            lanes: opened.lanes,
            intakes,
            desk: opened.desk,
            reporters,
            workers: JoinSet::new(),
            feeders: JoinSet::new(),
            ending: None,
            signals: Signals::listen(),
            signals_seen: 0,
        };
        conductor.begin(&opened.facts, opened.selections);
        conductor.main_loop().await;
        complete.store(conductor.is_complete(&opened.facts), Ordering::Release);
        let written = conductor.finish(writing).await;
        let ending = conductor.ending.unwrap_or(RunEnding::Complete);
        summing::report(&conductor.shared, &opened.facts, ending, written.as_ref(), began.elapsed())
    }

    fn tell(&mut self, event: &Event) {
        for reporter in &mut self.reporters {
            reporter.tell(event);
        }
    }

    fn begin(&mut self, facts: &super::open::Facts, selections: Vec<Selection>) {
        let plan = self.shared.plan.clone();
        self.tell(&Event::RunStarted {
            job: plan.name.clone(),
            run: facts.run.clone(),
            resumed_rows: facts.resumed_rows,
        });
        for (position, selection) in selections.into_iter().enumerate() {
            let (lane, intake) = (self.lanes[position].clone(), self.intakes[position].clone());
            let rows = facts.rows[position];
            self.tell(&Event::EndpointStarted { endpoint: lane.plan().name.clone(), rows });
            for _ in 0..lane.plan().concurrency {
                self.workers.spawn(worker::work(lane.clone()));
            }
            if let Err(error) = feeder::spawn(lane.clone(), intake.clone(), selection) {
                self.end(Cause::Broken(format!("no thread could be made for the input: {error}")));
            }
            if rows.is_none() {
                count(lane.clone());
            }
            self.feeders.spawn(feed(lane, intake));
        }
    }

    async fn main_loop(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                // Most urgent first.
                biased;
                signal = self.signals.next() => self.on_signal(signal),
                Some(cause) = self.desk.causes.recv() => self.end(cause),
                worker = self.workers.join_next() => match worker {
                    Some(end) => self.on_worker_end(end),
                    None => return,
                },
                Some(event) = self.desk.events.recv() => self.tell(&event),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        for lane in &self.lanes {
            lane.live().sleeping.store(lane.queue.sleeping() as u64, Ordering::Relaxed);
        }
        for reporter in &mut self.reporters {
            reporter.tick(&self.shared.live);
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        self.signals_seen += 1;
        match self.signals_seen {
            1 => {
                self.ending.get_or_insert(RunEnding::Interrupted(signal));
                self.drain("interrupted; once more stops at once");
            }
            2 => self.stop(),
            _ => force_exit(),
        }
    }

    fn end(&mut self, cause: Cause) {
        let (ending, reason) = match cause {
            Cause::Broken(message) => (RunEnding::Broken(message.clone()), message),
            Cause::ServerWait { endpoint, wait } => {
                let reason =
                    format!("{endpoint}: the server asks to wait {}, longer than retry.max-wait", clock::human(wait));
                (RunEnding::Stopped { reason: reason.clone(), resume_after: Some(wait) }, reason)
            }
        };
        // What breaks outranks what merely stops; the first of each kind is told.
        let outranks = matches!(ending, RunEnding::Broken(_)) && !matches!(self.ending, Some(RunEnding::Broken(_)));
        if self.ending.is_none() || outranks {
            self.ending = Some(ending);
        }
        self.drain(&reason);
    }

    fn drain(&mut self, reason: &str) {
        if self.desk.phase.send_if_modified(|phase| advance(phase, Phase::Draining)) {
            self.tell(&Event::Draining { reason: reason.to_owned() });
        }
        for lane in &self.lanes {
            lane.queue.drain();
        }
        for intake in &self.intakes {
            intake.close();
        }
    }

    fn stop(&mut self) {
        self.desk.phase.send_if_modified(|phase| advance(phase, Phase::Stopped));
        self.workers.abort_all();
    }

    fn on_worker_end(&mut self, end: Result<(), JoinError>) {
        if let Err(error) = end
            && error.is_panic()
        {
            self.end(Cause::Broken(
                "a worker panicked; this is a bug of paceline, and what was committed is safe".into(),
            ));
        }
    }

    /// Whether every row of every input has ended.
    fn is_complete(&self, facts: &super::open::Facts) -> bool {
        self.ending.is_none()
            && (facts.completes || self.intakes.iter().all(|intake| intake.exhausted.load(Ordering::Acquire)))
    }

    /// Ends the scribe, and with it the session.
    async fn finish(&mut self, mut writing: tokio::task::JoinHandle<Written>) -> Option<Written> {
        self.feeders.abort_all();
        self.shared.outbox.close();
        let written = loop {
            tokio::select! {
                written = &mut writing => break written.ok(),
                signal = self.signals.next() => self.on_signal(signal),
                _ = tokio::time::sleep(TICK) => self.tick(),
            }
        };
        while let Ok(cause) = self.desk.causes.try_recv() {
            self.end(cause);
        }
        if written.is_none() {
            self.end(Cause::Broken("the writing thread panicked; what was committed is safe".into()));
        }
        while let Ok(event) = self.desk.events.try_recv() {
            self.tell(&event);
        }
        self.tick();
        for position in 0..self.lanes.len() {
            let endpoint = self.lanes[position].plan().name.clone();
            self.tell(&Event::EndpointFinished { endpoint });
        }
        let complete = self.ending.is_none();
        self.tell(&Event::RunFinished { complete });
        written
    }
}

fn advance(phase: &mut Phase, to: Phase) -> bool {
    let forward = *phase < to;
    if forward {
        *phase = to;
    }
    forward
}

/// Counts the rows of an input in the background: only the progress bar wants to know, and the process
/// does not wait for it.
fn count(lane: Arc<Lane>) {
    let counting = move || {
        if let Ok(Some(rows)) = lane.plan().source.count() {
            let rows = lane.shared.plan.row_limit.map_or(rows, |limit| rows.min(limit));
            lane.live().rows.store(rows, Ordering::Relaxed);
        }
    };
    // Without the thread the bar has no end; nothing else is missing.
    let _ = std::thread::Builder::new().name("count".into()).spawn(counting);
}

/// Runs the batch lanes of an endpoint and says when there are no more rows.
async fn feed(lane: Arc<Lane>, intake: Arc<Intake>) {
    let batches = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..lane.plan().batch.in_flight {
        lanes.spawn(feeder::dispatch(lane.clone(), intake.clone(), batches.clone()));
    }
    lanes.join_all().await;
    lane.queue.complete();
}

/// The third signal: whoever sends it wants the process gone, whatever it is doing.
#[allow(clippy::disallowed_methods, reason = "the last resort of a person in front of a process that hangs")]
fn force_exit() {
    std::process::exit(EXIT_FORCED)
}
