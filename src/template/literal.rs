//! Texts that a template writes out inside of its braces, and the variables it stands for: `Bearer {{ 'abc' }}` says no
//! less than `Bearer abc`.
//!
//! Must never take a text for the template's value that is only compared with, or names something.

use super::scan::{Piece, pieces};
use super::token::{Kind, Token, tokens};

/// What a template may come out as, as far as it is written out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Texts: of a plain text the text itself.
    pub(crate) texts: Vec<String>,
    /// Variables that make up the value, without what stands before.
    pub(crate) vars: Vec<String>,
}

/// What of a template's value is written out. Of one with several values nothing is: what they make up is none of them.
pub(crate) fn of(source: &str) -> Written {
    let plain = || Written { texts: vec![source.to_owned()], vars: Vec::new() };
    let Ok(pieces) = pieces(source) else { return plain() };
    let (before, tag) = match pieces.as_slice() {
        [] | [Piece::Literal(_)] => return plain(),
        [Piece::Expression(tag)] => ("", tag),
        [Piece::Literal(before), Piece::Expression(tag)] => (*before, tag),
        _ => return Written::default(),
    };
    let words = tokens(source, tag.inner.clone());
    let has_secret = words.iter().any(|word| word.is_name("secrets"));
    let mut written = Written::default();
    for (at, word) in words.iter().enumerate() {
        match word.kind {
            Kind::Text(Some(text)) if is_default(&words, at) || (!has_secret && is_value(&words, at)) => {
                written.texts.push(format!("{before}{text}"));
            }
            Kind::Name("vars") if !has_secret && (at == 0 || !words[at - 1].is_sign(".")) => {
                written.vars.extend(member(&words, at).map(ToOwned::to_owned));
            }
            _ => {}
        }
    }
    written
}

/// The name behind `vars` at `at`.
fn member<'s>(words: &[Token<'s>], at: usize) -> Option<&'s str> {
    match (words.get(at + 1)?, words.get(at + 2)?.kind) {
        (sign, Kind::Name(name)) if sign.is_sign(".") => Some(name),
        (sign, Kind::Text(Some(name))) if sign.is_sign("[") => Some(name),
        _ => None,
    }
}

/// Whether the text at `at` is what a value is by default.
fn is_default(words: &[Token<'_>], at: usize) -> bool {
    at >= 2 && words[at - 1].is_sign("(") && (words[at - 2].is_name("default") || words[at - 2].is_name("d"))
}

/// Whether the text at `at` is a value of the expression: alone, joined, or one of a choice.
fn is_value(words: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &words[before]);
    let begins = before.is_none_or(|word| word.is_sign("~") || ["else", "or"].iter().any(|name| word.is_name(name)));
    let ends = words.get(at + 1).is_none_or(|word| {
        ["~", "|"].iter().any(|sign| word.is_sign(sign)) || ["if", "or", "else"].iter().any(|name| word.is_name(name))
    });
    begins && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_is_found() {
        for (source, texts, vars) in [
            ("Bearer abc", &["Bearer abc"][..], &[][..]),
            ("Bearer {{ 'abc' }}", &["Bearer abc"], &[]),
            ("{{ 'abc' if row.x == 'no' else 'def' | upper }}", &["abc", "def"], &[]),
            ("{{ row.x | default('abc') | replace('d', 'e') }}", &["abc"], &[]),
            ("{{ 'ApiKey ' ~ secrets.token | default('abc') }}", &["abc"], &[]),
            ("Bearer {{ vars.token or vars['other one'] }}", &[], &["token", "other one"]),
            ("{{ row['a b'] }}", &[], &[]),
            ("{{ row.vars.x }}", &[], &[]),
            ("{{ vars.scheme }} {{ secrets.token }}", &[], &[]),
            ("{% if row.a %}x{% endif %}", &[], &[]),
        ] {
            let found = of(source);
            assert_eq!(
                (found.texts.iter().map(String::as_str).collect::<Vec<_>>(), found.vars),
                (texts.to_vec(), vars.iter().map(|name| (*name).to_owned()).collect()),
                "{source}"
            );
        }
    }
}
