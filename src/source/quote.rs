//! Whether a CSV record is inside a quoted cell, and where that cell began.
//!
//! Follows the parser byte by byte, but looks only at lines with a quote in them. Must agree with the
//! parser on every text: a property test compares the two.

/// Where in a cell the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At its beginning, where a quote opens.
    Start,
    /// In a cell without quotes, or behind its closing quote: quotes are text there.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote inside quotes, which closes unless another follows.
    Closing,
}

/// The quotes of a record.
#[derive(Debug)]
pub(super) struct Quotes {
    delimiter: u8,
    state: State,
    opened: u64,
}

impl Quotes {
    /// Before the first record of a text.
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::Start, opened: 1 }
    }

    /// Says that the next byte begins a record.
    pub fn begin(&mut self) {
        self.state = State::Start;
    }

    /// Takes a piece of the record that stands in `line` and holds no line end but its last byte.
    pub fn take(&mut self, piece: &[u8], line: u64) {
        if piece.contains(&b'"') || self.state == State::Closing {
            piece.iter().for_each(|byte| self.step(*byte, line));
        } else if let (Some(last), false) = (piece.last(), self.state == State::Quoted) {
            self.state = if *last == self.delimiter { State::Start } else { State::Plain };
        }
    }

    fn step(&mut self, byte: u8, line: u64) {
        self.state = match (self.state, byte) {
            (State::Start, b'"') => {
                self.opened = line;
                State::Quoted
            }
            (State::Closing, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::Closing,
            (State::Quoted, _) => State::Quoted,
            (State::Start | State::Plain | State::Closing, byte) if byte == self.delimiter => State::Start,
            (State::Start | State::Plain | State::Closing, _) => State::Plain,
        };
    }

    /// The line at which the quote opened that is not closed.
    pub fn open(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(pieces: &[&str]) -> Option<u64> {
        let mut quotes = Quotes::new(b',');
        pieces.iter().zip(1..).for_each(|(piece, line)| quotes.take(piece.as_bytes(), line));
        quotes.open()
    }

    #[test]
    fn a_quote_opens_at_the_beginning_of_a_cell() {
        for pieces in [&["\"a"][..], &["a,\"b"], &["a,", "\"b"], &["\"a\",\"b"], &["\"a\"\"b"], &["\"a\"", "\"b"]] {
            assert_eq!(open(pieces), Some(if pieces.len() == 2 && pieces[0] == "a," { 2 } else { 1 }), "{pieces:?}");
        }
        for pieces in [&["a\"b"][..], &["\"a\""], &["\"a\" \"b"], &["a", "\"b"], &["\"a\"", "b\"c"], &[""]] {
            assert_eq!(open(pieces), None, "{pieces:?}");
        }
    }
}
