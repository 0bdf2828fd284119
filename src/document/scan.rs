//! Finds brackets that are never closed, by looking at the text as a person would.
//!
//! An array or inline table that is still open where a line starts that can only be the next statement
//! was meant to end before that line. Only consulted when the parser missed a closer.

/// The deepest nesting that is mended.
const DEEPEST: usize = 80;

/// A bracket, or several that were open together, without a closer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// Position of the outermost bracket.
    pub(super) open: usize,
    /// Where the closers were due: behind the last thing that belongs to the value.
    pub(super) end: usize,
    /// The closers, innermost first.
    pub(super) closers: String,
}

/// Every bracket without a closer, in the order of the file; none when the nesting is absurd.
pub(super) fn unclosed(text: &str) -> Vec<Unclosed> {
    let mut scanner = Scanner { text, open: Vec::new(), last: 0, last_byte: 0, found: Vec::new() };
    let mut at = 0;
    let mut line_start = true;
    while at < text.len() && scanner.open.len() <= DEEPEST {
        if std::mem::take(&mut line_start) {
            let line = text[at..].lines().next().unwrap_or_default();
            scanner.start_line(line);
            if scanner.open.is_empty() && line.trim_start().starts_with('[') {
                at += line.len();
                continue;
            }
        }
        line_start = text.as_bytes()[at] == b'\n';
        at = scanner.token(at);
    }
    if scanner.open.len() > DEEPEST {
        return Vec::new();
    }
    scanner.give_up();
    scanner.found
}

struct Scanner<'t> {
    text: &'t str,
    /// Open brackets: position and the closer that is due.
    open: Vec<(usize, char)>,
    /// End of the last token that is neither space nor comment.
    last: usize,
    /// Its last byte.
    last_byte: u8,
    found: Vec<Unclosed>,
}

impl Scanner<'_> {
    /// Takes the token at `at` and gives the position behind it.
    fn token(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let byte = rest.as_bytes()[0];
        let end = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return at + 1,
            b'#' => return at + rest.find('\n').unwrap_or(rest.len()),
            b'"' | b'\'' => at + string_length(rest),
            _ => at + rest.chars().next().map_or(1, char::len_utf8),
        };
        match byte {
            b'[' => self.open.push((at, ']')),
            b'{' => self.open.push((at, '}')),
            b']' => self.close(']'),
            b'}' => self.close('}'),
            _ => {}
        }
        self.last = end;
        self.last_byte = byte;
        end
    }

    fn close(&mut self, closer: char) {
        let Some(position) = self.open.iter().rposition(|(_, due)| *due == closer) else { return };
        // What was opened later and is still open ends here as well.
        let inner = self.open.split_off(position + 1);
        self.report(inner);
        self.open.truncate(position);
    }

    /// Looks at the start of a line: if it can only be a new statement, what is open was meant to end before.
    fn start_line(&mut self, line: &str) {
        let Some((_, due)) = self.open.last() else { return };
        let listed = matches!(self.last_byte, b',' | b'{');
        if is_header(line) || (is_pair(line) && (*due == ']' || !listed)) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.report(open);
    }

    fn report(&mut self, open: Vec<(usize, char)>) {
        if let Some((outermost, _)) = open.first() {
            let closers = open.iter().rev().map(|(_, due)| *due).collect();
            self.found.push(Unclosed { open: *outermost, end: self.last, closers });
        }
    }
}

/// Bytes of the string that `text` starts with, as the parser ends it: a one-line string ends with its line.
fn string_length(text: &str) -> usize {
    let quote = &text[..1];
    let long = quote.repeat(3);
    let (delimiter, multi_line) = if text.starts_with(&long) { (long.as_str(), true) } else { (quote, false) };
    let mut at = delimiter.len();
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(delimiter) {
            return at + delimiter.len();
        }
        if !multi_line && rest.starts_with('\n') {
            return at;
        }
        let skipped = if quote == "\"" && rest.starts_with('\\') { 1 } else { 0 };
        at += skipped + rest[skipped..].chars().next().map_or(0, char::len_utf8);
    }
    text.len()
}

/// `[name]` or `[[name]]` on a line of its own; inside an array no value looks like that.
fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name).trim();
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !["true", "false", "inf", "nan"].contains(&name)
        && !name.contains(['=', ',', '{', '['])
}

/// `key =` or `a.b =` at the start of a line.
fn is_pair(line: &str) -> bool {
    let Some((key, _)) = line.split_once('=') else { return false };
    let key = key.trim();
    key.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && key.chars().all(|character| character.is_ascii_alphanumeric() || "-_. \"'".contains(character))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<(usize, usize, String)> {
        unclosed(text).into_iter().map(|unclosed| (unclosed.open, unclosed.end, unclosed.closers)).collect()
    }

    #[test]
    fn closed_brackets_are_left_alone() {
        for text in [
            "a = [1, [2, 3], { b = 4 }]\n[c]\nd = '['\n",
            "a = [\n  'x', # [\n  \"]\\\"[\",\n]\nb = 1\n",
            "a = {\n  b = 1,\n  c = [\n    2,\n  ],\n}\n",
            "a = '''\n[\n{\n'''\nb = \"\"\"\n[ \\\"\"\" \"\"\"\n",
            "[a]\nb = [[1], [2]]\n[[c]]\nd = 1",
        ] {
            assert_eq!(found(text), vec![], "{text}");
        }
    }

    #[test]
    fn an_open_bracket_ends_before_the_next_statement() {
        assert_eq!(found("a = [1, 2 # two\nb = 3\n"), vec![(4, 9, "]".into())]);
        assert_eq!(found("a = [1, 2,\n[b]\n"), vec![(4, 10, "]".into())]);
        assert_eq!(found("a = { b = [1\n\n[[c]]\nd = [2]\n"), vec![(4, 12, "]}".into())]);
        assert_eq!(found("a = { b = 1\nc = 2\n"), vec![(4, 11, "}".into())]);
        assert_eq!(found("a = { b = [1, 2 }\nc = 2\n"), vec![(10, 15, "]".into())]);
        assert_eq!(found("a = ["), vec![(4, 5, "]".into())]);
    }

    #[test]
    fn absurd_nesting_is_not_mended() {
        assert_eq!(found(&format!("a = {}", "[".repeat(100_000))), vec![]);
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_to_its_end(text in "(a = |\\[|\\]|\\{|\\}|\n|\"|'|\\\\|#|é|,|\"\"\"|''')*") {
            for unclosed in unclosed(&text) {
                prop_assert!(text.is_char_boundary(unclosed.end));
                prop_assert!(unclosed.open < unclosed.end);
            }
        }
    }
}
