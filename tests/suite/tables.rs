//! Tables of databases: every record once, whatever dies, locks or does not fit.
//!
//! The `sqlite3` program is the judge; without it the tests say that they were skipped.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dice::kills;
use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::peers::find;
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ROWS: u64 = 3000;

const JOB: &str = r#"
[limits.pace]
rate  = "800/s"
burst = 50

[retry]
attempts = 1

[endpoints.item]
url   = "ORACLE/items/{{ row.value }}"
limit = "pace"
concurrency = 40
input.range = { from = 1, to = ROWS }
columns.got = "$.id"
columns.price = "$.price"

[sinks.items]
ROWS_OF

[sinks.items.sqlite]
path = "out/all.db"
KEY

[sinks.lines]
path = "out/lines.csv"
"#;

fn job(oracle: &Oracle, rows: u64, key: &str) -> Job {
    let text = JOB.replace("ORACLE", &oracle.url()).replace("= ROWS }", &format!("= {rows} }}"));
    // With a key failed rows are left out, unless they are asked for.
    let rows = if key.is_empty() { "" } else { "rows = \"all\"" };
    Job::new(&text.replace("KEY", key).replace("ROWS_OF", rows))
}

/// Whether there is a table.
const THERE: &str = "PRAGMA busy_timeout = 5000; SELECT count(*) FROM sqlite_schema WHERE name = 'items'";

/// For what takes no time to be killed in.
const HASTE: [&str; 2] = ["--set", "limits.pace.rate=\"5000/s\""];

/// What a query of the job's database gives, a line each.
fn query(program: &Path, job: &Job, statement: &str) -> Vec<String> {
    let done = Command::new(program).arg(job.path("out/all.db")).arg(statement).output().expect("sqlite3 runs");
    assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Each row of the input stands once in the table, and in the file beside it.
fn whole(program: &Path, job: &Job, rows: u64) {
    let counted = query(program, job, "SELECT count(*), count(DISTINCT value), min(value), max(value) FROM items");
    assert_eq!(counted, [format!("{rows}|{rows}|1|{rows}")]);
    assert_eq!(query(program, job, "SELECT count(*) FROM items WHERE got IS NOT value"), ["0"]);
    assert_eq!(query(program, job, "PRAGMA integrity_check"), ["ok"]);
    let lines = csv(&job.path("out/lines.csv"));
    let values: BTreeSet<&String> = lines.iter().map(|line| &line["value"]).collect();
    assert_eq!((lines.len() as u64, values.len() as u64), (rows, rows));
}

#[test]
fn a_table_or_file_that_is_taken_away_in_mid_run_is_named_with_the_way_out() {
    let Some(program) = find("sqlite3") else { return };
    for (take, words) in [
        ("table", "the table items is gone, and records of this run stood in it"),
        ("file", "the file was deleted, or another took its place, while the run wrote to it"),
    ] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, ROWS, "");
        let run = job.spawn(&[]);
        let stood = || job.path("out/all.db").exists() && query(&program, &job, THERE) == ["5000", "1"];
        wait::until("the first records", Duration::from_secs(60), || stood().then_some(()));
        if take == "table" {
            query(&program, &job, "PRAGMA busy_timeout = 5000; DROP TABLE items");
        } else {
            std::fs::remove_file(job.path("out/all.db")).expect("it is there");
        }
        let done = run.wait().expect_code(3);
        assert!(done.stderr.contains(words) && done.stderr.contains("--fresh"), "{}", done.stderr);
        let anew = ["--fresh", "--set", "sinks.lines.on-existing=\"replace\"", HASTE[0], HASTE[1]];
        job.run(&anew).expect_code(0);
        whole(&program, &job, ROWS);
    }
}

#[test]
fn whatever_kills_a_run_each_row_stands_once_in_the_table() {
    let Some(program) = find("sqlite3") else { return };
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    // The last rows are not answered before the last kill, so that no run ends before it.
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id > ROWS - 100 && !opened.load(Ordering::SeqCst) { Answer::Stall } else { item(request) }
    });
    let job = job(&oracle, ROWS, "");
    let mut dice = Dice::printed("tables");
    for kill in 0..kills(30) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: {}", done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    job.run(&HASTE).expect_code(0);
    whole(&program, &job, ROWS);
}

