//! Paths into replies: where a total, a cursor or a link stands, and what it may be.
//!
//! What stands there came from outside: messages name its place and its type, never its text.

use serde_json::Value;

use super::PageReply;
use crate::compile::Site;
use crate::document::KeyPath;
use crate::extract::{Need, Query};

/// A JSONPath of the job, compiled once.
#[derive(Debug)]
pub(super) struct Path {
    source: String,
    query: Query,
}

impl Path {
    /// Compiles a path; `path` is where it stands in the job.
    pub fn compile(site: &mut Site<'_>, path: &KeyPath, source: &str) -> Option<Self> {
        Some(Self { query: Query::compile(site, path, source)?, source: source.to_owned() })
    }

    /// A path that may be left out; the outer `None`: it is there and wrong.
    pub fn maybe(site: &mut Site<'_>, path: &KeyPath, source: Option<&String>) -> Option<Option<Self>> {
        match source {
            Some(source) => Self::compile(site, path, source).map(Some),
            None => Some(None),
        }
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it needs of the body.
    pub fn need(&self) -> Need<'_> {
        self.query.needs()
    }

    /// What stands there; `None`: nothing, not even null.
    ///
    /// # Errors
    /// When it leads to several places.
    pub fn find<'v>(&self, reply: &PageReply<'v>) -> Result<Option<&'v Value>, String> {
        let found = reply.json.map(|json| self.query.matches(json)).unwrap_or_default();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => {
                Err(format!("`{}` leads to {} places of the reply, and must to one", self.source, several.len()))
            }
        }
    }

    /// A count, as a number or a text; `None`: there is none.
    ///
    /// # Errors
    /// When what stands there is no count.
    pub fn count(&self, reply: &PageReply<'_>) -> Result<Option<u64>, String> {
        let count = match self.find(reply)? {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        match (count, self.find(reply)?) {
            (Some(count), _) => Ok(Some(count)),
            (None, found) => Err(format!("`{}` is {}, and must be a count", self.source, type_of(found))),
        }
    }

    /// Yes or no, also as a text or as 1 and 0; `None`: nothing is said.
    ///
    /// # Errors
    /// When what stands there is neither.
    pub fn flag(&self, reply: &PageReply<'_>) -> Result<Option<bool>, String> {
        match self.find(reply)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::Number(number)) if number.as_u64() == Some(0) => Ok(Some(false)),
            Some(Value::Number(number)) if number.as_u64() == Some(1) => Ok(Some(true)),
            Some(Value::String(text)) if is(text, ["false", "no", "0"]) => Ok(Some(false)),
            Some(Value::String(text)) if is(text, ["true", "yes", "1"]) => Ok(Some(true)),
            found => Err(format!("`{}` is {}, and must be true or false", self.source, type_of(found))),
        }
    }
}

fn is(text: &str, words: [&str; 3]) -> bool {
    words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// A count that was written as 95.0; beyond 2^53 a float is no count any more.
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // In this range the cast is exact.
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// What kind of value it is, for messages.
pub(super) fn type_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(number)) if number.as_f64().is_some_and(|number| number < 0.0) => "a negative number",
        Some(Value::Number(_)) => "another number",
        Some(Value::String(_)) => "another text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}
