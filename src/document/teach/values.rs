//! The words for values that are no TOML values: open strings, texts without quotes, odd numbers.
//!
//! Must never take a text for a number only because it starts with a digit.

use std::ops::Range;

use super::{Lesson, key_of_line, quoted, rest_of_line, shorten};
use crate::document::Node;
use crate::document::repair::line_around;

pub(super) fn string(text: &str, span: &Range<usize>, message: &str, root: &Node) -> Option<Lesson> {
    if message.starts_with("missing escaped value") {
        let span =
            span.start.saturating_sub(1)..(span.start + text[span.start..].chars().next().map_or(0, char::len_utf8));
        let escape = text[span.clone()].trim_end();
        let message = format!("`{escape}` is not an escape of TOML");
        return Some(Lesson::new(
            span,
            message,
            "",
            format!("write `\\{escape}` for a backslash, or put the string between single quotes: 'C:\\new'"),
        ));
    }
    if message.starts_with("too few unicode") || message.starts_with("invalid value, expected unicode") {
        let message = "an escape without enough hexadecimal digits";
        let help = "`\\x` takes 2 digits, `\\u` 4, `\\U` 8; write `\\\\` for a backslash, or put the string between single quotes";
        return Some(Lesson::new(span.clone(), message, "", help));
    }
    if !message.starts_with("invalid ") || !message.contains(" string") {
        return None;
    }
    if !span.is_empty() {
        let help = "write it as an escape between double quotes, such as `\\t` or `\\u0007`";
        return Some(Lesson::new(span.clone(), "a control character can't stand in a string", "", help));
    }
    if let Some(empty) = ending_at(root, span.start).filter(Range::is_empty) {
        // Between braces, a key without a value is read as a key and a string that never begins.
        let before = text[..empty.start].trim_end();
        let key = before.rsplit(|c: char| c.is_whitespace() || "{,".contains(c)).next().unwrap_or(before);
        let start = before.len() - key.len();
        let key = shorten(key);
        let help = format!("write `{key} = ...`; a list stands between `[` and `]`");
        return Some(Lesson::new(start..before.len(), format!("`{key}` has no value"), "", help));
    }
    Some(unclosed_string(text, span.start, message.contains("multi-line"), root))
}

fn unclosed_string(text: &str, end: usize, multi_line: bool, root: &Node) -> Lesson {
    let written = ending_at(root, end).unwrap_or_else(|| {
        // A key, which the tree holds without its end.
        let line = line_around(text, end);
        let quotes = if multi_line { ["\"\"\"", "'''"] } else { ["\"", "'"] };
        let starts = quotes.iter().filter_map(|quote| text[..end].rfind(quote));
        starts.max().unwrap_or(line.start)..end
    });
    let quote = if text[written.start..].starts_with('\'') { "'" } else { "\"" }.repeat(if multi_line { 3 } else { 1 });
    if multi_line {
        let span = written.start..(written.start + quote.len()).min(written.end);
        let help = format!("end it with `{quote}`; everything down to the end of the file was taken for text");
        return Lesson::new(span, "this string over several lines is never closed", "opened here", help);
    }
    let span = written.start..written.start + text[written].trim_end().len();
    let long = quote.repeat(3);
    let help = format!("end it with `{quote}`; a string over several lines stands between `{long}` and `{long}`");
    Lesson::new(span, "this string is never closed", format!("no closing `{quote}` on this line"), help)
}

/// The string whose place ends at `end`.
fn ending_at(node: &Node, end: usize) -> Option<Range<usize>> {
    use crate::document::NodeValue as V;
    match &node.value {
        V::String(_) => (node.place.end == end).then_some(node.place.start..node.place.end),
        V::Array(items) => items.iter().find_map(|item| ending_at(item, end)),
        V::Table(entries) => entries.iter().find_map(|(_, item)| ending_at(item, end)),
        V::Integer(_) | V::Float(_) | V::Boolean(_) | V::Datetime(_) => None,
    }
}

pub(super) fn bare(text: &str, span: &Range<usize>, message: &str) -> Option<Lesson> {
    let bare = [
        "string values must be quoted",
        "invalid boolean",
        "invalid float, expected `nan`",
        "invalid float, expected `inf`",
    ];
    if !bare.iter().any(|start| message.starts_with(start)) {
        return None;
    }
    let key = key_of_line(text, span.start);
    let written = text.get(span.clone())?;
    if written.is_empty() {
        return Some(Lesson::new(
            span.clone(),
            format!("`{key}` has no value"),
            "a value is missing",
            "write a value behind the `=`, or take the line out",
        ));
    }
    let boolean = match written.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some("true"),
        "false" | "no" | "off" => Some("false"),
        _ => None,
    };
    if let Some(boolean) = boolean {
        return Some(Lesson::new(
            span.clone(),
            format!("`{written}` is not a value of TOML"),
            "",
            format!("write `{boolean}`"),
        ));
    }
    if ["null", "nul", "nil", "none"].contains(&written.to_ascii_lowercase().as_str()) {
        return Some(Lesson::new(span.clone(), "TOML has no null", "", "leave the key out instead"));
    }
    // A template ends the word for the parser, and not for who wrote it.
    let behind = &text[span.end..];
    let is_cut = behind.starts_with(['=', '"', '\'']) || behind.starts_with("{{");
    let span = if is_cut { rest_of_line(text, span.start) } else { span.clone() };
    let written = text[span.clone()].to_owned();
    if written.starts_with(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        let inner = written.trim_matches(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']);
        return Some(Lesson::new(
            span,
            "these are not the quotes of TOML",
            "typographic quotes",
            format!("write straight ones: `{}`", quoted(inner)),
        ));
    }
    let starts_as_number = written.starts_with(|first: char| first.is_ascii_digit());
    let message =
        if starts_as_number { "this is not a number, and a string needs quotes" } else { "a string needs quotes" };
    Some(Lesson::new(span, message, "", format!("write `{}`", quoted(&written))))
}

pub(super) fn number(text: &str, span: &Range<usize>, message: &str) -> Option<Lesson> {
    let start = text[..span.start].rfind([' ', '\t', '=', ',', '[', '\n']).map_or(0, |at| at + 1);
    let end = text[span.end..].find([' ', '\t', ',', ']', '}', '\n', '\r', '#']).map_or(text.len(), |at| span.end + at);
    let written = &text[start..end];
    let lower = written.to_lowercase();
    let help = match message.split(',').next()? {
        "radix must be lowercase" => &format!("write `{}`", shorten(&lower)),
        "unexpected leading zero" => "a number has no zeros before it; write a string such as \"007\" in quotes",
        "`_` may only go between digits" => "`_` stands between two digits: `50_000_000`",
        "integers with a radix cannot be signed" => "a number in hexadecimal, octal or binary has no sign",
        "invalid mantissa" | "invalid fraction" => "digits stand on both sides of the point: `0.5`",
        "invalid exponent" => "digits stand behind the `e`: `1e6`",
        "redundant numeric sign" | "unexpected sign" => "a number has one sign at most",
        start if start.starts_with("invalid ") && (start.ends_with(" integer") || start.ends_with(" float")) => {
            "write a plain number, or a string in quotes"
        }
        _ => return None,
    };
    if written.matches('.').count() > 1 {
        return Some(Lesson::new(start..end, "a string needs quotes", "", format!("write `{}`", quoted(written))));
    }
    let message = format!("`{}` is not a number of TOML", shorten(written));
    Some(Lesson::new(start..end, message, "", help))
}
