//! The summary in every ending, letter by letter.

use serde_json::{Value, json};

use super::*;
use crate::journal::Counts;
use crate::recap::{Bytes, Endpoint, FailureGroup, LimitUse, Recap, Slow, Stages, Step, StepLane, StreamUse, Timeline};
use crate::run::OutputReport;
use crate::run::Signal;

/// A run that a server stopped at 15:04:05 on 20 November 2026.
fn stopped(reason: &str, wait: Duration) -> RunEnding {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_187_045);
    RunEnding::Stopped { reason: reason.into(), resume_after: Some(wait), resume_at: Some(at + wait) }
}

/// A run of 1,000 rows that ended as told.
pub fn report(ending: RunEnding) -> RunReport {
    RunReport {
        job: "prices".into(),
        run: "20261120-150405-7f3a".into(),
        ending,
        blamed: None,
        total: Counts { ok: 1000, attempts: 1037, records: 1000, ..Counts::default() },
        unknown: 0,
        resumed_rows: 0,
        attempts: 1037,
        retries: 37,
        retry_reasons: vec![("503".into(), 25), ("429".into(), 12)],
        bound_by: vec![("limit prices-api".into(), 0.972), ("concurrency".into(), 0.028)],
        malformed_hints: 0,
        elapsed: Duration::from_millis(4800),
        latency: Some([3, 12, 40].map(Duration::from_millis)),
        statuses: vec![(200, 1000), (429, 12), (503, 25)],
        failures: Vec::new(),
        resumable: true,
        outputs: vec![OutputReport {
            sink: "out".into(),
            target: "jobs/out/prices.csv".into(),
            records: 1000,
            doubles: 0,
        }],
        journal: "jobs/.paceline/prices/journal".into(),
        failed_conditions: Vec::new(),
        recap: crate::recap::Recap::default(),
        warnings: Vec::new(),
    }
}

/// The same with failed rows and all that is measured.
pub fn measured(ending: RunEnding) -> RunReport {
    let of = |counts: &[(u64, u64)]| Distribution { counts: counts.to_vec() };
    let failure = |reason: &str, rows, example_row| FailureGroup {
        endpoint: "price".into(),
        reason: reason.into(),
        rows,
        example_row,
    };
    let boom = "HTTP 500: <b>boom</b> | @all";
    let mut report = report(ending);
    report.total = Counts { ok: 982, failed: 18, ..report.total };
    report.failures = vec![("HTTP 404".into(), 15, 41), (boom.into(), 1, 1233)];
    report.warnings = vec!["odd & even".into()];
    let at_work = StepLane { attempts: 500, ..StepLane::default() };
    let step = |lane| Step { lanes: vec![lane, StepLane::default()], latency: None };
    let session = Session {
        started: "2026-11-20T15:04:05.123Z".into(),
        elapsed_ms: 4800,
        attempts: 1037,
        retries: 37,
        failures: vec![failure("HTTP 404", 15, 41), failure(boom, 1, 1233)],
        slowest: vec![Slow { endpoint: "price".into(), row: 7, status: Some(200), micros: 40_000 }],
        latency: of(&[(3000, 900), (12_000, 136), (40_000, 1)]),
        stages: Stages { pool: of(&[(4, 1037)]), first_byte: of(&[(2800, 900), (11_000, 137)]), ..Stages::default() },
        traffic: Bytes { sent: 81_000, received: 1_260_000 },
        limits: vec![LimitUse { name: "prices-api".into(), rate: "200/s".into(), tokens: 1037, ..LimitUse::default() }],
        timeline: Timeline {
            step_ms: 200,
            steps: vec![step(at_work), step(StepLane::default()), step(at_work)],
            ..Timeline::default()
        },
        ..Session::default()
    };
    let price = Endpoint { name: "price".into(), rows: Some(1000), counts: report.total };
    let stock = Endpoint { name: "stock".into(), ..Endpoint::default() };
    report.recap =
        Recap { job: "prices".into(), endpoints: vec![price, stock], sessions: vec![session], ..Recap::default() };
    report
}

fn next(label: &'static str, command: &str) -> Next {
    Next { label, command: command.into() }
}

