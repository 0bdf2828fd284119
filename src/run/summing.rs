//! Summing up: from what a session left to its report, and whether a `fail-if` held.

use std::time::Duration;

use crate::journal::Counts;

use super::lane::Shared;
use super::live;
use super::open::Facts;
use super::scribe::Written;
use super::{OutputReport, RunEnding, RunReport};

/// The report of a session. `written` is `None` when the scribe died.
#[must_use]
pub fn report(
    shared: &Shared,
    facts: &Facts,
    ending: RunEnding,
    written: Option<&Written>,
    bound_by: Vec<(String, f64)>,
    elapsed: Duration,
) -> RunReport {
    let total = written.map(|written| total(&written.counts)).unwrap_or_default();
    let measured = shared.meter.read();
    let held =
        shared.plan.fail_if.iter().filter(|condition| condition.holds(&total, |share| shared.meter.quantile(share)));
    RunReport {
        job: shared.plan.name.clone(),
        run: facts.run.clone(),
        ending,
        total,
        resumed_rows: facts.resumed_rows,
        attempts: shared.live.lanes.iter().map(|lane| live::read(&lane.attempts)).sum(),
        retries: shared.live.lanes.iter().map(|lane| live::read(&lane.retries)).sum(),
        retry_reasons: measured.retries,
        bound_by,
        malformed_hints: measured.malformed,
        elapsed,
        latency: measured.latency,
        statuses: measured.statuses,
        failures: measured.failures,
        resumable: !shared.plan.endpoints.iter().any(|endpoint| endpoint.source.is_read_once()),
        outputs: outputs(shared, written),
        journal: facts.journal.clone(),
        failed_conditions: held.map(|condition| condition.source.clone()).collect(),
        warnings: warnings(shared, facts, written),
    }
}

fn total(counts: &[Counts]) -> Counts {
    counts.iter().fold(Counts::default(), |sum, counts| Counts {
        ok: sum.ok + counts.ok,
        failed: sum.failed + counts.failed,
        skipped: sum.skipped + counts.skipped,
        attempts: sum.attempts + counts.attempts,
        records: sum.records + counts.records,
    })
}

fn outputs(shared: &Shared, written: Option<&Written>) -> Vec<OutputReport> {
    let records = |position: usize| written.and_then(|written| written.records.get(position)).copied().unwrap_or(0);
    let sinks = shared.plan.sinks.iter().enumerate();
    sinks
        .map(|(position, sink)| OutputReport {
            sink: sink.name.clone(),
            target: sink.kind.path().map_or("standard output".to_owned(), |path| path.display().to_string()),
            records: records(position),
        })
        .collect()
}

fn warnings(shared: &Shared, facts: &Facts, written: Option<&Written>) -> Vec<String> {
    let mut warnings = facts.warnings.clone();
    let malformed = shared.meter.read().malformed;
    if malformed > 0 {
        warnings.push(format!("{malformed} values in replies about limits could not be read and were passed over"));
    }
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
    warnings
}
