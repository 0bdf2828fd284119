//! Requests of several tokens, and of none.

use super::super::bucket::tests::promise_of_costs_holds;
use super::*;

/// Takes these costs one after the other and gives the times in milliseconds.
async fn take_costs(limiter: &Limiter, costs: &[u32]) -> Vec<u64> {
    let mut times = Vec::new();
    for cost in costs {
        limiter.take(*cost).await;
        times.push(limiter.nanos(clock::now()));
    }
    milliseconds(&times)
}

#[tokio::test(start_paused = true)]
async fn a_dear_request_leaves_when_the_bucket_is_full_and_pays_afterwards() {
    let limiter = per_second(10, 3);
    assert_eq!(take_costs(&limiter, &[2, 2, 1]).await, [0, 100, 200]);
    let limiter = per_second(10, 3);
    assert_eq!(take_costs(&limiter, &[5, 1, 5, 3]).await, [0, 300, 600, 1100]);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_no_cost_passes_those_who_wait_but_obeys_a_hold() {
    let limiter = per_second(1, 1);
    limiter.take(1).await;
    let waiting = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, 1).await }
    });
    settle().await;
    assert_eq!(take_costs(&limiter, &[0, 0]).await, [0, 0]);
    limiter.hold(clock::now() + SECOND * 5);
    assert_eq!(take_costs(&limiter, &[0]).await, [5000]);
    assert_eq!(milliseconds(&waiting.await.unwrap()), [5000]);
    let both = [(per_second(1, 1), 0), (per_second(1, 1), 0)].map(|(limiter, cost)| Take { limiter, cost });
    both[1].limiter.hold(clock::now() + SECOND);
    let start = clock::now();
    take_all(&both).await;
    assert_eq!(clock::now() - start, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_is_named_twice_gives_the_dearer_cost_once() {
    let limiter = per_second(10, 5);
    let takes = [1, 4, 0].map(|cost| Take { limiter: Arc::clone(&limiter), cost });
    take_all(&takes).await;
    assert_eq!(take_costs(&limiter, &[1, 1]).await, [0, 100]);
}

/// Requests of several workers on several limits of different costs.
#[derive(Debug, Clone)]
struct Scene {
    limits: Vec<(u32, u32)>,
    /// Costs at each limit, by request.
    requests: Vec<Vec<u32>>,
    gone: Vec<usize>,
    /// After how many milliseconds more, which limit, for how long.
    holds: Vec<(u64, usize, u64)>,
}

fn scenes() -> impl Strategy<Value = Scene> {
    proptest::collection::vec((1..200u32, 1..8u32), 1..4).prop_flat_map(|limits| {
        let cost = prop_oneof![1 => Just(0u32), 3 => Just(1), 2 => 1..12u32];
        let request = proptest::collection::vec(cost, limits.len());
        (
            proptest::collection::vec(request, 10..60),
            proptest::collection::vec(0..60usize, 0..5),
            proptest::collection::vec((0..900u64, 0..limits.len(), 0..3000u64), 0..4),
        )
            .prop_map(move |(requests, gone, holds)| Scene { limits: limits.clone(), requests, gone, holds })
    })
}

async fn play(scene: &Scene) -> (Vec<Arc<Limiter>>, Vec<(u64, Vec<u32>)>, Vec<(usize, u64, u64)>) {
    let limits: Vec<_> = scene.limits.iter().map(|(rate, burst)| per_second(*rate, *burst)).collect();
    let start = clock::now();
    let since = move |at: Instant| u64::try_from((at - start).as_nanos()).unwrap();
    let mut tasks = Vec::new();
    for costs in &scene.requests {
        let takes: Vec<_> = limits
            .iter()
            .zip(costs)
            .map(|(limiter, cost)| Take { limiter: Arc::clone(limiter), cost: *cost })
            .collect();
        let costs = costs.clone();
        tasks.push(tokio::spawn(async move {
            take_all(&takes).await;
            (since(clock::now()), costs)
        }));
    }
    let mut holds = Vec::new();
    for (pause, position, wait) in &scene.holds {
        tokio::time::sleep(Duration::from_millis(*pause)).await;
        settle().await;
        let until = clock::now() + Duration::from_millis(*wait);
        limits[*position].hold(until);
        holds.push((*position, since(clock::now()), since(until)));
    }
    let gone = scene.gone.iter().filter_map(|number| tasks.get(*number));
    gone.for_each(tokio::task::JoinHandle::abort);
    let mut left = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await {
            Ok(departure) => left.push(departure),
            Err(_) => assert!(scene.gone.contains(&number)),
        }
    }
    left.sort_unstable();
    (limits, left, holds)
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_scene_of_costs_breaks_a_promise_or_a_hold_or_hangs(scene in scenes()) {
        paused().block_on(async {
            let ended = tokio::time::timeout(SECOND * 7200, play(&scene)).await;
            prop_assert!(ended.is_ok(), "hangs");
            let (limits, left, holds) = ended.unwrap();
            for (position, limiter) in limits.iter().enumerate() {
                let left: Vec<_> = left.iter().map(|(at, costs)| (*at, costs[position])).filter(|(_, cost)| *cost > 0).collect();
                prop_assert!(promise_of_costs_holds(limiter.plan(), &left), "{:?}: {left:?}", limiter.plan());
            }
            for (_, from, until) in holds {
                prop_assert!(!left.iter().any(|(at, _)| *at > from && *at < until), "{from}..{until}: {left:?}");
            }
            Ok(())
        })?;
    }

    // Without a burst gaps are kept, and the timers of a paused clock are late by more than a gap may be shortened by.
    #[test]
    fn the_rate_is_used_whatever_the_costs(
        rate in 1..900u32, burst in 2..30u32, costs in proptest::collection::vec(1..20u32, 50..200), workers in 1..6usize,
    ) {
        paused().block_on(async {
            let limiter = per_second(rate, burst);
            let mut tasks = Vec::new();
            for worker in 0..workers {
                let (limiter, costs) = (Arc::clone(&limiter), costs.clone());
                tasks.push(tokio::spawn(async move {
                    for cost in costs.iter().skip(worker).step_by(workers) {
                        limiter.take(*cost).await;
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            let took = limiter.nanos(clock::now()) as f64 / 1e9;
            let due = costs.iter().map(|cost| f64::from(*cost)).sum::<f64>() / f64::from(rate);
            // What costs as much as the bucket holds waits until it is full, and a full one keeps nothing of the millisecond by
            // which a timer may be late.
            let full = costs.iter().filter(|cost| **cost >= burst).count() as f64;
            prop_assert!(took <= due / 0.98 + 0.003 + 0.001 * full, "{took} s for {due} s");
            Ok(())
        })?;
    }
}
