//! What tasks and threads of a run tell the conductor, and what it tells them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::event::Event;
use crate::plan::stop_if;
use crate::retry::FailureKind;

use super::pauses::Pauses;
use super::{Keyed, RunEnding};

/// Events on their way to the conductor beyond which those about single rows are left out: it tells them faster than
/// they happen, unless it is kept from its work.
const MOST_EVENTS: usize = 200_000;

/// Where a run stands. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Rows are begun.
    Running,
    /// No row is begun and no request leaves; what is on the wire ends.
    Draining,
    /// Everything is dropped where it stands; what has ended is committed.
    Stopped,
}

/// Why a run ends before its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A server asks for a longer wait than the job allows.
    ServerWait {
        /// The endpoint that was told.
        endpoint: String,
        /// The wait.
        wait: Duration,
    },
    /// A host has not answered for longer than the job waits.
    Outage {
        /// The endpoint.
        endpoint: String,
        /// The host.
        host: String,
        /// For how long.
        lasted: Duration,
        /// What the last call came to, masked.
        reason: String,
    },
    /// A server has throttled every request for longer than the job waits.
    Throttled {
        /// The endpoint.
        endpoint: String,
        /// For how long.
        lasted: Duration,
        /// The wait that would have come next.
        wait: Duration,
    },
    /// A rule of an endpoint says so.
    Rule {
        /// The endpoint.
        endpoint: String,
        /// The rule and the reply, masked.
        reason: String,
    },
    /// A condition of `run.stop-if` holds.
    StopIf {
        /// As written.
        condition: String,
    },
    /// An endpoint met something that every row would meet.
    Doomed {
        /// The endpoint.
        endpoint: String,
        /// What, masked.
        reason: String,
        /// Of which kind.
        kind: FailureKind,
    },
    /// What records are carried to has been away for longer than the run waits.
    SinkAway {
        /// The sink.
        sink: String,
        /// For how long.
        lasted: Duration,
        /// What was said last.
        reason: String,
    },
    /// An input, an output or the journal can't go on.
    Broken(String),
}

impl Cause {
    /// The key of the job that it comes from, where it comes from one.
    #[must_use]
    pub fn blamed(&self) -> Option<Keyed> {
        match self {
            Cause::Doomed { endpoint, kind, .. } => Keyed::doom(endpoint, *kind),
            _ => None,
        }
    }

    /// How a run ends that does not come to its last row.
    #[must_use]
    pub fn ending(self) -> RunEnding {
        let stopped = |reason, resume_after: Option<Duration>| {
            let resume_at = resume_after.and_then(|wait| clock::wall().checked_add(wait));
            RunEnding::Stopped { reason, resume_after, resume_at }
        };
        match self {
            Cause::Broken(message) => RunEnding::Broken(message),
            Cause::Doomed { endpoint, reason, .. } => {
                RunEnding::Broken(format!("every row of {endpoint} would fail: {reason}"))
            }
            Cause::ServerWait { endpoint, wait } => {
                let wait_words = clock::human(wait);
                stopped(
                    format!("{endpoint}: the server asks to wait {wait_words}, longer than retry.max-wait"),
                    Some(wait),
                )
            }
            Cause::Outage { endpoint, host, lasted, reason } => {
                let lasted = clock::human(lasted);
                let why = format!(
                    "{endpoint}: {host} was out for {lasted}, longer than retry.max-wait; the last call: {reason}"
                );
                stopped(why, None)
            }
            Cause::Throttled { endpoint, lasted, wait } => {
                let lasted = clock::human(lasted);
                let why =
                    format!("{endpoint}: the server throttled everything for {lasted}, longer than retry.max-wait");
                stopped(why, Some(wait))
            }
            Cause::SinkAway { sink, lasted, reason } => {
                let lasted = clock::human(lasted);
                let why = format!(
                    "sinks.{sink} was away for {lasted}: {reason}; its records wait in the state folder and go there first \
                     when the run goes on"
                );
                stopped(why, None)
            }
            Cause::Rule { endpoint, reason } => stopped(format!("{endpoint}: a rule says stop: {reason}"), None),
            Cause::StopIf { condition } => stopped(stop_if::words(&condition), None),
        }
    }
}

/// The workers' end of the line to the conductor.
#[derive(Debug, Clone)]
pub struct Control {
    events: mpsc::UnboundedSender<Event>,
    backlog: Arc<Backlog>,
    causes: mpsc::UnboundedSender<Cause>,
    phase: watch::Receiver<Phase>,
    /// Whether somebody wants to be told of every attempt.
    attempts: Arc<AtomicBool>,
    /// The same of every row that ends.
    rows: Arc<AtomicBool>,
    pauses: Arc<Pauses>,
}

/// Where events come in.
#[derive(Debug)]
pub struct Inbox {
    events: mpsc::UnboundedReceiver<Event>,
    backlog: Arc<Backlog>,
}

/// What is known of events on their way to the conductor.
#[derive(Debug, Default)]
struct Backlog {
    waiting: AtomicUsize,
    /// Those that were left out and have not been told of, by name.
    left_out: Mutex<BTreeMap<String, u64>>,
}

