//! A family of series, and who writes families down: as text here, as messages in `otlp`.
//!
//! Plain data. Must never know a format.

use std::fmt;

use crate::recap::Distribution;

/// Bounds of the buckets of durations: microseconds, and the same as texts write seconds.
pub(crate) const BUCKETS: [(u64, &str); 15] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (10_000_000, "10.0"),
    (30_000_000, "30.0"),
    (60_000_000, "60.0"),
];

/// Kinds of families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What only grows.
    Counter,
    /// What is as it is.
    Gauge,
    /// How many were how long.
    Histogram,
    /// What never changes, in labels.
    Info,
}

/// What series of one name have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    /// Without the ending that its kind gives it; ends with its unit.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Empty: it has none.
    pub(crate) unit: &'static str,
    /// A sentence without a full stop, backslash or line end.
    pub(crate) help: &'static str,
}

/// Labels of a series, beside the name of the job.
pub(crate) type Labels<'l> = Vec<(&'static str, &'l str)>;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// What is counted.
    Count(u64),
    /// What is measured.
    Real(f64),
}

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl fmt::Display for Number {
    /// As texts of Prometheus have it: what is measured has a point, so that nobody takes it for an integer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Real(real) => write!(f, "{real:?}"),
        }
    }
}

/// Takes families down, each once.
pub(crate) trait Book {
    /// A family with a value for each of some labels; left out where there are none.
    fn values(&mut self, family: &Family, values: &[(Labels<'_>, Number)]);

    /// A family of durations with a distribution for each of some labels.
    fn durations(&mut self, family: &Family, durations: &[(Labels<'_>, &Distribution)]);
}

/// How many durations are in each bucket, and behind the last of them.
pub(crate) fn buckets(distribution: &Distribution) -> [u64; BUCKETS.len() + 1] {
    let mut counts = [0; BUCKETS.len() + 1];
    for (micros, count) in &distribution.counts {
        counts[BUCKETS.partition_point(|(bound, _)| bound < micros)] += count;
    }
    counts
}
