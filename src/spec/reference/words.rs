//! What the reference says of a key, in words: its type, its bounds, its default, its examples.
//!
//! Must never say more than the schema does.

use serde_json::Value;

use crate::report::text::thousands;
use crate::spec::shape::example::{example, toml_key, toml_text};
use crate::spec::shape::view::{View, either};

/// A bound that stands there for the size of a number alone.
const NO_BOUND: f64 = u32::MAX as f64;

/// What a value may be: `a string or a list, each of it a string`.
pub fn types(view: &View<'_>) -> String {
    let words: Vec<String> = view.branches().iter().flat_map(kinds_of_values).collect();
    if words.is_empty() { "any value".to_owned() } else { either(&words) }
}

fn kinds_of_values(branch: &View<'_>) -> Vec<String> {
    let below = |keyword: &str| branch.get(keyword).filter(|schema| schema.is_object()).map(|schema| branch.of(schema));
    if let Some(items) = below("items") {
        return vec![format!("a list (each {})", types(&items))];
    }
    match below("additionalProperties") {
        Some(values) if branch.properties().next().is_none() => vec![format!("a table (each {})", types(&values))],
        Some(_) | None => branch.describe(),
    }
}

/// The least and the most that a number may be.
pub fn bounds(view: &View<'_>) -> Option<String> {
    let number = |branch: &View<'_>, keyword| branch.get(keyword).and_then(Value::as_f64);
    view.branches().iter().filter(|branch| branch.get("enum").is_none()).find_map(|branch| {
        match (number(branch, "minimum"), number(branch, "maximum").filter(|most| *most < NO_BOUND)) {
            (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
            (Some(least), None) => Some(format!("at least {least}")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (None, None) => None,
        }
    })
}

/// The most entries that a table may have.
pub fn most_entries(view: &View<'_>) -> Option<String> {
    let tables = view.branches();
    // A table of one entry is one of several kinds, which is told elsewhere.
    let most = tables.iter().find_map(|table| table.get("maxProperties")?.as_u64()).filter(|most| *most > 1)?;
    Some(format!("at most {} entries", thousands(most)))
}

/// What holds where the key is not there, as far as one value says it.
pub fn preset(view: &View<'_>) -> Option<String> {
    Some(format!("default {}", code(&toml_text(view.get("default")?))))
}

/// How a key is written, with each value that the schema shows.
pub fn examples(view: &View<'_>, key: &str) -> String {
    let written = |value: &Value| code(&format!("{} = {}", toml_key(key), toml_text(value)));
    let shown: Vec<String> = match view.get("examples").and_then(Value::as_array) {
        Some(shown) => shown.iter().map(written).collect(),
        None => example(view, Some(key)).into_iter().collect(),
    };
    match shown.as_slice() {
        [] => String::new(),
        [only] => format!("Example: {only}"),
        several => format!("Examples: {}", several.join(", ")),
    }
}

/// As code, whatever stands in it.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A doc text as a sentence on one line.
pub fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = line.chars();
    let Some(first) = letters.next() else { return line };
    let end = if line.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}
