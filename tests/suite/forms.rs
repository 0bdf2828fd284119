//! Packed outputs and arrays: whole whatever kills the run, as programs that nobody here wrote see it.
//!
//! `PACELINE_SEED` repeats a run. Without gzip, zstd or python3 what they would say is not asked, and said to be skipped.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paceline::journal;

use crate::support::dice::goes_on;
use crate::support::oracle::script::item;
use crate::support::output::{csv, json_file, jsonl_file, text, unpacked};
use crate::support::{Answer, Dice, Job, Oracle, peers, wait};

const ROWS: u64 = 2000;
const KILLS: u64 = 15;

/// The last rows are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 50;

const JOB: &str = r#"
[limits.pace]
rate  = "500/s"
burst = 50

[endpoints.item]
url   = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
limit = "pace"
order = "input"
concurrency = 50
meta  = ["status"]

[endpoints.item.columns]
got   = "$.id"
name  = "$.name"
price = "$.price"

[sinks.table]
path = "out/table.csv.gz"

[sinks.lines]
path = "out/lines.jsonl.zst"

[sinks.array]
path = "out/array.json"

[sinks.packed]
path = "out/packed.json.gz"
"#;

/// In the order of the sinks.
const FILES: [&str; 4] = ["table.csv.gz", "lines.jsonl.zst", "array.json", "packed.json.gz"];

fn server(open: &Arc<AtomicBool>) -> Oracle {
    let open = Arc::clone(open);
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id >= ROWS - HELD_BACK && !open.load(Ordering::SeqCst) { Answer::Stall } else { item(request) }
    })
}

fn job(oracle: &Oracle) -> Job {
    let rows = (0..ROWS).fold("id,note\n".to_owned(), |mut rows, id| {
        writeln!(rows, "{id},\"note, [{id}]\"").expect("a string takes all");
        rows
    });
    Job::at(&oracle.url(), JOB).with("rows.csv", rows)
}

/// What was committed of each file is whole, as far as it goes.
fn committed_is_whole(job: &Job, kill: u64) -> u64 {
    let found = journal::peek(&job.state()).unwrap_or_else(|error| panic!("a kill left this: {}", error.message));
    let Some(found) = found else { return 0 };
    let rows = found.last.done.first().map_or(0, |done| done.len());
    for (file, cursor) in FILES.iter().zip(&found.last.cursors) {
        let Some(cursor) = cursor else { continue };
        let path = job.path(&format!("out/{file}"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("kill {kill}: {file}: {error}"));
        let committed = &bytes[..usize::try_from(cursor.offset).expect("small")];
        let ending = path.extension().and_then(|ending| ending.to_str()).expect("an ending");
        // Where nothing was committed no bytes are, which are no packed file to anybody.
        let ending = if committed.is_empty() { "" } else { ending };
        let text = unpacked(ending, committed).unwrap_or_else(|error| panic!("kill {kill}: {file}: {error}"));
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
        let head = u64::from(*file != "lines.jsonl.zst");
        assert_eq!(lines, rows + head, "kill {kill}: {file}");
        if ["gz", "zst"].contains(&ending) {
            let prefix = job.path(&format!("prefix.{ending}"));
            std::fs::write(&prefix, committed).expect("a file");
            judge(&prefix);
        }
    }
    rows
}

/// Asks the program that reads files of this ending whether it is whole.
fn judge(path: &Path) {
    let (program, arguments): (_, &[&str]) = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => ("gzip", &["-t"]),
        Some("zst") => ("zstd", &["-t", "-q"]),
        _ => ("python3", &["-c", "import json, sys; assert type(json.load(open(sys.argv[1]))) is list"]),
    };
    let Some(program) = peers::find(program) else { return };
    let said = Command::new(program).args(arguments).arg(path).output().expect("a judge");
    assert!(said.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&said.stderr));
}

#[test]
fn killed_runs_leave_what_an_uninterrupted_one_writes() {
    let mut dice = Dice::printed("forms");
    let open = Arc::new(AtomicBool::new(false));
    let oracle = server(&open);
    let killed = job(&oracle);
    let (mut safe, mut kill) = (0, 0);
    while goes_on(kill, KILLS, safe > 0) {
        let mut run = killed.spawn(&["-q"]);
        // The end of a run's own accord ends the wait early; it is looked at below.
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
        let now = committed_is_whole(&killed, kill);
        assert!(now >= safe, "kill {kill}: rows were forgotten");
        safe = now;
        kill += 1;
    }
    assert!(safe > 0, "no kill came late enough to see a commit");
    open.store(true, Ordering::SeqCst);
    let haste = ["--set", "limits.pace.rate=\"5000/s\""];
    killed.run(&haste).expect_code(0);
    let whole = job(&oracle);
    whole.run(&haste).expect_code(0);
    for file in FILES {
        let (killed, whole) = (killed.path(&format!("out/{file}")), whole.path(&format!("out/{file}")));
        assert_eq!(text(&killed), text(&whole), "{file}");
        judge(&killed);
        judge(&whole);
    }
    assert_eq!(csv(&whole.path("out/table.csv.gz")).len() as u64, ROWS);
    let lines = jsonl_file(&whole.path("out/lines.jsonl.zst"));
    assert_eq!(json_file(&whole.path("out/array.json")), lines);
    assert_eq!(json_file(&whole.path("out/packed.json.gz")), lines);
}

const ONE: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = FROM, to = TO }
meta = []
columns.got = "$.id"

[sinks.table]
path = "out/table.csv.zst"
on-existing = "append"

[sinks.array]
path = "out/array.json.gz"
on-existing = "append"

[sinks.none]
path = "out/none.jsonl.gz"
on-existing = "append"
rows = "failed"
"#;

#[test]
fn the_next_run_appends_to_what_the_last_one_packed() {
    let oracle = Oracle::start(item);
    let text = |from: u64| ONE.replace("FROM", &from.to_string()).replace("TO", &(from + 2).to_string());
    let job = Job::at(&oracle.url(), &text(1));
    job.run(&[]).expect_code(0);
    let job = job.with("job.toml", text(4).replace("ORACLE", &oracle.url()));
    job.run(&["--fresh"]).expect_code(0);
    let mut table: Vec<u64> =
        csv(&job.path("out/table.csv.zst")).iter().map(|record| record["got"].parse().expect("an id")).collect();
    table.sort_unstable();
    assert_eq!(table, [1, 2, 3, 4, 5, 6]);
    let array = json_file(&job.path("out/array.json.gz"));
    let mut array: Vec<u64> = array.iter().map(|record| record["got"].as_u64().expect("an id")).collect();
    array.sort_unstable();
    assert_eq!(array, table);
    assert!(jsonl_file(&job.path("out/none.jsonl.gz")).is_empty());
    for file in ["table.csv.zst", "array.json.gz", "none.jsonl.gz"] {
        judge(&job.path(&format!("out/{file}")));
    }
}
