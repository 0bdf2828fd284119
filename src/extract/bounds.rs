//! How large a program in a column may be: its parser walks into it as deep as it is written, and the stack ends somewhere.
//!
//! Must never refuse what a person would write by hand.

use std::ops::Range;

/// Most bytes of a program.
const LONGEST: usize = 8 << 10;

/// Most brackets that may be open at once.
const DEEPEST: usize = 64;

/// What is too much of a program, and where.
pub(super) fn too_much(source: &str) -> Option<(String, Range<usize>)> {
    if source.len() > LONGEST {
        let start = (0..=LONGEST).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
        return Some((format!("it is longer than {LONGEST} bytes"), start..start));
    }
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, byte) in source.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), b'\\') => escaped = !escaped,
            (Some(open), byte) => {
                if byte == open && !escaped {
                    quote = None;
                }
                escaped = false;
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => {
                depth += 1;
                if depth > DEEPEST {
                    return Some((format!("more than {DEEPEST} brackets are open here"), at..at + 1));
                }
            }
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_where_they_are_open_and_outside_of_strings() {
        let open = |count| "[".repeat(count);
        assert_eq!(too_much(&open(DEEPEST)), None);
        assert_eq!(too_much(&open(DEEPEST + 1)).map(|(_, range)| range), Some(DEEPEST..DEEPEST + 1));
        assert_eq!(too_much(&"[]".repeat(200)), None);
        assert_eq!(too_much(&format!("\"{}\\\"[\" | '{}'", open(200), open(200))), None);
    }

    #[test]
    fn a_program_has_an_end() {
        assert_eq!(too_much(&".".repeat(LONGEST)), None);
        assert!(too_much(&".".repeat(LONGEST + 1)).is_some());
        assert!(too_much(&"é".repeat(LONGEST)).is_some());
    }
}
