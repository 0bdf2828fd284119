//! Escaping of values for the part of a URL they stand in (RFC 3986).
//!
//! A value never makes a path segment, a query parameter or a host that the template does not show.
//! Must never decode literal text, nor change more of it than letters beyond ASCII, which no URL holds.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Template;
use super::compile::Segment;
use super::scan::{Piece, pieces};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` with everything but unreserved characters percent-encoded.
pub(super) fn encode(text: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(text, RESERVED)
}

/// The part of a URL that a position belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The very beginning: a value here is a whole URL or its scheme and authority.
    Start,
    /// Inside the scheme, or between the scheme and its slashes.
    Scheme,
    /// Host and port.
    Authority,
    /// The path.
    Path,
    /// Behind `?`.
    Query,
    /// Behind `#`.
    Fragment,
}

/// The part that the end of `text`, the beginning of a URL, belongs to.
pub(super) fn part_at_end(text: &str) -> Part {
    if text.is_empty() {
        return Part::Start;
    }
    let Some(end) = text.find([':', '/', '?', '#']) else { return Part::Scheme };
    if text.as_bytes()[end] != b':' {
        return advance(Part::Path, text);
    }
    let (scheme, rest) = (&text[..end], &text[end + 1..]);
    if let Some(authority) = rest.strip_prefix("//") {
        return advance(Part::Authority, authority);
    }
    let unfinished = rest.is_empty() || rest == "/";
    let has_no_host = ["demo", "unix"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if unfinished && !has_no_host { Part::Scheme } else { advance(Part::Path, rest) }
}

/// Whether nothing behind `before` bytes that end in a part can make them belong to another one: `demo:` and `demo:/` may
/// still become `demo://host`.
pub(super) fn is_settled(part: Part, before: usize) -> bool {
    match part {
        Part::Start | Part::Scheme => false,
        Part::Path => before > "demo:/".len(),
        Part::Authority | Part::Query | Part::Fragment => true,
    }
}

/// The part that the end of `text` belongs to, when it begins in `part`.
pub(super) fn advance(part: Part, text: &str) -> Part {
    match part {
        Part::Start | Part::Scheme => part_at_end(text),
        Part::Authority => match text.find(['/', '?', '#', '\\']) {
            Some(end) => advance(Part::Path, &text[end..]),
            None => Part::Authority,
        },
        Part::Path => match text.find(['?', '#']) {
            Some(end) if text.as_bytes()[end] == b'?' => advance(Part::Query, &text[end + 1..]),
            Some(_) => Part::Fragment,
            None => Part::Path,
        },
        Part::Query if text.contains('#') => Part::Fragment,
        Part::Query => Part::Query,
        Part::Fragment => Part::Fragment,
    }
}

/// Appends a value to a URL, escaped for the part it stands in.
///
/// The error says what is wrong with the value without repeating it.
pub(super) fn push(part: Part, text: &str, out: &mut String) -> Result<(), &'static str> {
    match part {
        Part::Path | Part::Query | Part::Fragment => out.extend(encode(text)),
        Part::Authority => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
            if text.is_empty() || !text.bytes().all(allowed) {
                return Err("stands in the host of a URL and may hold only letters, digits, `.`, `-` and `:`");
            }
            out.push_str(text);
        }
        Part::Start => push_whole(text, out)?,
        Part::Scheme => return Err("stands in the scheme of a URL, which can't vary"),
    }
    Ok(())
}

/// Appends a value that is a URL of its own.
fn push_whole(text: &str, out: &mut String) -> Result<(), &'static str> {
    let head = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    // Which of them can be opened is known to whoever builds the request.
    if !["http://", "https://", "ws://", "wss://"].iter().any(|scheme| head.starts_with(scheme)) {
        return Err(
            "stands at the start of a URL and must begin with http:// or https://, or ws:// or wss:// of a WebSocket",
        );
    }
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return Err("is to be a URL, which can't hold spaces, control characters or backslashes");
    }
    let slashes = text.find("//").map_or(0, |at| at + 2);
    let host = text[slashes..].find(['/', '?', '#']).map_or(text.len(), |at| at + slashes);
    out.push_str(&text[..host]);
    // Letters beyond ASCII are encoded as browsers do; everything else is the URL's own business.
    out.extend(utf8_percent_encode(&text[host..], &AsciiSet::EMPTY));
    Ok(())
}

