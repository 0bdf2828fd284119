//! Whole jobs through `engine = "surf"`: the same records, requests, retries and holds as with the other engine.

#![cfg(feature = "surf")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::{item, item_of};
use crate::support::output::{Line, csv};
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
client.engine = "ENGINE"
retry = { attempts = 4, initial = "1ms" }

[limits.pace]
rate = "500/s"
burst = 20

[endpoints.item]
method = "PUT"
url = "ORACLE/items/{{ row.value }}?q={{ 'a b' }}"
headers = { x-name = "é {{ row.value }}", accept = "application/json" }
json = { id = "{{ row.value | int }}" }
limit = "pace"
input.range = { from = 1, to = 120 }

[endpoints.item.columns]
got = "$.id"
name = "$.name"
tag = "{{ headers['x-tag'] }}"

[sinks.out]
path = "out.csv"
"#;

/// Some rows fail once in every way there is, some for good, and one is told to wait.
fn script(request: &SeenRequest, turn: usize) -> Answer {
    let id: u64 = request.id().parse().expect("an id");
    let whole = || Answer::json(&item_of(&id.to_string())).header("x-tag", &format!("tag, {id}"));
    match (id % 12, turn) {
        (1, 0) => Answer::status(503),
        (2, 0) => Answer::Reset,
        (3, 0) => whole().cut_after(3),
        (4, 0) => Answer::text(200, "<html>"),
        (5, _) => Answer::status(530),
        (6, _) => whole().chunked(4),
        (7, _) if id == 55 && turn == 0 => Answer::status(429).header("retry-after", "1"),
        _ => whole(),
    }
}

fn run(engine: &str) -> (Vec<Line>, BTreeMap<String, usize>, Duration) {
    let turns = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
    let oracle = Oracle::start(move |request| {
        let mut turns = turns.lock().expect("no script panics");
        let turn = turns.entry(request.path.clone()).or_default();
        *turn += 1;
        script(request, *turn - 1)
    });
    let job = Job::at(&oracle.url(), &JOB.replace("ENGINE", engine));
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("530"), "{}", done.stderr);
    assert_eq!(oracle.faults(), Vec::<String>::new());
    for request in oracle.requests() {
        let id = request.id();
        assert_eq!((request.method.as_str(), request.header("x-name")), ("PUT", Some(format!("é {id}").as_str())));
        assert_eq!(request.query, "q=a%20b");
        assert_eq!(request.body, format!("{{\"id\":{id}}}").as_bytes());
    }
    let of_55 = oracle.requests().into_iter().filter(|request| request.path.contains("/55")).collect::<Vec<_>>();
    assert_eq!(of_55.len(), 2);
    let mut records = csv(&job.path("out.csv"));
    records.iter_mut().for_each(|record| drop(record.remove("duration_ms").expect("a duration")));
    records.sort_by_key(|record| record["value"].parse::<u64>().expect("a number"));
    (records, oracle.count_by_path(), of_55[1].at - of_55[0].at)
}

#[test]
fn engines_send_the_same_and_write_the_same() {
    let (hyper, asked_of_hyper, _) = run("hyper");
    let (surf, asked_of_surf, held) = run("surf");
    assert_eq!(surf.len(), 120);
    // Ports differ from run to run, and errors name them.
    let plain = |mut records: Vec<Line>| {
        let word = |word: &str| if word.starts_with("`127.0.0.1:") { "server" } else { word }.to_owned();
        for record in &mut records {
            let error = record["error"].split(' ').map(word).collect::<Vec<_>>().join(" ");
            record.insert("error".to_owned(), error);
        }
        records
    };
    assert_eq!(plain(surf), plain(hyper));
    assert_eq!(asked_of_surf, asked_of_hyper);
    assert!(held >= Duration::from_secs(1), "the server asked for a second, and {held:?} it was");
}

#[test]
fn a_run_that_was_killed_goes_on() {
    const ROWS: usize = 600;
    let oracle = Oracle::start(item);
    let text = r#"
client.engine = "surf"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
rate = "200/s"
input.range = { from = 1, to = 600 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;
    let job = Job::at(&oracle.url(), text);
    let run = job.spawn(&["-q"]);
    wait::until("work", Duration::from_secs(60), || (oracle.count() >= 300).then_some(()));
    run.kill();
    job.run(&[]).expect_code(0);
    let mut rows: Vec<u64> =
        csv(&job.path("out.csv")).iter().map(|record| record["got"].parse().expect("an id")).collect();
    rows.sort_unstable();
    assert_eq!(rows, (1..=ROWS as u64).collect::<Vec<_>>());
    assert!(oracle.count() < 2 * ROWS, "what was committed is not asked again: {}", oracle.count());
}

#[test]
fn surf_is_refused_what_it_can_not_do_before_anything_is_sent() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), &JOB.replace("ENGINE", "surf").replace("\"PUT\"", "\"QUERY\""));
    let done = job.run(&[]).expect_code(2);
    assert!(done.stderr.contains("engine = \"surf\" can't send QUERY"), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}
