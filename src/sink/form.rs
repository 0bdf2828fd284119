//! How the text of an output stands in its file: packed or as it is, as lines or as one array.
//!
//! What is committed ends where the next record will begin. What makes a whole file of it stands behind the cursor,
//! where what follows is written over it: the end of an array, and of a packed file without text a member that holds
//! none, as no bytes at all are no gzip file. Must never count what stands there as committed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Cursor;
use super::packer::Packer;
use crate::source::unpack::{Packing, Unpacked, packing_of};

/// Most bytes that what closes a file may take, so that it can be read at once: ours takes less than fifty.
const MOST_CLOSING: u64 = 4096;

/// How the text of an output stands in its file. The default: as it is, lines without an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    packing: Option<Packing>,
    array: bool,
}

impl Form {
    /// Lines in a file of this name, packed where it ends in `.gz` or `.zst`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self { packing: path.file_name().and_then(|name| packing_of(name.to_str()?)), array: false }
    }

    /// The same, with the records in one JSON array.
    #[must_use]
    pub fn in_array(self) -> Self {
        Self { array: true, ..self }
    }

    /// Whether the records stand in one JSON array.
    pub(super) fn is_array(self) -> bool {
        self.array
    }

    /// How it is packed, if it is.
    pub(super) fn packing(self) -> Option<Packing> {
        self.packing
    }

    /// What packs its text.
    pub(super) fn packer(self) -> Option<Packer> {
        self.packing.map(Packer::new)
    }

    /// What stands between `text` bytes of committed text and the record that comes next. It is written with that
    /// record, and belongs to the record before it: so each record of an array is a line as well.
    pub(crate) fn joint(self, text: u64) -> &'static [u8] {
        match (self.array, text) {
            (false, _) => b"",
            (true, 1) => b"\n",
            (true, _) => b",\n",
        }
    }

    /// How much of `lines` bytes of text is committed when the last joint is left to the record that comes next.
    pub(crate) fn without_joint(self, lines: u64) -> u64 {
        let joint = if lines == 2 { 1 } else { 2 };
        if self.array { lines.saturating_sub(joint) } else { lines }
    }

    fn end(self) -> &'static [u8] {
        if self.array { b"\n]\n" } else { b"" }
    }

    /// Appends what closes a file that holds so many bytes of text.
    ///
    /// # Errors
    /// When it can't be packed.
    pub(super) fn close(self, text: u64, out: &mut Vec<u8>) -> io::Result<()> {
        match self.packing {
            None => out.extend_from_slice(self.end()),
            Some(packing) if self.array || text == 0 => out.append(&mut Packer::pack(packing, self.end())?),
            Some(_) => {}
        }
        Ok(())
    }

    /// A file in which `head` stands and no record.
    ///
    /// # Errors
    /// When it can't be packed.
    pub(super) fn beginning(self, head: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = match self.packing {
            Some(packing) if !head.is_empty() => Packer::pack(packing, head)?,
            Some(_) | None => head.to_vec(),
        };
        self.close(head.len() as u64, &mut file)?;
        Ok(file)
    }

    /// Bytes of text before a cursor.
    pub(crate) fn text_before(self, cursor: Cursor) -> u64 {
        if self.packing.is_some() { cursor.text } else { cursor.offset }
    }

    /// A cursor behind so many bytes of text.
    pub(super) fn cursor(self, offset: u64, text: u64, tail_crc: u32) -> Cursor {
        Cursor { offset, tail_crc, text: if self.packing.is_some() { text } else { 0 } }
    }

    /// The text in the first `offset` bytes of a file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn text(self, mut file: &File, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        file.rewind()?;
        let bytes = file.take(offset);
        Ok(if self.packing.is_some() { Box::new(Unpacked::new(bytes)) } else { Box::new(bytes) })
    }

    /// The text before a cursor, each record with the joint that belongs to it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn lines(self, file: &File, cursor: Cursor) -> io::Result<impl BufRead + '_> {
        let joint = self.joint(self.text_before(cursor));
        Ok(BufReader::new(self.text(file, cursor.offset)?.chain(joint)))
    }

    /// Whether behind a cursor stands what closes the file and nothing else.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn is_closed(self, file: &File, cursor: Cursor, length: u64) -> io::Result<bool> {
        let behind = length.saturating_sub(cursor.offset);
        if behind > MOST_CLOSING {
            return Ok(false);
        }
        let mut bytes = vec![0; usize::try_from(behind).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, cursor.offset)?;
        if self.packing.is_none() {
            return Ok(self.is_end(&bytes));
        }
        // Read, not compared: another version of the packer may make other bytes of the same text.
        let mut text = Vec::new();
        let read = Unpacked::new(bytes.as_slice()).take(MOST_CLOSING).read_to_end(&mut text);
        let needs_member = self.array || self.text_before(cursor) == 0;
        Ok(read.is_ok() && self.is_end(&text) && bytes.is_empty() != needs_member)
    }

    /// Whether a text ends a whole file; the end of an array may be somebody else's, before it was added to.
    fn is_end(self, text: &[u8]) -> bool {
        if self.array { text.trim_ascii() == b"]" } else { text.is_empty() }
    }
}