#[test]
fn complete() {
    let expected = "\
prices: complete in 4.8s
rows      1,000 ok · 0 failed · 0 skipped
attempts  1,037 (37 retries), 216/s, again after 503: 25 · 429: 12
limited   by limit prices-api 97 % of the time, concurrency 3 %
latency   p50 3.0ms · p95 12ms · p99 40ms
statuses  200: 1,000 · 429: 12 · 503: 25
records   jobs/out/prices.csv (1,000)
journal   jobs/.paceline/prices/journal
";
    assert_eq!(text(&report(RunEnding::Complete), None, None), expected);
}

#[test]
fn complete_with_failures() {
    let mut report = report(RunEnding::Complete);
    report.total = Counts { ok: 982, failed: 18, ..report.total };
    report.failures = vec![("HTTP 404".into(), 17, 41), ("HTTP 500:\nboom".into(), 1, 1233)];
    report.failed_conditions = vec!["failed > 0".into(), "failed > 1%".into()];
    let expected = "\
prices: complete in 4.8s
rows      982 ok · 18 failed · 0 skipped
attempts  1,037 (37 retries), 216/s, again after 503: 25 · 429: 12
limited   by limit prices-api 97 % of the time, concurrency 3 %
latency   p50 3.0ms · p95 12ms · p99 40ms
statuses  200: 1,000 · 429: 12 · 503: 25
failures  17 rows: HTTP 404 (such as row 42)
          1 row: HTTP 500: boom (row 1,234)
records   jobs/out/prices.csv (1,000)
journal   jobs/.paceline/prices/journal
fail-if   failed > 0; failed > 1% held
again     paceline run jobs/prices.toml --failed
";
    assert_eq!(text(&report, Some(&next("again", "paceline run jobs/prices.toml --failed")), None), expected);
}

#[test]
fn interrupted_after_a_resume() {
    let mut report = report(RunEnding::Interrupted(Signal::Interrupt));
    report.total = Counts { ok: 700, ..report.total };
    report.resumed_rows = 400;
    // Ten rows of this session never reached the wire, so their attempts tell nothing of retries.
    (report.attempts, report.retries) = (291, 1);
    report.retry_reasons = vec![("503".into(), 1)];
    report.statuses = vec![(200, 300), (503, 1)];
    let expected = "\
prices: interrupted by SIGINT after 4.8s
rows      700 ok · 0 failed · 0 skipped (400 in earlier sessions)
attempts  291 (1 retry), 61/s, again after 503: 1
limited   by limit prices-api 97 % of the time, concurrency 3 %
latency   p50 3.0ms · p95 12ms · p99 40ms
statuses  200: 300 · 503: 1
records   jobs/out/prices.csv (1,000)
journal   jobs/.paceline/prices/journal
resume    paceline run jobs/prices.toml
";
    assert_eq!(text(&report, Some(&next("resume", "paceline run jobs/prices.toml")), None), expected);
}

#[test]
fn stopped_before_the_first_reply() {
    let mut report = report(stopped("the server asks for a wait of 1h 30m", Duration::from_secs(5400)));
    report.total = Counts::default();
    (report.attempts, report.latency, report.statuses, report.outputs) = (0, None, Vec::new(), Vec::new());
    report.bound_by = Vec::new();
    let expected = "\
prices: stopped after 4.8s: the server asks for a wait of 1h 30m; go on in 1h 30m (16:34:05 UTC)
rows      0 ok · 0 failed · 0 skipped
journal   jobs/.paceline/prices/journal
resume    paceline run jobs/prices.toml
";
    assert_eq!(text(&report, Some(&next("resume", "paceline run jobs/prices.toml")), None), expected);
}

#[test]
fn a_wait_of_days_is_told_with_its_date() {
    let text = text(&report(stopped("asked", Duration::from_secs(3 * 86_400))), None, None);
    assert_eq!(text.lines().next(), Some("prices: stopped after 4.8s: asked; go on in 3d (2026-11-23 15:05 UTC)"));
}

