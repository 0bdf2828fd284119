//! The file system as a [`Disk`]. Must never do more than one thing for one change.

#![allow(clippy::disallowed_methods, reason = "this is the door")]

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::retry_on_intr;

use super::{Change, Disk, Name, Way};

/// See the module.
#[derive(Debug)]
pub(super) struct System;

/// How a file in a folder that is held open is made: no link is followed.
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Disk for System {
    fn open(&self, name: Name<'_>, way: Way, _: u64) -> io::Result<fs::File> {
        if let Some((folder, name)) = name.within {
            return Ok(retry_on_intr(|| openat(folder, name, NEW_FILE, Mode::RUSR | Mode::WUSR))?.into());
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match way {
            Way::Edit => &mut options,
            Way::Extend => options.append(true),
            Way::New => options.create_new(true),
            Way::NewToExtend => options.append(true).create_new(true),
            Way::Keep => options.create(true),
            Way::KeepToExtend => options.append(true).create(true),
            Way::Empty => options.create(true).truncate(true),
        };
        options.open(name.path)
    }

    fn change(&self, change: &Change<'_>) -> io::Result<usize> {
        let done = match *change {
            Change::Write(mut open, None, bytes) => return open.file.write(bytes),
            Change::Write(open, Some(place), bytes) => return open.file.write_at(bytes, place),
            Change::SetLength(open, length) => open.file.set_len(length),
            Change::Sync(open) => open.file.sync_data(),
            Change::SyncAll(open) => open.file.sync_all(),
            Change::Rename(from, to) => rename(from, to),
            Change::Remove(Name { within: Some((folder, name)), .. }) => {
                retry_on_intr(|| unlinkat(folder, name, AtFlags::empty())).map_err(Into::into)
            }
            Change::Remove(name) => fs::remove_file(name.path),
            Change::MakeFolder(Name { within: Some((folder, name)), .. }) => {
                retry_on_intr(|| mkdirat(folder, name, Mode::RWXU)).map_err(Into::into)
            }
            Change::MakeFolder(name) => DirBuilder::new().mode(0o700).create(name.path),
            Change::RemoveFolder(Name { within: Some((folder, name)), .. }) => {
                retry_on_intr(|| unlinkat(folder, name, AtFlags::REMOVEDIR)).map_err(Into::into)
            }
            Change::RemoveFolder(name) => fs::remove_dir(name.path),
            Change::SyncFolder(_, Some(folder)) => folder.sync_all(),
            Change::SyncFolder(path, None) => fs::File::open(path).and_then(|folder| folder.sync_all()),
        };
        done.map(|()| 0)
    }
}

fn rename(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    match (from.within, to.within) {
        (Some((old, from)), Some((new, to))) => Ok(retry_on_intr(|| renameat(old, from, new, to))?),
        _ => fs::rename(from.path, to.path),
    }
}
