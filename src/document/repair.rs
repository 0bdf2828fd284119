//! Mends what makes the parser lose its way, so that one run tells the errors behind it too.
//!
//! Works on a copy: a line without `=` is blanked, a bracket that is never closed gets its closer. Keeps
//! the way back to the positions of the file. Must never hide an error: each mend is a [`Finding`].

use toml::de::{DeTable, Error};

use super::scan;

/// Something that was mended, in positions of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The bracket at this position has no closer.
    Bracket(usize),
    /// The table header whose last key ends here has no closer.
    Header(usize),
    /// The statement around this position has no `=`.
    Statement(usize),
}

/// Bytes that the file does not have.
#[derive(Debug)]
struct Insertion {
    /// Where they stand in the mended text.
    at: usize,
    /// How many they are.
    length: usize,
    /// How many were inserted before.
    before: usize,
}

/// A text that was mended.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    /// What to parse.
    pub(super) text: String,
    /// What was mended.
    pub(super) findings: Vec<Finding>,
    /// What was inserted, ascending.
    insertions: Vec<Insertion>,
}

impl Repaired {
    /// Whether the text is the file's.
    pub(super) fn is_untouched(&self) -> bool {
        self.findings.is_empty()
    }

    /// The position in the file of a position in [`Repaired::text`].
    pub(super) fn original(&self, at: usize) -> usize {
        let count = self.insertions.partition_point(|insertion| insertion.at < at);
        let shift = match count.checked_sub(1).map(|last| &self.insertions[last]) {
            Some(insertion) => insertion.before + insertion.length.min(at - insertion.at),
            None => 0,
        };
        at - shift
    }
}

/// Whether the parser lost its way at this error.
pub(super) fn loses_statement(error: &Error) -> bool {
    ["key with no value", "missing value for key", "missing table open", "invalid key-value pair"]
        .iter()
        .any(|start| error.message().starts_with(start))
}

/// Whether the error is a bracket without its closer.
pub(super) fn loses_bracket(error: &Error) -> bool {
    error.message().starts_with("unclosed ")
}

/// Mends `text` as far as its `errors` ask for it.
pub(super) fn repair(text: &str, errors: &[Error]) -> Repaired {
    let mut repaired = Repaired { text: text.to_owned(), ..Repaired::default() };
    let mut lost = starts(errors, loses_statement);
    if errors.iter().any(loses_bracket) {
        close_brackets(text, errors, &mut repaired);
        let (_, errors) = DeTable::parse_recoverable(&repaired.text);
        lost = starts(&errors, loses_statement);
    }
    for at in lost {
        let original = repaired.original(at);
        if blank_line(&mut repaired.text, at) {
            repaired.findings.push(Finding::Statement(original));
        }
    }
    repaired
}

fn starts(errors: &[Error], kind: fn(&Error) -> bool) -> Vec<usize> {
    errors.iter().filter(|error| kind(error)).filter_map(|error| Some(error.span()?.start)).collect()
}

fn close_brackets(text: &str, errors: &[Error], repaired: &mut Repaired) {
    let mut inserts: Vec<(usize, String)> = Vec::new();
    for error in errors.iter().filter(|error| error.message().contains("table, expected `]")) {
        let Some(at) = error.span().map(|span| span.start) else { continue };
        repaired.findings.push(Finding::Header(at));
        inserts.push((at, if error.message().contains("`]]`") { "]]" } else { "]" }.to_owned()));
    }
    for unclosed in scan::unclosed(text) {
        repaired.findings.push(Finding::Bracket(unclosed.open));
        inserts.push((unclosed.end, unclosed.closers));
    }
    inserts.sort_by_key(|(at, _)| *at);
    let mut mended = String::with_capacity(text.len() + inserts.len());
    let mut done = 0;
    for (at, closers) in inserts {
        mended.push_str(&text[done..at]);
        repaired.insertions.push(Insertion { at: mended.len(), length: closers.len(), before: mended.len() - at });
        mended.push_str(&closers);
        done = at;
    }
    mended.push_str(&text[done..]);
    repaired.text = mended;
}

/// Replaces the line around a position by spaces; `false` when it is blank already.
fn blank_line(text: &mut String, at: usize) -> bool {
    let line = line_around(text, at);
    if text[line.clone()].trim().is_empty() {
        return false;
    }
    let spaces = " ".repeat(line.len());
    text.replace_range(line, &spaces);
    true
}

/// The line that a position stands in; a line break belongs to the line it ends.
pub(super) fn line_around(text: &str, at: usize) -> std::ops::Range<usize> {
    let at = at.min(text.len());
    let bytes = text.as_bytes();
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length);
    let end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
    start..end
}
