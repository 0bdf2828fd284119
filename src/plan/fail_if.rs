//! Whether a condition over a whole run holds. Pure.

use std::time::Duration;

use crate::journal::Counts;

/// A condition over the whole run, such as `failed > 1%`.
#[derive(Debug, Clone, PartialEq)]
pub struct FailIf {
    /// As written.
    pub source: String,
    /// What is compared.
    pub measure: Measure,
    /// How.
    pub comparison: Comparison,
    /// With what; seconds for durations, a share of 1 when `percent`.
    pub bound: f64,
    /// Whether the measure is taken as a share of all ended rows.
    pub percent: bool,
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Rows that have ended.
    Rows,
    /// Rows that ended ok.
    Ok,
    /// Rows that failed.
    Failed,
    /// Rows that were skipped.
    Skipped,
    /// Attempts made.
    Attempts,
    /// A percentile of attempt durations, in seconds; 0.5, 0.95, ...
    Percentile(f64),
}

/// How a measure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl FailIf {
    /// Whether the condition holds. `percentile` gives the duration below which a share of attempts
    /// stayed, `None` when there were no attempts. A share of no rows, and a percentile of no attempts,
    /// fulfil no condition.
    pub fn holds(&self, counts: &Counts, percentile: impl Fn(f64) -> Option<Duration>) -> bool {
        self.measured(counts, percentile).is_some_and(|measured| compare(self.comparison, measured, self.bound))
    }

    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn measured(&self, counts: &Counts, percentile: impl Fn(f64) -> Option<Duration>) -> Option<f64> {
        let count = match self.measure {
            Measure::Rows => counts.rows(),
            Measure::Ok => counts.ok,
            Measure::Failed => counts.failed,
            Measure::Skipped => counts.skipped,
            Measure::Attempts => counts.attempts,
            Measure::Percentile(share) => return percentile(share).map(|duration| duration.as_secs_f64()),
        };
        match (self.percent, counts.rows()) {
            (false, _) => Some(count as f64),
            (true, 0) => None,
            (true, rows) => Some(count as f64 / rows as f64),
        }
    }
}

/// Whether a measure is to the bound as a condition wants it.
#[allow(clippy::float_cmp, reason = "counts and written bounds are compared, not results of long sums")]
pub(super) fn compare(comparison: Comparison, measured: f64, bound: f64) -> bool {
    match comparison {
        Comparison::Above => measured > bound,
        Comparison::AtLeast => measured >= bound,
        Comparison::Below => measured < bound,
        Comparison::AtMost => measured <= bound,
        Comparison::Equal => measured == bound,
        Comparison::NotEqual => measured != bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(measure: Measure, comparison: Comparison, bound: f64, percent: bool) -> FailIf {
        FailIf { source: String::new(), measure, comparison, bound, percent }
    }

    fn counts(ok: u64, failed: u64) -> Counts {
        Counts { ok, failed, attempts: ok + 3 * failed, ..Counts::default() }
    }

    #[test]
    fn counts_and_shares() {
        let none = |_: f64| None;
        let some_failed = condition(Measure::Failed, Comparison::Above, 0.0, false);
        assert!(some_failed.holds(&counts(9, 1), none) && !some_failed.holds(&counts(10, 0), none));
        let one_percent = condition(Measure::Failed, Comparison::Above, 0.01, true);
        assert!(!one_percent.holds(&counts(99, 1), none) && one_percent.holds(&counts(98, 2), none));
        assert!(condition(Measure::Rows, Comparison::Below, 1000.0, false).holds(&counts(999, 0), none));
        assert!(condition(Measure::Attempts, Comparison::Equal, 5.0, false).holds(&counts(2, 1), none));
    }

    #[test]
    fn nothing_fulfils_no_share_and_no_percentile() {
        let none = |_: f64| None;
        assert!(!condition(Measure::Ok, Comparison::Below, 0.99, true).holds(&counts(0, 0), none));
        assert!(!condition(Measure::Percentile(0.95), Comparison::AtMost, 2.0, false).holds(&counts(0, 0), none));
    }

    #[test]
    fn percentiles_are_seconds() {
        let slow = condition(Measure::Percentile(0.95), Comparison::Above, 2.0, false);
        let at = |milliseconds| move |share: f64| (share == 0.95).then(|| Duration::from_millis(milliseconds));
        assert!(slow.holds(&counts(1, 0), at(2001)) && !slow.holds(&counts(1, 0), at(2000)));
    }
}
