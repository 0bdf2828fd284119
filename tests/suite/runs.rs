//! `paceline runs`: the latest run and those before it, whatever they came to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::oracle::script::item;
use crate::support::{Answer, Done, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
attempts = 1

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 20 }

[sinks.lines]
path = "out.jsonl"
on-existing = "replace"
"#;

fn runs(done: &Done) -> Vec<Value> {
    let all: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let jobs = all["jobs"].as_array().expect("jobs");
    assert_eq!(jobs.len(), 1, "{all}");
    jobs[0]["runs"].as_array().expect("runs").clone()
}

fn listed(job: &Job) -> Vec<Value> {
    runs(&job.command(&["runs", "job.toml", "--output", "json"]).expect_code(0))
}

#[test]
fn every_run_is_listed_with_what_became_of_it_and_the_command_that_goes_on() {
    let (down, stalls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_down, is_stalled) = (Arc::clone(&down), Arc::clone(&stalls));
    let oracle = Oracle::start(move |request| match request.id() {
        "15" if is_stalled.load(Ordering::SeqCst) => Answer::Stall,
        "7" if is_down.load(Ordering::SeqCst) => Answer::status(404),
        _ => item(request),
    });
    let job = Job::at(&oracle.url(), JOB);
    let none = job.command(&["runs", "job.toml"]).expect_code(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("no run of `job` yet"), "{}", none.stderr);
    job.run(&[]).expect_code(0);
    stalls.store(true, Ordering::SeqCst);
    let run = job.spawn(&["--set", "endpoints.item.concurrency=1"]);
    wait::until("a commit", Duration::from_secs(60), || {
        // The run holds the lock, and is listed all the same.
        let runs = listed(&job);
        let is_running = runs[0]["state"] == "running" && runs[0]["next"].is_null();
        (runs.len() == 2 && is_running && runs[0]["rows"]["ok"] == 14).then_some(())
    });
    assert_eq!(run.kill().code, None);
    assert_eq!(listed(&job)[0]["next"], format!("{} run job.toml", env!("CARGO_BIN_EXE_paceline")));
    stalls.store(false, Ordering::SeqCst);
    down.store(true, Ordering::SeqCst);
    job.run(&["--fresh"]).expect_code(1);
    let runs = listed(&job);
    let shown: Vec<_> = runs.iter().map(|run| (run["state"].as_str(), run["rows"]["ok"].as_u64())).collect();
    assert_eq!(shown, [(Some("complete"), Some(19)), (Some("stopped"), Some(14)), (Some("complete"), Some(20))]);
    assert_eq!((&runs[0]["rows"]["failed"], &runs[0]["records"]), (&1.into(), &20.into()));
    assert_eq!(runs[0]["next"], format!("{} run job.toml --failed", env!("CARGO_BIN_EXE_paceline")));
    assert!(runs[1]["next"].is_null() && runs.iter().all(|run| run["started"].as_str() <= run["last_commit"].as_str()));
    let text = job.command(&["runs", "job.toml"]).expect_code(0).stdout;
    let states: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(
        states[1..],
        ["state", "complete", "stopped", "complete", runs[0]["next"].as_str().unwrap().split(' ').next().unwrap()]
    );
    // Without a job file: what stands in ./.paceline, with the command where the file is where it should be.
    let all = job.command(&["runs", "--output", "json"]).expect_code(0);
    assert_eq!(self::runs(&all)[0]["next"], runs[0]["next"]);
    fs::rename(job.path("job.toml"), job.path("other.toml")).unwrap();
    let all = job.command(&["runs", "--output", "json"]).expect_code(0);
    assert_eq!(self::runs(&all).len(), 3);
    assert!(self::runs(&all)[0]["next"].is_null());
}

#[test]
fn a_damaged_journal_is_named_and_past_ones_are_private() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    (0..3).for_each(|_| drop(job.run(&[]).expect_code(0)));
    let folder = job.state().join("runs");
    let past: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(past.len(), 2);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&past[0])), (0o700, 0o600));
    let damage = |path: &std::path::Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[40] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    damage(&past[0]);
    let done = job.command(&["runs", "job.toml"]).expect_code(0);
    assert!(done.stdout.contains(&format!("{}` is damaged at byte ", past[0].file_name().unwrap().to_str().unwrap())));
    assert_eq!(listed(&job).iter().filter(|run| run["state"] == "complete").count(), 2);
    // A run needs none of them.
    job.run(&[]).expect_code(0);
    damage(&job.state().join("journal"));
    let done = job.command(&["runs", "job.toml", "--output", "json"]).expect_code(3);
    assert_eq!(runs(&done).iter().filter(|run| run["state"] == "complete").count(), 2);
    job.command(&["runs"]).expect_code(0);
    // The one that can't be read makes way for a run that is begun anew.
    job.run(&["--fresh"]).expect_code(0);
    assert_eq!(listed(&job).len(), 5);
}

#[test]
fn the_command_that_goes_on_says_no_secret_that_was_typed() {
    const KEY: &str = "s3cr3t-w0rd";
    let oracle = Oracle::start(|_| Answer::status(404));
    let text = format!(
        "vars.key = \"\"\nvars.api_key = \"\"\nsecrets.key.env = \"KEY\"\nsecrets.file.file = \"key.txt\"\n{JOB}"
    );
    let job = Job::at(&oracle.url(), &text).variable("KEY", KEY).with("key.txt", "0ther-s3cr3t\n");
    let typed =
        ["--var", "key=s3cr3t-w0rd", "--var", "api_key=th1rd-w0rd", "--set", "endpoints.item.headers.x='0ther-s3cr3t'"];
    job.run(&typed).expect_code(1);
    for format in ["human", "json"] {
        let done = job.command(&[&["runs", "job.toml", "--output", format], &typed[..]].concat()).expect_code(0);
        let hidden = "--var 'key=***' --var 'api_key=***' --set 'endpoints.item.headers.x=";
        assert!(done.stdout.contains(hidden) && done.stdout.contains("--failed"), "{}", done.stdout);
        for secret in [KEY, "0ther-s3cr3t", "th1rd-w0rd"] {
            assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{} {}", done.stdout, done.stderr);
        }
    }
}
