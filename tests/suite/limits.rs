//! Pace, on real time: no window sees too many requests, and the rate is used.
//!
//! The one place where time is the subject. Each test has the machine to itself; what a busy machine
//! does to single requests is excused by trying again, since a limiter that is wrong is wrong each time.

use std::time::Duration;

use crate::support::machine::{self, Alone};
use crate::support::oracle::script::{item, throttle};
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
    let alone = machine::alone();
    let mut reasons = Vec::new();
    for _ in 0..TRIES {
        match try_pace(&alone, rate, burst, rows) {
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
