//! Many rows in one request, seen from the server: who was sent with whom, whose item is whose, and what becomes of
//! those that share a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paceline::journal;
use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Dice, Done, Job, Oracle, wait};

const JOB: &str = r#"
[endpoints.item]
method = "POST"
url = "ORACLE/bulk"
input = "rows.csv"
json = { ids = "{{ rows | map(attribute='id') | list }}" }
rows = "$.items[*]"
columns.got = "$.id"
meta = ["status", "error"]
MORE

[sinks.lines]
path = "out/lines.jsonl"

[sinks.table]
path = "out/table.csv"
"#;

fn job(oracle: &Oracle, rows: u64, more: &str) -> Job {
    let rows = (1..=rows).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"));
    Job::at(&oracle.url(), &JOB.replace("MORE", more)).with("rows.csv", rows)
}

/// The rows that a request is for: text in the CSV, and text in the request.
fn ids(request: &SeenRequest) -> Vec<u64> {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let ids = body["ids"].as_array().unwrap_or_else(|| panic!("no list: {body}"));
    ids.iter().map(|id| id.as_str().expect("text, as in the CSV").parse().expect("a row")).collect()
}

/// Items of these rows, their ids as numbers.
fn of(ids: &[u64]) -> Answer {
    let items: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    Answer::json(&json!({ "items": items }))
}

fn sent(oracle: &Oracle) -> Vec<Vec<u64>> {
    oracle.requests().iter().map(|request| ids(request)).collect()
}

/// The error of each row, of which each stands once in both files with its own item.
fn errors(job: &Job, rows: u64) -> BTreeMap<u64, Option<String>> {
    let table = csv(&job.path("out/table.csv"));
    let mut counted: Vec<u64> = table.iter().map(|line| line["id"].parse().expect("a row")).collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=rows).collect::<Vec<u64>>(), "each row stands once in the table");
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    assert_eq!(lines.len(), table.len());
    let told = lines.iter().map(|line| {
        let id: u64 = line["id"].as_str().and_then(|id| id.parse().ok()).expect("a row");
        let error = line["error"].as_str().map(str::to_owned);
        assert_eq!(line["got"], if error.is_none() { json!(id) } else { Value::Null }, "its own item: {line}");
        (id, error)
    });
    let told: BTreeMap<u64, Option<String>> = told.collect();
    assert_eq!(told.len(), lines.len(), "each row stands once in the lines");
    told
}

/// The rows that failed, with one word on all of them.
fn failed(job: &Job, rows: u64, words: &str) -> Vec<u64> {
    let errors = errors(job, rows);
    let failed = errors.iter().filter_map(|(id, error)| Some((*id, error.as_ref()?)));
    failed.inspect(|(id, error)| assert!(error.contains(words), "row {id}: {error}")).map(|(id, _)| id).collect()
}

#[test]
fn rows_go_out_together_and_never_beyond_their_batch() {
    let oracle = Oracle::start(|request| of(&ids(request)));
    let job = self::job(&oracle, 10, "chunk = 4\nconcurrency = 1");
    job.run(&[]).expect_code(0);
    assert_eq!(sent(&oracle), [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10]]);
    assert_eq!(failed(&job, 10, ""), Vec::<u64>::new());

    let oracle = Oracle::start(|request| of(&ids(request)));
    let job = self::job(&oracle, 16, "chunk = 4\nconcurrency = 1\nbatch.size = 6");
    job.run(&[]).expect_code(0);
    let expected = [vec![1, 2, 3, 4], vec![5, 6], vec![7, 8, 9, 10], vec![11, 12], vec![13, 14, 15, 16]];
    assert_eq!(sent(&oracle), expected);
    assert_eq!(failed(&job, 16, ""), Vec::<u64>::new());
}

#[test]
fn items_find_their_rows_by_what_both_have() {
    // Backwards, without every fifth, and with one that nobody asked for.
    let oracle = Oracle::start(|request| {
        let mut found: Vec<u64> = ids(request).into_iter().filter(|id| id % 5 != 0).collect();
        found.reverse();
        found.push(999);
        of(&found)
    });
    let job = job(&oracle, 23, "chunk = { size = 10, by = \"id\" }");
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("19 ok") && done.stderr.contains("4 failed"), "{}", done.stderr);
    assert_eq!(failed(&job, 23, "the reply to its chunk has no item with"), [5, 10, 15, 20]);
    assert_eq!(
        errors(&job, 23)[&5].as_deref(),
        Some("the reply to its chunk has no item with $['id'] = `5` (chunk.by)")
    );
    assert_eq!(oracle.count(), 3, "what is missing is not asked for again");
}

