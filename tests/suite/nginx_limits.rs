//! A limiter that nobody here wrote: nginx's `limit_req`, which counts in milliseconds and forgives nothing.
//!
//! nginx's access log is the judge. Without nginx the tests say that they were skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::Job;
use crate::support::machine;
use crate::support::output::csv;
use crate::support::peers::{self, Peer, find};
use crate::support::wait;

/// 200 requests a second, one at a time: a second one within five milliseconds is refused.
const HTTP: &str = r#"
log_format judge "$status $msec $request_uri";
access_log access.log judge;
keepalive_requests 1000000;
limit_req_zone $server_name zone=all:1m rate=200r/s;
limit_req_status 429;
server {
    listen 127.0.0.1:PORT;
    server_name localhost;
    location ~ "^/items/([0-9]+)$" {
        limit_req zone=all;
        default_type application/json;
        # A reply of `return` would be given before the limit is looked at.
        root .;
        try_files /item.json =404;
    }
}
"#;

fn nginx() -> Option<Peer> {
    let program = find("nginx")?;
    Some(peers::nginx(&program, HTTP, &[("item.json", "{\"ok\": true}\n")]))
}

/// A line of the access log: status, seconds since the epoch, path.
#[derive(Debug)]
struct Line {
    status: u16,
    at: f64,
    path: String,
}

/// The access log once it has `least` lines: nginx writes a line after it has sent the reply.
fn log(nginx: &Peer, least: usize) -> Vec<Line> {
    let whole = || Some(nginx.read("access.log")).filter(|text| text.lines().count() >= least);
    let text = wait::until("the access log", Duration::from_secs(10), whole);
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words");
        let (status, at) = (word().parse().expect("a status"), word().parse().expect("seconds"));
        Line { status, at, path: word().to_owned() }
    };
    text.lines().map(line).collect()
}

const JOB: &str = r#"
[retry]
RETRY

[endpoints.item]
url = "URL/items/{{ row.value }}"
PACE
concurrency = 20
input.range = { from = 1, to = ROWS }

[sinks.out]
path = "out.csv"
"#;

fn job(nginx: &Peer, retry: &str, pace: &str, rows: usize) -> Job {
    let url = format!("http://{}", nginx.address());
    let text = JOB.replace("URL", &url).replace("RETRY", retry).replace("PACE", pace);
    Job::new(&text.replace("ROWS", &rows.to_string()))
}

/// Whether each row has one record of a good reply.
fn all_ok(job: &Job, rows: usize) {
    let records = csv(&job.path("out.csv"));
    let values: BTreeSet<&String> = records.iter().map(|record| &record["value"]).collect();
    assert_eq!((records.len(), values.len()), (rows, rows));
    assert!(records.iter().all(|record| record["status"] == "200"), "{records:?}");
}

/// Tries that the first test has. At 195/s a request is 0.13 ms away from a refusal, so that a machine that does
/// something else may bring one about; a limiter that wakes by coarse timers has dozens in each try.
const TRIES: usize = 8;

/// Refusals that a try may have: two cores that are not quiet shift requests by more than the 0.13 ms that there are, and
/// one that burns a core to send on the dot is refused 7 to 14 of 200 there (benches/gaps.py).
const EXCUSED: usize = 10;

/// Rows of a try: about a second.
const FEW: usize = 200;

#[test]
fn a_little_slower_than_nginx_allows_is_hardly_ever_refused() {
    if find("nginx").is_none() {
        return;
    }
    let alone = machine::alone();
    let mut refused = Vec::new();
    for _ in 0..TRIES {
        let Some(nginx) = nginx() else { return };
        // It keeps to its own pace, whatever nginx says.
        let job = job(&nginx, "", "rate = \"195/s\"\nlearn = false", FEW);
        job.alone(&alone).run(&[]).expect_code(0);
        let log = log(&nginx, FEW);
        refused.push(log.iter().filter(|line| line.status == 429).count());
        let took = log.iter().map(|line| line.at).fold(0.0, f64::max) - log[0].at;
        assert!(took > 199.0 / 195.0 - 0.05, "{FEW} requests in {took:.3} s");
        if refused.last().is_some_and(|refused| *refused <= EXCUSED) {
            return;
        }
    }
    panic!("in each of {TRIES} tries nginx refused some: {refused:?}");
}

#[test]
fn a_job_without_any_limit_gets_every_row_through_retries() {
    let Some(nginx) = nginx() else { return };
    // Nothing slows it down: every refusal is met by its own row alone.
    let retry = "initial = \"50ms\"\nmax = \"500ms\"\nbudget = \"100%\"";
    let job = job(&nginx, retry, "learn = false", 600);
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("600 ok · 0 failed"), "{}", done.stderr);
    all_ok(&job, 600);
    let mut good = BTreeMap::<String, usize>::new();
    let log = log(&nginx, 601);
    for line in log.iter().filter(|line| line.status == 200) {
        *good.entry(line.path.clone()).or_default() += 1;
    }
    let once = good.values().all(|count| *count == 1);
    assert!(good.len() == 600 && once, "{good:?}");
    assert!(log.iter().any(|line| line.status == 429), "nginx must have refused some");
}
