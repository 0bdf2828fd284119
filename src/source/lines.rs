//! The reader under the CSV parser: knows the line a record begins at, and caps what one may hold.
//!
//! It hands out one line at a time, so that a record always begins with a call of `read`: the parser
//! buffers nothing beyond the record it reads. The parser's own count is late by every line end it
//! has left for the next record (CRLF) and by blank lines. Must never change a byte inside a record.

use std::io::{self, BufRead, BufReader, Read};

use super::quote::Quotes;

/// Most bytes of one record or line: an unclosed quote must not swallow the memory.
pub(super) const CAP: u64 = 16 * 1024 * 1024;

const BUFFER: usize = 128 * 1024;

/// Line-wise reader of a CSV text.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: BufReader<R>,
    line: u64,
    /// Whether the byte before was a CR: an LF behind it ends the same line.
    after_cr: bool,
    begun: u64,
    fresh: bool,
    left: u64,
    quotes: Quotes,
}

impl<R: Read> Lines<R> {
    /// Begins at line one of `inner`, whose cells stand between `delimiter`s.
    pub fn new(inner: R, delimiter: u8) -> Self {
        let (inner, quotes) = (BufReader::with_capacity(BUFFER, inner), Quotes::new(delimiter));
        Self { inner, line: 1, after_cr: false, begun: 1, fresh: true, left: CAP, quotes }
    }

    /// Says that the next byte begins a record.
    pub fn begin(&mut self) {
        self.fresh = true;
        self.left = CAP;
        self.quotes.begin();
    }

    /// The line of a quote that the record has opened and, as far as it was read, not closed. A record
    /// that has ended has one only where the text ended first.
    pub fn open_quote(&self) -> Option<u64> {
        self.quotes.open()
    }

    /// One-based line at which the record began.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether the record went over the cap.
    pub fn exhausted(&self) -> bool {
        self.left == 0
    }

    /// Passes over line ends before a record: blank lines, and the LF of a CRLF.
    fn skip_blank(&mut self) -> io::Result<()> {
        loop {
            let available = fill(&mut self.inner)?;
            let (mut blank, mut line, mut after_cr) = (0, self.line, self.after_cr);
            for byte in available.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')) {
                line += u64::from(ends_line(*byte, &mut after_cr));
                blank += 1;
            }
            let more = blank > 0 && blank == available.len();
            (self.line, self.after_cr) = (line, after_cr);
            self.inner.consume(blank);
            if !more {
                return Ok(());
            }
        }
    }
}

/// `fill_buf` that a signal does not end: the parser would take an interrupted read for a failure.
fn fill<R: Read>(inner: &mut BufReader<R>) -> io::Result<&[u8]> {
    while let Err(error) = inner.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(inner.buffer())
}

/// Whether a line ends with this byte: LF, CRLF and a CR alone end one.
fn ends_line(byte: u8, after_cr: &mut bool) -> bool {
    let ended = byte == b'\r' || (byte == b'\n' && !*after_cr);
    *after_cr = byte == b'\r';
    ended
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.fresh {
            self.skip_blank()?;
            self.begun = self.line;
            self.fresh = false;
        }
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let available = fill(&mut self.inner)?;
        let most = available.len().min(out.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let end = available[..most].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.map_or(most, |position| position + 1);
        out[..taken].copy_from_slice(&available[..taken]);
        self.quotes.take(&out[..taken], self.line);
        if taken > 0 {
            // A line end is the last byte, where there is one: what stands before it is no CR.
            self.after_cr &= taken == 1;
            self.line += u64::from(ends_line(out[taken - 1], &mut self.after_cr));
        }
        self.left -= taken as u64;
        self.inner.consume(taken);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_one_line_and_records_know_theirs() {
        let mut lines = Lines::new(&b"\r\n\na\r\n\r\nbc\n\"x\n\ny\"\n"[..], b',');
        let mut seen = Vec::new();
        let mut out = [0; 64];
        for inside in [false, false, false, true, true, false] {
            if !inside {
                lines.begin();
            }
            let taken = lines.read(&mut out).unwrap();
            seen.push((String::from_utf8_lossy(&out[..taken]).into_owned(), lines.begun()));
        }
        let expected = [("a\r", 3), ("bc\n", 5), ("\"x\n", 6), ("\n", 6), ("y\"\n", 6), ("", 9)];
        assert_eq!(seen, expected.map(|(text, line)| (text.to_owned(), line)));
    }

    #[test]
    fn a_record_over_the_cap_ends() {
        let mut lines = Lines::new(io::repeat(b'x'), b',');
        lines.begin();
        let copied = io::copy(&mut lines, &mut io::sink());
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(lines.exhausted());
        lines.begin();
        assert!(!lines.exhausted());
    }
}
