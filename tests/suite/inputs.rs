//! Rows of every source, the good and the bad, and what becomes of them on the wire.

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::output::{Line, csv, jsonl, jsonl_file};
use crate::support::{Answer, Job, Oracle};

/// Says back the body that was sent, as `sent`, and the path.
fn echo(request: &SeenRequest) -> Answer {
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    Answer::json(&json!({ "sent": sent, "path": request.path }))
}

const GET: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
INPUT
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

fn get(oracle: &Oracle, input: &str) -> Job {
    Job::at(&oracle.url(), &GET.replace("INPUT", input))
}

fn sorted_by(column: &str, mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line[column].clone());
    lines
}

#[test]
fn ragged_csv_rows_are_failed_records_with_their_line_and_the_run_goes_on() {
    let rows = "id,name\r\n1,a\r\n\r\n2\r\n3,c,more\r\n4,\"d\r\nd\"\r\n5,e\r\n\"6\" x,f\r\n7,g\r\n";
    let oracle = Oracle::start(item);
    let job = get(&oracle, "input = \"rows.csv\"").with("rows.csv", rows);
    let done = job.run(&["-v"]).expect_code(1);
    let records = sorted_by("id", csv(&job.path("out.csv")));
    let bad: Vec<(&str, &str)> = records
        .iter()
        .filter(|record| record["status"].is_empty())
        .map(|record| (record["id"].as_str(), record["error"].as_str()))
        .collect();
    for ((id, error), (row, line)) in bad.iter().zip([("2", "line 4"), ("3", "line 5")]) {
        assert_eq!(*id, row);
        assert!(error.contains(line) && error.contains("rows.csv"), "{error}");
        assert!(done.stderr.contains(error), "-v says it, too:\n{}", done.stderr);
    }
    let good: Vec<&str> =
        records.iter().filter(|record| record["status"] == "200").map(|record| record["id"].as_str()).collect();
    for id in ["1", "4", "5", "7"] {
        assert!(good.contains(&id), "{id} is missing: {records:?}");
    }
    assert_eq!((bad.len() + good.len(), records.len()), (7, 7), "{records:?}");
    assert!(records.iter().filter(|record| record["status"].is_empty()).all(|record| record["attempts"] == "0"));
    assert_eq!(oracle.count(), good.len());
    assert!(records.iter().any(|record| record["name"] == "d\r\nd"));
}

#[test]
fn bad_json_lines_are_failed_records_with_their_line_and_the_run_goes_on() {
    let rows = "{\"id\": 1}\n\n[2]\n{\"id\": 3,}\nnull\n{\"id\": 4, \"more\": true}\n{\"other\": 5}\n{\"id\": 6}";
    let oracle = Oracle::start(item);
    let job = get(&oracle, "input = \"rows.jsonl\"").with("rows.jsonl", rows);
    job.change("job.toml", "out.csv", "out.jsonl");
    job.run(&[]).expect_code(1);
    let records = jsonl_file(&job.path("out.jsonl"));
    let errors: Vec<&str> = records.iter().filter_map(|record| record["error"].as_str()).collect();
    for words in ["line 3 of", "line 4 of", "line 5 of", "id"] {
        assert!(errors.iter().any(|error| error.contains(words)), "{words} is missing: {errors:?}");
    }
    let mut good: Vec<u64> =
        records.iter().filter(|record| record["status"] == 200).filter_map(|record| record["got"].as_u64()).collect();
    good.sort_unstable();
    assert_eq!((good, errors.len(), oracle.count()), (vec![1, 4, 6], 4, 3));
}

/// The bodies that a server saw, by row.
fn bodies(oracle: &Oracle) -> Vec<Value> {
    let mut requests = oracle.requests();
    requests.sort_by_key(|request| request.path.clone());
    requests.iter().map(|request| serde_json::from_slice(&request.body).expect("a JSON body")).collect()
}

