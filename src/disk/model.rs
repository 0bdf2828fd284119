//! What may be on a disk when its machine stops: a model that is told every change, and makes such a disk.
//!
//! What was synced is there. Of what was not, each write and each name is there or not, whatever became of those before
//! and after it, and of a write perhaps a part, or zeros in its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::Way;
use super::watch::Told;

/// Bytes that are on a disk as one, or not.
const SECTOR: usize = 512;

/// How a machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process alone dies: the disk has all that was written.
    Kill,
    /// Power is lost, and nothing is there that was not synced.
    Bare,
    /// Power is lost; chance decides, by this seed, what else is there.
    Torn(u64),
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    files: Vec<Content>,
    /// Which of the files is open under a number.
    open: HashMap<u64, usize>,
    live: Names,
    durable: Names,
    waiting: Vec<NameChange>,
}

#[derive(Debug, Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    live: Vec<u8>,
    synced: Vec<u8>,
    waiting: Vec<Data>,
    /// Whether a sync failed: the system calls the next one a success.
    lost: bool,
}

#[derive(Debug, Clone)]
enum Data {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
    Folder(PathBuf),
    NoFolder(PathBuf),
}

impl Model {
    /// A change that was done.
    pub fn note(&mut self, told: &Told) {
        match told {
            Told::Open { path, way, number, .. } => self.open(path, *way, *number),
            Told::Write { number, place, bytes } => {
                if let Some(content) = self.content(*number) {
                    let place = place.map_or(content.live.len(), |place| usize::try_from(place).unwrap());
                    content.change(Data::Write(place, bytes.clone()));
                }
            }
            Told::SetLength { number, length } => {
                if let Some(content) = self.content(*number) {
                    content.change(Data::Length(usize::try_from(*length).unwrap()));
                }
            }
            Told::Sync { number } => {
                if let Some(content) = self.content(*number) {
                    content.sync();
                }
            }
            Told::Rename { from, to } => {
                if let Some(file) = self.live.files.get(from).copied() {
                    self.rename(NameChange::Rename(from.clone(), to.clone(), file));
                }
            }
            Told::Remove { path } if self.live.files.contains_key(path) => {
                self.rename(NameChange::Remove(path.clone()));
            }
            Told::Remove { .. } => {}
            Told::MakeFolder { path } => self.rename(NameChange::Folder(path.clone())),
            Told::RemoveFolder { path } => self.rename(NameChange::NoFolder(path.clone())),
            Told::SyncFolder { path } => self.sync_folder(path),
        }
    }

    /// A sync that failed: what was to be made durable is not, and nobody is told again.
    pub fn lose(&mut self, number: u64) {
        if let Some(content) = self.content(number) {
            content.waiting.clear();
            content.lost = true;
        }
    }

    fn open(&mut self, path: &Path, way: Way, number: u64) {
        let file = match self.live.files.get(path) {
            Some(file) => *file,
            None if matches!(way, Way::Edit | Way::Extend) => return,
            None => {
                self.files.push(Content::default());
                let file = self.files.len() - 1;
                self.rename(NameChange::Link(path.to_owned(), file));
                file
            }
        };
        self.open.insert(number, file);
        if way == Way::Empty && !self.files[file].live.is_empty() {
            self.files[file].change(Data::Length(0));
        }
    }

    fn content(&mut self, number: u64) -> Option<&mut Content> {
        self.open.get(&number).map(|file| &mut self.files[*file])
    }

    fn rename(&mut self, change: NameChange) {
        self.live.apply(&change);
        self.waiting.push(change);
    }

