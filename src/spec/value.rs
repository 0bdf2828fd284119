//! From the spanned tree to plain JSON.

use std::collections::HashMap;

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

/// A node without its places and without what stands at `wrong`; null where that is all of it.
#[must_use]
pub fn without(node: &Node, wrong: &[KeyPath]) -> Value {
    let mut holes = Holes::default();
    for path in wrong {
        let hole = path.0.iter().fold(&mut holes, |holes, step| holes.below.entry(step.clone()).or_default());
        hole.is_here = true;
    }
    if holes.is_here { Value::Null } else { kept(node, Some(&holes)) }
}

/// What is to be left out, as a tree: a job file of nothing but errors has a hundred thousand of them.
#[derive(Default)]
struct Holes {
    is_here: bool,
    below: HashMap<Step, Holes>,
}

fn kept(node: &Node, holes: Option<&Holes>) -> Value {
    let Some(holes) = holes else { return to_value(node) };
    let keep = |step: &Step, child: &Node| {
        let holes = holes.below.get(step);
        if holes.is_some_and(|holes| holes.is_here) { None } else { Some(kept(child, holes)) }
    };
    match &node.value {
        NodeValue::Array(items) => {
            items.iter().enumerate().filter_map(|(index, item)| keep(&Step::Index(index), item)).collect()
        }
        NodeValue::Table(entries) => {
            let kept = entries
                .iter()
                .filter_map(|(key, child)| Some((key.name.clone(), keep(&Step::Key(key.name.clone()), child)?)));
            Value::Object(kept.collect())
        }
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_) => to_value(node),
    }
}
