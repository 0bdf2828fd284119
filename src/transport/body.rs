//! A request's body: what it is made of, and how it goes onto the wire.
//!
//! Files are read as they are sent, so that a body may be larger than memory. A body can be sent again
//! (a retry, a redirect), so it is never used up. Must never send more or less than the length it
//! announced: a file that changed meanwhile breaks the request off.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::fault::io_words;

/// Bytes that are read of a file at once.
const AT_ONCE: u64 = 128 * 1024;

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
    type Error = Unreadable;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
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
    file: Arc<Announced>,
    left: u64,
    state: State,
}

/// A file and the length that was announced of it.
struct Announced {
    path: PathBuf,
    length: u64,
}

/// Reading blocks, so it is done elsewhere, a piece at a time.
enum State {
    Waiting(JoinHandle<Result<(File, Bytes), Unreadable>>),
    Resting(File),
    /// It could not be read, or all of it was.
    Over,
}

fn poll_part(
    parts: &[BodyPart],
    at: &mut usize,
    open: &mut Option<Reading>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Unreadable>>> {
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
                let reading = open.get_or_insert_with(|| Reading::begin(path, *length));
                match ready!(reading.poll(cx)) {
                    Some(Ok(piece)) => return Poll::Ready(Some(Ok(piece))),
                    Some(Err(error)) => {
                        *at = parts.len();
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => (*open, *at) = (None, *at + 1),
                }
            }
        }
    }
}

impl Reading {
    fn begin(path: &Path, length: u64) -> Self {
        let file = Arc::new(Announced { path: path.to_owned(), length });
        let announced = Arc::clone(&file);
        let first =
            tokio::task::spawn_blocking(move || announced.open().and_then(|file| announced.piece(file, length)));
        Self { file, left: length, state: State::Waiting(first) }
    }

    // `None`: all of it was read. An empty file is opened too: it may be gone, or not be empty any more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unreadable>>> {
        loop {
            match &mut self.state {
                State::Waiting(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx));
                    let read = read.unwrap_or_else(|gone| Err(self.file.unreadable(&gone.to_string())));
                    self.state = State::Over;
                    match read {
                        Ok((file, bytes)) => {
                            self.left -= bytes.len() as u64;
                            self.state = State::Resting(file);
                            if !bytes.is_empty() {
                                return Poll::Ready(Some(Ok(bytes)));
                            }
                        }
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Resting(_) if self.left > 0 => self.read_on(),
                State::Resting(_) | State::Over => return Poll::Ready(None),
            }
        }
    }

    fn read_on(&mut self) {
        if let State::Resting(file) = std::mem::replace(&mut self.state, State::Over) {
            let (announced, left) = (Arc::clone(&self.file), self.left);
            self.state = State::Waiting(tokio::task::spawn_blocking(move || announced.piece(file, left)));
        }
    }
}

impl Announced {
    fn open(&self) -> Result<File, Unreadable> {
        let open = || {
            let file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        match open() {
            Ok((file, length)) if length == self.length => Ok(file),
            Ok((_, length)) => {
                Err(self.unreadable(&format!("it changed: it had {} bytes and has {length}", self.length)))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The next piece of the `left` bytes that are still to come. With the last one the file must end: it
    /// is held back until that is sure, so that nobody takes a body for whole that is not.
    fn piece(&self, mut file: File, left: u64) -> Result<(File, Bytes), Unreadable> {
        let most = left.min(AT_ONCE);
        let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        let read = (&mut file).take(most).read_to_end(&mut bytes).map_err(|error| self.failed(&error))? as u64;
        if read < most {
            return Err(self.unreadable("it became shorter while it was sent"));
        }
        if read == left && file.read(&mut [0]).map_err(|error| self.failed(&error))? > 0 {
            return Err(self.unreadable("it became longer while it was sent"));
        }
        Ok((file, bytes.into()))
    }

    fn failed(&self, error: &io::Error) -> Unreadable {
        self.unreadable(&io_words(error))
    }

    fn unreadable(&self, why: &str) -> Unreadable {
        Unreadable(format!("the file {} could not be sent: {why}", self.path.display()))
    }
}

/// A file of the request's body that could not be read as it was announced: an error of our own making,
/// told from those of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub String);

impl Unreadable {
    /// The one that an error of the connection was caused by.
    pub fn within<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests;