#[test]
fn a_wrong_number_of_items_fails_its_chunk_and_sends_no_row_again() {
    let oracle = Oracle::start(|request| {
        let ids = ids(request);
        of(&ids[usize::from(ids.contains(&5))..])
    });
    let job = job(&oracle, 12, "chunk = { size = 4, split = true }\nconcurrency = 1");
    job.run(&[]).expect_code(1);
    let words = "the reply has 3 items for the 4 rows of the chunk, so that it can't be told which is whose; if items \
                 may be missing, name what both have in common: `chunk = { size = 4, by = \"id\" }`";
    assert_eq!(failed(&job, 12, words), [5, 6, 7, 8]);
    // The server has accepted what must not be repeated.
    assert_eq!(oracle.count(), 3);
}

#[test]
fn nothing_is_no_key() {
    let oracle =
        Oracle::start(|_| Answer::json(&json!({ "items": [{ "id": null }, {}, { "id": 7 }, { "id": true }] })));
    let job = job(&oracle, 0, "chunk = { size = 9, by = \"id\" }").with("rows.csv", "id\nnull\n7\ntrue\n");
    let done = job.run(&[]).expect_code(1);
    let table = csv(&job.path("out/table.csv"));
    let told: BTreeMap<&str, &str> = table.iter().map(|line| (line["id"].as_str(), line["got"].as_str())).collect();
    assert_eq!(told, BTreeMap::from([("null", ""), ("7", "7"), ("true", "true")]));
    assert!(table.iter().all(|line| (line["id"] == "null") == line["error"].contains("no item with")), "{table:?}");
    assert!(done.stderr.contains("items that belong to none of their rows (chunk.by)"), "{}", done.stderr);
}

#[test]
fn a_chunk_that_may_have_been_done_is_not_split() {
    for (status, requests) in [(502, 1), (408, 1), (422, 15)] {
        let oracle = Oracle::start(move |_| Answer::status(status));
        let job = job(&oracle, 8, "chunk = { size = 8, split = true }\nretry.attempts = 1");
        job.run(&[]).expect_code(1);
        assert_eq!((failed(&job, 8, &status.to_string()).len(), oracle.count()), (8, requests), "{status}");
    }
}

#[test]
fn a_chunk_is_split_in_halves_down_to_the_row_that_is_to_blame() {
    let oracle = Oracle::start(|request| {
        let ids = ids(request);
        if ids.contains(&6) { Answer::text(422, "one of these is bad") } else { of(&ids) }
    });
    let job = job(&oracle, 12, "chunk = { size = 8, split = true }\nconcurrency = 1\nidempotency-key = true");
    job.run(&[]).expect_code(1);
    assert_eq!(failed(&job, 12, "422 Unprocessable"), [6]);
    let expected =
        [vec![1, 2, 3, 4, 5, 6, 7, 8], vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![5, 6], vec![7, 8], vec![5], vec![6]];
    let sent: Vec<Vec<u64>> = sent(&oracle).into_iter().filter(|ids| ids[0] <= 8).collect();
    assert_eq!(sent, expected);
    let keys: BTreeMap<_, _> = oracle
        .requests()
        .iter()
        .map(|request| (request.header("idempotency-key").map(str::to_owned), ids(request)))
        .collect();
    assert_eq!(keys.len(), oracle.count(), "another body has another key");
}

const ROWS: u64 = 2_000;
/// The last rows are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 100;

