//! Metrics of a run: what they say, to whom, and until when.
//!
//! The server of the job answers half of the rows and keeps the others, so that the run stands still in its middle. The
//! formats are judged by what others read them with, where that is installed, and by the rules of OpenMetrics.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod open_metrics;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::client::{Client, Received};
use crate::support::job::Running;
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle, peers, wait};

/// A wait of a test that has no other end.
pub const LONG: Duration = Duration::from_secs(60);

const JOB: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 0, to = 19 }
rate = "1000/s"
concurrency = 11
retry.initial = "10ms"

[sinks.out]
path = "out.csv"
"#;

/// Of twenty rows ten have an answer: one of these fails, and one is asked twice, for which a slot is left.
fn half_way() -> Oracle {
    let refused = AtomicBool::new(false);
    Oracle::start(move |request| match request.id() {
        "3" => Answer::status(404),
        "5" if !refused.swap(true, Ordering::SeqCst) => Answer::status(503),
        id if id.len() > 1 => Answer::Stall,
        _ => item(request),
    })
}

/// Where a run says that something is: the address, and the path.
pub fn place(run: &Running, words: &str) -> (SocketAddr, String) {
    let said = || {
        let stderr = run.stderr();
        let line = stderr.lines().find(|line| line.contains(words))?;
        let url = line.split_once("http://")?.1.trim_end_matches(['"', '}']).to_owned();
        let (address, path) = url.split_once('/')?;
        Some((address.parse().ok()?, format!("/{path}")))
    };
    wait::until("the word where it is", LONG, said)
}

/// Asks with these lines of a head, and reads the reply.
pub fn ask(address: SocketAddr, lines: &[&str]) -> Received {
    let mut client = Client::connect(address);
    client.send(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).unwrap();
    client.receive().unwrap()
}

fn scrape(address: SocketAddr, accept: &str) -> Received {
    ask(address, &["GET /metrics HTTP/1.1", "host: localhost", &format!("accept: {accept}")])
}

fn text(received: &Received) -> String {
    assert_eq!(received.status, 200, "{received:?}");
    String::from_utf8(received.body.clone()).unwrap()
}

/// The value of the series that begins so.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// A run that has come as far as its server lets it.
fn standing(oracle: &Oracle) -> (Job, Running, SocketAddr) {
    let job = Job::at(&oracle.url(), JOB);
    let run = job.spawn(&["--metrics", "127.0.0.1:0"]);
    let (address, path) = place(&run, "metrics are at");
    assert_eq!(path, "/metrics");
    wait::until("the middle of the run", LONG, || {
        let reply = scrape(address, "*/*");
        if reply.status == 503 {
            return None;
        }
        let text = text(&reply);
        let stands = value(&text, "paceline_in_flight{") == Some(10.0)
            && value(&text, "paceline_records_total{") == Some(10.0)
            && text.contains("paceline_bound_by_ratio{");
        stands.then_some(())
    });
    (job, run, address)
}

fn judged(program: &Path, arguments: &[&str], text: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn metrics_say_how_far_a_run_is_in_both_formats() {
    let oracle = half_way();
    let (_job, run, address) = standing(&oracle);
    let open = scrape(address, "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{open:?}"
    );
    let open = text(&open);
    let plain = scrape(address, "text/plain");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let plain = text(&plain);
    for text in [&open, &plain] {
        for (series, expected) in [
            ("paceline_rows_total{job_name=\"job\",endpoint=\"item\",outcome=\"ok\"}", 9.0),
            ("paceline_rows_total{job_name=\"job\",endpoint=\"item\",outcome=\"failed\"}", 1.0),
            ("paceline_rows_total{job_name=\"job\",endpoint=\"item\",outcome=\"skipped\"}", 0.0),
            ("paceline_rows_expected{", 20.0),
            ("paceline_attempts_total{", 11.0),
            ("paceline_retries_total{job_name=\"job\",reason=\"503", 1.0),
            ("paceline_replies_total{job_name=\"job\",status=\"200\"}", 9.0),
            ("paceline_replies_total{job_name=\"job\",status=\"404\"}", 1.0),
            ("paceline_limit_tokens_total{", 11.0),
            ("paceline_records_total{job_name=\"job\",sink=\"out\"}", 10.0),
            ("paceline_request_duration_seconds_count{", 11.0),
            ("paceline_request_duration_seconds_bucket{job_name=\"job\",le=\"+Inf\"}", 11.0),
            ("paceline_run_info{", 1.0),
        ] {
            assert_eq!(value(text, series), Some(expected), "{series}\n{text}");
        }
        assert!(value(text, "paceline_sent_bytes_total{").unwrap() > 21.0 * 50.0, "{text}");
        assert!(value(text, "paceline_session_start_timestamp_seconds{").unwrap() > 1.7e9, "{text}");
    }
    open_metrics::check(&open);
    run.kill();
}

#[test]
fn what_others_read_them_with_has_no_complaint() {
    let (promtool, python) = (peers::find("promtool"), peers::pinned_python("prometheus_client.openmetrics.parser"));
    let oracle = half_way();
    let (_job, run, address) = standing(&oracle);
    if let Some(promtool) = promtool {
        let done = judged(&promtool, &["check", "metrics"], &text(&scrape(address, "text/plain")));
        assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
        let done = judged(&promtool, &["check", "metrics"], "# TYPE x counter\nx{a=\"b} 1\n");
        assert!(!done.status.success(), "it says no at all");
    }
    if let Some(python) = python {
        let read = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                    print(len(list(read(sys.stdin.read()))))";
        let open = text(&scrape(address, "application/openmetrics-text"));
        let done = judged(&python, &["-c", read], &open);
        let families = open.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), families.to_string(), "{done:?}");
    }
    run.kill();
}

