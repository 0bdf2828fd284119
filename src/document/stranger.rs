//! Files that are no job: an env file, a list of users, whatever was named by mistake.
//!
//! Must never show a line of one.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, codes};

use super::repair::line_around;
use super::syntax::place;
use super::teach;

/// Names that a job has at the start of a line, or that people write there who mean to write one.
const NAMES: [&str; 23] = [
    "batch",
    "client",
    "columns",
    "endpoint",
    "endpoints",
    "include",
    "input",
    "limit",
    "limits",
    "meta",
    "method",
    "output",
    "profiles",
    "report",
    "retry",
    "run",
    "secrets",
    "sinks",
    "timeout",
    "url",
    "vars",
    "version",
    "webhook",
];

/// Whether a file is called as jobs are, itself too where the path is a link.
pub(super) fn is_named_as_job(path: &Path) -> bool {
    let is_toml = |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    is_toml(path) && std::fs::canonicalize(path).map_or(true, |real| is_toml(&real))
}

/// Whether a line begins as one of a job does.
pub(super) fn has_look_of_job(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start_matches(['\u{feff}', ' ', '\t', '[', '"', '\'', '{']);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
        let goes_on = line[end..].starts_with([' ', '\t', '=', '.', ']', '"', '\'', ':']);
        goes_on && NAMES.iter().any(|name| name.eq_ignore_ascii_case(&line[..end]))
    })
}

/// What is said of such a text that has syntax errors.
pub(super) fn refusal(text: &str, told: &Diagnostics) -> Option<Diagnostic> {
    let first = told.list().iter().find(|one| one.severity == Severity::Error)?;
    let start = first.primary.as_ref().map_or(0, |label| label.place.start);
    let message = match teach::other_language(text) {
        Some(other) => other.message,
        None => "this is no TOML, and no line of it begins as one of a job does".to_owned(),
    };
    let line = place(&line_around(text, start));
    Some(Diagnostic::error(codes::SYNTAX, message).at_hidden(line).help(teach::NOT_TOML))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_strangers_are_told_apart() {
        for text in [
            "name = x\n[endpoints.a]",
            "  endpoints . a = 1",
            "URL = https://x",
            "{\"endpoints\": {",
            "endpoints:\n  a:",
            "retry.attempts = 3",
            "\u{feff}[vars]",
        ] {
            assert!(has_look_of_job(text), "{text}");
        }
        for text in ["API_URL=https://x\nTOKEN=hush", "root:*:19000:0:::", "urls", "# url = x", "", "password: hush"] {
            assert!(!has_look_of_job(text), "{text}");
        }
    }
}
