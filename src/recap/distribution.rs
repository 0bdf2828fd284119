//! A distribution of durations: how many were about how long. What a histogram of a run becomes on disk and in
//! reports. A value stands for all that its histogram could not tell apart from it: two significant digits or more.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

/// Microseconds and how often, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Distribution {
    /// Value in microseconds, and how many.
    pub counts: Vec<(u64, u64)>,
}

impl Distribution {
    /// What a histogram of microseconds holds.
    #[must_use]
    pub fn of<C: Counter>(histogram: &Histogram<C>) -> Self {
        let counts =
            histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value().as_u64()));
        Self { counts: counts.collect() }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The duration that a share (0..=1) of them did not exceed; `None`: there are none.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a share of a count"
    )]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.total() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map(|(micros, _)| Duration::from_micros(*micros))
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        self.counts.last().map(|(micros, _)| Duration::from_micros(*micros))
    }

    /// The sum of all of them.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(
            self.counts.iter().map(|(micros, count)| micros.saturating_mul(*count)).fold(0, u64::saturating_add),
        )
    }

    /// How many were not longer than this.
    #[must_use]
    pub fn within(&self, bound: Duration) -> u64 {
        let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        self.counts.iter().take_while(|(micros, _)| *micros <= bound).map(|(_, count)| count).sum()
    }

    /// Takes in another one.
    pub fn add(&mut self, other: &Self) {
        let mut all: BTreeMap<u64, u64> = self.counts.iter().copied().collect();
        other.counts.iter().for_each(|(micros, count)| *all.entry(*micros).or_default() += count);
        self.counts = all.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        Distribution::of(&histogram)
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let values: Vec<u64> = (1..=100).collect();
        let distribution = of(&values);
        for (share, micros) in [(0.0, 1), (0.5, 50), (0.95, 95), (0.991, 100), (1.0, 100)] {
            assert_eq!(distribution.quantile(share), Some(Duration::from_micros(micros)), "{share}");
        }
        assert_eq!(distribution.max(), Some(Duration::from_micros(100)));
        assert_eq!(distribution.sum(), Duration::from_micros(5050));
        assert_eq!(distribution.within(Duration::from_micros(10)), 10);
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn two_of_them_are_one() {
        let mut all = of(&[1, 5]);
        all.add(&of(&[5, 9]));
        assert_eq!(all.counts, [(1, 1), (5, 2), (9, 1)]);
        assert_eq!(all.total(), 4);
    }
}