/// Whether a value could make a path segment `.` or `..`, alone or with what stands beside it.
pub(super) fn is_dots(text: &str) -> bool {
    text.len() <= 2 && text.bytes().all(|byte| byte == b'.')
}

/// Whether the path of a URL has a segment that servers resolve away (RFC 3986, section 5.2.4).
pub(super) fn has_dot_segment(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let is_dot = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    path.split(['/', '\\']).skip(1).any(is_dot)
}

/// Text of a template that stands as it is.
#[derive(Debug)]
pub(crate) struct WrittenOut<'t> {
    /// Its first byte in the template.
    pub start: usize,
    /// The text.
    pub text: &'t str,
    /// Whether it belongs to a block or stands behind one, and is rendered for every row.
    pub rendered: bool,
}

impl Template {
    /// The template of a URL with the letters beyond ASCII behind its host percent-encoded, as browsers
    /// do: where the template says them, and in vars that were folded in. For a template just compiled.
    pub(crate) fn ascii(mut self) -> Self {
        let mut part = Part::Start;
        for segment in Arc::get_mut(&mut self.compiled).into_iter().flat_map(|compiled| &mut compiled.segments) {
            match segment {
                Segment::Literal(text) => {
                    let end = advance(part, text);
                    if !text.is_ascii() {
                        *text = encode_letters(part, text);
                    }
                    part = end;
                }
                // A value at the start brings a scheme and at least a part of a host.
                Segment::Slot(_) if part == Part::Start => part = Part::Authority,
                Segment::Slot(_) => {}
            }
        }
        self
    }

    /// What is the same for every row, vars folded in; without what is rendered with blocks.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.compiled.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Slot(_) => None,
        })
    }

    /// The texts between its tags, up to the fragment, which is not sent.
    pub(crate) fn written_out(&self) -> Vec<WrittenOut<'_>> {
        let source = self.source();
        let mut rendered = false;
        let mut texts = Vec::new();
        for piece in pieces(source).unwrap_or_default() {
            match piece {
                Piece::Literal(text) => {
                    let (start, sent) = (text.as_ptr().addr() - source.as_ptr().addr(), text.split('#').next());
                    texts.extend(sent.map(|text| WrittenOut { start, text, rendered }));
                    if text.contains('#') {
                        break;
                    }
                }
                Piece::Block(_) => rendered = self.compiled.tail.is_some(),
                Piece::Expression(_) => {}
            }
        }
        texts
    }
}

