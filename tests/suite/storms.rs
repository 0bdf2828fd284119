//! Servers that throttle, lie, fail and come back: what the program sends them then, and that no row is lost.
//!
//! Counts and orders are what the oracle saw. Where a wait is the subject, only its least length is judged: a busy
//! machine makes waits longer, never shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::machine;
use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::{first, item};
use crate::support::output::{Line, csv};
use crate::support::{Answer, Job, Oracle};

const JOB: &str = r#"
TOP

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
MORE
input.range = { from = 1, to = ROWS }

[sinks.out]
path = "out.csv"
on-existing = "replace"
"#;

fn job(oracle: &Oracle, top: &str, more: &str, rows: usize) -> Job {
    let text = JOB.replace("TOP", top).replace("MORE", more).replace("ROWS", &rows.to_string());
    Job::at(&oracle.url(), &text)
}

fn records(job: &Job) -> Vec<Line> {
    csv(&job.path("out.csv"))
}

/// Runs a job to a good end, in which each row has one record of a good reply.
fn all_ok(job: &Job, rows: usize) {
    let done = job.run(&[]).expect_code(0);
    let records = records(job);
    let values: BTreeSet<&String> = records.iter().map(|record| &record["value"]).collect();
    assert_eq!((records.len(), values.len()), (rows, rows), "{}", done.stderr);
    assert!(records.iter().all(|record| record["status"] == "200"), "{records:?}");
}

/// How long after each request the next one came.
fn gaps(oracle: &Oracle) -> Vec<Duration> {
    oracle.requests().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}

/// A wait as the oracle may see it: the log may be late with the earlier one of two requests.
fn about(wait: Duration) -> Duration {
    wait.saturating_sub(Duration::from_millis(100))
}

/// Items, as many in a second as a token bucket of `rate` gives; 429 without a word about time for the rest.
fn strict(rate: f64) -> (impl Fn(&SeenRequest) -> Answer + Send + Sync, Arc<std::sync::Mutex<Vec<bool>>>) {
    let given = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&given);
    let level = std::sync::Mutex::new((rate / 10.0, None));
    let script = move |request: &SeenRequest| {
        let mut level = level.lock().expect("no script panics");
        let gained = level.1.map_or(0.0, |last| rate * request.at.saturating_duration_since(last).as_secs_f64());
        *level = ((level.0 + gained).min(rate / 10.0), Some(request.at));
        let fine = level.0 >= 1.0;
        log.lock().expect("no script panics").push(fine);
        if !fine {
            return Answer::status(429);
        }
        level.0 -= 1.0;
        item(request)
    };
    (script, given)
}

#[test]
fn fault_21_a_storm_of_429_that_name_no_time_calms_down_and_loses_no_row() {
    let (script, given) = strict(100.0);
    let oracle = Oracle::start(script);
    all_ok(&job(&oracle, "", "concurrency = 20", 300), 300);
    let given = given.lock().expect("no script panics").clone();
    assert_eq!(given.iter().filter(|fine| **fine).count(), 300, "no row was asked for again that had its reply");
    let later = &given[given.len() / 2..];
    let refused = later.iter().filter(|fine| !**fine).count();
    assert!(refused * 3 <= later.len(), "{refused} of the later {} requests were refused", later.len());
}

/// The first request is refused with these headers, and no other is.
fn refused_once(headers: &'static [(&'static str, &'static str)]) -> impl Fn(&SeenRequest) -> Answer + Send + Sync {
    let refuse = move |_: &SeenRequest| with_headers(Answer::status(429), headers);
    first(1, refuse, item)
}

fn with_headers(answer: Answer, headers: &[(&str, &str)]) -> Answer {
    headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value))
}

/// Unix time 1234567890: what a reply says of its own clock, so that neither clock needs to be right.
const DATE: (&str, &str) = ("date", "Fri, 13 Feb 2009 23:31:30 GMT");

