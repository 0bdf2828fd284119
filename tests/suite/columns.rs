//! Columns of every kind: numbers with all their digits, conversions, and replies that are not what columns need.

use serde_json::{Value, json};

use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Job, Oracle};

const JOB: &str = r#"
[retry]
attempts = 1

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 1 }
MORE

[sinks.lines]
path = "out.jsonl"

[sinks.table]
path = "out.csv"
"#;

/// Runs a job of one row; its record as JSON text and as the cells of a CSV.
fn one_row(answer: Answer, more: &str) -> (String, std::collections::BTreeMap<String, String>) {
    let oracle = Oracle::start(move |_| answer.clone());
    let job = Job::at(&oracle.url(), &JOB.replace("MORE", more));
    let done = job.run(&[]);
    let text =
        std::fs::read_to_string(job.path("out.jsonl")).unwrap_or_else(|error| panic!("{error}: {}", done.stderr));
    let mut lines = csv(&job.path("out.csv"));
    assert_eq!((text.lines().count(), lines.len()), (1, 1), "{}", done.stderr);
    (text.trim().to_owned(), lines.remove(0).into_iter().collect())
}

fn error_of(answer: Answer, more: &str) -> String {
    let oracle = Oracle::start(move |_| answer.clone());
    let job = Job::at(&oracle.url(), &JOB.replace("MORE", more));
    let done = job.run(&[]);
    let records = jsonl_file(&job.path("out.jsonl"));
    assert_eq!((records.len(), done.code), (1, Some(1)), "{}", done.stderr);
    records[0]["error"].as_str().expect("an error").to_owned()
}

#[test]
fn every_digit_comes_from_the_reply_into_the_record() {
    const WHOLE: &str = "12345678901234567890123";
    const DECIMAL: &str = "0.1000000000000000055511151231257827";
    let body =
        format!("{{\"big\": {WHOLE}, \"small\": {DECIMAL}, \"huge\": 1e400, \"money\": 12.50, \"text\": \"{WHOLE}\"}}");
    let columns = "meta = []\ncolumns = { a = \"$.big\", b = \"$.small\", c = \"$.huge\", d = \"$.money\", e = \"{{ json.big }}\", \
                   f = \"x{{ json.small }}\", g = { jq = \".big\" }, h = { jq = \".small\" }, i = { json = \"$.text\", as = \"int\" }, \
                   j = \"$..big\", k = { json = \"$.small\", as = \"string\" }, l = \"{{ json.big | string }}\" }";
    let (text, cells) = one_row(Answer::text(200, body), columns);
    let expected = [
        ("a", WHOLE),
        ("b", DECIMAL),
        ("c", "1e+400"),
        ("d", "12.50"),
        ("e", WHOLE),
        ("f", &format!("\"x{DECIMAL}\"")),
        ("g", WHOLE),
        ("h", DECIMAL),
        ("i", WHOLE),
        ("j", WHOLE),
        ("k", &format!("\"{DECIMAL}\"")),
        ("l", &format!("\"{WHOLE}\"")),
    ];
    for (name, value) in expected {
        assert!(text.contains(&format!("\"{name}\":{value}")), "{name}: {text}");
        assert_eq!(cells[name], value.trim_matches('"'), "{name}");
    }
}

#[test]
fn no_columns_are_the_body_too() {
    let (text, cells) = one_row(Answer::text(200, "{\"id\": 1.10, \"a\": [true]}"), "");
    let record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        record.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["value", "status", "attempts", "duration_ms", "error", "body"]
    );
    assert!(cells["body"].contains("\"id\""), "{cells:?}");
    let (text, _) = one_row(Answer::text(200, "{}"), "columns.id = \"$.id\"");
    assert!(!text.contains("\"body\""), "{text}");
}

