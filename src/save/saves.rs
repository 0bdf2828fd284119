//! What all attempts of a run save with: the roots, and the files that wait for the next commit.
//!
//! A saved file stays open until it is synced, as an error that the disk has kept back is told to whoever
//! holds the file. Only so many stay open: beyond that the one that waits longest is synced at once. Must
//! never say that everything is durable while some file is not.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::root::{NotPlaced, Root, Unfinished};
use super::{SavePath, SavePlan};
use crate::plan::{Plan, StatusSet};
use crate::retry::{Failure, FailureKind};
use crate::template::Context;

/// Most files that stay open for the next commit, and most folders that wait for it.
const MOST_WAITING: usize = 64;

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
    folders: VecDeque<(Arc<Root>, PathBuf)>,
    /// What could not be made durable: nothing is noted any more.
    broken: Option<String>,
}

impl Saves {
    /// Opens every root, makes those that are not there, and removes what a killed session left unfinished.
    ///
    /// # Errors
    /// When nothing can be saved in one of them, in words.
    pub fn open(plan: &Plan) -> Result<Self, String> {
        let mut known: Vec<(PathBuf, Arc<Root>)> = Vec::new();
        let mut roots = Vec::with_capacity(plan.endpoints.len());
        for endpoint in &plan.endpoints {
            let root = endpoint.save.as_ref().map(|save| open(save.root(), &plan.name, &mut known)).transpose();
            roots.push(root.map_err(|words| format!("endpoints.{}.save: {words}", endpoint.name))?);
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
    fn add(&self, root: &Arc<Root>, file: File, path: &SavePath, way: Vec<PathBuf>) {
        let _syncing = self.syncing.read().unwrap_or_else(PoisonError::into_inner);
        let (late_file, late_folders) = {
            let mut waiting = self.lock();
            waiting.files.push_back((file, path.as_str().to_owned()));
            for below in way {
                let is_known = |(known, at): &(Arc<Root>, PathBuf)| Arc::ptr_eq(known, root) && *at == below;
                if !waiting.folders.iter().any(is_known) {
                    waiting.folders.push_back((Arc::clone(root), below));
                }
            }
            let surplus = waiting.folders.len().saturating_sub(MOST_WAITING);
            let folders: Vec<_> = waiting.folders.drain(..surplus).collect();
            let is_full = waiting.files.len() > MOST_WAITING;
            (is_full.then(|| waiting.files.pop_front()).flatten(), folders)
        };
        self.sync_these(late_file, late_folders);
    }

    /// Syncs files and folders; an error is kept for the commit.
    fn sync_these(
        &self,
        files: impl IntoIterator<Item = (File, String)>,
        folders: impl IntoIterator<Item = (Arc<Root>, PathBuf)>,
    ) {
        let words = |path: &str, error: &io::Error| format!("{path} could not be made durable: {error}");
        for (file, path) in files {
            if let Err(error) = file.sync_data() {
                self.lock().broken.get_or_insert(words(&path, &error));
            }
        }
        for (root, below) in folders {
            if let Err(error) = root.sync(&below) {
                self.lock().broken.get_or_insert(words(&root.shown(&below), &error));
            }
        }
    }

    /// Begins an unfinished file. Where the process has no handle left, those that wait give theirs.
    fn begin(&self, root: &Arc<Root>) -> io::Result<Unfinished> {
        root.begin().or_else(|error| {
            if !Root::is_out_of_handles(&error) {
                return Err(error);
            }
            let _syncing = self.syncing.read().unwrap_or_else(PoisonError::into_inner);
            self.sync_waiting();
            root.begin()
        })
    }
}

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
        let written = file.map_or_else(|| self.saves.begin(&self.root), Ok).and_then(|mut file| {
            pieces.iter().try_for_each(|piece| file.write(piece))?;
            Ok(file)
        });
        written.map_err(|error| NotPlaced::Disk(format!("{} can't be saved: {error}", path.as_str())))
    }

    /// Gives a file its name. Blocking.
    pub(super) fn place(&self, file: Unfinished, path: &SavePath) -> Result<(), NotPlaced> {
        let (file, way) = file.place(path)?;
        self.saves.add(&self.root, file, path, way);
        Ok(())
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
    pub(super) fn add_to(&self, endpoint: usize, file: File, path: &SavePath, way: Vec<PathBuf>) {
        self.roots[endpoint].iter().for_each(|root| self.add(root, file.try_clone().unwrap(), path, way.clone()));
    }
}
