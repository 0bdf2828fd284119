//! The log as lines: what of an event stands in which of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::collector::Collector;
use super::filter::Filter;
use super::line::{LogFormat, Style};
use super::*;
use crate::event::{Allowance, Rows};
use crate::report::summary::tests::report;
use crate::run::Signal;

const TEXT: Style = Style { format: LogFormat::Text, dated: true };
const JSON: Style = Style { format: LogFormat::Json, dated: true };

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wanted of whom is known to the whole process at once: one collector at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What a log holds when this was said, without its times.
fn logged(filter: &str, style: Style, veil: &Veil, say: impl FnOnce()) -> String {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = Page::default();
    let filter: Filter = filter.parse().unwrap();
    let collector = Collector::new(filter, style, veil.clone(), (Box::new(page.clone()), "the page")).unwrap();
    tracing::subscriber::with_default(collector.clone(), say);
    collector.flush(Duration::from_secs(30));
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let untimed = |line: &str| line.split_once(' ').map_or_else(String::new, |(_, rest)| rest.to_owned() + "\n");
    if style == JSON { text } else { text.lines().map(untimed).collect() }
}

fn told(filter: &str, style: Style) -> String {
    let veil = Veil::default();
    logged(filter, style, &veil, || {
        let mut log = Log::new(veil.clone());
        events().iter().for_each(|event| log.tell(event));
    })
}

