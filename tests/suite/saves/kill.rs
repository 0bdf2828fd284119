//! Killed at any moment, a file under its name is whole, and in the end each row has its file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{body, names};
use crate::support::dice::goes_on;
use crate::support::oracle::Piece;
use crate::support::output::csv;
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ROWS: u64 = 2_000;

/// Kills, unless another number is asked for.
const KILLS: u64 = 25;

/// The last rows are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 100;

const JOB: &str = r#"
[endpoints.file]
url   = "ORACLE/files/{{ row.id }}"
input = "rows.csv"
rate  = "500/s"
burst = 20
concurrency = 20
save  = { path = "pages/{{ row.folder }}/{{ row.id }}.bin" }
meta  = ["status", "saved"]

[sinks.out]
path = "out.csv"
"#;

/// Bytes of a body that is larger than what waits in memory.
const LARGE: usize = 200_000;

/// One in twenty is large.
fn size(id: u64) -> usize {
    if id.is_multiple_of(20) { LARGE } else { 700 + id as usize }
}

/// A large body that stops in its middle: its file is unfinished for long enough to be met by a kill.
fn in_two_parts(body: &[u8]) -> Answer {
    let (first, second) = body.split_at(LARGE / 2);
    let pause = Piece::Pause(Duration::from_millis(20));
    let pieces = [Piece::Bytes(first.to_vec()), pause, Piece::Bytes(second.to_vec())];
    Answer::raw(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()), pieces)
}

fn server(open: &Arc<AtomicBool>) -> Oracle {
    let open = Arc::clone(open);
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id >= ROWS - HELD_BACK && !open.load(Ordering::SeqCst) {
            return Answer::Stall;
        }
        let body = body(request.id(), size(id));
        match body.len() {
            LARGE => in_two_parts(&body),
            _ if id.is_multiple_of(3) => Answer::text(200, body).chunked(500),
            _ => Answer::text(200, body),
        }
    })
}

fn folder(id: u64) -> u64 {
    id % 7
}

/// Every file under a name, by its id; whole or a failure.
fn whole_files(job: &Job) -> BTreeMap<u64, ()> {
    let mut found = BTreeMap::new();
    for folder in names(&job.path("pages")).iter().filter(|name| !name.starts_with('.')) {
        for name in names(&job.path(&format!("pages/{folder}"))) {
            let id: u64 = name.strip_suffix(".bin").and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{name}"));
            let file = fs::read(job.path(&format!("pages/{folder}/{name}"))).expect("a file");
            assert!(file == body(&id.to_string(), size(id)), "{folder}/{name} is torn: {} bytes", file.len());
            assert_eq!(*folder, self::folder(id).to_string());
            found.insert(id, ());
        }
    }
    found
}

#[test]
fn whatever_kills_a_run_each_file_is_whole_and_each_row_has_one() {
    let mut dice = Dice::printed("kill while saving");
    let open = Arc::new(AtomicBool::new(false));
    let oracle = server(&open);
    let rows = (0..ROWS).fold("id,folder\n".to_owned(), |mut rows, id| {
        writeln!(rows, "{id},{}", folder(id)).expect("a string takes all");
        rows
    });
    let job = Job::at(&oracle.url(), JOB).with("rows.csv", rows);
    let (mut unfinished, mut kill) = (0, 0);
    while goes_on(kill, KILLS, unfinished > 0) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
        let files = whole_files(&job);
        unfinished += names(&job.path("pages/.paceline-job")).len();
        // What the output says has its file, committed or not.
        let said = fs::read_to_string(job.path("out.csv")).unwrap_or_default();
        for line in said.lines().skip(1).filter(|line| line.ends_with(".bin")) {
            let id: u64 = line.split(',').next().and_then(|id| id.parse().ok()).expect("an id");
            assert!(files.contains_key(&id), "kill {kill}: {line} has no file");
        }
        kill += 1;
    }
    open.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    assert_eq!(whole_files(&job).len() as u64, ROWS);
    let records = csv(&job.path("out.csv"));
    assert_eq!(records.len() as u64, ROWS);
    for record in records {
        let saved = format!("pages/{}/{}.bin", record["folder"], record["id"]);
        assert_eq!((record["status"].as_str(), &record["saved"]), ("200", &saved));
    }
    assert!(!names(&job.path("pages")).iter().any(|name| name.starts_with('.')), "something unfinished is left");
    assert!(unfinished > 0, "no kill came while a file was unfinished");
}
