//! Journals of past runs: `runs/ID.journal` in the state folder of a job.
//!
//! A new run puts the journal of the run before it there as it is, so that what is durable stays so, and then drops
//! the oldest. No run needs them. Must never drop the journal of the latest run, nor keep a run from beginning
//! because an old one can't be dropped.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::disk;
use crate::recap;

use super::folder::FailedPart;
use super::format::{self, JOURNAL, Kind, PAST, Snapshot};
use super::{FailedRow, JournalError, Opening, Recovered};

/// Past runs that are kept at most.
const MOST: usize = 20;
/// For how long after their last commit.
const LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Bytes of journals behind which older ones are dropped: runs of which millions of rows failed have large ones.
const BYTES: u64 = 1 << 30;

/// Name of the folder of past journals.
const FOLDER: &str = "runs";
/// How names of past journals end.
const ENDING: &str = "journal";

/// A journal in a state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFile {
    /// Where it stands.
    pub path: PathBuf,
    /// Whether it is that of the latest run.
    pub is_latest: bool,
    /// When it was last written, which is the time of its last commit.
    pub written: Option<SystemTime>,
    bytes: u64,
}

impl JournalFile {
    fn of(path: PathBuf, is_latest: bool) -> Option<Self> {
        let found = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { path, is_latest, written: found.modified().ok(), bytes: found.len() })
    }

    /// Reads it, whoever writes. `None`: it is gone by now.
    ///
    /// # Errors
    /// When it is damaged, or of another version.
    pub fn read(&self) -> Result<Option<Recovered>, JournalError> {
        Ok(format::scan_kind(self.kind(), &self.path)?.map(|scan| scan.found))
    }

    /// What its run is, from its beginning alone; `None` where that can't be read.
    #[must_use]
    pub fn opening(&self) -> Option<Opening> {
        format::opening(&self.path)
    }

    /// Shows the rows that failed, commit by commit, and whether those before count no more.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn each_failed(&self, mut see: impl FnMut(bool, Vec<FailedRow>)) -> Result<(), JournalError> {
        let Some(snapshot) = Snapshot::open_kind(self.kind(), &self.path)? else { return Ok(()) };
        let replayed = snapshot.replay(|commit: FailedPart| {
            see(commit.healed, commit.failed);
            Ok(())
        });
        replayed.map(drop)
    }

    fn kind(&self) -> &'static Kind {
        if self.is_latest { &JOURNAL } else { &PAST }
    }
}

/// The journals of a state folder: the latest, and those of past runs, last written first. Does not take the lock.
#[must_use]
pub fn files(state: &Path) -> Vec<JournalFile> {
    JournalFile::of(state.join("journal"), true).into_iter().chain(past(state)).collect()
}

fn past(state: &Path) -> Vec<JournalFile> {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten().filter_map(Result::ok);
    let paths =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
    let mut files: Vec<_> = paths.filter_map(|path| JournalFile::of(path, false)).collect();
    files.sort_by_key(|file| Reverse((file.written, file.path.clone())));
    files
}

/// Puts the journal aside, if there is one, and with it what an older paceline kept of the run before.
pub(super) fn keep(state: &Path) -> io::Result<()> {
    let folder = state.join(FOLDER);
    let found = ["journal.1", "journal"].map(|name| state.join(name)).into_iter().filter(|path| path.is_file());
    for journal in found {
        disk::make_folder(&folder)?;
        disk::rename(&journal, &free(&folder, &name(&journal)))?;
        disk::sync_folder(&folder)?;
    }
    Ok(())
}

