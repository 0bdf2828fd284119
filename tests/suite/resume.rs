//! When a run goes on, from where, and when it is refused instead.
//!
//! A run with `--limit` that did not see the end of its input is unfinished: most tests begin with one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::oracle::script::item;
use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Done, Job, Oracle, wait};

const JOB: &str = r#"
[vars]
unit = "kg"

[retry]
initial = "10ms"

[endpoints.item]
url = "ORACLE/items/{{ row.id }}?unit={{ vars.unit }}"
input = "rows.csv"
concurrency = 4
columns.got = "$.id"

[sinks.out]
path = "out/records.csv"
"#;

const ROWS: u64 = 200;

fn rows() -> String {
    (1..=ROWS).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"))
}

fn job(oracle: &Oracle) -> Job {
    Job::at(&oracle.url(), JOB).with("rows.csv", rows())
}

/// A job whose first ten rows have ended.
fn unfinished(oracle: &Oracle) -> Job {
    let job = job(oracle);
    job.run(&["--limit", "10"]).expect_code(0);
    assert_eq!(oracle.count(), 10);
    job
}

/// Every row stands once.
fn whole(job: &Job, rows: u64) {
    let records = csv(&job.path("out/records.csv"));
    let ids: BTreeSet<u64> = records.iter().map(|record| record["id"].parse().expect("an id")).collect();
    assert_eq!((records.len() as u64, ids), (rows, (1..=rows).collect()));
}

fn says(done: &Done, words: &[&str]) {
    for words in words {
        assert!(done.stderr.contains(words), "{words} is missing:\n{}", done.stderr);
    }
}

#[test]
fn the_command_that_an_interrupted_run_prints_goes_on_with_it() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let oracle = Oracle::start(|request| item(request).after(Duration::from_millis(5)));
        let job = job(&oracle);
        let arguments = ["--var", "unit=a b'c", "--set", "endpoints.item.concurrency=1"];
        let run = job.spawn(&arguments);
        wait::until("work", Duration::from_secs(60), || (oracle.count() >= 20).then_some(()));
        run.signal(signal);
        let done = run.wait().expect_code(code);
        let before = csv(&job.path("out/records.csv")).len();
        assert!((19..ROWS as usize).contains(&before), "{before} records");
        assert_eq!(oracle.count(), before, "what was on the wire has ended and is noted");
        let command = done.stderr.lines().find_map(|line| line.strip_prefix("resume "));
        let command = command.unwrap_or_else(|| panic!("no command: {}", done.stderr)).trim();
        job.shell(command).expect_code(0);
        assert_eq!(oracle.count(), ROWS as usize, "nothing is asked for twice");
        assert!(oracle.requests().iter().all(|request| request.query == "unit=a%20b%27c"));
        whole(&job, ROWS);
    }
}

#[test]
fn after_a_limit_the_run_goes_on_with_the_next_row() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    whole(&job, 10);
    job.run(&["--limit", "10"]).expect_code(0);
    assert_eq!(oracle.count(), 10, "the first ten rows have ended");
    job.run(&["--limit", "15"]).expect_code(0);
    let done = job.run(&[]).expect_code(0);
    says(&done, &["200 ok", "15 in earlier sessions"]);
    let ids: Vec<u64> = oracle.requests().iter().map(|request| request.id().parse().expect("a row")).collect();
    let (mut early, mut late) = (ids[10..15].to_vec(), ids[15..].to_vec());
    early.sort_unstable();
    late.sort_unstable();
    assert_eq!((early, late), ((11..=15).collect(), (16..=ROWS).collect()));
    whole(&job, ROWS);
}

