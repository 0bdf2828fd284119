//! Streams of runs that are interrupted and killed: each event stands once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{HEAD, chunk, event, row_of};
use crate::support::dice::kills;
use crate::support::oracle::Piece;
use crate::support::output::jsonl_file;
use crate::support::{Answer, Dice, Job, Oracle, wait};

const ROWS: u64 = 6;
const EVENTS: u64 = 300;

const JOB: &str = r#"
[endpoints.s]
input.range = { from = 1, to = 6 }
concurrency = 3
meta = ["message", "event_id", "error"]
columns = { seq = "$.seq" }

[endpoints.s.sse]
url = "ORACLE/row/{{ row.value }}"
until.messages = 300
reconnect = { initial = "1ms", max = "5ms" }

[sinks.out]
path = "out.jsonl"
"#;

/// Events go on behind the id that the client names; the last ones do not come before `most` lets them.
fn server(most: &Arc<AtomicU64>) -> Oracle {
    let most = Arc::clone(most);
    Oracle::start(move |request| {
        let after = request.header("last-event-id").map_or(0, |id| id.parse::<u64>().expect("an id of ours"));
        let told = |seq| [chunk(event(seq).as_bytes()), Piece::Pause(Duration::from_millis(2))];
        let all = (after + 1..=most.load(Ordering::SeqCst)).flat_map(told);
        Answer::raw(HEAD, all.chain([Piece::Silence]))
    })
}

fn all_once(job: &Job) {
    let mut seqs = BTreeMap::<u64, Vec<u64>>::new();
    for record in jsonl_file(&job.path("out.jsonl")) {
        assert!(record["error"].is_null(), "{record}");
        let seq = record["seq"].as_u64().expect("a number");
        assert_eq!(
            (&record["message"], record["event_id"].as_str()),
            (&record["seq"], Some(&*seq.to_string())),
            "{record}"
        );
        seqs.entry(record["value"].as_u64().expect("a row")).or_default().push(seq);
    }
    let expected: BTreeMap<u64, Vec<u64>> = (1..=ROWS).map(|row| (row, (1..=EVENTS).collect())).collect();
    assert_eq!(seqs, expected);
}

#[test]
fn an_interrupted_stream_goes_on_behind_what_was_written() {
    let most = Arc::new(AtomicU64::new(EVENTS - 10));
    let oracle = server(&most);
    let job = Job::at(&oracle.url(), JOB);
    let run = job.spawn(&[]);
    wait::until("three streams", Duration::from_secs(60), || (oracle.count() >= 3).then_some(()));
    run.signal("INT");
    run.wait().expect_code(130);
    wait::until("the end of all streams", Duration::from_secs(10), || (oracle.connections().open == 0).then_some(()));
    let had: BTreeMap<u64, u64> = jsonl_file(&job.path("out.jsonl"))
        .iter()
        .map(|record| (record["value"].as_u64().expect("a row"), record["seq"].as_u64().expect("a number")))
        .collect();
    most.store(EVENTS, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    all_once(&job);
    for request in &oracle.requests()[3..] {
        let known = had.get(&row_of(request)).map(u64::to_string);
        assert_eq!(request.header("last-event-id"), known.as_deref(), "{request:?}");
    }
}

#[test]
fn whatever_kills_a_run_each_event_stands_once() {
    let mut dice = Dice::printed("streams");
    let most = Arc::new(AtomicU64::new(EVENTS - 10));
    let oracle = server(&most);
    let job = Job::at(&oracle.url(), JOB);
    for kill in 0..kills(10) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    }
    most.store(EVENTS, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    all_once(&job);
}
