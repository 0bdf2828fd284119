//! Where a JSONPath leaves a reply: the first step that leads nowhere, and what there is instead.
//!
//! A path is followed step by step, each time as the path up to there, so that what is found is what the whole path
//! finds. Must never say that a path leads nowhere while any of the values has what it leads to.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::Finding;
use crate::diagnostic::{codes, did_you_mean};
use crate::document::KeyPath;

/// Most names that a message lists.
const MOST_NAMES: usize = 12;

/// The step at which a path leaves all of the values it was tried on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leave {
    /// Bytes of the step.
    pub range: Range<usize>,
    pub message: String,
    pub help: String,
    /// Whether a name there is so like the one written that it is most likely meant.
    pub is_near: bool,
}

impl Leave {
    pub fn at(self, key: KeyPath) -> Finding {
        Finding::new(codes::SAMPLE_LACKS, key, self.message, self.help).within(self.range)
    }
}

/// Where a path leaves the values; `None`: it finds something in one of them. `what` they are, for messages.
pub(super) fn leave(source: &str, values: &[&Value], what: &str) -> Option<Leave> {
    let mut holders = values.to_vec();
    for step in steps(source) {
        let Ok(path) = JsonPath::parse(&source[..step.end]) else { continue };
        let found: Vec<&Value> = values.iter().flat_map(|value| path.query(value).all()).collect();
        if found.is_empty() {
            return Some(describe(source, step, &holders, what));
        }
        holders = found;
    }
    None
}

/// The steps of a valid path, by their bytes.
fn steps(source: &str) -> Vec<Range<usize>> {
    let mut steps = Vec::new();
    let mut start = 1;
    while start < source.len() {
        let dots = source[start..].bytes().take_while(|byte| *byte == b'.' || byte.is_ascii_whitespace()).count();
        let behind = start + dots;
        let end = if source[behind..].starts_with('[') {
            behind + bracket(&source[behind..])
        } else {
            source[behind..].find(['.', '[']).map_or(source.len(), |length| behind + length)
        };
        // A step of no length would be met for ever.
        let end = end.max(start + 1);
        steps.push(start..end);
        start = end;
    }
    steps
}

/// Length of the bracket that a text begins with.
fn bracket(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(letter),
            ('[', None) => depth += 1,
            (']', None) if depth == 1 => return at + 1,
            (']', None) => depth -= 1,
            (_, None) => {}
        }
    }
    text.len()
}

/// The name that a step asks for, with its bytes; `None`: it asks for something else.
fn name(source: &str, step: &Range<usize>) -> Option<(String, Range<usize>)> {
    let text = &source[step.clone()];
    let quoted = text.trim_start_matches('.').strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let (name, before) = match quoted {
        Some(quoted) => {
            let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
            (quoted.strip_prefix(quote)?.strip_suffix(quote)?, text.find(quote)? + 1)
        }
        None => (text.trim_start_matches('.').trim(), text.len() - text.trim_start_matches('.').len()),
    };
    let is_plain = !name.is_empty() && !name.contains(['\\', '\'', '"', '*']);
    let start = step.start + before;
    is_plain.then(|| (name.to_owned(), start..start + name.len()))
}

fn describe(source: &str, step: Range<usize>, holders: &[&Value], what: &str) -> Leave {
    let before = &source[..step.start];
    let holder = if before == "$" { what.to_owned() } else { format!("`{before}` of {what}") };
    let named = name(source, &step);
    match (named, holders.iter().find(|value| value.is_object()).or(holders.first())) {
        (Some((name, range)), Some(Value::Object(_))) => absent(&holder, &name, range, holders),
        (Some((name, range)), Some(Value::Array(items))) => {
            let count = items.len();
            let message = format!("{holder} is a list of {count}, and a list has no `{name}`");
            let (step, rest) = (&source[step.start..step.end], &source[step.end..]);
            let help = format!(
                "write `{before}[*]{step}{rest}` for that of each element, or `{before}[0]{step}{rest}` for that of the first"
            );
            Leave { range, message, help, is_near: true }
        }
        (_, found) => {
            let kind = found.map_or("nothing".to_owned(), |value| kind(value));
            let message = format!("{holder} is {kind}, and nothing in it fits `{}`", &source[step.clone()]);
            let help = "take another path, or a reply that is like those that are meant".to_owned();
            Leave { range: step, message, help, is_near: false }
        }
    }
}

/// An object lacks a name.
fn absent(holder: &str, name: &str, range: Range<usize>, holders: &[&Value]) -> Leave {
    let mut known = HashSet::new();
    let all = holders.iter().filter_map(|value| value.as_object()).flat_map(|map| map.keys());
    let names: Vec<&str> = all.map(String::as_str).filter(|name| known.insert(*name)).collect();
    let message = format!("{holder} has no `{name}`");
    let near = did_you_mean(name, names.iter().copied());
    Leave { range, message, help: there_is(near, &names), is_near: near.is_some() }
}

