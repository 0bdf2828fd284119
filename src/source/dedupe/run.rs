//! Sorted fingerprints in a file that has no name: written once, from front to back, and looked into a page at a time.
//!
//! The first fingerprint of each page is kept in memory, so that one read tells. What was written is in the page
//! cache, which the machine gives away when it has better use of it. Must never be written to once it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Fingerprint;
use super::filter::Filter;
use crate::{environment, random};

/// Bytes of a fingerprint.
const WIDTH: usize = size_of::<Fingerprint>();
/// Fingerprints of a page, unless there are so many pages then that their beginnings fill the memory.
const PAGE: usize = 256;
/// Most pages of a file: their beginnings take 2 MiB.
const MOST_PAGES: usize = 1 << 17;
/// Fingerprints that are read or written at once while files are merged.
const AT_ONCE: usize = 4096;

/// Fingerprints in a file.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    held: usize,
    page: usize,
    /// The first of each page.
    begins: Vec<Fingerprint>,
    filter: Filter,
}

impl Run {
    /// How many there are.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether a fingerprint is among them; `bytes` is used for reading.
    pub fn contains(&self, print: Fingerprint, bytes: &mut Vec<u8>) -> io::Result<bool> {
        if !self.filter.may_have(print) {
            return Ok(false);
        }
        let Some(page) = self.begins.partition_point(|begin| *begin <= print).checked_sub(1) else {
            return Ok(false);
        };
        let first = page * self.page;
        self.read(first, self.page.min(self.held - first), bytes)?;
        let (mut low, mut high) = (0, bytes.len() / WIDTH);
        while low < high {
            let middle = usize::midpoint(low, high);
            if at(bytes, middle) < print { low = middle + 1 } else { high = middle }
        }
        Ok(low * WIDTH < bytes.len() && at(bytes, low) == print)
    }

    #[cfg(test)]
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }

    fn read(&self, first: usize, count: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.resize(count * WIDTH, 0);
        self.file.read_exact_at(bytes, (first * WIDTH) as u64)
    }

    /// Without its filter, which merging does not need.
    pub fn bare(mut self) -> Self {
        self.filter = Filter::new(0, 0);
        self
    }
}

fn at(bytes: &[u8], position: usize) -> Fingerprint {
    let mut print = [0; WIDTH];
    print.copy_from_slice(&bytes[position * WIDTH..(position + 1) * WIDTH]);
    Fingerprint::from_le_bytes(print)
}

/// The fingerprints of a run, ascending.
pub(super) struct Reading<'r> {
    run: &'r Run,
    bytes: Vec<u8>,
    /// How many were read from the file.
    read: usize,
    /// Position of the next one in `bytes`.
    next: usize,
}

impl<'r> Reading<'r> {
    /// From the first one.
    pub fn of(run: &'r Run) -> Self {
        Self { run, bytes: Vec::new(), read: 0, next: 0 }
    }

    /// The next one.
    pub fn next(&mut self) -> io::Result<Option<Fingerprint>> {
        if self.next * WIDTH >= self.bytes.len() {
            let count = AT_ONCE.min(self.run.held - self.read);
            if count == 0 {
                return Ok(None);
            }
            self.run.read(self.read, count, &mut self.bytes)?;
            self.read += count;
            self.next = 0;
        }
        self.next += 1;
        Ok(Some(at(&self.bytes, self.next - 1)))
    }
}

/// A run that is being written.
pub(super) struct Writing {
    file: BufWriter<File>,
    held: usize,
    page: usize,
    begins: Vec<Fingerprint>,
    filter: Filter,
}

impl Writing {
    /// For so many fingerprints, with a filter of so many bytes at most.
    pub fn new(prints: usize, filter: usize) -> io::Result<Self> {
        let page = PAGE.max(prints.div_ceil(MOST_PAGES));
        let file = BufWriter::with_capacity(AT_ONCE * WIDTH, unnamed()?);
        let begins = Vec::with_capacity(prints.div_ceil(page));
        Ok(Self { file, held: 0, page, begins, filter: Filter::new(prints, filter) })
    }

    /// Adds one that is larger than those before it.
    pub fn add(&mut self, print: Fingerprint) -> io::Result<()> {
        if self.held.is_multiple_of(self.page) {
            self.begins.push(print);
        }
        self.filter.add(print);
        self.held += 1;
        self.file.write_all(&print.to_le_bytes())
    }

    /// All are there.
    pub fn whole(self) -> io::Result<Run> {
        let Self { file, held, page, begins, filter } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Run { file, held, page, begins, filter })
    }
}

/// The folder of temporary files that are large: `/tmp` is often memory.
pub(super) fn folder() -> PathBuf {
    let lasting = PathBuf::from("/var/tmp");
    match environment::variable("TMPDIR").filter(|named| !named.is_empty()) {
        Some(named) => PathBuf::from(named),
        None if lasting.is_dir() => lasting,
        None => PathBuf::from("/tmp"),
    }
}

/// A file that goes with whoever has it open.
fn unnamed() -> io::Result<File> {
    let path = folder().join(format!("paceline-dedupe-{:016x}", random::bits()));
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
