//! The queues in front of the buckets, on tokio's paused clock.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::bucket::tests::{plan, promise_holds};
use super::*;
use crate::clock::{self, Instant};

mod cost;
mod joint;
mod places;
mod quota;
mod throttle;

const SECOND: Duration = Duration::from_secs(1);

fn per_second(rate: u32, burst: u32) -> Arc<Limiter> {
    Arc::new(Limiter::open(plan(&[(rate, SECOND)], burst)))
}

/// Takes `count` tokens and gives the times, in nanoseconds since the bucket was opened.
async fn take(limiter: &Limiter, count: usize) -> Vec<u64> {
    let mut times = Vec::new();
    for _ in 0..count {
        limiter.take(1).await;
        times.push(limiter.nanos(clock::now()));
    }
    times
}

fn milliseconds(times: &[u64]) -> Vec<u64> {
    times.iter().map(|nanos| nanos / 1_000_000).collect()
}

/// Lets every task that can run do so.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_burst_leaves_at_once_and_the_rest_at_the_rate() {
    let times = take(&per_second(10, 3), 6).await;
    assert_eq!(milliseconds(&times), [0, 0, 0, 100, 200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_fills_the_bucket_no_further_than_its_burst() {
    let limiter = per_second(10, 2);
    take(&limiter, 2).await;
    tokio::time::advance(SECOND * 3600).await;
    assert_eq!(milliseconds(&take(&limiter, 4).await), [3_600_000, 3_600_000, 3_600_100, 3_600_200]);
}

#[tokio::test(start_paused = true)]
async fn tokens_go_to_those_who_came_first() {
    let limiter = per_second(100, 1);
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..50 {
        let (limiter, served) = (Arc::clone(&limiter), Arc::clone(&served));
        tasks.push(tokio::spawn(async move {
            limiter.take(1).await;
            served.lock().unwrap().push(number);
        }));
        settle().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_waiting_takes_nothing_from_any_window() {
    let windows = [(1, SECOND), (30, SECOND * 60), (20, SECOND)];
    let limiter = Arc::new(Limiter::open(plan(&windows, 1)));
    limiter.take(1).await;
    for _ in 0..10 {
        let (head, queued) = (limiter.take(1), limiter.take(1));
        let gone = tokio::time::timeout(Duration::from_millis(100), async { tokio::join!(head, queued) }).await;
        assert!(gone.is_err());
    }
    // Waited 1 s, and the slowest window gives one every 2 s.
    assert_eq!(milliseconds(&take(&limiter, 2).await), [2000, 4000]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_obeyed_by_those_who_come_and_by_the_head_that_sleeps() {
    let limiter = per_second(1, 1);
    limiter.take(1).await;
    let sleeper = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, 1).await }
    });
    settle().await;
    let until = clock::now() + SECOND * 30;
    limiter.hold(until);
    assert_eq!(limiter.held_until(), Some(until));
    assert_eq!(milliseconds(&sleeper.await.unwrap()), [30_000]);
    assert_eq!(limiter.held_until(), None);
    assert_eq!(milliseconds(&take(&limiter, 1).await), [31_000]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_grows_while_it_is_slept_through_and_never_shrinks() {
    let limiter = per_second(1, 1);
    let now = clock::now();
    limiter.hold(now + SECOND * 10);
    let sleeper = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, 1).await }
    });
    settle().await;
    limiter.hold(now + SECOND * 20);
    limiter.hold(now + SECOND * 5);
    limiter.hold(now);
    assert_eq!(limiter.held_until(), Some(now + SECOND * 20));
    assert_eq!(milliseconds(&sleeper.await.unwrap()), [20_000]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_burst_leaves_after_a_hold() {
    for burst in [1, 3] {
        let limiter = per_second(300, burst);
        limiter.hold(clock::now() + Duration::from_micros(10_000_300));
        let mut tasks = Vec::new();
        for _ in 0..10 {
            let limiter = Arc::clone(&limiter);
            tasks.push(tokio::spawn(async move { take(&limiter, 1).await[0] }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.push(task.await.unwrap());
        }
        times.sort_unstable();
        let at_once = times.iter().filter(|time| **time == times[0]).count();
        assert_eq!(at_once, burst as usize, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_burst_leaves_after_a_suspended_machine() {
    for burst in [1, 3] {
        for learned in [false, true] {
            for held in [false, true] {
                let limiter = per_second(20, burst);
                take(&limiter, 40).await;
                if learned {
                    limiter.throttled(clock::now(), clock::now());
                }
                if held {
                    limiter.hold(clock::now() + SECOND * 60);
                }
                let mut tasks = Vec::new();
                for _ in 0..10 {
                    let limiter = Arc::clone(&limiter);
                    tasks.push(tokio::spawn(async move { take(&limiter, 1).await[0] }));
                }
                settle().await;
                tokio::time::advance(SECOND * 3600).await;
                let mut times = Vec::new();
                for task in tasks {
                    times.push(task.await.unwrap());
                }
                times.sort_unstable();
                let woken = times.iter().filter(|at| **at > 3_600_000_000_000).collect::<Vec<_>>();
                let at_once = woken.iter().filter(|at| ***at < *woken[0] + 10_000_000).count();
                assert!(at_once <= burst as usize, "burst {burst}, learned {learned}, held {held}: {times:?}");
                assert!(promise_holds(limiter.plan(), &times));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_kept_at_every_grain_on_a_clock_that_moves_in_milliseconds() {
    // Without a burst, what comes late by such a clock is lost where a server may look at the gaps.
    for (rate, burst) in [(50, 1), (250, 1), (300, 2), (900, 1), (900, 2), (20_000, 40)] {
        let limiter = per_second(rate, burst);
        let times = take(&limiter, rate as usize * 2).await;
        assert!(promise_holds(limiter.plan(), &times), "{rate}/s, burst {burst}");
        let took = times[times.len() - 1] as f64 / 1e9;
        assert!(took <= 2.0 / 0.98, "{rate}/s, burst {burst} took {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_yielding_head_does_not_hang_on_a_clock_that_stands_still() {
    let limiter = per_second(1_000_000, 1);
    let times = take(&limiter, 20).await;
    assert!(promise_holds(limiter.plan(), &times));
}

#[tokio::test]
async fn the_thread_and_the_yields_wake_the_head_on_the_true_clock() {
    for rate in [2000, 20_000] {
        let limiter = per_second(rate, 1);
        let times = take(&limiter, 50).await;
        // How late is up to the machine; how early is not: one token of burst, one of catch-up.
        assert!(times[49] >= 48 * 1_000_000_000 / u64::from(rate), "{times:?}");
    }
}

#[test]
fn plans_that_can_not_be_kept_are_refused_with_the_reason() {
    let good =
        [(1, SECOND, 1), (1_000_000, SECOND, u32::MAX), (1, SECOND * 86_400 * 30, 100), (u32::MAX, SECOND * 86_400, 1)];
    for (count, per, burst) in good {
        assert_eq!(plan(&[(count, per)], burst).check(), Ok(()));
    }
    let bad = [
        (1, Duration::ZERO, 1, "over no time"),
        (1_000_001, SECOND, 1, "too fast"),
        (u32::MAX, Duration::from_nanos(1), 1, "too fast"),
        (1, Duration::MAX, 1, "never fills"),
        (1, SECOND * 86_400, u32::MAX, "never fills"),
    ];
    for (count, per, burst, reason) in bad {
        let refusal = plan(&[(count, per)], burst).check().unwrap_err();
        assert!(refusal.contains(reason) && refusal.contains("`test`"), "{refusal}");
    }
    assert!(plan(&[], 1).check().unwrap_err().contains("has no rate"));
}

/// One event of a schedule, after a pause of this many milliseconds.
#[derive(Debug, Clone)]
enum Step {
    Come,
    GoAway,
    Hold(u64),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Come),
        1 => Just(Step::GoAway),
        1 => (0..3000u64).prop_map(Step::Hold),
    ];
    proptest::collection::vec((prop_oneof![2 => Just(0), 1 => 0..400u64], step), 1..80)
}

/// Departures and holds (from, until) of a schedule.
async fn follow(limiter: &Arc<Limiter>, steps: &[(u64, Step)]) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut tasks, mut holds) = (Vec::new(), Vec::new());
    for (pause, step) in steps {
        tokio::time::sleep(Duration::from_millis(*pause)).await;
        match step {
            Step::Come => {
                let limiter = Arc::clone(limiter);
                tasks.push(tokio::spawn(async move { take(&limiter, 1).await[0] }));
            }
            Step::GoAway => {
                if let Some(task) = tasks.get(tasks.len() / 2) {
                    task.abort();
                }
            }
            Step::Hold(wait) => {
                settle().await;
                let until = clock::now() + Duration::from_millis(*wait);
                limiter.hold(until);
                holds.push((limiter.nanos(clock::now()), limiter.nanos(until)));
            }
        }
    }
    let mut departures = Vec::new();
    for task in tasks {
        departures.extend(task.await.ok());
    }
    departures.sort_unstable();
    (departures, holds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_schedule_breaks_the_promise_or_a_hold(
        steps in steps(), burst in 1..5u32,
        windows in proptest::collection::vec((1..300u32, 1..5u64), 1..4),
    ) {
        let windows: Vec<_> = windows.into_iter().map(|(count, seconds)| (count, SECOND * seconds as u32)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limiter = Arc::new(Limiter::open(plan(&windows, burst)));
            let (departures, holds) = follow(&limiter, &steps).await;
            prop_assert!(promise_holds(limiter.plan(), &departures), "{departures:?}");
            for (from, until) in holds {
                prop_assert!(!departures.iter().any(|at| *at > from && *at < until), "{from}..{until}: {departures:?}");
            }
            Ok(())
        })?;
    }
}
