//! `input.range`: whole numbers or dates, counted up or down, made as they are asked for.
//!
//! Must never hold more than the position: a range of billions costs what a range of one does.

mod counted;
mod dates;

use std::borrow::Cow;
use std::fmt::Display;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::problem::{Problem, settle, spec};
use super::{SourceError, SourceKind};
use crate::row::Fields;
use counted::{Counted, Scale};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "range",
    doc: "whole numbers or dates from one to another, seen as row.value",
    example: "input.range = { from = 1, to = 1000 }",
    endings: &[],
    reads_packed: false,
    schema: <RangeSpec as JsonSchema>::json_schema,
    compile: |site, path, value| match spec(value) {
        Ok(RangeSpec { from: Bound::Number(from), to: Bound::Number(to), step: None }) => {
            settle(site, path, decide(from, to, 1))
        }
        Ok(RangeSpec { from: Bound::Number(from), to: Bound::Number(to), step: Some(Bound::Number(step)) }) => {
            settle(site, path, decide(from, to, step))
        }
        Ok(RangeSpec { from: Bound::Text(from), to: Bound::Text(to), step }) => {
            let step = step.map(|step| match step {
                Bound::Text(text) => text,
                Bound::Number(number) => number.to_string(),
            });
            settle(site, path, dates::decide(&from, &to, step.as_deref()))
        }
        Ok(mixed) => settle::<Counted<Numbers>>(site, path, Err(mixed.problem())),
        Err(problem) => settle::<Counted<Numbers>>(site, path, Err(problem)),
    },
};

/// Whole numbers, or dates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RangeSpec {
    /// The first number or date.
    #[schemars(extend("examples" = [1]))]
    from: Bound,
    /// The last number or date, if the steps meet it.
    #[schemars(extend("examples" = [1000]))]
    to: Bound,
    /// From one to the next: a number (default 1), or for dates a number and a unit (default "1 day"); negative
    /// counts down.
    #[serde(default)]
    #[schemars(schema_with = "step_schema")]
    step: Option<Bound>,
}

/// A number, or a text: a date or a step.
#[derive(Debug)]
enum Bound {
    Number(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            other => i64::deserialize(other).map(Self::Number).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "format": "paceline-moment" }] })
    }
}

fn step_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "minLength": 1 }], "examples": [10, "1 day"] })
}

impl RangeSpec {
    /// What is wrong where numbers and dates stand together.
    fn problem(&self) -> Problem {
        match (&self.from, &self.to) {
            (Bound::Number(number), Bound::Text(date)) | (Bound::Text(date), Bound::Number(number)) => Problem::value(
                Some("to"),
                format!("a range goes from number to number or from date to date, not between {number} and {date}"),
                "write two whole numbers or two dates",
            ),
            _ => Problem::value(
                Some("step"),
                "numbers are counted by a number, and this step has a unit or is a text",
                "write it without a unit and quotes, such as `step = 10`",
            ),
        }
    }
}

/// Whole numbers, decided.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    from: i64,
    step: i64,
    rows: u64,
}

fn decide(from: i64, to: i64, step: i64) -> Result<Counted<Numbers>, Problem> {
    if step == 0 {
        return Err(Problem::value(
            Some("step"),
            "a range with step 0 never ends",
            "leave `step` out to count up by one, or give another",
        ));
    }
    if (to < from && step > 0) || (to > from && step < 0) {
        return Err(empty(from, to, step > 0, ("negative, such as -1", "positive, or absent")));
    }
    let steps = (i128::from(to) - i128::from(from)) / i128::from(step);
    let rows = u64::try_from(steps + 1).map_err(|_| {
        Problem::value(
            None,
            format!("the range from {from} to {to} has more rows than can be counted"),
            "leave one number out",
        )
    })?;
    Ok(Counted(Numbers { from, step, rows }))
}

/// What is wrong where no step leads from one to the other; `turned` says how the step that counts up, or down, would be
/// turned round.
fn empty(from: impl Display, to: impl Display, up: bool, turned: (&str, &str)) -> Problem {
    let (way, sign) = if up { ("up", turned.0) } else { ("down", turned.1) };
    Problem::value(
        Some("to"),
        format!("the range is empty: counting {way} from {from} never meets {to}"),
        format!("swap `from` and `to`, or make `step` {sign}"),
    )
}

