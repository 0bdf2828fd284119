//! The log: every event that says something becomes an event of `tracing`, with a level, a target and fields.
//!
//! What is made of them is another's business: [`collector`] writes those that a [`filter`] lets through as lines of
//! text or JSON ([`mod@line`]), by a thread of its own ([`queue`]), without secrets; who embeds the library may collect
//! them with whatever understands `tracing`. Must never write anything itself, nor let a field say what the words of
//! its event do not.

pub mod collector;
pub mod filter;
pub mod line;
pub mod out;
pub mod queue;
pub mod words;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing::Level;

use super::Reporter;
use super::fault::Fault;
use super::text::{clean, counted};
use crate::clock;
use crate::event::Event;
use crate::run::live::Live;
use crate::run::{RunEnding, RunReport};
use crate::secret::Masker;
use words::describe;

/// Targets of what this program says; all others are those of crates below it.
pub const TARGETS: [&str; 9] = [
    "paceline::run",
    "paceline::check",
    "paceline::endpoint",
    "paceline::batch",
    "paceline::row",
    "paceline::attempt",
    "paceline::limit",
    "paceline::progress",
    "paceline::log",
];

/// The masker of a run, once there is one: secrets are read when the run opens, and a log may be there before.
#[derive(Debug, Clone, Default)]
pub struct Veil(Arc<OnceLock<Masker>>);

impl Veil {
    /// From here on this masker masks; only the first one counts, for a log is that of one run.
    pub fn draw(&self, masker: &Masker) {
        let _ = self.0.set(masker.clone());
    }

    /// The masker.
    #[must_use]
    pub fn masker(&self) -> Option<&Masker> {
        self.0.get()
    }
}

/// Hands events on.
#[derive(Debug)]
pub struct Log {
    veil: Veil,
    run: Option<String>,
    /// Whether its lines are kept, and not only looked at.
    is_kept: bool,
    /// What goes wrong with who writes the lines.
    fault: Option<Fault>,
    /// When that happened which is told.
    at: SystemTime,
}

impl Default for Log {
    fn default() -> Self {
        Self::new(Veil::default())
    }
}

impl Log {
    /// A log whose lines pass through `veil` before anybody sees them.
    #[must_use]
    pub fn new(veil: Veil) -> Self {
        Self { veil, run: None, is_kept: false, fault: None, at: SystemTime::UNIX_EPOCH }
    }

    /// The same; its lines go to a file, so that they are a record of the run.
    #[must_use]
    pub fn kept(self, is_kept: bool) -> Self {
        Self { is_kept, ..self }
    }

    /// The same; what goes wrong with who writes the lines is noted there.
    #[must_use]
    pub fn minding(self, fault: &Fault) -> Self {
        Self { fault: Some(fault.clone()), ..self }
    }
}

/// An event of `tracing` with the level, the target and the fields that are given, and what all of them have: when it
/// happened, too, for it may have waited to be told.
macro_rules! say {
    ($log:ident, $event:ident, $level:ident, $target:literal, $name:literal, $($fields:tt)*) => {
        tracing::event!(
            target: $target, Level::$level, event = $name, timestamp = %clock::rfc3339($log.at), run = $log.run.as_deref(),
            $($fields)*,
            "{}", describe($event)
        )
    };
}

impl Reporter for Log {
    fn wants_attempts(&self) -> bool {
        tracing::enabled!(target: "paceline::attempt", Level::DEBUG)
    }

    fn is_record(&self) -> bool {
        self.is_kept || self.wants_attempts()
    }

    fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }

    fn masked_by(&mut self, masker: &Masker) {
        self.veil.draw(masker);
    }

    fn tell(&mut self, event: &Event) {
        self.tell_at(event, clock::wall());
    }

    fn tell_at(&mut self, event: &Event, at: SystemTime) {
        self.at = at;
        match event {
            Event::RunStarted { run, .. } => {
                self.run = Some(run.clone());
                self.tell_run(event);
            }
            Event::Warning { .. }
            | Event::Committed { .. }
            | Event::LeftOut { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConcurrencyChanged { .. }
            | Event::Draining { .. }
            | Event::RunFinished { .. } => self.tell_run(event),
            Event::EndpointStarted { .. }
            | Event::EndpointFinished { .. }
            | Event::OutageBegan { .. }
            | Event::OutageEnded { .. } => self.tell_endpoint(event),
            Event::BatchStarted { .. } | Event::BatchFinished { .. } | Event::Held { .. } => self.tell_pace(event),
            Event::Attempted { .. } | Event::Postponed { .. } => self.tell_attempt(event),
            Event::Retrying { .. } | Event::RowFailed { .. } | Event::RowSkipped { .. } => self.tell_row(event),
            // Lines of progress are said by another reporter, and rows that ended well by nobody.
            Event::Progress { .. } | Event::RowEnded { .. } => {}
        }
    }

    fn tick(&mut self, _live: &Live) {}
}

impl Log {
    fn tell_run(&self, event: &Event) {
        match event {
            Event::RunStarted { job, resumed_rows, .. } => {
                say!(self, event, INFO, "paceline::run", "run-started", job = job.as_str(), resumed_rows);
            }
            Event::Warning { message } => {
                say!(self, event, WARN, "paceline::run", "warning", warning = message.as_str());
            }
            Event::Committed { rows, .. } => {
                let (ok, failed, skipped) = (rows.ok, rows.failed, rows.skipped);
                say!(self, event, DEBUG, "paceline::run", "committed", ok, failed, skipped);
            }
            Event::LeftOut { events } => {
                let left_out: u64 = events.values().sum();
                say!(self, event, WARN, "paceline::run", "left-out", left_out);
            }
            Event::Paused { on_wire } => say!(self, event, INFO, "paceline::run", "paused", on_wire),
            Event::Resumed { paused_ms } => say!(self, event, INFO, "paceline::run", "resumed", paused_ms),
            Event::ConcurrencyChanged { endpoints } => {
                let requests: u64 = endpoints.iter().map(|allowance| allowance.requests).sum();
                say!(self, event, INFO, "paceline::run", "concurrency-changed", requests);
            }
            Event::Draining { reason } => {
                say!(self, event, INFO, "paceline::run", "draining", reason = reason.as_str());
            }
            Event::RunFinished { complete, .. } => say!(self, event, INFO, "paceline::run", "run-finished", complete),
            _ => {}
        }
    }

    fn tell_endpoint(&self, event: &Event) {
        match event {
            Event::EndpointStarted { endpoint, rows, .. } => {
                let endpoint = endpoint.as_str();
                say!(self, event, INFO, "paceline::endpoint", "endpoint-started", endpoint, rows);
            }
            Event::EndpointFinished { endpoint } => {
                let endpoint = endpoint.as_str();
                say!(self, event, INFO, "paceline::endpoint", "endpoint-finished", endpoint);
            }
            Event::OutageBegan { endpoint, host, reason, wait_ms } => {
                let (endpoint, host, reason) = (endpoint.as_str(), host.as_str(), reason.as_str());
                say!(self, event, WARN, "paceline::endpoint", "outage-began", endpoint, host, reason, wait_ms);
            }
            Event::OutageEnded { endpoint, host, lasted_ms, answered } => {
                let (endpoint, host) = (endpoint.as_str(), host.as_str());
                say!(self, event, WARN, "paceline::endpoint", "outage-ended", endpoint, host, lasted_ms, answered);
            }
            _ => {}
        }
    }

    fn tell_pace(&self, event: &Event) {
        match event {
            Event::BatchStarted { endpoint, batch } => {
                let endpoint = endpoint.as_str();
                say!(self, event, INFO, "paceline::batch", "batch-started", endpoint, batch);
            }
            Event::BatchFinished { endpoint, batch, rows } => {
                let endpoint = endpoint.as_str();
                say!(self, event, INFO, "paceline::batch", "batch-finished", endpoint, batch, rows);
            }
            Event::Held { limit, wait_ms } => {
                say!(self, event, INFO, "paceline::limit", "held", limit = limit.as_str(), wait_ms);
            }
            _ => {}
        }
    }

