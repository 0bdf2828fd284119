//! Examples of keys, from the schema alone, as TOML that can be copied.
//!
//! Must never make up a value that the schema would refuse.

use serde_json::{Map, Value};

use super::view::View;
use crate::spec::kind::EXACTLY_ONE;

/// Deepest table that is shown as an example.
const DEEPEST: usize = 4;

/// An example of a value, in backticks; with its key where there is one.
pub fn example(view: &View<'_>, key: Option<&str>) -> Option<String> {
    let value = value(view, DEEPEST)?;
    Some(match key {
        Some(key) => format!("`{} = {}`", toml_key(key), toml_text(&value)),
        None => format!("`{}`", toml_text(&value)),
    })
}

/// What to add for a missing key: a line, or of named tables the first one, under its header.
pub fn addition(view: &View<'_>, key: &str) -> Option<String> {
    let value = value(view, DEEPEST)?;
    let named = value.as_object().and_then(|tables| tables.iter().next());
    let Some((name, Value::Object(entries))) = named else {
        return Some(format!("add `{} = {}`", toml_key(key), toml_text(&value)));
    };
    let lines = entries.iter().map(|(key, value)| format!("{} = {}", toml_key(key), toml_text(value)));
    let lines = lines.collect::<Vec<_>>().join("\n");
    Some(format!("add one, such as\n[{}.{}]\n{lines}", toml_key(key), toml_key(name)))
}

/// The name of the first table of an example.
pub fn example_name(view: &View<'_>) -> Option<String> {
    value(view, DEEPEST)?.as_object()?.keys().next().cloned()
}

/// A value that fits: as the schema shows it, else the simplest of the first type.
fn value(view: &View<'_>, depth: usize) -> Option<Value> {
    let shown = view.get("examples").or_else(|| view.get("enum")).and_then(Value::as_array);
    if let Some(first) = shown.and_then(|shown| shown.first()).or_else(|| view.get("default")) {
        return Some(first.clone());
    }
    let depth = depth.checked_sub(1)?;
    if view.get("anyOf").is_some() {
        return view.branches().iter().find_map(|branch| value(branch, depth));
    }
    if let Some(format) = view.format() {
        return Some(format.example.into());
    }
    match view.types().first().copied() {
        Some("boolean") => Some(true.into()),
        Some("integer" | "number") => Some(view.get("minimum").cloned().unwrap_or_else(|| 1.into())),
        Some("array") => Some(Value::Array(vec![value(&view.of(view.get("items")?), depth)?])),
        Some("object") => table(view, depth),
        Some(_) => Some("text".into()),
        None => None,
    }
}

/// The first of the kinds and the required keys; else the first key, for an empty table says nothing.
fn table(view: &View<'_>, depth: usize) -> Option<Value> {
    let one = view.texts(EXACTLY_ONE).into_iter().next();
    let mut wanted: Vec<&str> = one.into_iter().chain(view.texts("required")).collect();
    if wanted.is_empty() {
        wanted.extend(view.properties().next().map(|(name, _)| name));
    }
    let mut entries = Map::new();
    for name in wanted {
        let (_, schema) = view.properties().find(|(known, _)| *known == name)?;
        entries.insert(name.to_owned(), value(&view.of(schema), depth)?);
    }
    if entries.is_empty() {
        let schema = view.get("additionalProperties").filter(|schema| schema.is_object())?;
        entries.insert("name".to_owned(), value(&view.of(schema), depth)?);
    }
    Some(Value::Object(entries))
}

/// A value as TOML on one line.
pub fn toml_text(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{} = {}", toml_key(key), toml_text(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A key, quoted if it must be.
pub fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::schema;

    /// Every key of the language below a view, with its schema.
    fn keys<'s>(view: &View<'s>, path: &str, found: &mut Vec<(String, View<'s>)>) {
        // An input may be made of inputs, without end.
        if path.split('.').count() > 12 {
            return;
        }
        for branch in view.branches() {
            for (name, property) in branch.properties() {
                let (path, property) = (format!("{path}.{name}"), view.of(property));
                keys(&property, &path, found);
                found.push((path, property));
            }
            for keyword in ["additionalProperties", "items"] {
                if let Some(below) = branch.get(keyword).filter(|below| below.is_object()) {
                    keys(&view.of(below), &format!("{path}.*"), found);
                }
            }
        }
    }

    #[test]
    fn every_key_has_an_example_that_fits() {
        let mut found = Vec::new();
        keys(&View::new(schema(), schema()), "", &mut found);
        assert!(found.len() > 80, "only {} keys", found.len());
        for (path, view) in found {
            let value = value(&view, DEEPEST).unwrap_or_else(|| panic!("{path} has no example"));
            let text = format!("key = {}", toml_text(&value));
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{path}: {text}");
            let problems = super::super::tests::problems(&view, &text);
            assert!(problems.is_empty(), "{path}: {text}: {problems:?}");
        }
    }

    #[test]
    fn keys_are_quoted_where_they_must_be() {
        assert_eq!(
            (toml_key("a-b_1"), toml_key("a b"), toml_key("")),
            ("a-b_1".into(), "\"a b\"".into(), "\"\"".into())
        );
    }
}