/// The name of a journal among the past ones, without its ending: that of its run, or, where that can't be read, of when it
/// was written.
fn name(journal: &Path) -> String {
    let run = format::opening(journal).map(|opening| opening.run);
    let run =
        run.filter(|run| !run.is_empty() && run.len() <= 64 && run.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    run.unwrap_or_else(|| {
        let written = fs::metadata(journal).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("unreadable-{}", since.as_millis())
    })
}

/// Where a journal of this name is kept: two that can't be read may have been written in the same millisecond. A run has one
/// journal, which takes the place of what a kill left of the move.
fn free(folder: &Path, name: &str) -> PathBuf {
    let path = |number: u32| match number {
        1 => folder.join(format!("{name}.{ENDING}")),
        _ => folder.join(format!("{name}-{number}.{ENDING}")),
    };
    let is_free = |number: &u32| !name.starts_with("unreadable-") || !path(*number).exists();
    path((1..=MOST as u32).find(is_free).unwrap_or(1))
}

/// Drops past journals that are too many, too old or too large together.
pub(super) fn clean(state: &Path, now: SystemTime) {
    let mut newer = 0u64;
    for (position, file) in past(state).into_iter().enumerate() {
        let age = file.written.and_then(|written| now.duration_since(written).ok()).unwrap_or_default();
        if position >= MOST || age > LONGEST || newer > BYTES {
            // It is tried again when the next run begins.
            let _ = disk::remove(&file.path);
        }
        newer = newer.saturating_add(file.bytes);
    }
    let runs = files(state).into_iter().filter_map(|file| format::opening(&file.path)).map(|opening| opening.run);
    recap::file::clean(state, &runs.collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::StateFolder;
    use super::super::tests::{commit, folder, opening};
    use super::*;
    use crate::clock;

    fn begin(state: &StateFolder, run: &str) {
        let mut writer = state.begin(&Opening { run: run.to_owned(), ..opening() }).unwrap();
        writer.commit(&commit(3)).unwrap();
    }

    fn written(state: &StateFolder, run: &str, ago: Duration) {
        let path = state.path().join(format!("runs/{run}.journal"));
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(clock::wall() - ago).unwrap();
    }

    fn runs(state: &StateFolder) -> Vec<String> {
        let read = |file: JournalFile| {
            file.read().map(|found| found.unwrap().opening.run).unwrap_or_else(|error| error.message)
        };
        files(state.path()).into_iter().map(read).collect()
    }

    #[test]
    fn past_runs_are_kept_as_they_were_and_for_their_owner_alone() {
        let (_home, state) = folder();
        begin(&state, "a");
        let first = fs::read(state.journal()).unwrap();
        begin(&state, "b");
        written(&state, "a", Duration::from_secs(60));
        begin(&state, "c");
        assert_eq!(runs(&state), ["c", "b", "a"]);
        assert_eq!(files(state.path()).iter().map(|file| file.is_latest).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(fs::read(state.path().join("runs/a.journal")).unwrap(), first);
        let mode = |path: &str| fs::metadata(state.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("runs"), mode("runs/a.journal")), (0o700, 0o600));
    }

    #[test]
    fn the_oldest_and_those_beyond_twenty_are_dropped() {
        let (_home, state) = folder();
        for run in 0..30 {
            begin(&state, &format!("r{run}"));
            if run > 0 {
                written(&state, &format!("r{}", run - 1), Duration::from_secs(60 * (100 - run)));
            }
        }
        assert_eq!(runs(&state), (9..30).rev().map(|run| format!("r{run}")).collect::<Vec<_>>());
        let day = Duration::from_secs(24 * 60 * 60);
        written(&state, "r20", LONGEST + day);
        written(&state, "r21", LONGEST - day);
        clean(state.path(), clock::wall());
        let left = runs(&state);
        assert!(!left.contains(&"r20".to_owned()) && left.contains(&"r21".to_owned()), "{left:?}");
        // Whatever its age, the latest is no past run.
        fs::File::options().append(true).open(state.journal()).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        clean(state.path(), clock::wall());
        assert_eq!(runs(&state), left);
    }

    #[test]
    fn journals_that_are_large_together_are_dropped_but_for_the_newest() {
        let (_home, state) = folder();
        for run in ["a", "b", "c", "d"] {
            begin(&state, run);
        }
        for (run, minutes) in [("c", 1), ("b", 2), ("a", 3)] {
            let file = fs::File::options().append(true).open(state.path().join(format!("runs/{run}.journal"))).unwrap();
            // A hole, which takes no room on the disk.
            file.set_len(if run == "a" { 1 } else { BYTES / 2 + 1 }).unwrap();
            written(&state, run, Duration::from_secs(60 * minutes));
        }
        clean(state.path(), clock::wall());
        let left: Vec<_> = files(state.path()).iter().map(|file| file.path.file_stem().unwrap().to_owned()).collect();
        assert_eq!(left, ["journal", "c", "b"]);
    }

    #[test]
    fn what_can_not_be_read_is_kept_under_its_time_and_no_name_leads_out_of_the_folder() {
        let (_home, state) = folder();
        begin(&state, "../../out");
        begin(&state, "a");
        fs::write(state.journal(), "no journal").unwrap();
        // In the same millisecond.
        let written = fs::metadata(state.journal()).unwrap().modified().unwrap();
        begin(&state, "b");
        fs::write(state.journal(), "none either").unwrap();
        fs::File::options().append(true).open(state.journal()).unwrap().set_modified(written).unwrap();
        begin(&state, "c");
        let files = files(state.path());
        assert_eq!(files.len(), 4);
        let unreadable =
            |file: &&JournalFile| file.path.file_name().unwrap().to_string_lossy().starts_with("unreadable-");
        assert_eq!(files.iter().filter(unreadable).count(), 3);
        let error = files.iter().find_map(|file| file.read().err()).unwrap().message;
        assert!(error.contains("is not a past journal") && error.contains("delete it"), "{error}");
    }

    #[test]
    fn what_an_older_version_kept_goes_with_the_others() {
        let (_home, state) = folder();
        begin(&state, "old");
        fs::rename(state.journal(), state.path().join("journal.1")).unwrap();
        begin(&state, "a");
        assert_eq!(runs(&state), ["a", "old"]);
        assert!(!state.path().join("journal.1").exists());
    }
}
