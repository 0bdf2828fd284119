//! A file that is open for changes. What only reads it takes it for a [`fs::File`].

use std::fs;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Change, Disk, Name, Open, at};

/// How a file is opened. One that is made is for its owner alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One that is there.
    Edit,
    /// The same; whatever is written without a place goes to its end.
    Extend,
    /// One that is not there.
    New,
    /// The same; whatever is written without a place goes to its end.
    NewToExtend,
    /// One that is there or not, as it is.
    Keep,
    /// The same; whatever is written without a place goes to its end.
    KeepToExtend,
    /// One that is there or not, emptied.
    Empty,
}

/// See the module. Interrupted and short writes are gone on with, by the loops of [`FileExt`] and [`io::Write`].
#[derive(Debug)]
pub(crate) struct File {
    file: fs::File,
    disk: &'static dyn Disk,
    number: u64,
}

impl File {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(path: &Path, way: Way) -> io::Result<Self> {
        Self::open_at(Name::of(path), way)
    }

    /// As [`File::open`].
    pub fn open_at(name: Name<'_>, way: Way) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (disk, number) = (at(name.path), NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(Self { file: disk.open(name, way, number)?, disk, number })
    }

    /// Sets its length.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.change(&Change::SetLength(self.as_open(), length)).map(drop)
    }

    /// Makes what it holds durable. After an error nothing more is known of what is on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync_data(&self) -> io::Result<()> {
        self.disk.change(&Change::Sync(self.as_open())).map(drop)
    }

    /// As [`File::sync_data`], with its times and its mode.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync_all(&self) -> io::Result<()> {
        self.disk.change(&Change::SyncAll(self.as_open())).map(drop)
    }

    fn as_open(&self) -> Open<'_> {
        Open { file: &self.file, number: self.number }
    }
}

impl Deref for File {
    type Target = fs::File;

    fn deref(&self) -> &fs::File {
        &self.file
    }
}

impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.change(&Change::Write(self.as_open(), Some(offset), bytes))
    }
}

impl io::Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.change(&Change::Write(self.as_open(), None, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
