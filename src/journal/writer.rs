//! Appends commits and makes them durable; writes the journal anew when it has grown.
//!
//! Must never write again after a write or sync that failed: behind a half-written record nothing
//! could be read, and after a failed sync the system may have thrown the bytes away and call the
//! next sync a success.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::disk::File;

use super::compact::Compact;
use super::format::{append_frame, beginning};
use super::{Commit, FailedRow, JournalError, Opening};

/// No journal is compacted below this size, in bytes.
const SMALL: u64 = 16 << 20;
/// How many times the size of a compact journal it may have.
const GROWTH: u64 = 8;

/// Appends commits.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    /// Header and opening, with which a compact journal begins as well.
    beginning: Vec<u8>,
    file: File,
    length: u64,
    /// Length beyond which the journal is compacted.
    room: u64,
    frame: Vec<u8>,
    /// Why nothing more may be written.
    broken: Option<JournalError>,
}

impl Writer {
    /// Writes to `file`, which has this length, begins with `beginning` and ends with a whole frame;
    /// `path` is where it stands.
    pub(super) fn new(path: PathBuf, beginning: Vec<u8>, length: u64, file: File) -> Self {
        Self { path, beginning, file, length, room: SMALL, frame: Vec::new(), broken: None }
    }

    /// Appends a commit and makes it durable, with one write and one sync; or, where the journal has
    /// grown far beyond what it has to say, writes it anew with this commit as its last.
    ///
    /// # Errors
    /// When it can't. That is final: every later commit fails with the same words. What was
    /// committed before is safe, and a resume starts from there.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        self.lasting(|writer| writer.write(commit))
    }

    /// Goes on under another opening, for a job that changed and was accepted: the journal is written anew with
    /// this commit as its only one. Failed rows that still count are kept as `renumber` says.
    ///
    /// # Errors
    /// As [`Writer::commit`]; the journal is as it was then, or as it is meant to be.
    pub fn reopen(
        &mut self,
        opening: &Opening,
        commit: &Commit,
        renumber: &mut dyn FnMut(FailedRow) -> Option<FailedRow>,
    ) -> Result<(), JournalError> {
        self.lasting(|writer| {
            writer.beginning = beginning(opening)?;
            writer.put_into_frame(commit)?;
            let compact = Compact::write(&writer.path, &writer.beginning, &writer.frame, commit.healed, renumber)?;
            let (file, length) = compact.take_over()?;
            (writer.file, writer.length) = (file, length);
            Ok(())
        })
    }

    /// Writes the journal anew, however small it is.
    #[cfg(test)]
    pub(crate) fn commit_compactly(&mut self, commit: &Commit) -> Result<(), JournalError> {
        self.lasting(|writer| {
            writer.put_into_frame(commit)?;
            if writer.write_anew(commit.healed)? { Ok(()) } else { Err(io::Error::other("not compacted")) }
        })
    }

    fn lasting(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        write(self).map_err(|error| {
            let message = format!(
                "can't write the journal `{}`: {error}; what was committed before is safe, and `run` again goes on \
                 from there",
                self.path.display()
            );
            self.broken.insert(JournalError { message }).clone()
        })
    }

    fn write(&mut self, commit: &Commit) -> io::Result<()> {
        self.put_into_frame(commit)?;
        if self.has_grown() && self.write_anew(commit.healed)? {
            return Ok(());
        }
        self.file.write_all(&self.frame)?;
        self.file.sync_data()?;
        self.length += self.frame.len() as u64;
        Ok(())
    }

    fn put_into_frame(&mut self, commit: &Commit) -> io::Result<()> {
        self.frame.clear();
        append_frame(&mut self.frame, commit)
    }

    /// Whether the journal would be longer with the frame than what it says is worth.
    fn has_grown(&self) -> bool {
        let (frame, beginning) = (self.frame.len() as u64, self.beginning.len() as u64);
        self.length + frame > self.room.max((beginning + frame).saturating_mul(GROWTH))
    }

    /// Writes the journal anew with the frame as its last. `false` where that can't be done, for want of
    /// room for a second journal, say: the first is as it was, goes on to grow, and breaks nothing by that.
    fn write_anew(&mut self, healed: bool) -> io::Result<bool> {
        let Ok(compact) = Compact::write(&self.path, &self.beginning, &self.frame, healed, &mut Some) else {
            self.room = self.length.saturating_add(SMALL);
            return Ok(false);
        };
        let (file, length) = compact.take_over()?;
        (self.file, self.length) = (file, length);
        self.room = SMALL.max(length.saturating_mul(GROWTH));
        Ok(true)
    }
}
