//! How long a job takes at least, and what holds it back. Pure arithmetic over a plan.
//!
//! Lower bounds: servers answer at once, nothing is tried again. Concurrency binds nothing here, as
//! that depends on how fast the server answers. Limits whose tokens or buckets are decided by rows are left out and
//! named: what they add is known only while rows are read. Must never come out longer than a run can be.

use std::time::Duration;

use super::{BatchPlan, EndpointPlan, Plan};
use crate::limit::{CostPlan, KeyPlan, LimitPlan};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Requests when nothing is tried again: one for each row, or for each chunk of rows.
    pub requests: u64,
    /// Batches; `None`: none are cut.
    pub batches: Option<u64>,
    /// Shortest possible duration.
    pub shortest: Duration,
    /// What it waits for most; `None`: for nothing but the server.
    pub binding: Option<Binding>,
    /// Positions in [`Plan::limits`] of those that are not counted.
    pub uncounted: Vec<usize>,
}

/// The estimate of each endpoint from its rows, `None` where they can't be known. A bucket that
/// several endpoints take from is counted for all of them. The job takes as long as the longest.
#[must_use]
pub fn estimate(plan: &Plan, rows: &[Option<u64>]) -> Vec<Option<Estimate>> {
    let mut taken = vec![0u64; plan.limits.len()];
    for (endpoint, rows) in plan.endpoints.iter().zip(rows) {
        let requests = rows.map_or(0, |rows| requests(rows, chunk(endpoint), &endpoint.batch));
        endpoint.limits.iter().for_each(|limit| taken[*limit] = taken[*limit].saturating_add(requests));
    }
    let one = |(endpoint, rows): (&EndpointPlan, &Option<u64>)| {
        let of = |position: &usize| Bucket::of(plan, *position, &taken);
        let buckets: Vec<Bucket<'_>> = endpoint.limits.iter().filter_map(of).collect();
        let uncounted = endpoint.limits.iter().filter(|position| of(position).is_none()).copied().collect();
        rows.map(|rows| Estimate { uncounted, ..of_endpoint(rows, chunk(endpoint), &endpoint.batch, &buckets) })
    };
    plan.endpoints.iter().zip(rows).map(one).collect()
}

/// Rows in a request.
fn chunk(endpoint: &EndpointPlan) -> u64 {
    endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size as u64)
}

/// Requests for so many rows: no chunk reaches beyond its batch.
fn requests(rows: u64, chunk: u64, batch: &BatchPlan) -> u64 {
    let size = batch.size.unwrap_or(u64::MAX);
    (rows / size).saturating_mul(size.div_ceil(chunk)).saturating_add((rows % size).div_ceil(chunk))
}

/// A bucket an endpoint takes from.
#[derive(Debug, Clone, Copy)]
struct Bucket<'p> {
    position: usize,
    plan: &'p LimitPlan,
    /// Tokens of a request.
    cost: u64,
    /// Requests of all endpoints that take from it.
    requests: u64,
}

impl<'p> Bucket<'p> {
    /// A bucket that is the only one of its limit, with a cost that is known; `None`: rows decide.
    fn of(plan: &'p Plan, position: usize, taken: &[u64]) -> Option<Self> {
        let limit = &plan.limits[position];
        match (&limit.cost, &limit.key) {
            (CostPlan::Fixed(cost), KeyPlan::One) => {
                Some(Self { position, plan: limit, cost: u64::from(cost.get()), requests: taken[position] })
            }
            (CostPlan::Row(_), _) | (_, KeyPlan::Host | KeyPlan::Row(_)) => None,
        }
    }

    /// Tokens that are there without a wait: a request that takes more than the burst leaves when the bucket is
    /// full.
    fn burst(&self) -> u64 {
        u64::from(self.plan.burst.get()).max(self.cost)
    }
}

fn of_endpoint(rows: u64, chunk: u64, batch: &BatchPlan, buckets: &[Bucket<'_>]) -> Estimate {
    let tokens = buckets.iter().flat_map(slowest).max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(wait, _)| *wait > 0.0);
    let batches = batch.size.map(|size| rows.div_ceil(size));
    let pauses = pauses(batches.unwrap_or(0), batch);
    let own = together(rows, chunk, batch, buckets);
    let token_wait = tokens.map_or(0.0, |(wait, _)| wait);
    let binding = match tokens {
        Some((wait, binding)) if wait >= pauses => Some(binding),
        _ => (pauses > 0.0).then_some(Binding::Pause),
    };
    let shortest = own.max(token_wait).max(pauses);
    let shortest = Duration::try_from_secs_f64(shortest).unwrap_or(Duration::MAX);
    Estimate { requests: requests(rows, chunk, batch), batches, shortest, binding, uncounted: Vec::new() }
}

/// The slowest window of a bucket: the wait for the last of its tokens, in seconds.
fn slowest(bucket: &Bucket<'_>) -> Option<(f64, Binding)> {
    let late = float(bucket.requests.saturating_mul(bucket.cost).saturating_sub(bucket.burst()));
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
fn together(rows: u64, chunk: u64, batch: &BatchPlan, buckets: &[Bucket<'_>]) -> f64 {
    let Some(size) = batch.size.filter(|_| batch.in_flight == 1 && rows > 0) else { return 0.0 };
    // In requests instead of tokens.
    let window =
        |bucket: &Bucket<'_>, rate: f64| (rate / float(bucket.cost), float(bucket.burst()) / float(bucket.cost));
    let windows: Vec<(f64, f64)> =
        buckets.iter().flat_map(|bucket| rates(bucket.plan).map(|rate| window(bucket, rate))).collect();
    let mut full: Vec<f64> = windows.iter().map(|(_, burst)| *burst).collect();
    let pause = batch.pause.as_secs_f64();
    let (whole, rest) = (rows / size, rows % size);
    let (mut elapsed, mut done) = (0.0, 0);
    while done < whole {
        let before = full.clone();
        let step = send(size.div_ceil(chunk), &windows, &mut full) + pause;
        refill(pause, &windows, &mut full);
        elapsed += step;
        done += 1;
        if full == before {
            // Nothing changes from here on: the rest of the whole batches is the same again.
            elapsed += step * float(whole - done);
            done = whole;
        }
    }
    if rest == 0 { elapsed - pause } else { elapsed + send(rest.div_ceil(chunk), &windows, &mut full) }
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
mod tests;
