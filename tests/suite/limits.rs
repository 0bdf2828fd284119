//! Pace, on real time: no window sees too many requests, and the rate is used.
//!
//! The one place where time is the subject. Each test has the machine to itself; what a busy machine
//! does to single requests is excused by trying again, since a limiter that is wrong is wrong each time.

use std::time::Duration;

use crate::support::machine::{self, Alone};
use crate::support::oracle::script::{first, item, throttle};
use crate::support::oracle::{Answer, Arrival, SeenRequest, window_violation};
use crate::support::{Job, Oracle};

/// Tries that a test has to meet its bounds to the letter.
const TRIES: usize = 3;

/// Time that the machine may shift a request against another in any try: on the way from the token to
/// the wire and from the wire to the log.
const SHIFT: f64 = 0.025;

fn paced_job(oracle: &Oracle, rate: u32, burst: u32, rows: u32) -> Job {
    let text = r#"
[limits.pace]
rate  = "RATE/s"
burst = BURST

[endpoints.item]
url   = "ORACLE/items/{{ row.value }}"
limit = "pace"
concurrency = 20
input.range = { from = 1, to = ROWS }
columns.id = "$.id"

[sinks.out]
path = "out.csv"
"#;
    let numbers = [("RATE", rate), ("BURST", burst), ("ROWS", rows)];
    let text = numbers.iter().fold(text.to_owned(), |text, (name, number)| text.replace(name, &number.to_string()));
    Job::new(&text.replace("ORACLE", &oracle.url()))
}

/// Runs once; what was not met to the letter is the error, what no machine excuses a panic.
fn try_pace(alone: &Alone, rate: u32, burst: u32, rows: u32) -> Result<(), String> {
    let oracle = Oracle::start(item);
    paced_job(&oracle, rate, burst, rows).alone(alone).run(&[]).expect_code(0);
    assert_eq!(oracle.count(), rows as usize, "one request for each row");
    let (rate, burst) = (f64::from(rate), f64::from(burst));
    if let Some(violation) = oracle.window_violation(rate, burst, 1.0 + rate * SHIFT) {
        panic!("faster than any machine excuses: {violation}");
    }
    let arrivals = oracle.arrivals();
    let took = (arrivals[arrivals.len() - 1].at - arrivals[0].at).as_secs_f64();
    let allowed = f64::from(rows) / rate / 0.98 + burst / rate;
    if took > allowed {
        return Err(format!("{rows} rows took {took:.3} s, {allowed:.3} s are 98 % of the rate"));
    }
    oracle.window_violation(rate, burst, 1.0).map_or(Ok(()), Err)
}

fn pace(rate: u32, burst: u32, rows: u32) {
    kept_once(|alone| try_pace(alone, rate, burst, rows));
}

/// Tries until the pace is kept to the letter once.
fn kept_once(attempt: impl Fn(&Alone) -> Result<(), String>) {
    let alone = machine::alone();
    let mut reasons = Vec::new();
    for _ in 0..TRIES {
        match attempt(&alone) {
            Ok(()) => return,
            Err(reason) => reasons.push(reason),
        }
    }
    panic!("in none of {TRIES} tries was the pace kept:\n{}", reasons.join("\n"));
}

#[test]
fn fifty_a_second_with_a_burst_of_five() {
    pace(50, 5, 150);
}

#[test]
fn five_hundred_a_second_with_a_burst_of_twenty() {
    pace(500, 20, 2500);
}

#[test]
fn a_429_with_retry_after_holds_every_path_of_the_bucket() {
    let alone = machine::alone();
    let oracle = Oracle::start(throttle(30, 1));
    paced_job(&oracle, 100, 1, 80).alone(&alone).run(&[]).expect_code(0);
    let requests = oracle.requests();
    let refused = requests[30].at;
    // Requests that were on their way when the refusal came; at 100/s a second would see a hundred.
    let on_their_way = refused + Duration::from_millis(100);
    let early: Vec<_> = requests
        .iter()
        .filter(|request| request.at > on_their_way && request.at < refused + Duration::from_secs(1))
        .map(|request| (request.path.as_str(), request.at - refused))
        .collect();
    assert!(early.is_empty(), "within the hold: {early:?}");
    let counts = oracle.count_by_path();
    assert_eq!(counts.len(), 80);
    assert!(counts[&requests[30].path] == 2, "the refused row was sent once more: {counts:?}");
}

#[test]
fn endpoints_that_share_a_limit_share_its_pace() {
    let alone = machine::alone();
    let oracle = Oracle::start(item);
    let text = r#"
limits.shared = { rate = "100/s", burst = 2 }

[endpoints.one]
url = "ORACLE/one/{{ row.value }}"
limit = "shared"
input.range = { from = 1, to = 60 }

[endpoints.two]
url = "ORACLE/two/{{ row.value }}"
limit = "shared"
input.range = { from = 1, to = 60 }

[sinks.out]
path = "out.jsonl"
"#;
    Job::new(&text.replace("ORACLE", &oracle.url())).alone(&alone).run(&[]).expect_code(0);
    assert_eq!(oracle.count(), 120);
    let violation = oracle.window_violation(100.0, 2.0, 1.0 + 100.0 * SHIFT);
    assert_eq!(violation, None);
}

