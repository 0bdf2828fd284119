//! Which character stands between the cells, where the job does not say: looked for in the head of the text.
//!
//! Must never choose in silence between two that both fit, since a wrong one gives wrong columns: of a file the job has
//! to say which it is; a stream has no place to say it, so that the first is taken and the run warns. Must never let it
//! matter how a stream was cut into reads.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};

use crate::source::lines::Lines;

/// Bytes of the head that are looked at.
pub(super) const HEAD: u64 = 64 * 1024;

/// Rows of the head that are looked at.
const ROWS: usize = 100;

/// What may stand between cells; where nothing speaks for any, the first one.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the head of a text says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// Cells stand between these.
    Found(u8),
    /// Two that give every row as many cells as the first, a comma before all: each with their number.
    Unclear([(u8, usize); 2]),
}

/// How well a candidate fits.
struct Fit {
    delimiter: u8,
    /// Cells of the first row.
    width: usize,
    rows: usize,
    /// Rows with as many cells as the first.
    alike: usize,
    /// Whether a quote is open at the end.
    open: bool,
}

/// That of these two either fits `name`, in words.
pub(super) fn either(name: &str, [(first, few), (second, more)]: [(u8, usize); 2]) -> String {
    let [first, second] = [first, second].map(shown);
    format!("the rows of {name} have {few} cells between `{first}` and {more} between `{second}`: either fits")
}

/// A delimiter as a job writes it.
pub(super) fn shown(delimiter: u8) -> String {
    char::from(delimiter).escape_default().to_string()
}

/// Looks for the delimiter in `head`, which is the `whole` text or its beginning.
pub(super) fn sniff(head: &[u8], whole: bool) -> Sniffed {
    let fits = CANDIDATES.map(|delimiter| fit(head, whole, delimiter));
    let several: Vec<&Fit> = fits.iter().filter(|fit| fit.width > 1).collect();
    let perfect: Vec<&Fit> = several.iter().copied().filter(|fit| fit.alike == fit.rows).collect();
    match perfect.as_slice() {
        [only] => Sniffed::Found(only.delimiter),
        [first, second, ..] => Sniffed::Unclear([(first.delimiter, first.width), (second.delimiter, second.width)]),
        [] => {
            let mut best: Option<&Fit> = None;
            for fit in several {
                // Shares compared without dividing; the earlier one stays where they are the same.
                if best.is_none_or(|best| fit.alike * best.rows > best.alike * fit.rows) {
                    best = Some(fit);
                }
            }
            Sniffed::Found(best.map_or(CANDIDATES[0], |fit| fit.delimiter))
        }
    }
}

/// The delimiter of a stream, of which no more is taken into `head` than tells it: a stream may keep its reader
/// waiting. The lines are looked at one after the other, however many come at once.
///
/// # Errors
/// When the stream can't be read.
pub(super) fn ahead(head: &mut Vec<u8>, stream: &mut impl Read) -> io::Result<Sniffed> {
    let (mut taken, mut ends, mut is_over) = (vec![0; 8 * 1024], Ends::default(), false);
    loop {
        while let Some(end) = ends.next(head) {
            if let Some(delimiter) = told(&head[..end]) {
                return Ok(Sniffed::Found(delimiter));
            }
        }
        let left = usize::try_from(HEAD).unwrap_or(usize::MAX).saturating_sub(head.len()).min(taken.len());
        if is_over || left == 0 {
            return Ok(sniff(head, is_over));
        }
        let bytes = match stream.read(&mut taken[..left]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        head.extend_from_slice(&taken[..bytes]);
        is_over = bytes == 0;
    }
}

/// The delimiter that complete lines tell; `None`: they hold no record, a quote is open, or more has to be seen.
fn told(lines: &[u8]) -> Option<u8> {
    let fits = CANDIDATES.map(|delimiter| fit(lines, true, delimiter));
    if fits.iter().any(|fit| fit.open || fit.rows == 0) {
        return None;
    }
    let mut several = fits.iter().filter(|fit| fit.width > 1).peekable();
    if several.peek().is_none() {
        return Some(CANDIDATES[0]);
    }
    let mut perfect = several.filter(|fit| fit.alike == fit.rows);
    perfect.next().filter(|_| perfect.next().is_none()).map(|fit| fit.delimiter)
}

/// Where lines that are not blank end, as far as there are rows to be looked at.
#[derive(Default)]
struct Ends {
    /// Where the next line begins.
    next: usize,
    lines: usize,
}

impl Ends {
    fn next(&mut self, head: &[u8]) -> Option<usize> {
        while self.lines <= ROWS {
            let line = &head[self.next..];
            // A line that is cut off tells nothing yet.
            let line = &line[..=line.iter().position(|byte| *byte == b'\n')?];
            self.next += line.len();
            if line.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                self.lines += 1;
                return Some(self.next);
            }
        }
        None
    }
}

