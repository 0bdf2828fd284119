//! Which lines with syntax errors may hold a secret: their text is never shown.
//!
//! Must never be slow: it is asked about every error, and a file of nothing but errors has thousands.

use std::ops::Range;

use crate::document::repair::line_around;
use crate::secret::{names, shape};

/// Bytes of a line that are looked at, and keys in it: it may be all of the file.
const LONGEST: usize = 16 << 10;
const MOST_KEYS: usize = 200;

/// The table headers of a text, found once: looking back for one from each error would read the file over and
/// over.
pub(in crate::document) struct Headers<'t> {
    text: &'t str,
    /// Where their lines start, ascending.
    starts: Vec<usize>,
}

impl<'t> Headers<'t> {
    pub(in crate::document) fn of(text: &'t str) -> Self {
        let mut at = 0;
        let mut starts = Vec::new();
        for line in text.split_inclusive('\n') {
            if is_header(line) {
                starts.push(at);
            }
            at += line.len();
        }
        Self { text, starts }
    }

    /// The last header before the line that starts at `line`.
    fn above(&self, line: usize) -> &'t str {
        let count = self.starts.partition_point(|start| *start < line);
        count.checked_sub(1).map_or("", |last| &self.text[line_around(self.text, self.starts[last])])
    }

    /// Whether a line stands below `[secrets]`, or is a line of `secrets` itself.
    pub(super) fn among_secrets(&self, at: usize) -> bool {
        let line = line_around(self.text, at);
        let header = self.above(line.start);
        let written = &self.text[line];
        let names = |text: &str| {
            let name = text.trim_start_matches(['[', ' ', '\t', '\u{feff}']);
            name.strip_prefix("secrets")
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        !is_header(written) && (names(written) || names(header))
    }

    /// Whether a line gives a key of `auth`, or stands in a table of it.
    pub(super) fn in_auth(&self, at: usize) -> bool {
        let line = line_around(self.text, at);
        let is_auth = |key: &str| key.trim_matches([' ', '\t', '"', '{', '[', ']']) == "auth";
        // An endpoint may be called `auth` as well.
        let in_table = self.above(line.start).split('.').skip(2).any(is_auth);
        let mut before_values = self.text[line].split(['=', ',']);
        in_table || before_values.any(|keys| keys.split('.').next().is_some_and(is_auth))
    }
}

/// Whether a line that a span touches names a secret and does not leave its value to a template, or has the form of one
/// in it.
pub(super) fn may_be_secret(text: &str, span: &Range<usize>) -> bool {
    let start = line_around(text, span.start).start;
    let end = line_around(text, span.end.max(span.start)).end;
    text.get(start..end).unwrap_or_default().lines().any(|line| {
        let line = line.get(..LONGEST).unwrap_or(line);
        shape::issued(line).is_some() || names_secret(line) || has_password(line)
    })
}

/// Whether one of the URLs of a line has a password.
fn has_password(line: &str) -> bool {
    let mut urls = line.match_indices("://").map(|(at, _)| &line[at..]).take(MOST_KEYS);
    urls.any(|url| shape::password_of(url).is_some_and(shape::is_literal))
}

fn names_secret(line: &str) -> bool {
    let signs = line.match_indices(['=', ':']).map(|(at, _)| at);
    signs.take(MOST_KEYS).any(|at| {
        let before = line[..at].trim_end_matches([' ', '\t', '"', '\'', '\\']);
        let name = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).next().unwrap_or_default();
        names::is_sensitive(name) && shape::is_written_out(&line[at + 1..])
    })
}

fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_a_secret_are_known() {
        let is_hidden = |text: &str| may_be_secret(text, &(0..1));
        for line in [
            "headers.authorization: \"Bearer hush\"",
            "headers = { \"X-Api-Key\": hush }",
            "query.token = hush",
            "password = 'hush",
            "url = https://me:hush-hush@h.example/x",
            "resolve = { a = \"https://h.example/\", b = https://me:hush-hush@h.example/ }",
            "note = use ghp_q9Zr2Lw8Xk4Vt6Bn1Mc7Hd3Fs5Gj0PyAeUi1",
        ] {
            assert!(is_hidden(line), "{line}");
        }
        for line in [
            "headers.authorization = Bearer {{ secrets.token }}",
            "url: https://h/",
            "password =",
            "retry = attempts: 3",
            "accept: \"x\"",
        ] {
            assert!(!is_hidden(line), "{line}");
        }
    }

    #[test]
    fn the_header_above_decides_and_the_line_itself() {
        let text = "a = 1\n  [secrets]\r\nb\n[endpoints.x.auth]\nc\n[d]\ne\nauth.bearer = x\nsecrets.y = z\n";
        let headers = Headers::of(text);
        let at = |line: &str| text.find(line).unwrap();
        let hidden = |line: &str| (headers.among_secrets(at(line)), headers.in_auth(at(line)));
        assert_eq!(
            ["a = 1", "  [s", "b\n", "c\n", "e\n", "auth.bearer", "secrets.y"].map(hidden),
            [
                (false, false),
                (false, false),
                (true, false),
                (false, true),
                (false, false),
                (false, true),
                (true, false),
            ]
        );
    }
}
