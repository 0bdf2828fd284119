use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");

#[test]
fn the_committed_reference_is_fresh() {
    if crate::environment::variable("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, reference()).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == reference(), "docs/reference.md is stale: run the tests with UPDATE_DOCS=1");
}

/// A key of the schema: its name, its schema and the table that has it.
struct Found<'s> {
    name: &'s str,
    schema: &'s Value,
    table: &'s Map<String, Value>,
}

/// Every key of every table, profiles aside: those are the same tables once more.
fn keys<'s>(value: &'s Value, found: &mut Vec<Found<'s>>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::Object(properties)), true) = (object.get("properties"), object.contains_key("type")) {
                found.extend(properties.iter().map(|(name, schema)| Found { name, schema, table: object }));
            }
            for (name, child) in object {
                if !name.starts_with("Partial") && !matches!(name.as_str(), "examples" | "default") {
                    keys(child, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn all() -> Vec<Found<'static>> {
    let mut found = Vec::new();
    keys(schema(), &mut found);
    assert!(found.len() > 150, "only {} keys", found.len());
    found
}

/// Whether a value is a table and nothing else: what its keys default to stands with them.
fn is_table(view: &View<'_>) -> bool {
    view.branches().iter().all(|branch| branch.types() == ["object"])
}

fn listed(table: &Map<String, Value>, keyword: &str, name: &str) -> bool {
    table.get(keyword).and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
}

#[test]
fn every_key_says_what_holds_without_it() {
    let mut silent = BTreeSet::new();
    for Found { name, schema: key, table } in all() {
        let view = View::new(schema(), key);
        let said = view.text("description").unwrap_or_default().to_lowercase();
        let in_words = ["absent", "default", "left out"].iter().any(|word| said.contains(word));
        let by_table = listed(table, "required", name) || listed(table, EXACTLY_ONE, name);
        if !is_table(&view) && !by_table && !in_words && view.get("default").is_none() {
            silent.insert(format!("{name}: {said}"));
        }
    }
    assert!(silent.is_empty(), "these have neither a default nor a word such as \"absent: ..\": {silent:#?}");
}

#[test]
fn every_key_shows_a_value_of_its_own() {
    const SHOWN: [&str; 3] = ["examples", "default", "enum"];
    let mut bare = BTreeSet::new();
    for Found { name, schema: key, .. } in all() {
        let view = View::new(schema(), key);
        let shows = |view: &View<'_>| SHOWN.iter().any(|keyword| view.get(keyword).is_some());
        if !is_table(&view) && !shows(&view) && !view.branches().iter().any(shows) {
            bare.insert(name);
        }
    }
    assert!(bare.is_empty(), "these have no example, default or list of values: {bare:?}");
}

fn headings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim()).collect()
}

#[test]
fn every_key_has_a_heading_and_every_heading_an_anchor_of_its_own() {
    let text = reference();
    let headings = headings(&text);
    let anchors: BTreeSet<String> = headings.iter().map(|heading| slug(heading)).collect();
    assert_eq!(anchors.len(), headings.len(), "two headings have one anchor");
    for Found { name, .. } in all() {
        let ends = [format!("`{name}`"), format!(".{name}`")];
        assert!(headings.iter().any(|heading| *heading == ends[0] || heading.ends_with(&ends[1])), "{name} is missing");
    }
    for link in text.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "#{anchor} leads nowhere");
    }
}

#[test]
fn a_key_is_told_with_type_bounds_default_and_example() {
    let text = reference();
    let expected = "\
### `retry.attempts`

*an integer · at least 1 · default `5`*

Attempts, the first included.";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains(
        "### `limits.NAME.rate`\n\n*a rate such as \"10/s\" or a list (each a rate such as \"10/s\") · required*\n"
    ));
    assert!(text.contains("Examples: `rate = \"10/s\"`, `rate = [\"10/s\", \"5000/h\"]`\n"));
    assert!(text.contains("The keys are those of [`retry`](#retry).\n"));
}

#[test]
fn words_say_what_the_schema_does() {
    let written = |schema: Value| {
        let view = View::new(&schema, &schema);
        (types(&view), bounds(&view), preset(&view), examples(&view, "a"))
    };
    let none = (String::from("any value"), None, None, String::new());
    assert_eq!(written(json!({})), none);
    let number = json!({ "type": "integer", "minimum": 1, "maximum": 9, "default": 2 });
    let told = ("an integer".into(), Some("from 1 to 9".into()), Some("default `2`".into()), "Example: `a = 2`".into());
    assert_eq!(written(number), told);
    let table = json!({ "type": "object", "additionalProperties": { "type": "string" }, "examples": [{ "x": "`" }] });
    let told = ("a table (each a string)".into(), None, None, "Example: `` a = { x = \"`\" } ``".into());
    assert_eq!(written(table), told);
    assert_eq!(sentence("a thing\n of two lines"), "A thing of two lines.");
    assert_eq!(slug("`endpoints.NAME.idempotency-key`"), "endpointsnameidempotency-key");
}

#[test]
fn what_is_too_much_is_told_as_it_is_held_to() {
    let section = reference().split(&format!("## {TITLE}\n")).nth(1).map(str::to_owned).unwrap();
    for bound in
        ["64 KiB", "64 brackets", "2,000 names and signs", "1 MiB", "32 MiB", "1,000 of each", "Variables: 10,000"]
    {
        assert!(section.contains(bound), "{bound}: {section}");
    }
    let too_much = |text: String| crate::expression::too_much(&text, crate::expression::Language::Plain).unwrap().0;
    assert_eq!(too_much(" ".repeat(70_000)), "it is longer than 64 KiB");
    assert_eq!(too_much("-".repeat(2_001)), "it has more than 2,000 names and signs");
}
