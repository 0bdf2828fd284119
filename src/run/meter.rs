//! What a session measures: latencies by stage, statuses, failures by reason. One short lock per attempt.

mod streams;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::recap::{Distribution, Stages, timeline};
use crate::transport::Timings;

pub use streams::Ends;
use streams::Streams;

/// Distinct reasons that are told apart; the rest is counted together.
const MOST_REASONS: usize = 50;

/// Where the reasons beyond [`MOST_REASONS`] are counted.
const OTHER: &str = "other reasons";

/// Reasons that differ in what they quote alone and are told apart; the others are counted together.
const MOST_ALIKE: usize = 3;

/// The slowest attempts that are kept.
const MOST_SLOW: usize = 20;

/// Stages of an attempt, in the order in which they happen.
const STAGES: usize = 6;

#[derive(Debug)]
struct Inside {
    /// Microseconds.
    latency: Histogram<u64>,
    /// Of attempts since the last look of the timeline, microseconds.
    interval: Histogram<u32>,
    /// Microseconds, by position of the stage.
    stages: [Histogram<u64>; STAGES],
    /// Longest first.
    slowest: Vec<Slowest>,
    statuses: BTreeMap<u16, u64>,
    /// By position of the endpoint and reason.
    failures: BTreeMap<(usize, String), (u64, u64)>,
    /// How many of these differ in what they quote alone, by position of the endpoint and what they have in common.
    alike: BTreeMap<(usize, String), usize>,
    retries: BTreeMap<String, u64>,
    streams: Streams,
    malformed: u64,
    orphans: BTreeMap<usize, (u64, String)>,
    doubts: BTreeMap<String, (u64, u64)>,
}

/// See the module.
#[derive(Debug)]
pub struct Meter {
    inside: Mutex<Inside>,
}

/// An attempt that reached the wire.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'t> {
    /// From the request's first byte to the end of the reply, or of the attempt.
    pub wire: Duration,
    /// Status of the reply, if one came.
    pub status: Option<u16>,
    /// Its stages, where a whole reply came.
    pub timings: Option<&'t Timings>,
    /// Position of the endpoint.
    pub endpoint: usize,
    /// The row.
    pub row: u64,
}

/// One of the attempts that took longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowest {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// The row.
    pub row: u64,
    /// Status of the reply, if one came.
    pub status: Option<u16>,
    /// Microseconds on the wire.
    pub micros: u64,
}

/// Rows of an endpoint that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// Why, masked.
    pub reason: String,
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub example: u64,
}

/// What a meter has measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Durations on the wire.
    pub latency: Distribution,
    /// The same by stage, and what comes before.
    pub stages: Stages,
    /// Attempts that took longest, longest first.
    pub slowest: Vec<Slowest>,
    /// Statuses and how often, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Rows that failed, most frequent reason first.
    pub failures: Vec<Failures>,
    /// Why attempts were made again and how often; most frequent first.
    pub retries: Vec<(String, u64)>,
    /// How connections that stay open ended, by position of the endpoint.
    pub streams: BTreeMap<usize, Ends>,
    /// What replies said of limits and could not be read.
    pub malformed: u64,
    /// Rows that were skipped because the rows that were to give them failed: position of the endpoint, rows, the
    /// reason of the first.
    pub orphans: Vec<(usize, u64, String)>,
    /// What does not add up in walks through pages, rows, example row.
    pub doubts: Vec<(String, u64, u64)>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            inside: Mutex::new(Inside {
                latency: histogram(3),
                interval: timeline::interval(),
                stages: std::array::from_fn(|_| histogram(2)),
                slowest: Vec::with_capacity(MOST_SLOW + 1),
                statuses: BTreeMap::new(),
                failures: BTreeMap::new(),
                alike: BTreeMap::new(),
                retries: BTreeMap::new(),
                streams: Streams::default(),
                malformed: 0,
                orphans: BTreeMap::new(),
                doubts: BTreeMap::new(),
            }),
        }
    }
}

/// One hour at most: with three digits about 100 KiB, whatever the number of attempts.
fn histogram(digits: u8) -> Histogram<u64> {
    match Histogram::new_with_bounds(1, 3_600_000_000, digits) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("the bounds are constant and valid: {error}"),
    }
}