#[test]
fn fault_22_every_form_of_retry_after_is_obeyed_or_ignored() {
    const NONE: Duration = Duration::ZERO;
    const ONE: Duration = Duration::from_secs(1);
    let forms: &[(&'static [(&'static str, &'static str)], Duration)] = &[
        (&[("retry-after", "1")], ONE),
        (&[("retry-after", " 1 ")], ONE),
        (&[DATE, ("retry-after", "Fri, 13 Feb 2009 23:31:31 GMT")], ONE),
        (&[DATE, ("retry-after", "Friday, 13-Feb-09 23:31:31 GMT")], ONE),
        (&[DATE, ("retry-after", "Fri Feb 13 23:31:31 2009")], ONE),
        (&[("retry-after", "0"), ("retry-after", "1")], ONE),
        (&[("retry-after", "1"), ("retry-after", "soon")], ONE),
        (&[DATE, ("retry-after", "Fri, 13 Feb 2009 23:31:00 GMT")], NONE),
        (&[("retry-after", "0")], NONE),
        (&[("retry-after", "-5")], NONE),
        (&[("retry-after", "soon")], NONE),
        (&[("retry-after", "")], NONE),
        (&[("retry-after", "1e9")], NONE),
    ];
    std::thread::scope(|scope| {
        for (headers, wait) in forms {
            scope.spawn(move || {
                let oracle = Oracle::start(refused_once(headers));
                let top = "retry = { initial = \"10ms\", max = \"50ms\" }";
                all_ok(&job(&oracle, top, "concurrency = 1", 4), 4);
                assert_eq!(oracle.count(), 5, "{headers:?}");
                let gap = gaps(&oracle)[0];
                assert!(gap >= about(*wait), "{headers:?}: the next request came after {gap:?}");
            });
        }
    });
}

#[test]
fn fault_23_a_wait_of_three_days_stops_the_run_and_outlives_it() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let oracle = Oracle::start(move |request| match request.number {
        0..3 => item(request),
        _ if opened.load(Ordering::SeqCst) => item(request),
        _ => Answer::status(429).header("retry-after", "259200"),
    });
    let job = job(&oracle, "", "concurrency = 1", 10);
    let words = ["retry.max-wait", "go on", "resume ", "run job.toml"];
    let done = job.run(&[]).expect_code(4);
    assert!(words.iter().all(|word| done.stderr.contains(word)), "{}", done.stderr);
    assert!(done.stderr.contains("go on in 3d (20"), "it says for how long, and until which date: {}", done.stderr);
    assert_eq!((oracle.count(), records(&job).len()), (4, 3));
    let plan = job.command(&["plan", "job.toml"]).expect_code(0);
    let held = [" UTC (in 2d 23h), the server asked for it", "a run before its time stops at once"];
    assert!(held.iter().all(|words| plan.stdout.contains(words)), "{}", plan.stdout);
    for _ in 0..2 {
        let done = job.run(&[]).expect_code(4);
        assert!(words.iter().all(|word| done.stderr.contains(word)), "{}", done.stderr);
        assert_eq!((oracle.count(), records(&job).len()), (4, 3), "nothing is sent before the time has come");
    }
    open.store(true, Ordering::SeqCst);
    job.run(&["--fresh"]).expect_code(0);
    assert_eq!((oracle.count(), records(&job).len()), (14, 10), "a new run knows nothing of it");
}

#[test]
fn fault_24_whatever_x_ratelimit_says_there_is_no_busy_loop() {
    const NONE: Duration = Duration::ZERO;
    const ONE: Duration = Duration::from_secs(1);
    let (left, reset) = ("x-ratelimit-remaining", "x-ratelimit-reset");
    // 1234567890 is what DATE says.
    let cases: Vec<(Vec<(&str, &str)>, Duration)> = vec![
        (vec![(left, "0"), (reset, "1")], ONE),
        (vec![DATE, (left, "0"), (reset, "1234567891")], ONE),
        (vec![DATE, (left, "0"), (reset, "1234567891000")], ONE),
        (vec![DATE, (left, "0"), (reset, "1234567000")], ONE),
        (vec![(left, "-7"), (reset, "1")], ONE),
        (vec![(left, "0"), (reset, "0")], ONE),
        (vec![(left, "0")], ONE),
        (vec![(left, "many"), (reset, "soon")], NONE),
        (vec![(reset, "1234567000")], NONE),
        (vec![(left, "99999999999999999999999999"), (reset, "99999999999999999999999999")], NONE),
    ];
    std::thread::scope(|scope| {
        for (headers, wait) in cases {
            scope.spawn(move || {
                let sent: Vec<_> =
                    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                let oracle = Oracle::start(move |request| {
                    sent.iter().fold(item(request), |answer, (name, value)| answer.header(name, value))
                });
                all_ok(&job(&oracle, "", "concurrency = 1", 3), 3);
                assert_eq!(oracle.count(), 3, "{headers:?}");
                let least = gaps(&oracle).into_iter().min().expect("three requests");
                assert!(least >= about(wait), "{headers:?}: the next request came after {least:?}");
            });
        }
    });
}

