//! Which character stands between the cells, where the job does not say: looked for in the head of the text.
//!
//! Must never choose between two that both fit: a wrong one gives wrong columns, so that the job has to say.

use std::io::{self, Read};

use csv::ReaderBuilder;

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
    /// Two that give every row as many cells as the first: each with their number.
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
}

/// Looks for the delimiter in `head`, which is the `whole` text or its beginning.
pub(super) fn sniff(head: &[u8], whole: bool) -> Sniffed {
    let fits: Vec<Fit> = CANDIDATES.iter().map(|delimiter| fit(head, whole, *delimiter)).collect();
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
/// waiting. Where two fit to the end of the head it is the first of them, a comma before all.
///
/// # Errors
/// When the stream can't be read.
pub(super) fn ahead(head: &mut Vec<u8>, stream: &mut impl Read) -> io::Result<u8> {
    let mut taken = vec![0; 8 * 1024];
    loop {
        // A line that is cut off tells nothing yet.
        let lines = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if lines > 0
            && let Sniffed::Found(delimiter) = sniff(&head[..lines], false)
        {
            return Ok(delimiter);
        }
        let bytes = match stream.read(&mut taken) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        head.extend_from_slice(&taken[..bytes]);
        if bytes == 0 || head.len() as u64 >= HEAD {
            return Ok(match sniff(head, bytes == 0) {
                Sniffed::Found(delimiter) | Sniffed::Unclear([(delimiter, _), _]) => delimiter,
            });
        }
    }
}

fn fit(head: &[u8], whole: bool, delimiter: u8) -> Fit {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(head);
    let mut widths: Vec<usize> = reader.byte_records().take(ROWS + 1).flatten().map(|record| record.len()).collect();
    // The last row of a head is cut off somewhere.
    if widths.len() > ROWS || (!whole && widths.len() > 1) {
        widths.pop();
    }
    let width = widths.first().copied().unwrap_or_default();
    Fit { delimiter, width, rows: widths.len(), alike: widths.iter().filter(|other| **other == width).count() }
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

    #[test]
    fn no_more_of_a_stream_is_taken_than_tells_it() {
        for (lines, delimiter, left) in [
            (vec![&b"a;b\n"[..], b"1;2\n"], b';', 1),
            (vec![b"a;", b"b\n", b"1;2\n"], b';', 1),
            (vec![b"a,b\n1,2\n"], b',', 0),
            (vec![b"sku\n", b"a;b\n"], b',', 1),
            (vec![b"name, first;x\n", b"a;1\n", b"b;2\n", b"c;3\n"], b';', 1),
        ] {
            let (mut head, mut stream) = (Vec::new(), Lines(lines.clone()));
            assert_eq!(ahead(&mut head, &mut stream).unwrap(), delimiter);
            assert_eq!(stream.0.len(), left, "{}", String::from_utf8_lossy(&lines.concat()));
            assert_eq!([head, stream.0.concat()].concat(), lines.concat(), "nothing is lost");
        }
        assert!(ahead(&mut Vec::new(), &mut Lines(vec![b"a;b"])).is_err());
    }

    #[test]
    fn the_end_of_a_stream_tells_what_there_is() {
        for (text, delimiter) in
            [(&b"a;b"[..], b';'), (b"a;b,c\n1;2,3\n", b','), (b"a;b\tc", b';'), (b"", b','), (b"a\tb\n", b'\t')]
        {
            assert_eq!(ahead(&mut Vec::new(), &mut &*text).unwrap(), delimiter);
        }
    }
}