    fn sync_folder(&mut self, folder: &Path) {
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|change| change.is_in(folder));
        self.waiting = waiting;
        let done: Vec<NameChange> = done;
        done.iter().for_each(|change| self.durable.apply(change));
    }

    /// Makes a folder hold what a disk may hold after a stop, and nothing else.
    pub fn lay_out(&self, root: &Path, stop: Stop) {
        let mut chance = fastrand::Rng::with_seed(if let Stop::Torn(seed) = stop { seed } else { 0 });
        let names = self.names(stop, &mut chance);
        empty(root);
        let whole = |path: &Path| {
            let mut above = path.ancestors().skip(1).take_while(|folder| *folder != root);
            above.all(|folder| names.folders.contains(folder))
        };
        for folder in names.folders.iter().filter(|folder| whole(folder)) {
            fs::create_dir_all(folder).unwrap();
        }
        for (path, file) in names.files.iter().filter(|(path, _)| whole(path)) {
            fs::write(path, self.files[*file].left(stop, &mut chance)).unwrap();
        }
    }

    fn names(&self, stop: Stop, chance: &mut fastrand::Rng) -> Names {
        if stop == Stop::Kill {
            return self.live.clone();
        }
        let mut names = self.durable.clone();
        for change in &self.waiting {
            if matches!(stop, Stop::Torn(_)) && chance.bool() {
                names.apply(change);
            }
        }
        names
    }
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Link(path, file) => _ = self.files.insert(path.clone(), *file),
            NameChange::Rename(from, to, file) => {
                if self.files.get(from) == Some(file) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *file);
            }
            NameChange::Remove(path) => _ = self.files.remove(path),
            NameChange::Folder(path) => _ = self.folders.insert(path.clone()),
            NameChange::NoFolder(path) => _ = self.folders.remove(path),
        }
    }
}

impl NameChange {
    fn is_in(&self, folder: &Path) -> bool {
        let is_in = |path: &Path| path.parent() == Some(folder);
        match self {
            Self::Link(path, _) | Self::Remove(path) | Self::Folder(path) | Self::NoFolder(path) => is_in(path),
            // Both names or none.
            Self::Rename(from, to, _) => is_in(from) || is_in(to),
        }
    }
}

impl Content {
    fn change(&mut self, data: Data) {
        apply(&mut self.live, &data);
        self.waiting.push(data);
    }

    fn sync(&mut self) {
        if !self.lost {
            self.synced.clone_from(&self.live);
            self.waiting.clear();
        }
    }

    fn left(&self, stop: Stop, chance: &mut fastrand::Rng) -> Vec<u8> {
        let mut left = if stop == Stop::Kill { self.live.clone() } else { self.synced.clone() };
        for data in self.waiting.iter().filter(|_| matches!(stop, Stop::Torn(_))) {
            tear(&mut left, data, chance);
        }
        left
    }
}

fn apply(bytes: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Write(place, written) => {
            bytes.resize(bytes.len().max(place + written.len()), 0);
            bytes[*place..place + written.len()].copy_from_slice(written);
        }
        Data::Length(length) => bytes.resize(*length, 0),
    }
}

/// A change of data as chance has left it.
fn tear(bytes: &mut Vec<u8>, data: &Data, chance: &mut fastrand::Rng) {
    let Data::Write(place, written) = data else {
        if chance.bool() {
            apply(bytes, data);
        }
        return;
    };
    match chance.u8(..5) {
        0 => {}
        1 => apply(bytes, data),
        2 => apply(bytes, &Data::Write(*place, written[..chance.usize(..=written.len())].to_vec())),
        3 => bytes.resize(bytes.len().max(place + written.len()), 0),
        _ => sectors(bytes, *place, written, chance),
    }
}

/// Some sectors of a write are there; in the place of the others what was there before, or zeros.
fn sectors(bytes: &mut Vec<u8>, place: usize, written: &[u8], chance: &mut fastrand::Rng) {
    bytes.resize(bytes.len().max(place + written.len()), 0);
    let mut at = 0;
    while at < written.len() {
        let end = written.len().min(at + SECTOR - (place + at) % SECTOR);
        if chance.bool() {
            bytes[place + at..place + end].copy_from_slice(&written[at..end]);
        }
        at = end;
    }
}

/// Removes all that is in a folder.
pub(crate) fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => fs::remove_dir_all(entry.path()).unwrap(),
            false => fs::remove_file(entry.path()).unwrap(),
        }
    }
}
