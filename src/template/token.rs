//! The words of an expression, each with its place in the template's text.
//!
//! Knows as much of minijinja's grammar as checking names takes; whether an expression parses is for
//! minijinja to say. Must never decide what a name means.

use std::ops::Range;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'s> {
    /// What it is.
    pub kind: Kind<'s>,
    /// Bytes of the template text.
    pub range: Range<usize>,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'s> {
    /// A name or keyword.
    Name(&'s str),
    /// The inside of a string; `None` where escapes make the text another than the source.
    Text(Option<&'s str>),
    /// A number as written.
    Number(&'s str),
    /// An operator, bracket or comma.
    Sign(&'s str),
}

impl Token<'_> {
    /// Whether this is the given operator, bracket or comma.
    pub fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind, Kind::Sign(found) if found == sign)
    }

    /// Whether this is the given name or keyword.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Name(found) if found == name)
    }
}

const DOUBLE_SIGNS: [&str; 6] = ["//", "**", "==", "!=", ">=", "<="];

/// Words that are no names of values.
pub(super) const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "recursive"];

/// Whether a word is part of the grammar, not a name.
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// The words in `source[range]`.
pub(super) fn tokens(source: &str, range: Range<usize>) -> Vec<Token<'_>> {
    let mut list: Vec<Token<'_>> = Vec::new();
    let mut at = range.start;
    while let Some(first) = source[at..range.end].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let after_dot = list.last().is_some_and(|token| token.is_sign("."));
        let (kind, length) = word(&source[at..range.end], first, after_dot);
        list.push(Token { kind, range: at..at + length });
        at += length;
    }
    list
}

fn word(rest: &str, first: char, after_dot: bool) -> (Kind<'_>, usize) {
    if first == '"' || first == '\'' {
        let length = string_length(rest);
        let inside = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
        return (Kind::Text((!inside.contains('\\')).then_some(inside)), length);
    }
    if first.is_ascii_digit() {
        let length = number_length(rest, after_dot);
        return (Kind::Number(&rest[..length]), length);
    }
    if first == '_' || first.is_ascii_alphabetic() {
        let length = rest.bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
        return (Kind::Name(&rest[..length]), length);
    }
    let length = match rest.get(..2) {
        Some(two) if DOUBLE_SIGNS.contains(&two) => 2,
        Some(_) | None => first.len_utf8(),
    };
    (Kind::Sign(&rest[..length]), length)
}

/// Bytes of the string that `rest` begins with, quotes included.
pub(super) fn string_length(rest: &str) -> usize {
    let quote = rest.as_bytes()[0];
    let mut escaped = false;
    for (position, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            other if other == quote => return position + 1,
            _ => {}
        }
    }
    rest.len()
}

fn number_length(rest: &str, after_dot: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let fraction = *byte == b'.' && !after_dot && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        let sign = matches!(byte, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E') && !rest.starts_with("0x");
        if !(byte.is_ascii_alphanumeric() || *byte == b'_' || fraction || sign) {
            break;
        }
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<Kind<'_>> {
        tokens(source, 0..source.len()).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn words_are_told_apart() {
        use Kind::{Name, Number, Sign, Text};
        assert_eq!(
            words(r#"row["a b"].x_1|f('q\'') == 1.5e-3 ~ a.1.0"#),
            [
                Name("row"),
                Sign("["),
                Text(Some("a b")),
                Sign("]"),
                Sign("."),
                Name("x_1"),
                Sign("|"),
                Name("f"),
                Sign("("),
                Text(None),
                Sign(")"),
                Sign("=="),
                Number("1.5e-3"),
                Sign("~"),
                Name("a"),
                Sign("."),
                Number("1"),
                Sign("."),
                Number("0"),
            ]
        );
    }

    #[test]
    fn an_open_string_ends_with_the_text() {
        assert_eq!(words("'abc"), [Kind::Text(Some("ab"))]);
        assert_eq!(words("'"), [Kind::Text(Some(""))]);
    }
}
