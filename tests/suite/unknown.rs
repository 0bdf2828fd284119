//! What must not be sent twice: a request that was on the wire when the run was cut off, and nobody knows what the
//! server did with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use paceline::journal;

use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::{Answer, Dice, Job, Oracle, wait};

const JOB: &str = r#"
[limits.pace]
rate  = "400/s"
burst = 20

[retry]
initial = "10ms"

[endpoints.pay]
method = "POST"
url   = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
limit = "pace"
json  = { id = "{{ row.id }}" }
concurrency = 20

[endpoints.pay.columns]
got = "$.id"

[sinks.table]
path = "out/table.csv"
"#;

const ROWS: u64 = 2000;
const KILLS: u64 = 12;
/// The last rows are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 20;
/// For the part of a run that nothing happens to.
const HASTE: [&str; 2] = ["--set", "limits.pace.rate=\"5000/s\""];

fn job(oracle: &Oracle, rows: u64) -> Job {
    let rows = (0..rows).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"));
    Job::at(&oracle.url(), JOB).with("rows.csv", rows)
}

/// How often the server took each row for more than a knock at its door.
fn deeds(oracle: &Oracle, turned_away: impl Fn(u64) -> bool) -> BTreeMap<u64, usize> {
    let mut deeds = BTreeMap::<u64, usize>::new();
    for request in oracle.requests() {
        let row: u64 = request.id().parse().expect("only rows are sent");
        assert_eq!(request.method, "POST");
        *deeds.entry(row).or_default() += 1;
    }
    for (row, count) in &mut deeds {
        *count -= usize::from(turned_away(*row));
    }
    deeds
}

fn is_unknown(line: &BTreeMap<String, String>) -> bool {
    line["error"].starts_with("unknown: this POST was on the wire")
}

#[test]
fn whatever_kills_a_run_no_row_is_sent_twice() {
    let open = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&open);
    // Every 97th row is turned away at the door once; that is no deed, and it is sent again.
    let refused = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are sent");
        if id.is_multiple_of(97) && refused.lock().expect("no script panics").insert(id) {
            return Answer::status(429).header("retry-after", "0");
        }
        if id >= ROWS - HELD_BACK && !shared.load(Ordering::SeqCst) { Answer::Stall } else { item(request) }
    });
    let job = job(&oracle, ROWS);
    let mut dice = Dice::printed("unknown");
    for kill in 0..KILLS {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    let done = job.run(&HASTE);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.stderr);
    let lines = csv(&job.path("out/table.csv"));
    let ids: std::collections::BTreeSet<u64> = lines.iter().map(|line| line["id"].parse().expect("an id")).collect();
    assert_eq!((lines.len() as u64, ids.len() as u64), (ROWS, ROWS), "each row stands once");
    let knocked = oracle.requests();
    let deeds = deeds(&oracle, |row| {
        // Turned away once, unless the kill came before that.
        row.is_multiple_of(97) && knocked.iter().any(|request| request.id() == row.to_string())
    });
    let twice: Vec<_> = deeds.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    for line in &lines {
        let row: u64 = line["id"].parse().expect("an id");
        if is_unknown(line) {
            let told = [&line["status"], &line["got"], &line["attempts"]].map(String::as_str);
            assert_eq!(told, ["", "", "1"], "{line:?}");
        } else {
            assert_eq!((line["error"].as_str(), &line["got"], deeds[&row]), ("", &line["id"], 1), "{line:?}");
        }
    }
    let unknown = lines.iter().filter(|line| is_unknown(line)).count();
    assert_eq!(done.code, Some(i32::from(unknown > 0)), "{}", done.stderr);
}

/// The first rows are answered, the next are not.
const ANSWERED: u64 = 10;
const ON_THE_WIRE: u64 = 5;

/// A run that was killed when the first rows were committed and the next on the wire; the server's mood.
fn cut_off() -> (Oracle, Job) {
    let fine = Arc::new(AtomicU8::new(0));
    let shared = Arc::clone(&fine);
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are sent");
        if id >= ANSWERED && shared.load(Ordering::SeqCst) == 0 { Answer::Stall } else { item(request) }
    });
    let job = job(&oracle, 40);
    let run = job.spawn(&["--set", &format!("endpoints.pay.concurrency={ON_THE_WIRE}")]);
    wait::until("a commit of what was answered", Duration::from_secs(60), || {
        let found = journal::peek(&job.state()).expect("a journal")?;
        let done = found.last.done.first()?.len() == ANSWERED;
        (done && oracle.count() as u64 == ANSWERED + ON_THE_WIRE).then_some(())
    });
    assert_eq!(run.kill().code, None);
    fine.store(1, Ordering::SeqCst);
    (oracle, job)
}

