//! The spool of a sink: its records as lines of JSON, in files of the state folder that are cut off at the front.
//!
//! ```text
//! sink-RUN-out.0.jsonl    {"columns":["sku","price"],"types":["string","int"]}      the head, in every file
//!                         ["a",1]                                                  a record
//!                         {"take":["a",1]}                                         a record that has to go again
//! sink-RUN-out.16777301.jsonl                                                      named by the byte where it begins
//! ```
//! Places are counted in bytes over all files, so that a place means the same as long as the run lasts. A file is begun
//! only where a commit has ended the one before. Must never drop a file that holds a line which was not delivered.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Load, NOTE};
use crate::disk;
use crate::sink::appender::Appender;
use crate::sink::cells::json;
use crate::sink::target::Target;
use crate::sink::typed::ColumnType;
use crate::sink::{Cursor, SinkError, Start};

/// Bytes of a file before the next is begun.
pub(super) const SEGMENT: u64 = 16 << 20;

/// First line of every file: what the values of a line are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Their types, in the same order.
    pub types: Vec<ColumnType>,
}

/// The files of a spool, by name.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    folder: PathBuf,
    /// The run and the sink, as part of a file's name.
    name: String,
}

impl Folder {
    /// The files of a sink in a state folder.
    pub fn new(state: &Path, run: &str, sink: &str) -> Self {
        // A name may hold anything that TOML lets it hold.
        let name = percent_encoding::utf8_percent_encode(sink, percent_encoding::NON_ALPHANUMERIC).to_string();
        let name = name.replace("%2D", "-").replace("%5F", "_");
        Self { folder: state.to_owned(), name: format!("{run}-{name}") }
    }

    /// The file that begins at a place.
    pub fn path(&self, start: u64) -> PathBuf {
        self.folder.join(format!("sink-{}.{start}.jsonl", self.name))
    }

    /// The note that a destination keeps beside them.
    pub fn note(&self) -> PathBuf {
        self.folder.join(format!("sink-{}{NOTE}", self.name))
    }

    /// Where its files begin, ascending.
    pub fn starts(&self) -> Result<Vec<u64>, SinkError> {
        let failed = |error: std::io::Error| self.failed("can't be listed", &error);
        let mut starts = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let start = name.to_str().and_then(|name| name.strip_prefix("sink-")?.strip_suffix(".jsonl"));
            let start = start.and_then(|name| name.strip_prefix(self.name.as_str())?.strip_prefix('.'));
            starts.extend(start.and_then(|start| start.parse::<u64>().ok()));
        }
        starts.sort_unstable();
        Ok(starts)
    }

    /// Drops the files that begin at these places.
    pub fn remove(&self, starts: impl IntoIterator<Item = u64>) -> Result<(), SinkError> {
        for start in starts {
            disk::remove(&self.path(start)).map_err(|error| self.failed("can't be dropped", &error))?;
        }
        Ok(())
    }

    /// The head of the file that begins at a place.
    pub fn head(&self, start: u64) -> Result<Head, SinkError> {
        let mut line = String::new();
        let read = File::open(self.path(start)).and_then(|file| BufReader::new(file).read_line(&mut line));
        read.map_err(|error| self.failed("can't be read", &error))?;
        serde_json::from_str(&line).map_err(|error| SinkError::new(format!("{} can't be read: {error}", self.shown())))
    }

    /// The file that begins at `start`, `skip` bytes behind its beginning.
    fn open(&self, start: u64, skip: u64) -> Result<BufReader<File>, SinkError> {
        let opened = File::open(self.path(start)).and_then(|mut file| file.seek(SeekFrom::Start(skip)).map(|_| file));
        let file = opened.map_err(|error| self.failed("can't be read", &error))?;
        Ok(BufReader::with_capacity(1 << 17, file))
    }

    fn shown(&self) -> String {
        format!("the spool {}", self.folder.join(format!("sink-{}.*.jsonl", self.name)).display())
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> SinkError {
        SinkError::new(format!("{} {what}: {error}", self.shown()))
    }
}

/// The end of a spool, where lines are added.
#[derive(Debug)]
pub(super) struct Segments {
    folder: Folder,
    /// Where the file begins that is written.
    start: u64,
    output: Appender,
    head: Option<Head>,
}

