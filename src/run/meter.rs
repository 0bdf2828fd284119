//! What a session measures: latencies, statuses, failures by reason. One short lock per attempt.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Distinct reasons that are told apart; the rest is counted together.
const MOST_REASONS: usize = 50;

/// Where the reasons beyond [`MOST_REASONS`] are counted.
const OTHER: &str = "other reasons";

#[derive(Debug)]
struct Inside {
    /// Microseconds.
    latency: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    failures: BTreeMap<String, (u64, u64)>,
    retries: BTreeMap<String, u64>,
    malformed: u64,
    orphans: BTreeMap<usize, (u64, String)>,
    doubts: BTreeMap<String, (u64, u64)>,
}

/// See the module.
#[derive(Debug)]
pub struct Meter {
    inside: Mutex<Inside>,
}

/// What a meter has measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// p50, p95, p99 of attempt durations; `None` when there were none.
    pub latency: Option<[Duration; 3]>,
    /// Statuses and how often, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Reason, rows, example row; most frequent first.
    pub failures: Vec<(String, u64, u64)>,
    /// Why attempts were made again and how often; most frequent first.
    pub retries: Vec<(String, u64)>,
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
        // One hour at most, three digits: about 100 KiB, whatever the number of attempts.
        let latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap_or_else(|_| unreachable_bounds());
        Self {
            inside: Mutex::new(Inside {
                latency,
                statuses: BTreeMap::new(),
                failures: BTreeMap::new(),
                retries: BTreeMap::new(),
                malformed: 0,
                orphans: BTreeMap::new(),
                doubts: BTreeMap::new(),
            }),
        }
    }
}

fn unreachable_bounds() -> Histogram<u64> {
    unreachable!("the bounds are constant and valid")
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt that reached the wire.
    pub fn attempt(&self, duration: Duration, status: Option<u16>) {
        let mut inside = self.lock();
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        inside.latency.saturating_record(micros.max(1));
        if let Some(status) = status {
            *inside.statuses.entry(status).or_default() += 1;
        }
    }

    /// Counts a row that failed for good.
    pub fn failed(&self, reason: &str, row: u64) {
        let mut inside = self.lock();
        let known = inside.failures.contains_key(reason) || inside.failures.len() < MOST_REASONS;
        let entry = inside.failures.entry(if known { reason } else { OTHER }.to_owned()).or_insert((0, row));
        entry.0 += 1;
    }

    /// Counts an attempt that is made again, by the reason in a word: a status, a kind of failure, a rule.
    pub fn retried(&self, reason: &str) {
        let mut inside = self.lock();
        let known = inside.retries.contains_key(reason) || inside.retries.len() < MOST_REASONS;
        *inside.retries.entry(if known { reason } else { OTHER }.to_owned()).or_default() += 1;
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
        let quantile = |share| Duration::from_micros(inside.latency.value_at_quantile(share));
        let latency = (!inside.latency.is_empty()).then(|| [0.5, 0.95, 0.99].map(quantile));
        let statuses = inside.statuses.iter().map(|(status, count)| (*status, *count)).collect();
        let mut failures: Vec<_> =
            inside.failures.iter().map(|(reason, (rows, example))| (reason.clone(), *rows, *example)).collect();
        failures.sort_by_key(|(_, rows, _)| std::cmp::Reverse(*rows));
        let mut retries: Vec<_> = inside.retries.iter().map(|(reason, count)| (reason.clone(), *count)).collect();
        retries.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let orphans = inside.orphans.iter().map(|(endpoint, (rows, example))| (*endpoint, *rows, example.clone()));
        let doubts = inside.doubts.iter().map(|(words, (rows, example))| (words.clone(), *rows, *example)).collect();
        let (orphans, malformed) = (orphans.collect(), inside.malformed);
        Measured { latency, statuses, failures, retries, malformed, orphans, doubts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped_with_their_first_row_and_bounded() {
        let meter = Meter::default();
        meter.failed("404 Not Found", 7);
        meter.failed("404 Not Found", 9);
        for row in 0..200 {
            meter.failed(&format!("reason {row}"), row);
        }
        let failures = meter.read().failures;
        assert_eq!(failures[0], (OTHER.to_owned(), 151, 49));
        assert_eq!(failures[1], ("404 Not Found".to_owned(), 2, 7));
        assert_eq!(failures.len(), MOST_REASONS + 1);
    }

    #[test]
    fn retries_are_counted_by_reason_most_frequent_first() {
        let meter = Meter::default();
        ["503", "reset", "503"].into_iter().for_each(|reason| meter.retried(reason));
        meter.malformed(2);
        ["first", "second"].into_iter().for_each(|reason| meter.orphaned(1, reason));
        let measured = meter.read();
        assert_eq!(measured.retries, [("503".to_owned(), 2), ("reset".to_owned(), 1)]);
        assert_eq!(measured.malformed, 2);
        assert_eq!(measured.orphans, [(1, 2, "first".to_owned())]);
    }

    #[test]
    fn percentiles_come_from_attempts() {
        let meter = Meter::default();
        assert_eq!(meter.read().latency, None);
        for millis in 1..=100 {
            meter.attempt(Duration::from_millis(millis), Some(200));
        }
        let [p50, p95, p99] = meter.read().latency.unwrap().map(|time| time.as_millis());
        assert_eq!((p50, p95, p99), (50, 95, 99));
        assert_eq!(meter.read().statuses, [(200, 100)]);
    }
}
