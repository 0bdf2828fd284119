//! Summing up: from what a session left to its report, and whether a `fail-if` held.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

use crate::event::{Bound, Bytes, EndpointRows, FailureGroup, Percentiles, Records, Stream, Summary};
use crate::journal::Counts;
use crate::plan::{EndpointPlan, Plan};
use crate::recap::{self, Distribution, Recap, StreamUse, streams};
use crate::report::fault;
use crate::report::text::counted;

use super::lane::Shared;
use super::live;
use super::meter::{Failures, Measured};
use super::open::Facts;
use super::scribe::Written;
use super::told::rows;
use super::{OutputReport, RunEnding, RunReport};

/// The report of a session. `written` is `None` when the scribe died.
#[must_use]
pub fn report(
    shared: &Shared,
    facts: &Facts,
    ending: RunEnding,
    written: Option<&Written>,
    elapsed: Duration,
) -> RunReport {
    let total =
        written.map(|written| written.counts.iter().copied().fold(Counts::default(), Add::add)).unwrap_or_default();
    let measured = shared.meter.read();
    let held =
        shared.plan.fail_if.iter().filter(|condition| condition.holds(&total, |share| shared.meter.quantile(share)));
    let mut warnings = warnings(shared, facts, written, &measured);
    warnings.iter_mut().for_each(|words| *words = shared.masker.mask(words).into_owned());
    fault::put_among(&mut warnings, shared.chronicle.faults(&shared.masker));
    let report = RunReport {
        job: shared.plan.name.clone(),
        run: facts.run.clone(),
        ending,
        blamed: None,
        total,
        unknown: left_alone(&shared.plan, written).map(|(_, rows)| rows).sum(),
        resumed_rows: facts.resumed_rows,
        attempts: shared.live.lanes.iter().map(|lane| live::read(&lane.attempts)).sum(),
        retries: shared.live.lanes.iter().map(|lane| live::read(&lane.retries)).sum(),
        retry_reasons: measured.retries,
        bound_by: shared.chronicle.bound_by(),
        malformed_hints: measured.malformed,
        elapsed,
        latency: latency(&measured.latency),
        statuses: measured.statuses,
        failures: by_reason(&measured.failures),
        resumable: !shared.plan.endpoints.iter().any(|endpoint| endpoint.source.is_read_once()),
        outputs: outputs(shared, written),
        journal: facts.journal.clone(),
        failed_conditions: held.map(|condition| condition.source.clone()).collect(),
        warnings,
        recap: Recap::default(),
    };
    let counts = written.map(|written| written.counts.as_slice()).unwrap_or_default();
    RunReport { recap: shared.chronicle.ended(shared, counts, &report), ..report }
}

/// What the last event says of a session.
#[must_use]
pub fn summary(report: &RunReport) -> Summary {
    let recap = &report.recap;
    let session = recap.last().cloned().unwrap_or_default();
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let latency_ms = report.latency.map(|all| {
        let [p50, p95, p99] = all.map(milliseconds);
        Percentiles { p50, p95, p99 }
    });
    let endpoints = recap.endpoints.iter();
    Summary {
        ending: session.ending.kind,
        reason: session.ending.reason,
        resume_at: session.ending.resume_at,
        rows: rows(&report.total),
        endpoints: endpoints.map(|of| EndpointRows { endpoint: of.name.clone(), rows: rows(&of.counts) }).collect(),
        resumed_rows: report.resumed_rows,
        attempts: report.attempts,
        retries: report.retries,
        retries_by_reason: report.retry_reasons.iter().cloned().collect::<BTreeMap<_, _>>(),
        streams: session.streams.into_iter().map(stream).collect(),
        statuses: report.statuses.iter().copied().collect(),
        failures: session.failures.into_iter().map(failure_group).collect(),
        latency_ms,
        bytes: Bytes { sent: session.traffic.sent, received: session.traffic.received },
        bound_by: session.bound_by.into_iter().map(|(what, share)| Bound { what, share }).collect(),
        outputs: report.outputs.iter().map(records).collect(),
        elapsed_ms: u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        failed_conditions: report.failed_conditions.clone(),
        warnings: report.warnings.clone(),
    }
}

fn stream(of: StreamUse) -> Stream {
    let StreamUse { endpoint, messages, reconnects, closes } = of;
    let closes = closes.into_iter().map(|(code, count)| (streams::code(code), count)).collect();
    Stream { endpoint, messages, reconnects_by_reason: reconnects.into_iter().collect(), closes }
}

fn failure_group(group: recap::FailureGroup) -> FailureGroup {
    let recap::FailureGroup { endpoint, reason, rows, example_row } = group;
    FailureGroup { endpoint, reason, rows, example_row }
}

