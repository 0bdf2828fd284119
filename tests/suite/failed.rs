//! `--failed`: only the rows that failed are sent, their old records are gone, the others untouched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use paceline::journal;
use serde_json::Value;

use crate::support::oracle::script::item;
use crate::support::output::{Line, csv, json_file, jsonl_file};
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
attempts = 1

[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
columns.got = "$.id"

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"

[sinks.good]
path = "out/good.csv"
rows = "ok"

[sinks.bad]
path = "out/bad.jsonl"
rows = "failed"

[sinks.packed]
path = "out/packed.csv.gz"

[sinks.frames]
path = "out/frames.jsonl.zst"

[sinks.array]
path = "out/array.json"

[sinks.bad-array]
path = "out/bad.json.zst"
rows = "failed"
"#;

const ROWS: u64 = 300;

/// What the server does with every seventh row.
const FAILS: u8 = 0;
/// Every seventh row is fine, every 21st still fails.
const BETTER: u8 = 1;
/// As `BETTER`, but from row 100 on nothing is answered.
const STALLS: u8 = 2;
/// All is well.
const FINE: u8 = 3;

struct Scene {
    oracle: Oracle,
    mood: Arc<AtomicU8>,
    job: Job,
}

fn scene() -> Scene {
    let mood = Arc::new(AtomicU8::new(FAILS));
    let shared = Arc::clone(&mood);
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        match shared.load(Ordering::SeqCst) {
            FAILS if id.is_multiple_of(7) => Answer::text(500, "\"no,\n\""),
            STALLS if id >= 100 => Answer::Stall,
            BETTER | STALLS if id.is_multiple_of(21) => Answer::status(404),
            _ => item(request),
        }
    });
    let rows =
        (1..=ROWS).fold("id,note\n".to_owned(), |text, id| text + &format!("{id},\"a \"\"note\"\",\n of {id}\"\n"));
    let job = Job::at(&oracle.url(), JOB).with("rows.csv", rows);
    Scene { oracle, mood, job }
}

fn multiples(of: u64) -> Vec<u64> {
    (1..=ROWS).filter(|id| id.is_multiple_of(of)).collect()
}

fn sorted(ids: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut ids: Vec<u64> = ids.collect();
    ids.sort_unstable();
    ids
}

