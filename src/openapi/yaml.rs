//! YAML as the value that the same JSON has: the core schema of YAML 1.2, with merge keys (`<<`).
//!
//! Built of the parser's events here, so that what aliases multiply has a bound. Must never recurse as deep as a
//! text likes.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value};

use super::twice;

/// Most values of a document, those of aliases included.
const MOST_VALUES: usize = 8_000_000;

/// How deep lists and maps may stand in each other; as deep as JSON's reader goes.
const DEEPEST: usize = 127;

/// The key whose maps lie beneath the one that it stands in.
const MERGE: &str = "<<";

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| broken(&error))?;
        let line = span.start.line();
        builder.line = line;
        if builder.step(event).map_err(|why| format!("line {line}: {why}"))? {
            break;
        }
    }
    builder.root.ok_or_else(|| "it is empty".to_owned())
}

fn broken(error: &ScanError) -> String {
    // The parser's own bound, of what stands in brackets.
    let what = match error.info() {
        info if info.contains("recursion limit") => "it is nested too deep",
        info => info,
    };
    format!("line {}, column {}: {what}", error.marker().line(), error.marker().col() + 1)
}

/// A list or a map that is open.
enum Open {
    List(Vec<Value>),
    /// With the name whose value is to come, and the line of each name so far.
    Map(Map<String, Value>, Option<String>, Vec<usize>),
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    /// With the numbers of their anchors; 0: none.
    open: Vec<(Open, usize)>,
    anchors: HashMap<usize, Value>,
    values: usize,
    /// Where the event stands that is being taken.
    line: usize,
}

impl Builder {
    /// Takes an event; whether it was the last of the document.
    fn step(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = matches!(self.open.last(), Some((Open::Map(_, None, _), _)));
                let is_text = is_key || style != ScalarStyle::Plain || tag.is_some_and(|tag| is_text(&tag));
                let value = if is_text { Value::String(text.into_owned()) } else { plain(&text) };
                self.put(value, anchor)?;
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).ok_or("an alias of what is not closed, or not there")?;
                let value = value.clone();
                self.count(weight(&value))?;
                self.put(value, 0)?;
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => self.open(Open::Map(Map::new(), None, Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::DocumentEnd => return Ok(true),
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::Nothing => {}
        }
        Ok(false)
    }

    fn open(&mut self, open: Open, anchor: usize) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("lists and maps stand more than {DEEPEST} deep in each other"));
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let value = match self.open.pop() {
            Some((Open::List(values), anchor)) => (Value::Array(values), anchor),
            Some((Open::Map(map, ..), anchor)) => (Value::Object(merged(map)), anchor),
            None => return Ok(()),
        };
        self.put(value.0, value.1)
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        self.count(1)?;
        if anchor > 0 {
            self.count(weight(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|(open, _)| open) {
            None => self.root = Some(value),
            Some(Open::List(values)) => values.push(value),
            Some(Open::Map(map, key, lines)) => match (key.take(), value) {
                (Some(name), value) => drop(map.insert(name, value)),
                (None, Value::String(name)) => {
                    if map.contains_key(&name) {
                        let first = map.keys().position(|known| *known == name).and_then(|at| lines.get(at));
                        return Err(if name == MERGE {
                            merged_twice(first)
                        } else {
                            twice::told(&name, first.copied())
                        });
                    }
                    lines.push(self.line);
                    *key = Some(name);
                }
                (None, _) => return Err("a key of a map is no text".to_owned()),
            },
        }
        Ok(())
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(more);
        if self.values > MOST_VALUES {
            return Err(format!("it holds more than {MOST_VALUES} values, its aliases counted"));
        }
        Ok(())
    }
}

/// Readers disagree on which of the two stands over the other.
fn merged_twice(first: Option<&usize>) -> String {
    let first = first.map(|line| format!(", first in line {line}")).unwrap_or_default();
    format!(
        "the merge key `{MERGE}` stands twice in one map{first}: write one, with a list: `{MERGE}: [*first, *second]`"
    )
}

