//! Folders of Parquet files: every part whole at any moment, every record once, and what others read in them.
//!
//! pyarrow is the judge of types and values; without it the tests that need it say that they were skipped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::{Value, json};

use crate::support::dice::goes_on;
use crate::support::oracle::script::item;
use crate::support::peers::pyarrow;
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
input.range = { from = 1, to = 3000 }
columns.got = "$.id"
columns.price = "$.price"

[sinks.items]
columns = ["value", "got", "price"]

[sinks.items.parquet]
path = "out/all.parquet"
part-rows = 40

[sinks.failed]
path = "out/failed.jsonl"
rows = "failed"
"#;

/// For what takes no time to be killed in.
const HASTE: [&str; 2] = ["--set", "limits.pace.rate=\"5000/s\""];

/// The files that a reader of the folder would take.
fn parts(job: &Job) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(job.path("out/all.parquet")).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.retain(|name| !name.starts_with(['.', '_']));
    assert!(names.iter().all(|name| name.ends_with(".parquet")), "{names:?}");
    names.sort();
    names.iter().map(|name| job.path("out/all.parquet").join(name)).collect()
}

/// Every record of all parts, read to the last; a part that is not whole is an error.
fn records(job: &Job) -> Vec<String> {
    let read = |path: PathBuf| {
        let file = SerializedFileReader::new(File::open(&path).expect("a part"));
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let rows = file.get_row_iter(None).expect("rows");
        rows.map(|row| row.unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_string())
            .collect::<Vec<_>>()
    };
    parts(job).into_iter().flat_map(read).collect()
}

fn sorted(mut records: Vec<String>) -> Vec<String> {
    records.sort();
    records
}

#[test]
fn whatever_kills_a_run_every_part_is_whole_and_each_row_stands_once() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    // The last rows are not answered before the last kill, so that no run ends before it.
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id > ROWS - 100 && !opened.load(Ordering::SeqCst) { Answer::Stall } else { item(request) }
    });
    let job = Job::at(&oracle.url(), JOB);
    let (mut dice, mut most, mut kill) = (Dice::printed("parquet"), 0, 0);
    while goes_on(kill, 30, most > 0) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: {}", done.stderr);
        let now = sorted(records(&job));
        assert!(now.len() >= most, "kill {kill}: {} records, and {most} before", now.len());
        most = now.len();
        assert!(now.windows(2).all(|pair| pair[0] != pair[1]), "kill {kill}: a record stands twice");
        kill += 1;
    }
    assert!(most > 0, "no part stood before the last kill");
    open.store(true, Ordering::SeqCst);
    job.run(&HASTE).expect_code(0);
    let undisturbed = Job::at(&oracle.url(), JOB);
    undisturbed.run(&HASTE).expect_code(0);
    let (found, expected) = (sorted(records(&job)), sorted(records(&undisturbed)));
    assert_eq!((found.len() as u64, found == expected), (ROWS, true));
    let left = std::fs::read_dir(job.path("out/all.parquet")).expect("a folder").count();
    assert_eq!(left, parts(&job).len(), "nothing unfinished is left");
}

#[test]
fn a_part_that_is_taken_away_between_sessions_is_missed() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    let run = job.spawn(&["-q"]);
    let there = wait::within(Duration::from_secs(60), || (parts(&job).len() > 3).then_some(()));
    assert!(there.is_some(), "no parts came");
    run.kill();
    let parts = parts(&job);
    std::fs::remove_file(&parts[1]).expect("it is there");
    let done = job.run(&HASTE).expect_code(3);
    assert!(done.stderr.contains("has gone, and later ones stand: bring it back"), "{}", done.stderr);
}