impl Scene {
    fn set(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    /// Rows that were asked for from request number `from` on.
    fn asked(&self, from: usize) -> Vec<u64> {
        sorted(self.oracle.requests()[from..].iter().map(|request| request.id().parse().expect("a row")))
    }

    /// Every row stands once in what takes all, and where it belongs in what takes some.
    fn stands(&self, failed: &[u64]) {
        let all: Vec<u64> = (1..=ROWS).collect();
        let table = csv(&self.job.path("out/table.csv"));
        assert_eq!(sorted(table.iter().map(|record| record["id"].parse().expect("an id"))), all, "table.csv");
        let statuses: BTreeMap<u64, &str> =
            table.iter().map(|record| (record["id"].parse().expect("an id"), record["status"].as_str())).collect();
        let bad: Vec<u64> = all.iter().copied().filter(|id| statuses[id] != "200").collect();
        assert_eq!(bad, failed, "table.csv");
        assert!(table.iter().all(|record| record["note"] == format!("a \"note\",\n of {}", record["id"])));
        let good = csv(&self.job.path("out/good.csv"));
        let fine: Vec<u64> = all.iter().copied().filter(|id| !failed.contains(id)).collect();
        assert_eq!(sorted(good.iter().map(|record| record["got"].parse().expect("an id"))), fine, "good.csv");
        let id = |record: &serde_json::Value| record["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let lines = jsonl_file(&self.job.path("out/lines.jsonl"));
        assert_eq!(sorted(lines.iter().map(id)), all, "lines.jsonl");
        assert!(lines.iter().all(|record| (record["status"] == 200) == record["error"].is_null()));
        assert_eq!(sorted(jsonl_file(&self.job.path("out/bad.jsonl")).iter().map(id)), failed, "bad.jsonl");
        self.stands_in_other_forms(&table, &lines);
    }

    /// What stands packed and in arrays is what stands in lines.
    fn stands_in_other_forms(&self, table: &[Line], lines: &[Value]) {
        let path = |name: &str| self.job.path(&format!("out/{name}"));
        assert_eq!(csv(&path("packed.csv.gz")), table, "packed.csv.gz");
        assert_eq!(jsonl_file(&path("frames.jsonl.zst")), lines, "frames.jsonl.zst");
        assert_eq!(json_file(&path("array.json")), lines, "array.json");
        assert_eq!(json_file(&path("bad.json.zst")), jsonl_file(&path("bad.jsonl")), "bad.json.zst");
    }
}

#[test]
fn only_failed_rows_are_sent_and_every_row_stands_once() {
    let scene = scene();
    let done = scene.job.run(&[]).expect_code(1);
    assert!(done.stderr.trim_end().ends_with("run job.toml --failed"), "{}", done.stderr);
    scene.stands(&multiples(7));
    scene.set(BETTER);
    let done = scene.job.run(&["--failed"]).expect_code(1);
    assert_eq!(scene.asked(ROWS as usize), multiples(7));
    assert!(done.stderr.contains("286 ok · 14 failed"), "{}", done.stderr);
    scene.stands(&multiples(21));
    scene.set(FINE);
    let before = scene.oracle.count();
    scene.job.run(&["--failed"]).expect_code(0);
    assert_eq!(scene.asked(before), multiples(21), "the second time: what still failed");
    scene.stands(&[]);
}

#[test]
fn nothing_that_failed_is_said_so() {
    let scene = scene();
    let done = scene.job.run(&["--failed"]).expect_code(3);
    assert!(done.stderr.contains("no run of `job`"), "{}", done.stderr);
    assert!(!scene.job.path("out").exists());
    scene.set(FINE);
    scene.job.run(&[]).expect_code(0);
    let done = scene.job.run(&["--failed"]).expect_code(0);
    assert!(done.stderr.contains("complete") && done.stderr.contains("0 failed"), "{}", done.stderr);
    scene.stands(&[]);
    assert_eq!(scene.oracle.count(), ROWS as usize);
}

/// A run, and a `--failed` of it that is cut off while it waits for row 105; the requests before it.
fn cut_off(scene: &Scene, signal: &str) -> (usize, String) {
    scene.job.run(&[]).expect_code(1);
    let before = scene.oracle.count();
    scene.set(STALLS);
    // One by one, so that all rows before the one that stalls have ended; a commit comes within a second.
    let run = scene.job.spawn(&["--failed", "--set", "endpoints.item.concurrency=1"]);
    let committed = || {
        let recovered = journal::peek(&scene.job.state()).expect("a journal").expect("a journal");
        recovered.last.done[0].contains(97).then_some(())
    };
    wait::until("a stalled row", Duration::from_secs(60), || {
        scene.oracle.requests()[before..].iter().any(|request| request.id() == "105").then_some(())
    });
    wait::until("a commit of row 98", Duration::from_secs(60), committed);
    run.signal(signal);
    if signal == "TERM" {
        let said = run.stderr().len();
        wait::until("word of the drain", Duration::from_secs(30), || (run.stderr().len() > said).then_some(()));
        run.signal(signal);
    }
    let done = run.wait();
    assert_eq!(done.code, (signal == "TERM").then_some(143), "{}", done.stderr);
    let resume = done.stderr.lines().find_map(|line| line.strip_prefix("resume")).unwrap_or_default().trim().to_owned();
    scene.set(BETTER);
    (before, resume)
}

/// How a `--failed` that was cut off ends, whatever command goes on with it.
fn goes_on(scene: &Scene, before: usize) {
    let asked = scene.asked(before);
    let twice = asked.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect::<Vec<_>>();
    assert_eq!(twice, [105], "only the row that hung is asked for again");
    let mut once = asked;
    once.dedup();
    assert_eq!(once, multiples(7));
    scene.stands(&multiples(21));
}

#[test]
fn a_kill_while_failed_rows_are_sent_loses_and_doubles_nothing() {
    let scene = scene();
    let (before, _) = cut_off(&scene, "KILL");
    scene.job.run(&[]).expect_code(1);
    goes_on(&scene, before);
}

#[test]
fn after_a_kill_failed_can_be_said_again() {
    let scene = scene();
    let (before, _) = cut_off(&scene, "KILL");
    scene.job.run(&["--failed"]).expect_code(1);
    // What failed before the kill is sent again, and so is what had not been sent.
    let mut asked = scene.asked(before);
    asked.dedup();
    assert_eq!(asked, multiples(7));
    scene.stands(&multiples(21));
}

#[test]
fn the_command_that_an_interrupted_failed_prints_goes_on_with_it() {
    let scene = scene();
    let (before, resume) = cut_off(&scene, "TERM");
    assert!(!resume.is_empty());
    scene.job.shell(&resume).expect_code(1);
    let mut asked = scene.asked(before);
    asked.dedup();
    assert_eq!(asked, multiples(7));
    scene.stands(&multiples(21));
}

#[test]
fn a_changed_job_is_refused_and_nothing_is_taken_out() {
    let scene = scene();
    scene.job.run(&[]).expect_code(1);
    scene.job.change("job.toml", "/items/", "/things/");
    let done = scene.job.run(&["--failed"]).expect_code(3);
    assert!(done.stderr.contains("endpoints.item.url"), "{}", done.stderr);
    assert_eq!(scene.oracle.count(), ROWS as usize);
    scene.stands(&multiples(7));
}

#[test]
fn an_output_that_was_edited_is_not_rewritten() {
    let edits: [fn(&str) -> String; 3] = [
        |text| text.replacen(",200,", ",299,", 1),
        |text| text.replacen("a \"\"", "an \"\"", 1),
        |text| text.replacen("id,", "i,", 1),
    ];
    for edit in edits {
        let scene = scene();
        scene.job.run(&[]).expect_code(1);
        let text = scene.job.read("out/table.csv");
        let edited = edit(&text);
        assert_ne!(text, edited);
        std::fs::write(scene.job.path("out/table.csv"), &edited).expect("a file");
        let done = scene.job.run(&["--failed"]).expect_code(3);
        assert!(done.stderr.contains("out/table.csv"), "{}", done.stderr);
        assert_eq!(scene.job.read("out/table.csv"), edited);
        assert_eq!(scene.oracle.count(), ROWS as usize, "nothing was sent");
        std::fs::write(scene.job.path("out/table.csv"), text).expect("a file");
        scene.set(FINE);
        scene.job.run(&["--failed"]).expect_code(0);
        scene.stands(&[]);
    }
}
