//! How intents stand in their file, `intents` beside the journal.
//!
//! The same frames as the journal's, behind a header of their own: the first holds the [`Head`], every other one
//! a [`Group`] of rows that were noted and cleared together. Each group is durable before the next is begun, so
//! that what the journal's format says of torn ends and of damage holds here as well: a torn group was never
//! answered to anybody, and none of its requests has left.
//!
//! A file belongs to one run: one of another run is no obstacle and is replaced. It says the names of the
//! endpoints itself, so that it can be read whatever became of their order since.
//!
//! Must never lose a row that was noted and neither cleared nor ended, not even while the file is written anew:
//! that is done beside it, synced and renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{self, File, Way};
use crate::journal::format::{INTENTS, append_frame, beginning_of, fold};
use crate::journal::{JournalError, RowSet};

/// Name of the file in the state folder.
const NAME: &str = "intents";
/// Name of one that is being written.
const BESIDE: &str = "intents.new";
/// Below this size, in bytes, the file is not written anew.
pub(super) const SMALL: u64 = 1 << 20;
/// How many times the size of what is open it may have.
const GROWTH: u64 = 4;
/// Bytes that a row takes in a frame, at most.
const ROW_BYTES: u64 = 32;
/// Rows in one frame of a file that is written anew.
const ROWS_OF_A_FRAME: usize = 10_000;

/// A row of an endpoint: positions of the plan.
pub(super) type Key = (usize, u64);

/// First frame: whose intents these are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Id of the run.
    run: String,
    /// Names of its endpoints, by the positions that rows are noted with.
    endpoints: Vec<String>,
}

/// Every other frame: rows by what became of them last. A row stands in one of the two.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    noted: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cleared: Vec<Key>,
}

/// What a file says in the end.
struct Found {
    head: Head,
    open: BTreeSet<Key>,
}

impl Found {
    fn apply(&mut self, group: Group) {
        group.cleared.iter().for_each(|key| _ = self.open.remove(key));
        self.open.extend(group.noted);
    }
}

/// Intents on disk, open for more.
#[derive(Debug)]
pub struct IntentFile {
    path: PathBuf,
    /// Header and head.
    beginning: Vec<u8>,
    file: File,
    length: u64,
    /// Length beyond which it is written anew.
    room: u64,
    /// What is open, to begin with.
    pub(super) open: BTreeSet<Key>,
}

/// Whether a state folder holds intents, of whatever run.
#[must_use]
pub fn exists(state: &Path) -> bool {
    state.join(NAME).exists()
}

