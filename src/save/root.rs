//! A folder that bodies are saved below, held open, so that nothing on the way to a file leads out of it.
//!
//! Every step from the root goes through the handle of the folder before it (`openat`) and follows no
//! link, so that whoever changes the folder meanwhile changes nothing about where files go. Unfinished
//! files lie in a hidden folder of the root, on the same file system, where one rename gives them their
//! name. Must never follow a link below the root, nor touch a file that it was not told to.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use rustix::io::{Errno, retry_on_intr};

use super::SavePath;
use crate::disk::{self, Name, Way};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// See the module. Removes its hidden folder when dropped.
#[derive(Debug)]
pub(super) struct Root {
    /// As the job reaches it, for texts.
    path: PathBuf,
    folder: File,
    /// Name of the folder of unfinished files.
    hidden: String,
    /// That folder; its lock is held.
    unfinished: File,
    /// Number of the next unfinished file.
    next: AtomicU64,
    /// Whether the hidden folder is gone: another session may have made one of its own since.
    closed: AtomicBool,
}

/// A folder on the way to a file.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// From the root; empty: the root itself.
    pub below: PathBuf,
    /// `None`: the root's own.
    pub handle: Option<File>,
}

/// Why a file could not get its name.
#[derive(Debug)]
pub(super) enum NotPlaced {
    /// Something about this one path: its row fails.
    Path(String),
    /// The disk, or who may write to it: it would be the same for every row.
    Disk(String),
    /// The process, or the machine, has no file handle left.
    Handles(String),
}

impl NotPlaced {
    /// An error that is not about the path alone, in words.
    pub fn of(path: &str, error: &io::Error) -> Self {
        let words = format!("{path} can't be saved: {error}");
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                Self::Handles(format!("{words}; allow more with `ulimit -n`, or lower `concurrency`"))
            }
            _ => Self::Disk(words),
        }
    }
}

impl Root {
    /// Makes the folder, if it is not there, and says where it really is.
    ///
    /// # Errors
    /// In words.
    pub fn make(path: &Path) -> Result<PathBuf, String> {
        let path = named(path);
        let made = disk::make_folder(path).and_then(|()| std::fs::canonicalize(path));
        made.map_err(|error| format!("nothing can be saved in {}: {error}", path.display()))
    }

    /// Opens the folder and clears what a killed session left unfinished in it. Only one session of a job of
    /// this name saves below it until the root is dropped.
    ///
    /// # Errors
    /// In words.
    pub fn open(path: &Path, job: &str) -> Result<Self, String> {
        let (path, hidden) = (named(path), format!("{}-{job}", super::name::OWN));
        let failed = |error: io::Error| format!("nothing can be saved in {}: {error}", path.display());
        let folder = File::open(path).map_err(failed)?;
        let unfinished = claim((path, &folder), &hidden).map_err(failed)?.ok_or_else(|| {
            format!(
                "another run of a job of this name saves in {}: wait until it has ended, or save to another folder",
                path.display()
            )
        })?;
        let path = path.to_owned();
        let root = Self { path, folder, hidden, unfinished, next: AtomicU64::new(0), closed: AtomicBool::new(false) };
        match root.clear() {
            Ok(()) => Ok(root),
            Err(error) => Err(format!("{} can't be cleared: {error}", root.shown(Path::new(&root.hidden)))),
        }
    }