fn fit(head: &[u8], whole: bool, delimiter: u8) -> Fit {
    let lines = Lines::new(head, delimiter);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(lines);
    let (mut widths, mut record, mut open) = (Vec::new(), ByteRecord::new(), false);
    while widths.len() <= ROWS {
        reader.get_mut().begin();
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            break;
        }
        open = reader.get_ref().open_quote().is_some();
        widths.push(record.len());
    }
    // The last row of a head is cut off somewhere.
    if widths.len() > ROWS || (!whole && widths.len() > 1) {
        widths.pop();
    }
    let width = widths.first().copied().unwrap_or_default();
    Fit { delimiter, width, rows: widths.len(), alike: widths.iter().filter(|other| **other == width).count(), open }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_fits_every_row() {
        for (text, delimiter) in [
            (&b"a,b\n1,2\n"[..], b','),
            (b"a;b\n1,5;2,5\n", b';'),
            (b"name;price\nx;1,5\ny;2,5\n", b';'),
            (b"a\tb c\n1,2\t3;4\n", b'\t'),
            (b"a|b\r\n1|2\r\n", b'|'),
            (b"\"a;b\",c\n\"1;2\",3\n", b','),
            (b"id,tags\n1,a|b\n2,c|d\n", b','),
            (b"text\nhello; world\nagain; hello\n", b','),
            (b"a,b,c\n1,2\n3,4,5\n6,7,8,9\n", b','),
            (b"a;b;c\n1;2\n3;4;5\n6;7;8;9\n", b';'),
            (b"\n\na;b", b';'),
            (b"one\n", b','),
            (b"", b','),
        ] {
            assert_eq!(sniff(text, true), Sniffed::Found(delimiter), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn two_that_fit_are_told() {
        let unclear = Sniffed::Unclear([(b',', 3), (b';', 2)]);
        assert_eq!(sniff(b"1,5;2,5\n3,5;4,5\n", true), unclear);
        assert_eq!(sniff(b"a,b;c,d\n", true), unclear);
    }

    #[test]
    fn a_row_that_is_cut_off_says_nothing() {
        assert_eq!(sniff(b"a;b;c\n1;2;3\n4", false), Sniffed::Found(b';'));
        assert_eq!(sniff(b"a;b;c", false), Sniffed::Found(b';'));
        let long = [&b"a;b\n"[..], &b"1;2\n".repeat(200), b"ragged\n"].concat();
        assert_eq!(sniff(&long, true), Sniffed::Found(b';'), "so many rows are enough");
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_wrote_is_found(
            delimiter in prop::sample::select(&CANDIDATES[..]),
            table in prop::collection::vec(prop::collection::vec("[a-z,;|\t\"\n ]{0,6}", 3), 0..6),
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            table.iter().for_each(|row| writer.write_record(row).unwrap());
            prop_assert_eq!(sniff(&writer.into_inner().unwrap(), true), Sniffed::Found(delimiter));
        }
    }

    /// Gives a line with each read, and fails when more is asked for.
    struct Lines(Vec<&'static [u8]>);

    impl Read for Lines {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("read on"));
            }
            let line = self.0.remove(0);
            into[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    fn of_stream(lines: &[&'static [u8]]) -> (Sniffed, usize) {
        let (mut head, mut stream) = (Vec::new(), Lines(lines.to_vec()));
        let sniffed = ahead(&mut head, &mut stream).unwrap();
        assert_eq!([head, stream.0.concat()].concat(), lines.concat(), "nothing is lost");
        (sniffed, stream.0.len())
    }

    #[test]
    fn no_more_of_a_stream_is_taken_than_tells_it() {
        for (lines, delimiter, left) in [
            (vec![&b"a;b\n"[..], b"1;2\n"], b';', 1),
            (vec![b"a;", b"b\n", b"1;2\n"], b';', 1),
            (vec![b"a,b\n1,2\n"], b',', 0),
            (vec![b"sku\n", b"a;b\n"], b',', 1),
            (vec![b"name, first;x\n", b"a;1\n", b"b;2\n"], b';', 1),
            (vec![b"name, first;x\n", b"a;1,5\n", b"b;2\n", b"c;3\n"], b';', 1),
            (vec![b"\n\n", b"a;b\n", b"1;2\n"], b';', 1),
            (vec![b"\r\n", b"\r\n", b"a;b\n", b"1;2\n"], b';', 1),
            (vec![b"\"a\n", b"b\";c\n", b"1;2\n"], b';', 1),
            (vec![b"a;\"b,\n", b"\n", b"c\"\n", b"1;2\n"], b';', 1),
        ] {
            let shown = String::from_utf8_lossy(&lines.concat()).into_owned();
            assert_eq!(of_stream(&lines), (Sniffed::Found(delimiter), left), "{shown:?}");
        }
        assert!(ahead(&mut Vec::new(), &mut Lines(vec![b"a;b"])).is_err());
    }

    #[test]
    fn the_end_of_a_stream_tells_what_there_is() {
        for (text, delimiter) in [
            (&b"a;b"[..], b';'),
            (b"a;b,c\n1;2,3\n1;2;3,4", b','),
            (b"", b','),
            (b"a\tb\n", b'\t'),
            (b"\n\na;b", b';'),
            (b"\r\na;b", b';'),
            (b"\"a\nb\";c", b';'),
        ] {
            let shown = String::from_utf8_lossy(text);
            // The first bytes have been read already where it is asked whether there is a mark.
            for first in 0..=text.len().min(3) {
                let (mut head, mut rest) = (text[..first].to_vec(), &text[first..]);
                assert_eq!(ahead(&mut head, &mut rest).unwrap(), Sniffed::Found(delimiter), "{shown:?} from {first}");
            }
        }
        for (text, two) in [(&b"a;b,c\n1;2,3\n"[..], (b';', 2)), (b"a,b\tc", (b'\t', 2))] {
            assert_eq!(ahead(&mut Vec::new(), &mut &*text).unwrap(), Sniffed::Unclear([(b',', 2), two]));
        }
        let unclear = Sniffed::Unclear([(b';', 2), (b'\t', 2)]);
        assert_eq!(ahead(&mut Vec::new(), &mut &b"a;b\tc"[..]).unwrap(), unclear, "the first of them");
    }

    /// Gives so many bytes with each read.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_tells_nothing(text in "([ab,;|\"]{1,5}[\r\n]{1,2}){0,6}", size in 1_usize..20) {
            let whole = ahead(&mut Vec::new(), &mut text.as_bytes()).unwrap();
            prop_assert_eq!(ahead(&mut Vec::new(), &mut Pieces(text.as_bytes(), size)).unwrap(), whole);
        }
    }

    #[test]
    fn no_more_of_a_stream_than_the_head_of_a_file_is_looked_at() {
        let text = b"a,b;c\n".repeat(20_000);
        for size in [1_000, 100_000] {
            let mut head = Vec::new();
            let sniffed = ahead(&mut head, &mut Pieces(&text, size)).unwrap();
            assert_eq!((sniffed, head.len() as u64), (Sniffed::Unclear([(b',', 2), (b';', 2)]), HEAD));
        }
    }
}
