//! `as`: a value of another type, or an error; nothing is guessed.
//!
//! | `as` | takes | gives |
//! |---|---|---|
//! | `string` | text; numbers and booleans as JSON prints them; objects as JSON | text |
//! | `int` | whole numbers, also as text (`"12"`, `12.0`, `1e3`) | a number with every digit, however large |
//! | `float` | numbers, also as text (`"0.10"`) | a number with every digit; `12` becomes `12.0` |
//! | `bool` | true, false, 1, 0, and as text `true`, `false`, `yes`, `no`, `1`, `0` in any case | true or false |
//! | `json` | text that is JSON; everything else stays as it is | what the text says |
//! | `timestamp` | RFC 3339, RFC 2822, an ISO date or date and time (UTC where no offset stands), numbers since 1970, also as text: in seconds below 10^11, milliseconds below 10^14, microseconds below 10^17, else nanoseconds | RFC 3339 in UTC |
//!
//! A list is converted element by element, but by `json`. White space around text is passed over. Null stays
//! null. Must never round: a digit that can't be kept is an error.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A type that a column may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum As {
    /// Text.
    String,
    /// A whole number, with every digit.
    Int,
    /// A number, with every digit.
    Float,
    /// true or false.
    Bool,
    /// What a text says as JSON.
    Json,
    /// A moment, in RFC 3339 and UTC.
    Timestamp,
}

/// Digits of a whole number that an exponent may add: `1e400` is written out, `1e400000000` is not.
const MOST_DIGITS: usize = 1_000;

impl As {
    /// As it is written in the job.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Json => "json",
            Self::Timestamp => "timestamp",
        }
    }

    /// What it takes, for people.
    #[must_use]
    pub fn wanted(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "one of true, false, yes, no, 1, 0",
            Self::Json => "JSON",
            Self::Timestamp => "a date, a date and time, or a number since 1970",
        }
    }

    /// The value as this type.
    ///
    /// # Errors
    /// The value, or the element of a list, that can't be one.
    pub fn convert(self, value: Value) -> Result<Value, Value> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::Array(items) if self != Self::Json => items.into_iter().map(|item| self.convert(item)).collect(),
            value => self.one(&value).ok_or(value),
        }
    }

    fn one(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::String, Value::String(_)) => Some(value.clone()),
            (Self::String, value) => Some(value.to_string().into()),
            (Self::Json, Value::String(text)) => serde_json::from_str(text).ok(),
            (Self::Json, value) => Some(value.clone()),
            (Self::Bool, Value::Bool(_)) => Some(value.clone()),
            (Self::Bool, _) => truth(&text_of(value)?).map(Value::Bool),
            (Self::Int, _) => whole(&text_of(value)?).map(Value::Number),
            (Self::Float, _) => decimal(&text_of(value)?).map(Value::Number),
            (Self::Timestamp, Value::String(text)) if is_compact_date(text) => None,
            (Self::Timestamp, _) => moment(&text_of(value)?).map(|moment| moment.to_string().into()),
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal number, in its parts.
struct Decimal<'t> {
    negative: bool,
    /// Digits before the point.
    whole: &'t str,
    /// Digits behind it.
    part: &'t str,
    exponent: i64,
}

fn parts(text: &str) -> Option<Decimal<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (rest, 0),
    };
    let (whole, part) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(split) => split,
        None => (mantissa, ""),
    };
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && are_digits(whole) && are_digits(part)).then_some(Decimal { negative, whole, part, exponent })
}

impl Decimal<'_> {
    /// The digits of the number times 10^`shift`, and those that stand behind its point.
    fn shifted(&self, shift: i64) -> Option<(String, String)> {
        let mut digits = format!("{}{}", self.whole, self.part);
        let point = i64::try_from(self.whole.len()).ok()?.checked_add(self.exponent)?.checked_add(shift)?;
        if digits.bytes().all(|byte| byte == b'0') {
            return Some(("0".to_owned(), String::new()));
        }
        if point <= 0 {
            return Some(("0".to_owned(), digits));
        }
        let point = usize::try_from(point).ok()?;
        if point > digits.len() {
            if point > digits.len() + MOST_DIGITS {
                return None;
            }
            digits.extend(std::iter::repeat_n('0', point - digits.len()));
        }
        let behind = digits.split_off(point);
        let digits = digits.trim_start_matches('0');
        Some((if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }, behind))
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }
}

