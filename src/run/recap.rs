//! The chronicle of a session: what its recap is made of while it works.
//!
//! Looked at ten times a second and told every event; asked for a recap by whoever shows one. Must never decide
//! anything, and never be asked on the way of a row.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::event::Event;
use crate::journal::Counts;
use crate::limit::{Buckets, LimitPlan};
use crate::plan::Plan;
use crate::recap::streams::most_first;
use crate::recap::timeline::{Recorder, Totals};
use crate::recap::{
    Bytes, Ending, EndingKind, Endpoint, FailureGroup, LimitUse, Mark, MarkKind, Output, Recap, Session, Slow,
    StepLane, StreamUse,
};
use crate::report::View;
use crate::sink::{RowChoice, SinkPlan};
use crate::transport::Transport;

use super::bound::Looks;
use super::lane::{Lane, Shared};
use super::live::{self, Live, read};
use super::meter::{Ends, Measured};
use super::{RunEnding, RunReport};

/// What is known of a run when a session begins.
#[derive(Debug, Default)]
pub struct Before {
    /// The run as earlier sessions left it, with the texts of the job as they are now.
    pub recap: Recap,
    /// What earlier sessions committed, by endpoint.
    pub counts: Vec<Counts>,
}

/// See the module.
pub struct Chronicle {
    before: Before,
    transports: Vec<Arc<dyn Transport>>,
    began: Instant,
    started: String,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    recorder: Recorder,
    looks: Looks,
    /// How often each limit was held.
    holds: BTreeMap<String, u64>,
    /// Records of this session, by sink.
    records: Vec<u64>,
}

