//! What is known of a duration before anything is sent.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::limit::Window;

fn limit(burst: u32, windows: &[(u32, u64)]) -> LimitPlan {
    let window = |(count, seconds): &(u32, u64)| Window {
        count: NonZeroU32::new(*count).unwrap(),
        per: Duration::from_secs(*seconds),
    };
    LimitPlan::new("api", windows.iter().map(window).collect(), NonZeroU32::new(burst).unwrap())
}

fn batches(size: u64, pause_ms: u64, in_flight: usize) -> BatchPlan {
    BatchPlan { size: Some(size), pause: Duration::from_millis(pause_ms), in_flight }
}

const NO_BATCHES: BatchPlan = BatchPlan { size: None, pause: Duration::ZERO, in_flight: 1 };

fn one(rows: u64, batch: &BatchPlan, plan: &LimitPlan, taken: u64) -> (f64, Option<Binding>) {
    let CostPlan::Fixed(cost) = plan.cost else { panic!("a cost that rows decide") };
    let bucket = Bucket { position: 7, plan, cost: u64::from(cost.get()), requests: taken };
    let estimate = of_endpoint(rows, 1, batch, &[bucket]);
    (estimate.shortest.as_secs_f64(), estimate.binding)
}

#[test]
fn nothing_binds_without_limits_and_pauses() {
    let estimate = of_endpoint(1_000_000, 1, &NO_BATCHES, &[]);
    assert_eq!((estimate.shortest, estimate.binding, estimate.batches), (Duration::ZERO, None, None));
}

#[test]
fn chunks_are_counted_as_the_requests_that_they_are() {
    let no_pause = |size| batches(size, 0, 1);
    for (rows, chunk, batch, expected) in [
        (0, 10, NO_BATCHES, 0),
        (21, 10, NO_BATCHES, 3),
        (21, 1, NO_BATCHES, 21),
        // Batches of 15 are cut into 10 and 5.
        (31, 10, no_pause(15), 5),
        (30, 10, no_pause(15), 4),
    ] {
        assert_eq!(of_endpoint(rows, chunk, &batch, &[]).requests, expected, "{rows} rows in chunks of {chunk}");
    }
    let slow = limit(1, &[(1, 1)]);
    let bucket = Bucket { position: 7, plan: &slow, cost: 1, requests: 3 };
    assert_eq!(of_endpoint(21, 10, &NO_BATCHES, &[bucket]).shortest, Duration::from_secs(2));
    // Of two batches the first goes out at once but for its second chunk.
    let bucket = Bucket { requests: 4, ..bucket };
    assert_eq!(of_endpoint(30, 10, &batches(15, 5_000, 1), &[bucket]).shortest, Duration::from_secs(7));
}

#[test]
fn the_slowest_window_binds() {
    let two = limit(5, &[(10, 1), (5000, 3600)]);
    assert_eq!(one(7205, &NO_BATCHES, &two, 7205), (5184.0, Some(Binding::Limit { limit: 7, window: 1 })));
    assert_eq!(one(5, &NO_BATCHES, &two, 5), (0.0, None), "the burst is free");
}

#[test]
fn a_shared_bucket_counts_for_all() {
    assert_eq!(one(10, &NO_BATCHES, &limit(1, &[(1, 1)]), 101).0, 100.0);
}

#[test]
fn pauses_bind_when_they_are_longer() {
    let fast = limit(1000, &[(1000, 1)]);
    assert_eq!(one(1000, &batches(100, 500, 1), &fast, 1000), (4.5, Some(Binding::Pause)));
    assert_eq!(one(1000, &batches(100, 500, 2), &fast, 1000), (2.0, Some(Binding::Pause)));
    assert_eq!(one(1, &batches(100, 500, 1), &fast, 1), (0.0, None), "no pause behind the last batch");
}

#[test]
fn tokens_come_behind_pauses() {
    // 100 at 10/s, burst 10, batches of 50 with 2 s between: 4 s, 2 s in which 10 tokens gather, 4 s.
    assert_eq!(one(100, &batches(50, 2000, 1), &limit(10, &[(10, 1)]), 100).0, 10.0);
    // The same with a rest of 5, which is free behind its pause.
    assert_eq!(one(105, &batches(50, 2000, 1), &limit(10, &[(10, 1)]), 105).0, 12.0);
}

#[test]
fn many_batches_are_counted_without_walking_them() {
    let (shortest, _) = one(50_000_000_000, &batches(1, 1000, 1), &limit(1, &[(10, 1)]), 50_000_000_000);
    assert_eq!(shortest, 49_999_999_999.0);
}

#[test]
fn a_request_may_take_more_than_one_token() {
    let costly =
        |cost, burst| LimitPlan { cost: CostPlan::Fixed(NonZeroU32::new(cost).unwrap()), ..limit(burst, &[(10, 1)]) };
    // 100 requests of 5 tokens at 10/s, of which 10 are there at once.
    assert_eq!(one(100, &NO_BATCHES, &costly(5, 10), 100).0, 49.0);
    // The first of 30 tokens leaves at once, from a bucket of 10 that is full; each other 3 s later.
    assert_eq!(one(5, &NO_BATCHES, &costly(30, 10), 5).0, 12.0);
    // Batches of 10 are 50 tokens: 4 s, then 1 s in which 10 tokens gather, and 4 s.
    assert_eq!(one(20, &batches(10, 1000, 1), &costly(5, 10), 20).0, 9.0);
}

proptest! {
    #[test]
    fn more_work_never_takes_less(rows in 1u64..5000, size in 1u64..500, pause in 0u64..2000, lanes in 1usize..4, rate in 1u32..100, burst in 1u32..50) {
        let plan = limit(burst, &[(rate, 1)]);
        let batch = batches(size, pause, lanes);
        let (less, _) = one(rows, &batch, &plan, rows);
        let (more, _) = one(rows + 1, &batch, &plan, rows + 1);
        prop_assert!(more >= less - 1e-6, "{more} < {less}");
        let tokens = (rows.saturating_sub(u64::from(burst))) as f64 / f64::from(rate);
        prop_assert!(less >= tokens - 1e-6);
    }
}
