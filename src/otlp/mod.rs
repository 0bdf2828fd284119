//! OTLP: a run as a trace and as metrics, to a collector of OpenTelemetry, by protobuf over HTTP. The feature `otel`.
//!
//! `settings` says what is sent and where, by the names that OpenTelemetry gave variables of the environment. A reporter
//! (`trace`) makes spans of events and puts them into a bounded `queue`; `metrics` takes down the families of
//! `/metrics`; `export` carries both away on a thread of its own, by the connections of [`crate::transport`]. The messages are the
//! types of `opentelemetry-proto`. Must never hold a run up, change how it ends, or send a text that has not passed the masker.

mod attempt;
mod export;
mod lists;
mod metrics;
mod parent;
mod post;
mod queue;
mod row;
mod settings;
mod trace;
mod url;
mod values;

use std::sync::Arc;
use std::time::Duration;

use crate::recap::Recap;
use crate::report::Reporter;
use crate::report::fault::Fault;
use crate::serve::{Watched, Watcher};

pub use settings::Settings;

use export::Exporter;
use queue::Queue;
use trace::Tracer;

/// How long the end of a run waits for what is still to be sent.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is sent of a run while it works.
pub struct Otlp {
    settings: Settings,
    watched: Arc<Watched>,
    queue: Arc<Queue>,
    faults: [Fault; 2],
    exporter: Exporter,
}

impl Otlp {
    /// Begins to send what there will be of a run; nothing leaves before there is something.
    ///
    /// # Errors
    /// In words, when certificates can't be used, or there is no thread left for it.
    pub fn start(settings: Settings) -> Result<Self, String> {
        let (watched, faults) = (Arc::<Watched>::default(), [Fault::default(), Fault::default()]);
        let queue = Arc::new(settings.traces.as_ref().map_or_else(|| Queue::new(0), |traces| Queue::new(traces.queue)));
        let exporter = Exporter::start(&settings, (&watched, &queue), &faults)?;
        Ok(Self { settings, watched, queue, faults, exporter })
    }

    /// Those who look at the run for it.
    #[must_use]
    pub fn reporters(&self) -> Vec<Box<dyn Reporter>> {
        let metrics =
            self.settings.metrics.iter().map(|_| Box::new(Watcher(Arc::clone(&self.watched))) as Box<dyn Reporter>);
        let traces = self.settings.traces.iter().map(|traces| {
            let tracer = Tracer::new(traces, Arc::clone(&self.queue));
            Box::new(tracer) as Box<dyn Reporter>
        });
        metrics.chain(traces).collect()
    }

    /// What may go wrong: with traces, and with metrics.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The run is over, as this says; `None`: it could not start. Sends what is left, for which it waits five seconds at
    /// most. What is missing, in words.
    #[must_use]
    pub fn end(self, recap: Option<&Recap>) -> Vec<String> {
        self.watched.end(recap);
        let in_time = self.exporter.end(FAREWELL);
        let late = (!in_time && self.faults.iter().all(|fault| fault.words().is_none())).then(late);
        late.into_iter().chain(self.queue.missing()).collect()
    }
}

fn late() -> String {
    format!("otlp: the collector did not take the last traces and metrics within {}", crate::clock::human(FAREWELL))
}
