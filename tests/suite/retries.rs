//! What is tried again and how often, as the server saw it and as the record says it.

use std::time::Duration;

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::{first, item, statuses};
use crate::support::output::{Line, csv};
use crate::support::{Answer, Done, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
RETRY

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
METHOD
input.range = { from = 1, to = ROWS }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// Three quick attempts, unless `retry` says otherwise.
fn job(server: &str, retry: &str, method: &str, rows: u64) -> Job {
    let quick = ["attempts = 3", "initial = \"1ms\""];
    let set = |line: &&str| !retry.contains(line.split(' ').next().unwrap_or_default());
    let lines: Vec<&str> = quick.into_iter().filter(set).chain([retry]).collect();
    let text = JOB.replace("RETRY", &lines.join("\n")).replace("METHOD", method);
    Job::at(server, &text.replace("ROWS", &rows.to_string()))
}

fn records(job: &Job) -> Vec<Line> {
    csv(&job.path("out.csv"))
}

/// Runs a job of one row against a script; the requests it took, the record, the end.
fn one_row(
    script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    retry: &str,
    more: &str,
) -> (usize, Line, Done) {
    let oracle = Oracle::start(script);
    let job = job(&oracle.url(), retry, more, 1);
    let done = job.run(&[]);
    assert_eq!(oracle.faults(), Vec::<String>::new());
    let records = records(&job);
    assert_eq!(records.len(), 1, "{}", done.stderr);
    (oracle.count(), records[0].clone(), done)
}

#[test]
fn a_row_is_tried_until_it_is_accepted_and_its_attempts_are_counted() {
    let oracle = Oracle::start(statuses(&[503, 500, 200]));
    let job = job(&oracle.url(), "", "", 20);
    let done = job.run(&[]).expect_code(0);
    assert_eq!(oracle.count(), 60);
    for record in records(&job) {
        assert_eq!((&record["got"], record["attempts"].as_str()), (&record["value"], "3"));
        assert_eq!((record["status"].as_str(), record["error"].as_str()), ("200", ""));
    }
    assert!(done.stderr.contains("20 ok · 0 failed") && done.stderr.contains("60 (40 retries)"), "{}", done.stderr);
}

#[test]
fn statuses_and_methods_decide_what_is_repeated() {
    let cases: &[(&str, &str, u16, Option<&str>, usize)] = &[
        // retry, method, status, Retry-After, requests
        ("", "GET", 500, None, 3),
        ("", "GET", 404, None, 1),
        ("", "GET", 501, None, 1),
        ("", "PUT", 502, None, 3),
        ("", "DELETE", 504, None, 3),
        ("", "POST", 500, None, 1),
        ("", "POST", 503, None, 1),
        ("methods = [\"POST\"]", "POST", 500, None, 3),
        ("methods = [\"POST\"]", "GET", 500, None, 1),
        ("statuses = [404]", "GET", 404, None, 3),
        ("statuses = [404]", "GET", 503, None, 1),
        ("statuses = [\"5xx\"]", "GET", 501, None, 3),
        ("statuses = []", "GET", 429, Some("0"), 1),
        ("attempts = 1", "GET", 503, None, 1),
        ("attempts = 5", "GET", 503, None, 5),
    ];
    for (retry, method, status, after, requests) in cases {
        let (status, after) = (*status, after.map(str::to_owned));
        let case = format!("{method} {status} {after:?} {retry}");
        let answer = move |_: &SeenRequest| match &after {
            Some(after) => Answer::status(status).header("retry-after", after),
            None => Answer::status(status),
        };
        let (asked, record, done) = one_row(answer, retry, &format!("method = \"{method}\""));
        assert_eq!((asked, done.code), (*requests, Some(1)), "{case}: {}", done.stderr);
        assert_eq!((&record["attempts"], &record["status"]), (&requests.to_string(), &status.to_string()), "{case}");
        assert!(record["error"].contains(&status.to_string()), "{case}: {record:?}");
    }
}

#[test]
fn to_be_throttled_takes_no_attempt_whatever_the_method() {
    for (method, status) in [("POST", 503), ("POST", 429), ("PATCH", 429), ("GET", 429)] {
        let refused = move |_: &SeenRequest| Answer::status(status).header("retry-after", "0");
        let retry = "attempts = 2\nmax = \"20ms\"";
        let (asked, record, done) = one_row(first(4, refused, item), retry, &format!("method = \"{method}\""));
        assert_eq!((asked, done.code), (5, Some(0)), "{method} {status}: {}", done.stderr);
        assert_eq!((record["attempts"].as_str(), record["error"].as_str()), ("5", ""), "{method} {status}");
    }
}

#[test]
fn a_server_that_throttles_for_ever_stops_the_run_and_fails_no_row() {
    let oracle = Oracle::start(|_: &SeenRequest| Answer::status(429).header("retry-after", "0"));
    let job = job(&oracle.url(), "max = \"20ms\"\nmax-wait = \"200ms\"", "", 3);
    let done = job.run(&[]).expect_code(4);
    let words = "the server throttled everything for ";
    assert!(done.stderr.contains(words) && done.stderr.contains("0 ok · 0 failed"), "{}", done.stderr);
}

/// What the wire can do to a reply, and the class that `retry.errors` knows it by.
fn broken(class: usize) -> (&'static str, Answer) {
    let whole = || Answer::text(200, "{\"id\":1}");
    match class {
        0 => ("reset", Answer::Reset),
        1 => ("reset", Answer::Close),
        2 => ("body", whole().reset_after(3)),
        3 => ("body", whole().cut_after(3)),
        4 => ("body", whole().chunked(4).cut_after(4)),
        5 => ("decode", Answer::text(200, "<html>")),
        6 => ("decode", Answer::text(200, "")),
        _ => ("timeout", Answer::Stall),
    }
}

#[test]
fn errors_are_repeated_by_their_class_and_only_where_it_is_safe() {
    for class in 0..8 {
        let (name, answer) = broken(class);
        let others: Vec<&str> = ["dns", "connect", "reset", "timeout", "body", "decode"]
            .into_iter()
            .filter(|other| *other != name)
            .collect();
        let (only, without) = (format!("errors = [\"{name}\"]"), format!("errors = {others:?}"));
        for (retry, method, requests) in [(only.as_str(), "GET", 3), (&without, "GET", 1), (&only, "POST", 1)] {
            let script = answer.clone();
            let more = format!("method = \"{method}\"\ntimeout.read = \"150ms\"");
            let (asked, record, done) = one_row(move |_| script.clone(), retry, &more);
            let case = format!("{answer:?}, {method}, {retry}: {record:?}");
            assert_eq!((asked, done.code), (requests, Some(1)), "{case}");
            assert_eq!(record["attempts"], requests.to_string(), "{case}");
            assert!(!record["error"].is_empty(), "{case}");
        }
        let script = answer.clone();
        let (asked, record, done) = one_row(first(2, move |_| script.clone(), item), &only, "timeout.read = \"150ms\"");
        assert_eq!((asked, done.code, record["got"].as_str()), (3, Some(0), "1"), "{answer:?}: {}", done.stderr);
    }
}

#[test]
fn a_request_that_never_left_is_repeated_whatever_its_method() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for (retry, attempts) in [("", "3"), ("errors = [\"reset\"]", "1")] {
        let job = job(&closed, retry, "method = \"POST\"", 1);
        job.run(&[]).expect_code(1);
        let record = &records(&job)[0];
        assert_eq!((record["attempts"].as_str(), record["status"].as_str()), (attempts, ""), "{record:?}");
        assert!(record["error"].contains("refused"), "{record:?}");
    }
}

