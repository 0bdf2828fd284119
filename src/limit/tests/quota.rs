//! Quotas that replies tell of, on tokio's paused clock.

use std::sync::Mutex;

use crate::hints::{Hints, Quota};

use super::*;

/// What a reply says: size, remaining, reset.
pub(super) fn hints(quotas: &[(Option<u64>, u64, Option<Duration>)]) -> Hints {
    let quota = |(limit, remaining, reset): &_| Quota { limit: *limit, remaining: *remaining, reset: *reset };
    Hints { quotas: quotas.iter().map(quota).collect(), ..Hints::default() }
}

fn open(rate: u32, burst: u32) -> Arc<Limiter> {
    per_second(rate, burst)
}

/// A task that takes tokens one by one without an answer, and notes when, in milliseconds.
fn taker(limiter: &Arc<Limiter>) -> Arc<Mutex<Vec<u64>>> {
    let (limiter, times) = (Arc::clone(limiter), Arc::<Mutex<Vec<u64>>>::default());
    let noted = Arc::clone(&times);
    tokio::spawn(async move {
        loop {
            limiter.take(1).await;
            noted.lock().unwrap().push(limiter.nanos(clock::now()) / 1_000_000);
        }
    });
    times
}

fn seen(times: &Mutex<Vec<u64>>) -> Vec<u64> {
    std::mem::take(&mut *times.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn nothing_left_holds_until_the_reset_and_for_a_second_at_least() {
    let cases = [
        (Some(SECOND * 30), None, 30_000),
        (Some(Duration::ZERO), None, 1000),
        (None, None, 1000),
        (Some(SECOND * 60), Some(SECOND * 5), 5000),
        (None, Some(Duration::ZERO), 1000),
    ];
    for (reset, wait, until) in cases {
        let limiter = open(1000, 10);
        let now = clock::now();
        limiter.learn(&Hints { wait, ..hints(&[(Some(60), 0, reset)]) }, now, now);
        assert_eq!(limiter.held_until(), Some(now + Duration::from_millis(until)));
        assert_eq!(milliseconds(&take(&limiter, 2).await), [until, until]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_leave_than_are_left_and_those_on_the_wire_count() {
    let limiter = open(1000, 100);
    take(&limiter, 2).await;
    let start = clock::now();
    limiter.learn(&hints(&[(None, 5, Some(SECOND * 20)), (None, 9, Some(SECOND * 10))]), start, start);
    let times = taker(&limiter);
    tokio::time::sleep(SECOND * 15).await;
    assert_eq!(seen(&times).len(), 3);
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Learned));
    // The reset; then it is as it was.
    tokio::time::sleep(SECOND * 5 + Duration::from_millis(1)).await;
    assert!(seen(&times).len() >= 100);
    assert_eq!(limiter.learned_rate(), None);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_allows_more_wakes_the_head_that_sleeps() {
    let limiter = open(1000, 100);
    let start = clock::now();
    take(&limiter, 3).await;
    limiter.learn(&hints(&[(Some(6), 3, Some(SECOND * 60))]), start, start);
    let times = taker(&limiter);
    tokio::time::sleep(SECOND).await;
    assert!(seen(&times).is_empty());
    // One of the three is answered, and its reply says nothing: it may be counted or not.
    limiter.answered(1);
    tokio::time::sleep(SECOND).await;
    assert_eq!(seen(&times), [1000]);
    // A request that left just now was told that there are many more.
    limiter.learn(&hints(&[(Some(6), 50, Some(SECOND * 58))]), clock::now(), clock::now());
    tokio::time::sleep(SECOND).await;
    let woken = seen(&times);
    assert_eq!((woken.len(), woken[0]), (47, 2000));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_overtaken_only_lowers() {
    let limiter = open(1000, 100);
    let start = clock::now();
    tokio::time::sleep(SECOND).await;
    let later = clock::now();
    limiter.learn(&hints(&[(Some(8), 5, Some(SECOND * 30))]), start, later);
    limiter.learn(&hints(&[(Some(8), 7, Some(SECOND * 30))]), start, later);
    limiter.learn(&hints(&[(Some(8), 4, Some(SECOND * 3))]), start, later);
    let times = taker(&limiter);
    tokio::time::sleep(SECOND * 20).await;
    assert_eq!(seen(&times).len(), 4);
    limiter.learn(&hints(&[(Some(8), 9, Some(SECOND * 10))]), clock::now(), clock::now());
    tokio::time::sleep(SECOND).await;
    assert_eq!(seen(&times).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn less_than_half_of_a_quota_is_spread_until_the_reset() {
    for (limit, first) in [(Some(100), 40), (None, 100)] {
        let limiter = open(1000, 100);
        let start = clock::now();
        limiter.learn(&hints(&[(limit, first, Some(SECOND * 20))]), start, start);
        limiter.learn(&hints(&[(limit, 40, Some(SECOND * 20))]), start, start);
        let mut times = Vec::new();
        for left in (0..20u64).rev() {
            limiter.take(1).await;
            limiter.answered(1);
            let (now, reset) = (clock::now(), SECOND * 20 - (clock::now() - start));
            limiter.learn(&hints(&[(limit, left + 20, Some(reset))]), now, now);
            times.push(limiter.nanos(now) / 1_000_000);
        }
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (450..=550).contains(gap)), "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_pace_is_inferred_while_half_of_a_quota_is_left() {
    let limiter = open(1000, 100);
    let start = clock::now();
    limiter.learn(&hints(&[(Some(10_000), 9000, Some(SECOND * 3600))]), start, start);
    assert_eq!(milliseconds(&take(&limiter, 200).await)[199], 100);
}

#[tokio::test(start_paused = true)]
async fn a_quota_without_a_reset_bounds_for_a_second() {
    let limiter = open(1000, 100);
    let start = clock::now();
    limiter.learn(&hints(&[(Some(100), 2, None)]), start, start);
    let times = take(&limiter, 4).await;
    assert_eq!(milliseconds(&times), [0, 0, 1000, 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_does_not_learn_takes_no_word_but_a_hold() {
    let limiter = Arc::new(Limiter::open(LimitPlan { learn: false, ..plan(&[(1000, SECOND)], 10) }));
    let now = clock::now();
    take(&limiter, 1).await;
    limiter.learn(&hints(&[(Some(10), 0, Some(SECOND)), (Some(10), 1, Some(SECOND))]), now, now);
    limiter.throttled(now, now);
    limiter.told(now + SECOND);
    assert_eq!((limiter.held_until(), limiter.learned_rate()), (None, None));
    assert_eq!(milliseconds(&take(&limiter, 9).await), [0; 9]);
    limiter.hold(now + SECOND);
    assert_eq!(milliseconds(&take(&limiter, 1).await), [1000]);
}

#[tokio::test(start_paused = true)]
async fn quotas_beyond_all_measure_do_no_harm() {
    let limiter = open(1000, 10);
    let now = clock::now();
    for number in 0..100 {
        limiter.learn(
            &hints(&[(Some(number), u64::MAX, Some(Duration::MAX)), (None, u64::MAX - number, None)]),
            now,
            now,
        );
    }
    assert_eq!(milliseconds(&take(&limiter, 10).await), [0; 10]);
    limiter.learn(&hints(&[(None, 0, Some(Duration::MAX))]), now, now);
    assert!(limiter.held_until().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_pace_of_a_quota_ends_with_its_window_and_changes_at_once() {
    let limiter = open(1000, 100);
    let start = clock::now();
    limiter.take(4).await;
    limiter.learn(&hints(&[(Some(100), 6, Some(SECOND * 12))]), start, start);
    limiter.answered(4);
    // A token each 6 s, by what was known: these would be paid for after 36 s.
    limiter.take(6).await;
    limiter.answered(6);
    assert_eq!(milliseconds(&take(&limiter, 2).await), [12_000, 12_000]);
    let limiter = open(1000, 100);
    let start = clock::now();
    limiter.learn(&hints(&[(Some(200), 1, Some(SECOND * 100))]), start, start);
    take(&limiter, 1).await;
    limiter.answered(1);
    limiter.learn(&hints(&[(Some(200), 50, Some(SECOND * 100))]), start, start);
    assert_eq!(milliseconds(&take(&limiter, 2).await), [2000, 4000]);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_no_cost_passes_a_quota_that_is_used_up() {
    let limiter = open(1000, 100);
    let start = clock::now();
    take(&limiter, 3).await;
    limiter.learn(&hints(&[(None, 2, Some(SECOND * 60))]), start, start);
    limiter.take(0).await;
    assert_eq!(clock::now(), start);
}

/// A server that counts in fixed windows and tells what is left.
struct Server {
    start: Instant,
    quota: u64,
    window: Duration,
    counted: std::collections::BTreeMap<u32, u64>,
}

impl Server {
    fn answer(&mut self, now: Instant) -> Hints {
        let since = now - self.start;
        let window = u32::try_from(since.as_nanos() / self.window.as_nanos()).unwrap();
        let counted = self.counted.entry(window).or_default();
        *counted += 1;
        // In whole seconds, and never less than it is.
        let reset = Duration::from_secs((self.window * (window + 1) - since).as_secs() + 1);
        hints(&[(Some(self.quota), self.quota.saturating_sub(*counted), Some(reset))])
    }
}

/// Work for a server: trips in milliseconds, by worker in turn.
async fn work(quota: u64, window: Duration, workers: usize, trips: &[u64], requests: usize) -> (u64, Duration) {
    let start = clock::now();
    let limiter = open(1000, 1000);
    let server = Arc::new(Mutex::new(Server { start, quota, window, counted: Default::default() }));
    let mut tasks = Vec::new();
    for worker in 0..workers {
        let (limiter, server, trips) = (Arc::clone(&limiter), Arc::clone(&server), trips.to_vec());
        tasks.push(tokio::spawn(async move {
            for number in (worker..requests).step_by(workers) {
                limiter.take(1).await;
                let left = clock::now();
                let trip = |number: usize| Duration::from_millis(trips[number % trips.len()]);
                tokio::time::sleep(trip(number)).await;
                let hints = server.lock().unwrap().answer(clock::now());
                tokio::time::sleep(trip(number + 1)).await;
                limiter.answered(1);
                limiter.learn(&hints, left, clock::now());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let most = server.lock().unwrap().counted.values().copied().max().unwrap();
    (most, clock::now() - start)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_server_is_asked_for_more_than_it_said_was_left(
        workers in 1..12usize, spare in 0..100u64, seconds in 2..20u32, requests in 50..300usize,
        trips in proptest::collection::vec(1..400u64, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            // What is on the wire when a window ends is not known to be counted in the next one.
            let quota = 2 * workers as u64 + spare;
            let window = SECOND * seconds;
            let done = tokio::time::timeout(SECOND * 100_000, work(quota, window, workers, &trips, requests)).await;
            prop_assert!(done.is_ok(), "hangs");
            let (most, _) = done.unwrap();
            prop_assert!(most <= quota, "{most} of {quota}");
            Ok(())
        })?;
    }
}
