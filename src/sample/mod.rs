//! A reply that is at hand, judged as a run would judge it: is it accepted, which records does it give, and what in
//! the job finds nothing in it.
//!
//! `check --sample` takes the reply from a file. What is found carries the path of the key that it is about, and
//! [`tell()`] makes diagnostics of it. Must never send anything, and never take a reply for better than a run would.

mod again;
mod columns;
mod judge;
mod kind;
mod leave;
mod open;
mod pair;
mod read;
mod rows;
mod tell;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value};

use crate::diagnostic::Code;
use crate::document::KeyPath;
use crate::report::text::visible;
use crate::retry::Then;
use crate::secret::Masker;
use crate::transport::Reply;

pub use again::Again;
pub use judge::judge;
pub use open::{Unjudged, Why};
pub use read::Unusable;
pub use rows::{Given, Looked, Rows};
pub use tell::tell;

/// A reply.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What messages call it: `the sample`, `the reply`.
    pub called: &'static str,
    /// Its status; `None`: nobody knows it, and it is taken for one that the job expects.
    pub status: Option<u16>,
    /// Its headers; of a body alone none.
    pub headers: HeaderMap,
    /// Whether its head is at hand; otherwise nothing is said of what looks at headers.
    pub has_head: bool,
    /// Its body, decoded.
    pub body: Bytes,
    /// The URL that gave it.
    pub url: Uri,
    /// How it was packed, before it was unpacked.
    pub packed: Option<&'static str>,
}

impl From<&Reply> for Sample {
    fn from(reply: &Reply) -> Self {
        Self {
            called: "the reply",
            status: Some(reply.status.as_u16()),
            headers: reply.headers.clone(),
            has_head: true,
            body: reply.body.clone(),
            url: reply.url.clone(),
            packed: None,
        }
    }
}

/// What a run would make of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// These records: kept columns of the input, extracted columns, and `body` where that is asked for. What other
    /// meta columns tell belongs to an attempt, and there was none.
    Accepted(Vec<Map<String, Value>>),
    /// A rule decides: its position, and what it says.
    Ruled(usize, Then),
    /// It is not accepted, and fails no row: its status is one that a run tries again.
    Again(Again),
    /// It fails; the findings say why.
    Refused,
}

/// What was made of a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What a run would make of it.
    pub verdict: Verdict,
    /// What does not fit, in the order of the job's keys.
    pub findings: Vec<Finding>,
    /// What could not be judged, in the same order.
    pub unjudged: Vec<Unjudged>,
    /// Whether its walk ends with it for the reason that no next page is named anywhere, which is so on a last page.
    pub is_last: bool,
    /// What has no partner where the rows are those of a chunk.
    pub apart: Apart,
}

/// Items of a reply and rows at hand that do not belong together: no record is made of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apart {
    /// Items that belong to none of the rows.
    pub items: usize,
    /// Rows that none of the items is for; of rows that are not known nothing is said.
    pub rows: usize,
}

/// Something of the job that does not fit the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// The key; where nothing stands there, what it is below of is meant.
    pub key: KeyPath,
    /// Which bytes of the text there, if not all.
    pub range: Option<Range<usize>>,
    /// What does not fit.
    pub message: String,
    /// How it is mended.
    pub help: String,
}

impl Finding {
    fn new(code: Code, key: KeyPath, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, key, range: None, message: message.into(), help: help.into() }
    }

    /// The same without secrets, and with nothing in it that can't be seen. What is said of a reply holds names of its
    /// members: a server may say a secret back as one of them, or turn the direction of what is read.
    fn masked(mut self, masker: &Masker) -> Self {
        for words in [&mut self.message, &mut self.help] {
            let masked = masker.mask(words);
            // Conditions stand in messages as they are written, which may be on several lines.
            *words = masked.split('\n').map(visible).collect::<Vec<_>>().join("\n");
        }
        self
    }

    fn within(self, range: Range<usize>) -> Self {
        Self { range: Some(range), ..self }
    }
}

/// Bytes that heads before a body may have at most, those of redirects with them.
pub const LONGEST_HEAD: u64 = 1 << 20;

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// A value as messages show it: on one line and not endless.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let line = visible(&line);
    let plain: String = line.chars().take(SHOWN).collect();
    if line.chars().nth(SHOWN).is_some() { plain + "…" } else { plain }
}
