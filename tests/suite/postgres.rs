//! Rows of a PostgreSQL server that nobody here wrote; without it the tests say that they were skipped.

#![cfg(feature = "postgres")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::output::jsonl_file;
use crate::support::peers::{PASSWORD, Peer, postgres, psql};
use crate::support::{Answer, Job, Oracle};

const ROWS: u64 = 1_000;

const JOB: &str = r#"
[secrets]
database.env = "TEST_DATABASE_PASSWORD"

[retry]
methods = ["POST"]

[endpoints.item]
url = "ORACLE/items"
method = "POST"
json = "{{ row }}"
columns.sent = "$.sent"
meta = ["status"]
keep = []

[endpoints.item.input.sql]
url = "postgres://tester@127.0.0.1:PORT/tester"
password = "{{ secrets.database }}"
query = "QUERY"

[sinks.out]
path = "out.jsonl"
"#;

fn echo(request: &SeenRequest) -> Answer {
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    Answer::json(&json!({ "sent": sent }))
}

fn job(oracle: &Oracle, server: &Peer, query: &str) -> Job {
    let text = JOB.replace("PORT", &server.address().port().to_string()).replace("QUERY", query);
    Job::at(&oracle.url(), &text).variable("TEST_DATABASE_PASSWORD", PASSWORD)
}

fn sent(job: &Job) -> Vec<Value> {
    jsonl_file(&job.path("out.jsonl")).into_iter().map(|record| record["sent"].clone()).collect()
}

#[test]
fn rows_keep_their_types_and_a_run_goes_on_behind_those_it_has() {
    let Some(server) = postgres() else { return };
    let table = format!(
        "CREATE TYPE mood AS ENUM ('glad'); \
         CREATE TABLE items AS SELECT n AS id, n % 2 = 0 AS even, n / 4.0::float8 AS quarter, \
           (n || '.1200')::numeric AS price, jsonb_build_object('n', n) AS doc, ARRAY['a', NULL, 'b \"' || n] AS list, \
           '\\x00ff10'::bytea AS bytes, '2026-11-27 14:00:00+02'::timestamptz AS at, NULL::int AS nothing, \
           'glad'::mood AS mood, '1 day'::interval AS span \
         FROM generate_series(1::bigint, {ROWS}) n"
    );
    assert!(psql(&server, &table, "tester"));
    let oracle = Oracle::start(echo);
    let job = job(&oracle, &server, "SELECT * FROM items ORDER BY id");
    job.run(&["--limit", "300"]).expect_code(0);
    assert_eq!((sent(&job).len(), oracle.count()), (300, 300));
    let done = job.run(&[]).expect_code(0);
    let rows: BTreeMap<u64, Value> =
        sent(&job).into_iter().map(|row| (row["id"].as_u64().expect("an id"), row)).collect();
    assert_eq!((rows.len(), sent(&job).len(), oracle.count()), (1_000, 1_000, 1_000), "every row once");
    for (id, row) in rows {
        let expected = json!({
            "id": id, "even": id % 2 == 0, "quarter": id as f64 / 4.0, "price": format!("{id}.1200"), "doc": {"n": id},
            "list": ["a", null, format!("b \"{id}")], "bytes": "AP8Q", "at": "2026-11-27T12:00:00Z", "nothing": null,
            "mood": "glad", "span": "P1D",
        });
        assert_eq!(row, expected);
    }
    assert!(!done.stderr.contains(PASSWORD) && !job.read("job.toml").contains(PASSWORD));
}