/// `text`, which begins in `part`, with its letters beyond ASCII encoded where they stand behind the host.
fn encode_letters(part: Part, text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for (at, letter) in text.char_indices() {
        let is_host = || matches!(advance(part, &text[..at]), Part::Start | Part::Scheme | Part::Authority);
        if letter.is_ascii() || is_host() {
            encoded.push(letter);
        } else {
            encoded.extend(utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), &AsciiSet::EMPTY));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{RowScope, Scope, Spot};

    fn template(source: &str) -> Template {
        let vars = [("base".to_owned(), serde_json::json!("http://a.b/ä"))].into();
        let scope = Scope { row: RowScope::Open, vars, secrets: Vec::new(), reply: false, last: None, messages: None };
        Template::compile(source, Spot::Url, &scope).unwrap()
    }

    #[test]
    fn letters_beyond_ascii_are_encoded_behind_the_host() {
        for (source, literals) in [
            ("http://a.b/ü?x=ß%20", &["http://a.b/%C3%BC?x=%C3%9F%20"][..]),
            ("demo:/ü", &["demo:/%C3%BC"]),
            ("http://ü.b/ü", &["http://ü.b/%C3%BC"]),
            ("{{ vars.base }}/ü", &["http://a.b/%C3%A4/%C3%BC"]),
            ("{{ row.u }}ü/ü/{{ row.x }}ü", &["ü/%C3%BC/", "%C3%BC"]),
            ("http://{{ row.h }}.ü/ü{{ row['ü'] }}", &["http://", ".ü/%C3%BC"]),
            ("http://a.b?ü", &["http://a.b?%C3%BC"]),
            ("http://a.b/{% if 1 %}ü{% endif %}", &["http://a.b/%C3%BC"]),
        ] {
            assert_eq!(template(source).ascii().literals().collect::<Vec<_>>(), literals, "{source}");
        }
    }

    #[test]
    fn what_is_written_out_is_found_where_it_stands() {
        let texts = |source: &str| -> Vec<(usize, String, bool)> {
            let template = template(source);
            let texts = template.written_out();
            texts.iter().map(|found| (found.start, found.text.to_owned(), found.rendered)).collect()
        };
        assert_eq!(texts("http://a/{{ row['b c'] }} d"), [(0, "http://a/".into(), false), (25, " d".into(), false)]);
        let block = "http://a/{% if row.x %}b{% endif %}c";
        assert_eq!(texts(block), [(0, "http://a/".into(), false), (23, "b".into(), true), (35, "c".into(), true)]);
        assert_eq!(texts("http://a/b#c d{{ row.x }} e"), [(0, "http://a/b".into(), false)]);
        assert!(texts("{{ vars.base }}/x").iter().all(|(start, _, rendered)| *start == 15 && !rendered));
    }

    #[test]
    fn the_part_is_found_from_the_text_before() {
        for (text, part) in [
            ("", Part::Start),
            ("http", Part::Scheme),
            ("https:", Part::Scheme),
            ("https:/", Part::Scheme),
            ("https://", Part::Authority),
            ("https://a.b:80", Part::Authority),
            ("https://a.b/", Part::Path),
            ("https://a.b?", Part::Query),
            ("https://a.b#", Part::Fragment),
            ("https://a.b/c?d=/e#", Part::Fragment),
            ("https://a.b/c?d=/e", Part::Query),
            ("demo:", Part::Path),
            ("demo:/products/", Part::Path),
            ("unix:", Part::Path),
            ("unix:/run/x.sock:/a", Part::Path),
            ("unix:/run/x.sock:/a?b", Part::Query),
            ("/products", Part::Path),
        ] {
            assert_eq!(part_at_end(text), part, "{text}");
        }
    }

    #[test]
    fn a_host_takes_only_what_a_host_is_made_of() {
        for good in ["a.example", "127.0.0.1:80", "x-1"] {
            push(Part::Authority, good, &mut String::new()).unwrap();
        }
        for bad in ["", "a/b", "a@b", "a?b", "a#b", "a b", "ä", "a%2f", "[::1]", "a\\b"] {
            push(Part::Authority, bad, &mut String::new()).unwrap_err();
        }
    }

    #[test]
    fn a_whole_url_stays_as_it_is() {
        for (value, url) in [
            ("https://a.b/c?d=%20&e=f#g", "https://a.b/c?d=%20&e=f#g"),
            ("HTTP://a.b", "HTTP://a.b"),
            ("http://a.b/ü?x=ß", "http://a.b/%C3%BC?x=%C3%9F"),
        ] {
            let mut out = String::new();
            push(Part::Start, value, &mut out).unwrap();
            assert_eq!(out, url);
        }
        for bad in ["", "ftp://a", "//a", "javascript:1", "http://a b", "http://a\n", "http:/a", "http://a\\b"] {
            push(Part::Start, bad, &mut String::new()).unwrap_err();
        }
    }

    #[test]
    fn dot_segments_are_found_in_the_path_alone() {
        for bad in
            ["http://a/..", "http://a/./b", "http://a/b/%2e%2E/c", "demo:/../x", "http://a/..?b", "http://a/..\\b"]
        {
            assert!(has_dot_segment(bad), "{bad}");
        }
        for good in ["http://a/b", "http://a/...", "http://a/.b", "http://a/?x=/../", "http://a/#/..", "http://.."] {
            assert!(!has_dot_segment(good), "{good}");
        }
    }
}
