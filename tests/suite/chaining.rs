//! Chained endpoints: every record becomes a row of the next once, whatever kills the run; a slow one holds the one
//! before it back; what failed is skipped behind it, and comes when it is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Dice, Job, Oracle, wait};

const JOB: &str = r#"
[limits.users]
rate  = "80/s"
burst = 5

[limits.orders]
rate  = "400/s"
burst = 20

[retry]
initial = "10ms"

[endpoints.mails]
url = "ORACLE/mails/{{ row.order }}"
input.endpoint = "orders"
concurrency = 20

[endpoints.orders]
method = "POST"
url = "ORACLE/orders/{{ row.id }}"
input.endpoint = "users"
limit = "orders"
concurrency = 10

[endpoints.orders.columns]
order = "$.id"

[endpoints.users]
url = "ORACLE/users/{{ row.value }}"
input.range = { from = 0, to = 239 }
rows = "$.items[*]"
limit = "users"

[endpoints.users.columns]
id = "$.id"

[sinks.orders]
from = ["orders"]
path = "out/orders.csv"

[sinks.mails]
from = ["mails"]
path = "out/mails.jsonl"
"#;

const USERS: u64 = 240;
/// Records of a user.
const EACH: u64 = 5;
const KILLS: u64 = 10;
/// For the part of a run that nothing happens to.
const HASTE: [&str; 4] = ["--set", "limits.users.rate=\"5000/s\"", "--set", "limits.orders.rate=\"5000/s\""];

fn has_no_records(user: u64) -> bool {
    user % 17 == 3
}

fn user(id: u64, records: u64) -> Answer {
    let items: Vec<Value> = (0..records).map(|item| json!({ "id": id * records + item })).collect();
    Answer::json(&json!({ "items": items }))
}

fn echo(id: u64) -> Answer {
    Answer::json(&json!({ "id": id }))
}

/// Users of which some are not there; the last one is not answered before `open`.
fn server(open: &Arc<AtomicBool>) -> Oracle {
    let open = Arc::clone(open);
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("a number");
        match request.path.split('/').nth(1) {
            Some("users") if id == USERS - 1 && !open.load(Ordering::SeqCst) => Answer::Stall,
            Some("users") if has_no_records(id) => Answer::status(404),
            Some("users") => user(id, EACH),
            _ => echo(id),
        }
    })
}

fn asked(oracle: &Oracle, of: &str) -> BTreeMap<u64, usize> {
    let mut asked = BTreeMap::<u64, usize>::new();
    for request in oracle.requests().iter().filter(|request| request.path.split('/').nth(1) == Some(of)) {
        *asked.entry(request.id().parse().expect("a number")).or_default() += 1;
    }
    asked
}

#[test]
fn whatever_kills_a_chain_each_record_is_one_row_and_no_order_is_sent_twice() {
    let open = Arc::new(AtomicBool::new(false));
    let oracle = server(&open);
    let job = Job::at(&oracle.url(), JOB);
    let mut dice = Dice::printed("chaining");
    for kill in 0..KILLS {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    job.run(&HASTE).expect_code(1);
    let expected: BTreeSet<u64> =
        (0..USERS).filter(|user| !has_no_records(*user)).flat_map(|user| user * EACH..(user + 1) * EACH).collect();

    let orders = csv(&job.path("out/orders.csv"));
    let ids: BTreeSet<u64> = orders.iter().map(|line| line["id"].parse().expect("an id")).collect();
    assert_eq!((orders.len(), &ids), (expected.len(), &expected), "each record of a user stands once");
    let deeds = asked(&oracle, "orders");
    let twice: Vec<_> = deeds.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let good = orders.iter().filter(|line| line["error"].is_empty());
    let good: BTreeSet<u64> = good.map(|line| line["order"].parse().expect("an id")).collect();
    assert!(good.iter().all(|id| deeds[id] == 1) && good.len() > expected.len() / 2, "{} are good", good.len());

    let mails = jsonl_file(&job.path("out/mails.jsonl"));
    let ids: BTreeSet<u64> =
        mails.iter().map(|line| line["order"].as_u64().expect("a number keeps its type")).collect();
    assert_eq!((mails.len(), &ids), (good.len(), &good), "each record of an order stands once");
}

#[test]
fn a_slow_endpoint_holds_the_one_before_it_back() {
    const AHEAD: i64 = 10_000;
    const RECORDS: i64 = 100;
    // What stands ready or is on its way when there is no room any more: calls of two slots, with four before each;
    // and rows that the slow one has read ahead: 256, twice, and those of five calls.
    const ON_THE_WAY: i64 = 25 * RECORDS;
    let (ahead, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (now, peak) = (Arc::clone(&ahead), Arc::clone(&most));
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("a number");
        if request.path.starts_with("/users") {
            peak.fetch_max(now.fetch_add(RECORDS, Ordering::SeqCst) + RECORDS, Ordering::SeqCst);
            return user(id, RECORDS as u64);
        }
        now.fetch_sub(RECORDS, Ordering::SeqCst);
        Answer::json(&json!({})).after(Duration::from_millis(15))
    });
    let job = Job::at(
        &oracle.url(),
        r#"
[endpoints.users]
url = "ORACLE/users/{{ row.value }}"
input.range = { from = 0, to = 249 }
rows = "$.items[*]"
columns = { id = "$.id" }
concurrency = 2

[endpoints.orders]
url = "ORACLE/orders/0"
method = "POST"
input.endpoint = "users"
chunk = 100
json = { rows = "{{ rows }}" }
concurrency = 1
columns = { fine = { value = true } }

[sinks.orders]
from = ["orders"]
path = "out/orders.csv"
"#,
    );
    job.run(&[]).expect_code(0);
    assert_eq!(csv(&job.path("out/orders.csv")).len(), 25_000);
    assert_eq!(ahead.load(Ordering::SeqCst), 0);
    let most = most.load(Ordering::SeqCst);
    assert!(most <= AHEAD + ON_THE_WAY, "it was {most} records ahead");
}