#[test]
fn an_answer_that_is_cut_off_keeps_its_status_and_is_not_asked_for_again() {
    let oracle = Oracle::start(|request| match request.id() {
        "1" => item(request).cut_after(4),
        _ => item(request),
    });
    let job = job(&oracle, 3);
    job.run(&[]).expect_code(1);
    job.run(&["--failed"]).expect_code(1);
    assert_eq!(oracle.count(), 3, "each row is sent once");
    let lines = csv(&job.path("out/table.csv"));
    let line = lines.iter().find(|line| line["id"] == "1").expect("the row");
    assert_eq!((line["status"].as_str(), line["attempts"].as_str()), ("200", "1"), "{line:?}");
    let words = "unknown: the POST was sent and the body of its answer, 200 OK, was cut off (";
    assert!(line["error"].starts_with(words) && line["error"].contains("cut short after 4 bytes"), "{line:?}");
}

fn unknown_rows(job: &Job) -> Vec<u64> {
    let lines = csv(&job.path("out/table.csv"));
    let ids: std::collections::BTreeSet<&str> = lines.iter().map(|line| line["id"].as_str()).collect();
    assert_eq!((lines.len(), ids.len()), (40, 40), "each row stands once");
    let mut rows: Vec<u64> =
        lines.iter().filter(|line| is_unknown(line)).map(|line| line["id"].parse().expect("an id")).collect();
    rows.sort_unstable();
    assert!(lines.iter().all(|line| is_unknown(line) || line["got"] == line["id"]));
    rows
}

#[test]
fn a_row_on_the_wire_fails_as_unknown_and_an_answered_one_stands() {
    let (oracle, job) = cut_off();
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("5 rows were on the wire"), "{}", done.stderr);
    assert_eq!(unknown_rows(&job), (ANSWERED..ANSWERED + ON_THE_WIRE).collect::<Vec<_>>());
    assert_eq!(oracle.count(), 40, "each row is sent once");
}

#[test]
fn failed_does_not_send_unknown_rows_and_says_how_they_are_sent() {
    let (oracle, job) = cut_off();
    job.run(&[]).expect_code(1);
    let before = unknown_rows(&job);
    for _ in 0..2 {
        let done = job.run(&["--failed"]).expect_code(1);
        let words = "5 rows failed as unknown and stay so";
        assert!(done.stderr.contains(words) && done.stderr.contains("endpoints.pay.retry.unknown="), "{}", done.stderr);
        assert_eq!((oracle.count(), unknown_rows(&job)), (40, before.clone()));
        assert!(journal::peek(&job.state()).expect("a journal").expect("a journal").last.complete);
    }
}

#[test]
fn failed_takes_out_what_it_sends_from_between_unknown_rows_and_those_when_asked() {
    // Rows that were on the wire stand between others that failed, and move up when those are taken out.
    let mood = Arc::new(AtomicU8::new(0));
    let shared = Arc::clone(&mood);
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are sent");
        match shared.load(Ordering::SeqCst) {
            0 if id >= ANSWERED => Answer::Stall,
            0 | 1 if id.is_multiple_of(3) => Answer::text(500, "no"),
            _ => item(request),
        }
    });
    let job = job(&oracle, 40);
    let run = job.spawn(&[]);
    wait::until("all that are begun are on the wire", Duration::from_secs(60), || {
        let found = journal::peek(&job.state()).expect("a journal")?;
        let done = found.last.done.first()?.len() == ANSWERED;
        (done && oracle.count() as u64 == ANSWERED + 20).then_some(())
    });
    assert_eq!(run.kill().code, None);
    mood.store(1, Ordering::SeqCst);
    job.run(&[]).expect_code(1);
    mood.store(2, Ordering::SeqCst);
    let sent = oracle.count();
    for _ in 0..2 {
        job.run(&["--failed"]).expect_code(1);
        assert_eq!(oracle.count(), sent + 8, "only what is known to have failed");
        assert_eq!(unknown_rows(&job), (ANSWERED..ANSWERED + 20).collect::<Vec<_>>());
    }
    // Asked for, they are sent; their records are found where they stand now.
    job.run(&["--failed", "--set", "retry.methods=[\"POST\"]"]).expect_code(0);
    assert_eq!((oracle.count(), unknown_rows(&job)), (sent + 28, Vec::new()));
}
