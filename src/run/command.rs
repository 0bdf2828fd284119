//! Commands: what a person, or a program, tells a run while it goes on.
//!
//! The one door into a run from outside, beside signals. Must never hold anybody up: commands are queued, and those
//! that come too late, or say what is so already, are passed over.

use std::fmt;

use tokio::sync::mpsc;

/// What a run may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// No request leaves from now on; those on the wire end.
    Pause,
    /// Requests leave again.
    Resume,
    /// Every endpoint may have more requests in flight: one below ten, else about a tenth; never more than the job says.
    More,
    /// Every endpoint may have fewer requests in flight, at least one.
    Fewer,
    /// As SIGINT: the first time what is on the wire ends and the run with it, the second time it stops at once.
    Drain,
}

/// Where commands are given; may be cloned.
#[derive(Debug, Clone)]
pub struct Commander(mpsc::UnboundedSender<Command>);

impl Commander {
    /// Gives a command; one to a run that has ended is lost.
    pub fn give(&self, command: Command) {
        let _ = self.0.send(command);
    }
}

/// The run's end of it, with what is to be done outside at two moments.
pub struct Commands {
    inbox: mpsc::UnboundedReceiver<Command>,
    begun: Option<Box<dyn FnOnce() + Send>>,
    leaving: Option<Box<dyn Fn() + Send>>,
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

/// A way to command a run that is to be begun.
#[must_use]
pub fn commands() -> (Commander, Commands) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (Commander(sender), Commands { inbox, begun: None, leaving: None })
}

impl Commands {
    /// With what is done once signals are listened to: from then on none of them ends the process by itself.
    #[must_use]
    pub fn on_begun(self, action: impl FnOnce() + Send + 'static) -> Self {
        Self { begun: Some(Box::new(action)), ..self }
    }

    /// With what is done right before the process is left in the middle of the run, since somebody insists. It must not wait.
    #[must_use]
    pub fn on_leaving(self, action: impl Fn() + Send + 'static) -> Self {
        Self { leaving: Some(Box::new(action)), ..self }
    }

    pub(super) fn begun(&mut self) {
        if let Some(action) = self.begun.take() {
            action();
        }
    }

    pub(super) fn leaving(&self) {
        if let Some(action) = &self.leaving {
            action();
        }
    }

    /// The next command; never ends where there will be none.
    pub(super) async fn next(&mut self) -> Command {
        match self.inbox.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }
}