impl Numbers {
    /// The number at a position, which must be below `rows`: then it lies between `from` and `to`.
    fn number(self, position: u64) -> Result<i64, SourceError> {
        i64::try_from(i128::from(self.from) + i128::from(position) * i128::from(self.step))
            .map_err(|_| SourceError::new(format!("row {position} of the range is out of range")))
    }
}

impl Scale for Numbers {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn at(&self, position: u64) -> Result<Fields, SourceError> {
        self.number(position).map(Fields::Integer)
    }

    fn words(&self) -> (String, String, String, bool) {
        let last = self.number(self.rows - 1).unwrap_or(self.from);
        (self.from.to_string(), last.to_string(), self.step.to_string(), self.step == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::VALUE;
    use crate::source::{Columns, Read, SourcePlan};

    fn plan(from: i64, to: i64, step: Option<i64>) -> Result<Counted<Numbers>, String> {
        decide(from, to, step.unwrap_or(1)).map_err(|problem| problem.message)
    }

    fn values(plan: Counted<Numbers>) -> Vec<i64> {
        let mut source = plan.open().unwrap();
        let mut values = Vec::new();
        while let Some(Read::Row(row)) = source.next().unwrap() {
            let Fields::Integer(value) = row.fields else { panic!("not an integer") };
            assert_eq!(row.ordinal, values.len() as u64);
            values.push(value);
        }
        values
    }

    #[test]
    fn to_is_inclusive_and_steps_may_miss_it() {
        assert_eq!(values(plan(1, 3, None).unwrap()), [1, 2, 3]);
        assert_eq!(values(plan(1, 6, Some(2)).unwrap()), [1, 3, 5]);
        assert_eq!(values(plan(3, -3, Some(-3)).unwrap()), [3, 0, -3]);
        assert_eq!(values(plan(7, 7, Some(-1)).unwrap()), [7]);
    }

    #[test]
    fn empty_endless_and_uncountable_ranges_are_refused() {
        assert_eq!(plan(5, 1, None).unwrap_err(), "the range is empty: counting up from 5 never meets 1");
        assert_eq!(plan(1, 5, Some(-1)).unwrap_err(), "the range is empty: counting down from 1 never meets 5");
        assert_eq!(plan(1, 5, Some(0)).unwrap_err(), "a range with step 0 never ends");
        assert!(plan(i64::MIN, i64::MAX, None).unwrap_err().contains("more rows than can be counted"));
    }

    #[test]
    fn a_huge_range_jumps_to_its_end() {
        let plan = plan(i64::MIN + 1, i64::MAX, None).unwrap();
        assert_eq!(plan.count().unwrap(), Some(u64::MAX));
        let mut source = plan.open().unwrap();
        source.skip(u64::MAX - 1).unwrap();
        let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
        assert_eq!((row.ordinal, row.fields), (u64::MAX - 1, Fields::Integer(i64::MAX)));
        assert_eq!(source.next().unwrap(), None);
        source.skip(u64::MAX).unwrap();
        assert_eq!(source.next().unwrap(), None);
    }

    #[test]
    fn identity_and_description_say_what_it_is() {
        let plan = plan(1, 6, Some(2)).unwrap();
        assert_eq!(plan.identity().unwrap().unwrap(), "range from 1 to 5 by 2");
        assert_eq!(plan.describe(), "1 to 5 by 2 (range)");
        assert!(matches!(plan.columns(), Columns::Known(header) if header.names() == [VALUE]));
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_plain_loop(from in -50i64..50, to in -50i64..50, step in -9i64..9, skip in 0u64..30) {
            let expected: Vec<i64> = (0..1000)
                .map(|position| from + position * step)
                .take_while(|value| if step > 0 { *value <= to } else { *value >= to })
                .take(1000)
                .collect();
            match plan(from, to, Some(step)) {
                Ok(plan) => {
                    prop_assert_eq!(plan.count().unwrap(), Some(expected.len() as u64));
                    let mut source = plan.open().unwrap();
                    source.skip(skip).unwrap();
                    let next = source.next().unwrap().map(|read| read.ordinal());
                    prop_assert_eq!(next, (skip < expected.len() as u64).then_some(skip));
                    prop_assert_eq!(values(plan), expected);
                }
                Err(_) => prop_assert!(step == 0 || expected.is_empty()),
            }
        }
    }
}