impl Segments {
    /// Opens a spool where a sink begins, and gives the places where its files begin. What an earlier run left goes, and
    /// so does what was written behind the cursor.
    pub fn open(folder: Folder, start: Start) -> Result<(Self, Vec<u64>), SinkError> {
        let found = folder.starts()?;
        let Start::Resume(cursor) = start else {
            folder.remove(found)?;
            let output = Target::private(folder.path(0)).open(Start::New, b"")?;
            return Ok((Self { folder, start: 0, output, head: None }, vec![0]));
        };
        // A file that begins where the commit ends was begun after it.
        let (kept, dropped): (Vec<u64>, Vec<u64>) =
            found.into_iter().partition(|start| *start < cursor.offset || *start == 0);
        folder.remove(dropped)?;
        let start = kept.last().copied().unwrap_or_default();
        let local = Cursor { offset: cursor.offset - start, ..cursor };
        let output = Target::private(folder.path(start)).open(Start::Resume(local), b"")?;
        let head = (local.offset > 0).then(|| folder.head(start)).transpose()?;
        let kept = if kept.is_empty() { vec![start] } else { kept };
        Ok((Self { folder, start, output, head }, kept))
    }

    /// What its lines hold, once that is known.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Fixes what its lines hold.
    pub fn begin(&mut self, head: Head) {
        self.write_head(&head);
        self.head = Some(head);
    }

    fn write_head(&mut self, head: &Head) {
        json(head, self.output.buffer());
        self.output.buffer().push(b'\n');
    }

    /// Adds a line by `write`; the place of a file that was begun for it.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Option<u64>, SinkError> {
        let begun = if self.is_ripe() { Some(self.next_file()?) } else { None };
        write(self.output.buffer());
        self.output.settle()?;
        Ok(begun)
    }

    /// Whether the file is large and everything in it is committed.
    fn is_ripe(&self) -> bool {
        self.output.text() >= SEGMENT && self.output.is_committed()
    }

    fn next_file(&mut self) -> Result<u64, SinkError> {
        let start = self.position();
        self.output = Target::private(self.folder.path(start)).open(Start::New, b"")?;
        self.start = start;
        if let Some(head) = self.head.take() {
            self.begin(head);
        }
        Ok(start)
    }

    /// The place of the next line.
    pub fn position(&self) -> u64 {
        self.start + self.output.position()
    }

    /// The record between two places, of which the first was [`Segments::position`] before it was added. It is written.
    pub fn line(&self, (from, to): (u64, u64)) -> Result<Box<str>, SinkError> {
        // Files that were dropped end before it.
        let mut starts = if from >= self.start { vec![self.start] } else { self.folder.starts()? };
        starts.retain(|start| *start <= self.start);
        let mut line = Vec::new();
        Reader::new(self.folder.clone(), from).next(&starts, to, &mut line)?;
        Ok(String::from_utf8_lossy(&line).into())
    }

    /// Makes everything durable.
    pub fn commit(&mut self) -> Result<Cursor, SinkError> {
        let local = self.output.commit()?;
        Ok(Cursor { offset: self.start + local.offset, ..local })
    }
}

/// Lines from a place on.
#[derive(Debug)]
pub(super) struct Reader {
    folder: Folder,
    /// The file that is read, and where it begins.
    open: Option<(BufReader<File>, u64)>,
    place: u64,
}

impl Reader {
    /// Lines from `place` on.
    pub fn new(folder: Folder, place: u64) -> Self {
        Self { folder, open: None, place }
    }