#[test]
fn the_documents_list_every_family() {
    // Of endpoints that this job has none of.
    const OTHERS: [&str; 3] = ["paceline_closes_total", "paceline_messages_total", "paceline_reconnects_total"];
    let oracle = half_way();
    let (_job, run, address) = standing(&oracle);
    let told = text(&scrape(address, "text/plain"));
    let told = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let told: BTreeSet<&str> = told.chain(OTHERS).collect();
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/watching.md")).unwrap();
    let listed: BTreeSet<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let listed: BTreeSet<&str> = listed.into_iter().filter(|name| name.starts_with("paceline_")).collect();
    assert_eq!(listed, told);
    run.kill();
}

#[test]
fn who_asks_in_another_way_is_told_so() {
    let oracle = half_way();
    let (_job, run, address) = standing(&oracle);
    let status = |lines: &[&str]| ask(address, lines).status;
    assert_eq!(status(&["GET /metrics HTTP/1.1", "host: evil.test"]), 421, "a name that was made to lead here");
    assert_eq!(status(&["GET http://localhost/metrics HTTP/1.1", "host: evil.test"]), 421);
    assert_eq!(status(&["GET /metrics HTTP/1.1", "x: no host"]), 421);
    assert_eq!(status(&["GET / HTTP/1.1", "host: localhost"]), 404);
    let posted = ask(address, &["POST /metrics HTTP/1.1", "host: localhost", "content-length: 0"]);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    let mut head = Client::connect(address);
    head.send(b"HEAD /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    let head = String::from_utf8(head.rest().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    for guard in ["cache-control: no-store", "x-content-type-options: nosniff", "referrer-policy: no-referrer"] {
        assert!(head.contains(guard), "{head}");
    }
    let long = format!("x: {}", "y".repeat(64 * 1024));
    let mut flood = Client::connect(address);
    let _ = flood.send(format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\n{long}\r\n\r\n").as_bytes());
    assert!(flood.receive().map_or(true, |reply| reply.status == 431));
    run.kill();
}

#[test]
fn clients_that_say_nothing_are_dropped_and_keep_nobody_out() {
    let oracle = half_way();
    let (_job, run, address) = standing(&oracle);
    let mut silent: Vec<Client> = (0..40).map(|_| Client::connect(address)).collect();
    silent.iter_mut().for_each(|client| client.send(b"GET /met").unwrap());
    assert_eq!(scrape(address, "*/*").status, 200);
    assert!(silent[0].rest().is_ok_and(|heard| heard.is_empty()), "the first of them has been dropped");
    run.kill();
}

#[test]
fn the_server_ends_with_the_run_and_never_holds_it_up() {
    let oracle = Oracle::start(|request| item(request).after(Duration::from_millis(300)));
    let job = Job::at(&oracle.url(), JOB);
    let run = job.spawn(&["--metrics", "localhost:0", "--output", "json"]);
    let (address, _) = place(&run, r#"{"note":"metrics are at""#);
    let mut idle = Client::connect(address);
    run.wait().expect_code(0);
    assert!(idle.rest().is_ok_and(|heard| heard.is_empty()));
    assert!(TcpStream::connect(address).is_err(), "something still listens");
}

#[test]
fn addresses_that_can_not_be_served_cost_no_request() {
    let oracle = half_way();
    let job = Job::at(&oracle.url(), JOB);
    let open = job.run(&["--metrics", "0.0.0.0:9464"]).expect_code(2).stderr;
    assert!(open.contains("127.0.0.1:9464") && open.contains("--serve-anywhere"), "{open}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let used = job.run(&["--metrics", &address]).expect_code(3).stderr;
    assert!(used.contains(&format!("--metrics: can't listen at {address}")) && used.contains("port 0"), "{used}");
    let wrong = job.run(&["--metrics", "9464"]).expect_code(2).stderr;
    assert!(wrong.contains("127.0.0.1:9464"), "{wrong}");
    assert!(!job.state().exists() && oracle.count() == 0, "a run was begun");
    let dry = job.run(&["--metrics", &address, "--dry-run"]).expect_code(0);
    assert!(!dry.stderr.contains("metrics"), "{}", dry.stderr);
}