/// A job with these settings that was killed six times at seeded moments and then ran to its end.
fn killed(settings: &str) -> (Job, Oracle, Done) {
    let open = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&open);
    let oracle = Oracle::start(move |request| {
        let ids = ids(request);
        let held = ids.iter().any(|id| *id > ROWS - HELD_BACK) && !shared.load(Ordering::SeqCst);
        if held { Answer::Stall } else { of(&ids).after(Duration::from_millis(40)) }
    });
    let job = job(&oracle, ROWS, settings);
    let mut dice = Dice::printed("chunks");
    for kill in 0..6 {
        let until = oracle.count() + 1 + usize::try_from(dice.below(25)).expect("a small number");
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(Duration::from_secs(20), || (oracle.count() >= until || !run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    let done = job.run(&[]);
    (job, oracle, done)
}

#[test]
fn whatever_kills_a_run_the_row_of_a_chunk_stands_once_and_is_not_sent_twice() {
    let (job, oracle, done) = killed("chunk = 10\nconcurrency = 4");
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.stderr);
    let unknown = failed(&job, ROWS, "unknown: this POST was on the wire");
    let mut counts = BTreeMap::<u64, u32>::new();
    sent(&oracle).into_iter().flatten().for_each(|id| *counts.entry(id).or_default() += 1);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    assert_eq!(done.code, Some(i32::from(!unknown.is_empty())));
    assert!((1..=ROWS).all(|id| counts.contains_key(&id) || unknown.contains(&id)), "sent, or unknown");
}

#[test]
fn whatever_kills_a_run_a_chunk_goes_out_again_under_its_own_key() {
    let (job, oracle, done) = killed("chunk = 10\nconcurrency = 4\nidempotency-key = true");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(failed(&job, ROWS, ""), Vec::<u64>::new());
    let mut keys = BTreeMap::<u64, BTreeSet<String>>::new();
    for request in oracle.requests() {
        let key = request.header("idempotency-key").expect("a key").to_owned();
        ids(&request).into_iter().for_each(|id| _ = keys.entry(id).or_default().insert(key.clone()));
    }
    let several: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(several.is_empty(), "rows under several keys, which a server would take twice: {several:?}");
}

/// What went out before a kill and after it, sorted. Requests that `stalls` says are not answered before the kill, which
/// comes when so many rows have ended for good; those with a row that is `bad` are refused.
fn cut_off(
    settings: &str,
    (rows, ended): (u64, u64),
    stalls: fn(&[u64]) -> bool,
    bad: u64,
) -> (Vec<Vec<u64>>, Vec<Vec<u64>>) {
    let fine = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&fine);
    let oracle = Oracle::start(move |request| {
        let ids = ids(request);
        match () {
            () if stalls(&ids) && !shared.load(Ordering::SeqCst) => Answer::Stall,
            () if ids.contains(&bad) => Answer::status(422),
            () => of(&ids),
        }
    });
    let job = job(&oracle, rows, settings);
    let run = job.spawn(&[]);
    wait::until("a commit, and all that stalls on the wire", Duration::from_secs(60), || {
        let found = journal::peek(&job.state()).expect("a journal")?;
        let stalled = sent(&oracle).iter().filter(|ids| stalls(ids)).count();
        (found.last.done.first()?.len() == ended && stalled == 3).then_some(())
    });
    assert_eq!(run.kill().code, None);
    fine.store(true, Ordering::SeqCst);
    let before = oracle.count();
    job.run(&[]).expect_code(i32::from(bad > 0));
    assert_eq!(failed(&job, rows, "422").len(), usize::from(bad > 0));
    let mut requests = sent(&oracle);
    let mut after = requests.split_off(before);
    requests.sort();
    after.sort();
    (requests, after)
}

#[test]
fn chunks_that_batches_cut_are_cut_there_again_after_a_kill() {
    let settings = "chunk = 4\nconcurrency = 6\nidempotency-key = true\nbatch = { size = 6, in-flight = 3 }";
    let (before, after) = cut_off(settings, (20, 6), |ids| ids.len() == 4, 0);
    let cut = |numbers: [u64; 3]| numbers.map(|first| (first..first + 4).collect::<Vec<u64>>());
    assert_eq!(before[..2], [vec![1, 2, 3, 4], vec![5, 6]]);
    assert_eq!(after[..3], cut([1, 7, 13]), "those that were cut off go out again as they were");
    assert_eq!(after[3..], [vec![19, 20]]);
}

#[test]
fn the_parts_of_a_split_chunk_are_the_same_after_a_kill() {
    let settings = "chunk = { size = 8, split = true }\nconcurrency = 6\nidempotency-key = true";
    let (before, after) = cut_off(settings, (16, 2), |ids| matches!(ids[0], 3 | 5 | 9), 1);
    let cut_off = [vec![3, 4], vec![5, 6, 7, 8], (9..=16).collect::<Vec<u64>>()];
    assert!(cut_off.iter().all(|chunk| before.contains(chunk)), "{before:?}");
    assert_eq!(after, cut_off);
}

#[test]
fn a_chunk_that_is_cut_off_makes_all_of_its_rows_unknown() {
    let fine = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&fine);
    let oracle = Oracle::start(move |request| {
        let ids = ids(request);
        if ids[0] > 8 && !shared.load(Ordering::SeqCst) { Answer::Stall } else { of(&ids) }
    });
    let job = job(&oracle, 20, "chunk = 4\nconcurrency = 2");
    let run = job.spawn(&[]);
    wait::until("a commit, and two chunks on the wire", Duration::from_secs(60), || {
        let found = journal::peek(&job.state()).expect("a journal")?;
        (found.last.done.first()?.len() == 8 && oracle.count() == 4).then_some(())
    });
    assert_eq!(run.kill().code, None);
    fine.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(1);
    assert_eq!(failed(&job, 20, "unknown: this POST was on the wire"), (9..=16).collect::<Vec<u64>>());
    assert_eq!(sent(&oracle).last(), Some(&vec![17, 18, 19, 20]));
    assert_eq!(oracle.count(), 5, "none is sent twice");
}