fn whole(text: &str) -> Option<Number> {
    let decimal = parts(text)?;
    let (digits, behind) = decimal.shifted(0)?;
    let sign = if digits == "0" { "" } else { decimal.sign() };
    behind.bytes().all(|byte| byte == b'0').then(|| format!("{sign}{digits}").parse().ok())?
}

/// The digits stay as they were written; what is added makes it a float for whoever reads it.
fn decimal(text: &str) -> Option<Number> {
    let decimal = parts(text)?;
    let trimmed = decimal.whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let part = match (decimal.part, decimal.exponent) {
        ("", 0) => ".0".to_owned(),
        ("", _) => String::new(),
        (part, _) => format!(".{part}"),
    };
    let exponent = if decimal.exponent == 0 { String::new() } else { format!("e{}", decimal.exponent) };
    format!("{}{whole}{part}{exponent}", decimal.sign()).parse().ok()
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Some(decimal) = parts(text) {
        return since_1970(&decimal);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Ok(moment) = jiff::fmt::rfc2822::parse(text) {
        return Some(moment.timestamp());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|moment| moment.timestamp())
}

/// Whether a text of digits may as well be a year, a day (`20260102`) or a moment (`20260102030405`) without signs between them:
/// taken for a number they would be another time, decades away.
fn is_compact_date(text: &str) -> bool {
    let two = |at: usize| text.get(at..at + 2).and_then(|digits| digits.parse::<u8>().ok());
    let is_year = text.starts_with("19") || text.starts_with("20");
    let is_day =
        two(4).is_some_and(|month| (1..=12).contains(&month)) && two(6).is_some_and(|day| (1..=31).contains(&day));
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && is_year && (text.len() == 4 || (matches!(text.len(), 8 | 14) && is_day))
}

/// A number since 1970, whose size tells its unit. What is finer than a nanosecond is an error.
fn since_1970(decimal: &Decimal<'_>) -> Option<Timestamp> {
    let size: i128 = decimal.shifted(0)?.0.parse().ok()?;
    let shift = match size {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    let (digits, behind) = decimal.shifted(shift)?;
    let nanoseconds: i128 = format!("{}{digits}", decimal.sign()).parse().ok()?;
    let is_exact = behind.bytes().all(|byte| byte == b'0');
    is_exact.then(|| Timestamp::from_nanosecond(nanoseconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn number(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_become_what_is_asked_for() {
        for (kind, value, found) in [
            (As::String, json!(12), json!("12")),
            (As::String, number("12345678901234567890123"), json!("12345678901234567890123")),
            (As::String, json!(true), json!("true")),
            (As::String, json!({"a": 1}), json!("{\"a\":1}")),
            (As::String, json!([1, "a", null]), json!(["1", "a", null])),
            (As::Int, json!(" 12 "), json!(12)),
            (As::Int, json!("-0012"), json!(-12)),
            (As::Int, json!("-0"), json!(0)),
            (As::Int, json!(12.0), json!(12)),
            (As::Int, json!("1.2e1"), json!(12)),
            (As::Int, json!("120e-1"), json!(12)),
            (As::Int, json!("12345678901234567890123"), number("12345678901234567890123")),
            (As::Int, json!(["1", 2]), json!([1, 2])),
            (As::Float, json!("0.10"), number("0.10")),
            (As::Float, json!(12), number("12.0")),
            (As::Float, json!("+007"), number("7.0")),
            (As::Float, json!("1e400"), number("1e400")),
            (As::Float, json!("0.1000000000000000055511151231257827"), number("0.1000000000000000055511151231257827")),
            (As::Bool, json!("Yes"), json!(true)),
            (As::Bool, json!(0), json!(false)),
            (As::Bool, json!(true), json!(true)),
            (As::Json, json!("{\"a\": [1e400]}"), number("{\"a\": [1e400]}")),
            (As::Json, json!(["x"]), json!(["x"])),
            (As::Int, json!(null), json!(null)),
        ] {
            assert_eq!(kind.convert(value.clone()).unwrap().to_string(), found.to_string(), "{kind:?} {value}");
        }
    }

    #[test]
    fn moments_of_any_spelling_are_one() {
        for value in [
            json!(1_767_322_984),
            json!(1_767_322_984_000_i64),
            json!(1_767_322_984_000_000_i64),
            json!(1_767_322_984_000_000_000_i64),
            json!("1767322984"),
            json!("1767322984.0"),
            json!("2026-01-02T03:03:04Z"),
            json!("2026-01-02t04:03:04+01:00"),
            json!("2026-01-02 03:03:04"),
            json!("2026-01-02T03:03:04"),
            json!("Fri, 02 Jan 2026 03:03:04 GMT"),
            json!("Fri, 2 Jan 2026 05:03:04 +0200"),
        ] {
            assert_eq!(As::Timestamp.convert(value.clone()), Ok(json!("2026-01-02T03:03:04Z")), "{value}");
        }
        for (value, found) in [
            (json!("2026-01-02"), "2026-01-02T00:00:00Z"),
            (json!(1.5), "1970-01-01T00:00:01.5Z"),
            (json!(-1), "1969-12-31T23:59:59Z"),
            (json!(1_767_322_984_123_i64), "2026-01-02T03:03:04.123Z"),
            (json!("1767322984.123456789"), "2026-01-02T03:03:04.123456789Z"),
        ] {
            assert_eq!(As::Timestamp.convert(value.clone()), Ok(json!(found)), "{value}");
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        for (kind, value) in [
            (As::Timestamp, json!("2026")),
            (As::Timestamp, json!("20260102")),
            (As::Timestamp, json!("20260102030304")),
            (As::Int, json!(12.5)),
            (As::Int, json!("12 EUR")),
            (As::Int, json!("")),
            (As::Int, json!("1_000")),
            (As::Int, json!("1,000")),
            (As::Int, json!("0x10")),
            (As::Int, json!("1e999999999")),
            (As::Int, json!(true)),
            (As::Float, json!("NaN")),
            (As::Float, json!("inf")),
            (As::Float, json!(".5")),
            (As::Float, json!("5.")),
            (As::Bool, json!("maybe")),
            (As::Bool, json!(2)),
            (As::Json, json!("{")),
            (As::Timestamp, json!("yesterday")),
            (As::Timestamp, json!("2026-13-01")),
            (As::Timestamp, json!("1e300")),
            (As::Timestamp, json!(true)),
        ] {
            assert_eq!(kind.convert(value.clone()), Err(value.clone()), "{kind:?} {value}");
        }
        assert_eq!(As::Int.convert(json!([1, "x"])), Err(json!("x")), "the element, not the list");
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(digits in "[1-9][0-9]{0,60}", part in "[0-9]{1,60}", negative in any::<bool>()) {
            let sign = if negative { "-" } else { "" };
            let whole = format!("{sign}{digits}");
            prop_assert_eq!(As::Int.convert(json!(&whole)).unwrap().to_string(), whole.clone());
            let float = format!("{whole}.{part}");
            prop_assert_eq!(As::Float.convert(json!(&float)).unwrap().to_string(), float);
        }

        #[test]
        fn nothing_panics(text in "[-+]?[0-9.eE:TZ ]{0,20}") {
            for kind in [As::Int, As::Float, As::Bool, As::Json, As::Timestamp] {
                let _ = kind.convert(json!(&text));
            }
        }
    }
}
