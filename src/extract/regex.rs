//! `regex`: what the first match of a regular expression has in a reply's text.
//!
//! Without groups it is the whole match, with one group what that group took, with several an array of what
//! they took, null where a group took no part. No match is null. The engine takes time that is linear in the
//! text, so that no pattern can hang a run.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::{Context, Scope};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "regex",
    doc: "a regular expression over the text of the reply: the first match's group, or all of it; several groups are an array",
    example: "code = { regex = 'id=(\\d+)' }",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "A regular expression in the syntax of Rust's regex crate (no look-around, no back-references).",
            "minLength": 1,
            "examples": ["id=(\\d+)"]
        })
    },
    compile,
};

const HELP: &str = "write it in single quotes, as in `{ regex = 'id=(\\d+)' }`; `(?i)` ignores case, `(?s)` lets `.` \
                    cross lines; look-around and back-references are not there";

#[derive(Debug)]
struct Pattern {
    regex: Regex,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let source = written.text(site, path, "a regular expression", HELP)?;
    match Regex::new(source) {
        Ok(regex) => Some(Arc::new(Pattern { regex })),
        Err(error) => {
            report(site, path, source, &error);
            None
        }
    }
}

/// The parser below the engine knows the place, the engine's own error only draws it.
fn report(site: &mut Site<'_>, path: &KeyPath, source: &str, error: &regex::Error) {
    let (why, range) = match (error, regex_syntax::parse(source)) {
        (regex::Error::CompiledTooBig(limit), _) => (format!("it takes more than {limit} bytes"), 0..source.len()),
        (_, Err(regex_syntax::Error::Parse(error))) => (error.kind().to_string(), offsets(error.span(), source)),
        (_, Err(regex_syntax::Error::Translate(error))) => (error.kind().to_string(), offsets(error.span(), source)),
        (_, _) => ("it can't be read".to_owned(), 0..source.len()),
    };
    let place = site.document.place_in_string(path, range);
    let message = format!("the regular expression does not parse: {why}");
    site.diagnostics.push(Diagnostic::error(codes::EXTRACT_SYNTAX, message).at(place, "").help(HELP));
}

fn offsets(span: &regex_syntax::ast::Span, source: &str) -> std::ops::Range<usize> {
    let range = span.start.offset..span.end.offset;
    // A place of no width, such as the end, is shown by what stands before it.
    if range.is_empty() { 0..source.len() } else { range }
}

impl Extractor for Pattern {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("regex {}", self.regex)
    }

    fn needs(&self) -> Need<'_> {
        Need::Utf8
    }

    fn varies(&self) -> bool {
        false
    }

    fn extract(&self, context: &Context<'_>, _item: &Value) -> Result<Value, ExtractError> {
        let Some(reply) = context.reply else { return Ok(Value::Null) };
        let text = String::from_utf8_lossy(reply.body);
        if self.regex.captures_len() == 1 {
            return Ok(self.regex.find(&text).map_or(Value::Null, |found| found.as_str().into()));
        }
        let Some(found) = self.regex.captures(&text) else { return Ok(Value::Null) };
        let mut groups: Vec<Value> =
            found.iter().skip(1).map(|group| group.map_or(Value::Null, |group| group.as_str().into())).collect();
        Ok(if groups.len() == 1 { groups.remove(0) } else { groups.into() })
    }
}
