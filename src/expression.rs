//! How large an expression in a job may be, whatever its language: parsers walk into it as deep as it is written, and the
//! stack ends somewhere.
//!
//! One rule for the tags of templates, conditions, JSONPath, jq and CSS selectors. Must never refuse what a person would
//! write by hand, nor look into an expression by recursion itself.

use std::ops::Range;

use crate::report::text::thousands;

/// Most bytes.
pub(crate) const LONGEST: usize = 64 << 10;

/// Most brackets that may be open at once.
pub(crate) const DEEPEST: usize = 64;

/// Most names and signs: in a chain such as `1 + 1 + 1`, `not not a` or `a | b | c` each nests one deeper. Parsers and
/// what walks their trees bear twice as many on the 2 MiB of a thread, in a build without optimisation.
pub(crate) const MOST: usize = 2_000;

/// Signs of two characters.
const PAIRS: [&[u8]; 9] = [b"==", b"!=", b"<=", b">=", b"//", b"**", b"&&", b"||", b".."];

/// What an expression is written in: they differ in what is a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Templates, conditions, JSONPath, CSS: a text stands in single or double quotes.
    Plain,
    /// jq: a text stands in double quotes, and `\(` in it begins an expression; `#` begins a comment.
    Jq,
}

/// What is too much of an expression, and where.
pub(crate) fn too_much(source: &str, language: Language) -> Option<(String, Range<usize>)> {
    if source.len() > LONGEST {
        let start = (0..=LONGEST).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
        return Some((format!("it is longer than {} KiB", LONGEST >> 10), start..start));
    }
    Scanner { bytes: source.as_bytes(), at: 0, words: 0, open: Vec::new(), is_lost: false, language }.run()
}

struct Scanner<'s> {
    bytes: &'s [u8],
    at: usize,
    /// Names and signs so far.
    words: usize,
    /// What closes the brackets that are open, and whether a text goes on behind it.
    open: Vec<(u8, bool)>,
    /// Whether brackets closed that did not open: it is no expression, and what is a text in it nobody knows.
    is_lost: bool,
    language: Language,
}

impl Scanner<'_> {
    fn run(mut self) -> Option<(String, Range<usize>)> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            let start = self.at;
            self.at += 1;
            match byte {
                b'"' => self.text(byte),
                b'\'' if self.language == Language::Plain => self.text(byte),
                b'#' if self.language == Language::Jq => self.skip(|byte| byte != b'\n'),
                b'(' => self.opened(b')', false),
                b'[' => self.opened(b']', false),
                b'{' => self.opened(b'}', false),
                b')' | b']' | b'}' => self.closed(byte),
                b'0'..=b'9' => self.skip(is_of_name),
                _ if byte.is_ascii_whitespace() => {}
                _ if is_of_name(byte) => {
                    self.words += 1;
                    self.skip(is_of_name);
                }
                _ => {
                    self.words += 1;
                    self.at += usize::from(self.bytes.get(start..start + 2).is_some_and(|two| PAIRS.contains(&two)));
                }
            }
            if self.open.len() > DEEPEST {
                return Some((format!("more than {DEEPEST} brackets are open here"), start..start + 1));
            }
            if self.words > MOST {
                return Some((
                    format!("it has more than {} names and signs", thousands(MOST as u64)),
                    start..start + 1,
                ));
            }
        }
        None
    }

    /// A bracket is one sign: `a[0][0]` nests with each of them.
    fn opened(&mut self, close: u8, is_in_text: bool) {
        self.words += 1;
        self.open.push((close, is_in_text));
    }

    fn closed(&mut self, byte: u8) {
        match self.open.pop() {
            Some((close, is_in_text)) if close == byte => {
                if is_in_text {
                    self.text(b'"');
                }
            }
            Some(_) | None => self.is_lost = true,
        }
    }

    fn skip(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| is_part(*byte)) {
            self.at += 1;
        }
    }

    /// The rest of a text, up to its end or to an expression in it.
    fn text(&mut self, quote: u8) {
        if self.is_lost {
            return;
        }
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            if byte == quote {
                return;
            }
            if byte == b'\\' {
                let next = self.bytes.get(self.at).copied();
                self.at += 1;
                if next == Some(b'(') && self.language == Language::Jq {
                    return self.opened(b')', true);
                }
            }
        }
    }
}

/// A byte of a name or of a number.
fn is_of_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(source: &str) -> Option<Range<usize>> {
        too_much(source, Language::Plain).map(|(_, range)| range)
    }

    fn jq(source: &str) -> Option<Range<usize>> {
        too_much(source, Language::Jq).map(|(_, range)| range)
    }

    #[test]
    fn brackets_are_counted_where_they_are_open_and_outside_of_texts() {
        let open = |count| "[".repeat(count);
        for look in [plain, jq] {
            assert_eq!(look(&open(DEEPEST)), None);
            assert_eq!(look(&open(DEEPEST + 1)), Some(DEEPEST..DEEPEST + 1));
            assert_eq!(look(&"[]".repeat(200)), None);
        }
        assert_eq!(plain(&format!("\"{}\\\"[\" | '{}'", open(200), open(200))), None);
        // In jq a single quote begins nothing, and neither does one in a comment.
        assert!(jq(&format!("# it's \"\n{}", open(200))).is_some() && jq(&format!("'{}'", open(200))).is_some());
    }

    #[test]
    fn an_expression_in_a_text_of_jq_is_looked_into() {
        let inside = |within: &str| format!("\"a \\({within}) b \\\" [ \" | .");
        assert_eq!(jq(&inside(". | .")), None);
        assert!(jq(&inside(&"-".repeat(MOST))).is_some());
        assert_eq!(plain(&inside(&"-".repeat(MOST))), None);
        assert!(jq(&"\"\\(".repeat(DEEPEST + 1)).is_some());
        assert_eq!(jq(&format!("\"{}\"", "\\(1)-".repeat(900))), None);
        // Brackets that don't match end no expression of a text.
        assert!(jq(&format!("\"\\([)] {}", "(".repeat(200))).is_some());
        assert!(jq(&format!("\"\\((])) {}", "(".repeat(200))).is_some());
    }

    #[test]
    fn names_and_signs_have_a_most_and_texts_and_numbers_have_not() {
        for sign in ["-", "==", "not ", "é ", "%", "**", "[]", ","] {
            assert_eq!(plain(&sign.repeat(MOST)), None, "{sign}");
            assert!(plain(&sign.repeat(MOST + 1)).is_some(), "{sign}");
        }
        assert_eq!(plain(&"12 'a b' \"c\" 0x1f ".repeat(3_000)), None);
        assert!(plain(&"-1".repeat(MOST + 1)).is_some());
    }

    #[test]
    fn an_expression_has_an_end() {
        assert_eq!(plain(&" ".repeat(LONGEST)), None);
        assert!(plain(&" ".repeat(LONGEST + 1)).is_some());
        assert!(plain(&"é".repeat(LONGEST)).is_some());
    }
}
