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
const TRIES: usize = 6;

/// Time that the machine may shift a request against another in any try: on the way from the token to
/// the wire and from the wire to the log.
const SHIFT: f64 = 0.025;

/// A pace: windows of requests and seconds with the text that a job has for them, a burst, and rows.
struct Pace {
    windows: &'static [(&'static str, f64, f64)],
    burst: u32,
    rows: u32,
}

impl Pace {
    fn job(&self, oracle: &Oracle) -> Job {
        let text = r#"
[limits.pace]
rate  = [RATES]
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
        let rates: Vec<String> = self.windows.iter().map(|(text, ..)| format!("{text:?}")).collect();
        let text = text.replace("RATES", &rates.join(", ")).replace("BURST", &self.burst.to_string());
        Job::at(&oracle.url(), &text.replace("ROWS", &self.rows.to_string()))
    }

    /// Requests a second of each window.
    fn rates(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().map(|(_, requests, seconds)| requests / seconds)
    }

    /// Runs once; what was not met to the letter is the error, what no machine excuses a panic.
    fn try_once(&self, alone: &Alone) -> Result<(), String> {
        let oracle = Oracle::start(item);
        self.job(&oracle).alone(alone).run(&[]).expect_code(0);
        assert_eq!(oracle.count(), self.rows as usize, "one request for each row");
        let burst = f64::from(self.burst);
        for rate in self.rates() {
            if let Some(violation) = oracle.window_violation(rate, burst, 1.0 + rate * SHIFT) {
                panic!("faster than any machine excuses: {violation}");
            }
        }
        let arrivals = oracle.arrivals();
        let took = (arrivals[arrivals.len() - 1].at - arrivals[0].at).as_secs_f64();
        // From the first request to the last, the slowest window may let so many leave.
        let may = burst + self.rates().fold(f64::INFINITY, f64::min) * took;
        let used = f64::from(self.rows) / may;
        if used < USED {
            return Err(format!("{} rows took {took:.3} s: {:.1} % of the pace", self.rows, 100.0 * used));
        }
        // What the limiter may catch up with, and what the wire does on top of it.
        let broken = |rate: f64| oracle.window_violation(rate, burst, 1.0 + rate * WIRE);
        self.rates().find_map(broken).map_or(Ok(()), Err)
    }

    /// Tries until the pace is kept to the letter once.
    fn kept(&self) {
        kept_once(|alone| self.try_once(alone));
    }
}

/// Time that the wire alone shifts a request against another, on a machine that does nothing else.
const WIRE: f64 = 0.003;

/// Share of its pace that a job has to use.
const USED: f64 = 0.98;

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
fn ten_a_second() {
    Pace { windows: &[("10/s", 10.0, 1.0)], burst: 1, rows: 30 }.kept();
}

#[test]
fn fifty_a_second_with_a_burst_of_five() {
    Pace { windows: &[("50/s", 50.0, 1.0)], burst: 5, rows: 150 }.kept();
}

#[test]
fn two_hundred_a_second() {
    Pace { windows: &[("200/s", 200.0, 1.0)], burst: 1, rows: 600 }.kept();
}

#[test]
fn two_hundred_a_second_in_windows_of_other_lengths() {
    // The slowest window binds, wherever it stands; two of the second job are the same pace.
    let windows: [&[(&str, f64, f64)]; 2] = [
        &[("200/s", 200.0, 1.0), ("9000/m", 9000.0, 60.0)],
        &[("720000/h", 720_000.0, 3600.0), ("30/100ms", 30.0, 0.1), ("400/2s", 400.0, 2.0)],
    ];
    for windows in windows {
        Pace { windows, burst: 10, rows: 500 }.kept();
    }
}

#[test]
fn five_hundred_a_second_with_a_burst_of_twenty() {
    Pace { windows: &[("500/s", 500.0, 1.0)], burst: 20, rows: 2500 }.kept();
}

#[test]
fn two_requests_in_each_millisecond() {
    // More than one request between two ticks of a timer; benches/pace.py has the paces beyond.
    Pace { windows: &[("2000/s", 2000.0, 1.0), ("150000/m", 150_000.0, 60.0)], burst: 40, rows: 6000 }.kept();
}

/// Rows of three tenants in turn, with weights from 1 to 4.
fn tenants(rows: u64) -> String {
    let line = |row: u64| format!("{row},{},{}\n", ["a", "b", "c"][(row % 3) as usize], 1 + row / 3 % 4);
    (0..rows).fold("id,tenant,weight\n".to_owned(), |text, row| text + &line(row))
}

#[test]
fn every_key_has_a_bucket_of_its_own_and_a_request_takes_what_it_costs() {
    let text = r#"
[limits.tenant]
rate  = "40/s"
burst = 4
key   = "{{ row.tenant }}"
cost  = "{{ row.weight }}"

[endpoints.item]
url   = "ORACLE/{{ row.tenant }}/{{ row.weight }}/{{ row.id }}"
limit = "tenant"
input = "rows.csv"

[sinks.out]
path = "out.jsonl"
"#;
    kept_once(|alone| {
        let oracle = Oracle::start(item);
        Job::at(&oracle.url(), text).with("rows.csv", tenants(108)).alone(alone).run(&[]).expect_code(0);
        assert_eq!(oracle.count(), 108);
        // A request that costs 3 is three tokens at one moment.
        ["a", "b", "c"].iter().try_for_each(|tenant| {
            let tokens: Vec<Arrival> = (1..=4_usize)
                .map(|cost| (cost, arrivals_at(&oracle, &format!("/{tenant}/{cost}/"))))
                .flat_map(|(cost, arrivals)| arrivals.into_iter().flat_map(move |arrival| vec![arrival; cost]))
                .collect();
            bucket_kept(tokens, 40.0, 4.0)
        })
    });
}

/// Whether these tokens left at a pace and used it.
fn bucket_kept(mut tokens: Vec<Arrival>, rate: f64, burst: f64) -> Result<(), String> {
    tokens.sort_by_key(|token| token.at);
    assert_eq!(tokens.len(), 90, "36 rows of weights from 1 to 4");
    if let Some(violation) = window_violation(&tokens, rate, burst, 1.0 + rate * SHIFT) {
        panic!("faster than any machine excuses: {violation}");
    }
    let took = (tokens[tokens.len() - 1].at - tokens[0].at).as_secs_f64();
    let may = 90.0 / rate / USED;
    if took > may {
        return Err(format!("90 tokens took {took:.3} s and not {may:.3} s"));
    }
    window_violation(&tokens, rate, burst, 1.0 + rate * WIRE).map_or(Ok(()), Err)
}

#[test]
fn a_429_with_retry_after_holds_every_path_of_the_bucket() {
    let alone = machine::alone();
    let oracle = Oracle::start(throttle(30, 1));
    Pace { windows: &[("100/s", 100.0, 1.0)], burst: 1, rows: 80 }.job(&oracle).alone(&alone).run(&[]).expect_code(0);
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
        oracle.window_violation(40.0, 1.0, 1.0 + 40.0 * WIRE).map_or(Ok(()), Err)
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
