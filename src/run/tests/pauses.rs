//! Pauses by hand, on a paused clock: nothing leaves, and no time runs out because of them.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::super::call::Call;
use super::super::lane::Lane;
use super::super::live::read;
use super::pacing::{ended_once_and_told_exactly, job, on_a_paused_clock};
use super::stage::{Act, Played, Seen, Server, lanes, play_beside};
use crate::clock;
use crate::concurrency::Sample;
use crate::record::Ending;
use crate::row::{Fields, Row};
use crate::template::Context;

/// Pauses the run from `from` to `to`, as the conductor does.
async fn pause(lanes: Vec<Arc<Lane>>, from: Duration, to: Duration) {
    tokio::time::sleep(from).await;
    let pauses = lanes[0].shared.control.pauses();
    lanes.iter().for_each(|lane| lane.queue.pause(true));
    pauses.begin(clock::now());
    tokio::time::sleep(to - from).await;
    pauses.end(clock::now());
    lanes.iter().for_each(|lane| lane.queue.pause(false));
}

async fn paused(text: &str, server: &Arc<Server>, from: Duration, to: Duration) -> Played {
    play_beside(text, server, |lanes| pause(lanes, from, to)).await
}

fn all_ok(played: &Played, rows: usize) {
    assert_eq!(played.causes, []);
    let ok = played.outcomes.iter().filter(|outcome| outcome.ending == Ending::Ok).count();
    assert_eq!((ok, played.outcomes.len()), (rows, rows));
}

#[test]
fn nothing_leaves_while_a_run_is_paused_and_the_limit_holds_behind_it() {
    on_a_paused_clock(async {
        let server = Server::new(|_| Act::status(200));
        let (from, to) = (Duration::from_millis(2_050), Duration::from_secs(62));
        let began = clock::now();
        let played = paused(&job("", "rate = \"10/s\"", 100), &server, from, to).await;
        all_ok(&played, 100);
        let log = server.log();
        ended_once_and_told_exactly(&played, &log, 100);
        assert!(log.iter().all(|sent| sent.at <= began + from || sent.at >= began + to));
        let gaps = log.windows(2).map(|pair| pair[1].at - pair[0].at);
        assert_eq!(gaps.filter(|gap| *gap < Duration::from_millis(80)).count(), 0, "no pace was saved up");
    });
}

#[test]
fn neither_an_outage_nor_a_row_runs_out_of_time_while_a_run_is_paused() {
    on_a_paused_clock(async {
        let out = |seen: Seen<'_>| Act::status(if seen.since < Duration::from_secs(600) { 503 } else { 200 });
        let (from, to) = (Duration::from_secs(10), Duration::from_secs(900));
        let text = job("retry.max-wait = \"2m\"", "rate = \"100/s\"\ntimeout.row = \"3m\"", 100);
        all_ok(&paused(&text, &Server::new(out), from, to).await, 100);
    });
}

#[test]
fn a_server_that_throttles_is_not_given_up_because_of_a_pause() {
    on_a_paused_clock(async {
        let busy = |seen: Seen<'_>| Act::status(if seen.since < Duration::from_secs(600) { 429 } else { 200 });
        let (from, to) = (Duration::from_secs(10), Duration::from_secs(900));
        let text = job("retry.max-wait = \"2m\"", "rate = \"100/s\"", 20);
        all_ok(&paused(&text, &Server::new(busy), from, to).await, 20);
    });
}

/// When each request left, in seconds, of a run that is paused from `from` to `to`.
async fn left(text: &str, rows: usize, from: Duration, to: Duration) -> Vec<u64> {
    let (server, began) = (Server::new(|_| Act::status(200)), clock::now());
    all_ok(&paused(text, &server, from, to).await, rows);
    server.log().iter().map(|sent| (sent.at - began).as_secs()).collect()
}

