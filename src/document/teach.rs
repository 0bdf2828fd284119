//! The words for syntax errors: what is wrong, where exactly, and what to write instead.
//!
//! Must never say more of the file's text than a few words of the line it is about.

mod foreign;
mod hidden;
mod values;

use std::ops::Range;

use crate::diagnostic::{Diagnostic, codes};

use super::repair::line_around;
use super::syntax::{Mistake, What, place, within};
use super::{Node, duplicate};

pub(super) use foreign::{NOT_TOML, conflict, other_language};
pub(super) use hidden::Headers;

/// An error in words.
struct Lesson {
    span: Range<usize>,
    message: String,
    label: String,
    help: String,
    also: Option<(Range<usize>, String)>,
}

impl Lesson {
    fn new(span: Range<usize>, message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: label.into(), help: help.into(), also: None }
    }
}

/// Puts a syntax error into words. `headers` are those of `text`.
pub(super) fn teach(text: &str, mistake: &Mistake, root: &Node, headers: &Headers<'_>) -> Diagnostic {
    let span = &mistake.span;
    let lesson = match &mistake.what {
        What::Bracket => bracket(text, span),
        What::Header => header(text, span.start),
        What::Statement => statement(text, span.start),
        What::Parser(message) => template(text, span.start)
            .or_else(|| values::string(text, span, message, root))
            .or_else(|| values::bare(text, span, message))
            .or_else(|| name(text, span, message, root))
            .or_else(|| values::number(text, span, message))
            .or_else(|| brackets(text, span, message))
            .unwrap_or_else(|| other(text, span, message)),
    };
    // Neither the line nor words of it are shown: one of them may be a secret.
    let hidden = |message, help| {
        let line = place(&line_around(text, lesson.span.start));
        Diagnostic::error(codes::SYNTAX, message).at_hidden(line).help(help)
    };
    if headers.among_secrets(lesson.span.start) {
        let help = "write where the secret comes from, such as `token.env = \"API_TOKEN\"`";
        return hidden("this line among the secrets is not valid TOML", help);
    }
    if headers.in_auth(lesson.span.start) {
        let help = "write it such as `auth.bearer = \"{{ secrets.token }}\"`";
        return hidden("this line of `auth` is not valid TOML", help);
    }
    let others = lesson.also.iter().map(|(span, _)| span);
    if std::iter::once(&lesson.span).chain(others).any(|span| hidden::may_be_secret(text, span)) {
        let help = "write the value in quotes, such as `headers.authorization = \"Bearer {{ secrets.token }}\"`";
        return hidden("this line is not valid TOML, and may hold a secret", help);
    }
    let mut diagnostic =
        Diagnostic::error(codes::SYNTAX, lesson.message).at(place(&within(text, &lesson.span)), lesson.label);
    if let Some((span, label)) = lesson.also {
        diagnostic = diagnostic.also(place(&span), label);
    }
    if lesson.help.is_empty() { diagnostic } else { diagnostic.help(lesson.help) }
}

/// A few words of the file, for a message.
fn shorten(words: &str) -> String {
    let words = words.trim();
    match words.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words.to_owned(),
    }
}

/// Words as a TOML string.
fn quoted(words: &str) -> String {
    let words = shorten(words);
    if words.contains(['"', '\\']) && !words.contains('\'') { format!("'{words}'") } else { format!("\"{words}\"") }
}

/// From `at` to the end of its line, without a comment and the spaces before it.
fn rest_of_line(text: &str, at: usize) -> Range<usize> {
    let line = line_around(text, at);
    let rest = text.get(at..line.end).unwrap_or_default();
    let rest = rest.find(" #").map_or(rest, |comment| &rest[..comment]);
    at..at + rest.trim_end().len()
}

/// The key of the statement on the line of `at`.
fn key_of_line(text: &str, at: usize) -> String {
    let line = &text[line_around(text, at)];
    shorten(line.split('=').next().unwrap_or_default())
}

fn template(text: &str, at: usize) -> Option<Lesson> {
    let line = line_around(text, at);
    let equals = text[line.clone()].find('=')? + line.start;
    let value = text[equals + 1..line.end].trim_start();
    if !value.starts_with("{{") {
        return None;
    }
    let start = line.end - value.len();
    let span = rest_of_line(text, start);
    let help = format!("write `{} = {}`", key_of_line(text, at), quoted(&text[span.clone()]));
    Some(Lesson::new(span, "a template needs quotes around it", "a string without quotes", help))
}