fn records(output: &OutputReport) -> Records {
    Records { sink: output.sink.clone(), target: output.target.clone(), records: output.records }
}

fn latency(measured: &Distribution) -> Option<[Duration; 3]> {
    Some([measured.quantile(0.5)?, measured.quantile(0.95)?, measured.quantile(0.99)?])
}

/// Rows that failed over all endpoints: reason, rows, example row; most frequent first.
fn by_reason(failures: &[Failures]) -> Vec<(String, u64, u64)> {
    let mut groups: Vec<(String, u64, u64)> = Vec::new();
    for Failures { reason, rows, example, .. } in failures {
        match groups.iter_mut().find(|(known, ..)| known == reason) {
            Some((_, sum, _)) => *sum += rows,
            None => groups.push((reason.clone(), *rows, *example)),
        }
    }
    groups.sort_by_key(|(_, rows, _)| std::cmp::Reverse(*rows));
    groups
}

fn outputs(shared: &Shared, written: Option<&Written>) -> Vec<OutputReport> {
    let records = |position: usize| written.and_then(|written| written.records.get(position)).copied().unwrap_or(0);
    let doubles = |position: usize| written.and_then(|written| written.doubles.get(position)).copied().unwrap_or(0);
    let sinks = shared.plan.sinks.iter().enumerate();
    sinks
        .map(|(position, sink)| OutputReport {
            sink: sink.name.clone(),
            target: sink.kind.target(),
            records: records(position),
            doubles: doubles(position),
        })
        .collect()
}

/// Rows that failed as unknown and that the job does not send again, with their endpoints.
fn left_alone<'p>(plan: &'p Plan, written: Option<&'p Written>) -> impl Iterator<Item = (&'p EndpointPlan, u64)> {
    let counts = written.map(|written| written.counts.as_slice()).unwrap_or_default();
    let endpoints = plan.endpoints.iter().zip(counts.iter().map(|counts| counts.unknown));
    endpoints.filter(|(endpoint, rows)| *rows > 0 && !endpoint.resends_unknown())
}

/// Why `--failed` does not send an endpoint's unknown rows, and what does.
#[must_use]
pub fn unknown_words(endpoint: &str, rows: u64) -> String {
    format!(
        "endpoints.{endpoint}: {} failed as unknown and stay so, since the server may have acted on them; \
         --failed --set endpoints.{endpoint}.retry.unknown='\"resend\"' sends them again",
        counted(rows, "row")
    )
}

/// What does not add up in walks through pages.
fn doubt_words((words, rows, example): &(String, u64, u64)) -> String {
    match rows {
        1 => format!("{words} (row {})", example + 1),
        rows => format!("{words} ({rows} rows, row {} among them)", example + 1),
    }
}

fn warnings(shared: &Shared, facts: &Facts, written: Option<&Written>, measured: &Measured) -> Vec<String> {
    let unknown = left_alone(&shared.plan, written).map(|(endpoint, rows)| unknown_words(&endpoint.name, rows));
    // First, since it tells what to do. A session of `--failed` has said so at its beginning.
    let unknown = unknown.filter(|words| !facts.warnings.contains(words));
    let mut warnings: Vec<String> = unknown.chain(facts.warnings.iter().cloned()).collect();
    warnings.extend(measured.orphans.iter().map(|(endpoint, rows, example)| {
        let EndpointPlan { name, source, .. } = &shared.plan.endpoints[*endpoint];
        let (rows, parent) = (counted(*rows, "row"), source.parent().unwrap_or_default());
        format!("endpoints.{name}: {rows} skipped for what failed in {parent}, for example: {example}")
    }));
    let malformed = measured.malformed;
    if malformed > 0 {
        warnings.push(format!("{malformed} values in replies about limits could not be read and were passed over"));
    }
    warnings.extend(measured.doubts.iter().map(doubt_words));
    let dropped = written.map(|written| written.dropped.as_slice()).unwrap_or_default();
    for (sink, names) in shared.plan.sinks.iter().zip(dropped) {
        if !names.is_empty() {
            warnings.push(format!(
                "sinks.{0}: values of the input named {1} are not in its records: an extracted column has their name, \
                 or they came after the header was fixed; rename the column, or name them in sinks.{0}.columns",
                sink.name,
                names.join(", ")
            ));
        }
    }
    let left_out = written.map(|written| written.left_out.as_slice()).unwrap_or_default();
    let told = left_out.iter().flatten().map(|(records, reason)| match records {
        1 => format!("the record of a failed row was left out: {reason}"),
        records => format!("the records of {records} failed rows were left out, the first because: {reason}"),
    });
    warnings.extend(told);
    warnings
}
