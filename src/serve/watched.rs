//! The run that is looked at: known to the servers before it is open, and until it has ended.
//!
//! A recap costs some milliseconds, so that one serves all who ask within a while. Must never be asked on the way of a
//! row.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant};
use crate::event::Event;
use crate::recap::{Output, Recap};
use crate::report::{Reporter, View};
use crate::run::live::Live;

/// How old a recap may be that somebody is shown: many who ask cost no more than one.
const FRESH: Duration = Duration::from_millis(500);

/// See the module.
pub struct Watched {
    view: OnceLock<Opened>,
    seen: Mutex<Option<(Instant, Arc<Recap>)>>,
    phase: watch::Sender<Phase>,
}

/// Where a run stands, for those who look at it.
#[derive(Debug, Clone, Default)]
pub enum Phase {
    /// It is not open yet, or at work.
    #[default]
    Working,
    /// It is over, and this is what became of it; `None`: it could not start.
    Over(Option<Arc<Recap>>),
}

impl Default for Watched {
    fn default() -> Self {
        Self { view: OnceLock::new(), seen: Mutex::default(), phase: watch::Sender::new(Phase::Working) }
    }
}

struct Opened {
    view: Arc<dyn View>,
    /// Where records stood before this session.
    before: Vec<Output>,
}

impl Watched {
    /// The run with its counters; `None`: it is not open yet.
    #[must_use]
    pub fn view(&self) -> Option<&dyn View> {
        self.view.get().map(|opened| opened.view.as_ref())
    }

    /// Tells those who look that the run is over, and how it ended.
    pub fn end(&self, recap: Option<&Recap>) {
        self.phase.send_replace(Phase::Over(recap.cloned().map(Arc::new)));
    }

    /// Where the run stands, to wait for its end.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// The run as it ended, or as it stood a moment ago.
    #[must_use]
    pub fn recap(&self) -> Option<Arc<Recap>> {
        if let Phase::Over(Some(recap)) = &*self.phase.borrow() {
            return Some(recap.clone());
        }
        let view = self.view()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, recap)) = seen.as_ref().filter(|(at, _)| clock::now() < *at + FRESH) {
            return Some(recap.clone());
        }
        let mut recap = view.recap();
        if let Some(last) = recap.sessions.last_mut() {
            last.ending.reason = Some(standing(view.live()).to_owned());
        }
        let recap = Arc::new(recap);
        *seen = Some((clock::now(), recap.clone()));
        Some(recap)
    }

    /// Records that a sink had when this session began.
    #[must_use]
    pub fn records_before(&self, sink: &str) -> u64 {
        let before = self.view.get().map(|opened| opened.before.as_slice()).unwrap_or_default();
        before.iter().find(|output| output.sink == sink).map_or(0, |output| output.records)
    }
}

/// How a run that is at work goes on: whoever looks at it has no need to wonder whether it was killed.
fn standing(live: &Live) -> &'static str {
    match (live.draining.load(Ordering::Relaxed), live.paused.load(Ordering::Relaxed)) {
        (true, _) => "and draining: what is on the wire ends",
        (false, true) => "and paused by hand",
        (false, false) => "just now",
    }
}

/// Learns which run it is that is looked at.
pub struct Watcher(pub Arc<Watched>);

impl Reporter for Watcher {
    fn opened(&mut self, view: &Arc<dyn View>) {
        let before = view.recap().outputs;
        // There is one run; a second one would not be shown.
        let _ = self.0.view.set(Opened { view: view.clone(), before });
    }

    fn tell(&mut self, _event: &Event) {}

    fn tick(&mut self, _live: &Live) {}
}
