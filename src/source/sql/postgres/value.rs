//! Texts of PostgreSQL as JSON: numbers that JSON holds exactly, instants by RFC 3339, bytes as base64.
//!
//! Must never lose a digit: what JSON can't hold stays the text that the server wrote.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};
use tokio_postgres::types::{Kind as TypeKind, Type};

/// What the texts of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Texts, and all that has no form of its own in JSON: numeric, uuid, interval, enums.
    Text,
    Bool,
    Integer,
    Float,
    Json,
    Bytes,
    /// A moment; the session speaks UTC.
    Instant,
    /// A date and a time of no zone.
    Civil,
    /// A list of these.
    Array(Box<Kind>),
}

impl Kind {
    /// What the texts of a type are.
    pub fn of(found: &Type) -> Self {
        match found.kind() {
            TypeKind::Domain(inner) => return Self::of(inner),
            // Its elements hold commas, and semicolons stand between them.
            TypeKind::Array(inner) if *inner != Type::BOX => return Self::Array(Box::new(Self::of(inner))),
            _ => {}
        }
        match *found {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Self::Integer,
            Type::FLOAT4 | Type::FLOAT8 => Self::Float,
            Type::JSON | Type::JSONB => Self::Json,
            Type::BYTEA => Self::Bytes,
            Type::TIMESTAMPTZ => Self::Instant,
            Type::TIMESTAMP => Self::Civil,
            _ => Self::Text,
        }
    }

    /// A text as JSON.
    pub fn value(&self, text: &str) -> Value {
        let read = match self {
            Self::Text => None,
            Self::Bool => Some(Value::Bool(text == "t")),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            // NaN and the infinities stay texts.
            Self::Float => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
            Self::Json => serde_json::from_str(text).ok(),
            Self::Bytes => text.strip_prefix("\\x").and_then(bytes).map(|bytes| STANDARD.encode(bytes).into()),
            Self::Instant => moment(text).and_then(|text| Some(format!("{}Z", text.strip_suffix("+00")?).into())),
            Self::Civil => moment(text).map(Value::from),
            Self::Array(inner) => array(text, inner),
        };
        read.unwrap_or_else(|| text.into())
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// `2026-01-02 03:04:05` with a T; `None` for what RFC 3339 does not have: infinity, years before 1 and after 9999.
fn moment(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_one = bytes.get(4) == Some(&b'-') && bytes.get(10) == Some(&b' ') && !text.ends_with("BC");
    is_one.then(|| text.replacen(' ', "T", 1))
}

/// `{1,NULL,"a b",{2}}`, perhaps behind its bounds; `None` for what is none.
fn array(text: &str, inner: &Kind) -> Option<Value> {
    let literal = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let (value, rest) = list(literal.strip_prefix('{')?, inner)?;
    rest.is_empty().then_some(value)
}

/// A list behind its bracket, and what stands behind it.
fn list<'t>(mut text: &'t str, inner: &Kind) -> Option<(Value, &'t str)> {
    let mut items = Vec::new();
    if let Some(rest) = text.strip_prefix('}') {
        return Some((Value::Array(items), rest));
    }
    loop {
        let (item, rest) = if let Some(rest) = text.strip_prefix('{') {
            list(rest, inner)?
        } else if let Some(rest) = text.strip_prefix('"') {
            let (item, rest) = quoted(rest)?;
            (inner.value(&item), rest)
        } else {
            let end = text.find([',', '}'])?;
            let item = if text[..end].eq("NULL") { Value::Null } else { inner.value(&text[..end]) };
            (item, &text[end..])
        };
        items.push(item);
        match rest.as_bytes().first()? {
            b',' => text = &rest[1..],
            b'}' => return Some((Value::Array(items), &rest[1..])),
            _ => return None,
        }
    }
}

/// A text behind its quote, and what stands behind the next.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut item, mut characters) = (String::new(), text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((item, &text[at + 1..])),
            '\\' => item.push(characters.next()?.1),
            other => item.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_they_mean() {
        let cases = [
            (Type::BOOL, "t", json!(true)),
            (Type::BOOL, "f", json!(false)),
            (Type::INT8, "-9223372036854775808", json!(i64::MIN)),
            (Type::FLOAT8, "0.1", json!(0.1)),
            (Type::FLOAT8, "1e+300", json!(1e300)),
            (Type::FLOAT4, "NaN", json!("NaN")),
            (Type::NUMERIC, "12345678901234567890.1200", json!("12345678901234567890.1200")),
            (Type::JSONB, r#"{"a": [1, null]}"#, json!({"a": [1, null]})),
            (Type::BYTEA, "\\x00ff10", json!("AP8Q")),
            (Type::TIMESTAMPTZ, "2026-11-27 14:00:00.25+00", json!("2026-11-27T14:00:00.25Z")),
            (Type::TIMESTAMPTZ, "infinity", json!("infinity")),
            (Type::TIMESTAMP, "2026-11-27 14:00:00", json!("2026-11-27T14:00:00")),
            (Type::TIMESTAMP, "0044-03-15 12:00:00 BC", json!("0044-03-15 12:00:00 BC")),
            (Type::DATE, "2026-11-27", json!("2026-11-27")),
            (Type::INT4_ARRAY, "{1,NULL,-3}", json!([1, null, -3])),
            (Type::INT4_ARRAY, "[0:1]={1,2}", json!([1, 2])),
            (Type::INT4_ARRAY, "{{1,2},{3,4}}", json!([[1, 2], [3, 4]])),
            (Type::TEXT_ARRAY, r#"{a,"b c","d\"e\\","NULL",{}}"#, json!(["a", "b c", "d\"e\\", "NULL", []])),
            (Type::TEXT_ARRAY, "{}", json!([])),
            (Type::TEXT_ARRAY, "{broken", json!("{broken")),
        ];
        for (kind, text, value) in cases {
            assert_eq!(Kind::of(&kind).value(text), value, "{kind}: {text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,20}", wrapped in "[{}\",\\\\a=\\[ ]{0,12}") {
            for kind in [Type::TEXT_ARRAY, Type::BYTEA, Type::TIMESTAMPTZ, Type::JSON, Type::INT8, Type::FLOAT8] {
                Kind::of(&kind).value(&text);
                Kind::of(&kind).value(&wrapped);
            }
        }
    }
}
