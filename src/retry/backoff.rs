//! Waits of our own making: how long before the next attempt when the server named no time.
//!
//! A pure function of the plan, the number of the failed attempt and a random number, so that every
//! wait can be computed, tested and shown. Must never sleep and never exceed `max`.

use std::time::Duration;

use super::{BackoffShape, Jitter, RetryPlan};

/// The wait after attempt number `attempt` (from 1) failed: grown from `initial` by the plan's shape,
/// spread by its jitter with `random` in 0..1, and never longer than the plan's `max`.
#[must_use]
pub fn backoff(plan: &RetryPlan, initial: Duration, attempt: u32, random: f64) -> Duration {
    let grown = grow(plan, initial.as_secs_f64(), attempt.max(1));
    let spread = spread(plan.jitter, grown, random.clamp(0.0, 1.0));
    seconds(spread, plan.max)
}

/// The wait before it is spread, in seconds, capped by `max`: growth beyond any number is `max`, too.
fn grow(plan: &RetryPlan, initial: f64, attempt: u32) -> f64 {
    let grown = match plan.backoff {
        BackoffShape::Exponential => initial * plan.factor.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX)),
        BackoffShape::Linear => initial * f64::from(attempt),
        BackoffShape::Constant => initial,
    };
    // Zero times infinity is no number; a first wait of zero never grows.
    if initial == 0.0 { 0.0 } else { grown.min(plan.max.as_secs_f64()) }
}

fn spread(jitter: Jitter, wait: f64, random: f64) -> f64 {
    match jitter {
        Jitter::Full => wait * random,
        Jitter::Equal => wait / 2.0 + wait / 2.0 * random,
        Jitter::None => wait,
        Jitter::Proportional(share) => wait * (1.0 + share * (2.0 * random - 1.0)),
    }
}

/// Seconds as a duration between zero and `max`.
fn seconds(value: f64, max: Duration) -> Duration {
    Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(max).min(max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::retry::tests::plan;

    const SECOND: Duration = Duration::from_secs(1);

    fn waits(shape: BackoffShape, jitter: Jitter, random: f64) -> Vec<u128> {
        let plan = RetryPlan { backoff: shape, jitter, max: Duration::from_secs(10), ..plan() };
        (1..=5).map(|attempt| backoff(&plan, SECOND, attempt, random).as_millis()).collect()
    }

    #[test]
    fn every_shape_grows_as_documented_and_stops_at_max() {
        assert_eq!(waits(BackoffShape::Exponential, Jitter::None, 0.5), [1000, 2000, 4000, 8000, 10_000]);
        assert_eq!(waits(BackoffShape::Linear, Jitter::None, 0.5), [1000, 2000, 3000, 4000, 5000]);
        assert_eq!(waits(BackoffShape::Constant, Jitter::None, 0.5), [1000; 5]);
    }

    #[test]
    fn every_jitter_spreads_as_documented() {
        let constant = |jitter, random| waits(BackoffShape::Constant, jitter, random)[0];
        assert_eq!([0.0, 0.25, 1.0].map(|random| constant(Jitter::Full, random)), [0, 250, 1000]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| constant(Jitter::Equal, random)), [500, 750, 1000]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| constant(Jitter::Proportional(0.25), random)), [750, 1000, 1250]);
        assert_eq!([0.0, 1.0].map(|random| constant(Jitter::None, random)), [1000, 1000]);
    }

    /// The waits of 100,000 draws after the first attempt, in seconds, the shortest first. The seed is fixed: what
    /// holds today holds always.
    fn drawn(jitter: Jitter) -> Vec<f64> {
        let plan = RetryPlan { backoff: BackoffShape::Constant, jitter, max: Duration::from_secs(10), ..plan() };
        let mut random = fastrand::Rng::with_seed(9110);
        let mut waits: Vec<_> = (0..100_000).map(|_| backoff(&plan, SECOND, 1, random.f64()).as_secs_f64()).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    #[test]
    fn every_jitter_is_uniform_over_its_band() {
        for (jitter, low, high) in [
            (Jitter::Full, 0.0, 1.0),
            (Jitter::Equal, 0.5, 1.0),
            (Jitter::Proportional(0.25), 0.75, 1.25),
            (Jitter::Proportional(1.0), 0.0, 2.0),
            (Jitter::None, 1.0, 1.0),
            (Jitter::Proportional(0.0), 1.0, 1.0),
        ] {
            let waits = drawn(jitter);
            assert!(low <= waits[0] && waits[waits.len() - 1] <= high, "{jitter:?}");
            let mean = waits.iter().sum::<f64>() / 100_000.0;
            assert!((mean - f64::midpoint(low, high)).abs() <= 0.003 * (high - low) + 1e-9, "{jitter:?}: {mean}");
            // As many waits in each part of the band as in any other: Kolmogorov and Smirnov's distance, which
            // is beyond this for one uniform sample in a thousand.
            for (place, wait) in (0_u32..).zip(&waits) {
                let share = f64::from(place) / 100_000.0;
                assert!(
                    (wait - low - share * (high - low)).abs() <= 0.0062 * (high - low) + 1e-9,
                    "{jitter:?}: {wait}"
                );
            }
        }
    }

    fn shapes() -> impl Strategy<Value = BackoffShape> {
        prop_oneof![Just(BackoffShape::Exponential), Just(BackoffShape::Linear), Just(BackoffShape::Constant)]
    }

    fn jitters() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::Full),
            Just(Jitter::Equal),
            Just(Jitter::None),
            (0.0..=1.0f64).prop_map(Jitter::Proportional)
        ]
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_max_and_no_number_overflows(
            shape in shapes(), jitter in jitters(), attempt in prop_oneof![1..2000u32, Just(u32::MAX)],
            initial in 0..u64::MAX, max in 0..u64::MAX, factor in 0.0..1e6f64, random in 0.0..1.0f64,
        ) {
            let max = Duration::from_millis(max);
            let plan = RetryPlan { backoff: shape, jitter, max, factor, ..plan() };
            prop_assert!(backoff(&plan, Duration::from_millis(initial), attempt, random) <= max);
        }

        #[test]
        fn a_later_attempt_never_waits_less(shape in shapes(), jitter in jitters(), attempt in 1..1000u32,
            random in 0.0..1.0f64, factor in 1.0..10.0f64) {
            let plan = RetryPlan { backoff: shape, jitter, factor, ..plan() };
            let wait = |attempt| backoff(&plan, Duration::from_millis(250), attempt, random);
            prop_assert!(wait(attempt) <= wait(attempt + 1));
        }

        #[test]
        fn the_jitter_stays_in_its_band(attempt in 1..20u32, random in 0.0..1.0f64, share in 0.0..=1.0f64) {
            let wait = |jitter| backoff(&RetryPlan { jitter, ..plan() }, SECOND, attempt, random).as_secs_f64();
            let whole = wait(Jitter::None);
            prop_assert!(wait(Jitter::Full) <= whole);
            prop_assert!((whole / 2.0 - 1e-6..=whole + 1e-6).contains(&wait(Jitter::Equal)));
            let around = wait(Jitter::Proportional(share));
            prop_assert!((whole * (1.0 - share) - 1e-6..=whole * (1.0 + share) + 1e-6).contains(&around));
        }
    }
}
