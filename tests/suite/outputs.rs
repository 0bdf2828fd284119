//! What stands in the records, in which file, and in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::output::{csv, csv_columns, jsonl, jsonl_file};
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ORDERED: &str = r#"
[retry]
attempts = 3
initial = "5ms"

[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
order = "input"
concurrency = 16
columns.got = "$.id"

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"
"#;

const ROWS: u64 = 400;

/// Rows of which every 50th is ragged.
fn rows() -> String {
    (1..=ROWS).fold("id,note\n".to_owned(), |text, id| {
        text + &id.to_string() + if id.is_multiple_of(50) { "\n" } else { ",x\n" }
    })
}

/// Delays as the dice fall; every 9th row fails at first, every 11th for good.
fn unsteady(mut dice: Dice) -> impl Fn(&SeenRequest) -> Answer + Send + Sync {
    let delays: Vec<u64> = (0..=ROWS * 3).map(|_| dice.below(15)).collect();
    let asked = std::sync::Mutex::new(BTreeMap::<u64, u32>::new());
    move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        let mut asked = asked.lock().expect("no script panics");
        let turn = asked.entry(id).or_default();
        *turn += 1;
        let answer = match id {
            _ if id.is_multiple_of(11) => Answer::status(404),
            _ if id.is_multiple_of(9) && *turn == 1 => Answer::status(503),
            _ => item(request),
        };
        answer.after(Duration::from_millis(delays[request.number % delays.len()]))
    }
}

