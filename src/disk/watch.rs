//! A disk for tests: before a folder of the file system stands somebody who hears of every change and decides it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustix::io::Errno;

use super::system::System;
use super::{Change, Disk, Name, Way};

/// A change as it is told, before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A file is opened; `made`: it is not there yet.
    Open {
        path: PathBuf,
        way: Way,
        number: u64,
        made: bool,
    },
    /// Bytes are written, at a place or at the end.
    Write {
        number: u64,
        place: Option<u64>,
        bytes: Vec<u8>,
    },
    /// A file gets this length.
    SetLength {
        number: u64,
        length: u64,
    },
    /// A file becomes durable.
    Sync {
        number: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    RemoveFolder {
        path: PathBuf,
    },
    /// The names in a folder become durable.
    SyncFolder {
        path: PathBuf,
    },
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Do,
    /// It is not done, and counts as done.
    Pretend,
    /// Of a write only so many bytes are done.
    Part(usize),
    /// The system's error of this number.
    Fail(Errno),
}

type Hear = dyn FnMut(&Told) -> Answer + Send;

/// Stands before a folder until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(PathBuf);

struct Tap(Mutex<Option<Box<Hear>>>);

static TAPS: RwLock<Vec<(PathBuf, &'static Tap)>> = RwLock::new(Vec::new());

/// Asks `hear` before every change below a folder.
pub(crate) fn watch(folder: &Path, hear: impl FnMut(&Told) -> Answer + Send + 'static) -> Watch {
    // A file may outlive its watch, and knows its disk: so what is left of it stays, some bytes.
    let tap: &'static Tap = Box::leak(Box::new(Tap(Mutex::new(Some(Box::new(hear))))));
    TAPS.write().unwrap_or_else(PoisonError::into_inner).push((folder.to_owned(), tap));
    Watch(folder.to_owned())
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut taps = TAPS.write().unwrap_or_else(PoisonError::into_inner);
        let found = taps.iter().position(|(folder, _)| *folder == self.0).map(|at| taps.swap_remove(at));
        drop(taps);
        if let Some((_, tap)) = found {
            tap.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

pub(super) fn of(path: &Path) -> Option<&'static dyn Disk> {
    let taps = TAPS.read().unwrap_or_else(PoisonError::into_inner);
    taps.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, tap)| *tap as &dyn Disk)
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

impl Tap {
    fn ask(&self, told: impl FnOnce() -> Told) -> Answer {
        let mut hear = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hear.as_mut().map_or(Answer::Do, |hear| hear(&told()))
    }
}

impl Disk for Tap {
    fn open(&self, name: Name<'_>, way: Way, number: u64) -> io::Result<fs::File> {
        let path = name.path.to_owned();
        match self.ask(|| Told::Open { made: !path.exists(), path, way, number }) {
            Answer::Fail(error) => Err(error.into()),
            Answer::Do | Answer::Pretend | Answer::Part(_) => System.open(name, way, number),
        }
    }

    fn change(&self, change: &Change<'_>) -> io::Result<usize> {
        match (self.ask(|| told(change)), *change) {
            (Answer::Fail(error), _) => Err(error.into()),
            (Answer::Pretend, Change::Write(_, _, bytes)) => Ok(bytes.len()),
            (Answer::Pretend, _) => Ok(0),
            (Answer::Part(most), Change::Write(open, place, bytes)) => {
                System.change(&Change::Write(open, place, &bytes[..most.min(bytes.len())]))
            }
            (Answer::Do | Answer::Part(_), _) => System.change(change),
        }
    }
}

fn told(change: &Change<'_>) -> Told {
    match *change {
        Change::Write(open, place, bytes) => Told::Write { number: open.number, place, bytes: bytes.to_vec() },
        Change::SetLength(open, length) => Told::SetLength { number: open.number, length },
        Change::Sync(open) | Change::SyncAll(open) => Told::Sync { number: open.number },
        Change::Rename(from, to) => Told::Rename { from: from.path.to_owned(), to: to.path.to_owned() },
        Change::Remove(name) => Told::Remove { path: name.path.to_owned() },
        Change::MakeFolder(name) => Told::MakeFolder { path: name.path.to_owned() },
        Change::RemoveFolder(name) => Told::RemoveFolder { path: name.path.to_owned() },
        Change::SyncFolder(path, _) => Told::SyncFolder { path: path.to_owned() },
    }
}

/// What is written and synced below a folder, as "write" and "sync". The step that makes the list `fails_at` long fails.
pub(crate) fn steps(folder: &Path, fails_at: usize) -> (Watch, Arc<Mutex<Vec<&'static str>>>) {
    let steps = Arc::<Mutex<Vec<_>>>::default();
    let log = Arc::clone(&steps);
    let hear = move |told: &Told| {
        let step = match told {
            Told::Write { .. } => "write",
            Told::Sync { .. } => "sync",
            _ => return Answer::Do,
        };
        let mut log = log.lock().unwrap();
        log.push(step);
        if log.len() == fails_at { Answer::Fail(Errno::NOSPC) } else { Answer::Do }
    };
    (watch(folder, hear), steps)
}
