//! Where an append goes on in a file that somebody else may have written.
//!
//! A file is read before a byte is added to it: behind half a member, or outside of an array, no program would find
//! what is added. Must never change the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::form::Form;
use crate::source::unpack::{Packing, zstd_decoder};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// Most text that is kept of the last member: that which closes an array holds three bytes.
const MOST_KEPT: usize = 64;

/// Where an append goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes of the file that stay.
    pub offset: u64,
    /// Bytes of text in them.
    pub text: u64,
    /// Whether the last line has no end.
    pub open_line: bool,
}

/// Where an append goes on in a file of `length` bytes that is not empty; `None`: anew, as it holds no record.
///
/// # Errors
/// Why it can't, in words that follow the file's name.
pub(super) fn end(file: &File, length: u64, form: Form) -> Result<Option<End>, String> {
    if form.is_array() && elements(file, length, form)? == 0 {
        return Ok(None);
    }
    let found = match (form.packing(), form.is_array()) {
        (None, false) => lines(file, length),
        (None, true) => array(file, length),
        (Some(packing), array) => {
            let found = members(file, length, packing)?;
            return if array { found.before_bracket(packing) } else { found.behind() }.map(Some);
        }
    };
    found.map(Some).map_err(|error| format!("can't be read: {error}"))
}

fn lines(file: &File, length: u64) -> io::Result<End> {
    let mut last = [b'\n'];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(End { offset: length, text: length, open_line: last != [b'\n'] })
}

/// Elements of the array that the file is.
fn elements(file: &File, length: u64, form: Form) -> Result<usize, String> {
    let text = form.text(file, length).map_err(|error| format!("can't be read: {error}"))?;
    let mut document = serde_json::Deserializer::from_reader(BufReader::with_capacity(PIECE, text));
    // Takes no memory, however many there are.
    let elements = Vec::<IgnoredAny>::deserialize(&mut document).and_then(|found| document.end().map(|()| found.len()));
    elements.map_err(|error| format!("is no JSON array, so nothing can be added to it: {error}"))
}

/// Behind the last element of what is known to be an array.
fn array(file: &File, length: u64) -> io::Result<End> {
    let bracket = last_mark(file, length)?;
    let offset = last_mark(file, bracket)? + 1;
    Ok(End { offset, text: offset, open_line: false })
}

/// Where the last byte before `end` stands that is no white space.
fn last_mark(file: &File, mut end: u64) -> io::Result<u64> {
    let mut piece = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let piece = &mut piece[..usize::try_from(end - start).map_err(io::Error::other)?];
        file.read_exact_at(piece, start)?;
        if let Some(place) = piece.iter().rposition(|byte| !is_blank(*byte)) {
            return Ok(start + place as u64);
        }
        end = start;
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What is in a packed file.
#[derive(Debug, Default)]
struct Members {
    /// Bytes of the file.
    length: u64,
    /// Bytes of text in it.
    text: u64,
    /// Where the last member begins, in the file and in the text.
    last: (u64, u64),
    /// The first bytes of text of the last member.
    kept: Vec<u8>,
    /// The last byte of text.
    last_byte: Option<u8>,
}

/// Reads all members, to the end: half a one is an error.
fn members(file: &File, length: u64, packing: Packing) -> Result<Members, String> {
    let mut found = Members { length, ..Members::default() };
    let read = walk(file, length, packing, &mut found);
    read.map(|()| found)
        .map_err(|error| format!("can't be appended to, as it is no whole {} file: {error}", packing.name()))
}

fn walk(mut file: &File, length: u64, packing: Packing, found: &mut Members) -> io::Result<()> {
    file.rewind()?;
    let mut bytes = BufReader::with_capacity(PIECE, file.take(length));
    while !bytes.fill_buf()?.is_empty() {
        let start = length - bytes.get_ref().limit() - bytes.buffer().len() as u64;
        (found.last, found.kept) = ((start, found.text), Vec::new());
        match packing {
            Packing::Gzip => found.see(flate2::bufread::GzDecoder::new(&mut bytes))?,
            Packing::Zstd => found.see(zstd_decoder(&mut bytes)?.single_frame())?,
        }
    }
    Ok(())
}

impl Members {
    fn see(&mut self, mut member: impl Read) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = member.read(&mut piece)?;
            let Some(last) = piece[..read].last() else { return Ok(()) };
            self.last_byte = Some(*last);
            self.text += read as u64;
            let room = MOST_KEPT - self.kept.len();
            self.kept.extend(&piece[..read.min(room)]);
        }
    }

    fn behind(&self) -> Result<End, String> {
        let open_line = self.last_byte.is_some_and(|byte| byte != b'\n');
        Ok(End { offset: self.length, text: self.text, open_line })
    }

    /// Before the end of the array, where it is a member of its own.
    fn before_bracket(&self, packing: Packing) -> Result<End, String> {
        let (offset, text) = self.last;
        let whole = self.text - text == self.kept.len() as u64;
        if whole && self.kept.iter().all(|byte| is_blank(*byte) || *byte == b']') && self.kept.contains(&b']') {
            return Ok(End { offset, text, open_line: false });
        }
        Err(format!(
            "can't be appended to: its last bracket is packed together with its records, and a {} file can't be cut in \
             a record; unpack it and append to that, or write to another file",
            packing.name()
        ))
    }
}
