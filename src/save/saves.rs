//! What all attempts of a run save with: the roots, and the files that wait for the next commit.
//!
//! A saved file stays open until it is synced, as an error that the disk has kept back is told to whoever
//! holds the file. Only so many stay open: beyond that the one that waits longest is synced at once. Must
//! never say that everything is durable while some file is not.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::root::{Folder, NotPlaced, Root, Unfinished};
use super::{SavePath, SavePlan};
use crate::disk::File;
use crate::plan::{Plan, StatusSet};
use crate::retry::{Failure, FailureKind};
use crate::template::Context;

/// Most files and folders that stay open for the next commit.
const MOST_WAITING: usize = 64;
/// How often an attempt asks for a handle that others may take as soon as it is free; from the third time on
/// it lets them end their work first, for [`BREATH`].
const TRIES: usize = 200;
/// See [`TRIES`]; all tries together stay below a second.
const BREATH: Duration = Duration::from_millis(4);

/// See the module.
#[derive(Debug, Default)]
pub struct Saves {
    /// By endpoint; those with the same folder share one.
    roots: Vec<Option<Arc<Root>>>,
    waiting: Mutex<Waiting>,
    /// Held for reading by whoever syncs before the commit; a commit waits for them.
    syncing: RwLock<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    files: VecDeque<(File, String)>,
    folders: VecDeque<(Arc<Root>, Folder)>,
    /// How many fewer than [`MOST_WAITING`] may wait, since there were no handles left.
    fewer: usize,
    /// What could not be made durable: nothing is noted any more.
    broken: Option<String>,
}

impl Saves {
    /// Opens every root, makes those that are not there, and removes what a killed session left unfinished.
    ///
    /// # Errors
    /// When nothing can be saved in one of them, in words.
    pub fn open(plan: &Plan) -> Result<Self, (String, String)> {
        let mut known: Vec<(PathBuf, Arc<Root>)> = Vec::new();
        let mut roots = Vec::with_capacity(plan.endpoints.len());
        for endpoint in &plan.endpoints {
            let root = endpoint.save.as_ref().map(|save| open(save.root(), &plan.name, &mut known)).transpose();
            roots.push(root.map_err(|words| (endpoint.name.clone(), words))?);
        }
        Ok(Self { roots, ..Self::default() })
    }

    /// What the attempts of an endpoint save with; `None`: it saves nothing.
    #[must_use]
    pub fn saver(self: &Arc<Self>, endpoint: usize, plan: &SavePlan) -> Option<Arc<Saver>> {
        let root = Arc::clone(self.roots.get(endpoint)?.as_ref()?);
        let (accepted, also_in_memory) = (plan.accepted.clone(), plan.also_in_memory);
        Some(Arc::new(Saver { saves: Arc::clone(self), root, accepted, also_in_memory }))
    }

    /// Makes everything durable that was saved before the call. Blocking.
    ///
    /// # Errors
    /// When something can't be, now or before: then nothing may be noted any more.
    pub fn sync(&self) -> Result<(), String> {
        self.sync_waiting();
        // Those that some attempt took out to sync them itself.
        drop(self.syncing.write().unwrap_or_else(PoisonError::into_inner));
        self.lock().broken.clone().map_or(Ok(()), Err)
    }

    /// Removes the folders of unfinished files, at the end of a session.
    pub fn close(&self) {
        self.roots.iter().flatten().for_each(|root| root.close());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_waiting(&self) {
        let (files, folders) = {
            let mut waiting = self.lock();
            (std::mem::take(&mut waiting.files), std::mem::take(&mut waiting.folders))
        };
        self.sync_these(files, folders);
    }

    /// A file has its name: it waits for the next commit, with the folders on the way to it.
    fn add(&self, root: &Arc<Root>, file: File, path: &SavePath, way: Vec<Folder>) {
        let _syncing = self.syncing.read().unwrap_or_else(PoisonError::into_inner);
        let (files, folders) = self.lock().add(root, file, path, way);
        self.sync_these(files, folders);
    }

    /// Syncs files and folders; an error is kept for the commit.
    fn sync_these(
        &self,
        files: impl IntoIterator<Item = (File, String)>,
        folders: impl IntoIterator<Item = (Arc<Root>, Folder)>,
    ) {
        let words = |path: &str, error: &io::Error| format!("{path} could not be made durable: {error}");
        for (file, path) in files {
            if let Err(error) = file.sync_data() {
                self.lock().broken.get_or_insert(words(&path, &error));
            }
        }
        for (root, folder) in folders {
            if let Err(error) = root.sync(&folder) {
                self.lock().broken.get_or_insert(words(&root.shown(&folder.below), &error));
            }
        }
    }

    /// Does what takes a handle. Where there is none left, those that wait give theirs first.
    fn with_handles<T>(&self, mut work: impl FnMut() -> Result<T, NotPlaced>) -> Result<T, NotPlaced> {
        for turn in 0..TRIES {
            match work() {
                Err(NotPlaced::Handles(_)) => {
                    self.lock().keep_fewer();
                    if turn > 1 {
                        std::thread::sleep(BREATH);
                    }
                    let syncing = self.syncing.read().unwrap_or_else(PoisonError::into_inner);
                    self.sync_waiting();
                    drop(syncing);
                    // Others give theirs too.
                    drop(self.syncing.write().unwrap_or_else(PoisonError::into_inner));
                }
                done => return done,
            }
        }
        work()
    }
}

impl Waiting {
    /// Handles are short: half as many may wait from now on, none in the end.
    fn keep_fewer(&mut self) {
        self.fewer += (MOST_WAITING - self.fewer).div_ceil(2);
    }

