//! Between serde_json's values and jaq's, with every digit of a number.

use jaq_core::ValT as _;
use jaq_json::{Num, Val};
use serde_json::{Map, Number, Value};

/// A value as jq programs see it.
pub(super) fn of_json(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(truth) => Val::Bool(*truth),
        // What is no whole number stays text until somebody calculates with it.
        Value::Number(number) => Val::from_num(&number.to_string()).unwrap_or(Val::Null),
        Value::String(text) => Val::from(text.clone()),
        Value::Array(items) => items.iter().map(of_json).collect(),
        Value::Object(members) => {
            Val::obj(members.iter().map(|(name, member)| (Val::from(name.clone()), of_json(member))).collect())
        }
    }
}

/// An output of a program; what JSON can't say (not a number, infinity) is null, as jq prints the first.
pub(super) fn to_json(value: &Val) -> Value {
    match value {
        Val::Null => Value::Null,
        Val::Bool(truth) => Value::Bool(*truth),
        Val::Num(Num::Int(whole)) => Value::from(*whole as i64),
        Val::Num(Num::Float(float)) => of_float(*float),
        Val::Num(number) => number.to_string().parse::<Number>().map_or(Value::Null, Value::Number),
        Val::TStr(text) | Val::BStr(text) => String::from_utf8_lossy(text).into(),
        Val::Arr(items) => items.iter().map(to_json).collect(),
        Val::Obj(members) => {
            Value::Object(members.iter().map(|(name, member)| (name_of(name), to_json(member))).collect::<Map<_, _>>())
        }
    }
}

/// A whole number is written without its `.0`, as jq does.
fn of_float(float: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "the bound is checked first")]
    if float.fract() == 0.0 && float.abs() <= EXACT {
        return Value::from(float as i64);
    }
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

/// jaq lets anything be a name; JSON only text.
fn name_of(name: &Val) -> String {
    match name {
        Val::TStr(text) | Val::BStr(text) => String::from_utf8_lossy(text).into_owned(),
        other => other.to_string(),
    }
}
