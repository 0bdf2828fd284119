//! From the spanned tree to plain JSON.

use serde_json::{Number, Value};

use crate::document::{Node, NodeValue};

/// A node without its places. Dates become their text; infinity and NaN, which the shape check
/// refuses, become null.
#[must_use]
pub fn to_value(node: &Node) -> Value {
    match &node.value {
        NodeValue::String(text) | NodeValue::Datetime(text) => Value::from(text.as_str()),
        NodeValue::Integer(integer) => Value::from(*integer),
        NodeValue::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
        NodeValue::Boolean(boolean) => Value::from(*boolean),
        NodeValue::Array(items) => items.iter().map(to_value).collect(),
        NodeValue::Table(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.name.clone(), to_value(value))).collect())
        }
    }
}
