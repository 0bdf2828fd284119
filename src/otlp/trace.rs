//! The reporter that makes a trace of events: run, batches, rows, attempts.
//!
//! A span is told when it has ended. Rows that failed are told always, of the others the share that was asked for; what did
//! not end before the run is told with the run. Must never wait, and never hold a text that has not passed the masker.

mod marks;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::attempt::Attempt;
use super::parent::Parent;
use super::queue::{Queue, Weight};
use super::row::{Row, Rows};
use super::settings::Traces;
use super::values::{flag, nanos, number, text};
use crate::clock;
use crate::event::{Event, RowEnding, Summary};
use crate::random;
use crate::recap::EndingKind;
use crate::report::Reporter;
use crate::run::live::Live;
use crate::secret::Masker;
use marks::Marks;

/// Of `flags`: kept; it is known whether the parent is elsewhere; it is elsewhere.
const SAMPLED: u32 = 0x1;
const HAS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// See the module.
pub(super) struct Tracer {
    queue: Arc<Queue>,
    masker: Masker,
    share: f64,
    trace: u128,
    parent: Option<Parent>,
    run: Begun,
    names: HashMap<String, Arc<str>>,
    batches: HashMap<(Arc<str>, u64), Begun>,
    rows: Rows,
    marks: Marks,
    about: Vec<KeyValue>,
}

/// A span that has begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    id: u64,
    at: SystemTime,
}

impl Begun {
    fn at(at: SystemTime) -> Self {
        Self { id: id(), at }
    }
}

/// An id, which is never zero.
fn id() -> u64 {
    random::bits().max(1)
}

impl Tracer {
    /// A trace whose spans go into a queue.
    pub fn new(traces: &Traces, queue: Arc<Queue>) -> Self {
        // Traces of many processes stand side by side: no two may be one.
        let own = || random::secret().map_or_else(|| u128::from(id()) << 64, u128::from_be_bytes);
        Self {
            queue,
            masker: Masker::default(),
            share: traces.share,
            trace: traces.parent.as_ref().map_or_else(own, |parent| parent.trace),
            parent: traces.parent.clone(),
            run: Begun::at(clock::wall()),
            names: HashMap::new(),
            batches: HashMap::new(),
            rows: Rows::default(),
            marks: Marks::default(),
            about: Vec::new(),
        }
    }

    fn name(&mut self, endpoint: &str) -> Arc<str> {
        if let Some(name) = self.names.get(endpoint) {
            return Arc::clone(name);
        }
        let name: Arc<str> = endpoint.into();
        self.names.insert(endpoint.to_owned(), Arc::clone(&name));
        name
    }

    /// A span with its place in the trace.
    fn placed(&self, span: Span, id: u64, parent: u64) -> Span {
        Span {
            trace_id: self.trace.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: parent.to_be_bytes().to_vec(),
            trace_state: self.parent.as_ref().map(|parent| parent.state.clone()).unwrap_or_default(),
            flags: SAMPLED | HAS_REMOTE,
            ..span
        }
    }

    fn attempted(&mut self, event: &Event) {
        let Event::Attempted { endpoint, row, attempt, again_after, status, verdict, reason, wait_ms, sent, .. } =
            event
        else {
            return;
        };
        let (Some(sent), name) = (sent, self.name(endpoint)) else { return };
        let attempt = Attempt {
            sent: Arc::clone(sent),
            attempt: *attempt,
            again_after: again_after.clone(),
            status: *status,
            verdict: verdict.clone(),
            reason: reason.clone(),
            wait_ms: *wait_ms,
        };
        let batch = sent.batch.and_then(|batch| self.batches.get_mut(&(Arc::clone(&name), batch)));
        // Beginnings are told by who is not on the way of a request, which may be quicker.
        self.run.at = self.run.at.min(sent.at);
        let batch = batch.map(|batch| {
            batch.at = batch.at.min(sent.at);
            batch.id
        });
        if !self.rows.attempted(&name, *row, attempt, batch) {
            self.queue.missed(1);
        }
    }

