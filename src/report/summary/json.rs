//! The summary as JSON: what `--output json` prints and what `[report] json` writes. docs/reports.md says what its fields
//! mean, and a test that they are those.
//!
//! Fields are only ever added under one version. Rows are counted from 1, as people count them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Next;
use crate::clock;
use crate::journal::Counts;
use crate::recap::{Distribution, Endpoint, FailureGroup, LimitUse, Recap, Session, Slow, StreamUse, streams};
use crate::run::{RunEnding, RunReport};

/// The summary as JSON.
#[must_use]
pub fn json(report: &RunReport, exit: u8, next: Option<&Next>) -> Value {
    let mut all = json!({
        "version": 1,
        "job": report.job,
        "run": (!report.run.is_empty()).then_some(&report.run),
        "ending": ending(&report.ending),
        "exit": exit,
        "rows": {
            "ok": report.total.ok,
            "failed": report.total.failed,
            "unknown": report.total.unknown,
            "skipped": report.total.skipped,
            "resumed": report.resumed_rows,
        },
        "attempts": report.attempts,
        "retries": report.retries,
        "retries_by_reason": counted(&report.retry_reasons),
        "bound_by": report.bound_by.iter().map(|(what, share)| json!({ "what": what, "share": share }))
            .collect::<Vec<_>>(),
        "malformed_limit_hints": report.malformed_hints,
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "latency_ms": report.latency.map(|[p50, p95, p99]| {
            json!({ "p50": milliseconds(p50), "p95": milliseconds(p95), "p99": milliseconds(p99) })
        }),
        "statuses": report.statuses.iter().map(|(status, replies)| (status.to_string(), json!(replies)))
            .collect::<Map<_, _>>(),
        "failures": report.failures.iter().map(|failure| group(report, failure)).collect::<Vec<_>>(),
        "outputs": report.outputs.iter().map(|output| {
            json!({ "sink": output.sink, "target": output.target, "records": output.records, "doubles": output.doubles })
        }).collect::<Vec<_>>(),
        "journal": report.journal.display().to_string(),
        "failed_conditions": report.failed_conditions,
        "warnings": report.warnings,
        "next": next.map(|next| next.command.as_str()),
    });
    if let Some(object) = all.as_object_mut() {
        object.extend(measured(report));
    }
    all
}

/// What the recap knows beyond that.
fn measured(report: &RunReport) -> Map<String, Value> {
    let recap = &report.recap;
    let session = recap.last().cloned().unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = report.attempts as f64 / report.elapsed.as_secs_f64();
    let stages = session.stages.named().map(|(name, all)| (name.replace(' ', "_"), distribution(all)));
    let fields = [
        ("program", json!(env!("CARGO_PKG_VERSION"))),
        ("started", json!((!session.started.is_empty()).then_some(&session.started))),
        ("attempts_per_second", json!(if rate.is_finite() { rate } else { 0.0 })),
        ("bytes", json!({ "sent": session.traffic.sent, "received": session.traffic.received })),
        ("stages_ms", Value::Object(stages.into_iter().collect())),
        ("slowest", session.slowest.iter().map(slow).collect()),
        ("streams", session.streams.iter().map(stream).collect()),
        ("limits", session.limits.iter().map(limit).collect()),
        ("endpoints", recap.endpoints.iter().map(endpoint).collect()),
        ("sessions", sessions(recap)),
        ("sessions_left_out", json!(recap.sessions_left_out)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn counted(reasons: &[(String, u64)]) -> Map<String, Value> {
    reasons.iter().map(|(reason, count)| (reason.clone(), json!(count))).collect()
}

/// Rows that failed for a reason, and how many of which endpoint.
fn group(report: &RunReport, (reason, rows, example): &(String, u64, u64)) -> Value {
    let session = report.recap.last().map(|session| session.failures.as_slice()).unwrap_or_default();
    let of = session.iter().filter(|group| group.reason == *reason).map(|group| {
        let FailureGroup { endpoint, rows, example_row, .. } = group;
        json!({ "endpoint": endpoint, "rows": rows, "example_row": example_row + 1 })
    });
    json!({ "reason": reason, "rows": rows, "example_row": example + 1, "endpoints": of.collect::<Vec<_>>() })
}

/// `null` where nothing was measured.
fn distribution(all: &Distribution) -> Value {
    let at = |share| all.quantile(share).map(milliseconds);
    match all.total() {
        0 => Value::Null,
        count => json!({
            "count": count,
            "p50": at(0.5),
            "p95": at(0.95),
            "p99": at(0.99),
            "max": all.max().map(milliseconds),
        }),
    }
}

fn slow(slow: &Slow) -> Value {
    let took = milliseconds(Duration::from_micros(slow.micros));
    json!({ "endpoint": slow.endpoint, "row": slow.row + 1, "status": slow.status, "ms": took })
}

fn stream(of: &StreamUse) -> Value {
    let closes: Map<_, _> = of.closes.iter().map(|(code, count)| (streams::code(*code), json!(count))).collect();
    json!({
        "endpoint": of.endpoint,
        "messages": of.messages,
        "reconnects_by_reason": counted(&of.reconnects),
        "closes": closes,
    })
}

fn limit(limit: &LimitUse) -> Value {
    let LimitUse { name, rate, tokens, capacity, holds } = limit;
    json!({ "name": name, "rate": rate, "tokens": tokens, "capacity": capacity, "holds": holds })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let Counts { ok, failed, unknown, skipped, attempts, records, .. } = endpoint.counts;
    json!({
        "name": endpoint.name,
        "rows": endpoint.rows,
        "ok": ok,
        "failed": failed,
        "unknown": unknown,
        "skipped": skipped,
        "attempts": attempts,
        "records": records,
    })
}

fn sessions(recap: &Recap) -> Value {
    let one = |session: &Session| {
        json!({
            "started": session.started,
            "elapsed_seconds": Duration::from_millis(session.elapsed_ms).as_secs_f64(),
            "ending": session.ending.kind,
            "attempts": session.attempts,
            "retries": session.retries,
        })
    };
    recap.sessions.iter().map(one).collect()
}

fn ending(ending: &RunEnding) -> Value {
    match ending {
        RunEnding::Complete => json!({ "kind": "complete" }),
        RunEnding::Partial => json!({ "kind": "partial" }),
        RunEnding::Interrupted(signal) => json!({ "kind": "interrupted", "signal": signal.name() }),
        RunEnding::Stopped { reason, resume_after, resume_at } => json!({
            "kind": "stopped",
            "reason": reason,
            "resume_after_seconds": resume_after.map(|wait| wait.as_secs_f64()),
            "resume_at": resume_at.map(clock::rfc3339),
        }),
        RunEnding::Broken(reason) => json!({ "kind": "broken", "reason": reason }),
    }
}
