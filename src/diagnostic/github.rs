//! Diagnostics for GitHub: workflow commands, which become annotations of the file.
//!
//! Source of the format and its escapes: "Workflow commands for GitHub Actions", and `actions/toolkit`,
//! packages/core/src/command.ts.

use std::fmt::Write;

use crate::document::{Document, Place};

use super::codes;
use super::selection::{Selection, position, text, words};
use super::{Diagnostic, Severity};

/// One command a line.
pub(super) fn render(selection: &Selection<'_>, document: Option<&Document>) -> String {
    let mut out = String::new();
    for diagnostic in &selection.shown {
        one(diagnostic, document, selection, &mut out);
    }
    if selection.hidden() > 0 {
        out.push_str(&format!("::notice::{} more that are not shown\n", selection.hidden()));
    }
    out
}

fn one(diagnostic: &Diagnostic, document: Option<&Document>, selection: &Selection<'_>, out: &mut String) {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = properties(diagnostic, document);
    let title = codes::TABLE.iter().find(|entry| entry.code == diagnostic.code).map_or("", |entry| entry.title);
    properties.push(("title", format!("{} {title}", diagnostic.code.0)));
    let mut message = diagnostic.message.clone();
    for label in &diagnostic.others {
        if let Some((name, text)) = text(document, label.place) {
            let line = position(text, label.place).line;
            // Writing to a string can't fail.
            let _ = write!(message, "\n{name}:{line}: {}", words(document, label));
        }
    }
    if let Some(label) = &diagnostic.primary {
        message.push_str(&argument(label.place, document, selection));
        if let Some(profile) = document.and_then(|document| document.profile_of(label.place)) {
            let _ = write!(message, "\nfrom profile `{profile}`");
        }
    }
    for help in &diagnostic.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    out.push_str(&self::command(command, &properties, &message));
    out.push('\n');
}

/// A workflow command: its name, such as `error`, what it is about, and its message.
pub(crate) fn command(name: &str, properties: &[(&str, String)], message: &str) -> String {
    let properties = properties.iter().map(|(name, value)| format!("{name}={}", escaped(value, true)));
    let properties = properties.collect::<Vec<_>>().join(",");
    let gap = if properties.is_empty() { "" } else { " " };
    format!("::{name}{gap}{properties}::{}", escaped(message, false))
}

/// The argument that a place is in, unless it may be a secret.
fn argument(place: Place, document: Option<&Document>, selection: &Selection<'_>) -> String {
    match text(document, place) {
        Some((name, text)) if !is_file(document, place) && !selection.hides(place.source, 0, text.len()) => {
            format!("\nin {name} {text}")
        }
        _ => String::new(),
    }
}

fn is_file(document: Option<&Document>, place: Place) -> bool {
    document.and_then(|document| document.sources.get(place.source)).is_some_and(|source| source.is_file)
}

/// File and place. Columns are left out of a place over several lines, as the annotations of GitHub ask for;
/// a place in an argument is a place of no file.
fn properties(diagnostic: &Diagnostic, document: Option<&Document>) -> Vec<(&'static str, String)> {
    let mut properties = Vec::new();
    let Some(job) = document.and_then(|document| document.sources.first()) else { return properties };
    let place = diagnostic.primary.as_ref().map(|label| label.place).filter(|place| is_file(document, *place));
    let Some((place, (name, text))) = place.and_then(|place| Some((place, text(document, place)?))) else {
        properties.push(("file", job.name.clone()));
        return properties;
    };
    properties.push(("file", name.to_owned()));
    let position = position(text, place);
    properties.push(("line", position.line.to_string()));
    if position.line == position.end_line {
        properties.push(("col", position.column.to_string()));
        properties.push(("endLine", position.end_line.to_string()));
        properties.push(("endColumn", position.end_column.to_string()));
    } else {
        properties.push(("endLine", position.end_line.to_string()));
    }
    properties
}

fn escaped(text: &str, is_property: bool) -> String {
    let text: String = text.chars().map(printed).collect();
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if is_property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

/// A character that a log can bear: a key may hold any, and logs are read on terminals.
fn printed(c: char) -> char {
    const OF_DIRECTION: [char; 12] = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
        '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    match c {
        '\n' | '\r' | '\t' => c,
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        _ if c.is_control() || OF_DIRECTION.contains(&c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}