    /// The place behind what was read.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// Reads a line before `end` into `line`, without its end; `starts` are where files begin, of which the first lines
    /// are left out. Whether there was one.
    pub fn next(&mut self, starts: &[u64], end: u64, line: &mut Vec<u8>) -> Result<bool, SinkError> {
        while self.place < end {
            line.clear();
            let place = self.place;
            let read = self.file(starts)?.read_until(b'\n', line);
            self.place += read.map_err(|error| self.folder.failed("can't be read", &error))? as u64;
            if line.pop() != Some(b'\n') {
                let spool = self.folder.shown();
                return Err(SinkError::new(format!("{spool} can't be read: no whole line at byte {place}")));
            }
            if !starts.contains(&place) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Passes over lines before `end`, as many as make a load; how many these are.
    pub fn skip(&mut self, starts: &[u64], end: u64, load: Load) -> Result<usize, SinkError> {
        let (stop, mut line) = (self.place.saturating_add(load.bytes).min(end), Vec::new());
        let mut passed = 0;
        while passed < load.lines && self.place < stop && self.next(starts, end, &mut line)? {
            passed += 1;
        }
        Ok(passed)
    }

    /// The file that holds the place, at the place.
    fn file(&mut self, starts: &[u64]) -> Result<&mut BufReader<File>, SinkError> {
        let behind = starts.partition_point(|start| *start <= self.place);
        let start = behind.checked_sub(1).map(|position| starts[position]).ok_or_else(|| {
            let (spool, place) = (self.folder.shown(), self.place);
            SinkError::new(format!("{spool} begins behind byte {place}, from where it has to be delivered"))
        })?;
        let open = match self.open.take().filter(|(_, open)| *open == start) {
            Some(open) => open,
            None => (self.folder.open(start, self.place - start)?, start),
        };
        Ok(&mut self.open.insert(open).0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Delivery;
    use super::*;

    fn head() -> Head {
        Head { columns: vec!["a".into()], types: vec![ColumnType::Int] }
    }

    fn write(segments: &mut Segments, starts: &mut Vec<u64>, numbers: std::ops::Range<u64>) {
        for number in numbers {
            starts.extend(segments.add(|out| out.extend_from_slice(format!("[{number}]\n").as_bytes())).unwrap());
        }
    }

    fn numbers(reader: &mut Reader, starts: &[u64], end: u64) -> Vec<u64> {
        let (mut line, mut numbers) = (Vec::new(), Vec::new());
        while reader.next(starts, end, &mut line).unwrap() {
            numbers.push(serde_json::from_slice::<[u64; 1]>(&line).unwrap()[0]);
        }
        numbers
    }

    #[test]
    fn files_follow_each_other_and_are_read_as_one() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "r", "o/ut");
        let (mut segments, mut starts) = Segments::open(folder.clone(), Start::New).unwrap();
        segments.begin(head());
        let (mut next, mut reader) = (0, Reader::new(folder.clone(), 0));
        while starts.len() < 3 {
            write(&mut segments, &mut starts, next..next + 1_000_000);
            let end = segments.commit().unwrap().offset;
            assert_eq!(numbers(&mut reader, &starts, end), (next..next + 1_000_000).collect::<Vec<_>>());
            next += 1_000_000;
        }
        assert_eq!((folder.starts().unwrap(), folder.head(starts[2]).unwrap()), (starts.clone(), head()));
        // What was delivered is dropped; who would need it again is told.
        folder.remove([0]).unwrap();
        let error = Reader::new(folder, 5).next(&starts[1..], 100, &mut Vec::new()).unwrap_err();
        assert!(error.message.contains("begins behind byte 5"), "{error}");
    }

    #[test]
    fn a_load_ends_with_a_line_and_takes_no_more_lines_than_it_may() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "r", "out");
        let (mut segments, mut starts) = Segments::open(folder.clone(), Start::New).unwrap();
        segments.begin(head());
        let begin = segments.position();
        write(&mut segments, &mut starts, 0..100);
        let end = segments.commit().unwrap().offset;
        for (bytes, lines, count) in [(u64::MAX, 7, 7), (1, 7, 1), (9, 50, 3), (u64::MAX, 500, 100)] {
            let mut reader = Reader::new(folder.clone(), begin);
            reader.skip(&starts, end, Load { bytes, lines, is_full: false }).unwrap();
            let to = reader.place();
            assert_eq!(numbers(&mut Reader::new(folder.clone(), begin), &starts, to), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_resume_cuts_what_was_not_committed_and_drops_files_begun_since() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "r", "out");
        let (mut segments, mut starts) = Segments::open(folder.clone(), Start::New).unwrap();
        segments.begin(head());
        write(&mut segments, &mut starts, 0..3_000_000);
        let cursor = segments.commit().unwrap();
        write(&mut segments, &mut starts, 0..10);
        segments.commit().unwrap();
        assert_eq!(starts, [0, cursor.offset]);
        drop(segments);
        // All is delivered up to where the second file begins: what is dropped leaves a resume what it goes on in.
        assert_eq!(Delivery::new(0, Some(0), starts).delivered(cursor.offset), Vec::<u64>::new());
        for _ in 0..2 {
            let (mut segments, mut starts) = Segments::open(folder.clone(), Start::Resume(cursor)).unwrap();
            assert_eq!((starts.clone(), segments.position(), segments.head()), (vec![0], cursor.offset, Some(&head())));
            write(&mut segments, &mut starts, 7..8);
            let end = segments.commit().unwrap().offset;
            assert_eq!(numbers(&mut Reader::new(folder.clone(), cursor.offset), &starts, end), [7]);
        }
        std::fs::write(folder.path(0), "{}").unwrap();
        assert!(Segments::open(folder.clone(), Start::Resume(cursor)).is_err(), "edited");
        assert_eq!(Segments::open(folder, Start::New).unwrap().1, [0]);
    }
}
