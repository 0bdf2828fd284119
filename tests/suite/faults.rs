//! What the machine can do to a run: a disk that is full, a reader that leaves, a file that shrinks.

use std::time::Duration;

use crate::support::oracle::script::item;
use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
columns.got = "$.id"

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"
"#;

/// Bytes beside each id, so that outputs and inputs grow fast.
const NOTE: usize = 300;

fn rows(count: usize) -> String {
    (1..=count).fold("id,note\n".to_owned(), |text, id| text + &format!("{id},{}\n", "x".repeat(NOTE)))
}

fn job(oracle: &Oracle, rows: usize) -> Job {
    Job::at(&oracle.url(), JOB).with("rows.csv", self::rows(rows))
}

/// Every row stands once in both outputs.
fn whole(job: &Job, rows: usize) {
    let mut ids: Vec<usize> =
        csv(&job.path("out/table.csv")).iter().map(|row| row["id"].parse().expect("an id")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=rows).collect::<Vec<_>>(), "table.csv");
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    let mut ids: Vec<usize> = lines.iter().map(|row| row["got"].as_u64().expect("an id") as usize).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=rows).collect::<Vec<_>>(), "lines.jsonl");
}

const ROWS: usize = 2000;

#[test]
fn an_output_that_can_not_grow_breaks_the_run_off_and_it_goes_on_with_more_room() {
    // 512-byte blocks; the first limit stops the outputs within the run, the second before its first record.
    for (blocks, begun) in [(700, true), (200, true), (0, false)] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, ROWS);
        // An ignored SIGXFSZ makes a write fail as a full disk does.
        let done =
            job.shell(&format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$PACELINE\" run job.toml")).expect_code(3);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        if begun {
            assert!(done.stderr.contains("out/") && done.stderr.contains("broken off"), "{}", done.stderr);
            assert!(done.stderr.contains("resume "), "{}", done.stderr);
        }
        job.run(&[]).expect_code(0);
        whole(&job, ROWS);
    }
}

#[test]
fn a_process_that_is_ended_for_a_file_too_large_goes_on_with_more_room() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, ROWS);
    let done = job.shell("ulimit -f 700; exec \"$PACELINE\" run -q job.toml");
    assert_ne!(done.code, Some(0), "{}", done.stderr);
    job.run(&[]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn a_folder_that_can_not_be_written_is_said_before_any_request() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, 10).with("out", "a file where a folder should be");
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("out/table.csv"), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn a_reader_of_standard_output_that_leaves_ends_the_run_quietly() {
    let text = &JOB[..JOB.find("[sinks").expect("sinks")];
    for sink in ["jsonl", "csv"] {
        let oracle = Oracle::start(item);
        let job =
            Job::at(&oracle.url(), &format!("{text}[sinks.out]\nstdout = \"{sink}\"\n")).with("rows.csv", rows(ROWS));
        let done = job.shell("{ \"$PACELINE\" run -q job.toml; echo $? > code; } | head -n 1").expect_code(0);
        assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
        assert!(done.stdout.contains(if sink == "csv" { "id,note" } else { "{\"id\":" }), "{}", done.stdout);
        assert!(!done.stderr.contains("panicked") && done.stderr.lines().count() <= 12, "{}", done.stderr);
        assert_eq!(job.read("code").trim(), "3", "what was not written is not fine: {}", done.stderr);
        assert!(done.stderr.contains("standard output") && done.stderr.contains("went away"), "{}", done.stderr);
        assert!(oracle.count() < ROWS, "the run went on for nobody");
    }
}

#[test]
fn an_error_stream_that_nobody_reads_does_no_harm() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, 200);
    job.shell("{ \"$PACELINE\" run -v job.toml; echo $? > code; } 2>&1 | head -n 1").expect_code(0);
    assert_eq!(job.read("code").trim(), "0");
    whole(&job, 200);
}

