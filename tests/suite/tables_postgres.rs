//! Tables of a PostgreSQL server: every record once, whatever dies, stops, is cut off or does not fit.
//!
//! Without a server the tests say that they were skipped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::cutter::{Cut, Cutter};
use crate::support::dice::kills;
use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::peers::{PASSWORD, Peer, postgres, psql, query};
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ROWS: u64 = 3000;

const JOB: &str = r#"
[secrets]
database.env = "TEST_DATABASE_PASSWORD"

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
on-existing = "append"
rows = "all"

[sinks.items.postgres]
url = "postgres://tester@HOST/tester"
password = "{{ secrets.database }}"
KEY

[sinks.lines]
path = "out/lines.csv"
"#;

/// For what takes no time to be killed in.
const HASTE: [&str; 2] = ["--set", "limits.pace.rate=\"5000/s\""];

/// For tables that were there before and have no other columns.
const CHOSEN: [&str; 2] = ["--set", "sinks.items.columns=[\"value\", \"got\", \"price\"]"];

fn job(oracle: &Oracle, server: SocketAddr, rows: u64, key: &str) -> Job {
    let text = JOB.replace("ORACLE", &oracle.url()).replace("= ROWS }", &format!("= {rows} }}")).replace("KEY", key);
    Job::new(&text.replace("HOST", &server.to_string())).variable("TEST_DATABASE_PASSWORD", PASSWORD)
}

/// Each row of the input stands once in the table, and in the file beside it.
fn whole(server: &Peer, job: &Job, rows: u64) {
    let counted = query(server, "SELECT count(*), count(DISTINCT value), min(value), max(value) FROM items");
    assert_eq!(counted, [format!("{rows}|{rows}|1|{rows}")]);
    assert_eq!(query(server, "SELECT count(*) FROM items WHERE got IS DISTINCT FROM value"), ["0"]);
    let lines = csv(&job.path("out/lines.csv"));
    let values: BTreeSet<&String> = lines.iter().map(|line| &line["value"]).collect();
    assert_eq!((lines.len() as u64, values.len() as u64), (rows, rows));
}

fn has_rows(server: &Peer) -> Option<()> {
    psql(server, "SELECT 1 / (SELECT least(count(*), 1) FROM items)", "tester").then_some(())
}

#[test]
fn whatever_kills_a_run_each_row_stands_once_in_the_table() {
    let Some(server) = postgres() else { return };
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    // The last rows are not answered before the last kill, so that no run ends before it.
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id > ROWS - 100 && !opened.load(Ordering::SeqCst) { Answer::Stall } else { item(request) }
    });
    let job = job(&oracle, server.address(), ROWS, "");
    let mut dice = Dice::printed("tables_postgres");
    for kill in 0..kills(30) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: {}", done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    job.run(&HASTE).expect_code(0);
    whole(&server, &job, ROWS);
}

#[test]
fn a_table_that_is_dropped_in_mid_run_is_named_with_the_way_out() {
    let Some(server) = postgres() else { return };
    let oracle = Oracle::start(item);
    let job = job(&oracle, server.address(), ROWS, "");
    let run = job.spawn(&[]);
    wait::until("the first records", Duration::from_secs(60), || has_rows(&server));
    assert!(psql(&server, "DROP TABLE items", "tester"));
    let done = run.wait().expect_code(3);
    assert!(done.stderr.contains("the table items is gone, and records of this run stood in it"), "{}", done.stderr);
    let anew = ["--fresh", "--set", "sinks.lines.on-existing=\"replace\"", HASTE[0], HASTE[1]];
    job.run(&anew).expect_code(0);
    whole(&server, &job, ROWS);
}

#[test]
fn a_server_that_stops_and_starts_again_loses_nothing_and_holds_up_no_request() {
    let Some(mut server) = postgres() else { return };
    for signal in ["INT", "QUIT"] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, server.address(), ROWS, "");
        let run = job.spawn(&[]);
        wait::until("the first records", Duration::from_secs(60), || has_rows(&server));
        server.end(signal);
        let told = || run.stderr().contains("its records wait in the state folder").then_some(());
        assert!(wait::within(Duration::from_secs(60), told).is_some(), "no word: {}", run.stderr());
        wait::until("all requests", Duration::from_secs(60), || (oracle.count() as u64 == ROWS).then_some(()));
        server.start_again();
        let done = run.wait().expect_code(0);
        assert!(!done.stderr.contains(PASSWORD), "{}", done.stderr);
        whole(&server, &job, ROWS);
        assert!(psql(&server, "DROP TABLE items", "tester"));
    }
}