    fn row_ended(&mut self, event: &Event, at: SystemTime) {
        let Event::RowEnded { endpoint, row, ending, unknown, attempts, records } = event else { return };
        let name = self.name(endpoint);
        let known = self.rows.ended(&name, *row);
        let is_fine = *ending == RowEnding::Ok;
        // A row of a chunk that is not its first has the attempts of that one.
        if is_fine && (known.attempts.is_empty() || random::unit() >= self.share) {
            return;
        }
        let word = match (ending, unknown) {
            (RowEnding::Ok, _) => "ok",
            (RowEnding::Failed, false) => "failed",
            (RowEnding::Failed, true) => "unknown",
            (RowEnding::Skipped, _) => "skipped",
        };
        let told = vec![number("paceline.attempts", (*attempts).into()), number("paceline.records", *records)];
        let weight = if is_fine { Weight::Fine } else { Weight::Odd };
        self.tell_row((&name, *row), known, (word, told), at, weight);
    }

    /// A row with its attempts.
    fn tell_row(
        &mut self,
        (endpoint, row): (&Arc<str>, u64),
        known: Row,
        (ending, told): (&str, Vec<KeyValue>),
        at: SystemTime,
        weight: Weight,
    ) {
        let (id, parent) = (id(), known.parent.unwrap_or(self.run.id));
        let mut attributes = vec![
            text("paceline.endpoint", &**endpoint),
            number("paceline.row", row.saturating_add(1)),
            text("paceline.ending", ending),
        ];
        attributes.extend(told);
        attributes.extend((known.left_out > 0).then(|| number("paceline.attempts_left_out", known.left_out)));
        let has_failed = matches!(ending, "failed" | "unknown");
        if has_failed {
            attributes.extend(known.attempts.last().and_then(Attempt::error_type).map(|kind| text("error.type", kind)));
        }
        let reason = known.reason.as_deref().map(|reason| self.masker.mask(reason).into_owned());
        let span = Span {
            name: format!("row {endpoint}"),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(known.began().unwrap_or(at).min(at)),
            end_time_unix_nano: nanos(at),
            attributes,
            status: has_failed.then(|| error(reason)),
            ..Span::default()
        };
        let attempts = known.attempts.iter().map(|attempt| attempt.span(endpoint, &self.masker));
        let attempts = attempts.map(|span| self.placed(span, self::id(), id));
        let spans = std::iter::once(self.placed(span, id, parent)).chain(attempts).collect();
        self.queue.put(weight, spans);
    }

    fn batch_ended(&mut self, (endpoint, batch, rows): (&str, u64, u64), at: SystemTime) {
        let name = self.name(endpoint);
        let Some(begun) = self.batches.remove(&(name, batch)) else { return };
        let span = Span {
            name: format!("batch {endpoint}"),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(begun.at),
            end_time_unix_nano: nanos(at),
            attributes: vec![
                text("paceline.endpoint", endpoint),
                number("paceline.batch", batch),
                number("paceline.rows", rows),
            ],
            ..Span::default()
        };
        let span = self.placed(span, begun.id, self.run.id);
        self.queue.put(Weight::Odd, vec![span]);
    }

    /// The run is over: what is open, and the run itself.
    fn ended(&mut self, complete: bool, summary: &Summary, at: SystemTime) {
        for ((endpoint, row), known) in self.rows.rest() {
            if !known.attempts.is_empty() {
                self.tell_row((&endpoint, row), known, ("open", Vec::new()), at, Weight::Odd);
            }
        }
        let ending = summary.ending;
        let has_failed = matches!(ending, EndingKind::Stopped | EndingKind::Broken | EndingKind::Interrupted)
            || !summary.failed_conditions.is_empty();
        let held =
            (!summary.failed_conditions.is_empty()).then(|| format!("{} held", summary.failed_conditions.join("; ")));
        let reason = summary.reason.clone().or(held).map(|reason| self.masker.mask(&reason).into_owned());
        let mut attributes = std::mem::take(&mut self.about);
        attributes.extend(counts(complete, summary));
        let (events, left_out) = self.marks.take();
        let span = Span {
            name: "paceline run".to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(self.run.at),
            end_time_unix_nano: nanos(at),
            attributes,
            events,
            dropped_events_count: left_out,
            status: has_failed.then(|| error(reason)),
            ..Span::default()
        };
        let span = match &self.parent {
            None => Span { parent_span_id: Vec::new(), ..self.placed(span, self.run.id, 0) },
            Some(parent) => {
                let flags = SAMPLED | HAS_REMOTE | IS_REMOTE;
                Span { flags, ..self.placed(span, self.run.id, parent.span) }
            }
        };
        self.queue.put(Weight::Run, vec![span]);
    }
}

