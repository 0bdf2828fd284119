//! How a journal stands in its file, version 1.
//!
//! ```text
//! "paceline"  version: u32                          header, 12 bytes
//! length: u32  crc of length: u32  crc of payload: u32  payload: JSON    a frame; the first holds the Opening,
//! ...                                                                    every other one a Commit
//! ```
//! In a compact journal, failed rows stand between the opening and the first commit, in frames of their
//! own: `{"failed":[...]}`. It is whole before it gets its name, so such a frame is never the last one.
//! Numbers are little-endian, checksums are CRC-32 (IEEE).
//!
//! **What is noticed.** A write that was cut off can only be the last one, since each is durable
//! before the next begins. So these count as a torn end, which a resume cuts off: a frame that reaches
//! beyond the end of the file, a last frame that ends exactly there with a wrong checksum, and a length that
//! fails its own checksum where no whole frame stands behind it: of a write that was not synced, a power cut
//! may leave the end and not the beginning. Everything else that is not whole is damage, and refused with its
//! place: what is wrong in front of a whole frame, and a flipped bit in the length of the last one. One in the
//! last frame's payload can't be told from a torn write; it costs that one commit, whose rows are sent again,
//! and nothing is doubled in the outputs, because they are cut back to the commit before.
//!
//! Other files of the state folder stand in the same frames behind a header of their own ([`Kind`]).
//!
//! Must never take a damaged record for a whole one.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Commit, FailedRow, JournalError, Opening, Recovered, VERSION};

/// Bytes that one write may have torn, at most: a search for what stands behind them is over in a moment.
const MOST_TORN: u64 = 256 << 20;

const FILE_HEADER: u64 = 12;
const FRAME_HEADER: usize = 12;

/// A kind of file that stands in frames.
#[derive(Debug)]
pub(super) struct Kind {
    /// First bytes of the file.
    magic: &'static [u8; 8],
    /// What it is called in messages.
    pub(super) noun: &'static str,
    /// What to do where it can't be used.
    way_out: &'static str,
}

const ANEW: &str = "start anew with `--fresh` (the outputs stay untouched)";

/// The journal.
pub(super) const JOURNAL: Kind = Kind { magic: b"paceline", noun: "journal", way_out: ANEW };
/// The journal of a run before the latest one.
pub(super) const PAST: Kind = Kind { noun: "past journal", way_out: "delete it: no run needs it", ..JOURNAL };
/// What was on the wire.
pub(super) const INTENTS: Kind = Kind { magic: b"pintents", noun: "list of requests on the wire", way_out: ANEW };

/// The failed rows of a compact journal, or some of them. Not a commit: it says nothing of the state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailedNote {
    /// The rows.
    pub(super) failed: Vec<FailedRow>,
}

/// The first bytes of a file: header and opening.
pub(super) fn beginning(opening: &Opening) -> io::Result<Vec<u8>> {
    beginning_of(&JOURNAL, opening)
}

/// The first bytes of a file of this kind: header and first frame.
pub(super) fn beginning_of(kind: &Kind, opening: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = kind.magic.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    append_frame(&mut bytes, opening)?;
    Ok(bytes)
}

/// Appends a frame to `bytes`.
pub(super) fn append_frame(bytes: &mut Vec<u8>, payload: &impl Serialize) -> io::Result<()> {
    let start = bytes.len();
    bytes.extend([0; FRAME_HEADER]);
    serde_json::to_writer(&mut *bytes, payload)?;
    let payload = &bytes[start + FRAME_HEADER..];
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::other("a commit of 4 GiB or more"))?.to_le_bytes();
    let header = [length, crc32fast::hash(&length).to_le_bytes(), crc32fast::hash(payload).to_le_bytes()];
    bytes[start..start + FRAME_HEADER].copy_from_slice(header.as_flattened());
    Ok(())
}

