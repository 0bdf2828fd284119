//! Whether a condition that stops the run holds, and what is counted for it. Pure.

use std::time::Duration;

use super::fail_if::{Comparison, Measure, compare};
use crate::record::Ending;

/// A condition that stops the run, such as `failed > 50% after 100` or `unauthorized >= 5 in a row`. What it
/// looks at are the rows that have ended in this session.
#[derive(Debug, Clone, PartialEq)]
pub struct StopIf {
    /// As written.
    pub source: String,
    /// What is compared.
    pub measure: StopMeasure,
    /// How.
    pub comparison: Comparison,
    /// With what; a share of 1 when `percent`, seconds for percentiles.
    pub bound: f64,
    /// Whether the measure is taken as a share of the ended rows.
    pub percent: bool,
    /// Ended rows before which the condition does not count.
    pub after: u64,
    /// Whether the measure counts the latest rows without one of another kind between them.
    pub in_a_row: bool,
}

/// What is said of a run that a condition stopped.
#[must_use]
pub fn words(condition: &str) -> String {
    format!("{condition} (run.stop-if)")
}

/// What a `stop-if` looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopMeasure {
    /// What `fail-if` knows as well.
    Of(Measure),
    /// Rows that failed because the server answered 401 or 403.
    Unauthorized,
}

/// How a row ended, as far as a `stop-if` is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Whether it failed because the server answered 401 or 403.
    pub unauthorized: bool,
    /// Attempts it took.
    pub attempts: u32,
    /// Whether it was counted as one that ended ok before.
    pub was_ok: bool,
}

/// The rows that have ended in this session, and the latest of them without one of another kind between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    total: Ends,
    /// Each counts the latest rows of its kind; one of another kind sets it to 0.
    streak: Ends,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    ok: u64,
    failed: u64,
    skipped: u64,
    unauthorized: u64,
    attempts: u64,
}

impl Ends {
    fn rows(&self) -> u64 {
        self.ok + self.failed + self.skipped
    }
}

impl Tally {
    /// Counts a row that has ended.
    pub fn note(&mut self, ended: &Ended) {
        let failed = ended.ending == Ending::Failed;
        let kinds = Ends {
            ok: u64::from(ended.ending == Ending::Ok),
            failed: u64::from(failed),
            skipped: u64::from(ended.ending == Ending::Skipped),
            unauthorized: u64::from(failed && ended.unauthorized),
            attempts: u64::from(ended.attempts),
        };
        let go_on = |streak: u64, kind: u64| if kind == 0 { 0 } else { streak + kind };
        let Self { total, streak } = self;
        *total = Ends {
            ok: (total.ok + kinds.ok).saturating_sub(u64::from(ended.was_ok)),
            failed: total.failed + kinds.failed,
            skipped: total.skipped + kinds.skipped,
            unauthorized: total.unauthorized + kinds.unauthorized,
            attempts: total.attempts + kinds.attempts,
        };
        *streak = Ends {
            ok: go_on(streak.ok, kinds.ok),
            failed: go_on(streak.failed, kinds.failed),
            skipped: go_on(streak.skipped, kinds.skipped),
            unauthorized: go_on(streak.unauthorized, kinds.unauthorized),
            // Every row makes attempts: there is no row of another kind.
            attempts: total.attempts,
        };
    }

    /// Rows that have ended.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.total.rows()
    }
}

impl StopIf {
    /// Whether it looks at durations of attempts, which takes longer than a look at counts.
    #[must_use]
    pub fn is_over_a_percentile(&self) -> bool {
        matches!(self.measure, StopMeasure::Of(Measure::Percentile(_)))
    }

