//! Types of columns, for outputs that have any: decided once, from what the job says and the first records.
//!
//! Must never change a value to make it fit: a value either is of its column's type, with every digit, or is refused with
//! the reason.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::extract::As;
use crate::plan::{EndpointPlan, Meta};
use crate::record::InputColumns;
use crate::row::Cell;

/// The type of a column. Every type takes null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnType {
    /// true or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number that a double holds with every digit.
    Float,
    /// A moment in RFC 3339.
    Timestamp,
    /// Arrays and objects.
    Json,
    /// Texts; of anything else its JSON text.
    #[serde(rename = "string")]
    Text,
}

impl ColumnType {
    /// What `as` says of a column.
    pub fn of_as(convert: As) -> Self {
        match convert {
            As::String => Self::Text,
            As::Int => Self::Int,
            As::Float => Self::Float,
            As::Bool => Self::Bool,
            As::Json => Self::Json,
            As::Timestamp => Self::Timestamp,
        }
    }

    /// What a meta column holds.
    pub fn of_meta(meta: Meta) -> Self {
        match meta {
            Meta::Status | Meta::Attempts | Meta::Row | Meta::Page | Meta::Message => Self::Int,
            Meta::DurationMs => Self::Float,
            Meta::ReceivedAt => Self::Timestamp,
            Meta::Body | Meta::Error | Meta::Url | Meta::Endpoint | Meta::Saved | Meta::Event | Meta::EventId => {
                Self::Text
            }
        }
    }

    /// The narrowest type of a value; `None`: null is of every type.
    fn of(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Integer(_) => Some(Self::Int),
            Cell::Text(_) | Cell::Json(Value::String(_)) => Some(Self::Text),
            Cell::Json(Value::Null) => None,
            Cell::Json(Value::Bool(_)) => Some(Self::Bool),
            Cell::Json(Value::Array(_) | Value::Object(_)) => Some(Self::Json),
            Cell::Json(Value::Number(number)) if number.as_i64().is_some() => Some(Self::Int),
            Cell::Json(Value::Number(number)) if is_double(number) => Some(Self::Float),
            Cell::Json(Value::Number(_)) => Some(Self::Text),
        }
    }

    /// The narrowest type for what both take.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Text,
        }
    }

    /// What it is called in messages: the word that `as` has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Text => "string",
        }
    }

    /// Whether a value can stand in such a column.
    pub fn takes(self, cell: Cell<'_>) -> bool {
        if cell == Cell::Json(&Value::Null) {
            return true;
        }
        match self {
            Self::Text | Self::Json => true,
            Self::Bool => matches!(cell, Cell::Json(Value::Bool(_))),
            Self::Int => Self::of(cell) == Some(Self::Int),
            Self::Float => match cell {
                Cell::Integer(value) => is_double(&Number::from(value)),
                Cell::Json(Value::Number(number)) => is_double(number),
                Cell::Text(_) | Cell::Json(_) => false,
            },
            Self::Timestamp => match cell {
                Cell::Text(text) => is_moment(text),
                Cell::Json(Value::String(text)) => is_moment(text),
                Cell::Integer(_) | Cell::Json(_) => false,
            },
        }
    }
}

fn is_moment(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

/// Whether the number comes back from a double with every digit that it was written with, and no other.
fn is_double(number: &Number) -> bool {
    /// Any decimal of so many digits comes back from a double as it was (IEEE 754, DBL_DIG).
    const SURELY: usize = 15;
    let text = number.to_string();
    if text.len() <= SURELY && !text.contains(['e', 'E']) {
        return true;
    }
    let Ok(double) = text.parse::<f64>() else { return false };
    double.is_finite() && digits(&text) == digits(&format!("{double:e}"))
}

/// The significant digits of a number's text and the power of ten of the first of them: equal for equal numbers.
fn digits(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.len() - all.trim_start_matches('0').len();
    let significant = all.trim_matches('0');
    if significant.is_empty() {
        return (negative, String::new(), 0);
    }
    let exponent = exponent.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MAX);
    (negative, significant.to_owned(), exponent.saturating_add(whole.len() as i64 - zeros as i64))
}

/// Types of the columns whose type the job names in each of these endpoints that has them.
pub(crate) fn declared<'p>(endpoints: impl Iterator<Item = &'p EndpointPlan> + Clone) -> Vec<(String, ColumnType)> {
    let cells = endpoints.clone().flat_map(|endpoint| {
        let columns = endpoint.columns.iter();
        let columns = columns.map(|column| (&column.name, column.settle.convert.map(ColumnType::of_as)));
        let meta = endpoint.meta.iter().map(|meta| Some(ColumnType::of_meta(*meta)));
        columns.chain(endpoint.layout.cells[endpoint.columns.len()..].iter().zip(meta))
    });
    let mut types: Vec<(&String, Option<ColumnType>)> = Vec::new();
    let mut positions: HashMap<&String, usize> = HashMap::new();
    for (name, kind) in cells {
        let position = *positions.entry(name).or_insert(types.len());
        match types.get_mut(position) {
            Some((_, known)) => *known = known.zip(kind).map(|(one, other)| one.with(other)),
            None => types.push((name, kind)),
        }
    }
    let is_input = |name: &String| {
        let mut inputs = endpoints.clone().map(|endpoint| (&endpoint.layout.input, &endpoint.layout.cells));
        inputs.any(|(input, cells)| !cells.contains(name) && *input != InputColumns::Named(Vec::new()))
    };
    let known = types.into_iter().filter(|(name, _)| !is_input(name));
    known.filter_map(|(name, kind)| Some((name.clone(), kind?))).collect()
}