#[test]
fn what_would_send_or_write_something_else_is_refused_with_key_old_and_new() {
    let second = "\n[sinks.more]\npath = \"more.jsonl\"\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("/items/", "/things/", &["endpoints.item.url", "/items/{{ row.id }}", "/things/{{ row.id }}"]),
        ("columns.got = \"$.id\"", "columns.got = \"$.price\"", &["endpoints.item.columns.got", "$.id", "$.price"]),
        ("concurrency", "method = \"PUT\"\nconcurrency", &["endpoints.item.method", "GET", "PUT"]),
        ("concurrency", "headers.x-a = \"1\"\nconcurrency", &["endpoints.item.headers.x-a", "(none)", "1"]),
        ("unit = \"kg\"", "unit = \"lb\"", &["vars.unit", "kg", "lb"]),
        ("out/records", "out/others", &["sinks.out.target", "out/records.csv", "out/others.csv"]),
        ("records.csv\"\n", &format!("records.csv\"\n{second}"), &["sinks.more.kind", "(none)", "jsonl"]),
        ("records.csv\"\n", "records.csv\"\nrows = \"failed\"\n", &["sinks.out.rows", "all", "failed"]),
    ];
    for (from, to, words) in cases {
        let oracle = Oracle::start(item);
        let job = unfinished(&oracle);
        job.change("job.toml", from, to);
        let done = job.run(&[]).expect_code(3);
        says(&done, words);
        says(&done, &["--accept-changes", "--fresh"]);
        assert_eq!(oracle.count(), 10, "{to}: nothing was sent");
        whole(&job, 10);
    }
}

#[test]
fn pace_patience_and_words_may_change_in_the_middle() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    job.change("job.toml", "concurrency = 4", "concurrency = 9\nrate = \"5000/s\"\nburst = 50");
    job.change("job.toml", "initial = \"10ms\"", "initial = \"20ms\"\nattempts = 2");
    job.change("job.toml", "[vars]", "description = \"other words\"\nbatch.size = 30\ntimeout.read = \"9s\"\n\n[vars]");
    job.change("job.toml", "unit = \"kg\"", "unit = \"kg\"\nunused = 1");
    job.run(&[]).expect_code(0);
    assert_eq!(oracle.count(), ROWS as usize);
    whole(&job, ROWS);
}

#[test]
fn changes_that_are_accepted_count_from_here_on() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    job.change("job.toml", "/items/", "/things/");
    job.run(&["--accept-changes", "--limit", "20"]).expect_code(0);
    whole(&job, 20);
    let things = |from: usize| oracle.requests()[from..].iter().all(|request| request.path.starts_with("/things/"));
    assert!(oracle.count() == 20 && things(10));
    job.run(&["--accept-changes"]).expect_code(0);
    assert!(oracle.count() == ROWS as usize && things(10));
    whole(&job, ROWS);
}

#[test]
fn changes_that_were_accepted_need_not_be_accepted_again() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    job.change("job.toml", "/items/", "/things/");
    job.run(&["--accept-changes", "--limit", "20"]).expect_code(0);
    job.run(&[]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn fresh_begins_anew_and_asks_for_every_row() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    job.change("job.toml", "/items/", "/things/");
    let refused = job.run(&["--fresh"]).expect_code(3);
    says(&refused, &["out/records.csv", "exists", "on-existing"]);
    assert_eq!(oracle.count(), 10);
    whole(&job, 10);
    job.change("job.toml", "records.csv\"", "records.csv\"\non-existing = \"replace\"");
    job.run(&["--fresh"]).expect_code(0);
    assert_eq!(oracle.count(), 10 + ROWS as usize);
    whole(&job, ROWS);
}

#[test]
fn an_input_that_changed_is_refused() {
    for content in [rows() + "201\n", rows().replace("\n77\n", "\n78\n"), rows().replace("id\n", "id,name\n")] {
        let oracle = Oracle::start(item);
        let job = unfinished(&oracle).with("rows.csv", content);
        let done = job.run(&[]).expect_code(3);
        says(&done, &["endpoints.item.input (content)", "bytes", "--accept-changes", "--fresh"]);
        assert_eq!(oracle.count(), 10);
    }
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle).with("rows.csv", rows() + "201\n");
    job.run(&["--accept-changes"]).expect_code(0);
    whole(&job, ROWS + 1);
}

