//! Killed at any moment or asked to stop, nothing is lost and nothing doubled.
//!
//! One job of 5,000 rows is killed again and again with SIGKILL, each time at a random moment, and run
//! again. In the end each row stands once in every file, and no row that the journal held as done was
//! requested again. `PACELINE_SOAK=1000` kills a thousand times; `PACELINE_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paceline::journal;

use crate::support::dice::kills;
use crate::support::oracle::script::{item, item_of};
use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ROWS: u64 = 5000;

/// Kills of one round, and of the test where no other number is asked for; more come in rounds.
const KILLS: u64 = 33;

/// The last rows are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 100;

/// For the part of a run that nothing happens to: the pace of [`JOB`] leaves time to do something to it.
const HASTE: [&str; 2] = ["--set", "limits.pace.rate=\"5000/s\""];

const JOB: &str = r#"
[limits.pace]
rate  = "600/s"
burst = 50

[retry]
initial = "10ms"

[endpoints.item]
url   = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
limit = "pace"
concurrency = 50

[endpoints.item.columns]
got   = "$.id"
name  = "$.name"
price = "$.price"

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"
"#;

/// A server where every 97th row fails once, and the last rows wait for `open`.
fn server(open: &Arc<AtomicBool>) -> Oracle {
    let open = Arc::clone(open);
    let failed = std::sync::Mutex::new(BTreeSet::new());
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if id >= ROWS - HELD_BACK && !open.load(Ordering::SeqCst) {
            return Answer::Stall;
        }
        let fails = id.is_multiple_of(97) && failed.lock().expect("no script panics").insert(id);
        if fails { Answer::status(503) } else { item(request) }
    })
}

fn job(oracle: &Oracle) -> Job {
    let rows = (0..ROWS).fold("id,note\n".to_owned(), |mut rows, id| {
        writeln!(rows, "{id},\"note, {id}\"").expect("a string takes all");
        rows
    });
    Job::new(&JOB.replace("ORACLE", &oracle.url())).with("rows.csv", rows)
}

/// What the journal holds as done after a kill.
fn committed(job: &Job) -> BTreeSet<u64> {
    let found = journal::peek(&job.state()).unwrap_or_else(|error| panic!("a kill left this: {}", error.message));
    let Some(recovered) = found else { return BTreeSet::new() };
    assert!(!recovered.last.complete, "complete, though the last rows were never answered");
    let done = recovered.last.done.first();
    (0..ROWS).filter(|row| done.is_some_and(|done| done.contains(*row))).collect()
}

/// Runs, kills after `life`, and says what was committed then.
fn live_and_die(job: &Job, life: Duration, kill: u64) -> BTreeSet<u64> {
    let mut run = job.spawn(&["-q"]);
    // The end of a run's own accord ends the wait early; it is looked at below.
    let _ = wait::within(life, || (!run.is_running()).then_some(()));
    let done = run.kill();
    assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    committed(job)
}

#[test]
fn whatever_kills_a_run_each_row_stands_once() {
    let mut dice = Dice::printed("kill");
    let mut left = kills(KILLS);
    while left > 0 {
        let now = left.min(KILLS);
        survive(now, &mut dice);
        left -= now;
    }
}

/// One round: a job is killed so many times, and then whole.
fn survive(kills: u64, dice: &mut Dice) {
    let open = Arc::new(AtomicBool::new(false));
    let oracle = server(&open);
    let job = job(&oracle);
    let (mut safe, mut asked, mut kill) = (BTreeSet::new(), 0, 0);
    // A busy machine may be slow to get to the first commit.
    while kill < kills || (safe.is_empty() && kill < 20 * KILLS) {
        let now = live_and_die(&job, dice.life(), kill);
        assert!(safe.is_subset(&now), "kill {kill}: rows were forgotten");
        asked = no_safe_row_is_asked_again(&oracle, &safe, asked);
        safe = now;
        kill += 1;
    }
    open.store(true, Ordering::SeqCst);
    job.run(&HASTE).expect_code(0);
    no_safe_row_is_asked_again(&oracle, &safe, asked);
    assert!(!safe.is_empty(), "no kill came late enough to see a commit");
    assert_eq!(oracle.faults(), Vec::<String>::new());
    table_is_whole(&job);
    lines_are_whole(&job);
}

