//! The folder of parts: who may write it, what is in it, and how a part gets its name.
//!
//! ```text
//! out/prices.parquet/part-RUN-00000001.parquet      a part, whole
//!                    .part-RUN-00000002.unfinished  one that is being written; readers pass over such names
//! ```
//! Must never touch a file whose name does not end in `.parquet`, but for those that it left unfinished.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::part::Old;
use crate::disk;
use crate::sink::appender::reason;
use crate::sink::{SinkError, claim};

/// What the names of parts begin with.
const PART: &str = "part-";
/// What they end with, as those of all files that are taken for parts.
const ENDING: &str = ".parquet";
/// What the names of unfinished parts end with.
const UNFINISHED: &str = ".unfinished";

/// The folder of a sink.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    run: String,
    /// The folder, locked.
    held: Option<File>,
}

impl Folder {
    /// The folder at `path`, for a run.
    pub fn new(path: &Path, run: &str) -> Self {
        Self { path: path.to_owned(), run: run.to_owned(), held: None }
    }

    /// Whether there is one; what is none is refused. Touches nothing.
    pub fn examine(&self) -> Result<bool, SinkError> {
        match fs::metadata(&self.path) {
            Ok(about) if about.is_dir() => Ok(true),
            Ok(_) => Err(self.error(
                "is no folder, and Parquet files are written as the parts of one: move it away, or name another path",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(&self.path) {
                Ok(target) => Err(self.error(&format!("is a link to {}, which does not exist", target.display()))),
                Err(_) => Ok(false),
            },
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Makes it where it is not there, takes its lock for as long as this lives, and removes what was left unfinished:
    /// whoever wrote that is dead.
    pub fn open(&mut self) -> Result<(), SinkError> {
        self.examine()?;
        disk::make_folder(&self.path).map_err(|error| self.failed(&error))?;
        let held = File::open(&self.path).map_err(|error| self.failed(&error))?;
        claim(&held, &self.path)?;
        self.held = Some(held);
        let left = |name: &String| name.starts_with(&format!(".{PART}")) && name.ends_with(UNFINISHED);
        let names = self.entries().map_err(|error| self.failed(&error))?;
        for (name, _) in names.into_iter().filter(|(name, is_file)| *is_file && left(name)) {
            disk::remove(&self.path.join(name)).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// The names in it, and whether they are those of files. Names that are no text are nobody's here.
    fn entries(&self) -> io::Result<Vec<(String, bool)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                // Of a link what it leads to; one that leads nowhere is no file.
                let is_file = fs::metadata(entry.path()).is_ok_and(|about| about.is_file());
                names.push((name, is_file));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The files in it that readers take for parts, by name.
    pub fn parts(&self) -> io::Result<Vec<String>> {
        let names = self.entries()?.into_iter().filter(|(name, is_file)| *is_file && is_part(name));
        Ok(names.map(|(name, _)| name).collect())
    }

    /// A folder in it, in which readers would look, too.
    pub fn inner(&self) -> io::Result<Option<String>> {
        let found = self.entries()?.into_iter().find(|(name, _)| is_seen(name) && self.path.join(name).is_dir());
        Ok(found.map(|(name, _)| name))
    }

    /// The number of a part of this run.
    pub fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(PART)?.strip_prefix(self.run.as_str())?.strip_prefix('-')?.strip_suffix(ENDING)?.parse().ok()
    }

    /// The name of a part of this run.
    pub fn name(&self, number: u64) -> String {
        format!("{PART}{}-{number:08}{ENDING}", self.run)
    }

    /// Where it is written before it is whole.
    pub fn unfinished(&self, number: u64) -> PathBuf {
        self.path.join(format!(".{PART}{}-{number:08}{UNFINISHED}", self.run))
    }

    /// Gives a part that is on disk its name, which is on disk, too, when this returns.
    pub fn place(&self, number: u64) -> io::Result<()> {
        disk::rename(&self.unfinished(number), &self.path.join(self.name(number)))?;
        self.sync()
    }

    /// Makes the names in it durable.
    pub fn sync(&self) -> io::Result<()> {
        self.held.as_ref().map_or(Ok(()), |held| disk::sync_held_folder(&self.path, held))
    }

    /// What a file is like now.
    pub fn look(&self, name: &str) -> io::Result<Old> {
        let about = fs::metadata(self.path.join(name))?;
        let changed = about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec());
        Ok(Old { name: name.to_owned(), size: about.size(), changed })
    }

    /// Removes the files that are what they were; what somebody wrote since is left alone.
    pub fn remove(&self, old: &[Old]) -> io::Result<()> {
        for file in old.iter().filter(|file| is_part(&file.name) && self.number(&file.name).is_none()) {
            if self.look(&file.name).is_ok_and(|now| now == *file) {
                disk::remove(&self.path.join(&file.name))?;
            }
        }
        self.sync()
    }

    /// An error in these words, behind the name of the folder.
    pub fn error(&self, words: &str) -> SinkError {
        SinkError::new(format!("{} {words}", self.path.display()))
    }

    /// What went wrong with the folder itself.
    pub fn failed(&self, error: &io::Error) -> SinkError {
        self.error(&format!("can't be written: {}", reason(error)))
    }
}

/// Readers pass over names that begin with a point or an underscore.
fn is_seen(name: &str) -> bool {
    !name.starts_with(['.', '_'])
}

/// Names alone, without a folder in front: they are read from files as well.
fn is_part(name: &str) -> bool {
    is_seen(name) && name.ends_with(ENDING) && !name.contains('/')
}
