//! `json`: a JSONPath over the reply (RFC 9535).
//!
//! One match is the value itself, several are an array, none is null. Paths of plain steps such as
//! `$.a.b[0]` are walked without the query engine.

mod literals;

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::wanted::{Need, Step, walk};
use super::{ExtractError, ExtractKind, Extractor, Written};
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::expression::{self, Language};
use crate::template::{Context, Scope};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "json",
    doc: "a JSONPath (RFC 9535) over a JSON reply; several matches give an array, none gives null",
    example: "price = \"$.price\"",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "A JSONPath (RFC 9535).",
            "examples": ["$.price", "$.items[0].price"]
        })
    },
    compile,
};

#[derive(Debug)]
struct Json {
    source: String,
    query: Query,
}

/// A path, compiled once. Whatever else of the job looks into a reply by a path shares it.
#[derive(Debug)]
pub(crate) enum Query {
    /// Names and positions, one after the other.
    Steps(Vec<Step>),
    /// Anything else.
    Path(JsonPath),
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let Some(source) = written.value.as_str() else {
        site.error(codes::WRONG_TYPE, path, "a JSONPath must be a string", "write it as `\"$.price\"`");
        return None;
    };
    let query = Query::compile(site, path, source)?;
    Some(Arc::new(Json { source: source.to_owned(), query }))
}

/// The path that stands at `path` of the job; reports why it is none, and warns of numbers that it can't compare exactly.
pub(super) fn parse(site: &mut Site<'_>, path: &KeyPath, source: &str) -> Option<JsonPath> {
    if let Some((message, range)) = expression::too_much(source, Language::Plain) {
        let place = site.document.place_in_string(path, range);
        let diagnostic = Diagnostic::error(codes::EXTRACT_SYNTAX, format!("the JSONPath can't be used: {message}"));
        site.diagnostics
            .push(diagnostic.at(place, "").help("write a shorter path; columns of the kind jq can do the rest"));
        return None;
    }
    match JsonPath::parse(source) {
        Ok(parsed) => {
            literals::inexact(source).into_iter().for_each(|range| warn(site, path, source, range));
            Some(parsed)
        }
        Err(error) => {
            report(site, path, source, &error);
            None
        }
    }
}

fn warn(site: &mut Site<'_>, path: &KeyPath, source: &str, range: Range<usize>) {
    let literal = &source[range.clone()];
    let message = format!("a JSONPath compares numbers as 64-bit floats: others than {literal} pass for it");
    let other = if literal.contains(['.', 'e', 'E']) {
        "or write no more than 15 digits".to_owned()
    } else {
        let program = format!(".items[] | select(.id == {literal})");
        format!("a jq program compares whole numbers by all of their digits, as in `jq = \"{program}\"`")
    };
    let help = format!("where the reply has it as text, compare with `'{literal}'`; {other}");
    let place = site.document.place_in_string(path, range);
    site.diagnostics.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(place, "").help(help));
}

fn report(site: &mut Site<'_>, path: &KeyPath, source: &str, error: &serde_json_path::ParseError) {
    // The parser's position is the byte at which it gave up.
    let start = error.position();
    let range =
        if source.get(start..).is_some_and(|rest| !rest.is_empty()) { start..source.len() } else { 0..source.len() };
    let place = site.document.place_in_string(path, range);
    let help = if source.starts_with('$') {
        "a JSONPath is written as `$.price`, `$.items[0].id`, `$.items[*].id` or `$['unit price']` (RFC 9535)"
    } else {
        "a JSONPath begins with `$`, as in `$.price`"
    };
    let message = match error.message().strip_suffix("parser error") {
        // The parser knows no more than the place.
        Some(_) => "the JSONPath does not parse from here on".to_owned(),
        None => format!("the JSONPath does not parse: {}", error.message()),
    };
    site.diagnostics.push(Diagnostic::error(codes::PATH_SYNTAX, message).at(place, "").help(help));
}

/// The steps of a valid path that has only names and positions.
pub(super) fn steps(source: &str) -> Option<Vec<Step>> {
    let mut rest = source.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('.') {
            Some(after) => dotted(after)?,
            None => bracketed(rest.strip_prefix('[')?)?,
        };
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

fn dotted(rest: &str) -> Option<(Step, &str)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
    let first = rest.chars().next()?;
    (end > 0 && !first.is_ascii_digit()).then(|| (Step::Name(rest[..end].to_owned()), &rest[end..]))
}