fn bracket(text: &str, span: &Range<usize>) -> Lesson {
    let (what, closer) = if text[span.clone()].starts_with('[') { ("list", ']') } else { ("inline table", '}') };
    let message = format!("this {what} is never closed");
    Lesson::new(span.clone(), message, "opened here", format!("close it with `{closer}` behind its last value"))
}

fn header(text: &str, at: usize) -> Lesson {
    let span = rest_of_line(text, line_around(text, at).start);
    let written = text[span.clone()].trim();
    let name = written.trim_matches(['[', ']']).trim();
    let (open, close) = if written.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
    let spaced = name.contains(' ');
    let name = if spaced { path_of_words(&shorten(name)) } else { shorten(name) };
    let message = if spaced {
        "names of a table are joined by dots, and one of several words needs quotes"
    } else {
        "this table header is never closed"
    };
    Lesson::new(span, message, "", format!("write `{open}{name}{close}`"))
}

/// `endpoints stock` is a path without its dot; of a path that has dots, the name of several words is quoted.
fn path_of_words(name: &str) -> String {
    if !name.contains('.') && !name.contains('"') {
        return name.split_whitespace().collect::<Vec<_>>().join(".");
    }
    let quoted = |part: &str| if part.contains(' ') { format!("\"{}\"", part.trim()) } else { part.to_owned() };
    name.split('.').map(|part| quoted(part.trim())).collect::<Vec<_>>().join(".")
}

fn statement(text: &str, at: usize) -> Lesson {
    let line = line_around(text, at);
    let indent = text[line.clone()].len() - text[line.clone()].trim_start().len();
    let span = rest_of_line(text, line.start + indent);
    let written = &text[span.clone()];
    if written.starts_with(['{', '<', '}', ']']) || written.starts_with("---") {
        return Lesson::new(span, "this is not a line of TOML", "", NOT_TOML);
    }
    let colon = written.find(':').filter(|colon| !written[..*colon].trim_end().contains(char::is_whitespace));
    if let Some((key, value)) = colon.map(|colon| (&written[..colon], written[colon + 1..].trim())) {
        let value = if value.is_empty() { "...".to_owned() } else { as_value(value) };
        let help = format!("write `{} = {value}`", shorten(key).trim_matches('"'));
        return Lesson::new(span, "a key and its value are joined by `=`, not by `:`", "", help);
    }
    let (key, value) = written.split_once(char::is_whitespace).unwrap_or((written, ""));
    let key = shorten(key);
    let message = format!("there is no `=` after `{key}`");
    let help = match (value.trim(), value.split_once('=')) {
        (_, Some((more, value))) => {
            let help = format!("a key of several words needs quotes: `\"{key} {}\" = {}`", more.trim(), shorten(value));
            return Lesson::new(span, message, "", help);
        }
        ("", None) => format!("write `{key} = ...`, or take the line out"),
        (value, None) => format!("write `{key} = {}`", as_value(value)),
    };
    Lesson::new(span, message, "", help)
}

/// A value as it should have been written: quoted unless it is a TOML value already.
fn as_value(written: &str) -> String {
    let written = written.trim().trim_end_matches(',');
    if toml::de::DeValue::parse(written).is_ok() { shorten(written) } else { quoted(written) }
}

fn name(text: &str, span: &Range<usize>, message: &str, root: &Node) -> Option<Lesson> {
    let name = shorten(&duplicate::name(text, span));
    if message.starts_with("duplicate key") {
        let header = duplicate::in_header(text, span.start);
        let (message, help) = if header {
            (format!("the table `{name}` is defined twice"), "put the keys of both under one header")
        } else {
            (format!("the key `{name}` is defined twice"), "keep one of the two")
        };
        let mut lesson = Lesson::new(span.clone(), message, "defined again here", help);
        lesson.also = duplicate::first(text, span, root).map(|first| (first, "first defined here".to_owned()));
        return Some(lesson);
    }
    if let Some(kind) = message.strip_prefix("cannot extend value of type ") {
        let kind = if kind.trim_end_matches(" with a dotted key") == "array" {
            "list"
        } else {
            kind.trim_end_matches(" with a dotted key")
        };
        let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
        let message = format!("`{name}` is {article} {kind} already, so it can't get more keys");
        let mut lesson = Lesson::new(span.clone(), message, "", "write all its keys in one place");
        lesson.also = duplicate::first(text, span, root).map(|first| (first, format!("{article} {kind} here")));
        return Some(lesson);
    }
    if message.starts_with("unquoted keys cannot be empty") {
        let help = "a key is a name such as `retry`; names of a path are joined by single dots: `retry.attempts`";
        return Some(Lesson::new(span.clone(), "a key is missing here", "", help));
    }
    if message.starts_with("invalid unquoted key") {
        let whole = key_around(text, span);
        let help =
            format!("letters, digits, `-` and `_` go without quotes; write `\"{}\"`", shorten(&text[whole.clone()]));
        return Some(Lesson::new(whole, "this key needs quotes", "", help));
    }
    if message.starts_with("keys cannot be multi-line") {
        return Some(Lesson::new(span.clone(), "a key stands on one line", "", "write it between `\"` and `\"`"));
    }
    None
}

