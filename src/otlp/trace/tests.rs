use std::time::Duration;

use http::Method;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::event::Sent;
use crate::otlp::settings::Settings;
use crate::retry::FailureKind;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tracer(variables: &[(&str, &str)]) -> Tracer {
    let look_up = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let traces = Settings::read(None, &look_up).unwrap().unwrap().traces.unwrap();
    let mut tracer = Tracer::new(&traces, Arc::new(Queue::new(traces.queue)));
    tracer.masked_by(&Masker::new(["hunter2"]));
    let started =
        Event::RunStarted { paceline: "0.1.0".into(), job: "prices".into(), run: "r7".into(), resumed_rows: 0 };
    tracer.tell_at(&started, at(100));
    tracer.tell_at(&Event::BatchStarted { endpoint: "price".into(), batch: 1 }, at(101));
    tracer
}

fn attempted(row: u64, attempt: u32, status: u16, failure: Option<FailureKind>) -> Event {
    let sent = Sent {
        method: Method::GET,
        url: "http://u:p@a.test:81/x/hunter2?sig=1".parse().unwrap(),
        at: at(110 + u64::from(attempt)),
        lasted: Duration::from_millis(250),
        failure,
        batch: Some(1),
    };
    Event::Attempted {
        endpoint: "price".into(),
        row,
        attempt,
        again_after: (attempt > 1).then(|| "503".to_owned()),
        status: Some(status),
        whole: true,
        duration_ms: Some(250.0),
        verdict: if failure.is_some() { "retry" } else { "accept" }.into(),
        reason: failure.map(|_| "said hunter2".to_owned()),
        wait_ms: None,
        sent: Some(Arc::new(sent)),
    }
}

fn ended(row: u64, ending: RowEnding) -> Event {
    Event::RowEnded { endpoint: "price".into(), row, ending, unknown: false, attempts: 2, records: 1 }
}

fn finished() -> Event {
    Event::RunFinished { complete: true, summary: Box::default() }
}

fn told(tracer: &Tracer) -> Vec<Span> {
    tracer.queue.take(usize::MAX)
}

fn value(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_row_is_a_span_below_its_batch_and_its_attempts_are_below_it() {
    let mut tracer = tracer(&[("TRACEPARENT", GIVEN), ("TRACESTATE", "a=b")]);
    tracer.tell_at(&attempted(4, 1, 503, Some(FailureKind::Status)), at(112));
    tracer.tell_at(&attempted(4, 2, 200, None), at(113));
    tracer.tell_at(&ended(4, RowEnding::Ok), at(120));
    tracer.tell_at(&Event::BatchFinished { endpoint: "price".into(), batch: 1, rows: 1 }, at(121));
    tracer.tell_at(&finished(), at(130));
    let spans = told(&tracer);
    let [row, first, second, batch, run] = &spans[..] else { panic!("{spans:#?}") };
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["row price", "GET", "GET", "batch price", "paceline run"]);
    assert_eq!((&first.parent_span_id, &second.parent_span_id), (&row.span_id, &row.span_id));
    assert_eq!((&row.parent_span_id, &batch.parent_span_id), (&batch.span_id, &run.span_id));
    assert_eq!(run.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!((run.flags, row.flags), (0x301, 0x101));
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    assert!(spans.iter().all(|span| span.trace_id == trace && span.trace_state == "a=b"));
    let seconds = |span: &Span| [span.start_time_unix_nano, span.end_time_unix_nano].map(|nanos| nanos as f64 / 1e9);
    assert_eq!(
        [row, first, batch, run].map(seconds),
        [[111.0, 120.0], [111.0, 111.25], [101.0, 121.0], [100.0, 130.0]]
    );
}

#[test]
fn an_attempt_says_what_the_conventions_want_and_no_secret() {
    let mut tracer = tracer(&[]);
    tracer.tell_at(&attempted(4, 1, 503, Some(FailureKind::Status)), at(112));
    tracer.tell_at(&attempted(4, 2, 200, Some(FailureKind::Decode)), at(113));
    let failed = Event::RowFailed { endpoint: "price".into(), row: 4, reason: "no hunter2".into() };
    tracer.tell_at(&failed, at(114));
    tracer.tell_at(&ended(4, RowEnding::Failed), at(120));
    let spans = told(&tracer);
    let [row, first, second] = &spans[..] else { panic!("{spans:#?}") };
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.full", "http://REDACTED:REDACTED@a.test:81/x/***?sig=REDACTED"),
        ("server.address", "a.test"),
        ("server.port", "81"),
        ("http.response.status_code", "503"),
        ("error.type", "503"),
        ("paceline.verdict", "retry"),
        ("http.request.resend_count", "None"),
    ] {
        assert_eq!(value(first, key), expected, "{key}");
    }
    assert_eq!(value(second, "http.request.resend_count"), "1");
    assert_eq!(value(second, "paceline.again_after"), "503");
    assert_eq!((value(second, "error.type"), value(row, "error.type")), ("decode".into(), "decode".into()));
    let status = |span: &Span| span.status.clone().map(|status| (status.code, status.message));
    assert_eq!(status(first), Some((2, String::new())), "the status says it all");
    assert_eq!(status(second), Some((2, "said ***".to_owned())));
    assert_eq!(status(row), Some((2, "no ***".to_owned())));
    assert_eq!((value(row, "paceline.row"), value(row, "paceline.ending")), ("5".into(), "failed".into()));
}

