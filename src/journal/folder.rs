//! The state folder of a job: its journal, its lock, and how a journal begins and goes on.
//!
//! ```text
//! .paceline/.gitignore    "*"
//! .paceline/JOB/lock      the pid of the process that works on the job
//! .paceline/JOB/journal   the journal
//! .paceline/JOB/runs/ID.journal journals of runs before it
//! .paceline/JOB/recaps/ID.json what reports show of runs
//! .paceline/JOB/journal.new one that is being written, or was when its writer was killed
//! .paceline/JOB/intents   requests that must not be repeated, noted before they are sent
//! .paceline/JOB/sink-RUN-NAME.BYTE.jsonl records that wait for a database
//! .paceline/JOB/spool-NAME.jsonl records of an endpoint that are the rows of others
//! ```
//! Folders are for their owner alone, and so are files. Must never leave half a journal under its
//! name: it is written beside, synced and renamed, so that a kill at any point leaves either no
//! journal or one with a whole opening.

use std::fs::{self, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::clock;
use crate::disk::{self, File, Way};

use super::{FailedRow, JournalError, Opening, Recovered, Writer, format, past};

/// Name of the folder that holds the state folders of all jobs of a folder.
const TOP: &str = ".paceline";
/// How often a lock that is held is tried again before it is called held, and after what time.
const LOOKS: u32 = 3;
const LOOK: Duration = Duration::from_millis(10);
/// Name of a journal that is being written.
pub(super) const BESIDE: &str = "journal.new";

/// The state folder of a job, locked: a second process is refused with the pid of the first. The
/// lock ends with the process, however it ends, or when this is dropped.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

/// The part of a commit that [`StateFolder::each_failed`] looks at.
#[derive(Deserialize)]
pub(super) struct FailedPart {
    #[serde(default)]
    pub(super) failed: Vec<FailedRow>,
    #[serde(default)]
    pub(super) healed: bool,
}

impl StateFolder {
    /// Makes the folder (0700, with a `.gitignore`) and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, or the folder can't be made.
    pub fn lock(path: &Path) -> Result<Self, JournalError> {
        make(path).map_err(|error| failed("make the state folder", path, &error))?;
        let lock = path.join("lock");
        let file = take_lock(&lock)?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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
        peek(&self.path)
    }

    /// Begins a new journal; one that exists is kept as that of a past run, and the oldest of those are dropped.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(&self, opening: &Opening) -> Result<Writer, JournalError> {
        let journal = self.journal();
        let begun = format::beginning(opening).and_then(|beginning| Ok((self.create(&beginning)?, beginning)));
        let (file, beginning) = begun.map_err(|error| failed("begin the journal", &journal, &error))?;
        let length = beginning.len() as u64;
        Ok(Writer::new(journal, beginning, length, file))
    }

    fn create(&self, beginning: &[u8]) -> io::Result<File> {
        let (journal, beside) = (self.journal(), self.path.join(BESIDE));
        disk::remove_if_there(&beside)?;
        let mut file = File::open(&beside, Way::NewToExtend)?;
        file.write_all(beginning)?;
        file.sync_all()?;
        past::keep(&self.path)?;
        disk::rename(&beside, &journal)?;
        disk::sync_folder(&self.path)?;
        past::clean(&self.path, clock::wall());
        Ok(file)
    }

    /// Goes on with the journal that was recovered; cuts its torn end.
    ///
    /// # Errors
    /// When there is none, it can't be read (as [`StateFolder::recover`]) or can't be written.
    pub fn resume(&self) -> Result<Writer, JournalError> {
        let journal = self.journal();
        let found = format::scan(&journal)?.ok_or_else(|| JournalError {
            message: format!("the journal `{}` is gone; `run` again starts anew", journal.display()),
        })?;
        let file = cut(&journal, found.end, found.found.torn);
        let opened = file.and_then(|file| Ok((file, format::beginning(&found.found.opening)?)));
        let (file, beginning) = opened.map_err(|error| failed("go on with the journal", &journal, &error))?;
        Ok(Writer::new(journal, beginning, found.end, file))
    }

    /// Shows the rows that failed in the recovered run, commit by commit, and whether those before count no more,
    /// since they were sent again; none without a journal. All together they may be more than memory takes.
    ///
    /// # Errors
    /// As [`StateFolder::recover`], and those of `see`.
    pub fn each_failed(&self, see: impl FnMut(bool, Vec<FailedRow>) -> io::Result<()>) -> Result<(), JournalError> {
        each_failed(&self.journal(), see)
    }

    /// Rows that failed in the recovered run and were not sent again since.
    #[cfg(test)]
    pub fn failed_rows(&self) -> Result<Vec<FailedRow>, JournalError> {
        let mut rows = Vec::new();
        self.each_failed(|healed, more| {
            if healed {
                rows.clear();
            }
            rows.extend(more);
            Ok(())
        })?;
        Ok(rows)
    }
}