/// The whole key around a character that it may not have.
fn key_around(text: &str, span: &Range<usize>) -> Range<usize> {
    let ends = |character: char| character.is_ascii_whitespace() || ".=[]{},".contains(character);
    let line = line_around(text, span.start);
    let start = text[line.start..span.start].rfind(ends).map_or(line.start, |at| line.start + at + 1);
    let end = text[span.end..line.end].find(ends).map_or(line.end, |at| span.end + at);
    start..end
}

fn brackets(text: &str, span: &Range<usize>, message: &str) -> Option<Lesson> {
    let at = span.clone();
    let start = message.split(", expected").next()?;
    Some(match start {
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            Lesson::new(at, "a comma is missing", "before this", "values between brackets are separated by `,`")
        }
        "extra assignment between key-value pairs" => Lesson::new(
            at,
            "a comma is missing",
            "before the key of this `=`",
            "keys between braces are separated by `,`: `{ a = 1, b = 2 }`",
        ),
        "extra comma in array" | "extra comma in inline table" => {
            let at = at.start..at.start + usize::from(text[at.start..].starts_with(','));
            Lesson::new(at, "one comma too many", "", "take it out")
        }
        "missing assignment between key-value pairs" => {
            Lesson::new(at, "an `=` is missing", "before this", "write `{ key = value }`")
        }
        "missing key for inline table element" | "invalid inline table element" => Lesson::new(
            at,
            "a `key = value` is missing",
            "",
            "between braces stands `{ key = value, ... }`; a list stands between `[` and `]`",
        ),
        "unexpected `=` in array" => {
            Lesson::new(at, "a list has no keys", "", "write `{ key = value }` for a table, or take the `=` out")
        }
        "missing array opening" => Lesson::new(
            at.start..at.start + 1,
            "`]` closes nothing",
            "no `[` before it",
            "take it out, or open the list with `[`",
        ),
        "missing inline table opening" => Lesson::new(
            at.start..at.start + 1,
            "`}` closes nothing",
            "no `{` before it",
            "take it out, or open the table with `{`",
        ),
        "extra `=`" => Lesson::new(at, "one `=` too many", "", "take it out"),
        "unclosed array" | "unclosed inline table" => Lesson::new(
            at,
            format!("this {} is never closed", start.trim_start_matches("unclosed ").replace("array", "list")),
            "the file ends here",
            "close every bracket",
        ),
        _ => return None,
    })
}

fn other(text: &str, span: &Range<usize>, message: &str) -> Lesson {
    let start = message.split(", expected").next().unwrap_or(message);
    match start {
        "unexpected key or value" => {
            let rest = rest_of_line(text, span.start);
            let help = match text[rest.clone()].chars().next() {
                Some(',') => "a statement ends with its line, without a comma",
                Some(']') => "write one bracket on each side: `[name]`; `[[name]]` is for lists of tables",
                _ if text[..span.start].ends_with('\'') => "a string that holds `'` stands between double quotes",
                _ if text[..span.start].ends_with('"') => {
                    "inside double quotes write `\\\"` for a quote, or use single quotes outside"
                }
                _ => "one statement to a line",
            };
            Lesson::new(rest, "something stands behind the end of the statement", "not expected here", help)
        }
        "invalid date" | "invalid time" | "invalid datetime" | "invalid date-time" => {
            let message = message.replacen(", expected", ": expected", 1);
            Lesson::new(
                span.clone(),
                message,
                "",
                "a date is written `2026-12-31`, a time `23:59:00`; a string needs quotes",
            )
        }
        "cannot recurse further; max recursion depth met" => {
            Lesson::new(span.clone(), "the file is nested too deeply", "", "80 levels of brackets are the most")
        }
        "recursion limit" => Lesson::new(span.clone(), "this key has too many parts", "", "80 parts are the most"),
        "carriage return must be followed by newline" => Lesson::new(
            span.clone(),
            "a carriage return without a line feed",
            "",
            "save the file with line ends LF or CRLF",
        ),
        "invalid comment character" => {
            Lesson::new(span.clone(), "a control character can't stand in a comment", "", "take it out")
        }
        _ => Lesson::new(span.clone(), message, "", NOT_TOML),
    }
}
