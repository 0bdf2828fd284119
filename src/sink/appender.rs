//! A file that grows at its end and knows how much of it is durable.
//!
//! Bytes gather in memory and are written where they belong, not where a file position happens to
//! be. After a failed write or sync nothing is counted any more: the kernel may have dropped what it
//! could not write, and will not say so twice.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Cursor, SinkError};

/// Bytes that gather before they are written.
const FLUSH: usize = 256 * 1024;
/// Bytes before a cursor that its checksum covers.
const TAIL: u64 = 64 * 1024;

/// The end of a file.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Bytes of the file that are written.
    offset: u64,
    /// The last commit, while nothing was added to it.
    committed: Option<Cursor>,
    broken: Option<SinkError>,
}

impl Appender {
    /// Goes on behind `offset` bytes.
    pub fn new(file: File, path: PathBuf, offset: u64) -> Self {
        Self { file, path, buffer: Vec::with_capacity(FLUSH + FLUSH / 4), offset, committed: None, broken: None }
    }

    /// Bytes that stand before the buffer.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the output, those of the buffer included.
    pub fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where bytes are added. [`Appender::settle`] comes after every record.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.committed = None;
        &mut self.buffer
    }

    /// Whether nothing was added since the last commit.
    pub fn is_committed(&self) -> bool {
        self.committed.is_some()
    }

    /// Writes what has gathered, if it is much.
    pub fn settle(&mut self) -> Result<(), SinkError> {
        if self.buffer.len() < FLUSH { self.sound() } else { self.flush() }
    }

    /// Makes everything durable.
    pub fn commit(&mut self) -> Result<Cursor, SinkError> {
        self.sound()?;
        if let Some(cursor) = self.committed {
            return Ok(cursor);
        }
        self.flush()?;
        let synced = self.file.sync_data();
        self.done(synced, "could not be made durable")?;
        let crc = tail_crc(&self.file, self.offset);
        let tail_crc = self.done(crc, "could not be read back")?;
        let cursor = Cursor { offset: self.offset, tail_crc };
        self.committed = Some(cursor);
        Ok(cursor)
    }

    fn sound(&self) -> Result<(), SinkError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.sound()?;
        let written = self.file.write_all_at(&self.buffer, self.offset);
        self.done(written, "could not be written")?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn done<T>(&mut self, result: io::Result<T>, what: &str) -> Result<T, SinkError> {
        result.map_err(|error| {
            let error = SinkError::new(format!("{} {what}: {}", self.path.display(), reason(&error)));
            self.broken = Some(error.clone());
            error
        })
    }
}

/// The checksum of a cursor at `offset`.
pub(crate) fn tail_crc(file: &File, offset: u64) -> io::Result<u32> {
    let length = offset.min(TAIL);
    let mut tail = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut tail, offset - length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&tail);
    Ok(hasher.finalize())
}

/// An I/O error of an output in words.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "no space is left on its disk; what was committed is safe".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up; what was committed is safe".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "its disk is read-only".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is a file, not a folder".to_owned(),
        io::ErrorKind::BrokenPipe => "the program that read it went away".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appender(path: &Path) -> Appender {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        Appender::new(file, path.to_owned(), 0)
    }

    #[test]
    fn a_commit_is_never_the_default_cursor_and_covers_the_tail() {
        let folder = tempfile::tempdir().unwrap();
        let mut appender = appender(&folder.path().join("x"));
        let empty = appender.commit().unwrap();
        assert_eq!(empty.offset, 0);
        assert_ne!(empty, Cursor::default());
        appender.buffer().extend_from_slice(&vec![b'x'; 100_000]);
        let full = appender.commit().unwrap();
        assert_eq!((full.offset, full), (100_000, appender.commit().unwrap()));
        appender.file.write_all_at(b"y", 99_999).unwrap();
        assert_ne!(tail_crc(appender.file(), 100_000).unwrap(), full.tail_crc);
    }

    #[test]
    fn much_is_written_before_the_commit_and_little_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut appender = appender(&folder.path().join("x"));
        appender.buffer().extend_from_slice(b"little");
        appender.settle().unwrap();
        assert_eq!(appender.offset(), 0);
        appender.buffer().extend_from_slice(&vec![b'x'; FLUSH]);
        appender.settle().unwrap();
        assert_eq!(appender.offset(), 6 + FLUSH as u64);
    }

    #[test]
    fn a_full_disk_is_final_and_counts_nothing() {
        let mut appender = appender(Path::new("/dev/full"));
        appender.buffer().extend_from_slice(&vec![b'x'; FLUSH]);
        let error = appender.settle().unwrap_err();
        assert!(error.message.starts_with("/dev/full could not be written: no space is left"), "{error}");
        assert_eq!(appender.offset(), 0);
        assert_eq!(appender.commit().unwrap_err(), error);
        assert_eq!(appender.settle().unwrap_err(), error);
    }
}