/// A run whose input of many read-aheads is changed while its first rows wait for their answers.
fn changed_while_running(change: impl Fn(&Job)) -> (Oracle, Job, crate::support::Done) {
    let oracle =
        Oracle::start(|request| item(request).after(Duration::from_millis(if request.number < 40 { 300 } else { 0 })));
    let job = job(&oracle, 6000);
    let run = job.spawn(&[]);
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= 20).then_some(()));
    change(&job);
    let done = run.wait();
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    (oracle, job, done)
}

#[test]
fn an_input_that_shrinks_while_it_is_read_is_not_its_end() {
    let (oracle, job, done) = changed_while_running(|job| {
        let file = std::fs::File::options().write(true).open(job.path("rows.csv")).expect("a file");
        file.set_len(400_007).expect("a shorter file");
    });
    assert!(oracle.count() < 6000);
    assert_ne!(done.code, Some(0), "rows are missing, and nothing is said of it: {}", done.stderr);
    assert!(done.stderr.contains("rows.csv"), "{}", done.stderr);
    std::fs::write(job.path("rows.csv"), rows(6000)).expect("a file");
    job.run(&[]).expect_code(0);
    whole(&job, 6000);
}

#[test]
fn an_input_that_shrinks_while_it_is_read_leaves_whole_records() {
    let (oracle, job, _) = changed_while_running(|job| {
        let file = std::fs::File::options().write(true).open(job.path("rows.csv")).expect("a file");
        file.set_len(400_007).expect("a shorter file");
    });
    let records = csv(&job.path("out/table.csv"));
    assert_eq!(records.len(), jsonl_file(&job.path("out/lines.jsonl")).len());
    let sent = records.iter().filter(|record| record["status"] == "200").count();
    assert!(sent > 0 && oracle.count() >= sent, "{sent} rows");
}

#[test]
fn an_input_that_is_gone_when_the_run_goes_on_is_said_by_name() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, 50);
    job.run(&["--limit", "10"]).expect_code(0);
    std::fs::rename(job.path("rows.csv"), job.path("away.csv")).expect("a file");
    let done = job.run(&[]).expect_code(2);
    assert!(done.stderr.contains("rows.csv") && done.stderr.contains("no such file"), "{}", done.stderr);
    std::fs::rename(job.path("away.csv"), job.path("rows.csv")).expect("a file");
    job.run(&[]).expect_code(0);
    whole(&job, 50);
}

#[test]
fn an_output_that_is_taken_away_while_it_is_written_does_not_pass_for_written() {
    let oracle = Oracle::start(|request| match request.id().parse::<u64>() {
        Ok(id) if id > 40 => item(request).after(Duration::from_millis(150)),
        _ => item(request),
    });
    let job = job(&oracle, 200);
    let run = job.spawn(&[]);
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= 60).then_some(()));
    let lines = job.path("out/lines.jsonl");
    std::fs::rename(&lines, job.path("out/moved.jsonl")).expect("a file");
    run.wait().expect_code(0);
    // Whoever moves a file has it whole; nothing is written where it stood.
    assert!(!lines.exists());
    assert_eq!((jsonl_file(&job.path("out/moved.jsonl")).len(), csv(&job.path("out/table.csv")).len()), (200, 200));
}

#[test]
fn garbage_for_a_server_fails_rows_and_not_the_run() {
    let oracle = Oracle::start(|request| match request.id().parse::<usize>().unwrap_or_default() % 5 {
        0 => Answer::Garbage(vec![0; 100_000]),
        1 => Answer::Garbage(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n".to_vec()),
        2 => Answer::Garbage(b"HTTP/9.9 200\r\n\r\n".to_vec()),
        3 => Answer::Garbage([b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'x'; 2_000_000]].concat()),
        _ => item(request),
    });
    let job = job(&oracle, 50);
    let done = job.run(&["--set", "retry.attempts=1"]).expect_code(1);
    assert!(done.stderr.contains("10 ok · 40 failed") && !done.stderr.contains("panicked"), "{}", done.stderr);
}
