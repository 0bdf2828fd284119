//! What binds, and when it would be a newcomer's turn.

use super::*;

fn after(start: Instant, place: Option<Instant>) -> Option<u128> {
    place.map(|at| (at - start).as_millis())
}

#[tokio::test(start_paused = true)]
async fn newcomers_get_consecutive_places() {
    let limiter = per_second(10, 2);
    let start = clock::now();
    let places: Vec<_> = (0..5).map(|_| after(start, limiter.place(1, start))).collect();
    assert_eq!(places, [None, None, Some(80), Some(180), Some(280)]);
    assert_eq!(after(start, limiter.place(3, start)), Some(580 - 100));
    assert_eq!(after(start, limiter.place(0, start)), None);
    // Those who came without asking are counted as well, and nobody twice.
    let limiter = per_second(10, 1);
    take(&limiter, 3).await;
    let now = clock::now();
    assert_eq!(after(now, limiter.place(1, now)), Some(80));
    tokio::time::advance(SECOND).await;
    assert_eq!(limiter.place(1, clock::now()), None);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_behind_a_hold_and_behind_a_quota_that_is_used_up() {
    let start = clock::now();
    let limiter = per_second(10, 2);
    limiter.hold(start + SECOND * 5);
    let places: Vec<_> = (0..4).map(|_| after(start, limiter.place(1, start))).collect();
    assert_eq!(places, [Some(4980), Some(4980), Some(5080), Some(5180)]);
    assert_eq!(after(start, limiter.place(0, start)), Some(4980));
    let open = Limiter::open(LimitPlan::hold_only("a"));
    open.learn(&quota::hints(&[(None, 1, Some(SECOND * 7))]), start, start);
    open.take(1).await;
    assert_eq!(after(start, open.place(1, start)), Some(6980));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_at_its_place_finds_the_tokens_and_no_rate_is_lost() {
    let limiter = per_second(40, 1);
    let mut tasks = Vec::new();
    for _ in 0..400 {
        let limiter = Arc::clone(&limiter);
        tasks.push(tokio::spawn(async move {
            if let Some(at) = limiter.place(1, clock::now()) {
                tokio::time::sleep_until(at).await;
            }
            let came = clock::now();
            limiter.take(1).await;
            (limiter.nanos(clock::now()), clock::now() - came)
        }));
    }
    let (mut times, mut waited) = (Vec::new(), Duration::ZERO);
    for task in tasks {
        let (at, wait) = task.await.unwrap();
        times.push(at);
        waited = waited.max(wait);
    }
    times.sort_unstable();
    assert!(promise_holds(limiter.plan(), &times));
    assert!(times[399] as f64 / 1e9 <= 399.0 / 40.0 / 0.98, "{}", times[399]);
    assert!(waited <= Duration::from_millis(30), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_binds_is_told_while_somebody_waits() {
    let limiter = per_second(1, 1);
    limiter.take(1).await;
    assert_eq!(limiter.binds(clock::now()), None);
    let waiting = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, 1).await }
    });
    settle().await;
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Own));
    limiter.hold(clock::now() + SECOND * 10);
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Held));
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Held));
    waiting.await.unwrap();
    assert_eq!(limiter.binds(clock::now()), None);
    // Who waits elsewhere, for its place.
    assert!(limiter.place(1, clock::now()).is_some());
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Own));
    tokio::time::advance(SECOND * 5).await;
    assert_eq!(limiter.binds(clock::now()), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_binds_where_it_is_the_slower() {
    let limiter = per_second(100, 1);
    take(&limiter, 100).await;
    limiter.throttled(clock::now(), clock::now());
    let rate = limiter.learned_rate().unwrap();
    assert!(rate > 45.0 && rate < 55.0, "{rate}");
    limiter.take(1).await;
    let waiting = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, 1).await }
    });
    settle().await;
    assert_eq!(limiter.binds(clock::now()), Some(Bind::Learned));
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_several_limits_the_one_that_comes_last_binds() {
    let takes = [per_second(1, 1), per_second(2, 1)].map(|limiter| Take { limiter, cost: 1 });
    take_all(&takes).await;
    let waiting = tokio::spawn({
        let takes = takes.clone();
        async move { take_all(&takes).await }
    });
    settle().await;
    let binds = || takes.each_ref().map(|take| take.limiter.binds(clock::now()));
    assert_eq!(binds(), [Some(Bind::Own), None]);
    takes[1].limiter.hold(clock::now() + SECOND * 3);
    tokio::time::sleep(SECOND + Duration::from_millis(500)).await;
    assert_eq!(binds(), [None, Some(Bind::Held)]);
    waiting.await.unwrap();
    assert_eq!(binds(), [None, None]);
}