/// Why a file can't be read as a journal.
#[derive(Debug)]
enum Flaw {
    Io(io::Error),
    Foreign,
    Version(u32),
    Damaged { offset: u64, what: &'static str },
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a journal holds up to its last whole frame.
#[derive(Debug)]
pub(super) struct Scan {
    /// What was found, for the caller.
    pub(super) found: Recovered,
    /// Bytes up to the end of the last whole frame.
    pub(super) end: u64,
}

/// Reads a journal; `None` when there is no such file. Only one frame is in memory at a time.
pub(super) fn scan(path: &Path) -> Result<Option<Scan>, JournalError> {
    scan_kind(&JOURNAL, path)
}

/// As [`scan`], of a journal of this kind.
pub(super) fn scan_kind(kind: &'static Kind, path: &Path) -> Result<Option<Scan>, JournalError> {
    Snapshot::open_kind(kind, path)?.map(|snapshot| snapshot.read(|_| Ok(()))).transpose()
}

/// What the run of a journal is, from its first frame alone; `None` where that can't be read.
pub(super) fn opening(path: &Path) -> Option<Opening> {
    let (file, length) = open(&JOURNAL, path).ok()??;
    let mut frames = Frames::begin(&JOURNAL, buffered(file).take(length), length).ok()?;
    let mut frame = Frame::default();
    frames.next(&mut frame).ok()?.then(|| parse(&frame).ok())?
}

/// Reads a journal and shows every commit to `see`, in order; `None` when there is no such file.
pub(super) fn replay<T: DeserializeOwned>(
    path: &Path,
    see: impl FnMut(T) -> io::Result<()>,
) -> Result<Option<Scan>, JournalError> {
    Snapshot::open(path)?.map(|snapshot| snapshot.replay(see)).transpose()
}

/// A journal as it was when it was opened, to be read more than once: a run may go on with it meanwhile, or put
/// another in its place.
#[derive(Debug)]
pub(super) struct Snapshot {
    kind: &'static Kind,
    path: PathBuf,
    file: File,
    length: u64,
}

impl Snapshot {
    /// Opens a journal; `None` when there is no such file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        Self::open_kind(&JOURNAL, path)
    }

    /// As [`Snapshot::open`], of a journal of this kind.
    pub(super) fn open_kind(kind: &'static Kind, path: &Path) -> Result<Option<Self>, JournalError> {
        let opened = open(kind, path)?;
        Ok(opened.map(|(file, length)| Self { kind, path: path.to_owned(), file, length }))
    }

    /// Shows every commit, in order.
    pub(super) fn replay<T: DeserializeOwned>(
        &self,
        mut see: impl FnMut(T) -> io::Result<()>,
    ) -> Result<Scan, JournalError> {
        self.read(|frame| Ok(see(parse(frame)?)?))
    }

    fn read(&self, see: impl FnMut(&Frame) -> Result<(), Flaw>) -> Result<Scan, JournalError> {
        let mut file = &self.file;
        let begun = file.rewind().map_err(Flaw::from);
        let scan = begun.and_then(|()| read(buffered(file), self.length, see));
        scan.map_err(|flaw| explain(self.kind, &self.path, &flaw))
    }
}

/// A file and its length; `None` when there is none. A run may be writing while others read: what comes behind this
/// length is not theirs to see.
fn open(kind: &Kind, path: &Path) -> Result<Option<(File, u64)>, JournalError> {
    match File::open(path).and_then(|file| Ok((file.metadata()?.len(), file))) {
        Ok((length, file)) => Ok(Some((file, length))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain(kind, path, &error.into())),
    }
}

fn buffered<R: Read>(file: R) -> BufReader<R> {
    BufReader::with_capacity(1 << 16, file)
}

/// Reads a file of this kind: its first frame, and each of the others into what `begin` makes of the first.
/// `None` when there is no such file. A torn end is left out.
///
/// # Errors
/// When it is damaged (with the offset), of another version, or can't be read.
pub(super) fn fold<H: DeserializeOwned, F: DeserializeOwned, T>(
    kind: &Kind,
    path: &Path,
    begin: impl FnOnce(H) -> T,
    mut see: impl FnMut(&mut T, F),
) -> Result<Option<T>, JournalError> {
    let Some((file, length)) = open(kind, path)? else { return Ok(None) };
    let read = || {
        let mut frames = Frames::begin(kind, buffered(file).take(length), length)?;
        let mut frame = Frame::default();
        if !frames.next(&mut frame)? {
            return Err(Flaw::Damaged { offset: FILE_HEADER, what: "its first record is not whole" });
        }
        let mut all = begin(parse(&frame)?);
        while frames.next(&mut frame)? {
            see(&mut all, parse(&frame)?);
        }
        Ok(Some(all))
    };
    read().map_err(|flaw| explain(kind, path, &flaw))
}

/// Reads a journal that is in memory, for tests over every bit of it.
#[cfg(test)]
pub(super) fn scan_bytes(bytes: &[u8]) -> Result<Scan, JournalError> {
    read(bytes, bytes.len() as u64, |_| Ok(())).map_err(|flaw| explain(&JOURNAL, Path::new("journal"), &flaw))
}

fn read(source: impl Read, length: u64, mut see: impl FnMut(&Frame) -> Result<(), Flaw>) -> Result<Scan, Flaw> {
    let mut frames = Frames::begin(&JOURNAL, source.take(length), length)?;
    let mut frame = Frame::default();
    if !frames.next(&mut frame)? {
        return Err(Flaw::Damaged { offset: FILE_HEADER, what: "its first record is not whole" });
    }
    let opening: Opening = parse(&frame)?;
    let mut commits = 0u64;
    while frames.next(&mut frame)? {
        see(&frame)?;
        commits += 1;
    }
    let last = if commits == 0 { Commit::default() } else { last_commit(&frame, frames.offset)? };
    Ok(Scan { found: Recovered { opening, last, torn: length - frames.offset }, end: frames.offset })
}

/// The commit in the last whole frame, which ends at `end`.
fn last_commit(frame: &Frame, end: u64) -> Result<Commit, Flaw> {
    match parse::<FailedNote>(frame) {
        Ok(_) => Err(Flaw::Damaged { offset: end, what: "the commit that belongs here is not whole" }),
        Err(_) => parse(frame),
    }
}

fn parse<T: DeserializeOwned>(frame: &Frame) -> Result<T, Flaw> {
    let what = "a record is whole but can't be understood";
    serde_json::from_slice(&frame.payload).map_err(|_| Flaw::Damaged { offset: frame.offset, what })
}

/// A whole frame.
#[derive(Debug, Default)]
struct Frame {
    offset: u64,
    payload: Vec<u8>,
}

/// Reads frame by frame. `offset` is the end of the last whole frame.
struct Frames<R> {
    reader: R,
    offset: u64,
    length: u64,
    /// The next payload; swapped with the last whole one, so that a torn end does not overwrite it.
    next: Vec<u8>,
}

impl<R: Read> Frames<R> {
    fn begin(kind: &Kind, mut reader: R, length: u64) -> Result<Self, Flaw> {
        let mut header = [0; FILE_HEADER as usize];
        if length < FILE_HEADER {
            return Err(Flaw::Foreign);
        }
        reader.read_exact(&mut header)?;
        let (magic, version) = header.split_at(kind.magic.len());
        match little_endian(version) {
            _ if magic != kind.magic => Err(Flaw::Foreign),
            VERSION => Ok(Self { reader, offset: FILE_HEADER, length, next: Vec::new() }),
            other => Err(Flaw::Version(other)),
        }
    }

