//! A request's body: what it is made of, and how it goes onto the wire.
//!
//! Files are read as they are sent, so that a body may be larger than memory. A body can be sent again
//! (a retry, a redirect), so it is never used up. Must never send more or less than the length it
//! announced: a file that changed meanwhile breaks the request off.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinHandle;

/// Bytes that are read of a file at once.
const AT_ONCE: usize = 64 * 1024;

/// A request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// All of it, in memory; empty: none.
    Whole(Bytes),
    /// Pieces, sent one after the other.
    Parts(Arc<[BodyPart]>),
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPart {
    /// In memory.
    Bytes(Bytes),
    /// A file, from its beginning.
    File {
        /// Its path.
        path: PathBuf,
        /// Bytes that are sent of it; it must hold exactly so many.
        length: u64,
    },
}

impl BodyPart {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

impl RequestBody {
    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Parts(parts) => parts.iter().map(BodyPart::length).sum(),
        }
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// The bytes, where they are all in memory.
    #[must_use]
    pub fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Parts(_) => None,
        }
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

/// A body on its way.
pub(super) struct SendBody {
    source: Source,
    left: u64,
}

enum Source {
    Whole(Option<Bytes>),
    Parts { parts: Arc<[BodyPart]>, at: usize, open: Option<Reading> },
}

impl SendBody {
    /// The body, from its beginning.
    pub fn new(body: &RequestBody) -> Self {
        let source = match body {
            RequestBody::Whole(bytes) => Source::Whole(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            RequestBody::Parts(parts) => Source::Parts { parts: Arc::clone(parts), at: 0, open: None },
        };
        Self { source, left: body.length() }
    }
}

impl fmt::Debug for SendBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.source {
            Source::Whole(bytes) => bytes.take().map(Ok),
            Source::Parts { parts, at, open } => ready!(poll_part(parts, at, open, cx)),
        };
        if let Some(Ok(bytes)) = &piece {
            self.left -= bytes.len() as u64;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A file that is being sent.
struct Reading {
    file: FileState,
    path: PathBuf,
    left: u64,
}

enum FileState {
    Opening(JoinHandle<io::Result<std::fs::File>>),
    Open(Pin<Box<File>>),
}

fn poll_part(
    parts: &[BodyPart],
    at: &mut usize,
    open: &mut Option<Reading>,
    cx: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    loop {
        match parts.get(*at) {
            None => return Poll::Ready(None),
            Some(BodyPart::Bytes(bytes)) => {
                *at += 1;
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(bytes.clone())));
                }
            }
            Some(BodyPart::File { path, length }) => {
                let reading = open.get_or_insert_with(|| Reading::new(path.clone(), *length));
                match ready!(reading.poll(cx)) {
                    Some(piece) => return Poll::Ready(Some(piece)),
                    None => (*open, *at) = (None, *at + 1),
                }
            }
        }
    }
}

impl Reading {
    fn new(path: PathBuf, length: u64) -> Self {
        let opened = path.clone();
        let file = FileState::Opening(tokio::task::spawn_blocking(move || std::fs::File::open(opened)));
        Self { file, path, left: length }
    }

    // `None`: all of it was read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = loop {
            match &mut self.file {
                FileState::Opening(opening) => match ready!(Pin::new(opening).poll(cx)) {
                    Ok(Ok(file)) => self.file = FileState::Open(Box::pin(File::from_std(file))),
                    Ok(Err(error)) => break Err(error),
                    Err(gone) => break Err(io::Error::other(gone)),
                },
                FileState::Open(file) => break ready!(poll_read(file.as_mut(), self.left, cx)),
            }
        };
        let piece = read.and_then(|bytes| match bytes.len() as u64 {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent")),
            count => {
                self.left -= count;
                Ok(bytes)
            }
        });
        Poll::Ready(Some(piece.map_err(|error| unreadable(&self.path, &error))))
    }
}

fn poll_read(file: Pin<&mut File>, most: u64, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let size = usize::try_from(most).unwrap_or(AT_ONCE).min(AT_ONCE);
    let mut buffer = BytesMut::zeroed(size);
    let mut into = ReadBuf::new(&mut buffer);
    ready!(file.poll_read(cx, &mut into))?;
    let count = into.filled().len();
    buffer.truncate(count);
    Poll::Ready(Ok(buffer.freeze()))
}

/// A file of the request's body that could not be read: an error of our own making, told from those of
/// the connection.
#[derive(Debug)]
pub(super) struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

fn unreadable(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        Unreadable(format!("{} could not be read: {}", path.display(), super::fault::io_words(error))),
    )
}
