//! The journal: which rows are done, and how far each sink has durably come.
//!
//! Append-only, checksummed, versioned. The scribe syncs sink bytes first, then appends one
//! [`Commit`], then syncs the journal; whatever is killed and when, a resume starts from the last
//! whole commit. Must never hold a secret or a rendered request.
//!
//! `format` says how it stands in the file and what damage is noticed, `folder` who may write it,
//! `writer` how commits become durable, `compact` how it is kept from growing without end,
//! `failed` what is read of rows that failed, `past` how
//! long the journals of past runs are kept. `intents` is a file
//! beside it: requests that must not be repeated, noted before they are sent.

mod compact;
mod failed;
mod folder;
mod format;
pub mod intents;
mod past;
pub mod rowset;
#[cfg(test)]
mod tests;
pub mod walk;
mod writer;

use std::collections::BTreeMap;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::retry::FailureKind;
use crate::sink::Cursor;

pub use failed::{FailedRows, Why};
pub use folder::{StateFolder, is_at_work, peek};
pub use intents::{IntentFile, Intents};
pub use past::{JournalFile, files};
pub use rowset::RowSet;
pub use walk::{StreamNote, WalkNote, Walks};
pub use writer::Writer;

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
    /// Those of them of which nobody knows what the server did with their request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Attempts of ended rows.
    pub attempts: u64,
    /// Records written.
    pub records: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            ok: self.ok + other.ok,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            skipped: self.skipped + other.skipped,
            attempts: self.attempts + other.attempts,
            records: self.records + other.records,
        }
    }
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
    /// Rows that failed since the commit before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedRow>,
    /// Whether the failed rows noted before this commit count no more: they are sent again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub healed: bool,
    /// Whether the run was complete before its failed rows were sent again: all that is not done is theirs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
    /// Renames that this commit decided; done after it, and by the next session after a kill.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renames: Vec<Rename>,
    /// Walks through pages that have not ended, by endpoint and row.
    #[serde(default, skip_serializing_if = "Walks::is_empty")]
    pub walks: Walks,
    /// Whether every row has ended: the run is complete.
    #[serde(default)]
    pub complete: bool,
    /// Limits that are held by a server's word, so that a wait survives a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeldNote>,
    /// Spools of endpoints whose records are the rows of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spools: Vec<SpoolNote>,
    /// What is known of the records of sinks that leave out doubles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<WrittenNote>,
}

/// How far what is known of a sink's records has durably come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenNote {
    /// Name of the sink.
    pub sink: String,
    /// The columns by which its records are known.
    pub columns: Vec<String>,
    /// Bytes, with a checksum.
    pub cursor: Cursor,
}

/// How far the spool of an endpoint has durably come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolNote {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Lines.
    pub lines: u64,
    /// Bytes, with a checksum.
    pub cursor: Cursor,
}

/// A limit that is held by a server's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNote {
    /// Name of the limit.
    pub limit: String,
    /// Which of its buckets, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Until when, in milliseconds since 1970 (UTC): the clock that goes on while no process runs.
    pub until_ms: u64,
    /// How much of it was left when it was noted, in milliseconds: more than that is never left, however the
    /// clock is set in between.
    pub left_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn was_never_tried(attempts: &u32) -> bool {
    *attempts == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A row that failed, and where its record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRow {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// The row.
    pub row: u64,
    /// Its record in each sink that took it.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// Whether nobody knows what the server did: it is not sent again unasked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unknown: bool,
    /// Where its walk through pages goes on when it is sent again; what it took before stands in the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<Box<WalkNote>>,
    /// Attempts that its call made; 0: it was never sent, or the journal is older than this.
    #[serde(default, skip_serializing_if = "was_never_tried")]
    pub attempts: u32,
    /// What failed; `None`: the run was cut off before that was known, or the journal is older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
    /// Why, masked and [`short`]; empty where the journal is older than this.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Most characters that are kept of an error: as many rows may fail as the run has.
const LONGEST_ERROR: usize = 500;

/// An error as it is kept with its row.
#[must_use]
pub fn short(error: &str) -> String {
    match error.char_indices().nth(LONGEST_ERROR) {
        Some((cut, _)) => format!("{}...", &error[..cut]),
        None => error.to_owned(),
    }
}

/// A record in a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Position of the sink.
    pub sink: usize,
    /// First byte and one past the last; `None` where that is not known.
    pub bytes: Option<(u64, u64)>,
    /// The record, where bytes lead to a spool that does not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Box<str>>,
}

/// A file that takes the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// The new file.
    pub from: PathBuf,
    /// The output it becomes.
    pub to: PathBuf,
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

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JournalError {}