    /// Reads the next whole frame into `frame`; `false`, and `frame` as it was, where there is none.
    fn next(&mut self, frame: &mut Frame) -> Result<bool, Flaw> {
        let left = self.length - self.offset;
        let mut header = [0; FRAME_HEADER];
        if left < FRAME_HEADER as u64 {
            return Ok(false);
        }
        self.reader.read_exact(&mut header)?;
        let [length, length_crc, payload_crc] = [0, 4, 8].map(|at| little_endian(&header[at..at + 4]));
        if crc32fast::hash(&header[..4]) != length_crc {
            return self.torn(&header);
        }
        let end = FRAME_HEADER as u64 + u64::from(length);
        if end > left {
            return Ok(false);
        }
        self.next.resize(length as usize, 0);
        self.reader.read_exact(&mut self.next)?;
        if crc32fast::hash(&self.next) != payload_crc {
            return if end == left { Ok(false) } else { Err(self.damaged("the checksum of a record is wrong")) };
        }
        std::mem::swap(&mut self.next, &mut frame.payload);
        frame.offset = self.offset;
        self.offset += end;
        Ok(true)
    }

    /// `false` where no whole frame stands behind here: the last write was torn.
    fn torn(&mut self, header: &[u8]) -> Result<bool, Flaw> {
        let damaged = Err(self.damaged("the length of a record is wrong"));
        let left = self.length - self.offset;
        if left > MOST_TORN {
            return damaged;
        }
        let mut rest = header.to_vec();
        self.reader.read_to_end(&mut rest)?;
        if is_flipped(&rest) {
            return damaged;
        }
        let stands = (1..rest.len()).any(|at| is_frame(&rest[at..]));
        if stands { damaged } else { Ok(false) }
    }

