//! How long a job takes at least, and what holds it back. Pure arithmetic over a plan.
//!
//! Lower bounds: servers answer at once, nothing is tried again. Concurrency binds nothing here, as
//! that depends on how fast the server answers.

use std::time::Duration;

use super::{BatchPlan, Plan};
use crate::limit::LimitPlan;

/// What holds an endpoint back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A window of a bucket.
    Limit {
        /// Position in [`Plan::limits`].
        limit: usize,
        /// Position in its windows.
        window: usize,
    },
    /// The pause between batches.
    Pause,
}

/// An endpoint's share of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Requests when nothing is tried again: one for each row.
    pub requests: u64,
    /// Batches; `None`: none are cut.
    pub batches: Option<u64>,
    /// Shortest possible duration.
    pub shortest: Duration,
    /// What it waits for most; `None`: for nothing but the server.
    pub binding: Option<Binding>,
}

/// The estimate of each endpoint from its rows, `None` where they can't be known. A bucket that
/// several endpoints take from is counted for all of them. The job takes as long as the longest.
#[must_use]
pub fn estimate(plan: &Plan, rows: &[Option<u64>]) -> Vec<Option<Estimate>> {
    let mut taken = vec![0u64; plan.limits.len()];
    for (endpoint, rows) in plan.endpoints.iter().zip(rows) {
        endpoint.limits.iter().for_each(|limit| taken[*limit] = taken[*limit].saturating_add(rows.unwrap_or(0)));
    }
    let one = |(endpoint, rows): (&super::EndpointPlan, &Option<u64>)| {
        let buckets: Vec<Bucket<'_>> = endpoint
            .limits
            .iter()
            .map(|position| Bucket { position: *position, plan: &plan.limits[*position], taken: taken[*position] })
            .collect();
        rows.map(|rows| of_endpoint(rows, &endpoint.batch, &buckets))
    };
    plan.endpoints.iter().zip(rows).map(one).collect()
}

/// A bucket an endpoint takes from.
#[derive(Debug, Clone, Copy)]
struct Bucket<'p> {
    position: usize,
    plan: &'p LimitPlan,
    /// Tokens that all endpoints take from it together.
    taken: u64,
}

fn of_endpoint(requests: u64, batch: &BatchPlan, buckets: &[Bucket<'_>]) -> Estimate {
    let tokens = buckets.iter().flat_map(slowest).max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(wait, _)| *wait > 0.0);
    let batches = batch.size.map(|size| requests.div_ceil(size));
    let pauses = pauses(batches.unwrap_or(0), batch);
    let own = together(requests, batch, buckets);
    let token_wait = tokens.map_or(0.0, |(wait, _)| wait);
    let binding = match tokens {
        Some((wait, binding)) if wait >= pauses => Some(binding),
        _ => (pauses > 0.0).then_some(Binding::Pause),
    };
    let shortest = own.max(token_wait).max(pauses);
    let shortest = Duration::try_from_secs_f64(shortest).unwrap_or(Duration::MAX);
    Estimate { requests, batches, shortest, binding }
}

/// The slowest window of a bucket: the wait for the last of its tokens, in seconds.
fn slowest(bucket: &Bucket<'_>) -> Option<(f64, Binding)> {
    let late = float(bucket.taken.saturating_sub(u64::from(bucket.plan.burst.get())));
    let waits = rates(bucket.plan)
        .enumerate()
        .map(|(window, rate)| (late / rate, Binding::Limit { limit: bucket.position, window }));
    waits.max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Tokens per second of each window.
fn rates(plan: &LimitPlan) -> impl Iterator<Item = f64> {
    plan.windows.iter().map(|window| f64::from(window.count.get()) / window.per.as_secs_f64())
}

/// The pauses alone, in seconds: batches share them out over the lanes that run side by side.
fn pauses(batches: u64, batch: &BatchPlan) -> f64 {
    let lanes = batch.in_flight.max(1) as u64;
    float(batches.div_ceil(lanes).saturating_sub(1)) * batch.pause.as_secs_f64()
}

/// Tokens and pauses one after the other, in seconds: exact for batches that do not overlap, where a
/// pause refills a bucket to its burst and no further.
fn together(requests: u64, batch: &BatchPlan, buckets: &[Bucket<'_>]) -> f64 {
    let Some(size) = batch.size.filter(|_| batch.in_flight == 1 && requests > 0) else { return 0.0 };
    let windows: Vec<(f64, f64)> = buckets
        .iter()
        .flat_map(|bucket| rates(bucket.plan).map(|rate| (rate, f64::from(bucket.plan.burst.get()))))
        .collect();
    let mut full: Vec<f64> = windows.iter().map(|(_, burst)| *burst).collect();
    let pause = batch.pause.as_secs_f64();
    let (whole, rest) = (requests / size, requests % size);
    let (mut elapsed, mut done) = (0.0, 0);
    while done < whole {
        let before = full.clone();
        let step = send(size, &windows, &mut full) + pause;
        refill(pause, &windows, &mut full);
        elapsed += step;
        done += 1;
        if full == before {
            // Nothing changes from here on: the rest of the whole batches is the same again.
            elapsed += step * float(whole - done);
            done = whole;
        }
    }
    if rest == 0 { elapsed - pause } else { elapsed + send(rest, &windows, &mut full) }
}

/// Sends `count` requests as fast as the windows let them; gives the seconds it took.
fn send(count: u64, windows: &[(f64, f64)], full: &mut [f64]) -> f64 {
    let count = float(count);
    let wait =
        windows.iter().zip(full.iter()).map(|((rate, _), full)| (count - full).max(0.0) / rate).fold(0.0, f64::max);
    for ((rate, burst), full) in windows.iter().zip(full) {
        *full = (*full + wait * rate - count).clamp(0.0, *burst);
    }
    wait
}

fn refill(seconds: f64, windows: &[(f64, f64)], full: &mut [f64]) {
    for ((rate, burst), full) in windows.iter().zip(full) {
        *full = (*full + seconds * rate).min(*burst);
    }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
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
        let estimate = of_endpoint(rows, batch, &[Bucket { position: 7, plan, taken }]);
        (estimate.shortest.as_secs_f64(), estimate.binding)
    }

    #[test]
    fn nothing_binds_without_limits_and_pauses() {
        let estimate = of_endpoint(1_000_000, &NO_BATCHES, &[]);
        assert_eq!((estimate.shortest, estimate.binding, estimate.batches), (Duration::ZERO, None, None));
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
}
