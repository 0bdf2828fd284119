//! Pauses by hand, on a paused clock: nothing leaves, and no time runs out because of them.

use std::sync::Arc;
use std::time::Duration;

use super::super::lane::Lane;
use super::pacing::{ended_once_and_told_exactly, job, on_a_paused_clock};
use super::stage::{Act, Played, Seen, Server, lanes, play_beside};
use crate::clock;
use crate::record::Ending;

/// Pauses the run from `from` to `to`, as the conductor does.
async fn pause(lanes: Vec<Arc<Lane>>, from: Duration, to: Duration) {
    tokio::time::sleep(from).await;
    let pauses = lanes[0].shared.control.pauses();
    pauses.begin(clock::now());
    lanes.iter().for_each(|lane| lane.queue.pause(true));
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

#[tokio::test]
async fn a_hand_moves_concurrency_by_one_below_ten_and_by_a_tenth_above() {
    let steps = |slots: usize, more: bool, times: usize| {
        let server = Server::new(|_| Act::status(200));
        let (lanes, _desk) = lanes(&job("", &format!("concurrency = {slots}"), 5), &server, None);
        lanes[0].queue.allow(slots);
        let mut seen = Vec::new();
        for _ in 0..times {
            let allowance = lanes[0].by_hand(more).unwrap();
            assert_eq!(lanes[0].queue.standing().allowed as u64, allowance.requests);
            seen.push(allowance.requests);
        }
        seen
    };
    assert_eq!(steps(100, false, 3), [90, 81, 73]);
    assert_eq!(steps(11, false, 11), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]);
    assert_eq!(steps(100, true, 2), [100, 100], "never more than the job says");
}
