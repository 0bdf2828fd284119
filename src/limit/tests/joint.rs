//! Several limits at once, on tokio's paused clock: all or none, nobody starved, nobody blocked in vain.

use super::*;

/// Limits by rate per second and burst.
fn limits(rates: &[(u32, u32)]) -> Vec<Arc<Limiter>> {
    rates.iter().map(|(rate, burst)| per_second(*rate, *burst)).collect()
}

/// A token of each.
fn takes(set: &[Arc<Limiter>]) -> Vec<Take> {
    set.iter().map(|limiter| Take { limiter: Arc::clone(limiter), cost: 1 }).collect()
}

/// When each of `count` requests of `workers` tasks left, in nanoseconds since `start`.
fn backlog(
    set: &[Arc<Limiter>],
    start: Instant,
    workers: usize,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Vec<u64>>> {
    let one = |_| {
        let set = set.to_vec();
        tokio::spawn(async move {
            let mut left = Vec::new();
            for _ in 0..count / workers {
                take_all(&takes(&set)).await;
                left.push(u64::try_from((clock::now() - start).as_nanos()).unwrap());
            }
            left
        })
    };
    (0..workers).map(one).collect()
}

/// All departures, in order; those of tasks that were aborted are missing.
async fn departures(tasks: Vec<tokio::task::JoinHandle<Vec<u64>>>) -> Vec<u64> {
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap_or_default());
    }
    all.sort_unstable();
    all
}