#[test]
fn fault_24_a_429_that_says_there_is_more_left_is_believed_in_what_it_is() {
    let refuse = |_: &SeenRequest| {
        with_headers(Answer::status(429), &[("x-ratelimit-remaining", "1000"), ("x-ratelimit-reset", "0")])
    };
    let oracle = Oracle::start(first(4, refuse, item));
    all_ok(&job(&oracle, "retry = { attempts = 2, max = \"200ms\" }", "concurrency = 1", 3), 3);
    assert_eq!(oracle.count(), 7, "what is throttled costs no attempt");
}

/// What throttles without saying 429, and the rule that tells.
type Disguise = (&'static str, fn() -> Answer, &'static str);

fn github_names_a_time() -> Answer {
    Answer::text(403, "{\"message\": \"secondary rate limit\"}").header("retry-after", "1")
}

fn github_has_nothing_left() -> Answer {
    let headers = [DATE, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1234567891")];
    with_headers(Answer::text(403, "{\"message\": \"API rate limit exceeded\"}"), &headers)
}

fn shopify() -> Answer {
    Answer::text(200, r#"{"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}"#)
}

#[test]
fn fault_25_a_throttle_in_disguise_holds_the_whole_bucket() {
    let rule = "rules = [{ when = 'json.errors[0].extensions.code == \"THROTTLED\"', then = \"throttle\" }]";
    let disguises: [Disguise; 3] = [
        ("403 with a time", github_names_a_time, ""),
        ("403 with nothing left", github_has_nothing_left, ""),
        ("200 with an error", shopify, rule),
    ];
    std::thread::scope(|scope| {
        for disguise in disguises {
            scope.spawn(move || held_by(disguise));
        }
    });
}

/// One reply in the middle is a throttle; at 100/s its hold of a second would see a hundred requests.
fn held_by((name, answer, rule): Disguise) {
    let oracle = Oracle::start(move |request| if request.number == 20 { answer() } else { item(request) });
    let top = "retry = { initial = \"1s\", jitter = \"none\" }\nlimits.api = { rate = \"100/s\" }";
    all_ok(&job(&oracle, top, &format!("limit = \"api\"\nconcurrency = 5\n{rule}"), 60), 60);
    let requests = oracle.requests();
    assert_eq!(requests.len(), 61, "{name}");
    let refused = &requests[20];
    let held = refused.at + about(Duration::from_secs(1));
    let early = requests[21..].iter().filter(|request| request.at < held).count();
    assert!(early <= 10, "{name}: {early} requests within the hold");
    let again = requests.iter().rposition(|request| request.path == refused.path);
    assert!(again.is_some_and(|again| again > 20), "{name}: the row was sent again");
}

#[test]
fn fault_26_a_wrong_token_stops_the_run_before_it_has_failed_every_row() {
    let oracle = Oracle::start(|_| Answer::status(401));
    let job = job(&oracle, "", "concurrency = 1", 200);
    let done = job.run(&[]).expect_code(4);
    assert!((5..10).contains(&oracle.count()), "{} requests", oracle.count());
    for words in ["unauthorized >= 5 in a row", "resume ", "run job.toml"] {
        assert!(done.stderr.contains(words), "{words} is missing:\n{}", done.stderr);
    }
    assert_eq!(records(&job).len(), oracle.count(), "what was asked has its record, the rest is still to come");
}

#[test]
fn fault_26_only_refusals_in_a_row_stop_it_and_only_where_the_job_wants_it() {
    let four_in_five =
        |request: &SeenRequest| if request.number % 5 == 4 { item(request) } else { Answer::status(403) };
    let oracle = Oracle::start(four_in_five);
    job(&oracle, "", "concurrency = 1", 40).run(&[]).expect_code(1);
    assert_eq!(oracle.count(), 40);
    let oracle = Oracle::start(|_| Answer::status(401));
    job(&oracle, "run.stop-if = []", "concurrency = 1", 40).run(&[]).expect_code(1);
    assert_eq!(oracle.count(), 40);
    let oracle = Oracle::start(|_| Answer::status(404));
    let done = job(&oracle, "run.stop-if = \"failed > 50% after 20\"", "concurrency = 1", 200).run(&[]).expect_code(4);
    assert!((20..25).contains(&oracle.count()), "{} requests: {}", oracle.count(), done.stderr);
}

#[test]
fn fault_27_an_outage_sees_probes_and_fails_no_row() {
    let began = std::sync::Mutex::new(None);
    let oracle = Oracle::start(move |request| {
        let began = *began.lock().expect("no script panics").get_or_insert(request.at);
        if request.at < began + Duration::from_millis(2500) { Answer::status(503) } else { item(request) }
    });
    all_ok(&job(&oracle, "retry.initial = \"50ms\"", "concurrency = 10", 200), 200);
    let during = oracle.count() - 200;
    // Twenty failures are an outage; ten more may be on their way, and a few probes follow.
    assert!((10..=40).contains(&during), "{during} requests during the outage");
}

#[test]
fn fault_27_a_host_that_refuses_connections_is_waited_for() {
    let refusing = crate::support::oracle::Refusing::new();
    let url = format!("http://{}", refusing.address());
    let text = JOB.replace("TOP", "retry.initial = \"20ms\"").replace("MORE", "").replace("ROWS", "100");
    let job = Job::at(&url, &text);
    let run = job.spawn(&[]);
    // An outage keeps rows from failing after five attempts: its beginning is what has to be waited for.
    crate::support::wait::until("the outage", Duration::from_secs(30), || {
        run.stderr().contains("outage:").then_some(())
    });
    let oracle = Oracle::listening(refusing, |_| Vec::new(), item);
    let done = run.wait().expect_code(0);
    assert_eq!((oracle.count(), records(&job).len()), (100, 100), "{}", done.stderr);
}

#[test]
fn fault_28_flapping_loses_no_row_and_retries_keep_to_their_budget() {
    // Every reply was preceded by a failure, whatever the order.
    let flap =
        |request: &SeenRequest| if request.number.is_multiple_of(2) { Answer::status(503) } else { item(request) };
    let oracle = Oracle::start(flap);
    let top = "retry = { attempts = 50, initial = \"5ms\", max = \"20ms\", budget = \"90%\" }";
    all_ok(&job(&oracle, top, "concurrency = 10", 60), 60);
    let requests = oracle.requests();
    assert_eq!(requests.len(), 120);
    let (mut seen, mut retries) = (BTreeSet::new(), 0.0);
    for request in &requests {
        if !seen.insert(&request.path) {
            retries += 1.0;
        }
        let firsts = f64::from(u32::try_from(seen.len()).expect("sixty rows"));
        // A share of what was sent, one for each second, and the ten that may have been saved up.
        let budget = 0.9 * firsts + (request.at - requests[0].at).as_secs_f64() + 11.0;
        assert!(retries <= budget, "{retries} retries after {firsts} requests, where {budget:.1} may be");
    }
}

#[test]
fn fault_29_a_key_still_in_use_is_waited_for_and_one_used_twice_fails() {
    let counts = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
    let oracle = Oracle::start(move |request| {
        let mut counts = counts.lock().expect("no script panics");
        let count = counts.entry(request.path.clone()).or_default();
        *count += 1;
        match (request.id(), *count) {
            ("2", 1 | 2) => Answer::status(409),
            ("3", _) => Answer::status(422),
            _ => item(request),
        }
    });
    let more = "method = \"POST\"\njson = { id = \"{{ row.value }}\" }\nidempotency-key = true";
    let job = job(&oracle, "retry.initial = \"10ms\"", more, 4);
    job.run(&[]).expect_code(1);
    let mut keys = BTreeMap::<String, Vec<String>>::new();
    for request in oracle.requests() {
        let key = request.header("idempotency-key").expect("every request has one");
        assert!(key.len() == 38 && key.starts_with('"') && key.ends_with('"'), "a quoted UUID, not {key}");
        keys.entry(request.id().to_owned()).or_default().push(key.to_owned());
    }
    assert_eq!(keys.values().map(Vec::len).collect::<Vec<_>>(), [1, 3, 1, 1], "409 is tried again, 422 is not");
    let different: BTreeSet<&String> = keys.values().flatten().collect();
    assert_eq!(different.len(), 4, "a key for each row, the same over its retries: {keys:?}");
    let failed: Vec<_> = records(&job).into_iter().filter(|record| record["status"] != "200").collect();
    assert!(failed.len() == 1 && failed[0]["value"] == "3" && failed[0]["error"].contains("422"), "{failed:?}");
}

#[test]
fn fault_31_after_a_standstill_of_the_program_nothing_is_made_up_for_beyond_the_burst() {
    let alone = machine::alone();
    let oracle = Oracle::start(item);
    let job = job(&oracle, "limits.pace = { rate = \"50/s\", burst = 5 }", "limit = \"pace\"\nconcurrency = 20", 120);
    let job = job.alone(&alone);
    let run = job.spawn(&[]);
    crate::support::wait::until("the first requests", Duration::from_secs(10), || (oracle.count() >= 20).then_some(()));
    run.signal("STOP");
    std::thread::sleep(Duration::from_millis(1500));
    run.signal("CONT");
    run.wait().expect_code(0);
    assert_eq!(oracle.count(), 120);
    // A second and a half would have been worth 75 requests; the machine may shift one or two.
    assert_eq!(oracle.window_violation(50.0, 5.0, 3.0), None);
}
