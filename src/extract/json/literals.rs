//! Numbers in the filters of a JSONPath that are compared less exactly than they are written.
//!
//! The query engine compares numbers as 64-bit floats, whatever their digits. Must never warn of a number whose
//! neighbours can be told from it.

use std::ops::Range;

/// Whole numbers up to here, 2^53, are told from their neighbours.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Where numbers stand in a valid path that a float does not hold.
pub(super) fn inexact(source: &str) -> Vec<Range<usize>> {
    let bytes = source.as_bytes();
    let (mut at, mut found) = (0, Vec::new());
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'\'' | b'"' => quoted(bytes, at),
            b'-' | b'0'..=b'9' => {
                end_of(bytes, at + 1, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
            }
            byte if is_name(*byte) => end_of(bytes, at, is_name),
            _ => at + 1,
        };
        // Positions and slices are small by the standard, so that what is found stands in a filter.
        if matches!(byte, b'-' | b'0'..=b'9') && !is_exact(&source[at..end]) {
            found.push(at..end);
        }
        at = end;
    }
    found
}

fn end_of(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !belongs(*byte)).map_or(bytes.len(), |length| from + length)
}

/// The end of a text in quotes that begins at `at`.
fn quoted(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != bytes[at] {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Whether a number is what its float is written as, and no other whole number has the same float.
fn is_exact(literal: &str) -> bool {
    let Ok(float) = literal.parse::<f64>() else { return true };
    let is_whole = !literal.contains(['.', 'e', 'E']);
    if !float.is_finite() || (is_whole && float.abs() >= EXACT) {
        return false;
    }
    digits(literal) == digits(&format!("{float:e}"))
}

/// The digits that count, of a number as it is written.
fn digits(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<&str> {
        assert!(serde_json_path::JsonPath::parse(source).is_ok(), "{source}");
        inexact(source).into_iter().map(|range| &source[range]).collect()
    }

    #[test]
    fn what_a_float_does_not_hold_is_found() {
        for (source, literals) in [
            ("$[?@.id == 12345678901234567890]", vec!["12345678901234567890"]),
            ("$[?@.id==-9007199254740993||@.id > 9007199254740992]", vec!["-9007199254740993", "9007199254740992"]),
            ("$.a[?@[0] >= 0.12345678901234567890].b", vec!["0.12345678901234567890"]),
            ("$[?@.a == 1 && (@.b < 1e400)]", vec!["1e400"]),
            ("$[?length(@.é1) == 123456789012345678901e-3, ?@ == 5]", vec!["123456789012345678901e-3"]),
        ] {
            assert_eq!(found(source), literals, "{source}");
        }
    }

    #[test]
    fn what_a_float_holds_is_not() {
        for source in [
            "$.a12345678901234567890[0]",
            "$['12345678901234567890', \"12345678901234567890\"]",
            "$['\\'12345678901234567890'][1:9007199254740991]",
            "$[?@.id == 9007199254740991]",
            "$[?@.id == '12345678901234567890']",
            "$[?@.price > 0.1 && @.price <= 12.50 || @.n == -0.0]",
            "$[?@.n == 0 || @.n == 100 || @.n > 1e20 || @.n < 0.001e-5 || @.n == 1.7976931348623157e308]",
            "$[?@.é123456789012345678901 == 1]",
        ] {
            assert_eq!(found(source), [""; 0], "{source}");
        }
    }
}