    /// Whether the condition holds. `percentile` gives the duration below which a share of attempts stayed,
    /// `None` when there were no attempts. Before any row has ended, and before `after` have, no
    /// condition holds.
    pub fn holds(&self, tally: &Tally, percentile: impl Fn(f64) -> Option<Duration>) -> bool {
        let rows = tally.rows();
        if rows == 0 || rows < self.after {
            return false;
        }
        self.measured(tally, percentile).is_some_and(|measured| compare(self.comparison, measured, self.bound))
    }

    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn measured(&self, tally: &Tally, percentile: impl Fn(f64) -> Option<Duration>) -> Option<f64> {
        let ends = if self.in_a_row { &tally.streak } else { &tally.total };
        let count = match self.measure {
            StopMeasure::Unauthorized => ends.unauthorized,
            StopMeasure::Of(Measure::Rows) => tally.rows(),
            StopMeasure::Of(Measure::Ok) => ends.ok,
            StopMeasure::Of(Measure::Failed) => ends.failed,
            StopMeasure::Of(Measure::Skipped) => ends.skipped,
            StopMeasure::Of(Measure::Attempts) => ends.attempts,
            StopMeasure::Of(Measure::Percentile(share)) => return percentile(share).map(|d| d.as_secs_f64()),
        };
        Some(if self.percent { count as f64 / tally.rows() as f64 } else { count as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Comparison;

    const OK: Ended = Ended { ending: Ending::Ok, unauthorized: false, attempts: 1, was_ok: false };
    const SKIPPED: Ended = Ended { ending: Ending::Skipped, unauthorized: false, attempts: 1, was_ok: false };
    const FAILED: Ended = Ended { ending: Ending::Failed, unauthorized: false, attempts: 5, was_ok: false };
    const REFUSED: Ended = Ended { ending: Ending::Failed, unauthorized: true, attempts: 1, was_ok: false };

    fn condition(measure: StopMeasure, comparison: Comparison, bound: f64) -> StopIf {
        StopIf { source: String::new(), measure, comparison, bound, percent: false, after: 0, in_a_row: false }
    }

    fn failed() -> StopMeasure {
        StopMeasure::Of(Measure::Failed)
    }

    /// How many of the rows had ended when the condition held for the first time.
    fn holds_after(condition: &StopIf, rows: &[Ended]) -> Option<usize> {
        let mut tally = Tally::default();
        let held = rows.iter().position(|ended| {
            tally.note(ended);
            condition.holds(&tally, |_| None)
        });
        held.map(|position| position + 1)
    }

    #[test]
    fn a_share_does_not_count_before_enough_rows_have_ended() {
        let half = StopIf { percent: true, after: 4, ..condition(failed(), Comparison::Above, 0.5) };
        assert_eq!(holds_after(&half, &[FAILED, FAILED, FAILED, OK, OK]), Some(4));
        assert_eq!(holds_after(&half, &[FAILED, OK, FAILED, OK, SKIPPED, FAILED, FAILED]), Some(7));
        assert_eq!(holds_after(&StopIf { after: 0, ..half }, &[FAILED]), Some(1));
    }

    #[test]
    fn five_refusals_in_a_row_are_not_five_with_others_between_them() {
        let five = StopIf { in_a_row: true, ..condition(StopMeasure::Unauthorized, Comparison::AtLeast, 5.0) };
        assert_eq!(holds_after(&five, &[REFUSED; 7]), Some(5));
        for other in [OK, SKIPPED, FAILED] {
            let mut rows = [REFUSED; 11];
            rows[4] = other;
            assert_eq!(holds_after(&five, &rows), Some(10), "{other:?}");
            rows[9] = other;
            assert_eq!(holds_after(&five, &rows), None, "{other:?}");
        }
        let in_all = StopIf { in_a_row: false, ..five };
        assert_eq!(holds_after(&in_all, &[REFUSED, OK, REFUSED, OK, REFUSED, REFUSED, FAILED, REFUSED]), Some(8));
    }

    #[test]
    fn a_refused_row_goes_on_with_a_row_of_failures() {
        let three = StopIf { in_a_row: true, ..condition(failed(), Comparison::AtLeast, 3.0) };
        assert_eq!(holds_after(&three, &[FAILED, SKIPPED, FAILED, REFUSED, FAILED]), Some(5));
    }

    #[test]
    fn a_row_that_did_not_fail_is_never_counted_as_refused() {
        let one = condition(StopMeasure::Unauthorized, Comparison::AtLeast, 1.0);
        assert_eq!(holds_after(&one, &[Ended { unauthorized: true, ..SKIPPED }, REFUSED]), Some(2));
    }

    #[test]
    fn every_measure_counts_its_own() {
        let rows = [OK, OK, SKIPPED, FAILED, REFUSED, OK];
        let mut tally = Tally::default();
        rows.iter().for_each(|ended| tally.note(ended));
        let table = [
            (StopMeasure::Of(Measure::Rows), 6.0, 6.0),
            (StopMeasure::Of(Measure::Ok), 3.0, 1.0),
            (failed(), 2.0, 0.0),
            (StopMeasure::Of(Measure::Skipped), 1.0, 0.0),
            (StopMeasure::Of(Measure::Attempts), 10.0, 10.0),
            (StopMeasure::Unauthorized, 1.0, 0.0),
        ];
        for (measure, total, streak) in table {
            let all = condition(measure, Comparison::Equal, total);
            assert!(all.holds(&tally, |_| None), "{measure:?}");
            let latest = StopIf { in_a_row: true, ..condition(measure, Comparison::Equal, streak) };
            assert!(latest.holds(&tally, |_| None), "{measure:?} in a row");
        }
        assert_eq!(tally.rows(), 6);
    }

    #[test]
    fn nothing_has_ended_and_nothing_holds() {
        let none_failed = condition(failed(), Comparison::AtMost, 0.0);
        assert!(!none_failed.holds(&Tally::default(), |_| None));
        assert_eq!(holds_after(&none_failed, &[OK]), Some(1));
    }

    #[test]
    fn percentiles_are_seconds() {
        let slow = condition(StopMeasure::Of(Measure::Percentile(0.95)), Comparison::Above, 2.0);
        let mut tally = Tally::default();
        tally.note(&OK);
        let at = |milliseconds| move |share: f64| (share == 0.95).then(|| Duration::from_millis(milliseconds));
        assert!(slow.holds(&tally, at(2001)) && !slow.holds(&tally, at(2000)) && !slow.holds(&tally, |_| None));
    }
}