#[test]
fn another_database_behind_a_secret_url_is_noticed_and_another_user_is_not() {
    let Some(server) = postgres() else { return };
    let statements = "CREATE DATABASE other";
    assert!(psql(&server, statements, "tester"));
    let rows = "CREATE TABLE items AS SELECT n AS id FROM generate_series(1, 20) n";
    assert!(psql(&server, rows, "tester") && psql(&server, rows, "other"));
    let oracle = Oracle::start(echo);
    let text = JOB
        .replace("url = \"postgres://tester@127.0.0.1:PORT/tester\"", "url = \"{{ secrets.server }}\"")
        .replace("[secrets]\n", "[secrets]\nserver.env = \"TEST_DATABASE\"\n")
        .replace("QUERY", "SELECT id FROM items ORDER BY id");
    let url = |database: &str, rest: &str| {
        format!("postgres://tester@127.0.0.1:{}/{database}{rest}", server.address().port())
    };
    let variable = "TEST_DATABASE";
    let job = Job::at(&oracle.url(), &text).variable("TEST_DATABASE_PASSWORD", PASSWORD);
    let job = job.variable(variable, &url("tester", ""));
    job.run(&["--limit", "5"]).expect_code(0);
    let job = job.variable(variable, &url("other", ""));
    let refused = job.run(&[]).expect_code(3);
    assert!(refused.stderr.contains("endpoints.item.input (content): was a PostgreSQL server"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("127.0.0.1") && oracle.count() == 5, "{}", refused.stderr);
    let job = job.variable(variable, &url("tester", "?application_name=again"));
    job.run(&[]).expect_code(0);
    assert_eq!((sent(&job).len(), oracle.count()), (20, 20));
}

#[test]
fn what_the_server_refuses_is_told_with_the_query() {
    let Some(server) = postgres() else { return };
    let statements = "CREATE TABLE items (id int); INSERT INTO items VALUES (1), (0); \
        CREATE FUNCTION taken() RETURNS int LANGUAGE sql AS 'INSERT INTO items VALUES (2) RETURNING id'";
    assert!(psql(&server, statements, "tester"));
    let oracle = Oracle::start(echo);
    for (query, words) in [
        ("SELECT nope FROM items ORDER BY id", "PostgreSQL says: column \"nope\" does not exist (at character 8)"),
        ("SELECT 1 AS a; DROP TABLE items", "cannot insert multiple commands into a prepared statement"),
        ("INSERT INTO items VALUES (3) RETURNING id", "is not one that only reads"),
        ("SELECT taken()", "cannot execute INSERT in a read-only transaction"),
        ("DROP TABLE items", "gives no columns"),
        ("SELECT id, id FROM items ORDER BY id", "names the column `id` twice"),
        ("SELECT id FROM items WHERE id > $1 ORDER BY id", "has parameters"),
        ("SELECT 1 / id AS id FROM items ORDER BY items.id DESC", "division by zero"),
    ] {
        let done = job(&oracle, &server, query).run(&[]).expect_code(3);
        assert!(done.stderr.contains(words) && done.stderr.contains("the query `"), "{query}: {}", done.stderr);
    }
    assert!(psql(&server, "SELECT 1 / (count(*) = 2)::int FROM items", "tester"), "nothing was written");
    let wrong =
        job(&oracle, &server, "SELECT id FROM items ORDER BY id").variable("TEST_DATABASE_PASSWORD", "hunter-2");
    let done = wrong.run(&[]).expect_code(3);
    assert!(done.stderr.contains("password authentication failed"), "{}", done.stderr);
    assert!(!done.stderr.contains("hunter-2") && !done.stderr.contains(PASSWORD), "{}", done.stderr);
}

#[test]
fn check_and_plan_ask_no_server() {
    let oracle = Oracle::start(echo);
    let text = JOB.replace("PORT", "1").replace("QUERY", "SELECT id FROM items ORDER BY id");
    let job = Job::at(&oracle.url(), &text).variable("TEST_DATABASE_PASSWORD", PASSWORD);
    job.command(&["check", "job.toml"]).expect_code(0);
    let plan = job.command(&["plan", "job.toml"]).expect_code(0);
    assert!(plan.stdout.contains("postgres://127.0.0.1:1/tester (sql)"), "{}", plan.stdout);
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("postgres://127.0.0.1:1/tester can't be connected to"), "{}", done.stderr);
}