impl std::fmt::Debug for Chronicle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chronicle").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Chronicle {
    /// Begins now. `transports`: those whose bytes are counted, each once.
    #[must_use]
    pub fn begin(before: Before, transports: Vec<Arc<dyn Transport>>) -> Self {
        let (recorder, looks) = (Recorder::new(before.counts.len()), Looks::default());
        let inside = Mutex::new(Inside { recorder, looks, holds: BTreeMap::new(), records: Vec::new() });
        Self { before, transports, began: clock::now(), started: clock::timestamp(), inside }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_ms(&self) -> u64 {
        u64::try_from((clock::now() - self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks at the counters.
    pub fn look(&self, shared: &Shared, lanes: &[Arc<Lane>]) {
        let (at_ms, totals) = (self.at_ms(), totals(&shared.live));
        let mut inside = self.inside();
        inside.looks.look(lanes);
        shared.meter.interval(|latency| inside.recorder.look(at_ms, totals, latency));
    }

    /// Something happened.
    pub fn note(&self, event: &Event) {
        if !is_marked(event) {
            return;
        }
        let at_ms = self.at_ms();
        let begins = |kind, what: &str, until_ms| Mark { kind, what: what.to_owned(), from_ms: at_ms, until_ms };
        let mut inside = self.inside();
        match event {
            Event::BatchStarted { endpoint, batch } => {
                inside.recorder.marks().add(begins(MarkKind::Batch, &format!("{endpoint} {batch}"), None));
            }
            Event::BatchFinished { endpoint, batch, .. } => {
                inside.recorder.marks().end(MarkKind::Batch, &format!("{endpoint} {batch}"), at_ms);
            }
            Event::Held { limit, wait_ms } => {
                *inside.holds.entry(limit.clone()).or_default() += 1;
                inside.recorder.marks().add(begins(MarkKind::Hold, limit, Some(at_ms.saturating_add(*wait_ms))));
            }
            Event::OutageBegan { host, .. } => inside.recorder.marks().add(begins(MarkKind::Outage, host, None)),
            Event::OutageEnded { host, .. } => inside.recorder.marks().end(MarkKind::Outage, host, at_ms),
            Event::Paused { .. } => inside.recorder.marks().add(begins(MarkKind::Pause, "by hand", None)),
            Event::Resumed { .. } => inside.recorder.marks().end(MarkKind::Pause, "by hand", at_ms),
            Event::Draining { reason } => inside.recorder.marks().add(begins(MarkKind::Drain, reason, None)),
            _ => {}
        }
    }

    /// What earlier sessions committed of an endpoint.
    #[must_use]
    pub fn before(&self, endpoint: usize) -> Counts {
        self.before.counts.get(endpoint).copied().unwrap_or_default()
    }

    /// So many records of this session are durable, by sink.
    pub fn wrote(&self, records: &[u64]) {
        self.inside().records = records.to_vec();
    }

    /// What held the session back so far, and for which share of the time, most first.
    #[must_use]
    pub fn bound_by(&self) -> Vec<(String, f64)> {
        self.inside().looks.shares()
    }

    /// Bytes that were sent and came so far.
    #[must_use]
    pub fn traffic(&self) -> Bytes {
        self.transports.iter().map(|transport| transport.bytes()).fold(Bytes::default(), |sum, more| Bytes {
            sent: sum.sent + more.sent,
            received: sum.received + more.received,
        })
    }

    /// The run as it stands now; of its records those that are durable.
    #[must_use]
    pub fn recap(&self, shared: &Shared) -> Recap {
        let records = self.inside().records.clone();
        self.worked(shared, |sink| records.get(sink).copied().unwrap_or_default())
    }

    /// The same, where this session wrote so many records, by position of the sink.
    fn worked(&self, shared: &Shared, records: impl Fn(usize) -> u64) -> Recap {
        let mut recap = self.before.recap.clone();
        recap.endpoints = endpoints(&shared.live, &self.before.counts);
        let sinks = shared.plan.sinks.iter().enumerate();
        recap.outputs = sinks
            .map(|(position, sink)| Output {
                sink: sink.name.clone(),
                target: sink.kind.target(),
                records: self.records_before(sink) + records(position),
            })
            .collect();
        recap.push(self.session(shared));
        recap
    }

    /// Records that stand in an output when the session begins. The journal knows them where the output takes those of
    /// all rows, and has taken off what `--failed` is about to write anew; otherwise only what sessions said at their ends.
    fn records_before(&self, sink: &SinkPlan) -> u64 {
        let of_endpoint = |endpoint: &usize| self.before.counts.get(*endpoint).map_or(0, |counts| counts.records);
        match sink.rows {
            RowChoice::All => sink.from.iter().map(of_endpoint).sum(),
            RowChoice::Ok | RowChoice::Failed => {
                let known = self.before.recap.outputs.iter().find(|output| output.sink == sink.name);
                known.map_or(0, |output| output.records)
            }
        }
    }

    fn session(&self, shared: &Shared) -> Session {
        let (measured, elapsed_ms) = (shared.meter.read(), self.at_ms());
        let (timeline, holds) = {
            let inside = self.inside();
            (inside.recorder.timeline(), inside.holds.clone())
        };
        let limits = shared.buckets.of_job().map(|buckets| limit(buckets, &holds, elapsed_ms)).collect();
        let counted = |counter: fn(&live::Lane) -> u64| shared.live.lanes.iter().map(counter).sum();
        Session {
            started: self.started.clone(),
            elapsed_ms,
            attempts: counted(|lane| read(&lane.attempts)),
            retries: counted(|lane| read(&lane.retries)),
            bound_by: self.bound_by(),
            failures: failures(&shared.plan, &measured),
            slowest: slowest(&shared.plan, &measured),
            retry_reasons: measured.retries,
            statuses: measured.statuses,
            latency: measured.latency,
            stages: measured.stages,
            traffic: self.traffic(),
            streams: streams(&shared.live, &measured.streams),
            limits,
            timeline,
            ..Session::default()
        }
    }

    /// The run as its session leaves it. `counts`: what is committed, by endpoint.
    #[must_use]
    pub fn ended(&self, shared: &Shared, counts: &[Counts], report: &RunReport) -> Recap {
        let records = |sink: usize| report.outputs.get(sink).map_or(0, |output| output.records);
        let mut recap = self.worked(shared, records);
        recap.endpoints.iter_mut().zip(counts).for_each(|(endpoint, counts)| endpoint.counts = *counts);
        if let Some(session) = recap.sessions.last_mut() {
            session.ending = ending(&report.ending);
            session.failed_conditions.clone_from(&report.failed_conditions);
            session.warnings.clone_from(&report.warnings);
        }
        recap
    }
}

/// Whether a mark or a count is made of it: most events are about rows, of which there may be millions.
fn is_marked(event: &Event) -> bool {
    match event {
        Event::BatchStarted { .. }
        | Event::BatchFinished { .. }
        | Event::Held { .. }
        | Event::OutageBegan { .. }
        | Event::OutageEnded { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::Draining { .. } => true,
        Event::RunStarted { .. }
        | Event::EndpointStarted { .. }
        | Event::Attempted { .. }
        | Event::Retrying { .. }
        | Event::Postponed { .. }
        | Event::RowFailed { .. }
        | Event::RowSkipped { .. }
        | Event::RowEnded { .. }
        | Event::Committed { .. }
        | Event::Progress { .. }
        | Event::LeftOut { .. }
        | Event::Warning { .. }
        | Event::ConcurrencyChanged { .. }
        | Event::EndpointFinished { .. }
        | Event::RunFinished { .. } => false,
    }
}

impl View for Shared {
    fn live(&self) -> &Live {
        &self.live
    }

    fn recap(&self) -> Recap {
        self.chronicle.recap(self)
    }
}

fn totals(live: &Live) -> Totals {
    #[allow(clippy::cast_precision_loss, reason = "a number of requests in flight")]
    let of = |lane: &live::Lane| StepLane {
        ok: read(&lane.ok),
        failed: read(&lane.failed),
        skipped: read(&lane.skipped),
        attempts: read(&lane.attempts),
        retries: read(&lane.retries),
        in_flight: read(&lane.in_flight) as f64,
    };
    live.lanes.iter().map(of).collect()
}

fn endpoints(live: &Live, before: &[Counts]) -> Vec<Endpoint> {
    let of = |(lane, before): (&live::Lane, &Counts)| {
        let now = Counts {
            ok: read(&lane.ok),
            failed: read(&lane.failed),
            skipped: read(&lane.skipped),
            attempts: read(&lane.attempts),
            ..Counts::default()
        };
        let rows = Some(read(&lane.rows)).filter(|rows| *rows > 0);
        Endpoint { name: lane.endpoint.clone(), rows, counts: *before + now }
    };
    live.lanes.iter().zip(before).map(of).collect()
}

fn name(plan: &Plan, endpoint: usize) -> String {
    plan.endpoints.get(endpoint).map(|endpoint| endpoint.name.clone()).unwrap_or_default()
}

fn failures(plan: &Plan, measured: &Measured) -> Vec<FailureGroup> {
    let group = |failures: &super::meter::Failures| FailureGroup {
        endpoint: name(plan, failures.endpoint),
        reason: failures.reason.clone(),
        rows: failures.rows,
        example_row: failures.example,
    };
    measured.failures.iter().map(group).collect()
}

fn slowest(plan: &Plan, measured: &Measured) -> Vec<Slow> {
    let slow = |slow: &super::meter::Slowest| Slow {
        endpoint: name(plan, slow.endpoint),
        row: slow.row,
        status: slow.status,
        micros: slow.micros,
    };
    measured.slowest.iter().map(slow).collect()
}

/// Of the endpoints whose rows are connections that stay open.
fn streams(live: &Live, ends: &BTreeMap<usize, Ends>) -> Vec<StreamUse> {
    let of = |(position, lane): (usize, &live::Lane)| {
        let Ends { reconnects, closes } = ends.get(&position).cloned().unwrap_or_default();
        Some(StreamUse {
            endpoint: lane.endpoint.clone(),
            messages: lane.taken()?,
            reconnects: most_first(reconnects),
            closes: closes.into_iter().collect(),
        })
    };
    live.lanes.iter().enumerate().filter_map(of).collect()
}

fn limit(buckets: &Buckets, holds: &BTreeMap<String, u64>, elapsed_ms: u64) -> LimitUse {
    let plan = buckets.plan();
    LimitUse {
        name: plan.name.clone(),
        rate: plan.windows.iter().map(crate::plan::display::rate).collect::<Vec<_>>().join(", "),
        tokens: buckets.tokens(),
        capacity: buckets.one().and_then(|_| capacity(plan, Duration::from_millis(elapsed_ms))),
        holds: holds.get(&plan.name).copied().unwrap_or_default(),
    }
}

/// Tokens that a full bucket could have given in this time.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate times a time, for people")]
fn capacity(plan: &LimitPlan, elapsed: Duration) -> Option<u64> {
    let rate = plan.rate();
    rate.is_finite().then(|| (rate * elapsed.as_secs_f64()) as u64 + u64::from(plan.burst.get()))
}

/// A way to end, as a recap keeps it.
pub(super) fn ending(ending: &RunEnding) -> Ending {
    let plain = |kind| Ending { kind, ..Ending::default() };
    match ending {
        RunEnding::Complete => plain(EndingKind::Complete),
        RunEnding::Partial => plain(EndingKind::Partial),
        RunEnding::Interrupted(signal) => {
            Ending { reason: Some(signal.name().to_owned()), ..plain(EndingKind::Interrupted) }
        }
        RunEnding::Stopped { reason, resume_at, .. } => Ending {
            reason: Some(reason.clone()),
            resume_at: resume_at.map(clock::rfc3339),
            ..plain(EndingKind::Stopped)
        },
        RunEnding::Broken(reason) => Ending { reason: Some(reason.clone()), ..plain(EndingKind::Broken) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_whose_connections_stay_open_tell_of_messages() {
        let lane = |endpoint: &str, stream, messages: u64| live::Lane {
            endpoint: endpoint.into(),
            stream,
            messages: messages.into(),
            ..live::Lane::default()
        };
        let lanes = vec![lane("price", false, 0), lane("ticks", true, 7), lane("quiet", true, 0)];
        let reconnects = BTreeMap::from([("closed".to_owned(), 1), ("reset".to_owned(), 2)]);
        let ends = Ends { reconnects, closes: BTreeMap::from([(1006, 2), (1000, 1)]) };
        let all = streams(&Live { lanes, ..Live::default() }, &BTreeMap::from([(1, ends)]));
        let ticks = StreamUse {
            endpoint: "ticks".into(),
            messages: 7,
            reconnects: vec![("reset".into(), 2), ("closed".into(), 1)],
            closes: vec![(1000, 1), (1006, 2)],
        };
        let quiet = StreamUse { endpoint: "quiet".into(), ..StreamUse::default() };
        assert_eq!(all, [ticks, quiet]);
    }
}
