//! A range of dates or times, from one to another by steps of the calendar, made as they are asked for.
//!
//! Each is counted from the first, so no step drifts: a month after January 31 is February 28, and one more March 31.
//! Must never hold more than the position, and never ask what time it is or where.

use serde_json::{Map, Value};

use super::super::SourceError;
use super::super::problem::Problem;
use super::counted::{Counted, Scale};
use super::empty;
use crate::row::{Fields, VALUE};
use crate::spec::moment::{self, Moment, Step, Unit};

/// Where the job does not say.
const DAILY: Step = Step { amount: 1, unit: Unit::Day };

/// A range of dates, decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates {
    from: Moment,
    step: Step,
    rows: u64,
}

/// Decides a range of dates as it is written; `step` is absent or has a unit.
pub(super) fn decide(from: &str, to: &str, step: Option<&str>) -> Result<Counted<Dates>, Problem> {
    let read = |key: &'static str, text: &str| {
        moment::moment(text).map_err(|error| Problem::value(Some(key), error.message, error.help))
    };
    let (first, last) = (read("from", from)?, read("to", to)?);
    let step = match step {
        Some(text) => moment::step(text).map_err(|error| Problem::value(Some("step"), error.message, error.help))?,
        None => DAILY,
    };
    if !first.form.is_like(last.form) {
        return Err(Problem::value(
            Some("to"),
            format!("`from` is {} and `to` is {}", first.form.in_words(), last.form.in_words()),
            format!("write both alike, such as {from:?} and {:?}", like(first, last)),
        ));
    }
    if first.form == moment::Form::Date && step.is_of_clock() {
        return Err(Problem::value(
            Some("step"),
            format!("dates have no clock that a step of {step} could move"),
            format!("begin at a time, such as `from = {from}T00:00:00`, or step by days, weeks, months or years"),
        ));
    }
    let rows = rows(first, last, step)
        .ok_or_else(|| empty(from, to, step.amount > 0, ("negative, such as \"-1 day\"", "positive")))?;
    Ok(Counted(Dates { from: first, step, rows }))
}

/// The other moment as one like the first.
fn like(first: Moment, other: Moment) -> String {
    Moment { civil: other.civil, form: first.form }.to_string()
}

/// How many there are; `None`: none. Found by halves: each is later than the one before it, or each earlier.
fn rows(first: Moment, last: Moment, step: Step) -> Option<u64> {
    let end = last.seen_from(first.form)?;
    let is_in = |count: i64| {
        step.from(first.civil, count).is_some_and(|at| if step.amount > 0 { at <= end } else { at >= end })
    };
    // More seconds than there are in ten thousand years of both signs.
    let (mut low, mut high) = (0_i64, 1 << 40);
    while low < high {
        let middle = i64::midpoint(low, high);
        if is_in(middle) { low = middle + 1 } else { high = middle }
    }
    u64::try_from(low).ok().filter(|rows| *rows > 0)
}

impl Dates {
    /// The moment at a position, which must be below `rows`: then it lies between the first and the last.
    fn moment(self, position: u64) -> Result<String, SourceError> {
        let civil = i64::try_from(position).ok().and_then(|count| self.step.from(self.from.civil, count));
        let civil = civil.ok_or_else(|| SourceError::new(format!("row {position} of the range is out of range")))?;
        Ok(Moment { civil, form: self.from.form }.to_string())
    }
}

impl Scale for Dates {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn at(&self, position: u64) -> Result<Fields, SourceError> {
        let value = Value::from(self.moment(position)?);
        Ok(Fields::Object(Map::from_iter([(VALUE.to_owned(), value)])))
    }