fn bracketed(rest: &str) -> Option<(Step, &str)> {
    if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let (name, after) = rest[1..].split_once(quote)?;
        let is_plain = !name.contains(['\\', '\'', '"']);
        return is_plain.then_some((Step::Name(name.to_owned()), after.strip_prefix(']')?));
    }
    let (digits, after) = rest.split_once(']')?;
    let position = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((Step::Position(position), after))
}

impl Query {
    /// Compiles the path that stands at `path` of the job; reports why it is none.
    pub(crate) fn compile(site: &mut Site<'_>, path: &KeyPath, source: &str) -> Option<Self> {
        let parsed = parse(site, path, source)?;
        Some(steps(source).map_or(Self::Path(parsed), Self::Steps))
    }

    /// What of a JSON body it looks at.
    pub(crate) fn needs(&self) -> Need<'_> {
        match self {
            Self::Steps(steps) => Need::Path(steps),
            Self::Path(_) => Need::Whole,
        }
    }

    /// Everything it leads to.
    pub(crate) fn matches<'v>(&self, item: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Steps(steps) => walk(steps, item).into_iter().collect(),
            Self::Path(path) => path.query(item).all(),
        }
    }

    fn find(&self, item: &Value) -> Value {
        match self {
            Self::Steps(steps) => walk(steps, item).cloned().unwrap_or_default(),
            Self::Path(path) => {
                let found = path.query(item).all();
                match found.as_slice() {
                    [] => Value::Null,
                    [one] => (*one).clone(),
                    many => many.iter().copied().cloned().collect(),
                }
            }
        }
    }
}

impl Extractor for Json {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("json {}", self.source)
    }

    fn needs(&self) -> Need<'_> {
        self.query.needs()
    }

    fn path(&self) -> Option<&str> {
        Some(&self.source)
    }

    fn extract(&self, _context: &Context<'_>, item: &Value) -> Result<Value, ExtractError> {
        Ok(self.query.find(item))
    }
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod compliance;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn find(path: &str, item: &Value) -> Value {
        let parsed = JsonPath::parse(path).unwrap();
        let slow = Query::Path(parsed).find(item);
        if let Some(steps) = steps(path) {
            assert_eq!(Query::Steps(steps).find(item), slow, "{path}");
        }
        slow
    }

    #[test]
    fn matches_become_values() {
        let body = json!({"a": {"b c": [1, {"d": null}]}, "items": [{"id": 1}, {"id": 2}], "0": "zero"});
        for (path, value) in [
            ("$", body.clone()),
            ("$.a['b c'][0]", json!(1)),
            ("$.a[\"b c\"][1].d", json!(null)),
            ("$.a['b c'][-1]", json!({"d": null})),
            ("$.items[*].id", json!([1, 2])),
            ("$..id", json!([1, 2])),
            ("$.items[?@.id > 1].id", json!(2)),
            ("$.items[?@.id > 9].id", json!(null)),
            ("$.items.id", json!(null)),
            ("$.a[0]", json!(null)),
            ("$[0]", json!(null)),
            ("$['0']", json!("zero")),
        ] {
            assert_eq!(find(path, &body), value, "{path}");
        }
    }

    #[test]
    fn plain_steps_are_known() {
        assert_eq!(
            steps("$.a_1['b c'][0]"),
            Some(vec![Step::Name("a_1".into()), Step::Name("b c".into()), Step::Position(0)])
        );
        for path in ["$..a", "$.*", "$[*]", "$[-1]", "$[0:2]", "$['a','b']", "$[?@.a]", "$['a\\'b']", "$. a", "$.ä"] {
            assert_eq!(steps(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_is_the_standard(path in "\\$(\\.[a-c]|\\['[a-c]'\\]|\\[[0-2]\\]){0,4}", a in 0..3_usize, b in "[a-c]") {
            prop_assert!(steps(&path).is_some());
            let mut leaf = json!([{ &b: [1, { "a": [2, 3] }] }, { "a": { &b: { "c": true } } }]);
            leaf[a % 2]["c"] = json!({ &b: [[], [0, { &b: "x" }]] });
            for body in [leaf.clone(), json!({ &b: leaf, "a": { "b": { "c": [1] } } })] {
                find(&path, &body);
            }
        }
    }
}