fn rate(departures: &[u64]) -> f64 {
    let took = departures[departures.len() - 1] - departures[0];
    (departures.len() - 1) as f64 * 1e9 / took as f64
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_one_limit_piles_up_no_tokens_of_the_other() {
    for order in [[0, 1], [1, 0]] {
        let both = limits(&[(10, 1), (1000, 50)]);
        let set = order.map(|position| Arc::clone(&both[position]));
        let start = clock::now();
        let tasks = backlog(&set, start, 40, 80);
        settle().await;
        both[1].hold(start + SECOND * 3);
        let left = departures(tasks).await;
        assert!(promise_holds(both[0].plan(), &left), "{left:?}");
        assert!(left[1] >= 3_000_000_000 && rate(&left[1..]) >= 9.8, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_comes_while_another_limit_is_waited_for_is_obeyed() {
    for order in [[0, 1], [1, 0]] {
        let both = limits(&[(1, 1), (1000, 1)]);
        let set = order.map(|position| Arc::clone(&both[position]));
        let start = clock::now();
        let tasks = backlog(&set, start, 2, 2);
        settle().await;
        both[1].hold(start + SECOND * 5);
        assert_eq!(milliseconds(&departures(tasks).await), [0, 5000]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slow_limit_does_not_block_a_fast_one() {
    for burst in [1, 5] {
        let both = limits(&[(1, 1), (200, burst)]);
        let start = clock::now();
        let joint = backlog(&both, start, 10, 10);
        let alone = backlog(&both[1..], start, 10, 2000);
        let (joint, alone) = (departures(joint).await, departures(alone).await);
        assert!(rate(&alone) >= 0.98 * 199.0, "burst {burst}: {}", rate(&alone));
        assert!(rate(&joint) >= 0.98, "burst {burst}: {joint:?}");
        let mut all = [joint, alone].concat();
        all.sort_unstable();
        assert!(promise_holds(both[1].plan(), &all));
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_two_busy_limits_is_not_starved_by_those_who_want_one() {
    // 7 and 11 a second are never due at the same time for long.
    for (slow, fast) in [(7, 50), (7, 11), (10, 10)] {
        let both = limits(&[(slow, 1), (fast, 1)]);
        let start = clock::now();
        let others = [&both[..1], &both[1..]].map(|set| backlog(set, start, 10, 300));
        let joint = departures(backlog(&both, start, 10, 60)).await;
        others.into_iter().flatten().for_each(|task| task.abort());
        // Heads take turns at the slower one: half of it is theirs, less what two beats cost each other.
        assert!(rate(&joint) >= 0.35 * f64::from(slow), "{slow} and {fast}: {}", rate(&joint));
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_lets_those_behind_it_past() {
    let both = limits(&[(1, 1), (10, 1)]);
    take_all(&takes(&both)).await;
    let start = clock::now();
    both[0].hold(start + Duration::from_millis(150));
    let first = backlog(&both, start, 1, 1);
    settle().await;
    let second = backlog(&both[1..], start, 1, 1);
    settle().await;
    // At 100 ms the second one may not go ahead: the first needs that token at 150 ms. It would wait.
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(!second[0].is_finished());
    first.into_iter().for_each(|task| task.abort());
    assert_eq!(milliseconds(&departures(second).await), [120]);
}

#[tokio::test(start_paused = true)]
async fn one_set_is_one_queue_whatever_the_order_of_its_names() {
    let both = limits(&[(10, 1), (20, 1)]);
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (served, mut set) = (Arc::clone(&served), both.clone());
        if number % 2 == 0 {
            set.reverse();
            set.push(Arc::clone(&set[0]));
        }
        tasks.push(tokio::spawn(async move {
            take_all(&takes(&set)).await;
            served.lock().unwrap().push(number);
        }));
        settle().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), (0..20).collect::<Vec<_>>());
    assert!(take_all(&[]).now_or_never());
}

#[tokio::test(start_paused = true)]
async fn queues_of_keys_that_nobody_uses_are_dropped() {
    let shared = per_second(1_000_000, 100_000);
    let used = [Arc::clone(&shared), per_second(1, 1)];
    take_all(&takes(&used)).await;
    let start = clock::now();
    let waiting = backlog(&used, start, 1, 1);
    settle().await;
    for _ in 0..5000 {
        take_all(&takes(&[Arc::clone(&shared), per_second(1, 1)])).await;
        assert!(shared.queues() <= 1000);
    }
    assert_eq!(milliseconds(&departures(waiting).await), [1000]);
}

/// Whether a future ends at once.
trait NowOrNever: Future<Output = ()> + Sized {
    fn now_or_never(self) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(self).poll(&mut cx).is_ready()
    }
}

impl<F: Future<Output = ()>> NowOrNever for F {}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heads_on_several_threads_do_not_hang() {
    let all = limits(&[(20_000, 1), (30_000, 20), (40_000, 400)]);
    let start = clock::now();
    let sets = [vec![0, 1], vec![2, 1], vec![0, 2], vec![2, 0, 1], vec![0], vec![1]];
    let sets: Vec<Vec<_>> =
        sets.iter().map(|set| set.iter().map(|position| Arc::clone(&all[*position])).collect()).collect();
    let tasks: Vec<_> = sets.iter().flat_map(|set| backlog(set, start, 4, 400)).collect();
    let leavers: Vec<_> = sets.iter().flat_map(|set| backlog(set, start, 4, 400_000)).collect();
    for (number, task) in leavers.into_iter().enumerate() {
        take_all(&takes(&sets[number % sets.len()])).await;
        task.abort();
    }
    let left = tokio::time::timeout(SECOND * 120, departures(tasks)).await.expect("hangs");
    assert_eq!(left.len(), 2400);
}

/// Endpoints that take from some of the limits, and what servers say meanwhile.
#[derive(Debug, Clone)]
struct Scene {
    rates: Vec<(u32, u32)>,
    /// Which limits, how many workers.
    sets: Vec<(Vec<usize>, usize)>,
    /// After how many milliseconds more, which limit, for how long.
    holds: Vec<(u64, usize, u64)>,
    /// Tasks that go away after the holds.
    gone: Vec<usize>,
}

fn scenes() -> impl Strategy<Value = Scene> {
    let rates = proptest::collection::vec((1..300u32, 1..6u32), 2..5);
    rates.prop_flat_map(|rates| {
        let which = 0..rates.len();
        let set = (proptest::collection::vec(which.clone(), 1..4), 1..4usize);
        (
            proptest::collection::vec(set, 1..5),
            proptest::collection::vec((0..700u64, which, 0..2000u64), 0..6),
            proptest::collection::vec(0..12usize, 0..3),
        )
            .prop_map(move |(sets, holds, gone)| Scene { rates: rates.clone(), sets, holds, gone })
    })
}

const REQUESTS: usize = 24;

/// Plays a scene. For each limit: what left through it, and its holds.
async fn play(scene: &Scene) -> (Vec<Arc<Limiter>>, Vec<Vec<u64>>, Vec<(usize, u64, u64)>) {
    let limits = limits(&scene.rates);
    let start = clock::now();
    let sets: Vec<Vec<_>> =
        scene.sets.iter().map(|(set, _)| set.iter().map(|position| Arc::clone(&limits[*position])).collect()).collect();
    let mut tasks: Vec<_> = sets
        .iter()
        .zip(&scene.sets)
        .flat_map(|(limiters, (set, workers))| {
            backlog(limiters, start, *workers, REQUESTS).into_iter().map(move |task| (set, task))
        })
        .collect();
    let mut holds = Vec::new();
    for (pause, position, wait) in &scene.holds {
        tokio::time::sleep(Duration::from_millis(*pause)).await;
        settle().await;
        let until = clock::now() + Duration::from_millis(*wait);
        limits[*position].hold(until);
        let nanos = |at: Instant| u64::try_from((at - start).as_nanos()).unwrap();
        holds.push((*position, nanos(clock::now()), nanos(until)));
    }
    for number in &scene.gone {
        if *number < tasks.len() {
            tasks.swap_remove(*number).1.abort();
        }
    }
    let mut left = vec![Vec::new(); limits.len()];
    for (set, task) in tasks {
        let times = task.await.unwrap();
        let distinct = (0..limits.len()).filter(|position| set.contains(position));
        distinct.for_each(|position| left[position].extend(&times));
    }
    left.iter_mut().for_each(|times| times.sort_unstable());
    (limits, left, holds)
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_scene_breaks_a_promise_or_a_hold_or_hangs(scene in scenes()) {
        paused().block_on(async {
            let ended = tokio::time::timeout(SECOND * 3600, play(&scene)).await;
            prop_assert!(ended.is_ok(), "hangs");
            let (limits, left, holds) = ended.unwrap();
            for (limiter, left) in limits.iter().zip(&left) {
                prop_assert!(promise_holds(limiter.plan(), left), "{:?}: {left:?}", limiter.plan());
            }
            for (position, from, until) in holds {
                let broken = left[position].iter().any(|at| *at > from && *at < until);
                prop_assert!(!broken, "{from}..{until}: {:?}", left[position]);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_slowest_of_several_limits_is_used(
        rates in proptest::collection::vec((1..900u32, 2..30u32), 2..5), workers in 1..8usize,
    ) {
        paused().block_on(async {
            let slowest = f64::from(rates.iter().map(|(rate, _)| *rate).min().unwrap());
            let start = clock::now();
            let left = departures(backlog(&limits(&rates), start, workers, 400)).await;
            prop_assert!(rate(&left) >= 0.98 * slowest, "{} of {slowest}", rate(&left));
            Ok(())
        })?;
    }
}
