//! From a position in an unescaped string to the position in the file where it is written.
//!
//! Must never point outside the string: what does not fit gives `None`.

use std::ops::Range;

use super::Place;

/// The place of `range` (bytes of `value`) in the string that is written at `place` of `text`.
pub(super) fn place(text: &str, place: Place, value: &str, range: Range<usize>) -> Option<Place> {
    if range.start > range.end || range.end > value.len() {
        return None;
    }
    let raw = text.get(place.start..place.end)?;
    let body = Body::of(raw, value)?;
    let start = body.position(value, range.start)?;
    let end = if range.is_empty() { start } else { body.position(value, range.end)? };
    Some(Place { source: place.source, start: place.start + start, end: place.start + end })
}

/// What stands between the quotes.
struct Body<'t> {
    /// Bytes before it.
    offset: usize,
    /// The text, escapes as written.
    raw: &'t str,
    /// Whether `\` starts an escape.
    escapes: bool,
}

impl<'t> Body<'t> {
    fn of(raw: &'t str, value: &str) -> Option<Self> {
        for (quote, escapes) in [("\"\"\"", true), ("'''", false), ("\"", true), ("'", false)] {
            if let Some(inner) = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
                let newline = match inner {
                    _ if quote.len() == 1 => 0,
                    _ if inner.starts_with("\r\n") => 2,
                    _ if inner.starts_with('\n') => 1,
                    _ => 0,
                };
                return Some(Self { offset: quote.len() + newline, raw: &inner[newline..], escapes });
            }
        }
        // A `--set` value without quotes stands as it is.
        (raw == value).then_some(Self { offset: 0, raw, escapes: false })
    }

    /// Where byte `target` of the value is written, counted from the opening quote.
    fn position(&self, value: &str, target: usize) -> Option<usize> {
        let (mut at, mut decoded) = (0, 0);
        while decoded < target {
            let rest = &self.raw[at..];
            let (written, meant) = self.step(rest)?;
            at += written;
            decoded += meant;
        }
        // What was skipped must be what the value holds, or the text was changed in reading.
        let plain = !self.raw[..at].contains('\\') || !self.escapes;
        let same = !plain || self.raw.get(..at) == value.get(..target);
        (decoded == target && same).then_some(self.offset + at)
    }

    /// Bytes of one character as written and as meant.
    fn step(&self, rest: &str) -> Option<(usize, usize)> {
        let first = rest.chars().next()?;
        if first != '\\' || !self.escapes {
            return Some((first.len_utf8(), first.len_utf8()));
        }
        let digits = match rest[1..].chars().next()? {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            ' ' | '\t' | '\r' | '\n' => {
                let skipped = rest[1..].len() - rest[1..].trim_start_matches([' ', '\t', '\r', '\n']).len();
                return Some((1 + skipped, 0));
            }
            _ => return Some((2, 1)),
        };
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, char::from_u32(code)?.len_utf8()))
    }
}