/// A program that holds the database locked until it is dropped.
struct Lock(Child);

impl Lock {
    fn hold(program: &Path, database: &PathBuf, taken: &Path) -> Self {
        std::fs::create_dir_all(database.parent().expect("a folder")).expect("a folder");
        let mut child = Command::new(program).arg(database).stdin(Stdio::piped()).spawn().expect("sqlite3 runs");
        let input = child.stdin.as_mut().expect("a pipe");
        let held = format!(".timeout 30000\nBEGIN EXCLUSIVE;\n.output {}\nSELECT 'held';\n.output\n", taken.display());
        input.write_all(held.as_bytes()).expect("sqlite3 reads");
        wait::until("the lock", Duration::from_secs(30), || {
            std::fs::read_to_string(taken).ok().filter(|text| text.contains("held"))
        });
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run whose table is begun and then locked, in the middle of its rows.
fn locked_in_the_middle(program: &Path, job: &Job) -> (crate::support::job::Running, Lock) {
    let run = job.spawn(&[]);
    let some = || job.path("out/all.db").exists().then(|| query_if_free(program, job)).flatten();
    wait::until("the first records", Duration::from_secs(60), some);
    let lock = Lock::hold(program, &job.path("out/all.db"), &job.path("held"));
    let told = || run.stderr().contains("another program holds it locked").then_some(());
    let word = wait::within(Duration::from_secs(60), told);
    assert!(word.is_some(), "no word about the lock: {}", run.stderr());
    (run, lock)
}

/// Whether the table has rows; `None` also while somebody writes it.
fn query_if_free(program: &Path, job: &Job) -> Option<()> {
    let statement = "SELECT count(*) FROM items";
    let done = Command::new(program).arg(job.path("out/all.db")).arg(statement).output().expect("sqlite3 runs");
    (done.status.success() && String::from_utf8_lossy(&done.stdout).trim() != "0").then_some(())
}

#[test]
fn a_locked_database_loses_nothing_and_holds_up_no_request() {
    let Some(program) = find("sqlite3") else { return };
    let oracle = Oracle::start(item);
    let job = job(&oracle, ROWS, "");
    let (run, lock) = locked_in_the_middle(&program, &job);
    wait::until("all requests", Duration::from_secs(60), || (oracle.count() as u64 == ROWS).then_some(()));
    drop(lock);
    let done = run.wait().expect_code(0);
    assert!(done.stderr.contains("its records wait in the state folder"), "{}", done.stderr);
    whole(&program, &job, ROWS);
}

#[test]
fn a_run_that_ends_while_the_database_is_locked_brings_the_rest_without_a_request() {
    let Some(program) = find("sqlite3") else { return };
    let oracle = Oracle::start(item);
    let job = job(&oracle, ROWS, "");
    let (run, lock) = locked_in_the_middle(&program, &job);
    wait::until("all requests", Duration::from_secs(60), || (oracle.count() as u64 == ROWS).then_some(()));
    // The file beside the table has all rows once they are committed.
    let all = || (csv(&job.path("out/lines.csv")).len() as u64 == ROWS).then_some(());
    wait::until("all records in the file", Duration::from_secs(60), all);
    run.signal("INT");
    let done = run.wait().expect_code(130);
    assert!(!done.stderr.contains("complete"), "{}", done.stderr);
    drop(lock);
    job.run(&[]).expect_code(0);
    assert_eq!(oracle.count() as u64, ROWS, "every row was answered, and none is asked for again");
    whole(&program, &job, ROWS);
}

#[test]
fn a_record_that_does_not_fit_fails_its_row_and_is_healed() {
    let Some(program) = find("sqlite3") else { return };
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let oracle = Oracle::start(move |request| match request.id() {
        "2500" if !is_mended.load(Ordering::SeqCst) => Answer::json(&json!({ "id": 2500, "price": "on request" })),
        _ => item(request),
    });
    for key in ["", "key = [\"value\"]"] {
        mended.store(false, Ordering::SeqCst);
        let job = job(&oracle, ROWS, key);
        let done = job.run(&HASTE).expect_code(1);
        assert!(done.stderr.contains("2,999 ok · 1 failed"), "{}", done.stderr);
        let record =
            csv(&job.path("out/lines.csv")).into_iter().find(|line| line["value"] == "2500").expect("a record");
        let words = "sinks.items: the column price holds float, as the table, `as` or the first records say, and \"on request\" is none";
        assert!(record["error"].starts_with(words) && record["price"].is_empty(), "{record:?}");
        let failed = query(&program, &job, "SELECT value, price, error IS NOT NULL FROM items WHERE error IS NOT NULL");
        assert_eq!(failed, ["2500||1"]);
        let kept = job.command(&["failed", "job.toml", "--reasons"]).expect_code(0).stdout;
        assert!(
            kept.contains("item,2500,1,sink,") && kept.lines().last().is_some_and(|line| line.ends_with(",2500")),
            "{kept}"
        );
        mended.store(true, Ordering::SeqCst);
        job.run(&["--failed"]).expect_code(0);
        assert_eq!(query(&program, &job, "SELECT got, price FROM items WHERE value = 2500"), ["2500|25.0"]);
        whole(&program, &job, ROWS);
    }
}

#[test]
fn a_page_that_does_not_fit_fails_its_row_and_is_sent_again_from_there() {
    let Some(program) = find("sqlite3") else { return };
    let (mended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (is_mended, count) = (Arc::clone(&mended), Arc::clone(&asked));
    let oracle = Oracle::start(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let page = request.query.strip_prefix("page=").map_or(1, |page| page.parse::<u64>().expect("a number"));
        let weight = |id: u64| match id {
            2505 if !is_mended.load(Ordering::SeqCst) => json!("heavy"),
            id => json!(id),
        };
        let items: Vec<Value> =
            (1..=100).map(|of| (page - 1) * 100 + of).map(|id| json!({ "id": id, "weight": weight(id) })).collect();
        Answer::json(&json!({ "items": if page > 40 { Vec::new() } else { items } }))
    });
    let text = r#"
[endpoints.list]
url = "ORACLE/list"
input.values = [{ list = "a" }]
rows = "$.items[*]"
paginate.page-number = { param = "page" }
columns.id = "$.id"
columns.weight = "$.weight"

[sinks.items]
path = "out/all.db"
"#;
    let job = Job::new(&text.replace("ORACLE", &oracle.url()));
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("0 ok · 1 failed"), "{}", done.stderr);
    let counted =
        || query(&program, &job, "SELECT count(*), count(DISTINCT id), max(id) FROM items WHERE error IS NULL");
    assert_eq!(
        counted(),
        ["2500|2500|2500"],
        "the page of the record that does not fit, and all behind it, are left out"
    );
    let before = asked.load(Ordering::SeqCst);
    mended.store(true, Ordering::SeqCst);
    job.run(&["--failed"]).expect_code(0);
    assert_eq!(counted(), ["4000|4000|4000"]);
    assert_eq!(query(&program, &job, "SELECT count(*) FROM items"), ["4000"], "the failed row's own record is gone");
    assert_eq!(asked.load(Ordering::SeqCst) - before, 16, "from page 26 on");
}

#[test]
fn failed_rows_without_a_value_in_the_key_are_left_out_and_told() {
    let Some(program) = find("sqlite3") else { return };
    let oracle = Oracle::start(|request| if request.id() == "7" { Answer::status(404) } else { item(request) });
    let job = job(&oracle, 20, "key = [\"got\"]");
    let done = job.run(&[]).expect_code(1);
    let words =
        "the record of a failed row was left out: sinks.items: the column got is part of the key and has no value";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert_eq!(query(&program, &job, "SELECT count(*), count(DISTINCT got) FROM items"), ["19|19"]);
    // Run anew, a key updates what is there.
    job.run(&[
        "--fresh",
        "--set",
        "sinks.items.on-existing=\"append\"",
        "--set",
        "sinks.lines.on-existing=\"replace\"",
    ])
    .expect_code(1);
    assert_eq!(query(&program, &job, "SELECT count(*), count(DISTINCT got) FROM items"), ["19|19"]);
}