    fn tell_attempt(&self, event: &Event) {
        match event {
            Event::Attempted { endpoint, row, attempt, status, duration_ms, verdict, reason, wait_ms, .. } => {
                let (endpoint, verdict, reason, row) =
                    (endpoint.as_str(), verdict.as_str(), reason.as_deref(), row + 1);
                say!(
                    self,
                    event,
                    DEBUG,
                    "paceline::attempt",
                    "attempted",
                    endpoint,
                    row,
                    attempt,
                    status,
                    duration_ms,
                    verdict,
                    reason,
                    wait_ms
                );
            }
            Event::Postponed { endpoint, row, reason, wait_ms } => {
                let (endpoint, reason, row) = (endpoint.as_str(), reason.as_str(), row + 1);
                say!(self, event, DEBUG, "paceline::attempt", "postponed", endpoint, row, reason, wait_ms);
            }
            _ => {}
        }
    }

    fn tell_row(&self, event: &Event) {
        match event {
            // The attempt itself says the same, and more.
            Event::Retrying { .. } if self.wants_attempts() => {}
            Event::Retrying { endpoint, row, attempts, reason, wait_ms } => {
                let (endpoint, reason, row) = (endpoint.as_str(), reason.as_str(), row + 1);
                say!(self, event, INFO, "paceline::row", "retrying", endpoint, row, attempts, reason, wait_ms);
            }
            Event::RowFailed { endpoint, row, reason } => {
                let (endpoint, reason, row) = (endpoint.as_str(), reason.as_str(), row + 1);
                say!(self, event, WARN, "paceline::row", "row-failed", endpoint, row, reason);
            }
            Event::RowSkipped { endpoint, row, reason } => {
                let (endpoint, reason, row) = (endpoint.as_str(), reason.as_str(), row + 1);
                say!(self, event, WARN, "paceline::row", "row-skipped", endpoint, row, reason);
            }
            _ => {}
        }
    }
}

/// Says how far the run is: a line of [`super::lines::Lines`].
pub fn progress(line: &str) {
    tracing::info!(target: "paceline::progress", event = "progress", "{line}");
}

/// Says that a run could not start.
pub fn refused(job: &str, reason: &str) {
    tracing::error!(target: "paceline::run", event = "run-refused", job, reason, "{}: can't start: {}", clean(job), clean(reason));
}

/// Says how a run ended: what is last in a log. A run that broke is an error, one that did not come to its end a
/// warning.
pub fn ended(report: &RunReport) {
    macro_rules! end {
        ($level:ident, $name:literal, $words:expr, $reason:expr) => {{
            let (job, run, total): (&str, &str, _) = (&report.job, &report.run, &report.total);
            let (ok, failed, skipped) = (total.ok, total.failed, total.skipped);
            let (attempts, retries, reason): (_, _, Option<&str>) = (report.attempts, report.retries, $reason);
            let elapsed_ms = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
            let words = reason.map_or_else(|| $words.to_owned(), |reason| format!("{}: {}", $words, clean(reason)));
            tracing::event!(
                target: "paceline::run", Level::$level, event = $name, job, run, ok, failed, skipped, attempts, retries,
                elapsed_ms, reason, "{}: {words}: {}", clean(job), counts(report)
            );
        }};
    }
    let held = report.failed_conditions.join("; ");
    match &report.ending {
        RunEnding::Broken(reason) => end!(ERROR, "run-broken", "broken off", Some(reason)),
        RunEnding::Stopped { reason, .. } => end!(WARN, "run-stopped", "stopped, resumable", Some(reason)),
        RunEnding::Interrupted(_) => end!(WARN, "run-interrupted", "interrupted by a signal, resumable", None),
        RunEnding::Complete | RunEnding::Partial if !held.is_empty() => {
            end!(WARN, "run-failed", "ended, and a condition of fail-if held", Some(&held));
        }
        RunEnding::Complete => end!(INFO, "run-complete", "complete", None),
        RunEnding::Partial => end!(INFO, "run-partial", "the rows asked for have ended, others have not", None),
    }
}

fn counts(report: &RunReport) -> String {
    let total = &report.total;
    let attempts = counted(report.attempts, "attempt");
    format!("{} ok, {} failed, {} skipped; {attempts} in this session", total.ok, total.failed, total.skipped)
}

#[cfg(test)]
mod tests;
