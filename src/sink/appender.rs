//! A file that grows at its end and knows how much of it is durable.
//!
//! Text gathers in memory, is packed where the file is, and written where it belongs, not where a file position
//! happens to be. Behind what is committed stands what closes the file; what follows is written over it. After a failed write or sync nothing is counted any more: the kernel may have dropped what it
//! could not write, and will not say so twice.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::form::Form;
use super::packer::Packer;
use super::{Cursor, SinkError};
use crate::disk::File;

/// Bytes that gather before they are written.
const FLUSH: usize = 256 * 1024;
/// Bytes before a cursor that its checksum covers.
const TAIL: u64 = 64 * 1024;

/// The end of a file.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    path: PathBuf,
    form: Form,
    /// Text that is not packed and written yet.
    buffer: Vec<u8>,
    packer: Option<Packer>,
    /// Bytes of the file that are written.
    offset: u64,
    /// Bytes of text before the buffer.
    text: u64,
    /// Whether what was found behind `offset`, which closes the file, still stands there.
    untouched: bool,
    /// The last commit, while nothing was added to it.
    committed: Option<Cursor>,
    broken: Option<SinkError>,
}

impl Appender {
    /// Goes on behind `offset` bytes, in which stand `text` bytes of text, and behind which the file ends.
    pub fn new(file: File, path: PathBuf, form: Form, (offset, text): (u64, u64)) -> Self {
        let (buffer, packer) = (Vec::with_capacity(FLUSH + FLUSH / 4), form.packer());
        Self { file, path, form, buffer, packer, offset, text, untouched: false, committed: None, broken: None }
    }

    /// As [`Appender::new`], in a file that somebody else closed behind `offset`: it stays so until there is a record.
    pub fn untouched(file: File, path: PathBuf, form: Form, place: (u64, u64)) -> Self {
        Self { untouched: true, ..Self::new(file, path, form, place) }
    }

    /// Bytes of text that stand before the buffer.
    pub fn text(&self) -> u64 {
        self.text
    }

    /// Bytes of text, those of the buffer included.
    pub fn position(&self) -> u64 {
        self.text + self.buffer.len() as u64
    }

    /// The text that is written, from its beginning.
    pub fn read_back(&self) -> io::Result<Box<dyn Read + '_>> {
        self.form.text(&self.file, self.offset)
    }

    /// How the text stands in the file.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where text is added. [`Appender::settle`] comes after every record.
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
        if self.buffer.len() < FLUSH { self.sound() } else { self.flush(false) }
    }

    /// Makes everything durable.
    pub fn commit(&mut self) -> Result<Cursor, SinkError> {
        self.sound()?;
        if let Some(cursor) = self.committed {
            return Ok(cursor);
        }
        if !self.untouched || !self.buffer.is_empty() {
            self.flush(true)?;
        }
        let synced = self.file.sync_data();
        self.done(synced, "could not be made durable")?;
        let crc = tail_crc(&self.file, self.offset);
        let tail_crc = self.done(crc, "could not be read back")?;
        let cursor = self.form.cursor(self.offset, self.text, tail_crc);
        self.committed = Some(cursor);
        Ok(cursor)
    }

    fn sound(&self) -> Result<(), SinkError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Writes what has gathered; where it `closes` the file, all of it and what closes it.
    fn flush(&mut self, closes: bool) -> Result<(), SinkError> {
        self.sound()?;
        let flushed = self.write(closes);
        self.done(flushed, "could not be written")
    }

    fn write(&mut self, closes: bool) -> io::Result<()> {
        if self.untouched {
            self.file.set_len(self.offset)?;
            self.untouched = false;
        }
        let text = self.position();
        if let Some(packer) = &mut self.packer {
            packer.replace(&mut self.buffer, closes)?;
        }
        let length = self.buffer.len() as u64;
        if closes {
            self.form.close(text, &mut self.buffer)?;
        }
        self.file.write_all_at(&self.buffer, self.offset)?;
        (self.offset, self.text) = (self.offset + length, text);
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

/// Fills an empty file with a text and makes it durable.
///
/// # Errors
/// When the text can't be read or the file can't be written.
pub(crate) fn fill(file: File, path: &Path, form: Form, mut text: impl Read) -> io::Result<Cursor> {
    let mut output = Appender::new(file, path.to_owned(), form, (0, 0));
    while Read::by_ref(&mut text).take(FLUSH as u64).read_to_end(output.buffer())? > 0 {
        output.settle().map_err(io::Error::other)?;
    }
    let cursor = output.commit().map_err(io::Error::other)?;
    output.file.sync_all()?;
    Ok(cursor)
}

/// The checksum of a cursor at `offset`.
pub(crate) fn tail_crc(file: &fs::File, offset: u64) -> io::Result<u32> {
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
    use crate::disk::Way;

    fn appender(path: &Path) -> Appender {
        let file = File::open(path, Way::Keep).unwrap();
        Appender::new(file, path.to_owned(), Form::default(), (0, 0))
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
        assert_ne!(tail_crc(&appender.file, 100_000).unwrap(), full.tail_crc);
    }

    #[test]
    fn much_is_written_before_the_commit_and_little_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut appender = appender(&folder.path().join("x"));
        appender.buffer().extend_from_slice(b"little");
        appender.settle().unwrap();
        assert_eq!(appender.text(), 0);
        appender.buffer().extend_from_slice(&vec![b'x'; FLUSH]);
        appender.settle().unwrap();
        assert_eq!(appender.text(), 6 + FLUSH as u64);
    }

    #[test]
    fn a_full_disk_is_final_and_counts_nothing() {
        let mut appender = appender(Path::new("/dev/full"));
        appender.buffer().extend_from_slice(&vec![b'x'; FLUSH]);
        let error = appender.settle().unwrap_err();
        assert!(error.message.starts_with("/dev/full could not be written: no space is left"), "{error}");
        assert_eq!(appender.text(), 0);
        assert_eq!(appender.commit().unwrap_err(), error);
        assert_eq!(appender.settle().unwrap_err(), error);
    }
}