fn in_order(job: &Job) {
    let all: Vec<String> = (1..=ROWS).map(|id| id.to_string()).collect();
    let table: Vec<String> = csv(&job.path("out/table.csv")).iter().map(|record| record["id"].clone()).collect();
    assert_eq!(table, all, "table.csv");
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    let ids: Vec<&str> = lines.iter().map(|record| record["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, all, "lines.jsonl");
    for record in &lines {
        let id: u64 = record["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let fails = id.is_multiple_of(11) || id.is_multiple_of(50);
        assert_eq!((record["error"].is_null(), record["got"] == id), (!fails, !fails), "{record}");
    }
}

#[test]
fn input_order_holds_under_delays_retries_and_failures() {
    for batch in ["", "size = 37\nin-flight = 2"] {
        let oracle = Oracle::start(unsteady(Dice::printed("order")));
        let text = format!("[batch]\n{batch}\n{ORDERED}");
        let job = Job::at(&oracle.url(), &text).with("rows.csv", rows());
        job.run(&[]).expect_code(1);
        in_order(&job);
    }
}

#[test]
fn input_order_holds_over_interruptions() {
    let oracle = Oracle::start(unsteady(Dice::printed("order")));
    let job = Job::at(&oracle.url(), ORDERED).with("rows.csv", rows());
    for (requests, signal, code) in [(60, "INT", Some(130)), (150, "TERM", Some(143)), (260, "KILL", None)] {
        let run = job.spawn(&["-q", "--set", "endpoints.item.rate=\"300/s\""]);
        wait::until("work", Duration::from_secs(60), || (oracle.count() >= requests).then_some(()));
        run.signal(signal);
        assert_eq!(run.wait().code, code);
    }
    job.run(&[]).expect_code(1);
    in_order(&job);
}

const CHOICE: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
CHOICE
[endpoints.item.columns]
name = "$.name"
label = "{{ row.id }}:{{ json.name | upper }}"
source = { value = "night" }

[sinks.out]
path = "out.csv"
SINK
"#;

#[test]
fn keep_columns_meta_and_the_sink_choose_what_stands_in_a_record() {
    let cases = [
        ("", "", "id,Unit price,note,name,label,source,status,attempts,duration_ms,error"),
        ("keep = [\"note\", \"id\"]", "", "note,id,name,label,source,status,attempts,duration_ms,error"),
        ("keep = []\nmeta = []", "", "name,label,source"),
        (
            "meta = [\"row\", \"endpoint\", \"url\", \"received_at\"]",
            "",
            "id,Unit price,note,name,label,source,row,endpoint,url,received_at",
        ),
        ("", "columns = [\"status\", \"label\", \"Unit price\"]", "status,label,Unit price"),
    ];
    for (choice, sink, columns) in cases {
        let oracle = Oracle::start(item);
        let text = CHOICE.replace("CHOICE", choice).replace("SINK", sink);
        let job = Job::at(&oracle.url(), &text).with("rows.csv", "id,Unit price,note\n7,\"1,50\",\"say \"\"hi\"\"\"\n");
        job.run(&[]).expect_code(0);
        assert_eq!(csv_columns(&job.path("out.csv")).join(","), columns, "{choice} {sink}");
        let record = &csv(&job.path("out.csv"))[0];
        let url = format!("{}/items/7", oracle.url());
        let expected = [
            ("id", "7"),
            ("Unit price", "1,50"),
            ("note", "say \"hi\""),
            ("name", "item 7"),
            ("label", "7:ITEM 7"),
            ("source", "night"),
            ("status", "200"),
            ("attempts", "1"),
            ("error", ""),
            ("row", "1"),
            ("endpoint", "item"),
            ("url", url.as_str()),
        ];
        for (name, value) in expected.iter().filter(|(name, _)| record.contains_key(*name)) {
            assert_eq!(&record[*name], value, "{name} of {choice} {sink}");
        }
    }
}

const TWO: &str = r#"
[endpoints.one]
url = "ORACLE/one/{{ row.value }}"
input.range = { from = 1, to = 40 }
columns = { got = "$.id", price = "$.price" }
meta = ["endpoint", "status"]

[endpoints.two]
url = "ORACLE/two/{{ row.id }}"
input.values = [{ id = 1, note = "a" }, { id = 2, note = "b" }, { id = 3, note = "c" }]
columns = { got = "$.id", name = "$.name" }
meta = ["endpoint", "error"]
"#;

fn two(oracle: &Oracle, sinks: &str) -> Job {
    Job::at(&oracle.url(), &format!("{TWO}\n{sinks}"))
}

/// Everything fine, but for two/2.
fn one_fails(request: &SeenRequest) -> Answer {
    if request.path == "/two/2" { Answer::status(404) } else { item(request) }
}

#[test]
fn two_endpoints_write_into_one_output() {
    let oracle = Oracle::start(one_fails);
    let job = two(&oracle, "[sinks.table]\npath = \"out.csv\"\n[sinks.lines]\npath = \"out.jsonl\"\n");
    job.run(&[]).expect_code(1);
    let table = csv(&job.path("out.csv"));
    let of = |endpoint: &str| table.iter().filter(|record| record["endpoint"] == endpoint).collect::<Vec<_>>();
    assert_eq!((table.len(), of("one").len(), of("two").len()), (43, 40, 3));
    assert!(of("one").iter().all(|record| record["value"] == record["got"] && record["note"].is_empty()), "{table:?}");
    let two = of("two").into_iter().find(|record| record["id"] == "3").expect("a record");
    assert_eq!((two["note"].as_str(), two["name"].as_str(), two["price"].as_str()), ("c", "item 3", ""));
    let mut names: Vec<String> = csv_columns(&job.path("out.csv"));
    names.sort();
    assert_eq!(names, ["endpoint", "error", "got", "id", "name", "note", "price", "status", "value"]);
    let lines = jsonl_file(&job.path("out.jsonl"));
    let two = lines.iter().find(|record| record["note"] == "c").expect("a record");
    assert_eq!(two, &json!({ "id": 3, "note": "c", "got": 3, "name": "item 3", "endpoint": "two", "error": null }));
    assert_eq!(lines.len(), 43);
}

#[test]
fn sinks_choose_endpoints_and_outcomes() {
    let oracle = Oracle::start(one_fails);
    let sinks = r#"
[sinks.first]
path = "one.csv"
from = ["one"]

[sinks.second]
path = "two.csv"
from = ["two"]

[sinks.good]
path = "good.jsonl"
rows = "ok"

[sinks.bad]
path = "bad.jsonl"
rows = "failed"

[sinks.none]
path = "none.csv"
from = ["one"]
rows = "failed"

[sinks.tabs]
path = "all.tsv"
columns = ["got", "endpoint"]

[sinks.stream]
stdout = "jsonl"
rows = "failed"
"#;
    let job = two(&oracle, sinks);
    let done = job.run(&[]).expect_code(1);
    assert_eq!((csv(&job.path("one.csv")).len(), csv(&job.path("two.csv")).len()), (40, 3));
    assert_eq!(csv_columns(&job.path("two.csv")), ["id", "note", "got", "name", "endpoint", "error"]);
    let count = |name: &str| jsonl_file(&job.path(name)).len();
    assert_eq!((count("good.jsonl"), count("bad.jsonl")), (42, 1));
    assert_eq!(job.read("none.csv"), "value,got,price,endpoint,status\n", "a table without rows has its header");
    let tabs = job.read("all.tsv");
    assert!(tabs.starts_with("got\tendpoint\n") && tabs.lines().count() == 44, "{tabs}");
    let streamed = jsonl(&done.stdout);
    assert_eq!(streamed.len(), 1, "{}", done.stdout);
    assert_eq!(streamed[0]["id"], 2);
}

#[test]
fn without_a_sink_records_go_to_standard_output() {
    let oracle = Oracle::start(item);
    let done = two(&oracle, "").run(&["-q"]).expect_code(0);
    assert_eq!((jsonl(&done.stdout).len(), done.stderr.as_str()), (43, ""));
}

#[test]
fn whatever_a_server_says_is_one_cell_or_one_value() {
    let odd = "a,b \"q\"\r\nnext\tü\u{0}=1+1";
    let value = json!({ "text": odd, "number": 1.50, "big": 12_345_678_901_234_567_890_u64, "list": [1, { "a": null }], "none": null, "yes": true });
    let said = value.clone();
    let oracle = Oracle::start(move |_| Answer::json(&said).chunked(7));
    let names = ["text", "number", "big", "list", "none", "yes", "gone"];
    let columns = names.map(|name| format!("{name} = \"$.{name}\"")).join(", ");
    let text = "[endpoints.item]\nurl = \"ORACLE/{{ row.value }}\"\ninput.range = { from = 1, to = 2 }\nkeep = []\nmeta = []\ncolumns = { COLUMNS }\n[sinks.table]\npath = \"out.csv\"\n[sinks.lines]\npath = \"out.jsonl\"\n";
    let job = Job::at(&oracle.url(), &text.replace("COLUMNS", &columns));
    job.run(&[]).expect_code(0);
    for record in csv(&job.path("out.csv")) {
        assert_eq!(record["text"], odd);
        let cells = ["number", "big", "list", "none", "yes", "gone"].map(|name| record[name].as_str());
        assert_eq!(cells, ["1.5", "12345678901234567890", "[1,{\"a\":null}]", "", "true", ""]);
    }
    for record in jsonl_file(&job.path("out.jsonl")) {
        let mut expected = value.clone();
        expected["gone"] = Value::Null;
        assert_eq!(record, expected);
    }
}
