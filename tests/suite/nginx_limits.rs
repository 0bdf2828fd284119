//! A limiter that nobody here wrote: nginx's `limit_req`, which counts in milliseconds and forgives nothing.
//!
//! nginx's access log is the judge. Without nginx the tests say that they were skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use paceline::clock;

use crate::support::Job;
use crate::support::machine::{self, Alone};
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

/// Tries that the first test has to be refused nothing. At 195/s a request is 0.13 ms away from a refusal, so that a machine
/// that does something else may bring one about; a limiter that wakes by coarse timers has dozens in each try.
const TRIES: usize = 8;

/// Rows of a try: about a second.
const FEW: usize = 200;

/// Nanoseconds from one request to the next at 195/s.
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 195);

/// Refusals of a job of [`FEW`] rows, which keeps to its own pace whatever nginx says.
fn refused_to_paceline(alone: &Alone) -> Option<usize> {
    let nginx = nginx()?;
    job(&nginx, "", "rate = \"195/s\"\nlearn = false", FEW).alone(alone).run(&[]).expect_code(0);
    let log = log(&nginx, FEW);
    let took = log.iter().map(|line| line.at).fold(0.0, f64::max) - log[0].at;
    assert!(took > 199.0 / 195.0 - 0.05, "{FEW} requests in {took:.3} s");
    Some(log.iter().filter(|line| line.status == 429).count())
}

/// Refusals of the most exact sender that there can be: a core is burned until the time has come, and no gap is ever
/// shortened. It shows what the machine and nginx themselves shift requests by.
fn refused_to_exact_sender(_alone: &Alone) -> Option<usize> {
    let nginx = nginx()?;
    let mut connection = TcpStream::connect(nginx.address()).expect("nginx answers");
    connection.set_nodelay(true).expect("a connection");
    let mut due = clock::now();
    for row in 0..FEW {
        while clock::now() < due {
            std::hint::spin_loop();
        }
        due = clock::now() + INTERVAL;
        write!(connection, "GET /items/{row} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("nginx reads");
        let read = connection.read(&mut [0; 4096]).expect("nginx replies");
        assert!(read > 0, "a reply");
    }
    Some(log(&nginx, FEW).iter().filter(|line| line.status == 429).count())
}

#[test]
fn a_little_slower_than_nginx_allows_is_not_refused_more_than_the_machine_brings_about() {
    let alone = machine::alone();
    let mut tries = Vec::new();
    for _ in 0..TRIES {
        let Some(ours) = refused_to_paceline(&alone) else { return };
        if ours == 0 {
            return println!("nginx: no request refused, after {tries:?}");
        }
        tries.extend(refused_to_exact_sender(&alone).map(|exact| (ours, exact)));
    }
    // No try without one: then neither could a sender that does nothing else.
    let (ours, exact) = tries.iter().fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
    println!("nginx: refused to paceline and to an exact sender: {tries:?}");
    assert!(ours <= 3 * exact + TRIES, "nginx refused {ours} requests of paceline, {exact} of the other: {tries:?}");
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