/// Looks at requests from number `from`; returns where the next look begins.
fn no_safe_row_is_asked_again(oracle: &Oracle, safe: &BTreeSet<u64>, from: usize) -> usize {
    let requests = oracle.requests();
    for request in &requests[from..] {
        let row: u64 = request.id().parse().expect("a row");
        assert!(!safe.contains(&row), "row {row} was committed, and asked for again");
    }
    requests.len()
}

fn once_each(ids: impl Iterator<Item = u64>, file: &str) {
    let mut counts = BTreeMap::<u64, u32>::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    let lost: Vec<u64> = (0..ROWS).filter(|id| !counts.contains_key(id)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    let strange: Vec<_> = counts.keys().filter(|id| **id >= ROWS).collect();
    assert!(
        lost.is_empty() && doubled.is_empty() && strange.is_empty(),
        "{file}: lost {lost:?}, doubled {doubled:?}, strange {strange:?}"
    );
}

fn table_is_whole(job: &Job) {
    let lines = csv(&job.path("out/table.csv"));
    once_each(lines.iter().map(|line| line["id"].parse().expect("an id")), "table.csv");
    for line in &lines {
        let item = item_of(&line["id"]);
        assert_eq!(line["got"], line["id"]);
        assert_eq!((&line["note"], &line["price"]), (&format!("note, {}", line["id"]), &item["price"].to_string()));
        assert_eq!((line["status"].as_str(), line["error"].as_str()), ("200", ""), "{line:?}");
    }
}

fn lines_are_whole(job: &Job) {
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    once_each(lines.iter().map(|line| line["got"].as_u64().expect("an id")), "lines.jsonl");
    for line in &lines {
        let id = line["id"].as_str().expect("text from a CSV");
        let item = item_of(id);
        assert_eq!((&line["got"], &line["name"], &line["price"]), (&item["id"], &item["name"], &item["price"]));
        assert_eq!(line["status"], 200, "{line}");
    }
}

/// Requests that show that a run is well under way.
const UNDER_WAY: usize = 200;

fn under_way(oracle: &Oracle, requests: usize) {
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= requests).then_some(()));
}

#[test]
fn the_first_signal_drains_and_the_run_can_go_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let oracle = server(&Arc::new(AtomicBool::new(true)));
        let job = job(&oracle);
        let run = job.spawn(&[]);
        under_way(&oracle, UNDER_WAY);
        run.signal(signal);
        let done = run.wait().expect_code(code);
        assert!(done.stderr.contains("paceline run job.toml"), "the way to go on is told: {}", done.stderr);
        let before = oracle.count();
        let answered = committed(&job).len();
        assert!(
            answered >= UNDER_WAY / 2 && answered < ROWS as usize,
            "{answered} of {before} requests were committed"
        );
        job.run(&HASTE).expect_code(0);
        table_is_whole(&job);
        lines_are_whole(&job);
        let retried = (0..ROWS).filter(|row| row.is_multiple_of(97)).count();
        assert_eq!(oracle.count(), ROWS as usize + retried, "draining leaves nothing to ask twice");
    }
}

#[test]
fn the_second_signal_stops_and_the_run_can_go_on() {
    let open = Arc::new(AtomicBool::new(false));
    let oracle = server(&open);
    let job = job(&oracle);
    let run = job.spawn(&[&HASTE[..], &["--limit", "4920"]].concat());
    // The last rows are never answered, so that draining would take until their timeout.
    let first_stalled = format!("/items/{}", ROWS - HELD_BACK);
    wait::until("a stalled row", Duration::from_secs(60), || {
        oracle.requests().iter().any(|request| request.path == first_stalled).then_some(())
    });
    let said = run.stderr().len();
    run.signal("TERM");
    wait::until("word of the drain", Duration::from_secs(30), || (run.stderr().len() > said).then_some(()));
    run.signal("TERM");
    run.wait().expect_code(143);
    open.store(true, Ordering::SeqCst);
    job.run(&["--limit", "4920"]).expect_code(0);
    assert_eq!(csv(&job.path("out/table.csv")).len(), 4920);
}

#[test]
fn a_second_process_is_refused_and_told_the_first() {
    let oracle = Oracle::start(|_| Answer::Stall);
    let job = job(&oracle);
    let first = job.spawn(&[]);
    under_way(&oracle, 1);
    let refused = job.run(&[]).expect_code(3);
    assert!(refused.stderr.contains(&first.pid().to_string()), "{}", refused.stderr);
    first.kill();
}
