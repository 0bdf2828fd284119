//! From the spanned tree to plain JSON.

use serde_json::{Number, Value};

use crate::document::{KeyPath, Node, NodeValue, Step};

/// A node without its places. Dates become their text; infinity and NaN, which the
/// document refuses, become null.
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

/// A node without its places and without what stands at `wrong`.
#[must_use]
pub fn without(node: &Node, wrong: &[KeyPath]) -> Value {
    let mut value = to_value(node);
    let mut paths: Vec<&KeyPath> = wrong.iter().collect();
    // From the end of every list, so that positions stay what they were.
    paths.sort_by_key(|path| std::cmp::Reverse(path.0.iter().map(position).collect::<Vec<_>>()));
    paths.dedup();
    for path in paths {
        remove(&mut value, &path.0);
    }
    value
}

fn position(step: &Step) -> (usize, &str) {
    match step {
        Step::Key(key) => (0, key),
        Step::Index(index) => (*index, ""),
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    match (value, path) {
        (Value::Object(table), [Step::Key(key)]) => drop(table.shift_remove(key)),
        (Value::Array(list), [Step::Index(index)]) if *index < list.len() => drop(list.remove(*index)),
        (Value::Object(table), [Step::Key(key), rest @ ..]) => {
            if let Some(child) = table.get_mut(key) {
                remove(child, rest);
            }
        }
        (Value::Array(list), [Step::Index(index), rest @ ..]) => {
            if let Some(child) = list.get_mut(*index) {
                remove(child, rest);
            }
        }
        _ => {}
    }
}