fn is_text(tag: &Tag) -> bool {
    tag.suffix == "str"
}

/// How many values there are in a value.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(weight).sum::<usize>(),
        _ => 1,
    }
}

/// A map with the maps that it merges; its own keys stand over theirs.
fn merged(mut map: Map<String, Value>) -> Map<String, Value> {
    let under = match map.get(MERGE) {
        Some(Value::Object(_)) => vec![map.shift_remove(MERGE).unwrap_or_default()],
        Some(Value::Array(maps)) if maps.iter().all(Value::is_object) => match map.shift_remove(MERGE) {
            Some(Value::Array(maps)) => maps,
            _ => Vec::new(),
        },
        _ => return map,
    };
    for (name, value) in under.into_iter().filter_map(object).flatten() {
        map.entry(name).or_insert(value);
    }
    map
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// A plain scalar by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    let number = || {
        let integer = text.strip_prefix('+').unwrap_or(text).parse::<i64>().ok().map(Number::from);
        integer.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
    };
    is_number.then(number).flatten().map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_what_its_json_would_be() {
        for (text, value) in [
            (
                "a: 1\nb: [x, 'y', \"z\"]\nc: {d: true, e: ~}",
                json!({"a": 1, "b": ["x", "y", "z"], "c": {"d": true, "e": null}}),
            ),
            ("200: ok\n'404': no\ntrue: yes", json!({"200": "ok", "404": "no", "true": "yes"})),
            (
                "openapi: 3.0.1\nv: 1.5\nw: -7\nx: 1e3\ny: '1'\nz: !!str 1",
                json!({"openapi": "3.0.1", "v": 1.5, "w": -7, "x": 1000.0, "y": "1", "z": "1"}),
            ),
            ("a: |\n  one\n  two\nb: >-\n  one\n  two", json!({"a": "one\ntwo\n", "b": "one two"})),
            (
                "a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  c: 3",
                json!({"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 2}, "e": {"c": 3, "b": 1}}),
            ),
            ("---\na: 1\n...\n---\nb: 2", json!({"a": 1})),
        ] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_told_with_both_lines() {
        let why = read("a:\n  b: 1\n  c: 2\n  b: 3\n").unwrap_err();
        assert_eq!(why, "line 4: the key `b` stands twice in one map, first in line 2: take one out");
        assert!(read("a: {x: 1, \"x\": 2}").is_err() && read("a: {x: 1}\nb: {x: 2}").is_ok());
        let why = read("a: &a {x: 1}\nb:\n  <<: *a\n  y: 1\n  <<: *a\n").unwrap_err();
        let wanted = "line 5: the merge key `<<` stands twice in one map, first in line 3: write one, with a list: \
                      `<<: [*first, *second]`";
        assert_eq!(why, wanted);
        let both = "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}";
        assert_eq!(
            read(both).unwrap()["c"],
            json!({"z": 3, "x": 1, "y": 2}),
            "the first of a list stands over the others"
        );
        let merged = "a: &a {x: 1}\nb: {<<: *a, x: 2}";
        assert_eq!(read(merged), Ok(json!({"a": {"x": 1}, "b": {"x": 2}})), "what is merged lies beneath");
    }

    #[test]
    fn what_aliases_multiply_is_bounded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
        }
        let why = read(&text).unwrap_err();
        assert!(why.contains("its aliases counted"), "{why}");
        let why = read("a: &a [*a]").unwrap_err();
        assert!(why.contains("alias") || why.contains("anchor"), "{why}");
    }

    #[test]
    fn depth_is_bounded_and_errors_have_a_place() {
        let why = read(&format!("{}{}", "[".repeat(500), "]".repeat(500))).unwrap_err();
        assert!(why.contains("deep"), "{why}");
        let why = read("a: 1\nb: [1, 2\nc: 3").unwrap_err();
        assert!(why.contains("line"), "{why}");
        assert_eq!(read(""), Err("it is empty".to_owned()));
    }
}