#[test]
fn a_line_says_when_it_happened_and_not_when_it_was_told() {
    let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
    let veil = Veil::default();
    veil.draw(&Masker::default());
    let text = logged("info", JSON, &veil, || {
        Log::default().tell_at(&Event::Warning { message: "odd".into() }, at);
        tracing::info!(target: "h2::codec", timestamp = "theirs", "send");
    });
    let [ours, theirs] = &text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(ours.starts_with(r#"{"timestamp":"1970-01-01T00:00:01.500Z","level":"WARN","#), "{ours}");
    assert_eq!(ours.matches("timestamp").count(), 1, "{ours}");
    assert!(theirs.contains(r#""timestamp_":"theirs""#), "{theirs}");
}

#[test]
fn a_log_that_is_kept_is_a_record_however_little_it_says() {
    logged("warn", TEXT, &Veil::default(), || {
        assert!(Log::default().kept(true).is_record() && !Log::default().kept(false).is_record());
    });
}

fn allowance(endpoint: &str, requests: u64) -> Allowance {
    Allowance { endpoint: endpoint.to_owned(), requests, most: 10 }
}

/// One of each kind.
fn events() -> Vec<Event> {
    let (endpoint, reason) = (|| "price".to_owned(), || "503 Service Unavailable".to_owned());
    let attempt = |status, verdict: &str, reason, wait_ms| Event::Attempted {
        endpoint: endpoint(),
        again_after: None,
        whole: true,
        row: 17,
        attempt: 1,
        status,
        duration_ms: Some(12.5),
        verdict: verdict.into(),
        reason,
        wait_ms,
        sent: None,
    };
    vec![
        Event::RunStarted { paceline: "0.1.0".into(), job: "prices".into(), run: "r7".into(), resumed_rows: 0 },
        Event::EndpointStarted { endpoint: endpoint(), rows: Some(1000), before: Rows::default() },
        Event::BatchStarted { endpoint: endpoint(), batch: 1 },
        attempt(Some(200), "accept", None, None),
        attempt(Some(503), "retry", Some(reason()), Some(250)),
        Event::Retrying { endpoint: endpoint(), row: 17, attempts: 1, reason: reason(), wait_ms: 250 },
        Event::Postponed { endpoint: endpoint(), row: 17, reason: "its host is out".into(), wait_ms: 1500 },
        Event::Held { limit: "api".into(), wait_ms: 90_000 },
        Event::OutageBegan { endpoint: endpoint(), host: "api:443".into(), reason: reason(), wait_ms: 1000 },
        Event::OutageEnded { endpoint: endpoint(), host: "api:443".into(), lasted_ms: 61_000, answered: true },
        Event::RowFailed { endpoint: endpoint(), row: 0, reason: "404\nNot Found".into() },
        Event::RowSkipped { endpoint: endpoint(), row: 1, reason: "row 1 of list failed".into() },
        Event::Warning { message: "odd".into() },
        Event::Committed { rows: Rows { ok: 1000, failed: 2, ..Rows::default() }, outputs: Vec::new() },
        Event::LeftOut { events: [("row-failed".to_owned(), 3)].into() },
        Event::Paused { on_wire: 1 },
        Event::Resumed { paused_ms: 61_000 },
        Event::ConcurrencyChanged { endpoints: vec![allowance("price", 9), allowance("stock", 10)] },
        Event::Draining { reason: "interrupted".into() },
        Event::BatchFinished { endpoint: endpoint(), batch: 1, rows: 1000 },
        Event::EndpointFinished { endpoint: endpoint() },
        Event::RunFinished { complete: true, summary: Box::default() },
    ]
}

const AT_INFO: &str = "\
INFO  prices: run r7 begins
INFO  price: begins, 1,000 rows
INFO  price: batch 1 begins
INFO  price: row 18: again in 250ms after 1 attempt: 503 Service Unavailable
INFO  limit api: held for 1m 30s
WARN  price: every call to api:443 fails: 503 Service Unavailable; the next one in 1s
WARN  price: api:443 is back after 1m 1s
WARN  price: row 1: failed: 404 Not Found
WARN  price: row 2: skipped: row 1 of list failed
WARN  warning: odd
WARN  3 events left out, for they were not taken fast enough
INFO  paused by hand; no request leaves, 1 request on the wire ends
INFO  resumed after a pause of 1m 1s
INFO  concurrency by hand: price 9 of 10, stock 10, the most that it may
INFO  draining: interrupted
INFO  price: batch 1 has ended, 1,000 rows
INFO  price: has ended
INFO  the run is complete
";

#[test]
fn at_info_everything_is_told_but_attempts() {
    assert_eq!(told("info", TEXT), AT_INFO);
}

#[test]
fn at_debug_every_attempt_is_told_with_reason_and_wait_in_place_of_its_retry() {
    let attempts = "\
DEBUG price: row 18: attempt 1: 200 in 12.5ms: accept
DEBUG price: row 18: attempt 1: 503 in 12.5ms: retry in 250ms: 503 Service Unavailable
DEBUG price: row 18: asks again in 1.5s: its host is out
";
    let retrying = "INFO  price: row 18: again in 250ms after 1 attempt: 503 Service Unavailable\n";
    let committed = "DEBUG committed: 1,000 ok, 2 failed, 0 skipped\n";
    let left_out = "WARN  3 events left out";
    assert_eq!(
        told("debug", TEXT),
        AT_INFO.replace(retrying, attempts).replace(left_out, &format!("{committed}{left_out}"))
    );
}

#[test]
fn a_target_is_told_by_itself() {
    assert_eq!(told("paceline::limit=info", TEXT), "INFO  limit api: held for 1m 30s\n");
    let warnings: String =
        AT_INFO.lines().filter(|line| line.starts_with("WARN")).map(|line| format!("{line}\n")).collect();
    assert_eq!(told("warn", TEXT), warnings);
    assert_eq!(told("error", TEXT), "");
    assert_eq!(told("paceline::attempt=debug", TEXT).lines().count(), 3);
}

#[test]
fn attempts_are_made_only_where_somebody_wants_them() {
    for (filter, wants) in
        [("info", false), ("debug", true), ("info,paceline::attempt=debug", true), ("h2=trace", false)]
    {
        logged(filter, TEXT, &Veil::default(), || assert_eq!(Log::default().wants_attempts(), wants, "{filter}"));
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!Log::default().wants_attempts(), "nobody collects");
}

/// One of each event, as JSON lines without their times.
#[test]
fn an_object_has_the_fields_of_its_event() {
    let text = told("debug", JSON);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut object: Value = serde_json::from_str(line).unwrap();
        let time = object.as_object_mut().unwrap().shift_remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{time}");
        lines.push(object.to_string());
    }
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/log/events.jsonl");
    let text = lines.join("\n") + "\n";
    if crate::environment::variable("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap(), text);
}

#[test]
fn secrets_are_masked_in_every_form_and_nobody_else_speaks_before_they_are_known() {
    const SECRET: &str = "kan\"arie/v\u{e4}7&8";
    let percent = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string();
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{SECRET}"));
    let header = http::HeaderValue::from_str(SECRET).unwrap();
    for style in [TEXT, JSON] {
        let veil = Veil::default();
        let text = logged("trace", style, &veil, || {
            let mut log = Log::new(veil.clone());
            tracing::trace!(target: "h2::hpack", "too early: {SECRET}");
            log.tell(&Event::RunFinished { complete: false, summary: Box::default() });
            log.masked_by(&Masker::new([SECRET]));
            tracing::trace!(target: "h2::hpack", value = ?header, url = %format!("/?key={percent}"), "Basic {basic}");
            tracing::debug!(target: "h2::codec", bytes = ?bytes::Bytes::from(SECRET), a = SECRET);
            log.tell(&Event::RowFailed { endpoint: "a".into(), row: 1, reason: format!("said {SECRET}") });
        });
        for form in [SECRET, &percent, &basic[8..basic.len() - 4], "arie", "too early"] {
            assert!(!text.contains(form), "{form} stands in {text}");
        }
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.matches("***").count() >= 6, "{text}");
    }
}

#[test]
fn a_log_says_last_how_the_run_ended() {
    let last = |ending, held: &[&str]| {
        let mut report = report(ending);
        report.failed_conditions = held.iter().map(ToString::to_string).collect();
        logged("info", TEXT, &Veil::default(), || ended(&report))
    };
    let counts = "1000 ok, 0 failed, 0 skipped; 1,037 attempts in this session\n";
    assert_eq!(last(RunEnding::Complete, &[]), format!("INFO  prices: complete: {counts}"));
    let held = last(RunEnding::Complete, &["failed > 0"]);
    assert_eq!(held, format!("WARN  prices: ended, and a condition of fail-if held: failed > 0: {counts}"));
    assert_eq!(
        last(RunEnding::Broken("disk full".into()), &[]),
        format!("ERROR prices: broken off: disk full: {counts}")
    );
    let interrupted = last(RunEnding::Interrupted(Signal::Terminate), &[]);
    assert_eq!(interrupted, format!("WARN  prices: interrupted by a signal, resumable: {counts}"));
    let refused = logged("error", TEXT, &Veil::default(), || refused("prices", "no\nsecret"));
    assert_eq!(refused, "ERROR prices: can't start: no secret\n");
}
