//! Collectors that are away, slow, busy, choosy or too curious.

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message as _;

use super::*;
use crate::support::Done;
use crate::support::collector::taken;
use crate::support::oracle::Refusing;
use crate::support::tls::{Authority, Front};

/// What a run warned of at its end.
fn warnings(done: &Done) -> Vec<String> {
    let last = done.stderr.lines().last().unwrap();
    let summary: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{}", done.stderr));
    summary["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

/// Runs a job that sends itself, quietly.
fn sent(job: &Job) -> Done {
    job.run(&["--otlp", "--output", "json"]).expect_code(1)
}

#[test]
fn a_collector_that_is_away_is_told_once_and_changes_nothing() {
    let dead = Refusing::new();
    let url = format!("http://{}", dead.address());
    let oracle = server();
    let job = job(&oracle, &url);
    let warnings = warnings(&sent(&job));
    let [traces, metrics, spans] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(traces.starts_with(&format!("otlp: traces do not reach {url}/v1/traces: ")), "{traces}");
    assert!(metrics.starts_with(&format!("otlp: metrics do not reach {url}/v1/metrics: ")), "{metrics}");
    assert_eq!(spans, "otlp: 46 of 46 spans did not reach the collector");
    assert_eq!(job.read("out.csv").lines().count(), 21);
}

#[test]
fn what_goes_wrong_while_a_run_goes_on_is_told_then_and_once() {
    let oracle = Oracle::start(|request| if request.id().len() > 1 { Answer::Stall } else { item(request) });
    let collector = Collector::answering(|_, _| Answer::status(400));
    let job = job(&oracle, &collector.url()).variable("OTEL_METRIC_EXPORT_INTERVAL", "20");
    let run = job.variable("OTEL_BSP_SCHEDULE_DELAY", "20");
    let running = run.spawn(&["--otlp", "--events", "events.ndjson"]);
    let told = || {
        ["traces", "metrics"]
            .map(|signal| run.read("events.ndjson").matches(&format!("otlp: {signal} do not reach")).count())
    };
    let are_many =
        || [TRACES, METRICS].iter().all(|path| collector.bodies(path).len() > 1) || collector.bodies(METRICS).len() > 5;
    wait::until("the words of both", LONG, || {
        (run.path("events.ndjson").exists() && told() == [1, 1] && are_many()).then_some(())
    });
    running.signal("INT");
    wait::until("the drain", LONG, || run.read("events.ndjson").contains("\"draining\"").then_some(()));
    running.signal("INT");
    running.wait().expect_code(130);
    assert_eq!(told(), [1, 1]);
}

#[test]
fn a_collector_that_never_answers_holds_nobody_up_for_long() {
    let (oracle, collector) = (server(), Collector::answering(|_, _| Answer::Stall));
    let words = "otlp: the collector did not take the last traces and metrics within 5s";
    assert_eq!(warnings(&sent(&job(&oracle, &collector.url()))), [words]);
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_gets_everything_once() {
    let busy = |_: &str, before| if before == 0 { Answer::status(503).header("retry-after", "1") } else { taken() };
    let (oracle, collector) = (server(), Collector::answering(busy));
    assert_eq!(warnings(&sent(&job(&oracle, &collector.url()))), [""; 0]);
    let bodies = collector.bodies(TRACES);
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
    assert_eq!(collector.pushes().len(), 2);
}

#[test]
fn a_collector_that_refuses_is_asked_once_and_its_words_are_told_without_our_key() {
    let refuses = |_: &str, _| Answer::text(401, "no such key: kanarie-4711, go away");
    let (oracle, collector) = (server(), Collector::answering(refuses));
    let job =
        job(&oracle, &collector.url()).variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20kanarie-4711");
    let done = job.run(&["--otlp", "-vv", "--report-json", "report.json"]).expect_code(1);
    assert!(done.stderr.contains("it answered 401 Unauthorized: no such key: ***, go away"), "{}", done.stderr);
    assert_eq!((collector.bodies(TRACES).len(), collector.bodies(METRICS).len()), (1, 1));
    assert_eq!(collector.oracle().requests()[0].header("authorization"), Some("Bearer kanarie-4711"));
    assert!(!format!("{}{}{}", done.stdout, done.stderr, job.read("report.json")).contains("kanarie"));
}

#[test]
fn what_a_collector_takes_in_part_is_told() {
    let part = ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
    let answer = ExportTraceServiceResponse { partial_success: Some(part) }.encode_to_vec();
    let choosy = move |path: &str, _| if path == TRACES { Answer::text(200, answer.clone()) } else { taken() };
    let (oracle, collector) = (server(), Collector::answering(choosy));
    let refused = format!("otlp: {}/v1/traces refused 2 spans: too old", collector.url());
    let missing = "otlp: 2 of 46 spans did not reach the collector".to_owned();
    assert_eq!(warnings(&sent(&job(&oracle, &collector.url()))), [refused, missing]);
}

#[test]
fn spans_that_find_no_room_are_dropped_by_the_row_and_counted() {
    let slow = |_: &str, _| taken().after(Duration::from_millis(300));
    let (oracle, collector) = (server(), Collector::answering(slow));
    let job = job(&oracle, &collector.url()).variable("OTEL_BSP_MAX_QUEUE_SIZE", "8");
    let done = job.run(&["--otlp"]).expect_code(1);
    let spans = collector.spans();
    let missing = 46 - spans.len();
    assert!(missing > 0, "{}", done.stderr);
    let words = format!("otlp: {missing} of 46 spans did not reach the collector: they came faster");
    assert!(done.stderr.contains(&words), "{words}\n{}", done.stderr);
    let rows: BTreeSet<&[u8]> = named(&spans, "row item").iter().map(|row| &row.span_id[..]).collect();
    assert!(named(&spans, "GET").iter().all(|attempt| rows.contains(&attempt.parent_span_id[..])));
    assert_eq!(named(&spans, "paceline run").len(), 1);
}

#[test]
fn no_secret_leaves_wherever_it_stands() {
    let oracle = Oracle::start(|request| match request.id() {
        "1" => Answer::text(500, "you said kanarie/v7+8&9"),
        _ => item(request),
    });
    let text = r#"
[retry]
attempts = 2
initial = "1ms"

[secrets]
key.env = "KEY"

[endpoints.item]
url = "ORACLE/{{ secrets.key }}/items/{{ row.value }}"
query.key = "{{ secrets.key }}"
query.plain = "a{{ row.value }}"
auth.bearer = "{{ secrets.key }}"
input.range = { from = 1, to = 3 }
"#;
    let collector = Collector::start();
    let secret = "kanarie/v7+8&9";
    let job = Job::at(&oracle.url(), text).variable("KEY", secret);
    job.variable("PACELINE_OTLP", &collector.url()).run(&[]).expect_code(1);
    assert!(oracle.requests()[0].path.contains("kanarie"), "the server sees it");
    let spans = collector.spans();
    let attempts = named(&spans, "GET");
    assert!(
        attempts.iter().any(|span| attribute(&span.attributes, "url.full").contains("/***/items/2?")),
        "{attempts:?}"
    );
    for body in [collector.bodies(TRACES), collector.bodies(METRICS)].concat() {
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(!body.contains("kanarie"), "{body}");
    }
}

#[test]
fn a_collector_behind_tls_and_a_path_gets_what_is_packed() {
    let (oracle, collector, authority) = (server(), Collector::start(), Authority::new());
    let front = Front::start(collector.oracle(), &authority.certify("localhost"));
    let job = Job::at(&oracle.url(), JOB).with("ca.pem", authority.pem());
    let url = format!("https://localhost:{}/tenant/a/", front.port());
    let job = job.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &url).variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    assert_eq!(warnings(&sent(&job.variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"))), [""; 0]);
    assert_eq!(collector.spans().len(), 46);
    let paths: BTreeSet<String> = collector.oracle().requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/tenant/a/v1/metrics", "/tenant/a/v1/traces"].map(str::to_owned).into());
    assert!(collector.oracle().requests().iter().all(|request| request.header("content-encoding") == Some("gzip")));
}

#[test]
fn what_is_not_built_is_refused_before_anything_is_sent() {
    let (oracle, collector) = (server(), Collector::start());
    let job = job(&oracle, &collector.url()).variable("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let done = job.run(&["--otlp"]).expect_code(2);
    let words = "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", which paceline does not speak";
    assert!(done.stderr.contains(words) && done.stderr.contains("set one of http/protobuf"), "{}", done.stderr);
    let done = Job::at(&oracle.url(), JOB).run(&["--otlp=127.0.0.1:4318"]).expect_code(2);
    assert!(done.stderr.contains("--otlp") && done.stderr.contains("http://localhost:4318"), "{}", done.stderr);
    let done = Job::at(&oracle.url(), JOB).run(&["--otlp=http://u:hunter2@c.test"]).expect_code(2);
    assert!(
        done.stderr.contains("--otlp holds a user or a password") && !done.stderr.contains("hunter2"),
        "{}",
        done.stderr
    );
    assert_eq!((oracle.count(), collector.oracle().count()), (0, 0));
}