/// What is known of a column's type while records are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guess {
    kind: Option<ColumnType>,
    /// Whether a whole number came that no double holds.
    wide: bool,
}

impl Guess {
    /// Looks at one more value.
    pub fn see(&mut self, cell: Cell<'_>) {
        let seen = ColumnType::of(cell);
        self.wide |= seen == Some(ColumnType::Int) && !ColumnType::Float.takes(cell);
        self.kind = match (self.kind, seen) {
            (Some(before), Some(seen)) => Some(before.with(seen)),
            (before, seen) => before.or(seen),
        };
    }

    /// The type; where nothing but nulls came, text, which takes everything.
    pub fn decided(self) -> ColumnType {
        match self.kind {
            Some(ColumnType::Float) if self.wide => ColumnType::Text,
            kind => kind.unwrap_or(ColumnType::Text),
        }
    }
}

/// Why a value can't stand in a column, with the way out.
pub(crate) fn refusal(column: &str, kind: ColumnType, cell: Cell<'_>) -> String {
    const SHOWN: usize = 40;
    let text = match cell {
        Cell::Text(text) => Value::from(text).to_string(),
        Cell::Json(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!(
        "the column {column} holds {}, as the table, `as` or the first records say, and {shown} is none: give the column \
         `as = \"string\"`, or mend the value",
        kind.word()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn number(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn guessed(values: &[Value]) -> ColumnType {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(Cell::Json(value)));
        guess.decided()
    }

    #[test]
    fn the_narrowest_type_that_takes_all_is_decided() {
        use ColumnType::{Bool, Float, Int, Json, Text};
        for (values, expected) in [
            (vec![], Text),
            (vec![json!(null)], Text),
            (vec![json!(1), json!(null), json!(-2)], Int),
            (vec![json!(1), number("2.50")], Float),
            (vec![json!(1), number("2e3")], Float),
            (vec![number("0.5"), json!(i64::MAX)], Text),
            (vec![number("9223372036854775808")], Text),
            (vec![number("0.1"), number("0.1000000000000000000001")], Text),
            (vec![json!(true), json!(false)], Bool),
            (vec![json!(true), json!(1)], Text),
            (vec![json!([1]), json!({})], Json),
            (vec![json!([1]), json!("x")], Text),
        ] {
            assert_eq!(guessed(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_refused_in_words() {
        use ColumnType::{Bool, Float, Int, Timestamp};
        for (kind, value) in [
            (Int, number("1.5")),
            (Int, number("9223372036854775808")),
            (Int, json!("1")),
            (Float, number("9007199254740993")),
            (Float, number("1e400")),
            (Float, json!("1.5")),
            (Bool, json!(1)),
            (Timestamp, json!("yesterday")),
        ] {
            assert!(!kind.takes(Cell::Json(&value)), "{kind:?} {value}");
            assert!(kind.takes(Cell::Json(&Value::Null)));
        }
        assert!(Timestamp.takes(Cell::Text("2026-01-02T03:04:05Z")) && Float.takes(Cell::Integer(1 << 53)));
        let long = json!("x".repeat(100));
        let words = refusal("price", Int, Cell::Json(&long));
        assert!(
            words.starts_with("the column price holds int") && words.contains("xxx...") && words.len() < 250,
            "{words}"
        );
    }

    proptest! {
        #[test]
        fn doubles_are_doubles_and_longer_numbers_are_not(value: f64, more in 1..9u8) {
            prop_assume!(value.is_finite() && value != 0.0);
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(is_double(&serde_json::from_str(&text).unwrap()), "{}", text);
            // Twenty zeros and one more digit are beyond every double.
            let scientific = format!("{value:e}");
            let (mantissa, exponent) = scientific.split_once('e').unwrap();
            let point = if mantissa.contains('.') { "" } else { "." };
            let longer = format!("{mantissa}{point}00000000000000000000{more}e{exponent}");
            prop_assert!(!is_double(&serde_json::from_str(&longer).unwrap()), "{}", longer);
        }

        #[test]
        fn a_guess_takes_all_that_it_saw(values in prop::collection::vec(prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from),
            (-1e9..1e9f64).prop_map(Value::from), "[a-z]{0,3}".prop_map(Value::from), Just(json!([1, {"a": null}])),
        ], 0..6)) {
            let kind = guessed(&values);
            prop_assert!(values.iter().all(|value| kind.takes(Cell::Json(value))), "{kind:?} {values:?}");
        }
    }
}