    fn words(&self) -> (String, String, String, bool) {
        let last = self.moment(self.rows - 1).unwrap_or_else(|_| self.from.to_string());
        (self.from.to_string(), last, self.step.to_string(), self.step == DAILY)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Span;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::source::{Read, SourcePlan};

    fn values(plan: Counted<Dates>, skip: u64) -> Vec<String> {
        let mut source = plan.open().unwrap();
        source.skip(skip).unwrap();
        let mut values = Vec::new();
        while let Some(Read::Row(row)) = source.next().unwrap() {
            assert_eq!(row.ordinal, skip + values.len() as u64);
            values.push(row.get(VALUE).unwrap().as_str().unwrap().to_owned());
        }
        values
    }

    fn told(from: &str, to: &str, step: Option<&str>) -> String {
        decide(from, to, step).unwrap_err().message
    }

    #[test]
    fn days_weeks_months_and_hours_are_counted_to_the_last() {
        let plan = decide("2026-01-01", "2026-03-31", None).unwrap();
        assert_eq!((plan.0.rows, plan.describe().as_str()), (90, "2026-01-01 to 2026-03-31 (range)"));
        let plan = decide("2026-01-31", "2026-05-30", Some("1 month")).unwrap();
        assert_eq!(values(plan, 0), ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]);
        assert_eq!(plan.describe(), "2026-01-31 to 2026-04-30 by 1 month (range)");
        let plan = decide("2026-03-01", "2026-02-01", Some("-2 weeks")).unwrap();
        assert_eq!(values(plan, 0), ["2026-03-01", "2026-02-15", "2026-02-01"]);
        let plan = decide("2026-03-29T00:30:00+01:00", "2026-03-29T02:00:00Z", Some("1h")).unwrap();
        assert_eq!(values(plan, 2), ["2026-03-29T02:30:00+01:00"]);
        let one = decide("2026-01-01T00:00:00", "2026-01-01T00:00:00", Some("1 year")).unwrap();
        assert_eq!(values(one, 0), ["2026-01-01T00:00:00"]);
    }

    #[test]
    fn a_huge_range_jumps_to_its_end() {
        let plan = decide("0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z", Some("1s")).unwrap();
        assert_eq!(values(plan, plan.0.rows - 1), ["9999-12-30T00:00:00Z"]);
        assert_eq!(values(plan, u64::MAX), Vec::<String>::new());
        assert!(decide("9999-12-01", "9999-12-31", Some("1 month")).is_ok_and(|plan| plan.0.rows == 1));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        assert_eq!(
            told("2026-03-01", "2026-01-01", None),
            "the range is empty: counting up from 2026-03-01 never meets 2026-01-01"
        );
        assert_eq!(
            told("2026-01-01", "2026-01-02T00:00:00", None),
            "`from` is a date and `to` is a time without an offset"
        );
        assert_eq!(
            told("2026-01-01", "2026-01-02", Some("1h")),
            "dates have no clock that a step of 1 hour could move"
        );
        assert_eq!(told("2026-01-01", "soon", None), "`soon` is not a date");
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_plain_loop(
            day in 0i64..800, length in -400i64..400, amount in -9i64..9, unit in 0usize..4, skip in 0u64..30,
        ) {
            let from = date(2024, 1, 1).checked_add(Span::new().days(day)).unwrap();
            let to = from.checked_add(Span::new().days(length)).unwrap();
            let names = ["days", "weeks", "months", "years"];
            let span = |count: i64| match unit {
                0 => Span::new().days(count * amount),
                1 => Span::new().weeks(count * amount),
                2 => Span::new().months(count * amount),
                _ => Span::new().years(count * amount),
            };
            let expected: Vec<String> = (0..500)
                .map(|count| from.checked_add(span(count)).unwrap())
                .take_while(|at| amount != 0 && if amount > 0 { *at <= to } else { *at >= to })
                .map(|at| at.to_string())
                .collect();
            let step = format!("{amount} {}", names[unit]);
            match decide(&from.to_string(), &to.to_string(), Some(&step)) {
                Ok(plan) => {
                    prop_assert_eq!(plan.count().unwrap(), Some(expected.len() as u64));
                    prop_assert_eq!(values(plan, skip), expected.into_iter().skip(skip as usize).collect::<Vec<_>>());
                }
                Err(_) => prop_assert!(expected.is_empty()),
            }
        }
    }
}