#[test]
fn a_row_that_sleeps_gives_its_slot_to_another() {
    let oracle = Oracle::start(first(1, |_| Answer::status(503), item));
    let retry = "initial = \"1500ms\"\njitter = \"none\"";
    job(&oracle.url(), retry, "concurrency = 1", 5).run(&[]).expect_code(0);
    let ids: Vec<String> = oracle.requests().iter().map(|request| request.id().to_owned()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "1"]);
}

#[test]
fn every_timeout_is_named_in_the_record() {
    let slow = || Answer::text(200, "{\"id\":1}").after(Duration::from_secs(20));
    let cases = [
        ("timeout.read = \"200ms\"", Answer::Stall, "timeout.read", "200ms", "3"),
        ("timeout.total = \"200ms\"", slow(), "timeout.total", "200ms", "3"),
        // The first attempt is cut off within itself, the second in its sleep.
        ("timeout.row = \"200ms\"", Answer::Stall, "timeout.row", "200ms", "1"),
        (
            "timeout.row = \"20s\"\nretry.initial = \"60s\"\nretry.jitter = \"none\"",
            Answer::status(503),
            "timeout.row",
            "503",
            "1",
        ),
    ];
    for (timeout, answer, name, words, attempts) in cases {
        let (_, record, done) = one_row(move |_| answer.clone(), "", timeout);
        assert_eq!(done.code, Some(1), "{timeout}");
        assert!(record["error"].contains(name) && record["error"].contains(words), "{timeout}: {record:?}");
        assert_eq!(record["attempts"], attempts, "{timeout}: {record:?}");
        assert!(done.stderr.contains(name), "the summary says why, too: {}", done.stderr);
    }
}

