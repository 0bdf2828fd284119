//! Bounds and liveness of the budget.

use proptest::prelude::*;

use super::*;
use crate::clock;

const SECOND: Duration = Duration::from_secs(1);

fn budget(share: f64) -> (Budget, Instant) {
    let now = clock::now();
    (Budget::new(BudgetPlan { share }, now), now)
}

/// Takes all the retries there are.
fn drain(budget: &mut Budget, now: Instant) -> u32 {
    let mut taken = 0;
    while budget.retry(now).is_ok() {
        taken += 1;
    }
    taken
}

#[test]
fn the_few_retries_of_a_small_job_are_not_delayed() {
    let (mut budget, start) = budget(0.2);
    (0..20).for_each(|_| budget.request(start));
    for row in 0..8 {
        assert_eq!(budget.retry(start + SECOND), Ok(()), "retry {row}");
    }
    // Nor those of a job without any share, whose rows time out after half a minute.
    let (mut budget, start) = self::budget(0.0);
    (0..8).for_each(|_| budget.request(start));
    assert_eq!(drain(&mut budget, start + 30 * SECOND), 10);
}

#[test]
fn an_empty_budget_gives_one_retry_a_second() {
    let (mut budget, start) = budget(0.2);
    assert_eq!(drain(&mut budget, start), 10);
    let mut now = start;
    for second in 1..=30 {
        let Err(due) = budget.retry(now) else { panic!("a retry too much after {second} s") };
        assert_eq!(due, start + second * SECOND);
        assert_eq!(budget.retry(due - Duration::from_nanos(1)), Err(due));
        assert_eq!(budget.retry(due), Ok(()));
        now = due;
    }
}

#[test]
fn the_floor_saves_up_ten_and_no_more() {
    let (mut budget, start) = budget(0.2);
    drain(&mut budget, start);
    assert_eq!(drain(&mut budget, start + 4 * SECOND), 4);
    assert_eq!(drain(&mut budget, start + 3600 * SECOND), 10);
}

#[test]
fn a_share_of_the_requests_of_the_last_ten_seconds() {
    let (mut budget, start) = budget(0.2);
    (0..1000).for_each(|_| budget.request(start));
    assert_eq!(drain(&mut budget, start), 200 + 10);
    // Requests and the retries that they paid are forgotten together.
    assert_eq!(drain(&mut budget, start + 9 * SECOND), 9);
    assert_eq!(drain(&mut budget, start + 11 * SECOND), 2);
    (0..50).for_each(|_| budget.request(start + 11 * SECOND));
    assert_eq!(drain(&mut budget, start + 20 * SECOND), 10 + 9);
    (0..50).for_each(|_| budget.request(start + 40 * SECOND));
    assert_eq!(drain(&mut budget, start + 51 * SECOND), 10, "too late for the share");
}

#[test]
fn a_share_is_not_lost_to_rounding() {
    let (mut budget, start) = budget(0.29);
    drain(&mut budget, start);
    (0..100).for_each(|_| budget.request(start));
    assert_eq!(drain(&mut budget, start), 29);
}

#[test]
fn a_time_that_lies_back_does_no_harm() {
    let (mut budget, start) = budget(0.5);
    budget.request(start + 100 * SECOND);
    budget.request(start);
    assert_eq!(drain(&mut budget, start + 50 * SECOND), 11);
    assert_eq!(drain(&mut budget, start + 100 * SECOND), 10);
}

/// Requests and retries, each after a wait in milliseconds.
fn events() -> impl Strategy<Value = Vec<(bool, u64)>> {
    let wait = prop_oneof![3 => Just(0_u64), 3 => 0..200_u64, 1 => 0..15_000_u64];
    proptest::collection::vec((any::<bool>(), wait), 1..300)
}

proptest! {
    #[test]
    fn never_beyond_the_bound_over_any_window(share in 0.0..1.0_f64, events in events()) {
        let (mut budget, start) = budget(share);
        let (mut now, mut requests, mut retries) = (start, Vec::new(), Vec::new());
        for (request, wait) in events {
            now += Duration::from_millis(wait);
            if request {
                budget.request(now);
                requests.push(now);
            } else if budget.retry(now).is_ok() {
                retries.push(now);
            }
        }
        for (first, from) in retries.iter().enumerate() {
            for (last, to) in retries.iter().enumerate().skip(first) {
                let earning = requests.iter().filter(|at| **at + BudgetPlan::WINDOW >= *from && **at <= *to).count();
                let floor = BudgetPlan::FLOOR * (*to - *from).as_secs_f64() + SAVINGS as f64;
                let bound = share * earning as f64 + floor + 1e-6;
                prop_assert!((last - first + 1) as f64 <= bound, "{} retries, bound {bound}", last - first + 1);
            }
        }
    }

    #[test]
    fn never_starves(share in 0.0..1.0_f64, events in events()) {
        let (mut budget, mut now) = budget(share);
        for (request, wait) in events {
            now += Duration::from_millis(wait);
            if request {
                budget.request(now);
            } else if let Err(due) = budget.retry(now) {
                prop_assert!(due > now && due <= now + SECOND);
                now = due;
                prop_assert_eq!(budget.retry(now), Ok(()));
            }
        }
    }
}