#[test]
fn types_of_json_lines_go_into_the_body_and_the_record() {
    let text = r#"
[endpoints.item]
method = "POST"
url = "ORACLE/{{ row.n }}"
json = { n = "{{ row.n }}", f = "{{ row.f }}", b = "{{ row.b }}", list = "{{ row.list }}", deep = { o = ["{{ row.o }}"] }, text = "n={{ row.n }} b={{ row.b }}", fixed = 7 }
input = "rows.jsonl"
meta = ["status"]

[sinks.out]
path = "out.jsonl"
"#;
    let row = json!({ "n": 1, "f": 1.5, "b": true, "list": [1, "a", null], "o": { "k": "v \"q\"" } });
    let large = json!({ "n": 9_007_199_254_740_993_u64, "f": -0.25, "b": null, "list": [], "o": {} });
    let oracle = Oracle::start(echo);
    let job = Job::at(&oracle.url(), text).with("rows.jsonl", format!("{row}\n{large}\n"));
    job.run(&[]).expect_code(0);
    let body = |row: &Value, text: &str| json!({ "n": row["n"], "f": row["f"], "b": row["b"], "list": row["list"], "deep": { "o": [row["o"]] }, "text": text, "fixed": 7 });
    assert_eq!(bodies(&oracle), [body(&row, "n=1 b=true"), body(&large, "n=9007199254740993 b=null")]);
    assert!(oracle.requests().iter().all(|request| request.header("content-type") == Some("application/json")));
    let mut records = jsonl_file(&job.path("out.jsonl"));
    records.sort_by_key(|record| record["n"].as_u64());
    for (record, row) in records.iter().zip([&row, &large]) {
        for name in ["n", "f", "b", "list", "o"] {
            assert_eq!(record[name], row[name], "{name}");
        }
    }
}

#[test]
fn cells_of_csv_are_text_until_a_filter_says_otherwise() {
    let text = r#"
[endpoints.item]
method = "POST"
url = "ORACLE/{{ row.n }}"
json = { text = "{{ row.n }}", n = "{{ row.n | int }}", f = "{{ row.f | float }}", b = "{{ row.b | bool }}", sum = "{{ (row.n | int) + 1 }}" }
input = "rows.csv"

[sinks.out]
path = "out.csv"
"#;
    let oracle = Oracle::start(echo);
    let job = Job::at(&oracle.url(), text).with("rows.csv", "n,f,b\n007,1.5,true\n8,2,false\nnine,3,true\n");
    job.run(&[]).expect_code(1);
    let expected = [
        json!({ "text": "007", "n": 7, "f": 1.5, "b": true, "sum": 8 }),
        json!({ "text": "8", "n": 8, "f": 2.0, "b": false, "sum": 9 }),
    ];
    assert_eq!(bodies(&oracle), expected);
    let failed = csv(&job.path("out.csv")).into_iter().find(|record| record["n"] == "nine").expect("a record");
    assert!(failed["error"].contains("nine") || failed["error"].contains("int"), "{failed:?}");
    assert_eq!((failed["attempts"].as_str(), failed["status"].as_str()), ("0", ""), "nothing was sent");
}

#[test]
fn values_in_urls_are_escaped_for_their_place() {
    let text = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.id }}?q={{ row.id }}"
query.list = ["{{ row.id }}", "x"]
input = "rows.csv"
columns.path = "$.path"

[sinks.out]
path = "out.csv"
"#;
    let oracle = Oracle::start(echo);
    let ids = ["a/b", "a b", "ü", "..", "100%", "a?b#c", "&=+"];
    let rows = ids.iter().fold("id\n".to_owned(), |text, id| text + id + "\n");
    Job::at(&oracle.url(), text).with("rows.csv", rows).run(&[]);
    assert_eq!(oracle.faults(), Vec::<String>::new());
    let seen: Vec<(String, String)> =
        oracle.requests().iter().map(|request| (request.path.clone(), request.query.clone())).collect();
    for (path, query) in &seen {
        assert_eq!(path.matches('/').count(), 2, "{path}");
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
        let id = decode(path.strip_prefix("/items/").expect("the path as written"));
        assert!(ids.contains(&id.as_str()), "{path}");
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect();
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [own("q", &id), own("list", &id), own("list", "x")], "{query}");
    }
    assert!(seen.len() >= ids.len() - 1, "at most `..` is refused: {seen:?}");
}

#[test]
fn ranges_and_values_are_rows() {
    let cases = [
        ("input.range = { from = 1, to = 5 }", vec![1, 2, 3, 4, 5]),
        ("input.range = { from = 10, to = 1, step = -4 }", vec![2, 6, 10]),
        ("input.range = { from = -3, to = 4, step = 3 }", vec![-3, 0, 3]),
        ("input.values = [{ value = 7 }, { value = 9 }]", vec![7, 9]),
    ];
    for (input, expected) in cases {
        let oracle = Oracle::start(echo);
        let job = get(&oracle, input);
        job.change("job.toml", "row.id", "row.value");
        job.run(&[]).expect_code(0);
        let mut ids: Vec<i64> =
            oracle.requests().iter().map(|request| request.id().parse().expect("a number")).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{input}");
    }
}

