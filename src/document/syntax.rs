//! Syntax errors: which of the parser's complaints are told, each in words that teach.
//!
//! One slip often makes the parser stumble several times; only what a person would call an error is
//! told. Must never be slow: a file of nothing but errors has one for every line or more.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::Error;

use crate::diagnostic::{Diagnostic, Diagnostics, MOST_SHOWN, codes};

use super::repair::{self, Finding, Repaired};
use super::{Node, Place, head, teach};

/// How many errors get words of their own: those behind are never shown.
const TAUGHT: usize = MOST_SHOWN;

/// A syntax error, in positions of the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mistake {
    /// Where it is.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) what: What,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// In the parser's words.
    Parser(String),
    /// A bracket without its closer.
    Bracket,
    /// A table header without its closer.
    Header,
    /// A statement without `=`.
    Statement,
}

impl What {
    /// Whether it is about commas and `=` inside brackets, where one slip causes many complaints.
    fn is_structure(&self) -> bool {
        const STARTS: [&str; 8] = [
            "missing comma",
            "extra comma",
            "extra assignment",
            "missing assignment",
            "missing key for inline",
            "invalid inline table element",
            "unexpected `=` in array",
            "missing inline table opening",
        ];
        matches!(self, What::Parser(message) if STARTS.iter().any(|start| message.starts_with(start)))
    }

    /// Whether it only says that something went wrong before it.
    fn is_echo(&self) -> bool {
        matches!(self, What::Parser(message) if message.starts_with("unexpected key or value"))
    }
}

/// Tells the errors. `false` when the tree can't be trusted.
pub(super) fn report(
    text: &str,
    errors: &[Error],
    repaired: &Repaired,
    root: &Node,
    diagnostics: &mut Diagnostics,
) -> bool {
    let first = first(errors);
    let mistakes = without_echoes(text, collect(text, &first, repaired));
    let headers = teach::Headers::of(text);
    for (position, mistake) in mistakes.iter().enumerate() {
        diagnostics.push(match (&mistake.what, position < TAUGHT) {
            (What::Parser(message), false) => Diagnostic::error(codes::SYNTAX, message).at(place(&mistake.span), ""),
            (_, _) => teach::teach(text, mistake, root, &headers),
        });
    }
    for mistake in &mistakes {
        diagnostics.unread(place(&unread(text, mistake)));
    }
    let sound = !errors.iter().any(|error| {
        repair::loses_statement(error) || repair::loses_bracket(error) || error.message().contains("recurs")
    });
    let mut line = 0..0;
    let mut loses = |mistake: &Mistake| {
        let at = mistake.span.start;
        if !line.contains(&at) {
            line = repair::line_around(text, at);
        }
        loses_keys(&text[line.start..at], mistake)
    };
    let is_cut = first.len() < errors.len();
    if let Some(last) = mistakes.last().filter(|_| is_cut) {
        diagnostics.push(head::too_many(last.span.end));
    }
    if !sound || is_cut || mistakes.iter().any(&mut loses) {
        diagnostics.unread_keys();
    }
    sound
}

/// A place in the job file.
pub(super) fn place(span: &Range<usize>) -> Place {
    Place { source: 0, start: span.start, end: span.end }
}

/// The span within the text, on the boundaries of characters.
pub(super) fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// What could not be read because of a mistake: a value, a line that fell apart, or all keys below a header.
fn unread(text: &str, mistake: &Mistake) -> Range<usize> {
    // Found only where it is needed: a file may be one line of nothing but errors.
    let line = || repair::line_around(text, mistake.span.start);
    match &mistake.what {
        What::Header if text[line()].trim().trim_matches(['[', ']']).contains(' ') => {
            let line = line();
            let next = text[line.end..].find("\n[").map_or(text.len(), |length| line.end + length);
            line.start..next
        }
        What::Parser(message) if mistake.what.is_structure() || message.starts_with("extra `=`") => line(),
        What::Parser(_) | What::Bracket | What::Header | What::Statement => mistake.span.clone(),
    }
}

/// Whether keys may be missing from the tree, or stand in the wrong table, because of it; `before`: its line up to it.
fn loses_keys(before: &str, mistake: &Mistake) -> bool {
    match &mistake.what {
        What::Parser(message) => {
            let duplicate_header = message.starts_with("duplicate key") && super::duplicate::is_header(before);
            duplicate_header
                || message.contains("multi-line")
                || message.starts_with("cannot extend")
                || mistake.what.is_structure()
        }
        What::Bracket | What::Header | What::Statement => true,
    }
}

/// The first of many errors, in the order of the text.
fn first(errors: &[Error]) -> Vec<&Error> {
    let mut first: Vec<&Error> = errors.iter().collect();
    if first.len() > head::MOST {
        first.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        first.truncate(head::MOST);
    }
    first
}

fn collect(text: &str, errors: &[&Error], repaired: &Repaired) -> Vec<Mistake> {
    let found = repaired.findings.iter().map(|finding| match *finding {
        Finding::Bracket(at) => Mistake { span: at..at + 1, what: What::Bracket },
        Finding::Header(at) => Mistake { span: at..at, what: What::Header },
        Finding::Statement(at) => Mistake { span: at..at, what: What::Statement },
    });
    let told = errors.iter().map(|error| {
        // The one error without a place is about a key of too many parts.
        let span = error.span().map_or_else(
            || most_dotted_line(text),
            |span| within(text, &(repaired.original(span.start)..repaired.original(span.end))),
        );
        Mistake { span, what: What::Parser(error.message().to_owned()) }
    });
    let mut seen = HashSet::new();
    let mut mistakes: Vec<Mistake> = found.chain(told).filter(|mistake| seen.insert(mistake.clone())).collect();
    mistakes.sort_by_key(|mistake| (mistake.span.start, mistake.span.end));
    mistakes
}

fn most_dotted_line(text: &str) -> Range<usize> {
    let dots = |line: &&str| line.bytes().filter(|byte| *byte == b'.').count();
    match text.lines().max_by_key(dots) {
        Some(line) => {
            let start = line.as_ptr() as usize - text.as_ptr() as usize;
            start..start + line.len()
        }
        None => 0..0,
    }
}

/// Drops what only follows from another mistake on its line.
fn without_echoes(text: &str, mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let line_starts: Vec<usize> = std::iter::once(0)
        .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
        .collect();
    let line = |mistake: &Mistake| line_starts.partition_point(|start| *start <= mistake.span.start);
    let mut solid = HashSet::new();
    let mut structure = HashSet::new();
    for mistake in &mistakes {
        if !mistake.what.is_echo() {
            solid.insert(line(mistake));
        }
        if mistake.what.is_structure() {
            structure.insert(line(mistake));
        }
    }
    let mut told = HashSet::new();
    mistakes
        .into_iter()
        .filter(|mistake| {
            let line = line(mistake);
            if mistake.what.is_echo() {
                return !solid.contains(&line);
            }
            // Of a line that lost its commas, the first such complaint is the one that helps.
            !structure.contains(&line) || (mistake.what.is_structure() && told.insert(line))
        })
        .collect()
}
