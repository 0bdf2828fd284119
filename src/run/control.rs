//! What tasks and threads of a run tell the conductor, and what it tells them.

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
    /// An endpoint met something that every row would meet.
    Doomed {
        /// The endpoint.
        endpoint: String,
        /// What, masked.
        reason: String,
    },
    /// An input, an output or the journal can't go on.
    Broken(String),
}

/// The workers' end of the line to the conductor.
#[derive(Debug, Clone)]
pub struct Control {
    events: mpsc::UnboundedSender<Event>,
    causes: mpsc::UnboundedSender<Cause>,
    phase: watch::Receiver<Phase>,
}

/// The conductor's end of the line. It never blocks, so that nothing piles up here.
#[derive(Debug)]
pub struct Desk {
    /// For the reporters.
    pub events: mpsc::UnboundedReceiver<Event>,
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
    (Control { events, causes, phase }, Desk { events: events_in, causes: causes_in, phase: switch })
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

    /// Tells the reporters.
    pub fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Ends the run.
    pub fn end(&self, cause: Cause) {
        let _ = self.causes.send(cause);
    }
}
