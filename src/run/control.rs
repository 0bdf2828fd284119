//! What tasks and threads of a run tell the conductor, and what it tells them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::event::Event;

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
    /// An input, an output or the journal can't go on.
    Broken(String),
}

/// The workers' end of the line to the conductor.
#[derive(Debug, Clone)]
pub struct Control {
    events: mpsc::UnboundedSender<Event>,
    backlog: Arc<AtomicUsize>,
    causes: mpsc::UnboundedSender<Cause>,
    phase: watch::Receiver<Phase>,
}

/// The conductor's end of the line.
#[derive(Debug)]
pub struct Desk {
    /// For the reporters.
    pub events: Events,
    /// Reasons to end the run; few, and none may be lost.
    pub causes: mpsc::UnboundedReceiver<Cause>,
    /// Moves the run on.
    pub phase: watch::Sender<Phase>,
}

/// Events on their way.
#[derive(Debug)]
pub struct Events {
    inbox: mpsc::UnboundedReceiver<Event>,
    backlog: Arc<AtomicUsize>,
}

/// Events on their way to slow reporters; beyond it those about single rows are dropped, for reporters
/// only look.
const MOST_EVENTS: usize = 1_000;

/// A line between workers and conductor.
#[must_use]
pub fn line() -> (Control, Desk) {
    let (events, inbox) = mpsc::unbounded_channel();
    let (causes, causes_in) = mpsc::unbounded_channel();
    let (switch, phase) = watch::channel(Phase::Running);
    let backlog = Arc::new(AtomicUsize::new(0));
    let desk = Desk { events: Events { inbox, backlog: backlog.clone() }, causes: causes_in, phase: switch };
    (Control { events, backlog, causes, phase }, desk)
}

impl Control {
    /// Waits until the run no longer runs.
    pub async fn drained(&self) {
        let mut phase = self.phase.clone();
        // An error means that the conductor is gone, which ends the run as well.
        let _ = phase.wait_for(|phase| *phase > Phase::Running).await;
    }

    /// Whether the run no longer runs.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        *self.phase.borrow() > Phase::Running
    }

    /// Tells the reporters something about a row or a limit; dropped when they are far behind.
    pub fn tell(&self, event: Event) {
        if self.backlog.load(Ordering::Relaxed) < MOST_EVENTS {
            self.announce(event);
        }
    }

    /// Tells the reporters of a beginning or an end; never dropped, so that they balance.
    pub fn announce(&self, event: Event) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(event);
    }

    /// Ends the run.
    pub fn end(&self, cause: Cause) {
        let _ = self.causes.send(cause);
    }
}

impl Events {
    /// The next event.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.inbox.recv().await;
        self.backlog.fetch_sub(usize::from(event.is_some()), Ordering::Relaxed);
        event
    }

    /// The next event that is there already.
    pub fn waiting(&mut self) -> Option<Event> {
        let event = self.inbox.try_recv().ok();
        self.backlog.fetch_sub(usize::from(event.is_some()), Ordering::Relaxed);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beginnings_and_ends_are_never_dropped() {
        let (control, mut desk) = line();
        let held = || Event::Held { limit: "api".to_owned(), wait_ms: 1 };
        (0..2 * MOST_EVENTS).for_each(|_| control.tell(held()));
        let finished = Event::EndpointFinished { endpoint: "a".to_owned() };
        control.announce(finished.clone());
        let told: Vec<Event> = std::iter::from_fn(|| desk.events.waiting()).collect();
        assert_eq!((told.len(), told.last()), (MOST_EVENTS + 1, Some(&finished)));
        control.tell(held());
        assert_eq!(desk.events.next().await, Some(held()), "there is room again");
    }
}
