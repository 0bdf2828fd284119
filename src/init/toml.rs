//! Values as TOML 1.0 writes them on one line.

use serde_json::Value;

use crate::report::text::is_invisible;

/// A text in quotes.
#[must_use]
pub fn text(text: &str) -> String {
    in_quotes(text, |c| if c > '\u{ffff}' { format!("\\U{:08X}", c as u32) } else { format!("\\u{:04X}", c as u32) })
}

/// A text in quotes as JSON, JSONPath and templates read it.
pub(super) fn quoted(text: &str) -> String {
    in_quotes(text, |c| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect())
}

/// What can't be seen is escaped: who reads the text is to see what it says.
fn in_quotes(text: &str, escaped: impl Fn(char) -> String) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if is_invisible(c) => out += &escaped(c),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A key, in quotes where it needs them.
#[must_use]
pub fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { text(name) }
}

/// A table on one line; its values are TOML already.
#[must_use]
pub fn table(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// A list on one line; its values are TOML already.
#[must_use]
pub fn list(values: &[String]) -> String {
    format!("[{}]", values.join(", "))
}

/// A JSON value, its strings made by `string`; `None`: TOML can't say it to the letter (null, some numbers).
pub fn json(value: &Value, name: &str, string: &mut dyn FnMut(&str, &str) -> String) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => plain_number(&number.to_string()),
        Value::String(text) => Some(self::text(&string(name, text))),
        Value::Array(values) => {
            values.iter().map(|value| json(value, name, string)).collect::<Option<Vec<_>>>().map(|values| list(&values))
        }
        Value::Object(map) => {
            let pair = |(name, value): (&String, &Value)| Some((name.clone(), json(value, name, string)?));
            map.iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| table(&pairs))
        }
    }
}

/// A number that comes out of TOML as it went in.
pub(super) fn plain_number(text: &str) -> Option<String> {
    let is_integer = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    let is_float = || {
        text.parse::<f64>()
            .is_ok_and(|number| format!("{number:?}") == text && text.contains('.') && !text.contains('e'))
    };
    (is_integer || is_float()).then(|| text.to_owned())
}
