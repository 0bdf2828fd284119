//! A run as a trace and as metrics: what a collector gets, and what becomes of a run whose collector is not there.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod faults;
mod judged;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::support::collector::{Collector, METRICS, TRACES, attribute, histograms, points, value};
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle, wait};

/// A wait of a test that has no other end.
const LONG: Duration = Duration::from_secs(60);

/// The example of W3C's recommendation.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const JOB: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 0, to = 19 }
rate = "1000/s"
concurrency = 4
batch.size = 5
retry.initial = "10ms"

[sinks.out]
path = "out.csv"
"#;

/// Of twenty rows one fails, and one is asked twice.
fn server() -> Oracle {
    let refused = AtomicBool::new(false);
    Oracle::start(move |request| match request.id() {
        "3" => Answer::status(404),
        "5" if !refused.swap(true, Ordering::SeqCst) => Answer::status(503),
        _ => item(request),
    })
}

fn job(oracle: &Oracle, collector: &str) -> Job {
    Job::at(&oracle.url(), JOB).variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only span with this value of an attribute.
fn with<'s>(spans: &[&'s Span], key: &str, expected: &str) -> &'s Span {
    let found: Vec<&&Span> = spans.iter().filter(|span| attribute(&span.attributes, key) == expected).collect();
    assert_eq!(found.len(), 1, "{key} = {expected}: {found:#?}");
    found[0]
}

#[test]
fn a_run_is_a_trace_in_which_everything_has_its_place() {
    let (oracle, collector) = (server(), Collector::start());
    let job = job(&oracle, &collector.url()).variable("TRACEPARENT", PARENT).variable("OTEL_SERVICE_NAME", "nightly");
    let done = job.run(&["--otlp"]).expect_code(1);
    assert!(!done.stderr.contains("otlp: "), "{}", done.stderr);
    let spans = collector.spans();
    let (runs, batches) = (named(&spans, "paceline run"), named(&spans, "batch item"));
    let (rows, attempts) = (named(&spans, "row item"), named(&spans, "GET"));
    assert_eq!([runs.len(), batches.len(), rows.len(), attempts.len()], [1, 4, 20, 21]);
    assert_eq!(spans.len(), 46);
    let ids: BTreeSet<&[u8]> = spans.iter().map(|span| &span.span_id[..]).collect();
    assert_eq!(ids.len(), spans.len(), "every span has an id of its own");
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(hex(&runs[0].parent_span_id), "00f067aa0ba902b7");
    for (children, parents) in [(&batches, &runs), (&rows, &batches), (&attempts, &rows)] {
        for child in children.iter() {
            let parent = parents.iter().find(|parent| parent.span_id == child.parent_span_id).unwrap();
            assert!(parent.start_time_unix_nano <= child.start_time_unix_nano, "{parent:?} {child:?}");
            assert!(child.start_time_unix_nano <= child.end_time_unix_nano, "{child:?}");
        }
    }
    let again = with(&attempts, "http.request.resend_count", "1");
    let row = with(&rows, "paceline.row", "6");
    assert_eq!(
        (&again.parent_span_id, attribute(&again.attributes, "paceline.again_after")),
        (&row.span_id, "503".into())
    );
    assert_eq!(attribute(&collector.resource().attributes, "service.name"), "nightly");
}

#[test]
fn an_attempt_says_what_it_was_and_a_failure_is_one_up_to_its_row() {
    let (oracle, collector) = (server(), Collector::start());
    job(&oracle, &collector.url()).run(&["--otlp"]).expect_code(1);
    let spans = collector.spans();
    let (run, rows, attempts) = (named(&spans, "paceline run")[0], named(&spans, "row item"), named(&spans, "GET"));
    let failed = with(&attempts, "http.response.status_code", "404");
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.full", &*format!("{}/items/3", oracle.url())),
        ("server.address", "127.0.0.1"),
        ("server.port", &oracle.address().port().to_string()),
        ("error.type", "404"),
        ("paceline.verdict", "fail"),
    ] {
        assert_eq!(attribute(&failed.attributes, key), expected, "{key}");
    }
    let row = with(&rows, "paceline.ending", "failed");
    assert_eq!((&failed.parent_span_id, attribute(&row.attributes, "paceline.row")), (&row.span_id, "4".into()));
    let statuses = [failed, row, run].map(|span| span.status.as_ref().map(|status| status.code));
    assert_eq!(statuses, [Some(2); 3]);
    assert_eq!(run.status.as_ref().unwrap().message, "failed > 0 held");
    assert_eq!((failed.kind, row.kind), (3, 1), "a client's, and one within");
    assert_eq!(spans.iter().filter(|span| span.status.is_some()).count(), 4, "the one that was made again, too");
    assert!(run.parent_span_id.is_empty());
    let told = ["paceline.rows.ok", "paceline.rows.failed", "paceline.attempts", "paceline.retries", "paceline.ending"];
    assert_eq!(told.map(|key| attribute(&run.attributes, key)), ["19", "1", "21", "1", "complete"]);
}