#[test]
fn a_record_that_does_not_fit_fails_its_row_and_comes_in_a_part_of_its_own() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let oracle = Oracle::start(move |request| match request.id() {
        "2500" if !is_mended.load(Ordering::SeqCst) => Answer::json(&json!({ "id": 2500, "price": "on request" })),
        _ => item(request),
    });
    let job = Job::at(&oracle.url(), &JOB.replace("part-rows = 40", "compression = \"snappy\""));
    let done = job.run(&HASTE).expect_code(1);
    assert!(done.stderr.contains("2,999 ok · 1 failed"), "{}", done.stderr);
    assert_eq!((parts(&job).len(), records(&job).len()), (1, 2999));
    let failed: Value = serde_json::from_str(job.read("out/failed.jsonl").trim()).expect("one failed row");
    let words = "sinks.items: the column price holds float, as the table, `as` or the first records say";
    assert!(failed["error"].as_str().is_some_and(|error| error.starts_with(words)), "{failed}");
    mended.store(true, Ordering::SeqCst);
    let asked = oracle.count();
    job.run(&["--failed"]).expect_code(0);
    assert_eq!((oracle.count() - asked, parts(&job).len(), records(&job).len()), (1, 2, 3000));
    assert_eq!(records(&job)[2999], "{value: 2500, got: 2500, price: 25.0}");
    // A new run is told that there is something, and may take its place.
    let done = job.run(&["--fresh", HASTE[0], HASTE[1]]).expect_code(3);
    assert!(done.stderr.contains("all.parquet holds part-"), "{}", done.stderr);
    let replace =
        ["--fresh", "--set", "sinks.items.on-existing=\"replace\"", "--set", "sinks.failed.on-existing=\"replace\""];
    job.run(&[&replace[..], &HASTE[..]].concat()).expect_code(0);
    assert_eq!((parts(&job).len(), records(&job).len()), (1, 3000));
}