#[test]
fn an_output_that_was_edited_or_cut_is_refused_with_its_place() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    let text = job.read("out/records.csv");
    let length = text.len();
    let edited = text.replacen("200", "204", 1);
    let cases: &[(Option<&str>, &[&str])] = &[
        (Some(&edited), &["was edited", "byte"]),
        (Some(&text[..length - 7]), &["bytes", "committed"]),
        (Some(""), &["0 bytes", "committed"]),
        (None, &["is gone", "committed"]),
    ];
    for (content, words) in cases {
        match content {
            Some(content) => std::fs::write(job.path("out/records.csv"), content).expect("a file"),
            None => std::fs::remove_file(job.path("out/records.csv")).expect("a file"),
        }
        let done = job.run(&[]).expect_code(3);
        says(&done, words);
        says(&done, &["out/records.csv", &length.to_string(), "--fresh"]);
        assert_eq!(oracle.count(), 10, "nothing was sent");
        let now = std::fs::read_to_string(job.path("out/records.csv")).ok();
        assert_eq!(now.as_deref(), *content, "what stands there is nobody's to touch");
    }
    // What stands behind the last commit is of rows that will be sent again.
    std::fs::write(job.path("out/records.csv"), text + "11,11,200,1,").expect("a file");
    job.run(&[]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn a_complete_run_is_begun_anew_as_the_sink_says() {
    for (choice, code, asked, lines) in [("error", 3, 1, 1), ("replace", 0, 2, 1), ("append", 0, 2, 2)] {
        let oracle = Oracle::start(item);
        let job = job(&oracle);
        job.change("job.toml", "records.csv\"", &format!("records.csv\"\non-existing = \"{choice}\""));
        job.run(&[]).expect_code(0);
        let done = job.run(&[]).expect_code(code);
        if code == 3 {
            says(&done, &["out/records.csv", "exists", "on-existing", "append", "replace"]);
        }
        assert_eq!(oracle.count(), asked * ROWS as usize, "{choice}");
        let records = csv(&job.path("out/records.csv"));
        assert_eq!(records.len(), lines * ROWS as usize, "{choice}");
        assert!(records.iter().all(|record| record["id"] == record["got"]), "{choice}: one header");
    }
}

#[test]
fn a_damaged_journal_is_refused_with_its_place() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    let journal = job.state().join("journal");
    let whole_journal = std::fs::read(&journal).expect("a journal");
    for (flip, words) in [(40, "damaged at byte 12"), (13, "damaged at byte 12"), (2, "not a journal"), (8, "version")]
    {
        let mut bytes = whole_journal.clone();
        bytes[flip] ^= 0x40;
        std::fs::write(&journal, bytes).expect("a journal");
        let done = job.run(&[]).expect_code(3);
        says(&done, &[words, "--fresh", "journal"]);
        assert_eq!(oracle.count(), 10);
        whole(&job, 10);
    }
    // A torn end is what a kill leaves: the run goes on from the commit before.
    std::fs::write(&journal, &whole_journal[..whole_journal.len() - 5]).expect("a journal");
    job.run(&[]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn fresh_is_the_way_out_of_a_damaged_journal() {
    let oracle = Oracle::start(item);
    let job = unfinished(&oracle);
    let journal = job.state().join("journal");
    let mut bytes = std::fs::read(&journal).expect("a journal");
    bytes[40] ^= 0x40;
    std::fs::write(&journal, bytes).expect("a journal");
    job.change("job.toml", "records.csv\"", "records.csv\"\non-existing = \"replace\"");
    job.run(&["--fresh"]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let oracle = Oracle::start(move |request| match request.id() {
        "1" if !opened.load(Ordering::SeqCst) => Answer::status(503),
        _ => item(request),
    });
    let job = job(&oracle);
    let first = job.spawn(&["--set", "retry.attempts=100000", "--set", "retry.max=\"20ms\""]);
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= 20).then_some(()));
    for arguments in [&["-q"] as &[&str], &["--fresh"], &["--failed"], &["--accept-changes"]] {
        let refused = job.run(arguments).expect_code(3);
        says(&refused, &[&format!("process {}", first.pid()), "lock"]);
    }
    open.store(true, Ordering::SeqCst);
    first.wait().expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn two_runs_that_write_one_file_do_not_both_begin() {
    let oracle = Oracle::start(|_| Answer::Stall);
    let job = job(&oracle);
    let first = job.spawn(&[]);
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= 1).then_some(()));
    let quick = ["--state", "elsewhere", "--set", "timeout.read=\"50ms\"", "--set", "retry.attempts=1"];
    let refused = job.run(&quick).expect_code(3);
    says(&refused, &["out/records.csv"]);
    first.kill();
}

