//! The text of an output without some of its records. Must never cut where no line begins and ends.

use std::fs::File;
use std::io::{self, BufRead, Read};

use crate::sink::{Cursor, Form};

/// Whether each of these places, which ascend, begins and ends with a line of the text.
pub(super) fn stand_on_lines(spans: &[(u64, u64)], mut text: impl BufRead) -> io::Result<bool> {
    let mut position = 0;
    for place in spans.iter().flat_map(|(start, end)| [*start, *end]) {
        if place == position {
            continue;
        }
        let Some(line) = place.checked_sub(position) else { return Ok(false) };
        let mut last = [0];
        let before = io::copy(&mut Read::by_ref(&mut text).take(line - 1), &mut io::sink())?;
        if before < line - 1 || text.read(&mut last)? == 0 || last != [b'\n'] {
            return Ok(false);
        }
        position = place;
    }
    Ok(true)
}

/// What is to be committed of an output without `spans`, which ascend.
pub(super) fn without<'f>(
    spans: &'f [(u64, u64)],
    form: Form,
    file: &'f File,
    cursor: Cursor,
) -> io::Result<impl Read + 'f> {
    let text = form.text_before(cursor);
    let lines = text + form.joint(text).len() as u64;
    let left = lines - spans.iter().map(|(start, end)| end - start).sum::<u64>();
    let kept = Without { text: form.lines(file, cursor)?, spans, position: 0, lines };
    Ok(kept.take(form.without_joint(left)))
}

/// A text of so many bytes without some of them.
struct Without<'s, R> {
    text: R,
    spans: &'s [(u64, u64)],
    position: u64,
    lines: u64,
}

impl<R: BufRead> Read for Without<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(((start, end), rest)) =
            self.spans.split_first().filter(|((start, _), _)| *start <= self.position)
        {
            let gone = end - start;
            if io::copy(&mut Read::by_ref(&mut self.text).take(gone), &mut io::sink())? != gone {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (self.position, self.spans) = (*end, rest);
        }
        let next = self.spans.first().map_or(self.lines, |(start, _)| *start);
        let read = Read::by_ref(&mut self.text).take(next - self.position).read(out)?;
        if read == 0 && next > self.position && !out.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than the journal says"));
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::super::{rewrite, verify};
    use super::*;
    use crate::sink::fill;
    use crate::source::unpack::Unpacked;

    const FILES: [&str; 6] = ["x.csv", "x.json", "x.csv.gz", "x.json.gz", "x.csv.zst", "x.json.zst"];

    fn form(name: &str) -> Form {
        let form = Form::of(Path::new(name));
        if name.contains("json") { form.in_array() } else { form }
    }

    /// The whole text of a file of these records, and where each of them stands.
    fn shape(is_array: bool, records: &[&str]) -> (String, Vec<(u64, u64)>) {
        let mut text = if is_array { "[\n" } else { "head\n" }.to_owned();
        let mut places = Vec::new();
        for record in records {
            let start = text.len() as u64;
            text += record;
            text += if is_array { ",\n" } else { "\n" };
            places.push((start, text.len() as u64));
        }
        if is_array {
            text.truncate(text.trim_end_matches([',', '\n']).len());
            text += "\n]\n";
        }
        (text, places)
    }

    fn whole(path: &Path) -> String {
        let mut text = String::new();
        Unpacked::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    fn written(folder: &Path, name: &str, records: &[&str]) -> (PathBuf, Cursor, Vec<(u64, u64)>) {
        let (path, form) = (folder.join(name), form(name));
        let (text, places) = shape(name.contains("json"), records);
        let committed = text.strip_suffix("\n]\n").unwrap_or(&text);
        let file = crate::disk::File::open(&path, crate::disk::Way::Empty).unwrap();
        let cursor = fill(file, &path, form, committed.as_bytes()).unwrap();
        assert_eq!(whole(&path), text, "{name}");
        (path, cursor, places)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_left_is_as_if_the_others_had_never_been(
            records in prop::collection::vec(("[a-z]{1,9}", any::<bool>()), 0..12),
            name in prop::sample::select(&FILES[..]),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let texts: Vec<&str> = records.iter().map(|(text, _)| text.as_str()).collect();
            let (path, cursor, places) = written(folder.path(), name, &texts);
            let gone: Vec<_> = places.iter().zip(&records).filter(|(_, (_, gone))| *gone).map(|(place, _)| *place).collect();
            prop_assert!(verify((&path, form(name)), cursor, &gone, true).is_ok());
            let (rename, cursor) = rewrite((&path, form(name)), cursor, &gone).unwrap();
            let left: Vec<&str> = records.iter().filter(|(_, gone)| !gone).map(|(text, _)| text.as_str()).collect();
            prop_assert_eq!(whole(&rename.from), shape(name.contains("json"), &left).0);
            // And it can be healed again.
            prop_assert!(verify((&rename.from, form(name)), cursor, &[], true).is_ok());
        }
    }

    #[test]
    fn what_stands_behind_a_complete_run_is_looked_at() {
        for name in FILES {
            let folder = tempfile::tempdir().unwrap();
            let (path, cursor, places) = written(folder.path(), name, &["one", "two"]);
            let bytes = std::fs::read(&path).unwrap();
            let output = (path.as_path(), form(name));
            assert!(verify(output, cursor, &places, true).is_ok(), "{name}");
            let committed = usize::try_from(cursor.offset).unwrap();
            let mut others = vec![[&bytes[..], b"1\n"].concat(), [&bytes[..], &bytes[..]].concat()];
            if committed < bytes.len() {
                others.push(bytes[..committed].to_vec());
                others.push(bytes[..bytes.len() - 2].to_vec());
            }
            for other in others {
                std::fs::write(&path, &other).unwrap();
                assert!(verify(output, cursor, &places, true).unwrap_err().contains("was edited"), "{name}");
                // A run that was cut off leaves such things itself.
                assert!(verify(output, cursor, &places, false).is_ok(), "{name}");
            }
            std::fs::write(&path, &bytes).unwrap();
            let torn = [(places[0].0 + 1, places[0].1)];
            assert!(verify(output, cursor, &torn, true).is_err(), "{name}: no line begins there");
            let beyond = [(places[1].0, places[1].1 + 1)];
            assert!(verify(output, cursor, &beyond, true).is_err(), "{name}: behind the last commit");
        }
    }

    #[test]
    fn an_array_that_was_never_added_to_ends_as_somebody_else_left_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cursor, _) = written(folder.path(), "x.json", &["1"]);
        let output = (path.as_path(), form("x.json"));
        std::fs::write(&path, "[\n1  \n ]  \n").unwrap();
        assert!(verify(output, cursor, &[], true).is_ok());
        std::fs::write(&path, "[\n1, 2]\n").unwrap();
        assert!(verify(output, cursor, &[], true).is_err());
    }

    #[test]
    fn places_that_overlap_are_none_of_ours() {
        let lines = || BufReader::new(&b"one\ntwo\nthree\n"[..]);
        assert!(stand_on_lines(&[(0, 4), (4, 8), (8, 8), (8, 14)], lines()).unwrap());
        assert!(!stand_on_lines(&[(0, 8), (4, 8)], lines()).unwrap());
        assert!(!stand_on_lines(&[(0, 15)], lines()).unwrap());
    }
}