#[test]
fn standard_input_is_read_as_it_comes() {
    let cases = [
        ("csv", "id,name\n1,a\n2,b\n"),
        ("csv", "id;name\n1;a\n2;b\n"),
        ("csv", "id\tname\n1\ta\n2\tb\n"),
        ("tsv", "id\tname\n1\ta\n2\tb\n"),
        ("jsonl", "{\"id\": 1, \"name\": \"a\"}\n{\"id\": 2, \"name\": \"b\"}\n"),
        ("json", "[{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"b\"}]"),
    ];
    for (kind, rows) in cases {
        let oracle = Oracle::start(item);
        let text = GET
            .replace("INPUT", &format!("input.stdin = \"{kind}\""))
            .replace("path = \"out.csv\"", "stdout = \"jsonl\"");
        let done = Job::at(&oracle.url(), &text).input(rows).run(&[]).expect_code(0);
        let mut names: Vec<String> =
            jsonl(&done.stdout).iter().map(|record| record["name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        assert_eq!((names, oracle.count()), (vec!["a".to_owned(), "b".to_owned()], 2), "{kind}");
    }
    // Of two delimiters that fit the comma is taken, and told: at once and in the summary.
    let oracle = Oracle::start(item);
    let text = GET.replace("INPUT", "input.stdin = \"csv\"");
    let done = Job::at(&oracle.url(), &text).input("id,a;b\n1,2;3\n").run(&[]).expect_code(0);
    let told = done.stderr.lines().filter(|line| line.contains("either fits, and `,` is taken"));
    assert_eq!((told.count(), oracle.count()), (2, 1), "{}", done.stderr);
    // Rows go out before the input has ended: the writer here waits for the first request.
    let oracle = Oracle::start(item);
    let text = GET.replace("INPUT", "input.stdin = \"csv\"");
    let job = Job::at(&oracle.url(), &text);
    let run = job.spawn_shell(
        "{ echo id; echo 1; until [ -e asked ]; do sleep 0.01; done; echo 2; } | \"$PACELINE\" run job.toml",
    );
    crate::support::wait::until("the first row", std::time::Duration::from_secs(60), || {
        (oracle.count() >= 1).then_some(())
    });
    std::fs::write(job.path("asked"), "").expect("a file");
    run.wait().expect_code(0);
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (2, 2));
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_that_makes_its_decoder_panic_is_an_error_and_nothing_else() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), &GET.replace("row.id", "row.n").replace("INPUT", "input = \"rows.parquet\""));
    let vector = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/parquet/none.parquet");
    let mut content = std::fs::read(vector).expect("the vector");
    // A length in the head of the first page.
    content[1339] = 0xff;
    std::fs::write(job.path("rows.parquet"), content).expect("a file");
    let done = job.run(&[]).expect_code(3);
    let says = |words: &str| done.stderr.contains(words);
    assert!(says("rows.parquet can't be read any further after row 0: it contradicts itself"), "{}", done.stderr);
    assert!(says("see whether it is whole") && !says("panicked at"), "{}", done.stderr);
}

#[test]
fn inputs_without_rows_are_complete_runs() {
    for (input, name, content) in
        [("input = \"rows.csv\"", "rows.csv", "id,name\n"), ("input = \"rows.jsonl\"", "rows.jsonl", "\n")]
    {
        let oracle = Oracle::start(item);
        let job = get(&oracle, input).with(name, content);
        let done = job.run(&[]).expect_code(0);
        assert!(done.stderr.contains("complete") && oracle.count() == 0, "{}", done.stderr);
    }
}

#[test]
fn an_archive_that_was_cut_off_or_json_that_is_broken_stops_the_run_and_is_never_taken_for_whole() {
    let rows: String = (0..30_000).map(|number| format!("{number},{}\n", number * 7_919 % 10_007)).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, format!("id,name\n{rows}").as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let cut = packed[..packed.len() - 20].to_vec();
    let broken = b"[{\"id\": 1, \"name\": \"a\"},\n {\"id\": 2 \"name\": \"b\"}]".to_vec();
    for (name, content, words) in [
        ("rows.csv.gz", cut, "its gzip data ends in the middle: the file was cut off"),
        ("rows.json", broken, "is not valid JSON at line 2, column 11"),
    ] {
        let oracle = Oracle::start(item);
        let job = get(&oracle, &format!("input = \"{name}\"")).with(name, content);
        let done = job.run(&[]).expect_code(3);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
}