#[test]
fn metrics_are_those_of_the_summary_under_the_names_of_the_text() {
    let (oracle, collector) = (server(), Collector::start());
    let job = job(&oracle, &collector.url()).variable("OTEL_TRACES_EXPORTER", "none");
    let done = job.run(&["--otlp", "--report-json", "report.json"]).expect_code(1);
    assert_eq!(done.stdout, "");
    assert!(collector.bodies(TRACES).is_empty());
    let summary: serde_json::Value = serde_json::from_str(&job.read("report.json")).unwrap();
    let pushes = collector.pushes();
    let last = pushes.last().unwrap();
    for (name, attributes, member) in [
        ("paceline.rows", &[("endpoint", "item"), ("outcome", "ok")][..], summary["rows"]["ok"].as_f64()),
        ("paceline.rows", &[("outcome", "failed"), ("job_name", "job")], summary["rows"]["failed"].as_f64()),
        ("paceline.attempts", &[], summary["attempts"].as_f64()),
        ("paceline.retries", &[("reason", "503")], summary["retries"].as_f64()),
        ("paceline.replies", &[("status", "200")], Some(19.0)),
        ("paceline.replies", &[("status", "404")], Some(1.0)),
        ("paceline.records", &[("sink", "out")], Some(20.0)),
        ("paceline.sent", &[], summary["bytes"]["sent"].as_f64()),
        ("paceline.received", &[], summary["bytes"]["received"].as_f64()),
        ("paceline.in_flight", &[], Some(0.0)),
        ("paceline.rows_expected", &[], Some(20.0)),
        ("paceline.run_info", &[("version", env!("CARGO_PKG_VERSION"))], Some(1.0)),
    ] {
        assert_eq!(Some(value(&last[name], attributes)), member, "{name} {attributes:?}\n{summary:#}");
    }
    let request = &histograms(&last["paceline.request_duration"])[0];
    assert_eq!((request.count, request.bucket_counts.iter().sum()), (21, 21_u64));
    assert_eq!(request.bucket_counts.len(), request.explicit_bounds.len() + 1);
    let units = ["paceline.request_duration", "paceline.sent", "paceline.bound_by", "paceline.rows"];
    assert_eq!(units.map(|name| last.get(name).map_or("1", |metric| metric.unit.as_str())), ["s", "By", "1", ""]);
    assert_eq!(histograms(&last["paceline.stage_duration"]).len(), 6);
}

#[test]
fn metrics_come_while_a_run_goes_on_and_its_end_by_a_signal_is_told() {
    let oracle = Oracle::start(|request| if request.id().len() > 1 { Answer::Stall } else { item(request) });
    let collector = Collector::start();
    let job = job(&oracle, &collector.url()).variable("OTEL_METRIC_EXPORT_INTERVAL", "50");
    let run = job.spawn(&["--otlp"]);
    let waits = |pushes: &[BTreeMap<String, _>]| {
        pushes.len() > 1 && pushes.last().is_some_and(|last| value(&last["paceline.in_flight"], &[]) > 3.0)
    };
    wait::until("the middle of the run", LONG, || waits(&collector.pushes()).then_some(()));
    run.signal("INT");
    wait::until("the drain", LONG, || run.stderr().contains("draining").then_some(()));
    run.signal("INT");
    run.wait().expect_code(130);
    let pushes = collector.pushes();
    let attempts = |push: &BTreeMap<String, _>| {
        let point = &points(&push["paceline.attempts"])[0];
        (point.start_time_unix_nano, point.time_unix_nano)
    };
    assert!(pushes.windows(2).all(|two| attempts(&two[0]).0 == attempts(&two[1]).0), "one beginning");
    assert!(pushes.windows(2).all(|two| attempts(&two[0]).1 < attempts(&two[1]).1), "time goes on");
    assert_eq!(value(&pushes.last().unwrap()["paceline.rows"], &[("outcome", "ok")]), 10.0);
    let spans = collector.spans();
    let run = named(&spans, "paceline run")[0];
    assert_eq!(attribute(&run.attributes, "paceline.ending"), "interrupted");
    assert_eq!(run.status.as_ref().unwrap().code, 2);
    assert!(run.events.iter().any(|event| event.name == "paceline.draining"), "{run:#?}");
    assert_eq!((named(&spans, "row item").len(), named(&spans, "batch item").len()), (10, 3));
}

#[test]
fn a_failing_row_is_told_whatever_share_of_the_others_is() {
    let (oracle, collector) = (server(), Collector::start());
    let job = job(&oracle, &collector.url()).variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
    job.variable("OTEL_TRACES_SAMPLER_ARG", "0").run(&["--otlp"]).expect_code(1);
    let spans = collector.spans();
    let rows = named(&spans, "row item");
    assert_eq!((rows.len(), attribute(&rows[0].attributes, "paceline.row")), (1, "4".into()));
    assert_eq!(spans.len(), 7, "the run, its batches, the row and its attempt");
}

#[test]
fn nothing_is_sent_unless_somebody_asks_for_it() {
    let (oracle, collector) = (server(), Collector::start());
    job(&oracle, &collector.url()).run(&[]).expect_code(1);
    job(&oracle, &collector.url()).run(&["--otlp=off"]).expect_code(1);
    job(&oracle, &collector.url()).variable("OTEL_SDK_DISABLED", "true").run(&["--otlp"]).expect_code(1);
    let left_out = PARENT.replace("-01", "-00");
    let unsampled = job(&oracle, &collector.url()).variable("TRACEPARENT", &left_out);
    unsampled.variable("OTEL_METRICS_EXPORTER", "none").run(&["--otlp"]).expect_code(1);
    assert_eq!(collector.oracle().count(), 0);
    let asked = Job::at(&oracle.url(), JOB).variable("PACELINE_OTLP", &collector.url());
    asked.run(&[]).expect_code(1);
    assert!(!collector.bodies(TRACES).is_empty() && !collector.bodies(METRICS).is_empty());
}