/// Shows the failed rows of every commit of a journal, and whether those before count no more.
///
/// # Errors
/// When the journal can't be read, and those of `see`.
pub(super) fn each_failed(
    journal: &Path,
    mut see: impl FnMut(bool, Vec<FailedRow>) -> io::Result<()>,
) -> Result<(), JournalError> {
    format::replay(journal, |commit: FailedPart| see(commit.healed, commit.failed)).map(drop)
}

/// Reads a journal without taking its lock, for `plan`.
///
/// # Errors
/// As [`StateFolder::recover`].
pub fn peek(state: &Path) -> Result<Option<Recovered>, JournalError> {
    Ok(format::scan(&state.join("journal"))?.map(|scan| scan.found))
}

/// Whether a process works on the job whose state this is. Where that can't be told, none does.
#[must_use]
pub fn is_at_work(state: &Path) -> bool {
    // Shared, so that who asks at the same time is not taken for one at work.
    let probe = fs::File::open(state.join("lock")).map(|lock| lock.try_lock_shared());
    matches!(probe, Ok(Err(TryLockError::WouldBlock)))
}

/// Makes the folder and, at the top of all state, the file that keeps it out of git.
fn make(path: &Path) -> io::Result<()> {
    disk::make_folder(path)?;
    let top = path.parent().filter(|parent| parent.file_name().is_some_and(|name| name == TOP)).unwrap_or(path);
    let ignore = top.join(".gitignore");
    // An empty one was begun by a process that was killed.
    if fs::metadata(&ignore).map_or(0, |found| found.len()) == 0 {
        File::open(&ignore, Way::Empty)?.write_all(b"*\n")?;
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File, JournalError> {
    let opened = File::open(path, Way::Keep);
    let mut file = opened.map_err(|error| failed("open the lock", path, &error))?;
    match lock_soon(&file) {
        Ok(()) => {
            let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            noted.map_err(|error| failed("write the lock", path, &error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(taken(path, &file)),
        Err(TryLockError::Error(error)) => Err(failed("take the lock", path, &error)),
    }
}

/// Takes a lock that may be held for a moment by who looks whether it is held ([`is_at_work`]).
fn lock_soon(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            other => return other,
        }
    }
    file.try_lock()
}

fn taken(path: &Path, mut file: &fs::File) -> JournalError {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    let who = match pid.trim() {
        pid if read.is_ok() && !pid.is_empty() => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    let path = path.display();
    JournalError {
        message: format!(
            "{who} is working on this job and holds its lock `{path}`; wait until it ends, or stop it with Ctrl-C or \
             `kill` and run again: what it has done is kept"
        ),
    }
}

/// Opens a journal behind its last whole frame, and makes it durable up to there: whoever wrote it may have been killed
/// before that, and what is done next stands on it.
fn cut(path: &Path, end: u64, torn: u64) -> io::Result<File> {
    let file = File::open(path, Way::Extend)?;
    if torn > 0 {
        file.set_len(end)?;
    }
    file.sync_data()?;
    disk::sync_name(path)?;
    Ok(file)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> JournalError {
    JournalError { message: format!("can't {what} `{}`: {error}", path.display()) }
}