    /// Adds a file and its folders, and takes out what is one too many, the oldest first.
    fn add(&mut self, root: &Arc<Root>, file: File, path: &SavePath, way: Vec<Folder>) -> Surplus {
        self.files.push_back((file, path.as_str().to_owned()));
        for folder in way {
            let is_known = |(known, at): &(Arc<Root>, Folder)| Arc::ptr_eq(known, root) && at.below == folder.below;
            if !self.folders.iter().any(is_known) {
                self.folders.push_back((Arc::clone(root), folder));
            }
        }
        let (mut files, mut folders) = Surplus::default();
        while self.files.len() + self.folders.len() > MOST_WAITING.saturating_sub(self.fewer) {
            if self.files.len() >= self.folders.len() {
                files.extend(self.files.pop_front());
            } else {
                folders.extend(self.folders.pop_front());
            }
        }
        (files, folders)
    }
}

/// Files and folders to be synced at once.
type Surplus = (Vec<(File, String)>, Vec<(Arc<Root>, Folder)>);

fn open(path: &Path, job: &str, known: &mut Vec<(PathBuf, Arc<Root>)>) -> Result<Arc<Root>, String> {
    let real = Root::make(path)?;
    if let Some((_, root)) = known.iter().find(|(known, _)| *known == real) {
        return Ok(Arc::clone(root));
    }
    let root = Arc::new(Root::open(path, job)?);
    known.push((real, Arc::clone(&root)));
    Ok(root)
}

/// What the attempts of an endpoint save with.
#[derive(Debug)]
pub struct Saver {
    saves: Arc<Saves>,
    root: Arc<Root>,
    pub(super) accepted: StatusSet,
    pub(super) also_in_memory: bool,
}

impl Saver {
    /// For one attempt of a row; nothing is touched yet.
    ///
    /// # Errors
    /// A [`FailureKind::Request`] when the row's values make no path below the root.
    pub fn attempt(self: &Arc<Self>, plan: &SavePlan, context: &Context<'_>) -> Result<super::Saving, Failure> {
        let path = plan.place(context).map_err(|what| {
            Failure::unsent(FailureKind::Request, format!("the file to save to can't be named from this row: {what}"))
        })?;
        Ok(super::Saving::new(Arc::clone(self), path))
    }

    /// Adds bytes to an unfinished file, begun if there is none. Blocking.
    pub(super) fn write(
        &self,
        file: Option<Unfinished>,
        path: &SavePath,
        pieces: [&[u8]; 2],
    ) -> Result<Unfinished, NotPlaced> {
        let failed = |error: io::Error| NotPlaced::of(path.as_str(), &error);
        let mut file = match file {
            Some(file) => file,
            None => self.saves.with_handles(|| self.root.begin().map_err(failed))?,
        };
        pieces.iter().try_for_each(|piece| file.write(piece)).map_err(failed)?;
        Ok(file)
    }

    /// Gives a file its name. Blocking.
    pub(super) fn place(&self, mut file: Unfinished, path: &SavePath) -> Result<(), NotPlaced> {
        let (file, way) = self.saves.with_handles(|| file.place(path))?;
        self.saves.add(&self.root, file, path, way);
        Ok(())
    }
}

#[cfg(test)]
impl Saves {
    /// With something that could not be made durable.
    pub fn lost(words: &str) -> Self {
        let waiting = Waiting { broken: Some(words.to_owned()), ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), ..Self::default() }
    }
}

#[cfg(test)]
impl Saves {
    /// Files and folders that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.files.len(), waiting.folders.len())
    }

    /// As an attempt of an endpoint does.
    pub(super) fn add_to(&self, endpoint: usize, file: File, path: &SavePath, way: Vec<Folder>) {
        self.add(self.roots[endpoint].as_ref().unwrap(), file, path, way);
    }
}
