//! The journal: which rows are done, and how far each sink has durably come.
//!
//! Append-only, checksummed, versioned. The scribe syncs sink bytes first, then appends one
//! [`Commit`], then syncs the journal; whatever is killed and when, a resume starts from the last
//! whole commit. Must never hold a secret or a rendered request.

pub mod rowset;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sink::Cursor;

pub use rowset::RowSet;

/// Version of the format; a journal of another version is refused with words.
pub const VERSION: u32 = 1;

/// First record of a journal: what the run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Format version.
    pub version: u32,
    /// Id of the run.
    pub run: String,
    /// Name of the job.
    pub job: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// [`crate::plan::Plan::identity`] at the start, inputs included.
    pub identity: BTreeMap<String, String>,
    /// Endpoint names by position.
    pub endpoints: Vec<String>,
    /// Sink names by position.
    pub sinks: Vec<String>,
}

/// Counts of ended rows over all sessions of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that ended ok.
    pub ok: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Attempts of ended rows.
    pub attempts: u64,
    /// Records written.
    pub records: u64,
}

impl Counts {
    /// Rows that have ended.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.ok + self.failed + self.skipped
    }
}

/// A commit: the whole state, so that the last one is enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Rows that have ended, by endpoint.
    pub done: Vec<RowSet>,
    /// Cursors, by sink; `None` until a sink's first commit.
    pub cursors: Vec<Option<Cursor>>,
    /// Counts, by endpoint.
    pub counts: Vec<Counts>,
    /// Rows that failed since the commit before: endpoint and row.
    #[serde(default)]
    pub failed: Vec<(usize, u64)>,
    /// Waits that servers asked for and that are not over: limit name → RFC 3339 time.
    #[serde(default)]
    pub holds: BTreeMap<String, String>,
    /// Whether every row has ended: the run is complete.
    #[serde(default)]
    pub complete: bool,
}

/// A journal as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// What the run is.
    pub opening: Opening,
    /// Its last whole commit; the default when there is none.
    pub last: Commit,
    /// Bytes of a torn record cut from the end; 0 normally.
    pub torn: u64,
}

/// A journal, lock or state folder that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalError {
    /// What went wrong, naming the file, and the way out.
    pub message: String,
}

/// The state folder of a job, locked: a second process is refused with the pid of the first.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: std::fs::File,
}

impl StateFolder {
    /// Makes the folder (0700, with a `.gitignore`) and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, or the folder can't be made.
    pub fn lock(path: &Path) -> Result<Self, JournalError> {
        let _ = path;
        todo!()
    }

    /// Path of the journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Reads the journal, if there is one. A torn end is left where it is until a [`Writer`] cuts it.
    ///
    /// # Errors
    /// When it is damaged in its middle (with the offset), or of another version.
    pub fn recover(&self) -> Result<Option<Recovered>, JournalError> {
        todo!()
    }

    /// Begins a new journal; one that exists is kept as `journal.1` (older ones are dropped).
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(&self, opening: &Opening) -> Result<Writer, JournalError> {
        let _ = opening;
        todo!()
    }

    /// Goes on with the journal that was recovered; cuts its torn end.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn resume(&self) -> Result<Writer, JournalError> {
        todo!()
    }

    /// Rows that failed in the recovered run, ascending, by endpoint.
    ///
    /// # Errors
    /// As [`StateFolder::recover`].
    pub fn failed_rows(&self) -> Result<Vec<Vec<u64>>, JournalError> {
        todo!()
    }
}

/// Reads a journal without taking its lock, for `plan`.
///
/// # Errors
/// As [`StateFolder::recover`].
pub fn peek(state: &Path) -> Result<Option<Recovered>, JournalError> {
    let _ = state;
    todo!()
}

/// Appends commits.
#[derive(Debug)]
pub struct Writer {
    _file: std::fs::File,
}

impl Writer {
    /// Appends a commit and makes it durable.
    ///
    /// # Errors
    /// When it can't; a failed sync is final.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        let _ = commit;
        todo!()
    }
}
