//! Where the stream goes: the end of a file, standard output, a pipe; and what happens when it can't go there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::stream::{fits, schema, sessions};
use crate::readme::blocks;
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle, wait};

/// Longer than anything takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(120);

const JOB: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 50 }

[sinks.out]
path = "out.csv"
on-existing = "replace"
"#;

fn job(oracle: &Oracle) -> Job {
    Job::at(&oracle.url(), JOB)
}

fn names(text: &str) -> Vec<String> {
    let all = sessions(text);
    all.iter().flat_map(|session| &session.lines).map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_goes_behind_the_last_one_and_a_torn_line_is_taken_away() {
    let oracle = Oracle::start(item);
    let job = job(&oracle);
    job.run(&["--events", "new/events.ndjson"]).expect_code(0);
    let first = job.read("new/events.ndjson");
    fs::write(job.path("new/events.ndjson"), format!("{first}{{\"version\":1,\"sess")).unwrap();
    job.run(&["--events", "new/events.ndjson"]).expect_code(0);
    let both = job.read("new/events.ndjson");
    assert!(both.starts_with(&first));
    let all = sessions(&both);
    assert_eq!(all.len(), 2);
    assert_ne!(all[0].run(), all[1].run());
    all.iter().for_each(super::Session::is_whole);
}

#[test]
fn without_detail_no_row_that_ends_well_is_told() {
    let fails = |request: &crate::support::oracle::SeenRequest| match request.id() {
        "7" => Answer::status(404),
        _ => item(request),
    };
    let oracle = Oracle::start(fails);
    let job = job(&oracle);
    job.run(&["--events", "events.ndjson"]).expect_code(1);
    let text = job.read("events.ndjson");
    let names = names(&text);
    let kinds: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let expected =
        ["committed", "endpoint-finished", "endpoint-started", "progress", "row-failed", "run-finished", "run-started"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected, "{text}");
    let all = sessions(&text);
    let failed: Vec<&Value> = all[0].lines.iter().filter(|line| line["event"] == "row-failed").collect();
    assert!(failed.len() == 1 && failed[0]["row"] == 7, "rows are counted from one: {failed:?}");
    job.run(&["--events", "rows.ndjson", "--events-detail", "rows"]).expect_code(1);
    let rows = self::names(&job.read("rows.ndjson"));
    assert_eq!(rows.iter().filter(|name| *name == "row-ended").count(), 50);
    assert!(!rows.iter().any(|name| name == "attempted"));
}

#[test]
fn standard_output_is_for_one_of_both() {
    let oracle = Oracle::start(item);
    let job = job(&oracle);
    let done = job.run(&["--events", "-", "-q"]).expect_code(0);
    assert_eq!(names(&done.stdout).last().map(String::as_str), Some("run-finished"));
    let done = job.run(&["--events", "-", "--set", "sinks.lines={stdout=\"jsonl\"}"]).expect_code(2);
    assert!(done.stderr.contains("sinks.lines") && done.stderr.contains("--events events.ndjson"), "{}", done.stderr);
    let lines = ["--events", "/dev/stdout", "--set", "sinks.lines={stdout=\"jsonl\"}"];
    let done = job.run(&lines).expect_code(2);
    let words = "--events /dev/stdout would write between the records of sinks.lines";
    assert!(done.stderr.contains(words) && done.stderr.contains("with /dev/stderr"), "{}", done.stderr);
    let one = "\"$PACELINE\" run job.toml --events /dev/stderr --set 'sinks.lines={stdout=\"jsonl\"}' 2>&1";
    let done = job.shell(one).expect_code(2);
    assert!(done.stdout.contains("--events /dev/stderr would write between"), "{}", done.stdout);
    assert!(!done.stdout.contains("with /dev/stderr"), "that is no way out here: {}", done.stdout);
    let done = job.run(&["--events", "./out.csv"]).expect_code(2);
    assert!(done.stderr.contains("sinks.out go there"), "{}", done.stderr);
    let done = job.run(&["--events-detail", "rows"]).expect_code(2);
    assert!(done.stderr.contains("--events"), "{}", done.stderr);
    assert_eq!(oracle.count(), 50);
}

#[test]
fn a_full_disk_and_a_reader_that_leaves_are_warnings_and_fail_nothing() {
    let oracle = Oracle::start(item);
    let job = job(&oracle);
    let words = "no more events are written to /dev/full: No space left on device";
    let done = job.run(&["--events", "/dev/full"]).expect_code(0);
    assert_eq!(done.stderr.matches(&format!("warning   {words}")).count(), 1, "{}", done.stderr);
    let session = |recap: &serde_json::Value| recap["sessions"][0]["warnings"][0].as_str().unwrap().to_owned();
    let kept = job.command(&["report", "job.toml", "--json"]).expect_code(0).stdout;
    assert!(session(&serde_json::from_str(&kept).unwrap()).starts_with(words), "{kept}");
    let done = job.run(&["--events", "/dev/full", "--output", "json"]).expect_code(0);
    let summary: Value = serde_json::from_str(&done.stderr).expect("one object");
    assert!(summary["warnings"][0].as_str().is_some_and(|warning| warning.starts_with(words)), "{summary}");
    let done = job.run(&["--events", "/dev/full", "-q"]).expect_code(0);
    assert_eq!(done.stderr, "");
    let line = "{ \"$PACELINE\" run job.toml --events - --events-detail attempts; echo $? > code; } | head -n 0";
    let done = job.shell(line).expect_code(0);
    assert_eq!(job.read("code").trim(), "0", "{}", done.stderr);
    let words = "warning   no more events are written to standard output";
    assert_eq!(done.stderr.matches(words).count(), 1, "{}", done.stderr);
}

#[test]
fn what_broke_is_told_while_the_run_goes_on_and_stands_in_the_log() {
    let oracle = Oracle::start(item);
    let job = job(&oracle);
    job.change("job.toml", "input.range", "rate = \"50/s\"\ninput.range");
    let done = job.run(&["--events", "/dev/full", "--log-file", "run.log"]).expect_code(0);
    let words = "no more events are written to /dev/full: ";
    let (told, log) = (done.stderr.matches(words).count(), job.read("run.log"));
    assert_eq!((told, log.matches(words).count()), (2, 1), "once at once, once at the end: {}\n{log}", done.stderr);
}

#[test]
fn no_text_of_a_stream_holds_a_secret_whoever_says_it() {
    let oracle = Oracle::start(item);
    let secret = "kanarie-\"vogel\"";
    let text = "[secrets]\nword.env = \"WORD\"\n\n[endpoints.item]\nurl = \"ORACLE/items/{{ row.id }}\"\n\
                headers.x-key = \"{{ secrets.word }}\"\ninput.path = 'rows-SECRET.jsonl'\n\n\
                [sinks.out]\npath = 'out-SECRET.csv'\n";
    let rows = format!("{{\"id\": 1}}\n{{\"id\": {secret}}}\n");
    let job = Job::at(&oracle.url(), &text.replace("SECRET", secret)).variable("WORD", secret);
    let job = job.with(&format!("rows-{secret}.jsonl"), &rows);
    job.run(&["--events", "events.ndjson", "--events-detail", "attempts"]).expect_code(1);
    let stream = job.read("events.ndjson");
    assert!(!stream.contains("kanarie") && !stream.contains("vogel"), "{stream}");
    let all = sessions(&stream);
    let failed = all[0].lines.iter().find(|line| line["event"] == "row-failed").expect("the second row");
    let last = all[0].last();
    for reason in [&failed["reason"], &last["failures"][0]["reason"]] {
        assert!(reason.as_str().is_some_and(|reason| reason.contains("line 2 of rows-***.jsonl")), "{reason}");
    }
    assert_eq!((&last["ending"], &last["outputs"][0]["sink"]), (&"complete".into(), &"out".into()));
}

#[test]
fn a_pipe_and_a_file_of_something_else() {
    let oracle = Oracle::start(item);
    let job = job(&oracle).with("notes.txt", "mine\n");
    job.shell("mkfifo pipe && { cat pipe > taken & } && \"$PACELINE\" run -q job.toml --events pipe && wait")
        .expect_code(0);
    assert_eq!(names(&job.read("taken")).first().map(String::as_str), Some("run-started"));
    let done = job.run(&["--events", "notes.txt"]).expect_code(3);
    assert!(done.stderr.contains("something else than events"), "{}", done.stderr);
    assert_eq!((job.read("notes.txt").as_str(), oracle.count()), ("mine\n", 50));
}

/// The names that the schema knows.
fn known() -> BTreeSet<String> {
    let schema = schema();
    let names = schema["oneOf"].as_array().unwrap().iter().map(|event| event["properties"]["event"]["const"].as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

#[test]
fn the_page_on_events_has_an_example_of_each_and_all_of_them_fit_the_schema() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md")).unwrap();
    let examples = blocks(&page).into_iter().filter(|block| block.language == "json");
    let lines: Vec<Value> = examples.map(|block| serde_json::from_str(&block.text).unwrap()).collect();
    lines.iter().for_each(fits);
    let shown: BTreeSet<String> = lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, known());
}

#[test]
fn a_line_with_a_wrong_or_missing_field_does_not_fit() {
    let oracle = Oracle::start(item);
    let job = job(&oracle);
    job.run(&["--events", "events.ndjson"]).expect_code(0);
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let all = sessions(&job.read("events.ndjson"));
    let wrong = [("seq", Value::Null), ("event", "run-begun".into()), ("version", 2.into()), ("time", "now".into())];
    for line in &all[0].lines {
        for (field, value) in &wrong {
            let mut line = line.clone();
            line[field] = value.clone();
            assert!(!validator.is_valid(&line), "{line}");
        }
        let mut fields = line.as_object().unwrap().clone();
        for name in line.as_object().unwrap().keys() {
            let value = fields.shift_remove(name).unwrap();
            let optional = value.is_null();
            assert!(optional || !validator.is_valid(&fields.clone().into()), "{line} fits without {name}");
            fields.insert(name.clone(), value);
        }
    }
}

#[test]
fn the_schema_is_the_one_in_the_repository() {
    let job = Job::new("");
    let printed = job.command(&["schema", "events"]).expect_code(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), schema());
    job.command(&["schema", "events", "--markdown"]).expect_code(2);
}

