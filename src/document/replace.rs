//! Writes a file anew where its name leads: with its rights, its owner and all its names.
//!
//! Whole or not at all, by a file beside it that takes its name, wherever that leaves those as they are. A file with
//! several names, one of another owner and one in a folder that is closed are written in place, what needs room first.
//! Must never write a file that is read-only, or that is not what it was when it was read.

#[cfg(test)]
mod tests;

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::disk::{self, File, Way};

/// Why a file does not hold its new text.
#[derive(Debug)]
pub enum NotReplaced {
    /// It is as it was.
    Kept(io::Error),
    /// It is not: the disk failed when it was written in place, or when it was made durable.
    Torn(io::Error),
}

/// Any of those who may write.
const WRITABLE: u32 = 0o222;

/// Replaces what a file holds, which is `before`. A link stays a link; what it leads to is replaced.
///
/// # Errors
/// See [`NotReplaced`].
pub fn replace(path: &Path, before: &str, after: &str) -> Result<(), NotReplaced> {
    let path = fs::canonicalize(path).map_err(NotReplaced::Kept)?;
    let known = examine(&path, before).map_err(NotReplaced::Kept)?;
    if known.nlink() > 1 {
        return in_place(&path, before.as_bytes(), after.as_bytes());
    }
    match by_name(&path, after, &known) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            in_place(&path, before.as_bytes(), after.as_bytes())
        }
        Err(error) => Err(NotReplaced::Kept(error)),
        Ok(()) => disk::sync_found(&path).map_err(NotReplaced::Torn),
    }
}

/// Whether a file may be written, and still holds what was read.
fn examine(path: &Path, before: &str) -> io::Result<Metadata> {
    let known = fs::metadata(path)?;
    if known.permissions().mode() & WRITABLE == 0 {
        // The administrator could write it: who made it read-only meant it.
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is read-only"));
    }
    if !known.is_file() || fs::read(path)? != before.as_bytes() {
        return Err(io::Error::other("it was changed by somebody else meanwhile"));
    }
    Ok(known)
}

/// Writes a file beside it and gives it its name.
fn by_name(path: &Path, after: &str, known: &Metadata) -> io::Result<()> {
    // Whoever may not write the file itself may not put another one in its place, though the folder would let them.
    File::open(path, Way::Edit)?;
    let beside = beside(path);
    let replaced = write(&beside, after, known).and_then(|()| disk::rename(&beside, path));
    if replaced.is_err() {
        // The error that is told is the one that came first.
        let _ = disk::remove_if_there(&beside);
    }
    replaced
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", crate::random::bits()));
    path.with_file_name(name)
}

fn write(beside: &Path, after: &str, known: &Metadata) -> io::Result<()> {
    let mut file = File::open(beside, Way::New)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (known.uid(), known.gid()) {
        fchown(&*file, Some(known.uid()), Some(known.gid()))?;
    }
    file.write_all(after.as_bytes())?;
    file.set_permissions(known.permissions())?;
    file.sync_all()
}

/// Writes the file itself. What lies beyond its end comes first: a disk that is full is found while all is there.
fn in_place(path: &Path, before: &[u8], after: &[u8]) -> Result<(), NotReplaced> {
    let file = File::open(path, Way::Edit).map_err(NotReplaced::Kept)?;
    let shared = before.len().min(after.len());
    if let Err(error) = file.write_all_at(&after[shared..], before.len() as u64) {
        return Err(undone(file.set_len(before.len() as u64), error));
    }
    let written = file.write_all_at(&after[..shared], 0).and_then(|()| end(&file, after.len()));
    written.map_err(|error| undone(file.write_all_at(before, 0).and_then(|()| end(&file, before.len())), error))
}

/// Cuts a file, and makes it durable.
fn end(file: &File, length: usize) -> io::Result<()> {
    file.set_len(length as u64)?;
    file.sync_all()
}

/// What became of a file that could not be written for `error` and was to be brought back.
fn undone(brought_back: io::Result<()>, error: io::Error) -> NotReplaced {
    match brought_back {
        Ok(()) => NotReplaced::Kept(error),
        Err(_) => NotReplaced::Torn(error),
    }
}