#[test]
fn broken_by_a_signal_of_the_disk() {
    let broken = text(&report(RunEnding::Broken("out/prices.csv: no space left on device".into())), None, None);
    assert_eq!(broken.lines().next(), Some("prices: broken off after 4.8s: out/prices.csv: no space left on device"));
    let terminated = text(&report(RunEnding::Interrupted(Signal::Terminate)), None, None);
    assert_eq!(terminated.lines().next(), Some("prices: interrupted by SIGTERM after 4.8s"));
}

#[test]
fn never_more_than_twelve_lines_whatever_there_is_to_say() {
    let mut report = report(RunEnding::Interrupted(Signal::Interrupt));
    report.failures = (0..9).map(|reason| (format!("reason {reason}"), 5, reason)).collect();
    let output =
        |sink| OutputReport { sink: format!("s{sink}"), target: format!("s{sink}.csv"), records: sink, doubles: 0 };
    report.outputs = (0..5).map(output).collect();
    report.warnings = vec!["one".into(), "two".into(), "three".into()];
    report.failed_conditions = vec!["failed > 0".into()];
    report.statuses = (200..220).map(|status| (status, 1)).collect();
    let text = text(&report, Some(&next("resume", "paceline run x.toml")), None);
    assert_eq!(text.lines().count(), MOST_LINES, "{text}");
    let tail: Vec<&str> = text.lines().skip(5).collect();
    let expected = [
        "statuses  200: 1 · 201: 1 · 202: 1 · 203: 1 · 204: 1 · 205: 1 · 206: 1 · 207: 1 · and 12 more",
        "failures  5 rows: reason 0 (such as row 1) · and 8 more reasons",
        "records   s0.csv (0) · and 4 more outputs",
        "journal   jobs/.paceline/prices/journal",
        "fail-if   failed > 0 held",
        "warning   one (and 2 more)",
        "resume    paceline run x.toml",
    ];
    assert_eq!(tail, expected);
}

#[test]
fn json_says_the_same() {
    let mut report = report(stopped("asked", Duration::from_secs(9)));
    report.failures = vec![("HTTP 404".into(), 17, 41)];
    let json = json(&report, 4, Some(&next("resume", "paceline run x.toml")));
    let at = "2026-11-20T15:04:14.000Z";
    let ending = json!({ "kind": "stopped", "reason": "asked", "resume_after_seconds": 9.0, "resume_at": at });
    assert_eq!(json["ending"], ending);
    assert_eq!(json["rows"], json!({ "ok": 1000, "failed": 0, "unknown": 0, "skipped": 0, "resumed": 0 }));
    assert_eq!(json["latency_ms"], json!({ "p50": 3.0, "p95": 12.0, "p99": 40.0 }));
    let failures = json!([{ "reason": "HTTP 404", "rows": 17, "example_row": 42, "endpoints": [] }]);
    assert_eq!(json["failures"], failures);
    assert_eq!(
        (&json["exit"], &json["retries"], &json["next"]),
        (&json!(4), &json!(37), &json!("paceline run x.toml"))
    );
}

#[test]
fn what_is_measured_has_lines_where_there_is_room() {
    let mut report = measured(RunEnding::Complete);
    let expected = "\
prices: complete in 4.8s
rows      982 ok · 18 failed · 0 skipped
attempts  1,037 (37 retries), 216/s, again after 503: 25 · 429: 12
limited   by limit prices-api 97 % of the time, concurrency 3 %
latency   p50 3.0ms · p95 12ms · p99 40ms
statuses  200: 1,000 · 429: 12 · 503: 25
failures  15 rows: HTTP 404 (such as row 42)
          1 row: HTTP 500: <b>boom</b> | @all (row 1,234)
records   jobs/out/prices.csv (1,000)
journal   jobs/.paceline/prices/journal
warning   odd & even
again     paceline run x.toml --failed
";
    assert_eq!(
        text(&report, Some(&next("again", "paceline run x.toml --failed")), Some("paceline report x.toml")),
        expected
    );
    report.failures.clear();
    report.warnings.clear();
    let expected = "\
prices: complete in 4.8s
rows      982 ok · 18 failed · 0 skipped
attempts  1,037 (37 retries), 216/s, again after 503: 25 · 429: 12
limited   by limit prices-api 97 % of the time, concurrency 3 %
latency   p50 3.0ms · p95 12ms · p99 40ms
stages    first byte 2.8ms/11ms (p50/p95)
statuses  200: 1,000 · 429: 12 · 503: 25
bytes     79.1 KiB sent · 1.2 MiB received
records   jobs/out/prices.csv (1,000)
journal   jobs/.paceline/prices/journal
report    paceline report x.toml
";
    assert_eq!(text(&report, None, Some("paceline report x.toml")), expected);
}