    fn damaged(&self, what: &'static str) -> Flaw {
        Flaw::Damaged { offset: self.offset, what }
    }
}

/// Whether these bytes are a whole frame, but for one bit of its length or that length's checksum: a write of which the
/// beginning is missing has zeros there.
fn is_flipped(bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_at_checked(FRAME_HEADER).filter(|(_, payload)| !payload.is_empty())
    else {
        return false;
    };
    let length = (payload.len() as u32).to_le_bytes();
    let expected = [length, crc32fast::hash(&length).to_le_bytes()].concat();
    let written = header.iter().position(|byte| *byte != 0).unwrap_or(FRAME_HEADER);
    let differing = |(one, other): (&u8, &u8)| (one ^ other).count_ones();
    let missing: u32 = expected.iter().zip(header).take(written).map(differing).sum();
    let flipped: u32 = expected.iter().zip(header).map(differing).sum();
    flipped == 1 && missing == 0 && crc32fast::hash(payload) == little_endian(&header[8..12])
}

/// Whether these bytes begin with a whole frame.
fn is_frame(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_at_checked(FRAME_HEADER) else { return false };
    let [length, length_crc, payload_crc] = [0, 4, 8].map(|at| little_endian(&header[at..at + 4]));
    let payload = rest.get(..length as usize);
    // Zeros are no frame: none is empty.
    length > 0
        && crc32fast::hash(&header[..4]) == length_crc
        && payload.is_some_and(|payload| crc32fast::hash(payload) == payload_crc)
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn explain(kind: &Kind, path: &Path, flaw: &Flaw) -> JournalError {
    let (noun, way_out, path) = (kind.noun, kind.way_out, path.display());
    let message = match flaw {
        Flaw::Io(error) => format!("can't read the {noun} `{path}`: {error}"),
        Flaw::Foreign => format!("`{path}` is not a {noun} of paceline; move it away, or {way_out}"),
        Flaw::Version(version) => format!(
            "the {noun} `{path}` has format version {version}, and this program knows version {VERSION}; go on with \
             the paceline that wrote it, or {way_out}"
        ),
        Flaw::Damaged { offset, what } => {
            format!("the {noun} `{path}` is damaged at byte {offset}: {what}; bring it back from a copy, or {way_out}")
        }
    };
    JournalError { message }
}
