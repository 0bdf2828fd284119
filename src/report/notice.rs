//! Notices: the few events that matter enough to be a line of their own beside the progress.

use std::collections::HashMap;
use std::time::Duration;

use super::log::words;
use super::text::{clean, counted};
use crate::clock::{self, Instant};
use crate::event::Event;
use crate::secret::Masker;

/// A server that throttles says so with every reply; once in this time is enough to know.
const QUIET: Duration = Duration::from_secs(5);

/// Turns events into notices, and leaves out those that only repeat the last one.
#[derive(Debug, Default)]
pub struct Notices {
    held: HashMap<String, Instant>,
    masker: Masker,
}

impl Notices {
    /// From here on this masker takes secrets out of what came from outside.
    pub fn masked_by(&mut self, masker: &Masker) {
        self.masker = masker.clone();
    }

    fn shown(&self, text: &str) -> String {
        clean(&self.masker.mask(text))
    }

    /// The line for an event, if it deserves one.
    pub fn of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::RunStarted { job, run, resumed_rows, .. } if *resumed_rows > 0 => {
                let rows = counted(*resumed_rows, "row");
                Some(format!("{}: going on with run {}, {rows} done before", clean(job), clean(run)))
            }
            Event::Held { limit, wait_ms } => self.hold(limit, *wait_ms),
            Event::OutageBegan { endpoint, host, reason, .. } => {
                let (endpoint, host, reason) = (clean(endpoint), self.shown(host), self.shown(reason));
                Some(format!("outage: every call of {endpoint} to {host} fails ({reason}); waiting until it is back"))
            }
            // The summary says that the host was still out.
            Event::OutageEnded { answered: false, .. } => None,
            Event::OutageEnded { endpoint, host, lasted_ms, answered: true } => {
                let lasted = clock::human(Duration::from_millis(*lasted_ms));
                Some(format!("{}: {} is back after {lasted}", clean(endpoint), self.shown(host)))
            }
            Event::Paused { on_wire } => Some(words::paused(*on_wire)),
            Event::Resumed { paused_ms } => Some(words::resumed(*paused_ms)),
            Event::ConcurrencyChanged { endpoints } => Some(words::concurrency(endpoints)),
            Event::Warning { message } => Some(format!("warning: {}", self.shown(message))),
            Event::Draining { reason } => Some(format!("draining: {}; requests in flight end", self.shown(reason))),
            Event::RunStarted { .. }
            | Event::EndpointStarted { .. }
            | Event::BatchStarted { .. }
            | Event::BatchFinished { .. }
            | Event::Attempted { .. }
            | Event::Retrying { .. }
            | Event::Postponed { .. }
            | Event::RowFailed { .. }
            | Event::RowSkipped { .. }
            | Event::RowEnded { .. }
            | Event::Committed { .. }
            | Event::Progress { .. }
            | Event::LeftOut { .. }
            | Event::EndpointFinished { .. }
            | Event::RunFinished { .. } => None,
        }
    }

    fn hold(&mut self, limit: &str, wait_ms: u64) -> Option<String> {
        let now = clock::now();
        if self.held.get(limit).is_some_and(|last| now.duration_since(*last) < QUIET) {
            return None;
        }
        self.held.insert(limit.to_owned(), now);
        let wait = clock::human(Duration::from_millis(wait_ms));
        Some(format!("held: {} waits {wait}, the server asks for it", clean(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_said() {
        let mut notices = Notices::default();
        let mut of = |event| notices.of(&event);
        let started = |resumed_rows| Event::RunStarted {
            paceline: "0.1.0".into(),
            job: "prices".into(),
            run: "r7".into(),
            resumed_rows,
        };
        assert_eq!(of(started(0)), None);
        assert_eq!(of(started(1412)).as_deref(), Some("prices: going on with run r7, 1,412 rows done before"));
        assert_eq!(of(Event::Warning { message: "odd\nrow".into() }).as_deref(), Some("warning: odd row"));
        let draining = of(Event::Draining { reason: "interrupted".into() });
        assert_eq!(draining.as_deref(), Some("draining: interrupted; requests in flight end"));
        assert_eq!(of(Event::RunFinished { complete: true, summary: Box::default() }), None);
    }

    #[test]
    fn what_came_from_outside_is_said_without_secrets() {
        let mut notices = Notices::default();
        notices.masked_by(&Masker::new(["hunter2"]));
        let reason = || "no hunter2 there".to_owned();
        let events = [
            Event::Warning { message: reason() },
            Event::Draining { reason: reason() },
            Event::OutageBegan { endpoint: "a".into(), host: "hunter2".into(), reason: reason(), wait_ms: 1 },
        ];
        for event in events {
            let said = notices.of(&event).unwrap();
            assert!(said.contains("no *** there") && !said.contains("hunter2"), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_not_repeated_all_the_time() {
        let mut notices = Notices::default();
        let held = |limit: &str| Event::Held { limit: limit.into(), wait_ms: 2000 };
        assert_eq!(notices.of(&held("a")).as_deref(), Some("held: a waits 2s, the server asks for it"));
        assert_eq!(notices.of(&held("a")), None);
        assert!(notices.of(&held("b")).is_some(), "another limit is another thing");
        tokio::time::advance(QUIET).await;
        assert!(notices.of(&held("a")).is_some());
    }
}
