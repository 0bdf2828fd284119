//! Splits a template into literal text, `{{ expressions }}` and `{% blocks %}`.
//!
//! Follows minijinja's lexer to the letter: strings inside expressions, brackets, comments, raw
//! blocks, and `-` that takes the white space beside it. Must never look into an expression.

use std::ops::Range;

use super::token::string_length;
use super::{TemplateError, TemplateErrorKind};

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'s> {
    /// Text that stands as it is.
    Literal(&'s str),
    /// `{{ … }}`.
    Expression(Tag),
    /// `{% … %}`.
    Block(Tag),
}

/// Where a tag stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// The tag with its braces.
    pub outer: Range<usize>,
    /// What stands inside.
    pub inner: Range<usize>,
}

/// Splits a template.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut scanner = Scanner { source, at: 0, trim_next: false, pieces: Vec::new() };
    while scanner.at < source.len() {
        scanner.step()?;
    }
    Ok(scanner.pieces)
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
    trim_next: bool,
    pieces: Vec<Piece<'s>>,
}

impl<'s> Scanner<'s> {
    /// Takes the text up to the next tag, and the tag.
    fn step(&mut self) -> Result<(), TemplateError> {
        let rest = &self.source[self.at..];
        let Some((offset, mark)) = next_mark(rest) else {
            self.literal(rest, false);
            self.at = self.source.len();
            return Ok(());
        };
        let start = self.at + offset;
        let sign = self.source.as_bytes().get(start + 2).copied();
        self.literal(&rest[..offset], sign == Some(b'-'));
        let signed = matches!(sign, Some(b'-' | b'+'));
        self.at = start + 2 + usize::from(signed);
        match mark {
            b'#' => self.comment(start),
            b'%' => self.block(start),
            _ => {
                let tag = self.tag(start, "}}", "`{{` is never closed by `}}`")?;
                self.pieces.push(Piece::Expression(tag));
                Ok(())
            }
        }
    }

    fn literal(&mut self, text: &'s str, trim_end: bool) {
        let text = if std::mem::take(&mut self.trim_next) { text.trim_start() } else { text };
        let text = if trim_end { text.trim_end() } else { text };
        if !text.is_empty() {
            self.pieces.push(Piece::Literal(text));
        }
    }

    fn comment(&mut self, start: usize) -> Result<(), TemplateError> {
        let Some(length) = self.source[self.at..].find("#}") else {
            return Err(unclosed(start, "`{#` is never closed by `#}`"));
        };
        let end = self.at + length;
        self.trim_next = self.source.as_bytes()[end - 1] == b'-' && end > start + 2;
        self.at = end + 2;
        Ok(())
    }

    fn block(&mut self, start: usize) -> Result<(), TemplateError> {
        if let Some((length, trim)) = basic_tag(&self.source[self.at..], "raw", false) {
            self.at += length;
            return self.raw(start, trim);
        }
        let tag = self.tag(start, "%}", "`{%` is never closed by `%}`")?;
        self.pieces.push(Piece::Block(tag));
        Ok(())
    }

    /// The text up to `{% endraw %}`.
    fn raw(&mut self, start: usize, trim_start: bool) -> Result<(), TemplateError> {
        let mut from = self.at;
        while let Some(offset) = self.source[from..].find("{%") {
            let mark = from + offset;
            if let Some((length, trim_after)) = basic_tag(&self.source[mark + 2..], "endraw", true) {
                let text = &self.source[self.at..mark];
                self.trim_next = trim_start;
                self.literal(text, self.source.as_bytes().get(mark + 2) == Some(&b'-'));
                self.trim_next = trim_after;
                self.at = mark + 2 + length;
                return Ok(());
            }
            from = mark + 2;
        }
        Err(unclosed(start, "`{% raw %}` is never closed by `{% endraw %}`"))
    }

