//! Appends commits and makes them durable.
//!
//! Must never write again after a write or sync that failed: behind a half-written record nothing
//! could be read, and after a failed sync the system may have thrown the bytes away and call the
//! next sync a success.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::format::append_frame;
use super::{Commit, JournalError};

/// What a journal is written to: a file, and in tests one that fails.
pub(super) trait Tape: Debug + Send {
    /// Writes all bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything appended durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Tape for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Appends commits.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    tape: Box<dyn Tape>,
    frame: Vec<u8>,
    /// Why nothing more may be written.
    broken: Option<JournalError>,
}

impl Writer {
    /// Writes to `tape`, which ends with a whole frame; `path` is its name for people.
    pub(super) fn new(path: PathBuf, tape: Box<dyn Tape>) -> Self {
        Self { path, tape, frame: Vec::new(), broken: None }
    }

    /// Appends a commit and makes it durable, with one write and one sync.
    ///
    /// # Errors
    /// When it can't. That is final: every later commit fails with the same words. What was
    /// committed before is safe, and a resume starts from there.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.write(commit).map_err(|error| {
            let message = format!(
                "can't write the journal `{}`: {error}; what was committed before is safe, and `run` again goes on \
                 from there",
                self.path.display()
            );
            self.broken.insert(JournalError { message }).clone()
        })
    }

    fn write(&mut self, commit: &Commit) -> io::Result<()> {
        self.frame.clear();
        append_frame(&mut self.frame, commit)?;
        self.tape.append(&self.frame)?;
        self.tape.sync()
    }
}