#[test]
fn a_body_that_is_not_json_is_tried_again_and_then_shown_without_secrets() {
    let text = r#"
secrets.token.env = "TOKEN"
retry = { attempts = 3, initial = "1ms" }

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
auth.bearer = "{{ secrets.token }}"
input.range = { from = 1, to = 1 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;
    let oracle = Oracle::start(|request| {
        let said = request.header("authorization").unwrap_or_default();
        Answer::text(200, format!("<html>sent {said} \u{7}to us</html>"))
    });
    let job = Job::at(&oracle.url(), text).variable("TOKEN", "s3cret-canary");
    job.run(&[]).expect_code(1);
    assert_eq!(oracle.count(), 3);
    assert_eq!(oracle.requests()[0].header("authorization"), Some("Bearer s3cret-canary"));
    let error = &records(&job)[0]["error"];
    assert!(error.contains("is not JSON") && error.contains("<html>sent Bearer ***  to us</html>"), "{error}");
}

const SHARED: &str = r#"
limits.shared = { rate = "100/s", burst = 1 }

[endpoints.one]
url = "ORACLE/one/{{ row.value }}"
limit = "shared"
input.range = { from = 1, to = 150 }

[endpoints.two]
url = "ORACLE/two/{{ row.value }}"
limit = "shared"
input.range = { from = 1, to = 150 }

[sinks.out]
path = "out.csv"
"#;

/// Adds what a server says of the time to come back.
type Header = fn(Answer) -> Answer;

/// Requests under way when the refusal came; without a hold ten times as many would arrive.
const ON_THEIR_WAY: usize = 20;

#[test]
fn retry_after_holds_every_endpoint_of_the_limit() {
    // A date counts from the reply's own Date: neither clock needs to be right.
    let date = |answer: Answer| {
        answer.header("date", "Sun, 06 Nov 1994 12:00:00 GMT").header("retry-after", "Sun, 06 Nov 1994 12:00:02 GMT")
    };
    let seconds = |answer: Answer| answer.header("retry-after", "2");
    let forms: [(&str, Header, u16); 3] = [("seconds", seconds, 429), ("date", date, 429), ("503", seconds, 503)];
    std::thread::scope(|scope| {
        for (form, header, status) in forms {
            scope.spawn(move || holds_both(form, header, status));
        }
    });
}

/// Whether one refusal in the middle holds both endpoints for its two seconds.
fn holds_both(form: &str, header: Header, status: u16) {
    let oracle =
        Oracle::start(move |request| if request.number == 20 { header(Answer::status(status)) } else { item(request) });
    let job = Job::at(&oracle.url(), SHARED);
    job.run(&[]).expect_code(0);
    let requests = oracle.requests();
    let refused = requests[20].at;
    let within =
        |request: &&std::sync::Arc<SeenRequest>| request.number > 20 && request.at < refused + Duration::from_secs(2);
    let early = requests.iter().filter(within).count();
    assert!(early <= ON_THEIR_WAY, "{form}: {early} requests within the hold");
    let again = requests.iter().rev().find(|request| request.path == requests[20].path).expect("a request");
    assert!(again.number > 20 && again.at >= refused + Duration::from_secs(2), "{form}");
    assert_eq!((requests.len(), records(&job).len()), (301, 300), "{form}");
}

#[test]
fn a_server_that_asks_for_longer_than_max_wait_stops_the_run_which_can_go_on() {
    let oracle = Oracle::start(first(6, |request| if request.number < 5 { item(request) } else { later() }, item));
    let job = job(&oracle.url(), "max-wait = \"1h\"", "concurrency = 1", 10);
    let done = job.run(&[]).expect_code(4);
    for words in ["2h", "retry.max-wait", "go on in", "resume ", "run job.toml"] {
        assert!(done.stderr.contains(words), "{words} is missing:\n{}", done.stderr);
    }
    assert_eq!((oracle.count(), records(&job).len()), (6, 5), "nothing leaves after the stop");
    // The wait survives: nothing is asked before its time, unless the run begins anew.
    let done = job.run(&[]).expect_code(4);
    assert!(done.stderr.contains("retry.max-wait") && done.stderr.contains("go on in"), "{}", done.stderr);
    assert_eq!(oracle.count(), 6);
    std::fs::remove_file(job.path("out.csv")).expect("the output of the run that is forgotten");
    job.run(&["--fresh"]).expect_code(0);
    assert_eq!((oracle.count(), records(&job).len()), (16, 10));
}

#[test]
fn a_wait_survives_a_kill_in_its_middle() {
    let oracle = Oracle::start(first(6, |request| if request.number < 5 { item(request) } else { short() }, item));
    let job = job(&oracle.url(), "max-wait = \"1h\"", "concurrency = 1", 10);
    let run = job.spawn(&[]);
    wait::until("a commit that knows of the wait", Duration::from_secs(60), || {
        let found = paceline::journal::peek(&job.state()).expect("a journal")?;
        (!found.last.holds.is_empty()).then_some(())
    });
    let asked = oracle.requests()[5].at;
    assert_eq!(run.kill().code, None);
    let done = job.run(&["--set", "retry.max-wait=\"1s\""]).expect_code(4);
    assert!(done.stderr.contains("go on in"), "{}", done.stderr);
    assert_eq!(oracle.count(), 6);
    job.run(&[]).expect_code(0);
    let next = oracle.requests()[6].at;
    assert!(next >= asked + Duration::from_secs(12), "asked again after {:?}", next - asked);
    assert_eq!((oracle.count(), records(&job).len()), (11, 10));
}

fn short() -> Answer {
    Answer::status(429).header("retry-after", "12")
}

fn later() -> Answer {
    Answer::status(429).header("retry-after", "7200")
}
