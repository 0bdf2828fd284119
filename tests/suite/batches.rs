//! Batches, seen from the server: what was asked for in which order, and how far apart.
//!
//! No test here measures how long the program took: the oracle's log gives the earliest moment at which
//! a batch can have ended, and the next one must not have begun before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paceline::clock::Instant;

use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::{Answer, Job, Oracle};

const JOB: &str = r#"
[batch]
BATCH

[retry]
attempts = 200
backoff = "constant"
initial = "10ms"
jitter = "none"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 0, to = LAST }

[sinks.out]
path = "out.csv"
"#;

fn job(oracle: &Oracle, batch: &str, rows: u64) -> Job {
    Job::at(&oracle.url(), &JOB.replace("BATCH", batch).replace("LAST", &(rows - 1).to_string()))
}

fn row(id: &str) -> u64 {
    id.parse().expect("only rows are asked for")
}

/// For each batch of `size` rows its first arrival, and the latest of its arrivals with the wait before the
/// reply: it can't have ended before that.
fn spans(oracle: &Oracle, size: u64, delay: impl Fn(u64) -> Duration) -> BTreeMap<u64, (Instant, Instant)> {
    let mut spans = BTreeMap::new();
    for request in oracle.requests() {
        let id = row(request.id());
        let (_, end) = spans.entry(id / size).or_insert((request.at, request.at));
        *end = (*end).max(request.at + delay(id));
    }
    spans
}

/// The most batches that were surely under way at once.
fn most_at_once(spans: &BTreeMap<u64, (Instant, Instant)>) -> usize {
    let at = |moment: Instant| spans.values().filter(|(start, end)| *start <= moment && moment < *end).count();
    spans.values().map(|(start, _)| at(*start)).max().unwrap_or_default()
}

#[test]
fn the_next_batch_begins_a_pause_after_the_last_reply_retries_included() {
    let delay = Duration::from_millis(20);
    let asked = std::sync::Mutex::new(BTreeMap::<String, u32>::new());
    let oracle = Oracle::start(move |request| {
        let mut asked = asked.lock().expect("no script panics");
        let turn = asked.entry(request.path.clone()).or_default();
        *turn += 1;
        // Every third row needs three attempts, and one row fails for good.
        match row(request.id()) {
            id if id % 3 == 1 && *turn < 3 => Answer::status(503).after(delay),
            5 => Answer::status(404).after(delay),
            _ => item(request).after(delay),
        }
    });
    let pause = Duration::from_millis(300);
    let job = job(&oracle, "size = 4\npause = \"300ms\"", 10);
    job.run(&[]).expect_code(1);
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (16, 10));
    let spans = spans(&oracle, 4, |_| delay);
    assert_eq!(spans.len(), 3);
    for batch in 1..3 {
        let ((_, end), (start, _)) = (spans[&(batch - 1)], spans[&batch]);
        assert!(start >= end + pause, "batch {batch} began {:?} after the end of the one before", start - end);
    }
}

#[test]
fn without_a_pause_the_next_batch_still_waits_for_the_last_row() {
    let delay = Duration::from_millis(60);
    let slow = move |id: u64| if id.is_multiple_of(4) { delay } else { Duration::ZERO };
    let oracle = Oracle::start(move |request| item(request).after(slow(row(request.id()))));
    job(&oracle, "size = 4", 20).run(&[]).expect_code(0);
    let requests = oracle.requests();
    let batches: Vec<u64> = requests.iter().map(|request| row(request.id()) / 4).collect();
    assert!(batches.is_sorted(), "{batches:?}");
    for slow in requests.iter().filter(|request| row(request.id()).is_multiple_of(4)) {
        let next = requests.iter().find(|request| row(request.id()) / 4 > row(slow.id()) / 4);
        assert!(next.is_none_or(|next| next.at >= slow.at + delay), "{} was still being answered", slow.path);
    }
}

#[test]
fn batches_of_one_row_go_one_by_one_and_in_order() {
    let delay = Duration::from_millis(5);
    let oracle = Oracle::start(move |request| item(request).after(delay));
    job(&oracle, "size = 1", 25).run(&[]).expect_code(0);
    let requests = oracle.requests();
    let ids: Vec<u64> = requests.iter().map(|request| row(request.id())).collect();
    assert_eq!(ids, (0..25).collect::<Vec<_>>());
    assert!(requests.windows(2).all(|pair| pair[1].at >= pair[0].at + delay));
}

#[test]
fn two_batches_in_flight_are_two_at_once_and_never_three() {
    // The first row is refused until eight batches beside its own have been asked for: with fewer than two
    // in flight it would never be answered. Delays differ, so that batches end at odd moments.
    let delay = |id: u64| Duration::from_millis(if id == 0 { 0 } else { 20 + id * 7 % 20 });
    let others = AtomicUsize::new(0);
    let oracle = Oracle::start(move |request| match row(request.id()) {
        0 if others.load(Ordering::SeqCst) < 16 => Answer::status(503),
        id => {
            others.fetch_add(usize::from(id > 1), Ordering::SeqCst);
            item(request).after(delay(id))
        }
    });
    job(&oracle, "size = 2\nin-flight = 2", 30).run(&[]).expect_code(0);
    let spans = spans(&oracle, 2, delay);
    assert_eq!(spans.len(), 15);
    assert_eq!(most_at_once(&spans), 2);
    let requests = oracle.requests();
    let first = |id: u64| requests.iter().position(|request| row(request.id()) == id);
    assert!((0..13).all(|batch| first(batch * 2) < first(batch * 2 + 4)), "batches begin in order, two apart at most");
}

#[test]
fn nobody_waits_before_the_first_batch_or_after_the_last() {
    // A pause of an hour would be the end of the test.
    for (rows, size) in [(5, 5), (5, 10), (1, 1)] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, &format!("size = {size}\npause = \"1h\""), rows);
        job.run(&[]).expect_code(0);
        assert_eq!(csv(&job.path("out.csv")).len() as u64, rows, "{rows} rows in batches of {size}");
    }
}

#[test]
fn a_resumed_run_cuts_batches_from_the_rows_that_are_left() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "size = 4\npause = \"50ms\"", 10);
    job.run(&["--limit", "3"]).expect_code(0);
    job.run(&[]).expect_code(0);
    let requests = oracle.requests();
    let gap = |id: usize| {
        let at = |id: usize| requests.iter().find(|request| row(request.id()) == id as u64).expect("a request").at;
        let before = (3..id).map(at).max().expect("rows before it");
        at(id).saturating_duration_since(before)
    };
    assert_eq!(requests.len(), 10);
    assert!(gap(7) >= Duration::from_millis(50), "rows 3 to 6 are the first batch, not row 3 alone");
    let first: Vec<u64> = requests[3..7].iter().map(|request| row(request.id())).collect();
    assert!(first.iter().all(|id| (3..7).contains(id)), "{first:?}");
}

#[test]
fn rows_that_can_not_be_read_are_rows_of_their_batch() {
    let oracle = Oracle::start(item);
    let text = r#"
[batch]
size = 2
pause = "1ms"

[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"

[sinks.out]
path = "out.csv"
"#;
    // The second batch has no row that can be sent.
    let job = Job::at(&oracle.url(), text).with("rows.csv", "id,name\n1,a\n2,b\n3\n4\n5,c\n");
    job.run(&[]).expect_code(1);
    let ids: Vec<String> = csv(&job.path("out.csv")).iter().map(|line| line["id"].clone()).collect();
    assert_eq!((oracle.count(), ids.len()), (3, 5), "{ids:?}");
}
