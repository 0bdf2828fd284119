//! What happens to a run as a whole, as events of its span: so many and no more.

use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::Event as Mark;

use crate::event::Event;
use crate::otlp::values::{flag, nanos, number, text};
use crate::secret::Masker;

/// Events of one span: what OpenTelemetry takes where nobody says otherwise. A limit may be held thousands of times.
const MOST: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    left_out: u32,
}

impl Marks {
    /// Notes an event, if it is about the run.
    pub fn note(&mut self, event: &Event, at: SystemTime, masker: &Masker) {
        let Some((name, attributes)) = said(event, masker) else { return };
        if self.marks.len() >= MOST {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let name = format!("paceline.{name}");
        self.marks.push(Mark { time_unix_nano: nanos(at), name, attributes, ..Mark::default() });
    }

    /// All of them, and how many more there were.
    pub fn take(&mut self) -> (Vec<Mark>, u32) {
        (std::mem::take(&mut self.marks), self.left_out)
    }
}

fn said(event: &Event, masker: &Masker) -> Option<(&'static str, Vec<KeyValue>)> {
    let masked = |key: &str, words: &str| text(key, masker.mask(words));
    Some(match event {
        Event::Held { limit, wait_ms } => {
            ("held", vec![text("paceline.limit", limit), number("paceline.wait_ms", *wait_ms)])
        }
        Event::OutageBegan { endpoint, host, reason, wait_ms } => (
            "outage-began",
            vec![
                text("paceline.endpoint", endpoint),
                masked("server.address", host),
                masked("paceline.reason", reason),
                number("paceline.wait_ms", *wait_ms),
            ],
        ),
        Event::OutageEnded { endpoint, host, lasted_ms, answered } => (
            "outage-ended",
            vec![
                text("paceline.endpoint", endpoint),
                masked("server.address", host),
                number("paceline.lasted_ms", *lasted_ms),
                flag("paceline.answered", *answered),
            ],
        ),
        Event::Warning { message } => ("warning", vec![masked("paceline.message", message)]),
        Event::Paused { on_wire } => ("paused", vec![number("paceline.on_wire", *on_wire)]),
        Event::Resumed { paused_ms } => ("resumed", vec![number("paceline.paused_ms", *paused_ms)]),
        Event::ConcurrencyChanged { endpoints } => {
            let allowed = endpoints.iter().map(|to| format!("{} {}", to.endpoint, to.requests));
            ("concurrency-changed", vec![text("paceline.requests", allowed.collect::<Vec<_>>().join(", "))])
        }
        Event::Draining { reason } => ("draining", vec![masked("paceline.reason", reason)]),
        Event::LeftOut { events } => ("left-out", vec![number("paceline.events", events.values().sum())]),
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
        | Event::EndpointFinished { .. }
        | Event::RunFinished { .. } => return None,
    })
}