/// An unfinished job to which an endpoint and a sink for it were added, accepted, and cut off again.
fn grown(oracle: &Oracle, sink: &str, first: bool) -> Job {
    let job = unfinished(oracle);
    let endpoint = "[endpoints.added]\nurl = \"URL/added/{{ row.value }}\"\ninput.range = { from = 1, to = 50 }\n";
    let endpoint = endpoint.replace("URL", &oracle.url());
    // What stands first moves what the journal holds by position.
    job.change("job.toml", "[endpoints.item]", &format!("{endpoint}\n[endpoints.item]"));
    let (added, out) = (format!("[sinks.added]\nfrom = [\"added\"]\n{sink}\n"), "[sinks.out]\nfrom = [\"item\"]");
    job.change("job.toml", "[sinks.out]", &if first { format!("{added}\n{out}") } else { out.to_owned() });
    if !first {
        job.change("job.toml", "records.csv\"\n", &format!("records.csv\"\n\n{added}"));
    }
    job.run(&["--accept-changes", "--limit", "20"]).expect_code(0);
    job
}

#[test]
fn endpoints_that_were_added_and_accepted_keep_their_state() {
    let oracle = Oracle::start(item);
    let job = grown(&oracle, "stdout = \"jsonl\"", false);
    job.run(&["--accept-changes"]).expect_code(0);
    let twice: Vec<_> = oracle.count_by_path().into_iter().filter(|(_, count)| *count > 1).collect();
    assert_eq!(twice, [], "asked for twice");
    whole(&job, ROWS);
}

#[test]
fn sinks_that_were_added_and_accepted_keep_their_place() {
    let oracle = Oracle::start(item);
    let job = grown(&oracle, "path = \"out/added.jsonl\"", true);
    job.run(&["--accept-changes"]).expect_code(0);
    whole(&job, ROWS);
    let added = std::fs::read_to_string(job.path("out/added.jsonl")).expect("records");
    assert_eq!(added.lines().count(), 50);
}

#[test]
fn an_unfinished_run_of_standard_input_can_not_go_on() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), &JOB.replace("input = \"rows.csv\"", "input.stdin = \"csv\"")).input(&rows());
    let slow = ["--set", "endpoints.item.rate=\"20/s\"", "--set", "endpoints.item.burst=5"];
    let running = job.spawn(&slow);
    wait::until("five requests", Duration::from_secs(20), || (oracle.count() >= 5).then_some(()));
    running.signal("INT");
    let cut_off = running.wait().expect_code(130);
    assert!(!cut_off.stderr.contains("resume"), "a command that would be refused: {}", cut_off.stderr);
    for arguments in [&[] as &[&str], &["--accept-changes"], &["--failed"]] {
        let done = job.run(arguments).expect_code(3);
        says(&done, &["endpoints.item", "standard input", "--fresh"]);
    }
    job.change("job.toml", "records.csv\"", "records.csv\"\non-existing = \"replace\"");
    job.run(&["--fresh"]).expect_code(0);
    whole(&job, ROWS);
}

#[test]
fn endpoints_and_sinks_may_change_places() {
    let oracle = Oracle::start(item);
    let endpoint = |name: &str| {
        format!(
            "[endpoints.{name}]\nurl = \"ORACLE/{name}/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 20 }}\n"
        )
    };
    let sink = |name: &str| format!("[sinks.{name}]\npath = \"out/{name}.jsonl\"\nfrom = [\"{name}\"]\n");
    let one = [endpoint("a"), endpoint("b"), sink("a"), sink("b")].concat().replace("ORACLE", &oracle.url());
    let other = [endpoint("b"), endpoint("a"), sink("b"), sink("a")].concat().replace("ORACLE", &oracle.url());
    let job = Job::new(&one);
    job.run(&["--limit", "5"]).expect_code(0);
    job.run(&["--limit", "7", "--set", "endpoints.b.concurrency=1"]).expect_code(0);
    std::fs::write(job.path("job.toml"), &other).expect("a job");
    job.run(&["--limit", "11"]).expect_code(0);
    std::fs::write(job.path("job.toml"), &one).expect("a job");
    job.run(&[]).expect_code(0);
    for name in ["a", "b"] {
        let mut values: Vec<u64> = jsonl_file(&job.path(&format!("out/{name}.jsonl")))
            .iter()
            .map(|record| record["value"].as_u64().expect("a value"))
            .collect();
        values.sort_unstable();
        assert_eq!(values, (1..=20).collect::<Vec<_>>(), "{name}");
    }
    assert_eq!(oracle.count(), 40);
}
