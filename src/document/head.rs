//! The head of a text that has more errors than anybody reads: what is behind it is not looked at, so that a file of nothing
//! but errors takes no more time and memory than one of a thousand.
//!
//! Must never cut a text that has fewer.

use std::cell::Cell;

use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ParseError, Source, Span};

use crate::diagnostic::{Diagnostic, codes};

use super::syntax;

/// Most errors that are looked at: far more than are shown.
pub(super) const MOST: usize = 1_000;

/// Shorter texts can't have so many errors that it matters.
const SHORT: usize = 64 << 10;

/// How far the end of a line may be away.
const NEAR: usize = 4 << 10;

/// The deepest nesting that the parser goes into.
pub(crate) const DEEPEST: u32 = 80;

/// The text up to its error number [`MOST`]; `None`: it has fewer. Counted are the parser's own errors and keys and values
/// that are not there, but not what is wrong inside of values.
pub(super) fn of(text: &str) -> Option<&str> {
    if text.len() <= SHORT {
        return None;
    }
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let (count, last) = (Cell::new(0_usize), Cell::new(None));
    let note = |span: Option<Span>| {
        count.set(count.get() + 1);
        if count.get() >= MOST && last.get().is_none() {
            last.set(span.map(|span| span.start()));
        }
    };
    let mut missing = |event: Event| {
        let is_word = matches!(event.kind(), EventKind::SimpleKey | EventKind::Scalar);
        if is_word && event.encoding().is_none() && event.span().is_empty() {
            note(Some(event.span()));
        }
    };
    let mut receiver = ValidateWhitespace::new(&mut missing, source);
    let mut receiver = RecursionGuard::new(&mut receiver, DEEPEST);
    parse_document(&tokens, &mut receiver, &mut |error: ParseError| note(error.unexpected().or(error.context())));
    last.get().map(|at| &text[..end(text, at)]).filter(|head| head.len() < text.len())
}

/// Where the text is cut: behind the line of a position, or near the position if that is a long one.
fn end(text: &str, at: usize) -> usize {
    let near = (at + NEAR).min(text.len());
    let newline = text.as_bytes()[at.min(near)..near].iter().position(|byte| *byte == b'\n');
    let end = newline.map_or(near, |length| at + length + 1);
    (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// What is said where the looking ends.
pub(super) fn too_many(at: usize) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, "what is behind this was not looked at: there are too many errors before it")
        .at(syntax::place(&(at..at)), "")
        .help("mend those first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_nothing_but_errors_is_cut_behind_a_line() {
        let text = "= 1\n".repeat(100_000);
        let head = of(&text).unwrap();
        let lines = head.lines().count();
        assert!(head.ends_with('\n') && (MOST / 10..=MOST).contains(&lines), "{lines} lines");
    }

    #[test]
    fn a_line_of_nothing_but_errors_is_cut_between_characters() {
        let head = of(&format!("a = [{}", "=é,".repeat(50_000))).map(str::len);
        assert!(head.is_some_and(|length| length < 50_000), "{head:?}");
    }

    #[test]
    fn what_has_fewer_errors_is_whole() {
        assert_eq!(of(&"a = [1, 2]\n".repeat(50_000)), None);
        assert_eq!(of(&"= 1\n".repeat(100)), None);
        assert_eq!(of(&format!("{}{}", "= 1\n".repeat(100), "# much\n".repeat(50_000))), None);
    }
}