/// What pyarrow reads in a folder, as JSON.
fn judged(python: &Path, folder: &Path) -> Value {
    const SCRIPT: &str = r#"
import glob, json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
files = [pq.ParquetFile(name) for name in sorted(glob.glob(sys.argv[1] + "/*.parquet"))]
groups = [file.metadata.row_group(g) for file in files for g in range(file.metadata.num_row_groups)]
print(json.dumps({
    "types": [[field.name, str(field.type), field.nullable] for field in table.schema],
    "rows": table.to_pylist(),
    "codecs": sorted({group.column(c).compression for group in groups for c in range(group.num_columns)}),
    "nulls": [groups[0].column(c).statistics.null_count for c in range(groups[0].num_columns)],
    "created_by": files[0].metadata.created_by,
    "note": json.loads(files[0].metadata.metadata[b"paceline"]),
}, default=str))
"#;
    let done = Command::new(python).args(["-c", SCRIPT]).arg(folder).output().expect("Python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// A column of every type.
const TYPES: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
order = "input"
input.range = { from = 1, to = 3 }
columns.flag  = { json = "$.flag", as = "bool" }
columns.big   = { json = "$.big", as = "int" }
columns.at    = { json = "$.at", as = "timestamp" }
columns.tags  = { json = "$.tags", as = "json" }
columns.name  = "$.name"
columns.price = "$.price"
meta = []

[sinks.out.parquet]
path = "out/all.parquet/"
"#;

#[test]
fn pyarrow_reads_types_values_and_nulls_of_every_codec() {
    let Some(python) = pyarrow() else { return };
    let oracle = Oracle::start(|request| match request.id() {
        "1" => {
            Answer::json(&json!({ "flag": true, "big": i64::MAX, "at": "2026-01-02T03:04:05.000006Z", "tags": ["ü"],
                                     "name": "a\u{0}b", "price": 19.99 }))
        }
        "2" => Answer::json(&json!({})),
        _ => Answer::json(&json!({ "flag": false, "big": -1, "at": "1969-12-31T23:59:59Z", "tags": {"k": null},
                                   "name": "", "price": 5 })),
    });
    for (codec, called) in
        [("zstd", "ZSTD"), ("snappy", "SNAPPY"), ("gzip", "GZIP"), ("lz4", "LZ4"), ("none", "UNCOMPRESSED")]
    {
        let job = Job::at(&oracle.url(), &format!("{TYPES}compression = \"{codec}\"\n"));
        job.run(&[]).expect_code(0);
        let judged = judged(&python, &job.path("out/all.parquet"));
        let types = json!([
            ["value", "int64", true],
            ["flag", "bool", true],
            ["big", "int64", true],
            ["at", "timestamp[us, tz=UTC]", true],
            ["tags", judged["types"][4][1], true],
            ["name", "string", true],
            ["price", "double", true],
        ]);
        assert_eq!(judged["types"], types);
        assert!(["string", "extension<arrow.json>"].contains(&judged["types"][4][1].as_str().expect("a type")));
        let row = |value: i64, rest: [Value; 6]| {
            let names = ["flag", "big", "at", "tags", "name", "price"];
            let mut row = json!({ "value": value });
            names.iter().zip(rest).for_each(|(name, value)| row[*name] = value);
            row
        };
        let first = [
            json!(true),
            json!(i64::MAX),
            json!("2026-01-02 03:04:05.000006+00:00"),
            json!("[\"ü\"]"),
            json!("a\u{0}b"),
            json!(19.99),
        ];
        let third =
            [json!(false), json!(-1), json!("1969-12-31 23:59:59+00:00"), json!("{\"k\":null}"), json!(""), json!(5.0)];
        assert_eq!(judged["rows"], json!([row(1, first), row(2, [const { Value::Null }; 6]), row(3, third)]));
        assert_eq!((&judged["codecs"], &judged["nulls"]), (&json!([called]), &json!([0, 1, 1, 1, 1, 1, 1])));
        assert!(judged["created_by"].as_str().is_some_and(|by| by.starts_with("paceline version ")), "{judged}");
        assert_eq!((&judged["note"]["sink"], &judged["note"]["from"]), (&json!("out"), &json!(0)));
    }
}

#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "the figure is worth knowing although the test is fine")]
fn a_part_is_never_held_in_memory() {
    /// Records of a reply.
    const ITEMS: u64 = 1000;
    /// KiB that a run may hold: less than the text of one part.
    const MOST: u64 = 64 * 1024;
    let asked = paceline::environment::variable("PACELINE_MEMORY_ROWS");
    let rows: u64 = asked.map_or(300_000, |text| text.parse().expect("a number"));
    let oracle = Oracle::start(|request| {
        let page: u64 = request.id().parse().expect("a number");
        let item = |of| json!({ "id": page * ITEMS + of, "text": format!("{of:0300}") });
        Answer::json(&json!({ "items": (0..ITEMS).map(item).collect::<Vec<_>>() }))
    });
    let text = r#"
[endpoints.list]
url = "ORACLE/lists/{{ row.value }}"
concurrency = 4
input.range = { from = 1, to = LISTS }
rows = "$.items[*]"
keep = []
meta = []
columns = { id = "$.id", text = "$.text" }

[sinks.out]
path = "out/all.parquet"
"#;
    let job = Job::at(&oracle.url(), &text.replace("LISTS", &(rows / ITEMS).to_string()));
    let (mut run, mut most) = (job.spawn(&["-q"]), 0);
    wait::until("the end of the run", Duration::from_secs(900), || {
        most = crate::memory::own(run.pid()).map_or(most, |now| most.max(now));
        (!run.is_running()).then_some(())
    });
    run.wait().expect_code(0);
    eprintln!("memory: {rows} records, {most} KiB held at most");
    let files: Vec<_> =
        parts(&job).iter().map(|path| SerializedFileReader::new(File::open(path).expect("a part"))).collect();
    let counts: Vec<i64> =
        files.iter().map(|file| file.as_ref().expect("whole").metadata().file_metadata().num_rows()).collect();
    assert_eq!(counts.iter().sum::<i64>() as u64, rows);
    assert!(counts.len() > 1 && counts[0] > 200_000, "{counts:?}: a part of 64 MiB of text");
    assert!(most < MOST, "{most} KiB were held, {MOST} are the most");
}