#[test]
fn who_reads_slowly_gets_every_event_and_what_is_missing_is_told_where_nobody_waits_for_that() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), &JOB.replace("to = 50", "to = 1_000"));
    job.shell("mkfifo slow").expect_code(0);
    for waits in [true, false] {
        let _ = fs::remove_file(job.path("out.csv"));
        let mut run = job.spawn(&["--fresh", "--events", "slow", "--events-detail", "attempts"]);
        // Opened and not read: the pipe holds a part of the events, and the rest waits.
        let mut reader = fs::File::open(job.path("slow")).unwrap();
        let is_written = || (fs::read_to_string(job.path("out.csv")).ok()?.lines().count() == 1_001).then_some(());
        wait::until("every record", LONG, is_written);
        if waits {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(names(&text).last().map(String::as_str), Some("run-finished"));
            assert_eq!(names(&text).iter().filter(|name| *name == "attempted").count(), 1_000);
            assert!(!run.wait().expect_code(0).stderr.contains("taken by nobody"));
            continue;
        }
        // The first may come before the end, where it drains a run that has nothing left.
        for _ in 0..2 {
            run.signal("INT");
            if wait::within(Duration::from_secs(5), || (!run.is_running()).then_some(())).is_some() {
                break;
            }
        }
        let done = run.wait().expect_code(0);
        assert!(done.stderr.contains("events were taken by nobody"), "{}", done.stderr);
    }
}