#[test]
fn who_waits_for_a_token_when_a_pause_begins_does_not_lose_it() {
    on_a_paused_clock(async {
        let seconds = Duration::from_secs;
        let text = job("", "rate = \"1/h\"\nconcurrency = 2", 2);
        // The token of the second row comes in the middle of the pause.
        assert_eq!(left(&text, 2, seconds(3_000), seconds(3_700)).await, [0, 3_700]);
        assert_eq!(left(&text, 2, seconds(100), seconds(200)).await, [0, 3_600], "and a pause gives nothing");
        // In the very instant of the pause, whichever is first.
        let sent = left(&text, 2, seconds(3_600), seconds(3_700)).await;
        assert!(sent == [0, 3_600] || sent == [0, 3_700], "{sent:?}");
        let top = "[limits.tenant]\nrate = \"1/h\"\nkey = \"same\"\n";
        // The second has come back to its place, 20 ms before the token, and the third has the place behind it.
        let from = Duration::from_millis(3_599_990);
        let text = job(top, "limit = \"tenant\"\nconcurrency = 2", 3);
        assert_eq!(left(&text, 3, from, seconds(3_700)).await, [0, 3_700, 7_300]);
    });
}

#[tokio::test]
async fn a_request_that_is_turned_back_counts_once_for_the_retries_it_pays() {
    let (lanes, _desk) = lanes(&job("", "", 1), &Server::new(|_| Act::status(200)), None);
    let lane = &lanes[0];
    let row = || Arc::new(Row { ordinal: 0, line: 0, fields: Fields::Integer(0) });
    let context = Context { row: None, secrets: &lane.shared.secrets, reply: None, last: None };
    let (takings, url) = (lane.limits.of(&context).unwrap(), Uri::from_static("http://api.test/"));
    let admit = |call: &mut Call| lane.pacing.admit(call, &url, &takings).is_ok();
    let mut first = Call::new(row(), 0, None);
    for _ in 0..100 {
        assert!(admit(&mut first));
        lane.pacing.turned_back(&mut first);
    }
    let retry = || {
        let mut again = Call::new(row(), 0, None);
        (again.attempts, again.on_budget) = (1, true);
        admit(&mut again)
    };
    let paid = (0..100).filter(|_| retry()).count();
    assert!((10..=11).contains(&paid), "the savings of the floor, and no share of a hundred requests: {paid}");
}

#[tokio::test]
async fn what_is_told_of_a_hand_is_told_once() {
    let (lanes, _desk) = lanes(&job("", "concurrency = 3", 5), &Server::new(|_| Act::status(200)), None);
    lanes[0].allow();
    let told: Vec<_> = [true, true, false, false, false, false, true, true, true]
        .map(|more| lanes[0].by_hand(more).map(|(allowance, is_news)| (allowance.requests, is_news)).unwrap())
        .into();
    let ends = [(3, true), (3, false), (2, true), (1, true), (1, false), (1, false), (2, true), (3, true), (3, false)];
    assert_eq!(told, ends);
}

#[tokio::test]
async fn a_number_that_was_found_never_comes_behind_a_newer_one_of_a_hand() {
    let (lanes, _desk) = lanes(&job("", "concurrency = \"auto\"", 5), &Server::new(|_| Act::status(200)), None);
    let lane = &lanes[0];
    lane.allow();
    for round in 0..2_000_u32 {
        let (latency, began) = (Duration::from_millis(10), clock::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                lane.pacing.ended(Sample { latency, in_flight: lane.slots, overload: round % 50 == 0, began });
                lane.allow();
            });
            lane.by_hand(round % 3 == 0);
        });
        let hand = match read(&lane.live().by_hand) {
            0 => lane.slots,
            calls => usize::try_from(calls).unwrap(),
        };
        let most = lane.pacing.allowed().unwrap().min(hand);
        assert_eq!((lane.queue.standing().allowed, read(&lane.live().allowed)), (most, most as u64), "{round}");
    }
}

#[tokio::test]
async fn a_hand_moves_concurrency_by_one_below_ten_and_by_a_tenth_above() {
    let steps = |slots: usize, more: bool, times: usize| {
        let server = Server::new(|_| Act::status(200));
        let (lanes, _desk) = lanes(&job("", &format!("concurrency = {slots}"), 5), &server, None);
        lanes[0].allow();
        let mut seen = Vec::new();
        for _ in 0..times {
            let (allowance, _) = lanes[0].by_hand(more).unwrap();
            assert_eq!(lanes[0].queue.standing().allowed as u64, allowance.requests);
            seen.push(allowance.requests);
        }
        seen
    };
    assert_eq!(steps(100, false, 3), [90, 81, 73]);
    assert_eq!(steps(11, false, 11), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]);
    assert_eq!(steps(100, true, 2), [100, 100], "never more than the job says");
}
