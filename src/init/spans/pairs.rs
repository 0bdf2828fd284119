//! Secrets beside their names in texts of any kind: `name=value`, `name: value`, `"name": "value"`,
//! `<name>value</name>`, parts of a form, users of URLs, and hooks whose address is the secret.

use std::ops::Range;

use super::{Coding, FEWEST_DIGITS, Span, is_harmless, is_sensitive};
use crate::secret::shape::{HOOKS, is_mode, is_secret_part};

/// Longest word that is taken for a name.
const LONGEST_NAME: usize = 64;

/// Most characters of the head of a part behind its name.
const LONGEST_HEAD: usize = 1_000;

/// Words before the secret in a header.
pub(in super::super) const SCHEMES: &[&str] =
    &["bearer", "basic", "token", "jwt", "digest", "negotiate", "apikey", "oauth"];

/// Words in the place of a value.
const NO_VALUES: &[&str] =
    &["null", "none", "nil", "true", "false", "undefined", "string", "int", "float", "boolean", "id"];

/// The secrets of a text, in no order; some may lie in each other.
pub(super) fn find(text: &str) -> Vec<Span> {
    let mut spans = hooks(text);
    spans.extend(users(text));
    for word in words(text) {
        let name = &text[word.clone()];
        if name.len() <= LONGEST_NAME && is_sensitive(name) && !is_harmless(name) {
            let value = of_part(text, &word).or_else(|| of_element(text, &word)).or_else(|| of_pair(text, word.end));
            spans.extend(value.and_then(|range| span(text, range, name)));
        }
    }
    spans
}

fn span(text: &str, range: Range<usize>, name: &str) -> Option<Span> {
    let value = &text[range.clone()];
    let is_number = value.len() < FEWEST_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_none = NO_VALUES.contains(&value.trim_end_matches('!').to_ascii_lowercase().as_str());
    let parts = crate::curl::parts(value);
    let is_named = parts.iter().all(|part| matches!(part, crate::curl::Reference::Variable(_)));
    let is_mode = is_mode(name, value);
    (!is_number && !is_none && !is_named && !is_mode).then(|| Span {
        range,
        name: name.to_owned(),
        coding: Coding::Plain,
    })
}

/// Words that may be names.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(is_word)?;
        let length = bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start);
        at = start + length;
        Some(start..at)
    })
}

/// Behind `name=`, `name: `, `"name": `, `name]=`.
fn of_pair(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let rest = ["\\\"", "\"", "'", "%5D", "%5d", "]"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix("=>").or_else(|| rest.strip_prefix([':', '=']))?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let start = text.len() - rest.len();
    if let Some(quote) = ["\\\"", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)) {
        let inner = start + quote.len();
        let length = closing(&text[inner..], quote)?;
        return (length > 0).then(|| inner..inner + length);
    }
    let length = word(rest);
    let is_scheme = SCHEMES.contains(&rest[..length].to_ascii_lowercase().as_str());
    let behind = rest[length..].trim_start_matches(' ');
    let (start, length) =
        if is_scheme && word(behind) > 0 { (text.len() - behind.len(), word(behind)) } else { (start, length) };
    let value = &text[start..start + length];
    // Of GraphQL and the like: `password: $password`.
    let is_variable = value.strip_prefix('$').is_some_and(is_sensitive);
    (length > 0 && !is_variable && !value.starts_with("//")).then(|| start..start + length)
}

/// Where a quote is closed that is open.
fn closing(text: &str, quote: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(quote)?;
        let slashes = text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if slashes % 2 == 0 {
            return Some(at);
        }
        from = at + quote.len();
    }
}

/// Bytes of a value without quotes.
fn word(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "&;,<>)]}[{(\"'\\#".contains(c)).unwrap_or(text.len())
}

/// What an element of XML holds that is called so.
fn of_element(text: &str, word: &Range<usize>) -> Option<Range<usize>> {
    // A name may have a prefix of its own before it.
    let of_name = |c: char| c.is_ascii_alphanumeric() || "_-:.".contains(c);
    let before = text[..word.start].char_indices().rev().take(LONGEST_NAME).take_while(|(_, c)| of_name(*c)).last();
    if !text[..before.map_or(word.start, |(at, _)| at)].ends_with('<') {
        return None;
    }
    let rest = &text[word.end..];
    let head = rest.find(['<', '>']).filter(|end| rest[*end..].starts_with('>') && !rest[..*end].ends_with('/'))?;
    let start = word.end + head + 1;
    let inner = &text[start..];
    let (start, inner) = match inner.strip_prefix("<![CDATA[") {
        Some(rest) => (text.len() - rest.len(), &rest[..rest.find("]]>").unwrap_or(rest.len())]),
        None => (start, &inner[..inner.find('<').unwrap_or(inner.len())]),
    };
    let value = inner.trim();
    let start = start + (inner.len() - inner.trim_start().len());
    (!value.is_empty()).then(|| start..start + value.len())
}

/// A part of a multipart body that is called so.
fn of_part(text: &str, word: &Range<usize>) -> Option<Range<usize>> {
    if !text[..word.start].ends_with("name=\"") {
        return None;
    }
    let mut rest = &text[word.end..];
    if let Some((far, _)) = rest.char_indices().nth(LONGEST_HEAD) {
        rest = &rest[..far];
    }
    let (blank, length) = [("\r\n\r\n", 4), ("\n\n", 2)]
        .into_iter()
        .filter_map(|(blank, length)| Some((rest.find(blank)?, length)))
        .min()?;
    let start = word.end + blank + length;
    let inner = &text[start..];
    let end = inner.find("\r\n--").or_else(|| inner.find("\n--")).unwrap_or(inner.len());
    (end > 0 && text[word.end..].starts_with('"')).then(|| start..start + end)
}

/// Passwords of users in URLs.
fn users(text: &str) -> Vec<Span> {
    let password = |(at, _): (usize, &str)| {
        let start = at + 3;
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>\\".contains(c)).unwrap_or(rest.len());
        let (user, _) = rest[..end].rsplit_once('@')?;
        let (name, password) = user.split_once(':')?;
        let from = start + name.len() + 1;
        (!password.is_empty()).then(|| from..from + password.len())
    };
    text.match_indices("://").filter_map(password).filter_map(|range| span(text, range, "password")).collect()
}

/// The parts of a hook's path that may be secrets, as `check` judges them: what takes messages in another form (`/slack`)
/// stands behind them. The last one where none of them looks like one.
fn secret_parts(path: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut parts: Vec<Range<usize>> = Vec::new();
    for part in path.split('/') {
        parts.push(at..at + part.len());
        at += part.len() + 1;
    }
    parts.retain(|range| !range.is_empty());
    let looks: Vec<_> = parts.iter().filter(|range| is_secret_part(&path[(*range).clone()])).cloned().collect();
    if looks.is_empty() { parts.pop().into_iter().collect() } else { looks }
}

pub(super) fn hooks(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for (begin, cut, _) in HOOKS {
        for (at, _) in text.match_indices(begin) {
            let start = at + begin.len();
            let rest = &text[start..];
            let end = rest.find(|c: char| c.is_whitespace() || "?#\"'<>\\)".contains(c)).unwrap_or(rest.len());
            let whole = &rest[..end];
            let found = match cut {
                '/' => secret_parts(whole),
                cut => whole.find(cut).map(|at| at + 1..whole.find('/').unwrap_or(whole.len())).into_iter().collect(),
            };
            let found = found.into_iter().filter(|range| range.start < range.end);
            spans.extend(found.filter_map(|range| span(text, range.start + start..range.end + start, "token")));
        }
    }
    spans
}