    /// The inside of a tag, up to `close` outside of strings and brackets.
    fn tag(&mut self, start: usize, close: &str, message: &str) -> Result<Tag, TemplateError> {
        let inner = self.at;
        let (mut at, mut depth) = (inner, 0_i32);
        while at < self.source.len() {
            let rest = &self.source[at..];
            let signed = rest.starts_with(['-', '+']) && rest[1..].starts_with(close);
            if depth == 0 && (signed || rest.starts_with(close)) {
                self.trim_next = rest.starts_with('-');
                self.at = at + usize::from(signed) + close.len();
                return Ok(Tag { outer: start..self.at, inner: inner..at });
            }
            match rest.as_bytes()[0] {
                b'"' | b'\'' => at += string_length(rest),
                b'(' | b'[' | b'{' => (at, depth) = (at + 1, depth + 1),
                b')' | b']' | b'}' => (at, depth) = (at + 1, depth - 1),
                _ => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        Err(unclosed(start, message))
    }
}

/// Offset of the next `{{`, `{%` or `{#`, and its second byte.
fn next_mark(text: &str) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    let found = bytes.windows(2).position(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))?;
    Some((found, bytes[found + 1]))
}

/// Bytes of ` name %}` at the head of `text`, and whether it ends with `-%}`.
fn basic_tag(text: &str, name: &str, sign: bool) -> Option<(usize, bool)> {
    let is_space = |letter: char| letter.is_ascii_whitespace();
    let head = if sign { text.strip_prefix(['-', '+']).unwrap_or(text) } else { text };
    let tail = head.trim_start_matches(is_space).strip_prefix(name)?.trim_start_matches(is_space);
    let trim = tail.starts_with('-');
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail).strip_prefix("%}")?;
    Some((text.len() - tail.len(), trim))
}

fn unclosed(start: usize, message: &str) -> TemplateError {
    TemplateError {
        range: start..start + 2,
        kind: TemplateErrorKind::Syntax,
        message: message.to_owned(),
        help: Some("end it there; braces that are meant as text are written `{{ '{{' }}`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(source: &str) -> Vec<String> {
        let text = |piece: Piece<'_>| match piece {
            Piece::Literal(text) => format!("={text}"),
            Piece::Expression(tag) => format!("e{}", &source[tag.inner]),
            Piece::Block(tag) => format!("b{}", &source[tag.inner]),
        };
        pieces(source).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn text_and_expressions_are_split() {
        assert_eq!(show("a{{ b }}c{{d}}"), ["=a", "e b ", "=c", "ed"]);
        assert_eq!(show("{ { }} }"), ["={ { }} }"]);
        assert_eq!(show("{% if a %}b{% endif %}"), ["b if a ", "=b", "b endif "]);
    }

    #[test]
    fn strings_and_brackets_hide_the_end() {
        assert_eq!(show(r#"{{ "}}" }}x"#), [r#"e "}}" "#, "=x"]);
        assert_eq!(show(r#"{{ {"a": {"b": 1}} }}"#), [r#"e {"a": {"b": 1}} "#]);
        assert_eq!(show(r#"{{ 'it\'s }}' }}"#), [r#"e 'it\'s }}' "#]);
    }

    #[test]
    fn white_space_is_taken_where_a_sign_asks() {
        assert_eq!(show("a  {{- b -}}  c"), ["=a", "e b ", "=c"]);
        assert_eq!(show("a {{+ b +}} c"), ["=a ", "e b ", "= c"]);
        assert_eq!(show("a {#- no -#} b {# yes #} c"), ["=a", "=b ", "= c"]);
        assert_eq!(show("a {% raw -%} {{ x }} {%- endraw -%} b"), ["=a ", "={{ x }}", "=b"]);
        assert_eq!(show("a{{ b }}\n"), ["=a", "e b ", "=\n"]);
    }

    #[test]
    fn what_is_never_closed_is_named_at_its_start() {
        for (source, range) in
            [("ab{{ c", 2..4), ("{% x", 0..2), ("é{# x", 2..4), ("{% raw %} x", 0..2), ("{{ '}}", 0..2)]
        {
            let error = pieces(source).unwrap_err();
            assert_eq!((error.range, error.kind), (range, TemplateErrorKind::Syntax), "{source}");
        }
    }
}