/// An endpoint that takes from a slow limit and a wide one, and others as `more` has it.
fn two_limits(oracle: &Oracle, rows: u32, more: &str) -> Job {
    let text = r#"
limits.slow = { rate = "40/s" }
limits.wide = { rate = "400/s", burst = 20 }

[endpoints.both]
url = "ORACLE/both/{{ row.value }}"
limit = ["slow", "wide"]
concurrency = 20
input.range = { from = 1, to = ROWS }
MORE
[sinks.out]
path = "out.jsonl"
"#;
    let text = text.replace("ROWS", &rows.to_string()).replace("MORE", more);
    Job::new(&text.replace("ORACLE", &oracle.url()))
}

/// When the requests of a path arrived.
fn arrivals_at(oracle: &Oracle, path: &str) -> Vec<Arrival> {
    let requests = oracle.requests();
    let all = oracle.arrivals();
    requests.iter().zip(all).filter(|(request, _)| request.path.starts_with(path)).map(|(_, arrival)| arrival).collect()
}

#[test]
fn two_limits_on_one_endpoint_hold_at_once_and_the_slower_is_used() {
    kept_once(|alone| {
        let oracle = Oracle::start(item);
        two_limits(&oracle, 100, "").alone(alone).run(&[]).expect_code(0);
        let arrivals = oracle.arrivals();
        assert_eq!(arrivals.len(), 100);
        if let Some(violation) = oracle.window_violation(40.0, 1.0, 1.0 + 40.0 * SHIFT) {
            panic!("faster than any machine excuses: {violation}");
        }
        let took = (arrivals[99].at - arrivals[0].at).as_secs_f64();
        if took > 99.0 / 40.0 / 0.98 {
            return Err(format!("100 rows took {took:.3} s"));
        }
        oracle.window_violation(40.0, 1.0, 1.0).map_or(Ok(()), Err)
    });
}

/// Refuses the first request of `/other` for a second and more; all others are items.
fn refuse_the_other(request: &SeenRequest) -> Answer {
    static REFUSED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    if request.path.starts_with("/other") && !REFUSED.swap(true, std::sync::atomic::Ordering::SeqCst) {
        return Answer::text(429, "slow down").header("retry-after", "1");
    }
    item(request)
}

#[test]
fn a_429_of_another_endpoint_that_holds_one_of_two_limits_piles_up_no_tokens_of_the_other() {
    let alone = machine::alone();
    let oracle = Oracle::start(refuse_the_other);
    let other = r#"
[endpoints.other]
url = "ORACLE/other/{{ row.value }}"
limit = "wide"
input.range = { from = 1, to = 1 }
"#;
    two_limits(&oracle, 80, other).alone(&alone).run(&[]).expect_code(0);
    let requests = oracle.requests();
    let refused = requests.iter().find(|request| request.path.starts_with("/other")).expect("it was asked").at;
    let both = arrivals_at(&oracle, "/both");
    assert_eq!((both.len(), requests.len()), (80, 82));
    // What was on its way when the refusal came; at 40/s some forty would leave within the hold.
    let on_their_way = refused + Duration::from_millis(100);
    let early =
        both.iter().filter(|arrival| arrival.at > on_their_way && arrival.at < refused + Duration::from_secs(1));
    assert_eq!(early.count(), 0, "within the hold");
    assert_eq!(window_violation(&both, 40.0, 1.0, 1.0 + 40.0 * SHIFT), None);
}

#[test]
fn a_server_that_names_no_time_does_not_burn_every_attempt() {
    let oracle = Oracle::start(first(3, |_| Answer::text(429, "no").header("retry-after", "0"), item));
    let text = r#"
[retry]
attempts = 5
jitter = "none"
max = "200ms"

[endpoints.item]
url   = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 1 }

[sinks.out]
path = "out.jsonl"
"#;
    Job::new(&text.replace("ORACLE", &oracle.url())).run(&[]).expect_code(0);
    let requests = oracle.requests();
    let gaps: Vec<_> = requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // The wait is 200 ms; the log may be late with the earlier one of two requests.
    assert!(gaps.len() == 3 && gaps.iter().all(|gap| *gap >= Duration::from_millis(150)), "{gaps:?}");
}

#[test]
fn rows_that_wait_for_tokens_do_not_time_out_in_the_pool() {
    let oracle = Oracle::start(item);
    let text = r#"
[client]
connections = { total = 4 }

[timeout]
pool = "60ms"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
rate = "20/s"
concurrency = 20
input.range = { from = 1, to = 20 }

[sinks.out]
path = "out.jsonl"
"#;
    let job = Job::new(&text.replace("ORACLE", &oracle.url()));
    job.run(&[]).expect_code(0);
    assert_eq!(oracle.count(), 20);
    let out = job.read("out.jsonl");
    assert_eq!(out.matches("\"attempts\":1,").count(), 20, "{out}");
}