fn error(reason: Option<String>) -> Status {
    Status { code: StatusCode::Error.into(), message: reason.unwrap_or_default() }
}

fn counts(complete: bool, summary: &Summary) -> [KeyValue; 8] {
    let ending = match summary.ending {
        EndingKind::Running => "running",
        EndingKind::Complete => "complete",
        EndingKind::Partial => "partial",
        EndingKind::Interrupted => "interrupted",
        EndingKind::Stopped => "stopped",
        EndingKind::Broken => "broken",
    };
    [
        text("paceline.ending", ending),
        flag("paceline.complete", complete),
        number("paceline.rows.ok", summary.rows.ok),
        number("paceline.rows.failed", summary.rows.failed),
        number("paceline.rows.skipped", summary.rows.skipped),
        number("paceline.rows.resumed", summary.resumed_rows),
        number("paceline.attempts", summary.attempts),
        number("paceline.retries", summary.retries),
    ]
}

impl Reporter for Tracer {
    fn wants_attempts(&self) -> bool {
        true
    }

    fn wants_rows(&self) -> bool {
        true
    }

    /// A picture, for which no memory grows: what it is too slow for is left out.
    fn is_record(&self) -> bool {
        false
    }

    fn masked_by(&mut self, masker: &Masker) {
        self.masker = masker.clone();
    }

    fn tell(&mut self, event: &Event) {
        self.tell_at(event, clock::wall());
    }

    fn tell_at(&mut self, event: &Event, at: SystemTime) {
        self.marks.note(event, at, &self.masker);
        match event {
            Event::RunStarted { paceline, job, run, .. } => {
                self.run.at = at;
                let said = [("paceline.job", job), ("paceline.run", run), ("paceline.version", paceline)];
                self.about = said.map(|(key, value)| text(key, value)).into();
            }
            Event::BatchStarted { endpoint, batch } => {
                let name = self.name(endpoint);
                self.batches.insert((name, *batch), Begun::at(at));
            }
            Event::BatchFinished { endpoint, batch, rows } => self.batch_ended((endpoint, *batch, *rows), at),
            Event::Attempted { .. } => self.attempted(event),
            Event::RowFailed { endpoint, row, reason } | Event::RowSkipped { endpoint, row, reason } => {
                let name = self.name(endpoint);
                self.rows.failed(&name, *row, reason);
            }
            Event::RowEnded { .. } => self.row_ended(event, at),
            // Whoever was left out may be one of those that are waited for here.
            Event::LeftOut { events } => {
                let unheard = ["attempted", "row-ended"].iter().filter_map(|name| events.get(*name)).sum::<u64>();
                if events.contains_key("row-ended") {
                    self.queue.missed(self.rows.forget());
                }
                self.queue.missed(unheard);
            }
            Event::RunFinished { complete, summary } => self.ended(*complete, summary, at),
            Event::EndpointStarted { .. }
            | Event::Retrying { .. }
            | Event::Postponed { .. }
            | Event::Held { .. }
            | Event::OutageBegan { .. }
            | Event::OutageEnded { .. }
            | Event::Committed { .. }
            | Event::Progress { .. }
            | Event::Warning { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConcurrencyChanged { .. }
            | Event::Draining { .. }
            | Event::EndpointFinished { .. } => {}
        }
    }

    fn tick(&mut self, _live: &Live) {}
}
