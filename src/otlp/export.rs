//! Carries spans and metrics to their collectors, on a thread and a runtime of its own.
//!
//! A collector that is away is asked again for a while, and then what it did not take is given up and told, once. Must never
//! keep the process from ending.

use std::convert::Infallible;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::sync::watch;

use super::metrics;
use super::post::{Answer, Post};
use super::queue::Queue;
use super::settings::{Pushing, Settings, Target, Traces};
use super::values::{resource, scope};
use crate::clock::{self, Instant};
use crate::random;
use crate::report::fault::Fault;
use crate::report::text::counted;
use crate::serve::Watched;
use crate::serve::metrics::families::Highest;

/// How long one message is tried, while the run goes on.
const PATIENCE: Duration = Duration::from_secs(60);
/// The wait before the second try, twice as long with each one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A thread at work; left alone when dropped.
pub(super) struct Exporter {
    ending: watch::Sender<Option<Instant>>,
    ended: mpsc::Receiver<Infallible>,
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    /// In words, when certificates can't be used, or there is no thread left for it.
    pub fn start(
        settings: &Settings,
        (watched, queue): (&Arc<Watched>, &Arc<Queue>),
        faults: &[Fault; 2],
    ) -> Result<Self, String> {
        let ((ending, ends), (ends_here, ended)) = (watch::channel(None), mpsc::channel());
        let line = |target: &Target, fault: &Fault| -> Result<Line, String> {
            Ok(Line { post: Post::open(target)?, fault: fault.clone(), ends: ends.clone() })
        };
        let who = resource(settings);
        let traces = settings.traces.clone().map(|plan| Ok::<_, String>((line(&plan.target, &faults[0])?, plan)));
        let metrics = settings.metrics.clone().map(|plan| Ok::<_, String>((line(&plan.target, &faults[1])?, plan)));
        let (traces, metrics) = (traces.transpose()?, metrics.transpose()?);
        let (watched, queue) = (Arc::clone(watched), Arc::clone(queue));
        let work = async move {
            let spans = async {
                if let Some((line, plan)) = traces {
                    line.carry_spans(&plan, &queue, &who).await;
                }
            };
            let numbers = async {
                if let Some((line, plan)) = metrics {
                    line.push_metrics(&plan, &watched, &who).await;
                }
            };
            tokio::join!(spans, numbers);
            drop(ends_here);
        };
        let broken = |error: std::io::Error| error.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
        let thread = std::thread::Builder::new().name("otlp".to_owned());
        thread.spawn(move || runtime.block_on(work)).map_err(broken)?;
        Ok(Self { ending, ended })
    }

    /// Sends what is left, for so long at most. Whether that was enough.
    pub fn end(self, patience: Duration) -> bool {
        let _ = self.ending.send(Some(clock::now() + patience));
        self.ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

/// The way of one signal.
struct Line {
    post: Post,
    fault: Fault,
    /// Until when things may be sent, once the run is over.
    ends: watch::Receiver<Option<Instant>>,
}

impl Line {
    /// Until when things may be sent; waits for the end of the run.
    async fn over(&self) -> Instant {
        let mut ends = self.ends.clone();
        // An error means that whoever would wait for the end is gone.
        ends.wait_for(Option::is_some).await.ok().and_then(|until| *until).unwrap_or_else(clock::now)
    }

    fn is_over(&self) -> bool {
        self.ends.borrow().is_some() || self.ends.has_changed().is_err()
    }

    async fn carry_spans(&self, plan: &Traces, queue: &Queue, who: &Resource) {
        loop {
            tokio::select! {
                biased;
                _ = self.over() => {}
                () = queue.holds(plan.batch) => {}
                () = tokio::time::sleep(plan.delay) => {}
            }
            // Before the queue is emptied: what came until the end was told is in it then.
            let is_last = self.is_over();
            loop {
                let spans = queue.take(plan.batch);
                if spans.is_empty() {
                    break;
                }
                let count = spans.len() as u64;
                let rejected = match self.deliver(request(spans, who)).await {
                    Some(answer) => self.part_of_spans(&answer, count),
                    None => count,
                };
                queue.lost(rejected);
            }
            if is_last {
                break;
            }
        }
    }

    async fn push_metrics(&self, plan: &Pushing, watched: &Watched, who: &Resource) {
        let mut highest = Highest::new();
        loop {
            tokio::select! {
                biased;
                _ = self.over() => {}
                () = tokio::time::sleep(plan.interval) => {}
            }
            let is_last = self.is_over();
            if let Some(message) = metrics::request(watched, &mut highest, who)
                && let Some(answer) = self.deliver(message.encode_to_vec().into()).await
            {
                self.part_of_metrics(&answer);
            }
            if is_last {
                break;
            }
        }
    }

    /// Sends a message until it is taken, refused or given up; `None`: it is lost, and that was told. When the run is over
    /// nobody is asked again who did not answer.
    async fn deliver(&self, message: Bytes) -> Option<Bytes> {
        let (mut until, mut backoff) = (clock::now() + PATIENCE, FIRST_WAIT);
        loop {
            let was_over = self.is_over();
            let (words, wait, is_said) = match self.post.send(&message).await {
                Answer::Taken(answer) => return Some(answer),
                Answer::Refused(words) => return self.give_up(&words),
                Answer::Later { words, wait, is_said } => (words, wait, is_said),
            };
            let due = clock::now() + wait.unwrap_or_else(|| backoff.mul_f64(0.5 + random::unit() / 2.0));
            backoff *= 2;
            until = self.ends.borrow().unwrap_or(until);
            if due >= until || (was_over && !is_said) {
                return self.give_up(&words);
            }
            self.wait(due).await;
        }
    }

    /// Waits for a time, or for the end of the run where that does not wait so long: then it is the last chance.
    async fn wait(&self, due: Instant) {
        let asleep = tokio::time::sleep_until(due);
        let hurried = async {
            if self.over().await > due {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = asleep => {}
            () = hurried => {}
        }
    }

    fn give_up(&self, why: &str) -> Option<Bytes> {
        let (signal, place) = (self.post.signal(), self.post.place());
        self.fault.note(|| format!("otlp: {signal} do not reach {place}: {why}"));
        None
    }

    /// How many spans they refused of those that they were given.
    fn part_of_spans(&self, answer: &[u8], given: u64) -> u64 {
        let part = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        let Some(part) = part else { return 0 };
        self.in_part(part.rejected_spans, "span", &part.error_message);
        u64::try_from(part.rejected_spans).unwrap_or_default().min(given)
    }

    fn part_of_metrics(&self, answer: &[u8]) {
        let part = ExportMetricsServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        if let Some(part) = part {
            self.in_part(part.rejected_data_points, "data point", &part.error_message);
        }
    }

    /// They took a part, or have a warning.
    fn in_part(&self, rejected: i64, noun: &str, message: &str) {
        let (place, said) = (self.post.place(), self.post.shown(message));
        let said = if said.is_empty() { "without a word".to_owned() } else { said };
        match u64::try_from(rejected) {
            Ok(0) | Err(_) if message.is_empty() => {}
            Ok(0) | Err(_) => self.fault.note(|| format!("otlp: {place} says: {said}")),
            Ok(count) => self.fault.note(|| format!("otlp: {place} refused {}: {said}", counted(count, noun))),
        }
    }
}

fn request(spans: Vec<Span>, who: &Resource) -> Bytes {
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
    let resource_spans = ResourceSpans { resource: Some(who.clone()), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec().into()
}