impl IntentFile {
    /// Begins the intents of a new run; what another run left is forgotten.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn begin(state: &Path, run: &str, endpoints: &[String]) -> Result<Self, JournalError> {
        Self::anew(state, run, endpoints, BTreeSet::new())
    }

    /// Goes on with the intents of a run: what was noted and neither cleared nor is in `done` is open. Both
    /// `endpoints` and `done` go by the positions of the plan as it is now; rows of endpoints that are gone are
    /// forgotten, as the journal forgets that they have ended.
    ///
    /// The file is written anew, which cuts its torn end, and drops what the journal holds as ended: the rows of
    /// `done` may be taken out of it afterwards, to be sent again, and are no intents of then.
    ///
    /// # Errors
    /// When they are damaged (with the offset) or can't be read or written.
    pub fn resume(state: &Path, run: &str, endpoints: &[String], done: &[RowSet]) -> Result<Self, JournalError> {
        let begin = |head| Found { head, open: BTreeSet::new() };
        let found = fold(&INTENTS, &state.join(NAME), begin, Found::apply)?;
        let mut open = BTreeSet::new();
        if let Some(Found { head, open: noted }) = found.filter(|found| found.head.run == run) {
            let now = |position: usize| {
                let name = head.endpoints.get(position)?;
                endpoints.iter().position(|known| known == name)
            };
            open = noted.into_iter().filter_map(|(endpoint, row)| Some((now(endpoint)?, row))).collect();
        }
        open.retain(|(endpoint, row)| done.get(*endpoint).is_none_or(|done| !done.contains(*row)));
        Self::anew(state, run, endpoints, open)
    }

    fn anew(state: &Path, run: &str, endpoints: &[String], open: BTreeSet<Key>) -> Result<Self, JournalError> {
        let path = state.join(NAME);
        let head = Head { run: run.to_owned(), endpoints: endpoints.to_vec() };
        let begun = beginning_of(&INTENTS, &head)
            .and_then(|beginning| Ok((take_over(&path, write_beside(&path, &beginning, open.iter())?)?, beginning)));
        let ((file, length), beginning) = begun.map_err(|error| JournalError { message: words(&path, &error) })?;
        Ok(Self { path, beginning, file, length, room: SMALL, open })
    }

    /// Rows that are open, by endpoint of the plan.
    #[must_use]
    pub fn unknown(&self, endpoints: usize) -> Vec<RowSet> {
        let mut rows = vec![RowSet::default(); endpoints];
        for (endpoint, row) in &self.open {
            if let Some(rows) = rows.get_mut(*endpoint) {
                rows.insert(*row);
            }
        }
        rows
    }

    /// Whether the file has grown far beyond what is open: so many rows.
    pub(super) fn has_grown(&self, open: usize) -> bool {
        self.length > self.room.max((open as u64).saturating_mul(ROW_BYTES * GROWTH))
    }

    /// Makes a group durable: what became of rows, `true` for noted; with one write and one sync. Where `open` is
    /// given, all that is open after the group, the file is written anew with that instead.
    ///
    /// # Errors
    /// When it can't. Nothing may be written after that.
    pub(super) fn write(&mut self, group: &BTreeMap<Key, bool>, open: Option<&[Key]>) -> io::Result<()> {
        if let Some(open) = open
            && self.write_anew(open)?
        {
            return Ok(());
        }
        let rows = |noted: bool| group.iter().filter(|(_, is)| **is == noted).map(|(key, _)| *key).collect();
        let mut frame = Vec::new();
        append_frame(&mut frame, &Group { noted: rows(true), cleared: rows(false) })?;
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// `false` where there is no room for a second file, say: the first is as it was and goes on to grow.
    fn write_anew(&mut self, open: &[Key]) -> io::Result<bool> {
        let Ok(beside) = write_beside(&self.path, &self.beginning, open.iter()) else {
            self.room = self.length.saturating_add(SMALL);
            return Ok(false);
        };
        let (file, length) = take_over(&self.path, beside)?;
        (self.file, self.length, self.room) = (file, length, SMALL);
        Ok(true)
    }

    /// Why it could not be written, in words.
    pub(super) fn words(&self, error: &io::Error) -> String {
        words(&self.path, error)
    }

    /// As if it had this length already.
    #[cfg(test)]
    pub(super) fn of_length(self, length: u64) -> Self {
        Self { length, ..self }
    }
}

fn words(path: &Path, error: &io::Error) -> String {
    format!(
        "can't write the list of requests on the wire `{}`: {error}; what must not be sent twice is sent only once it \
         is noted there, and `run` again goes on",
        path.display()
    )
}

/// Writes a whole file beside the one it will replace, and makes it durable.
fn write_beside<'k>(path: &Path, beginning: &[u8], open: impl Iterator<Item = &'k Key>) -> io::Result<File> {
    let beside = path.with_file_name(BESIDE);
    disk::remove_if_there(&beside)?;
    let mut file = File::open(&beside, Way::NewToExtend)?;
    let mut bytes = beginning.to_vec();
    let mut open = open.copied().peekable();
    while open.peek().is_some() {
        let noted = open.by_ref().take(ROWS_OF_A_FRAME).collect();
        append_frame(&mut bytes, &Group { noted, cleared: Vec::new() })?;
    }
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// The file to go on with, under its name, and its length.
fn take_over(path: &Path, beside: File) -> io::Result<(File, u64)> {
    let length = beside.metadata()?.len();
    disk::rename(&path.with_file_name(BESIDE), path)?;
    disk::sync_name(path)?;
    Ok((beside, length))
}
