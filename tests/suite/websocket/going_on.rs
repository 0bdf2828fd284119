//! Runs of sockets that are interrupted and killed: what was committed stands once, and a subscription goes on behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{all_closed, row_of};
use crate::support::dice::goes_on;
use crate::support::oracle::ws::{Act, Part, Seen, Sockets, TEXT};
use crate::support::output::jsonl_file;
use crate::support::{Dice, Job, wait};

const ROWS: u64 = 8;
const MESSAGES: u64 = 400;

const JOB: &str = r#"
[endpoints.s]
input.range = { from = 1, to = 8 }
concurrency = 4
meta = ["message", "error"]
columns = { seq = "$.seq" }

[endpoints.s.websocket]
url = "ORACLE/row/{{ row.value }}"
send = [{ json = { after = "{{ last.seq }}" } }]
until.messages = 400
reconnect = { initial = "1ms", max = "5ms" }

[sinks.out]
path = "out.jsonl"
"#;

/// Numbers go on behind the one that the client names, a few at a time; no socket says its last message before `open` lets it.
fn server(most: &Arc<AtomicU64>) -> Sockets {
    let most = Arc::clone(most);
    Sockets::start(move |_| {
        let most = most.load(Ordering::SeqCst);
        Part::of([Act::Hear(1), Act::Count { until: most, every: Duration::from_millis(2) }, Act::Closed, Act::Drop])
    })
}

fn messages(job: &Job) -> BTreeMap<u64, Vec<u64>> {
    let mut messages = BTreeMap::<u64, Vec<u64>>::new();
    for record in jsonl_file(&job.path("out.jsonl")) {
        assert_eq!(record["error"], Value::Null, "{record}");
        let seq = record["seq"].as_u64().expect("a number");
        assert_eq!(record["message"], seq, "messages are counted over connections and sessions: {record}");
        messages.entry(record["value"].as_u64().expect("a row")).or_default().push(seq);
    }
    messages
}

/// Each message of each row stands once, in order.
fn all_once(job: &Job) {
    let messages = messages(job);
    assert_eq!(messages.keys().copied().collect::<Vec<_>>(), (1..=ROWS).collect::<Vec<_>>());
    for (row, seqs) in messages {
        assert_eq!(seqs, (1..=MESSAGES).collect::<Vec<_>>(), "row {row}");
    }
}

/// The number behind which a connection wanted to go on.
fn after(seen: &Seen) -> u64 {
    let asked = seen.frames.iter().find(|frame| frame.opcode == TEXT).expect("a subscription");
    let asked: Value = serde_json::from_slice(&asked.payload).expect("JSON");
    asked["after"].as_u64().unwrap_or(0)
}

#[test]
fn an_interrupt_says_goodbye_and_the_next_run_goes_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let most = Arc::new(AtomicU64::new(MESSAGES - 10));
        let server = server(&most);
        let job = Job::at(&server.url(), JOB);
        let run = job.spawn(&[]);
        wait::until("four sockets", Duration::from_secs(60), || (server.seen().len() >= 4).then_some(()));
        run.signal(signal);
        let done = run.wait().expect_code(code);
        assert!(done.stderr.contains("paceline run job.toml"), "the way to go on is told: {}", done.stderr);
        all_closed(&server);
        let before = server.seen();
        assert_eq!(before.len(), 4, "no row is begun while it drains");
        assert!(before.iter().all(|seen| seen.closed() == Some(Some(1001))), "{before:?}");
        let had = messages(&job);
        most.store(MESSAGES, Ordering::SeqCst);
        job.run(&[]).expect_code(0);
        all_closed(&server);
        all_once(&job);
        for seen in server.seen().iter().skip(4) {
            let known = had.get(&row_of(seen)).and_then(|seqs| seqs.last().copied()).unwrap_or(0);
            assert_eq!(after(seen), known, "what came before the end was written, and is not asked for again");
        }
    }
}

#[test]
fn whatever_kills_a_run_each_message_stands_once() {
    let mut dice = Dice::printed("sockets");
    let most = Arc::new(AtomicU64::new(MESSAGES - 10));
    let server = server(&most);
    let job = Job::at(&server.url(), JOB);
    let reached = || server.seen().iter().filter(|seen| !seen.texts().is_empty()).map(after).max().unwrap_or(0);
    let mut kill = 0;
    while goes_on(kill, 12, reached() > 0) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life() * 2, || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
        kill += 1;
    }
    most.store(MESSAGES, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    wait::until("the end of all sockets", Duration::from_secs(10), || (server.connections().open == 0).then_some(()));
    all_once(&job);
    assert!(reached() > 0, "some connection must have gone on within a row");
}
