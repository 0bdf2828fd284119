//! The door to the disk: whatever changes files and folders that have to outlive a crash goes through [`Disk`].
//!
//! Reading needs no door. Tests put a [`Disk`] of their own before a folder (`watch`), which notes every change, or
//! lets one fail; everywhere else it is the file system, and costs one call through a pointer for each change. Must
//! never hold a change back, do one that nobody asked for, or repeat one that failed: after a failed sync the system
//! may have thrown the bytes away.

mod file;
#[cfg(test)]
pub(crate) mod model;
mod system;
#[cfg(test)]
pub(crate) mod watch;

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs;
use std::io;
use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
use std::path::{Path, PathBuf};

pub(crate) use file::{File, Way};
use system::System;

/// What may change a disk. All of it is made durable by nothing but [`Change::Sync`] and [`Change::SyncFolder`].
pub(crate) trait Disk: Debug + Send + Sync {
    /// Opens a file. `number` is what its changes will be told by.
    fn open(&self, name: Name<'_>, way: Way, number: u64) -> io::Result<fs::File>;

    /// Does a change; of a write perhaps a part. How many bytes were written.
    fn change(&self, change: &Change<'_>) -> io::Result<usize>;
}

/// Where a file or folder stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'n> {
    /// Its path.
    pub path: &'n Path,
    /// The folder that it is in, held open, and its name there: no link on the way is followed then.
    pub within: Option<(&'n fs::File, &'n OsStr)>,
}

/// A file that is open.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), allow(dead_code, reason = "the file system knows a file without its number"))]
pub(crate) struct Open<'f> {
    /// The file.
    pub file: &'f fs::File,
    /// As in [`Disk::open`].
    pub number: u64,
}

/// One change of a disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'c> {
    /// Bytes at a place of a file, or at its end.
    Write(Open<'c>, Option<u64>, &'c [u8]),
    /// A file gets this length.
    SetLength(Open<'c>, u64),
    /// What a file holds becomes durable.
    Sync(Open<'c>),
    /// The same, and all that is known of the file, its times say.
    SyncAll(Open<'c>),
    /// A file gets another name; one that has it already is gone.
    Rename(Name<'c>, Name<'c>),
    /// A file is gone.
    Remove(Name<'c>),
    /// A folder for its owner alone.
    MakeFolder(Name<'c>),
    /// An empty folder is gone.
    RemoveFolder(Name<'c>),
    /// The names in a folder, which may be held open, become durable.
    SyncFolder(&'c Path, Option<&'c fs::File>),
}

impl<'n> Name<'n> {
    /// By its path.
    pub fn of(path: &'n Path) -> Self {
        Self { path, within: None }
    }
}

/// The disk that holds a path.
#[cfg(not(test))]
fn at(_: &Path) -> &'static dyn Disk {
    &System
}

#[cfg(test)]
fn at(path: &Path) -> &'static dyn Disk {
    watch::of(path).unwrap_or(&System)
}

/// Gives a file another name; one that has it already is gone.
///
/// # Errors
/// Those of the disk.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rename_at(Name::of(from), Name::of(to))
}

/// As [`rename`].
pub(crate) fn rename_at(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    at(to.path).change(&Change::Rename(from, to)).map(drop)
}

/// Removes a file.
///
/// # Errors
/// Those of the disk.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    remove_at(Name::of(path))
}

/// As [`remove`].
pub(crate) fn remove_at(name: Name<'_>) -> io::Result<()> {
    at(name.path).change(&Change::Remove(name)).map(drop)
}

/// Removes a file, if there is one.
///
/// # Errors
/// Those of the disk.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes a folder in a folder that is there.
pub(crate) fn make_folder_at(name: Name<'_>) -> io::Result<()> {
    at(name.path).change(&Change::MakeFolder(name)).map(drop)
}

/// Removes an empty folder.
pub(crate) fn remove_folder_at(name: Name<'_>) -> io::Result<()> {
    at(name.path).change(&Change::RemoveFolder(name)).map(drop)
}

/// Makes a folder and those above it, each durable in the one that holds it. One that is there is made durable as
/// well: who made it may have been killed before it was.
///
/// # Errors
/// Those of the disk.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let above = above(folder);
    if folder.is_dir() {
        return sync_found(folder);
    }
    if folder.file_name().is_some() {
        make_folder(&above)?;
    }
    match make_folder_at(Name::of(folder)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => Err(error),
        Ok(()) | Err(_) => sync_folder(&above),
    }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Those of the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = named(folder);
    at(folder).change(&Change::SyncFolder(folder, None)).map(drop)
}

/// As [`sync_folder`], of a folder that is held open.
pub(crate) fn sync_held_folder(path: &Path, folder: &fs::File) -> io::Result<()> {
    at(path).change(&Change::SyncFolder(path, Some(folder))).map(drop)
}

/// Makes the name of a file durable.
///
/// # Errors
/// Those of the disk.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    sync_folder(&above(path))
}

/// Makes the name of something durable that was found: nobody knows whether whoever made it did so.
///
/// # Errors
/// Those of the disk.
pub(crate) fn sync_found(path: &Path) -> io::Result<()> {
    match sync_name(path) {
        // It may stand in a folder that we may not look into, or whose file system knows no such thing.
        Err(error) if matches!(error.kind(), PermissionDenied | InvalidInput | Unsupported) => Ok(()),
        synced => synced,
    }
}

/// The folder that holds a file or folder.
fn above(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) => named(folder).to_owned(),
        None => path.to_owned(),
    }
}

/// The parent of a bare name is the empty path, which means the working directory.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests;
