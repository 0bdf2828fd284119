//! Filters that differ from minijinja's: numbers and booleans that are never guessed, text as JSON prints it.
//!
//! `int` and `float` refuse what is no number (minijinja takes null for 0 and cuts `"12.7"` to 12),
//! since a wrong number in a request is worse than a row that fails.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::engine::{json, text};
use super::kept;
use super::url::encode;

/// Puts the filters into an environment.
pub(super) fn add(environment: &mut Environment<'_>) {
    kept::add(environment);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("bool", bool);
    environment.add_filter("string", |value: &Value| present(value).and_then(text));
    environment.add_filter("join", join);
    environment.add_filter("tojson", tojson);
    environment.add_filter("urlencode", |value: &Value| {
        present(value).and_then(text).map(|text| encode(&text).collect::<String>())
    });
}

fn refuse(value: &Value, wanted: &str) -> Error {
    let shown = match value.kind() {
        ValueKind::String | ValueKind::Number => format!("{value:?}"),
        ValueKind::None => "null".to_owned(),
        kind => format!("{kind}"),
    };
    Error::new(ErrorKind::InvalidOperation, format!("{shown} is not {wanted}"))
}

/// The value, unless it is undefined.
fn present(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(value) }
}

fn default_of(default: Option<Value>, options: &Kwargs) -> Result<Option<Value>, Error> {
    match default {
        Some(default) => Ok(Some(default)),
        None => options.get("default"),
    }
}

fn int(value: &Value, default: Option<Value>, base: Option<u32>, options: Kwargs) -> Result<Value, Error> {
    let default = default_of(default, &options)?;
    let base = match base {
        Some(base) => base,
        None => options.get::<Option<u32>>("base")?.unwrap_or(10),
    };
    options.assert_all_used()?;
    if !(2..=36).contains(&base) {
        return Err(Error::new(ErrorKind::InvalidOperation, "the base of `int` must be from 2 to 36"));
    }
    to_int(present(value)?, base).or(default).ok_or_else(|| refuse(value, "a whole number"))
}

fn to_int(value: &Value, base: u32) -> Option<Value> {
    match value.kind() {
        ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Some(value.clone()),
        ValueKind::Number => whole(f64::try_from(value.clone()).ok()?.trunc()),
        ValueKind::String => {
            let written = value.as_str()?.trim();
            let whole_text = || whole(written.parse::<f64>().ok().filter(|number| number.fract() == 0.0)?);
            i128::from_str_radix(written, base).ok().map(Value::from).or_else(|| (base == 10).then(whole_text)?)
        }
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the bound is checked first")]
fn whole(number: f64) -> Option<Value> {
    // Beyond 2^53 a float no longer says which whole number it means.
    (number.abs() <= 9_007_199_254_740_992.0).then(|| Value::from(number as i64))
}

fn float(value: &Value, default: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let default = default_of(default, &options)?;
    options.assert_all_used()?;
    let number = match present(value)?.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    number.filter(|number| number.is_finite()).map(Value::from).or(default).ok_or_else(|| refuse(value, "a number"))
}

fn bool(value: &Value, default: Option<Value>) -> Result<Value, Error> {
    let truth = match present(value)?.kind() {
        ValueKind::Bool => Some(value.is_true()),
        ValueKind::Number => Some(value.is_true()),
        ValueKind::String => match value.as_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    truth.map(Value::from).or(default).ok_or_else(|| refuse(value, "one of true, false, yes, no, 1, 0"))
}

fn join(value: &Value, joiner: Option<String>, attribute: Option<String>, options: Kwargs) -> Result<String, Error> {
    let joiner = match joiner {
        Some(joiner) => joiner,
        None => options.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => options.get::<Option<String>>("attribute")?,
    };
    options.assert_all_used()?;
    let mut out = String::new();
    for (position, item) in present(value)?.try_iter()?.enumerate() {
        if position > 0 {
            out.push_str(&joiner);
        }
        let item = attribute.as_ref().map_or_else(|| Ok(item.clone()), |name| item.get_attr(name))?;
        out.push_str(&text(present(&item)?)?);
    }
    Ok(out)
}

fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<usize>>("indent")?,
    };
    options.assert_all_used()?;
    let tree = json(present(value)?)?;
    let Some(indent) = indent else { return Ok(tree.to_string()) };
    let spaces = vec![b' '; indent.min(16)];
    let mut bytes = Vec::new();
    let style = serde_json::ser::PrettyFormatter::with_indent(&spaces);
    serde::Serialize::serialize(&tree, &mut serde_json::Serializer::with_formatter(&mut bytes, style))
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::engine::TEXT;
    use serde_json::{Value, json};

    fn eval(source: &str) -> Result<Value, String> {
        let expression = TEXT.compile_expression(source).unwrap();
        let value = expression.eval(()).map_err(|error| error.to_string())?;
        super::json(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn whole_numbers_are_never_guessed() {
        for (source, value) in [
            ("' 12 '|int", json!(12)),
            ("'+7'|int", json!(7)),
            ("'12.0'|int", json!(12)),
            ("12.9|int", json!(12)),
            ("true|int", json!(1)),
            ("'18446744073709551615'|int", json!(18_446_744_073_709_551_615_u64)),
            ("'ff'|int(base=16)", json!(255)),
            ("''|int(0)", json!(0)),
            ("none|int(default=5)", json!(5)),
        ] {
            assert_eq!(eval(source), Ok(value), "{source}");
        }
        for source in ["'12.7'|int", "''|int", "none|int", "'a'|int", "[]|int", "'1e300'|int", "'1'|int(base=1)"] {
            assert!(eval(source).is_err(), "{source}");
        }
    }

    #[test]
    fn floats_and_booleans_are_never_guessed() {
        assert_eq!(eval("'1.50'|float"), Ok(json!(1.5)));
        assert_eq!(eval("3|float"), Ok(json!(3.0)));
        assert_eq!(eval("'x'|float(0.5)"), Ok(json!(0.5)));
        for source in ["''|float", "none|float", "'nan'|float", "'inf'|float"] {
            assert!(eval(source).is_err(), "{source}");
        }
        for (text, truth) in
            [("true", true), ("No", false), (" YES ", true), ("0", false), ("1", true), ("FALSE", false)]
        {
            assert_eq!(eval(&format!("'{text}'|bool")), Ok(json!(truth)), "{text}");
        }
        for source in ["''|bool", "'maybe'|bool", "none|bool"] {
            assert!(eval(source).is_err(), "{source}");
        }
    }

    #[test]
    fn text_is_printed_as_json_prints_it() {
        assert_eq!(eval("true|string"), Ok(json!("true")));
        assert_eq!(eval("[1, none, 'a']|join('-')"), Ok(json!("1-null-a")));
        assert_eq!(eval("[{'n': true}]|join(attribute='n')"), Ok(json!("true")));
        assert_eq!(eval("[1, {'a': 2}]|tojson"), Ok(json!(r#"[1,{"a":2}]"#)));
        assert_eq!(eval("[1]|tojson(indent=1)"), Ok(json!("[\n 1\n]")));
        assert_eq!(eval("'a b/ü'|urlencode"), Ok(json!("a%20b%2F%C3%BC")));
    }
}