#[test]
fn of_rows_that_end_well_a_share_is_told_and_all_that_fail() {
    let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];
    let mut tracer = tracer(&variables);
    for row in 0..20 {
        tracer.tell_at(&attempted(row, 1, 200, None), at(112));
        tracer.tell_at(&ended(row, if row < 18 { RowEnding::Ok } else { RowEnding::Failed }), at(113));
    }
    tracer.tell_at(&finished(), at(130));
    let names: Vec<String> = told(&tracer).into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["row price", "GET", "row price", "GET", "paceline run"]);
    assert_eq!(tracer.queue.missing(), None, "what was not asked for is not missing");
}

#[test]
fn what_was_not_heard_is_counted_and_what_did_not_end_is_told() {
    let mut tracer = tracer(&[]);
    tracer.tell_at(&attempted(1, 1, 200, None), at(112));
    let events = [("attempted".to_owned(), 3), ("row-ended".to_owned(), 2), ("retrying".to_owned(), 9)].into();
    tracer.tell_at(&Event::LeftOut { events }, at(113));
    tracer.tell_at(&attempted(2, 1, 200, None), at(114));
    tracer.tell_at(&finished(), at(130));
    let spans = told(&tracer);
    assert_eq!(value(&spans[0], "paceline.ending"), "open");
    assert_eq!(spans.len(), 3);
    let words = tracer.queue.missing().unwrap();
    assert!(words.starts_with("otlp: 7 of 10 spans"), "{words}");
}

#[test]
fn a_row_with_many_attempts_is_cut_and_says_so() {
    let mut tracer = tracer(&[]);
    (1..=100).for_each(|attempt| tracer.tell_at(&attempted(1, attempt, 503, None), at(112)));
    tracer.tell_at(&ended(1, RowEnding::Ok), at(300));
    let spans = told(&tracer);
    assert_eq!((spans.len(), value(&spans[0], "paceline.attempts_left_out")), (65, "36".into()));
}

#[test]
fn what_happens_to_a_run_stands_in_its_span_and_is_bounded() {
    let mut tracer = tracer(&[]);
    tracer.tell_at(&Event::Warning { message: "odd hunter2".into() }, at(101));
    (0..200).for_each(|_| tracer.tell_at(&Event::Held { limit: "api".into(), wait_ms: 5 }, at(102)));
    let reason = Some("late hunter2".to_owned());
    let summary = Box::new(Summary { ending: EndingKind::Stopped, reason, ..Summary::default() });
    tracer.tell_at(&Event::RunFinished { complete: false, summary }, at(130));
    let run = told(&tracer).pop().unwrap();
    assert_eq!((run.events.len(), run.dropped_events_count), (128, 73));
    assert_eq!(run.events[0].name, "paceline.warning");
    assert!(!format!("{run:?}").contains("hunter2"));
    assert_eq!(run.status.unwrap().message, "late ***");
    assert_eq!(run.parent_span_id, Vec::<u8>::new());
}