/// Runs a job whose connections are cut where `choose` says; how many were.
fn through(server: &Peer, key: &str, choose: impl FnMut(u64) -> Cut + Send + 'static) -> u64 {
    let oracle = Oracle::start(item);
    let cutter = Cutter::start(server.address(), choose);
    let job = job(&oracle, cutter.address(), ROWS, key);
    job.run(&[]).expect_code(0);
    whole(server, &job, ROWS);
    assert_eq!(oracle.count() as u64, ROWS);
    assert!(psql(server, "DROP TABLE items", "tester"));
    cutter.cuts()
}

#[test]
fn a_connection_that_is_cut_anywhere_leaves_every_record_once() {
    let Some(server) = postgres() else { return };
    let mut dice = Dice::printed("cuts");
    // The first connection is the one that asks before the run.
    // The first are cut before they can bring all there is to bring; those behind them perhaps after a load.
    let cuts = through(&server, "", move |number| match number {
        1..=6 => Cut::After(dice.below(15_000) as u32),
        7..=9 => Cut::After(15_000 + dice.below(25_000) as u32),
        _ => Cut::Never,
    });
    assert!(cuts >= 5, "{cuts} cuts");
}

#[test]
fn a_commit_whose_answer_nobody_heard_is_not_done_again() {
    let Some(server) = postgres() else { return };
    for key in ["", "key = [\"value\"]"] {
        // The first COMMIT makes the table, the second brings records.
        let cuts = through(&server, key, |number| match number {
            1..=4 => Cut::Commit((number % 2) as u32),
            _ => Cut::Never,
        });
        assert!(cuts >= 3, "{cuts} cuts");
    }
}

#[test]
fn a_record_that_does_not_fit_fails_its_row_and_is_healed() {
    let Some(server) = postgres() else { return };
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let oracle = Oracle::start(move |request| match request.id() {
        "2500" if !is_mended.load(Ordering::SeqCst) => Answer::json(&json!({ "id": 2500, "price": "on request" })),
        "7" if !is_mended.load(Ordering::SeqCst) => Answer::json(&json!({ "id": 7, "price": ["a\0"] })),
        _ => item(request),
    });
    for key in ["", "key = [\"value\"]"] {
        mended.store(false, Ordering::SeqCst);
        let job = job(&oracle, server.address(), ROWS, key);
        let done = job.run(&HASTE).expect_code(1);
        assert!(done.stderr.contains("2,998 ok · 2 failed"), "{}", done.stderr);
        let lines = csv(&job.path("out/lines.csv"));
        let error = |row: &str| lines.iter().find(|line| line["value"] == row).expect("a record")["error"].clone();
        let words = "sinks.items: the column price holds float, as the table, `as` or the first records say";
        assert!(error("2500").starts_with(words), "{}", error("2500"));
        assert_eq!(
            error("7"),
            "sinks.items: the column price holds the character U+0000, which PostgreSQL can't store"
        );
        let failed = query(&server, "SELECT value, price FROM items WHERE error IS NOT NULL ORDER BY value");
        assert_eq!(failed, ["7|", "2500|"]);
        mended.store(true, Ordering::SeqCst);
        job.run(&["--failed"]).expect_code(0);
        assert_eq!(query(&server, "SELECT got, price FROM items WHERE value = 2500"), ["2500|25"]);
        whole(&server, &job, ROWS);
        assert!(psql(&server, "DROP TABLE items", "tester"));
    }
}

