//! Steps of the wall clock while a run goes on, on a paused monotonic clock: neither pace nor holds may notice.

use std::time::Duration;

use super::pacing::{job, on_a_paused_clock};
use super::stage::{Act, Sent, Server, play};
use crate::clock;
use crate::event::Event;

const HOUR: i64 = 3600;
const DATE: &str = "Fri, 13 Feb 2009 23:31:30 GMT";
const THREE_SECONDS_LATER: &str = "Fri, 13 Feb 2009 23:31:33 GMT";

/// What the server says when its 41st request comes.
type Word = fn() -> Act;

/// Sixty rows at 10/s, burst 2, while the wall clock jumps every 0.3 s; one reply asks for three seconds.
fn played(first: i64, word: Word) -> (Vec<Sent>, Vec<Event>) {
    on_a_paused_clock(async {
        let server = Server::new(move |seen| if seen.id == "40" && seen.turn == 1 { word() } else { Act::status(200) });
        let steps = tokio::spawn(async move {
            for step in [first, -first].into_iter().cycle() {
                tokio::time::sleep(Duration::from_millis(300)).await;
                clock::step(step);
            }
        });
        let top = "limits.pace = { rate = \"10/s\", burst = 2 }";
        let played = play(&job(top, "limit = \"pace\"\nconcurrency = 4", 60), &server).await;
        steps.abort();
        assert!(played.outcomes.len() == 60 && played.causes.is_empty(), "{:?}", played.causes);
        (server.log(), played.events)
    })
}

fn no_window_is_broken(log: &[Sent]) {
    for (first, sent) in log.iter().enumerate() {
        for (count, last) in log[first..].iter().enumerate() {
            let most = 2.0 + 10.0 * (last.at - sent.at).as_secs_f64() + 1.0;
            assert!(count as f64 + 1.0 <= most, "{} requests within {:?}", count + 1, last.at - sent.at);
        }
    }
}

#[test]
fn a_wall_clock_that_jumps_makes_no_burst_and_no_hold_longer() {
    let words: [Word; 4] = [
        || Act::status(429).header("retry-after", "3"),
        || Act::status(429).header("date", DATE).header("retry-after", THREE_SECONDS_LATER),
        || Act::status(200).header("ratelimit-remaining", "0").header("ratelimit-reset", "3"),
        // Seconds since 1970, three after what DATE says.
        || {
            Act::status(200)
                .header("date", DATE)
                .header("x-ratelimit-remaining", "0")
                .header("x-ratelimit-reset", "1234567893")
        },
    ];
    for first in [HOUR, -HOUR] {
        for (position, word) in words.into_iter().enumerate() {
            let (log, events) = played(first, word);
            no_window_is_broken(&log);
            let gap = log.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default();
            let asked = Duration::from_millis(2900)..Duration::from_millis(3400);
            assert!(asked.contains(&gap), "word {position}, first step {first}: held for {gap:?}");
            let told = events.iter().filter(|event| matches!(event, Event::Held { .. })).count();
            assert_eq!(told, 1, "word {position}: {events:?}");
        }
    }
}

#[test]
fn a_wall_clock_can_be_stepped_by_a_test_and_only_on_its_thread() {
    let before = clock::wall();
    clock::step(HOUR);
    let ahead = clock::wall().duration_since(before).unwrap_or_default();
    clock::step(-HOUR);
    assert!(ahead >= Duration::from_secs(3600) && ahead < Duration::from_secs(3700), "{ahead:?}");
    let back = std::thread::spawn(clock::wall).join().unwrap().duration_since(before).unwrap_or_default();
    assert!(back < Duration::from_secs(100), "{back:?}");
}
