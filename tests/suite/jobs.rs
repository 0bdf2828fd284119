//! Every job in `jobs/` runs, offline, and writes what the demo must have said.
//!
//! Each runs on a copy, with the API behind `demo:` that it starts itself; what the demo says is asked
//! from another one of the same seed by a plain client.

/// Where rows come from, and what is taken of replies.
mod inputs;
/// Pages and chunks.
mod lists;
/// Where records go.
mod outputs;
/// Pace, batches, retries and keys.
mod pacing;
/// Rows of databases and Parquet files.
mod stores;
/// Connections that stay open.
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use paceline::demo::{Demo, DemoPlan};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::output::{Line, csv, csv_columns, json_file, jsonl, jsonl_file};
use crate::support::{Done, Job};

macro_rules! jobs {
    ($($name:ident: $file:literal,)*) => {
        const TESTED: &[&str] = &[$($file),*];
        $(#[test] fn $name() { check::$name($file); })*
    };
}

jobs! {
    auth: "auth.toml",
    backfill: "backfill.toml",
    batches: "batches.toml",
    bulk_upsert: "bulk-upsert.toml",
    download_files: "download-files.toml",
    events: "events.toml",
    failed_rows: "failed-rows.toml",
    glob_files: "glob-files.toml",
    idempotent_post: "idempotent-post.toml",
    jsonl_typed: "jsonl-typed.toml",
    limits: "limits.toml",
    notify: "notify.toml",
    oauth: "oauth.toml",
    ordered: "ordered.toml",
    packed_json: "packed-json.toml",
    packed_output: "packed-output.toml",
    paginate_cursor: "paginate-cursor.toml",
    paginate_header_link: "paginate-header-link.toml",
    paginate_json_link: "paginate-json-link.toml",
    paginate_offset: "paginate-offset.toml",
    paginate_page_number: "paginate-page-number.toml",
    parquet_input: "parquet-input.toml",
    pipeline: "pipeline.toml",
    polite: "polite.toml",
    quickstart: "quickstart.toml",
    range: "range.toml",
    reports: "reports.toml",
    retries: "retries.toml",
    scrape: "scrape.toml",
    select_rows: "select-rows.toml",
    shared_settings: "shared-settings.toml",
    sqlite_input: "sqlite-input.toml",
    stream: "stream.toml",
    to_parquet: "to-parquet.toml",
    to_postgres: "to-postgres.toml",
    to_s3: "to-s3.toml",
    to_sqlite: "to-sqlite.toml",
    two_apis: "two-apis.toml",
    upload_files: "upload-files.toml",
    users_and_orders: "users-and-orders.toml",
    values: "values.toml",
    webhook: "webhook.toml",
}

fn jobs_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs"))
}

/// Names of the job files, sorted.
pub fn job_files() -> Vec<String> {
    let entries = jobs_folder().read_dir().expect("jobs/").map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<String> = entries.filter_map(|name| name.into_string().ok()).collect();
    files.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    files
}

#[test]
fn every_job_has_a_test() {
    assert_eq!(job_files(), TESTED, "a job in jobs/ needs a test here, under the name of its file");
}

#[test]
fn every_job_names_its_schema_and_is_found_good() {
    for file in job_files().into_iter().filter(|file| stores::is_built(file)) {
        let text = std::fs::read_to_string(jobs_folder().join(&file)).unwrap();
        assert_eq!(text.lines().next(), Some("#:schema ../schemas/job.schema.json"), "{file}");
        Job::example(&file).command(&["check", &format!("jobs/{file}")]).expect_code(0);
    }
}

/// Asks a demo of the default seed until it answers 200 or 404: products refuse once at most.
struct Truth {
    client: Client,
    demo: Demo,
    _runtime: tokio::runtime::Runtime,
}

impl Truth {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let demo = runtime.block_on(Demo::start(DemoPlan::default())).expect("the demo starts");
        Self { client: Client::connect(demo.address()), demo, _runtime: runtime }
    }

    /// The JSON at a path, and how many attempts it took.
    fn ask(&mut self, path: &str) -> (Value, u64) {
        for attempts in 1.. {
            let received = self.client.get(path).expect("the demo answers");
            if ![429, 503].contains(&received.status) {
                return (received.json(), attempts);
            }
        }
        unreachable!("attempts do not end")
    }
}