/// Six users with two orders each.
const SMALL: &str = r#"
[retry]
attempts = 1

[endpoints.orders]
url = "ORACLE/orders/{{ row.id }}"
input.endpoint = "users"
meta = ["row", "error"]

[endpoints.users]
url = "ORACLE/users/{{ row.value }}"
input.range = { from = 1, to = 6 }
rows = "$.items[*]"
columns = { id = "$.id" }

[sinks.orders]
from = ["orders"]
path = "out/orders.csv"
on-existing = "replace"
"#;

/// User 3 and order 9 fail as long as `ill`.
fn small_server(ill: &Arc<AtomicBool>) -> Oracle {
    let ill = Arc::clone(ill);
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("a number");
        let fails = ["/users/3", "/orders/9"].contains(&request.path.as_str()) && ill.load(Ordering::SeqCst);
        match request.path.starts_with("/users") {
            _ if fails => Answer::status(503),
            true => user(id, 2),
            false => echo(id),
        }
    })
}

fn orders(job: &Job) -> Vec<u64> {
    let mut ids: Vec<u64> =
        csv(&job.path("out/orders.csv")).iter().map(|line| line["id"].parse().expect("an id")).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn what_failed_is_skipped_behind_it_and_comes_when_it_is_sent_again() {
    let ill = Arc::new(AtomicBool::new(true));
    let oracle = small_server(&ill);
    let job = Job::at(&oracle.url(), SMALL);
    let done = job.run(&["-v"]).expect_code(1);
    let example = "users row 3 failed: 503 Service Unavailable";
    let words = format!("endpoints.orders: 1 row skipped for what failed in users, for example: {example}");
    assert!(done.stderr.contains(&words), "{}", done.stderr);
    assert!(done.stderr.contains("2 failed · 1 skipped"), "{}", done.stderr);
    let all: Vec<u64> = (2..14).collect();
    let without: Vec<u64> = all.iter().copied().filter(|id| ![6, 7].contains(id)).collect();
    assert_eq!(orders(&job), without, "what failed stands there with its error");
    let spool = job.state().join("spool-users.jsonl");
    let mode = std::fs::metadata(&spool).expect("the spool stays for --failed").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    ill.store(false, Ordering::SeqCst);
    let before = oracle.count();
    job.run(&["--failed"]).expect_code(0);
    let mut sent: Vec<String> = oracle.requests()[before..].iter().map(|request| request.path.clone()).collect();
    sent.sort();
    assert_eq!(sent, ["/orders/6", "/orders/7", "/orders/9", "/users/3"]);
    assert_eq!(orders(&job), all);
    let lines = csv(&job.path("out/orders.csv"));
    assert!(lines.iter().all(|line| line["error"].is_empty()), "{lines:?}");

    // A run that is complete is followed by a new one.
    job.run(&[]).expect_code(0);
    assert_eq!((orders(&job), std::fs::read_to_string(spool).expect("a spool").lines().count()), (all, 12));
}

#[test]
fn a_limit_counts_for_each_input_and_the_rest_follows() {
    let oracle = small_server(&Arc::new(AtomicBool::new(false)));
    let job = Job::at(&oracle.url(), SMALL);
    job.run(&["--limit", "3"]).expect_code(0);
    assert_eq!(orders(&job).len(), 3);
    job.run(&[]).expect_code(0);
    assert_eq!(orders(&job), (2..14).collect::<Vec<_>>());
    assert_eq!(oracle.count(), 6 + 12, "each row is sent once");
}

#[test]
fn records_that_were_not_kept_are_not_passed_over_in_silence() {
    let oracle = small_server(&Arc::new(AtomicBool::new(false)));
    let small = SMALL.replace("on-existing = \"replace\"", "columns = [\"row\", \"error\"]");
    let alone = small.replace("input.endpoint = \"users\"", "input.range = { from = 0, to = 3 }\nkeep = []");
    let job = Job::at(&oracle.url(), &alone.replace("{{ row.id }}", "{{ row.value }}"));
    job.run(&["--limit", "2"]).expect_code(0);
    std::fs::write(job.path("job.toml"), small.replace("ORACLE", &oracle.url())).expect("a file");
    let done = job.run(&["--accept-changes"]).expect_code(3);
    let words = "endpoints.orders reads the records of users, of which 2 rows have ended before it did";
    assert!(done.stderr.contains(words) && done.stderr.contains("--fresh"), "{}", done.stderr);
}

#[test]
fn a_plan_says_how_many_rows_come() {
    let job = Job::at("http://h", SMALL);
    let done = job.command(&["plan", "job.toml"]).expect_code(0);
    let words = "the records of users (endpoint): as many as users gives";
    assert!(done.stdout.contains(words), "{}", done.stdout);
}
