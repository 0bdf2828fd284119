//! Sequences: what a terminal sends for one press of a key that has no letter, or says by itself.
//!
//! All of it begins with ESC: function keys and arrows, a key with Alt, a paste between its marks, answers of the
//! terminal. Must never let a part of one pass as a key; what is pressed on purpose is a single letter.

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// The longest parameters that are looked at; those of a paste are short.
const LOOKED_AT: usize = 8;

/// Where in a sequence the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    #[default]
    None,
    /// Behind the ESC.
    Begun,
    /// Behind `ESC [` or `ESC O`: parameters, then one final byte.
    Parameters,
    /// One byte more, whatever it is.
    Last,
    /// Up to a bell, or another ESC.
    Text,
}

/// Tells keys from sequences, byte by byte, over the borders of reads.
#[derive(Debug, Default)]
pub struct Sequences {
    within: Within,
    parameters: Vec<u8>,
    /// Between the marks of a paste.
    pasted: bool,
}

impl Sequences {
    /// Whether this byte, the next one that was read, is a key.
    pub fn is_key(&mut self, byte: u8) -> bool {
        if byte == ESCAPE {
            self.within = Within::Begun;
            return false;
        }
        match self.within {
            Within::None => return !self.pasted,
            Within::Begun => self.begin(byte),
            Within::Parameters => return self.parameter(byte),
            Within::Last => self.within = Within::None,
            Within::Text if byte == BELL => self.within = Within::None,
            Within::Text => {}
        }
        false
    }

    /// Nothing has come for a while: an ESC was the key of that name, or the rest of its sequence was lost. A paste lasts
    /// until it says that it ends.
    pub fn lapse(&mut self) {
        self.within = Within::None;
    }

    fn begin(&mut self, byte: u8) {
        self.parameters.clear();
        self.within = match byte {
            b'[' | b'O' => Within::Parameters,
            b']' | b'P' | b'X' | b'^' | b'_' => Within::Text,
            // A key with Alt.
            _ => Within::None,
        };
    }

    /// The next byte of the parameters; whether it is a key, as it can't stand in a sequence.
    fn parameter(&mut self, byte: u8) -> bool {
        match byte {
            0x20..=0x3f => {
                if self.parameters.len() < LOOKED_AT {
                    self.parameters.push(byte);
                }
                return false;
            }
            // The first function keys of a Linux console: `ESC [ [ A`.
            b'[' if self.parameters.is_empty() => {
                self.within = Within::Last;
                return false;
            }
            b'~' if self.parameters == b"200" => self.pasted = true,
            b'~' if self.parameters == b"201" => self.pasted = false,
            _ => {}
        }
        self.within = Within::None;
        !(0x40..=0x7e).contains(&byte) && !self.pasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys in what was read in one piece.
    fn keys(read: &str) -> String {
        let mut sequences = Sequences::default();
        read.bytes().filter(|byte| sequences.is_key(*byte)).map(char::from).collect()
    }

    #[test]
    fn keys_without_letters_are_no_keys_and_those_behind_them_are() {
        let function =
            ["\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[24;5~", "\x1b[[A", "\x1bO5P", "\x1b[1;2Q"];
        let arrows = ["\x1b[A", "\x1b[B", "\x1b[1;5C", "\x1bOD", "\x1b[3~", "\x1b[H", "\x1b[Z", "\x1bOq"];
        let others = ["\x1bq", "\x1bQ", "\x1b+", "\x1b\x1a", "\x1b\x1b[A", "\x1b[?1;2c", "\x1b[<0;3;4M", "\x1b[12;40R"];
        let answers = ["\x1b]11;rgb:00/qq/pp\x07", "\x1b]11;rgb:00/qq/pp\x1b\\", "\x1bP1$rq\x1b\\"];
        for sequence in function.iter().chain(&arrows).chain(&others).chain(&answers) {
            assert_eq!(keys(&format!("p{sequence}r{sequence}{sequence}-")), "pr-", "{sequence:?}");
        }
    }

    #[test]
    fn what_is_pasted_is_no_key_whatever_stands_in_it() {
        assert_eq!(keys("p\x1b[200~quit\x1a \x1b[A \x1bOq q\n\x1b[201~r"), "pr");
        assert_eq!(keys("\x1b[201~q"), "q", "an end without a beginning");
        assert_eq!(keys("\x1b[2000~q"), "q");
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        for sequence in ["\x1bOQ", "\x1b[1;5Q", "\x1b[[Q", "\x1bq", "\x1b[200~q\x1b[201~"] {
            let mut sequences = Sequences::default();
            // Each byte by a read of its own, and none of them long after the one before.
            assert!(!sequence.bytes().any(|byte| sequences.is_key(byte)), "{sequence:?}");
            assert!(sequences.is_key(b'q'), "{sequence:?}");
        }
    }

    #[test]
    fn a_lone_escape_is_nothing_and_takes_nothing_with_it() {
        let mut sequences = Sequences::default();
        for begun in ["\x1b", "\x1b[", "\x1bO", "\x1b[1;", "\x1b]1"] {
            assert!(!begun.bytes().any(|byte| sequences.is_key(byte)), "{begun:?}");
            sequences.lapse();
            assert!(sequences.is_key(b'q'), "{begun:?}");
        }
        assert_eq!(keys("\x1b[1\x1ap"), "\u{1a}p", "what can't stand in a sequence ends it");
        let mut sequences = Sequences::default();
        assert!(!"\x1b[200~".bytes().any(|byte| sequences.is_key(byte)));
        sequences.lapse();
        assert!(!sequences.is_key(b'q'), "a paste may take its time");
    }
}