#[test]
fn what_is_missing_or_of_another_type_says_so() {
    let body = json!({ "price": "12,50 EUR", "none": null });
    for (columns, words) in [
        (
            "columns.a = { json = \"$.id\", required = true }",
            "columns.a: it is required and the reply does not have it",
        ),
        ("columns.a = { json = \"$.none\", required = true }", "columns.a: it is required"),
        ("columns.a = { header = \"x-id\", required = true }", "columns.a: it is required"),
        (
            "columns.a = { json = \"$.price\", as = \"float\" }",
            "columns.a: `12,50 EUR` is not a number, as `as = \"float\"` asks for",
        ),
        ("columns.a = { jq = \".price | error\" }", "columns.a: the jq program fails: \"12,50 EUR\""),
        (
            "columns.a = { jq = \"[range(infinite)]\" }",
            "columns.a: the jq program was stopped: it goes on for too long",
        ),
        (
            "columns.a = { jq = '\"x\" * 1000000000' }",
            "columns.a: the jq program was stopped: it makes too much text and too many lists (more than 256 MiB)",
        ),
    ] {
        let error = error_of(Answer::json(&body), columns);
        assert!(error.contains(words), "{columns}: {error}");
    }
    let columns = "meta = []\ncolumns = { a = { json = \"$.id\", default = 7, as = \"int\" }, b = { json = \"$.none\", default = \"-\" } }";
    let (text, _) = one_row(Answer::json(&body), columns);
    assert_eq!(text, "{\"value\":1,\"a\":7,\"b\":\"-\"}");
}

#[test]
fn what_is_not_text_fails_where_text_is_read() {
    for columns in ["columns.a = { css = \"h1\" }", "columns.a = { regex = \"a\" }"] {
        let error = error_of(Answer::text(200, b"<h1>caf\xe9</h1>".to_vec()), columns);
        assert!(error.starts_with("the reply is not text: the byte 0xE9 at line 1 column 8 is not UTF-8"), "{error}");
        let latin =
            Answer::text(200, b"<h1>a caf\xe9</h1>".to_vec()).header("content-type", "text/html; charset=latin1");
        let (text, _) = one_row(latin, columns);
        assert!(text.contains("\"status\":200"), "{text}");
    }
    let error = error_of(Answer::text(200, "<h1>no JSON</h1>"), "columns.a = { jq = \".a\" }");
    assert!(error.contains("is not JSON") && error.contains("<h1>no JSON</h1>"), "{error}");
}

#[test]
fn a_body_that_is_no_text_is_warned_of() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/items/1" => Answer::text(200, "plain"),
        "/items/2" => Answer::text(200, b"<p>caf\xe9".to_vec()).header("content-type", "text/html; charset=latin1"),
        _ => Answer::text(200, b"\x89PNG\xff\0".to_vec()).header("content-type", "image/png"),
    });
    let of = |columns: &str, rows: u32| {
        let job = JOB.replace("to = 1", &format!("to = {rows}")).replace("MORE", columns);
        let job = Job::at(&oracle.url(), &job);
        let done = job.run(&[]).expect_code(0);
        let mut bodies: Vec<Value> =
            jsonl_file(&job.path("out.jsonl")).into_iter().map(|mut record| record["body"].take()).collect();
        bodies.sort_by_key(Value::to_string);
        (bodies, done)
    };
    let (bodies, done) = of("", 4);
    assert_eq!(bodies, ["<p>café", "plain", "\u{fffd}PNG\u{fffd}\0", "\u{fffd}PNG\u{fffd}\0"].map(Value::from));
    let words = "endpoints.item: the reply is not text, and `body` has U+FFFD for each of its bytes that is not UTF-8; \
                 `save = { path = \"...\" }` keeps it as it is (";
    let mut said = done.stderr.lines().filter(|line| line.contains("not text"));
    let (event, summary) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
    assert!(event.starts_with("warning: ") && event.contains(&format!("{words}row ")), "{}", done.stderr);
    assert!(summary.starts_with("warning ") && summary.contains(&format!("{words}2 rows, row ")), "{}", done.stderr);
    assert_eq!(said.next(), None, "told once, then counted");
    for (columns, rows) in [("", 2), ("columns.a = { header = \"content-type\" }", 4)] {
        let (_, done) = of(columns, rows);
        assert!(!done.stderr.contains("not text"), "{columns}: {}", done.stderr);
    }
}

#[test]
fn headers_and_pages_are_taken() {
    let answer =
        Answer::text(200, "<p>id=7</p><a href=/a>A</a><a href=/b>B</a>").header("x-id", "a").header("x-id", "b");
    let columns = "meta = []\ncolumns = { h = { header = \"X-Id\" }, l = { css = \"a\", attr = \"href\" }, t = { css = \"a\" }, \
                   r = { regex = 'id=(\\d+)', as = \"int\" }, m = { header = \"x-none\", default = \"-\" } }";
    let (text, _) = one_row(answer, columns);
    assert_eq!(text, "{\"value\":1,\"h\":\"a, b\",\"l\":[\"/a\",\"/b\"],\"t\":[\"A\",\"B\"],\"r\":7,\"m\":\"-\"}");
}