/// The conductor's end of the line. It never blocks, so that little piles up here, and never more than is bounded.
#[derive(Debug)]
pub struct Desk {
    /// For the reporters.
    pub events: Inbox,
    /// Reasons to end the run.
    pub causes: mpsc::UnboundedReceiver<Cause>,
    /// Moves the run on.
    pub phase: watch::Sender<Phase>,
}

/// A line between workers and conductor.
#[must_use]
pub fn line() -> (Control, Desk) {
    let (events, events_in) = mpsc::unbounded_channel();
    let (causes, causes_in) = mpsc::unbounded_channel();
    let (switch, phase) = watch::channel(Phase::Running);
    let (attempts, rows, pauses, backlog) = (Arc::default(), Arc::default(), Arc::default(), Arc::<Backlog>::default());
    (
        Control { events, backlog: Arc::clone(&backlog), causes, phase, attempts, pauses, rows },
        Desk { events: Inbox { events: events_in, backlog }, causes: causes_in, phase: switch },
    )
}

impl Inbox {
    /// The next event for the reporters; ends when nobody is left to tell one.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(gap) = self.backlog.gap() {
            return Some(gap);
        }
        let event = self.events.recv().await?;
        self.backlog.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }

    /// The next one that is there.
    pub fn came(&mut self) -> Option<Event> {
        if let Some(gap) = self.backlog.gap() {
            return Some(gap);
        }
        let event = self.events.try_recv().ok()?;
        self.backlog.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }
}

impl Backlog {
    /// What was left out, once there is room again.
    fn gap(&self) -> Option<Event> {
        if self.waiting.load(Ordering::Relaxed) >= MOST_EVENTS / 2 {
            return None;
        }
        let events = std::mem::take(&mut *self.left_out.lock().unwrap_or_else(PoisonError::into_inner));
        (!events.is_empty()).then_some(Event::LeftOut { events })
    }

    fn leave_out(&self, name: &str) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        *left_out.entry(name.to_owned()).or_default() += 1;
    }
}

impl Control {
    /// Waits until the run no longer runs.
    pub async fn drained(&self) {
        let mut phase = self.phase.clone();
        // An error means that the conductor is gone, which ends the run as well.
        let _ = phase.wait_for(|phase| *phase > Phase::Running).await;
    }

    /// Waits until everything is dropped where it stands.
    pub async fn stopped(&self) {
        let mut phase = self.phase.clone();
        let _ = phase.wait_for(|phase| *phase == Phase::Stopped).await;
    }

    /// Whether the run no longer runs.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        *self.phase.borrow() > Phase::Running
    }

    /// Where the run stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Pauses by hand.
    #[must_use]
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// Tells the reporters. An event about a single row is left out and counted where too many are on their way.
    pub fn tell(&self, event: Event) {
        if self.backlog.waiting.load(Ordering::Relaxed) >= MOST_EVENTS
            && let Some((name, _)) = event.about_a_row()
        {
            return self.backlog.leave_out(name);
        }
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(event);
    }

    /// Whether every attempt is to be told.
    pub fn tell_attempts(&self, wanted: bool) {
        self.attempts.store(wanted, Ordering::Relaxed);
    }

    /// Whether anybody wants to know of every attempt.
    #[must_use]
    pub fn hears_attempts(&self) -> bool {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Tells an attempt, if anybody wants to know.
    pub fn tell_attempt(&self, event: impl FnOnce() -> Event) {
        if self.hears_attempts() {
            self.tell(event());
        }
    }

    /// Whether every row that ends is to be told.
    pub fn tell_rows(&self, wanted: bool) {
        self.rows.store(wanted, Ordering::Relaxed);
    }

    /// Tells a row that has ended, if anybody wants to know.
    pub fn tell_row(&self, event: impl FnOnce() -> Event) {
        if self.rows.load(Ordering::Relaxed) {
            self.tell(event());
        }
    }

    /// Ends the run.
    pub fn end(&self, cause: Cause) {
        let _ = self.causes.send(cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_about_rows_are_left_out_and_counted_where_the_conductor_is_far_behind() {
        let (control, mut desk) = line();
        let failed = || Event::RowFailed { endpoint: "a".to_owned(), row: 1, reason: "no".to_owned() };
        let committed = || Event::Committed { rows: Default::default(), outputs: Vec::new() };
        (0..MOST_EVENTS + 7).for_each(|_| control.tell(failed()));
        control.tell(committed());
        let told: Vec<Event> = std::iter::from_fn(|| desk.events.came()).collect();
        let gap = Event::LeftOut { events: [("row-failed".to_owned(), 7)].into() };
        assert_eq!(told.len(), MOST_EVENTS + 2);
        assert_eq!(told.iter().filter(|event| **event == gap).count(), 1, "a gap is told once");
        assert_eq!(told.last(), Some(&committed()));
        control.tell(failed());
        assert_eq!((desk.events.came(), desk.events.came()), (Some(failed()), None));
    }
}