#[test]
fn json_has_what_is_measured() {
    let json = json(&measured(RunEnding::Complete), 1, None);
    let boom = "HTTP 500: <b>boom</b> | @all";
    let of = |rows: u64, row: u64| json!([{ "endpoint": "price", "rows": rows, "example_row": row }]);
    let failures = json!([
        { "reason": "HTTP 404", "rows": 15, "example_row": 42, "endpoints": of(15, 42) },
        { "reason": boom, "rows": 1, "example_row": 1234, "endpoints": of(1, 1234) },
    ]);
    assert_eq!(json["failures"], failures);
    let first_byte = json!({ "count": 1037, "p50": 2.8, "p95": 11.0, "p99": 11.0, "max": 11.0 });
    assert_eq!((&json["stages_ms"]["first_byte"], &json["stages_ms"]["tls"]), (&first_byte, &Value::Null));
    assert_eq!(json["slowest"], json!([{ "endpoint": "price", "row": 8, "status": 200, "ms": 40.0 }]));
    assert_eq!(json["bytes"], json!({ "sent": 81_000, "received": 1_260_000 }));
    assert_eq!((&json["started"], &json["run"]), (&json!("2026-11-20T15:04:05.123Z"), &json!("20261120-150405-7f3a")));
    assert_eq!(json["endpoints"][0]["failed"], json!(18));
}

#[test]
fn a_run_that_could_not_start_has_no_run() {
    let mut report = report(RunEnding::Broken("no such file".into()));
    report.run = String::new();
    assert_eq!(text(&report, None, None).lines().next(), Some("prices: could not start: no such file"));
    assert_eq!(json(&report, 3, None)["run"], Value::Null);
}

/// What came over sockets of two endpoints.
fn streaming(mut report: RunReport) -> RunReport {
    let stream = |endpoint: &str, messages, closes: &[(u16, u64)]| StreamUse {
        endpoint: endpoint.into(),
        messages,
        reconnects: vec![("closed".into(), 2)],
        closes: closes.to_vec(),
    };
    let streams = vec![stream("ticks", 1200, &[(0, 1), (1000, 12), (1006, 3)]), stream("trades", 34, &[(1000, 1)])];
    report.recap.sessions.push(Session { streams, ..Session::default() });
    report
}

#[test]
fn messages_have_a_line_of_their_own() {
    let mut streaming = streaming(report(RunEnding::Complete));
    let shown = text(&streaming, None, None);
    let expected = "\nmessages  1,234, 257/s, 4 reconnects · closed other: 1 · 1000: 13 · 1006: 3\nlimited ";
    assert!(shown.contains(expected), "{shown}");
    assert!(shown.lines().count() <= MOST_LINES);
    let all = json(&streaming, 0, None);
    let ticks = json!({
        "endpoint": "ticks",
        "messages": 1200,
        "reconnects_by_reason": { "closed": 2 },
        "closes": { "other": 1, "1000": 12, "1006": 3 },
    });
    assert_eq!((&all["streams"][0], all["streams"].as_array().unwrap().len()), (&ticks, 2));
    let session = streaming.recap.sessions.last_mut().unwrap();
    session.streams[0].closes.clear();
    session.streams[1].closes = (4000..4010).map(|code| (code, 1)).collect();
    assert!(text(&streaming, None, None).contains("closed 4000: 1 · 4001: 1 · 4002: 1 · 4003: 1 · others\n"));
    streaming.recap.sessions.clear();
    assert!(!text(&streaming, None, None).contains("messages"));
}