    /// Begins an unfinished file. Dropped before it is placed, it is gone.
    pub fn begin(self: &Arc<Self>) -> io::Result<Unfinished> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.path.join(&self.hidden).join(&name);
        let file =
            disk::File::open_at(Name { path: &path, within: Some((&self.unfinished, name.as_ref())) }, Way::New)?;
        Ok(Unfinished { file: Some(file), name, root: Arc::clone(self) })
    }

    /// Makes the names in a folder durable.
    pub fn sync(&self, folder: &Folder) -> io::Result<()> {
        disk::sync_held_folder(&self.path.join(&folder.below), self.handle(folder))
    }

    /// Removes the hidden folder with all that is in it.
    pub fn close(&self) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        // What can't be removed now is removed with the last unfinished file, or by the next session.
        let _ = self.clear();
        let path = self.path.join(&self.hidden);
        let hidden = Name { path: &path, within: Some((&self.folder, self.hidden.as_ref())) };
        let removed = disk::remove_folder_at(hidden);
        self.closed.store(removed.is_ok(), Ordering::Release);
    }

    /// A path below the root, for people.
    pub fn shown(&self, below: &Path) -> String {
        self.path.join(below).display().to_string()
    }

    fn clear(&self) -> io::Result<()> {
        for entry in Dir::read_from(&self.unfinished)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                match self.remove_unfinished(OsStr::from_bytes(entry.file_name().to_bytes())) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn remove_unfinished(&self, name: &OsStr) -> io::Result<()> {
        let path = self.path.join(&self.hidden).join(name);
        disk::remove_at(Name { path: &path, within: Some((&self.unfinished, name)) })
    }

    /// Opens the folders on the way to a file, made where they are not there; the last is the file's own.
    fn way(&self, names: &[&str]) -> Result<Vec<Folder>, (io::Error, PathBuf)> {
        let mut way = vec![Folder::default()];
        for (depth, name) in names.iter().enumerate() {
            let below = way[depth].below.join(name);
            let path = self.path.join(&below);
            let entered = enter(Name { path: &path, within: Some((self.handle(&way[depth]), name.as_ref())) });
            let entered = entered.map_err(|error| (error, below.clone()))?;
            way.push(Folder { below, handle: Some(entered) });
        }
        Ok(way)
    }

    fn handle<'f>(&'f self, folder: &'f Folder) -> &'f File {
        folder.handle.as_ref().unwrap_or(&self.folder)
    }

    /// Whether an error is about this one path, in words.
    fn judge(&self, error: &io::Error, at: &Path) -> NotPlaced {
        let path = self.shown(at);
        match Errno::from_io_error(error).unwrap_or(Errno::IO) {
            Errno::NOTDIR | Errno::LOOP => NotPlaced::Path(format!(
                "{path} is a file or a link, and files are saved in folders alone: move it away, or change `save.path`"
            )),
            Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY => {
                NotPlaced::Path(format!("{path} is a folder: move it away, or change `save.path`"))
            }
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => NotPlaced::Path(format!(
                "{path} is no name that its file system takes: change the value, or `save.path`"
            )),
            Errno::XDEV => NotPlaced::Disk(format!(
                "{path} can't be saved: it lies on another disk than {}; begin `save.path` with its folder",
                self.path.display()
            )),
            _ => NotPlaced::of(&path, error),
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.close();
    }
}

/// A folder that has a name: the empty path means the working directory.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Opens a folder of a folder; makes it if it is not there.
fn enter(name: Name<'_>) -> io::Result<File> {
    let enter = || {
        let Some((folder, within)) = name.within else { return File::open(name.path) };
        Ok(retry_on_intr(|| openat(folder, within, FOLDER, Mode::empty()))?.into())
    };
    match enter() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match disk::make_folder_at(name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => enter(),
        },
        entered => entered,
    }
}

/// The hidden folder, locked; `None` when another process holds it.
fn claim((path, folder): (&Path, &File), hidden: &str) -> io::Result<Option<File>> {
    loop {
        let path = path.join(hidden);
        let unfinished = enter(Name { path: &path, within: Some((folder, hidden.as_ref())) })?;
        match unfinished.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system that knows no locks is written without one.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held it may have removed it while we waited for nothing.
        let held = unfinished.metadata()?;
        match statat(folder, hidden, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (held.dev(), held.ino()) => return Ok(Some(unfinished)),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A file without its name.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// Taken when the file got its name.
    file: Option<disk::File>,
    name: String,
    root: Arc<Root>,
}

impl Unfinished {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Gives the file its name; a file of that name is replaced. The folders on the way come with it, as some
    /// other row may have made one of them a moment ago; nothing is synced.
    pub fn place(&mut self, path: &SavePath) -> Result<(disk::File, Vec<Folder>), NotPlaced> {
        let mut names: Vec<&str> = path.names().collect();
        let name = names.pop().unwrap_or_default();
        let root = Arc::clone(&self.root);
        let way = root.way(&names).map_err(|(error, at)| root.judge(&error, &at))?;
        let folder = way.last().map_or(&root.folder, |folder| root.handle(folder));
        let at = || names.iter().chain([&name]).collect::<PathBuf>();
        let (old, new) = (root.path.join(&root.hidden).join(&self.name), root.path.join(at()));
        let from = Name { path: &old, within: Some((&root.unfinished, self.name.as_ref())) };
        let to = Name { path: &new, within: Some((folder, name.as_ref())) };
        disk::rename_at(from, to).map_err(|error| root.judge(&error, &at()))?;
        match self.file.take() {
            Some(file) => Ok((file, way)),
            None => Err(root.judge(&Errno::BADF.into(), &at())),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What can't be removed now is removed when the root is closed.
            let _ = self.root.remove_unfinished(self.name.as_ref());
        }
    }
}