#[test]
fn a_key_updates_what_is_there_and_a_table_has_types() {
    let Some(server) = postgres() else { return };
    let oracle = Oracle::start(|request| {
        let id: u64 = request.id().parse().expect("a number");
        Answer::json(
            &json!({ "id": id % 10, "price": id as f64 / 4.0, "doc": { "of": id }, "even": id.is_multiple_of(2) }),
        )
    });
    let text = JOB.replace("columns.price", "columns.doc = \"$.doc\"\ncolumns.even = \"$.even\"\ncolumns.price");
    let text =
        text.replace("input.range", "meta = [\"received_at\", \"url\"]\nconcurrency = 1\nkeep = []\ninput.range");
    let text = text.replace("concurrency = 40\n", "").replace("KEY", "key = [\"got\"]").replace("= ROWS }", "= 95 }");
    let text = text.replace("HOST", &server.address().to_string()).replace("on-existing = \"append\"", "");
    let job = Job::at(&oracle.url(), &text).variable("TEST_DATABASE_PASSWORD", PASSWORD);
    job.run(&HASTE).expect_code(0);
    let rows = || query(&server, "SELECT got, price, doc ->> 'of', even FROM items ORDER BY got");
    let expected: Vec<String> = (0..10)
        .map(|got| {
            let id = if got <= 5 { 90 + got } else { 80 + got };
            format!("{got}|{}|{id}|{}", f64::from(id) / 4.0, if id % 2 == 0 { "t" } else { "f" })
        })
        .collect();
    assert_eq!(rows(), expected, "the last record of a key counts");
    let types = "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) \
        FROM information_schema.columns WHERE table_name = 'items'";
    let words =
        "got bigint, doc jsonb, even boolean, price double precision, received_at timestamp with time zone, url text";
    assert!(query(&server, types)[0].starts_with(words), "{:?}", query(&server, types));
    let new = ["--fresh", "--set", "sinks.lines.on-existing=\"replace\""];
    let done = job.run(&new).expect_code(3);
    assert!(done.stderr.contains("the table items has rows"), "{}", done.stderr);
    for (existing, rows_of_old) in [("append", 10), ("replace", 0)] {
        assert!(psql(&server, "UPDATE items SET got = got + 1000", "tester"));
        let existing = format!("sinks.items.on-existing=\"{existing}\"");
        job.run(&[&new[..], &["--set", &existing]].concat()).expect_code(0);
        assert_eq!(query(&server, "SELECT count(*) FROM items WHERE got >= 1000"), [rows_of_old.to_string()]);
        assert!(psql(&server, "DELETE FROM items WHERE got >= 1000", "tester"));
        assert_eq!(rows(), expected);
    }
}

#[test]
fn a_table_that_refuses_a_record_says_which_and_takes_the_rest_when_it_is_mended() {
    let Some(server) = postgres() else { return };
    // Wide, so that the server refuses a record while others are still on their way.
    let oracle = Oracle::start(|request| {
        let id: u64 = request.id().parse().expect("a number");
        Answer::json(&json!({ "id": id, "price": id.to_string().repeat(2000) }))
    });
    for (column, key, why) in [
        ("got smallint CHECK (got <> 77)", "", "violates check constraint"),
        ("got text CHECK (got <> '77')", "key = [\"value\"]", "violates check constraint"),
        ("got smallint, CONSTRAINT items_got_check UNIQUE (got) DEFERRABLE INITIALLY DEFERRED", "", "duplicate key"),
    ] {
        let table = format!("CREATE TABLE items (value int PRIMARY KEY, price text, {column})");
        assert!(psql(&server, &table, "tester"));
        if why == "duplicate key" {
            assert!(psql(&server, "INSERT INTO items VALUES (-1, '', 77)", "tester"));
        }
        let job = job(&oracle, server.address(), 600, key);
        let done = job.run(&[&HASTE[..], &CHOSEN].concat()).expect_code(3);
        let words = "the table items does not take [77,77,\"7777";
        assert!(done.stderr.contains(words) && done.stderr.contains(why), "{}", done.stderr);
        assert_eq!(query(&server, "SELECT count(*) FROM items WHERE value = 77"), ["0"]);
        let mended = "ALTER TABLE items DROP CONSTRAINT items_got_check; DELETE FROM items WHERE value < 0; \
            ALTER TABLE items ALTER got TYPE int USING got::int";
        assert!(psql(&server, mended, "tester"));
        job.run(&[&HASTE[..], &CHOSEN].concat()).expect_code(0);
        whole(&server, &job, 600);
        assert!(psql(&server, "DROP TABLE items", "tester"));
    }
}

#[test]
fn who_may_not_come_in_is_told_before_any_request() {
    let Some(server) = postgres() else { return };
    let oracle = Oracle::start(item);
    let wrong = job(&oracle, server.address(), 5, "").variable("TEST_DATABASE_PASSWORD", "hunter2-wrong");
    let done = wrong.run(&[]).expect_code(3);
    assert!(done.stderr.contains("password authentication failed"), "{}", done.stderr);
    assert!(!done.stderr.contains("hunter2-wrong"), "{}", done.stderr);
    let missing = job(&oracle, server.address(), 5, "create = false");
    let done = missing.run(&[]).expect_code(3);
    assert!(done.stderr.contains("there is no table items, and `create = false`"), "{}", done.stderr);
    let unfit = job(&oracle, server.address(), 5, "key = [\"value\"]");
    assert!(psql(&server, "CREATE TABLE items (value int, got int, price text)", "tester"));
    let done = unfit.run(&CHOSEN).expect_code(3);
    let words = "the table items has no unique index over the columns value, which `key` needs";
    assert!(done.stderr.contains(words) && !done.stderr.contains("P0402"), "{}", done.stderr);
    assert_eq!(oracle.count(), 5, "only the last was found out while it ran");
}