/// A reason without what it quotes: values of rows and replies stand there.
fn without_quoted(reason: &str) -> String {
    let parts = reason.split('`').enumerate();
    parts.map(|(position, part)| if position % 2 == 0 { part } else { "`…`" }).collect()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

impl Inside {
    /// Stages of which nothing is known have no part in it: a kept connection has no name to resolve.
    fn stages(&mut self, timings: &Timings) {
        let Timings { pool, dns, connect, tls, first_byte, body } = *timings;
        let connected = [Some(dns), Some(connect), Some(tls)].map(|time| time.filter(|time| !time.is_zero()));
        let [dns, connect, tls] = connected;
        let times = [Some(pool), dns, connect, tls, Some(first_byte), Some(body)];
        for (histogram, time) in self.stages.iter_mut().zip(times) {
            if let Some(time) = time {
                histogram.saturating_record(micros(time));
            }
        }
    }

    /// Where a reason is counted that is not known yet.
    fn group(&mut self, endpoint: usize, reason: &str) -> (usize, String) {
        let common = (endpoint, without_quoted(reason));
        let alike = self.alike.get(&common).copied().unwrap_or_default();
        let key = if alike < MOST_ALIKE { (endpoint, reason.to_owned()) } else { common.clone() };
        if self.failures.contains_key(&key) {
            return key;
        }
        if self.failures.len() >= MOST_REASONS {
            return (endpoint, OTHER.to_owned());
        }
        *self.alike.entry(common).or_default() += 1;
        key
    }

    fn note_slow(&mut self, slow: Slowest) {
        if self.slowest.len() == MOST_SLOW && self.slowest.last().is_some_and(|last| last.micros >= slow.micros) {
            return;
        }
        let place = self.slowest.partition_point(|known| known.micros >= slow.micros);
        self.slowest.insert(place, slow);
        self.slowest.truncate(MOST_SLOW);
    }

    fn measured_stages(&self) -> Stages {
        let [pool, dns, connect, tls, first_byte, body] = self.stages.each_ref().map(Distribution::of);
        Stages { pool, dns, connect, tls, first_byte, body }
    }
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt that reached the wire.
    pub fn attempt(&self, attempt: &Attempt<'_>) {
        let Attempt { wire, status, timings, endpoint, row } = *attempt;
        let micros = micros(wire);
        let mut inside = self.lock();
        inside.latency.saturating_record(micros);
        inside.interval.saturating_record(micros);
        if let Some(timings) = timings {
            inside.stages(timings);
        }
        if let Some(status) = status {
            *inside.statuses.entry(status).or_default() += 1;
        }
        inside.note_slow(Slowest { endpoint, row, status, micros });
    }

    /// Gives the durations since it was last asked to whoever looks, and forgets them.
    pub fn interval<T>(&self, look: impl FnOnce(&Histogram<u32>) -> T) -> T {
        let mut inside = self.lock();
        let seen = look(&inside.interval);
        inside.interval.reset();
        seen
    }

    /// Counts a row of an endpoint that failed for good.
    pub fn failed(&self, endpoint: usize, reason: &str, row: u64) {
        let mut inside = self.lock();
        let exact = (endpoint, reason.to_owned());
        let key = if inside.failures.contains_key(&exact) { exact } else { inside.group(endpoint, reason) };
        inside.failures.entry(key).or_insert((0, row)).0 += 1;
    }

    /// Counts an attempt that is made again, by the reason in a word: a status, a kind of failure, a rule.
    pub fn retried(&self, reason: &str) {
        let mut inside = self.lock();
        let known = inside.retries.contains_key(reason) || inside.retries.len() < MOST_REASONS;
        *inside.retries.entry(if known { reason } else { OTHER }.to_owned()).or_default() += 1;
    }

    /// Counts a connection of an endpoint that is opened again, by the reason of the retry that this is.
    pub fn reconnected(&self, endpoint: usize, reason: &str) {
        self.lock().streams.reconnected(endpoint, reason);
    }

    /// Counts a connection of an endpoint that was closed with a code (RFC 6455 §7.4): 1005 where none was given, 1006 where there
    /// was no close frame.
    pub fn closed(&self, endpoint: usize, code: u16) {
        self.lock().streams.closed(endpoint, code);
    }

    /// Counts a row of an endpoint that is skipped because the row that was to give it failed.
    pub fn orphaned(&self, endpoint: usize, reason: &str) {
        self.lock().orphans.entry(endpoint).or_insert_with(|| (0, reason.to_owned())).0 += 1;
    }

    /// Counts a row whose replies are odd, by what is; whether it is the first.
    pub fn doubted(&self, words: &str, row: u64) -> bool {
        let mut inside = self.lock();
        let known = inside.doubts.contains_key(words) || inside.doubts.len() < MOST_REASONS;
        let (rows, _) = inside.doubts.entry(if known { words } else { OTHER }.to_owned()).or_insert((0, row));
        *rows += 1;
        *rows == 1
    }

    /// Counts values about limits that could not be read.
    pub fn malformed(&self, values: u32) {
        self.lock().malformed += u64::from(values);
    }

    /// The duration below which a share of the attempts stayed; `None` when there were none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let inside = self.lock();
        (!inside.latency.is_empty()).then(|| Duration::from_micros(inside.latency.value_at_quantile(share)))
    }

    /// What was measured so far.
    #[must_use]
    pub fn read(&self) -> Measured {
        let inside = self.lock();
        let statuses = inside.statuses.iter().map(|(status, count)| (*status, *count)).collect();
        let failures = inside.failures.iter().map(|((endpoint, reason), (rows, example))| Failures {
            endpoint: *endpoint,
            reason: reason.clone(),
            rows: *rows,
            example: *example,
        });
        let mut failures: Vec<_> = failures.collect();
        failures.sort_by_key(|failures| std::cmp::Reverse(failures.rows));
        let mut retries: Vec<_> = inside.retries.iter().map(|(reason, count)| (reason.clone(), *count)).collect();
        retries.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let orphans = inside.orphans.iter().map(|(endpoint, (rows, example))| (*endpoint, *rows, example.clone()));
        let doubts = inside.doubts.iter().map(|(words, (rows, example))| (words.clone(), *rows, *example)).collect();
        let (orphans, malformed) = (orphans.collect(), inside.malformed);
        let (latency, stages) = (Distribution::of(&inside.latency), inside.measured_stages());
        let (slowest, streams) = (inside.slowest.clone(), inside.streams.measured());
        Measured { latency, stages, slowest, statuses, failures, retries, streams, malformed, orphans, doubts }
    }
}
