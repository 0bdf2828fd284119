//! Compaction: a journal that has grown is written anew with what still counts.
//!
//! Every commit is the whole state but for the failed rows, which stand in the commit that followed
//! them. So a compact journal holds the opening, the failed rows that still count, in frames of bounded
//! size, and one commit. It is written beside, synced and renamed: a kill at any point leaves the old
//! journal or the new one, each of them whole.
//!
//! Must never touch the old journal before the new one is durable, nor hold all failed rows in memory:
//! a long run may have millions.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::disk::{self, File, Way};

use super::FailedRow;
use super::folder::{BESIDE, each_failed};
use super::format::{FailedNote, append_frame};

/// What becomes of a failed row; `None`: it is gone.
pub(super) type Keep<'k> = dyn FnMut(FailedRow) -> Option<FailedRow> + 'k;

/// Failed rows in one frame.
pub(super) const ROWS_OF_A_FRAME: usize = 10_000;

/// A compact journal beside the one it will replace: whole and durable.
#[derive(Debug)]
pub(super) struct Compact {
    file: File,
    beside: PathBuf,
    journal: PathBuf,
    length: u64,
}

impl Compact {
    /// Writes `beginning`, the failed rows of `journal` that count, and `frame`, which holds a commit.
    /// `healed`: whether that commit makes the rows noted before it count no more. Each row is kept as `keep` says.
    ///
    /// # Errors
    /// When it can't be written or the journal can't be read; the journal is as it was.
    pub(super) fn write(
        journal: &Path,
        beginning: &[u8],
        frame: &[u8],
        healed: bool,
        keep: &mut Keep<'_>,
    ) -> io::Result<Self> {
        let beside = journal.with_file_name(BESIDE);
        disk::remove_if_there(&beside)?;
        let file = File::open(&beside, Way::NewToExtend)?;
        let compact = Self { file, beside, journal: journal.to_owned(), length: 0 };
        // What can't be ended would take up room that is wanted elsewhere.
        let filled = compact.fill(beginning, frame, healed, keep);
        filled.inspect_err(|_| _ = disk::remove(&journal.with_file_name(BESIDE)))
    }

    fn fill(mut self, beginning: &[u8], frame: &[u8], healed: bool, keep: &mut Keep<'_>) -> io::Result<Self> {
        let mut notes = Notes { file: BufWriter::new(&self.file), start: beginning.len() as u64, rows: Vec::new() };
        notes.file.write_all(beginning)?;
        if !healed {
            let see = |healed, rows: Vec<FailedRow>| notes.note(healed, rows.into_iter().filter_map(&mut *keep));
            each_failed(&self.journal, see).map_err(io::Error::other)?;
        }
        notes.end(frame)?;
        drop(notes);
        self.file.sync_all()?;
        self.length = self.file.metadata()?.len();
        Ok(self)
    }

    /// Takes the journal's place: the file to go on with, and its length.
    ///
    /// # Errors
    /// When the rename fails or can't be made durable: which of the two will be found is not known then.
    pub(super) fn take_over(self) -> io::Result<(File, u64)> {
        disk::rename(&self.beside, &self.journal)?;
        disk::sync_name(&self.journal)?;
        Ok((self.file, self.length))
    }
}

/// Failed rows on their way into frames.
struct Notes<'f> {
    file: BufWriter<&'f File>,
    /// Where the first frame of them stands.
    start: u64,
    rows: Vec<FailedRow>,
}

impl Notes<'_> {
    fn note(&mut self, healed: bool, mut rows: impl Iterator<Item = FailedRow>) -> io::Result<()> {
        if healed {
            self.rows.clear();
            self.file.flush()?;
            self.file.get_ref().set_len(self.start)?;
        }
        loop {
            let room = ROWS_OF_A_FRAME - self.rows.len();
            self.rows.extend(rows.by_ref().take(room));
            if self.rows.len() < ROWS_OF_A_FRAME {
                return Ok(());
            }
            self.frame()?;
        }
    }

    fn frame(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        append_frame(&mut frame, &FailedNote { failed: std::mem::take(&mut self.rows) })?;
        self.file.write_all(&frame)
    }

    /// The last frame of them stands even where it is empty: should the commit behind it ever be damaged,
    /// what is left must not look like a run that has just begun.
    fn end(&mut self, commit: &[u8]) -> io::Result<()> {
        self.frame()?;
        self.file.write_all(commit)?;
        self.file.flush()
    }
}