/// The name that was meant, and those that there are.
pub(super) fn there_is(near: Option<&str>, names: &[&str]) -> String {
    let listed: Vec<String> = names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let rest = match names.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        rest => format!(", and {rest} more"),
    };
    let there = format!("{}{rest}", listed.join(", "));
    match near {
        _ if names.is_empty() => "there is nothing in it: is the reply like those that are meant?".to_owned(),
        Some(near) => format!("did you mean `{near}`? it has {there}"),
        None => format!("it has {there}"),
    }
}

/// What kind of value it is, for messages.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn steps_of(source: &str) -> Vec<&str> {
        steps(source).into_iter().map(|step| &source[step]).collect()
    }

    #[test]
    fn a_path_is_cut_at_its_steps() {
        for (source, expected) in [
            ("$", vec![]),
            ("$.a.b", vec![".a", ".b"]),
            ("$['a.b'][0].c", vec!["['a.b']", "[0]", ".c"]),
            ("$..price", vec!["..price"]),
            ("$..[0]", vec!["..[0]"]),
            ("$.a[?@.b[0] == ']'].c", vec![".a", "[?@.b[0] == ']']", ".c"]),
            ("$['it\\'s'].x", vec!["['it\\'s']", ".x"]),
            ("$.ä.*", vec![".ä", ".*"]),
        ] {
            assert_eq!(steps_of(source), expected, "{source}");
        }
    }

    /// Where a path leaves a value: the text of the step, the message, the help.
    fn left(source: &str, value: &Value) -> Option<(String, String, String)> {
        let left = leave(source, &[value], "the sample")?;
        Some((source[left.range].to_owned(), left.message, left.help))
    }

    #[test]
    fn a_path_that_finds_something_leaves_nowhere() {
        let body = json!({"price": null, "items": [{"id": 1}, {"sku": 2}]});
        for path in ["$", "$.price", "$.items[*].sku", "$..id", "$.items[?@.id == 1]", "$['items'][1]['sku']"] {
            assert_eq!(left(path, &body), None, "{path}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_those_that_are() {
        let body = json!({"price": 1, "sku": "a", "deep": {"total": 2}, "items": [{"id": 1}], "none": {}});
        for (path, step, message, help) in [
            (
                "$.pirce",
                "pirce",
                "the sample has no `pirce`",
                "did you mean `price`? it has `price`, `sku`, `deep`, `items`, `none`",
            ),
            (
                "$['pirce'].x",
                "pirce",
                "the sample has no `pirce`",
                "did you mean `price`? it has `price`, `sku`, `deep`, `items`, `none`",
            ),
            ("$.deep.totl", "totl", "`$.deep` of the sample has no `totl`", "did you mean `total`? it has `total`"),
            ("$.deep.colour", "colour", "`$.deep` of the sample has no `colour`", "it has `total`"),
            (
                "$.none.x",
                "x",
                "`$.none` of the sample has no `x`",
                "there is nothing in it: is the reply like those that are meant?",
            ),
            (
                "$.items.id",
                "id",
                "`$.items` of the sample is a list of 1, and a list has no `id`",
                "write `$.items[*].id` for that of each element, or `$.items[0].id` for that of the first",
            ),
            ("$.items[*].nr", "nr", "`$.items[*]` of the sample has no `nr`", "it has `id`"),
        ] {
            let expected = (step.to_owned(), message.to_owned(), help.to_owned());
            assert_eq!(left(path, &body), Some(expected), "{path}");
        }
    }

    #[test]
    fn other_steps_that_lead_nowhere_are_told_too() {
        let body = json!({"price": 1, "items": [{"id": 1}]});
        for (path, step, message) in [
            ("$.items[5]", "[5]", "`$.items` of the sample is a list of 1, and nothing in it fits `[5]`"),
            (
                "$.items[?@.id > 5]",
                "[?@.id > 5]",
                "`$.items` of the sample is a list of 1, and nothing in it fits `[?@.id > 5]`",
            ),
            ("$.price.net", ".net", "`$.price` of the sample is a number, and nothing in it fits `.net`"),
        ] {
            let (at, said, _) = left(path, &body).unwrap();
            assert_eq!((at.as_str(), said.as_str()), (step, message), "{path}");
        }
    }

    #[test]
    fn names_of_all_values_are_known() {
        let (one, other) = (json!({"a": 1}), json!({"price": 2}));
        let left = leave("$.prices", &[&one, &other], "an item of the sample").unwrap();
        assert_eq!((left.message.as_str(), left.is_near), ("an item of the sample has no `prices`", true));
        assert_eq!(leave("$.price", &[&one, &other], ""), None, "one of them has it");
    }
}
