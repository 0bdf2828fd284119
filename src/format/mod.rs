//! `fmt`: one spacing for all job files, with every comment and every key where its writer put it.
//!
//! Works on the events of the parser that also reads job files, so that nothing but spaces, line ends and quotes can
//! change, and looks at its own work: [`format()`] gives no text that means anything else or lost a comment. Must never
//! touch a file, and never sort, join or split what the writer grouped.
//!
//! The style is that of `jobs/`: `key = value`, with the spaces before `=` kept where they line it up with another `=`
//! of the group; lists that were broken stay broken, four spaces deep; an empty line before each header.

mod layout;
mod lines;
mod quotes;
#[cfg(test)]
mod tests;
mod values;

use toml_parser::parser::{Event, EventKind, parse_document};
use toml_parser::{ParseError, Source};

/// A text in the style, and what of it could not be brought there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// The whole text.
    pub text: String,
    /// What only TOML 1.1 can read and was left as it is.
    pub left: Vec<Left>,
}

/// Something that was left as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its line in the text that was given, counted from 1.
    pub line: usize,
    /// What it is.
    pub what: &'static str,
}

/// Why a text was not formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatError {
    /// It is no TOML.
    Syntax,
    /// The result would mean something else: a bug, of which nothing came.
    Meaning,
    /// The result would lack a comment: a bug, of which nothing came.
    Comments,
}

impl FormatError {
    /// What it is, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Syntax => "it is not TOML; `paceline check` says where",
            Self::Meaning => "the formatted text would mean something else, which is a bug; the file is as it was",
            Self::Comments => "the formatted text would lack a comment, which is a bug; the file is as it was",
        }
    }
}

/// Brings a text into the style.
///
/// # Errors
/// See [`FormatError`].
pub fn format(text: &str) -> Result<Formatted, FormatError> {
    let meant = meaning(text).ok_or(FormatError::Syntax)?;
    let events = events(text);
    let (lines, left) = lines::read(text, &events);
    let formatted = layout::text(lines);
    if meaning(&formatted) != Some(meant) {
        return Err(FormatError::Meaning);
    }
    if comments(text, &events) != comments(&formatted, &self::events(&formatted)) {
        return Err(FormatError::Comments);
    }
    Ok(Formatted { text: formatted, left })
}

/// What a text says, the order of its keys too. As a text: of two trees, those with a `nan` would never be equal.
fn meaning(text: &str) -> Option<String> {
    text.parse::<toml::Table>().ok().map(|table| format!("{table:?}"))
}

/// The comments, in their order.
fn comments<'t>(text: &'t str, events: &[Event]) -> Vec<&'t str> {
    let all = events.iter().filter(|event| event.kind() == EventKind::Comment);
    all.map(|event| slice(text, event).trim_end()).collect()
}

/// The comments of a text without errors, in their order.
pub(crate) fn comments_of(text: &str) -> Vec<&str> {
    comments(text, &events(text))
}

fn slice<'t>(text: &'t str, event: &Event) -> &'t str {
    let span = event.span();
    text.get(span.start()..span.end()).unwrap_or_default()
}

fn events(text: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    // The text was parsed before, and has no errors.
    parse_document(&Source::new(text).lex().into_vec(), &mut events, &mut |_: ParseError| {});
    events
}