/// The records of a CSV, by the value of a column that is different in each.
fn by(column: &str, lines: Vec<Line>) -> BTreeMap<String, Line> {
    let count = lines.len();
    let keyed: BTreeMap<String, Line> = lines.into_iter().map(|line| (line[column].clone(), line)).collect();
    assert_eq!(keyed.len(), count, "{column} stands twice");
    keyed
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Runs a copy of a job to a good end.
fn run(file: &str) -> (Job, Done) {
    let job = Job::example(file);
    let done = job.run(&[]).expect_code(0);
    (job, done)
}

mod check {
    pub(super) use super::inputs::{
        backfill, glob_files, jsonl_typed, packed_json, range, scrape, select_rows, shared_settings, users_and_orders,
        values,
    };
    pub(super) use super::lists::{
        bulk_upsert, paginate_cursor, paginate_header_link, paginate_json_link, paginate_offset, paginate_page_number,
    };
    pub(super) use super::outputs::{notify, packed_output, reports, webhook};
    pub(super) use super::pacing::{batches, idempotent_post, polite, retries};
    pub(super) use super::stores::{parquet_input, sqlite_input, to_parquet, to_postgres, to_s3, to_sqlite};
    pub(super) use super::streams::{events, stream};
    use super::*;

    pub(super) fn quickstart(file: &str) {
        let (job, done) = run(file);
        let path = job.path("jobs/out/prices.csv");
        let columns = "sku,supplier,Unit cost,name,price,available,warehouse,label,margin,source,status,attempts,duration_ms,error";
        assert_eq!(csv_columns(&path).join(","), columns);
        let records = by("sku", csv(&path));
        let input = csv(&job.path("jobs/data/products.csv"));
        assert_eq!((records.len(), input.len()), (1000, 1000));
        let mut truth = Truth::start();
        let mut retried = 0;
        for row in &input {
            let (product, attempts) = truth.ask(&format!("/products/{}", row["sku"]));
            let record = &records[&row["sku"]];
            same_product(record, row, &product);
            assert_eq!(record["attempts"], attempts.to_string(), "{record:?}");
            retried += u64::from(attempts > 1);
        }
        assert!(retried >= 10, "the quickstart shows retries, {retried} are too few");
        assert!(!done.stderr.is_empty(), "a summary is printed");
    }

    fn same_product(record: &Line, row: &Line, product: &Value) {
        let name = text(&product["name"]);
        let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text:?} in {record:?}"));
        let margin = number(&text(&product["price"])) - number(&row["Unit cost"]);
        assert!((number(&record["margin"]) - margin).abs() < 0.006, "{record:?}");
        let expected = [
            ("supplier", row["supplier"].clone()),
            ("Unit cost", row["Unit cost"].clone()),
            ("price", text(&product["price"])),
            ("available", text(&product["stock"]["available"])),
            ("warehouse", text(&product["stock"]["warehouse"])),
            ("label", format!("{}: {}", row["sku"], name.to_uppercase())),
            ("name", name),
            ("source", "demo".to_owned()),
            ("status", "200".to_owned()),
            ("error", String::new()),
        ];
        for (column, value) in expected {
            assert_eq!(record[column], value, "{column} of {}", row["sku"]);
        }
        assert!(record["duration_ms"].parse::<f64>().is_ok_and(|ms| ms >= 0.0), "{record:?}");
    }

    pub(super) fn limits(file: &str) {
        let (job, _) = run(file);
        let records = by("value", csv(&job.path("jobs/out/limited.csv")));
        assert_eq!(records.len(), 80);
        for (value, record) in records {
            assert_eq!((&record["id"], record["status"].as_str()), (&value, "200"));
            assert_eq!(record["attempts"], "1", "the limit kept to what the server allows");
        }
    }

    pub(super) fn auth(file: &str) {
        let (job, done) = run(file);
        for (output, user) in [("bearer", "token"), ("basic", "demo")] {
            let records = by("value", csv(&job.path(&format!("jobs/out/{output}.csv"))));
            assert_eq!(records.len(), 10, "{output}");
            assert!(records.values().all(|record| record["user"] == user && record["status"] == "200"), "{output}");
        }
        for secret in ["demo-token", "demo-password"] {
            assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{secret} was printed");
        }
    }

    pub(super) fn download_files(file: &str) {
        let (job, _) = run(file);
        let records = by("name", csv(&job.path("jobs/out/files.csv")));
        let mut truth = Truth::start();
        let files = [
            ("empty.bin", "empty.bin?size=0"),
            ("small.bin", "small.bin?size=1000"),
            ("two words & ü.bin", "two%20words%20%26%20%C3%BC.bin?size=70000"),
            ("stream.bin", "stream.bin?size=3000000"),
            ("large.bin", "large.bin?size=16000000"),
        ];
        for (name, target) in files {
            let received = truth.client.get(&format!("/files/{target}")).expect("the demo answers");
            let saved = std::fs::read(job.path(&format!("jobs/out/files/{name}"))).expect(name);
            assert!(saved == received.body, "{name}: {} bytes are not {}", saved.len(), received.body.len());
            let record = &records[name];
            let expected = (format!("out/files/{name}"), received.header("etag").expect("an etag").to_owned());
            assert_eq!((&record["saved"], &record["etag"]), (&expected.0, &expected.1));
        }
        let left = std::fs::read_dir(job.path("jobs/out/files")).expect("a folder").count();
        assert_eq!((left, records.len()), (files.len(), files.len()), "nothing unfinished is left");
    }

    pub(super) fn oauth(file: &str) {
        let (job, done) = run(file);
        let records = by("value", csv(&job.path("jobs/out/oauth.csv")));
        assert_eq!(records.len(), 100);
        let mut uses = BTreeMap::<String, usize>::new();
        for (value, record) in &records {
            assert_eq!((&record["id"], record["status"].as_str()), (value, "200"));
            assert_eq!(record["attempts"], "1", "a renewed token is no second attempt");
            *uses.entry(record["token"].clone()).or_default() += 1;
        }
        // Each token to its last use, and none more than it takes.
        let expected = [("1", 40), ("2", 40), ("3", 20)].map(|(token, uses)| (token.to_owned(), uses));
        assert_eq!(uses, BTreeMap::from(expected));
        for said in [&done.stdout, &done.stderr, &job.read("jobs/out/oauth.csv")] {
            assert!(!said.contains("demo-secret") && !said.contains("Bearer demo-"), "{said}");
        }
    }

    pub(super) fn ordered(file: &str) {
        let (job, _) = run(file);
        let records = jsonl_file(&job.path("jobs/out/ordered.jsonl"));
        let rows = [(120, "first"), (5, "second"), (60, "third"), (0, "fourth"), (90, "fifth"), (10, "sixth")];
        let expected = (1..)
            .zip(rows)
            .map(|(row, (ms, name))| json!({ "ms": ms, "name": name, "waited": ms, "row": row, "status": 200 }));
        assert_eq!(records, expected.collect::<Vec<_>>());
    }

    pub(super) fn failed_rows(file: &str) {
        let (job, _) = run(file);
        let good = job.path("jobs/out/products.csv");
        assert_eq!(csv_columns(&good), ["sku", "price", "name"]);
        assert_eq!(by("sku", csv(&good)).len(), 37);
        let failed = jsonl_file(&job.path("jobs/out/failed.jsonl"));
        let mut skus: Vec<&str> = failed.iter().map(|record| record["sku"].as_str().expect("a sku")).collect();
        skus.sort_unstable();
        assert_eq!(skus, ["LMP-0000", "OLD-1999", "SOFA-12"]);
        for record in &failed {
            assert_eq!(
                (&record["status"], &record["attempts"], &record["name"]),
                (&json!(404), &json!(1), &Value::Null)
            );
            assert!(record["error"].as_str().is_some_and(|error| error.contains("404")), "{record}");
        }
    }

    pub(super) fn two_apis(file: &str) {
        let (job, _) = run(file);
        let stock = by("value", csv(&job.path("jobs/out/stock.csv")));
        let mut truth = Truth::start();
        for value in (1..=400).step_by(50) {
            let (item, _) = truth.ask(&format!("/items/{value}"));
            assert_eq!(stock[&value.to_string()]["name"], text(&item["name"]));
        }
        let forecast = by("ms", csv(&job.path("jobs/out/forecast.csv")));
        assert_eq!((stock.len(), forecast.keys().map(String::as_str).collect()), (400, vec!["120", "160", "40", "80"]));
        assert!(forecast.values().all(|record| record["waited"] == record["ms"]), "{forecast:?}");
    }

    pub(super) fn upload_files(file: &str) {
        let (job, _) = run(file);
        let records = jsonl_file(&job.path("jobs/out/uploads.jsonl"));
        let rows = csv(&job.path("jobs/data/documents.csv"));
        assert_eq!((records.len(), rows.len()), (5, 5));
        for row in rows {
            let record = records.iter().find(|record| record["file"] == row["file"].as_str()).expect("a record");
            let path = job.path("jobs/data/documents").join(&row["file"]);
            let content = std::fs::read(&path).expect("a file of jobs/");
            let types = [
                ("csv", "text/csv"),
                ("json", "application/json"),
                ("log", "text/plain"),
                ("svg", "image/svg+xml"),
                ("txt", "text/plain"),
            ];
            let ending = path.extension().and_then(|ending| ending.to_str()).expect("an ending");
            let (_, kind) = types.iter().find(|(known, _)| *known == ending).expect("a known ending");
            let about = json!({ "path": row["file"], "copies": 2 }).to_string();
            let tags = json!(["demo", format!("{} letters", row["file"].chars().count())]);
            let expected = [
                ("name", json!(path.file_name().and_then(|name| name.to_str()))),
                ("type", json!(kind)),
                ("size", json!(content.len())),
                ("checksum", json!(format!("{:08x}", crc32fast::hash(&content)))),
                ("told", json!({ "title": row["title"], "tags": tags, "about": about })),
                ("status", json!(200)),
            ];
            for (column, value) in expected {
                assert_eq!(record[column], value, "{column} of {}", row["file"]);
            }
        }
    }

    pub(super) fn pipeline(file: &str) {
        let done = Job::example(file).input("id\n3\n4\n5\n").run(&[]).expect_code(0);
        let mut truth = Truth::start();
        let expected = ["3", "4", "5"].map(|id| {
            let (item, _) = truth.ask(&format!("/items/{id}"));
            json!({ "id": id, "name": item["name"], "price": item["price"], "status": 200 })
        });
        assert_eq!(jsonl(&done.stdout), expected);
    }
}
