//! A reply's body as it comes in: capped, kept in memory, handed to whoever writes it elsewhere.
//!
//! Knows nothing of connections, so that every protocol brings its pieces here. Must never hold more
//! than `client.max-body`, nor let a piece through that was not counted.

use bytes::{Bytes, BytesMut};
use http::response;

use super::Terms;
use crate::retry::Failure;
use crate::transport::fault;
use crate::transport::{BodyWriter, Keep};

/// Most memory that a `Content-Length` alone is trusted with.
const MOST_RESERVED: u64 = 1024 * 1024;

/// A body on its way in.
pub(in crate::transport) struct Intake<'w> {
    limit: u64,
    length: u64,
    kept: Option<Collected>,
    writer: Option<&'w mut dyn BodyWriter>,
    /// What the writer has not been given yet.
    queued: Vec<Bytes>,
}

impl<'w> Intake<'w> {
    /// Ready for the body behind `head`, of which `announced` bytes are promised.
    ///
    /// # Errors
    /// [`FailureKind::TooLarge`](crate::retry::FailureKind::TooLarge) when the promise is too large already.
    pub fn open(
        head: &response::Parts,
        announced: u64,
        terms: &Terms<'_>,
        writer: Option<&'w mut dyn BodyWriter>,
    ) -> Result<Self, Failure> {
        if announced > terms.max_body {
            return Err(fault::too_large(terms.host, terms.max_body));
        }
        let (writer, keep) = match writer {
            Some(writer) => match writer.begin(head) {
                Keep::Memory => (None, true),
                Keep::Writer => (Some(writer), false),
                Keep::Both => (Some(writer), true),
            },
            None => (None, true),
        };
        let kept = keep.then(|| Collected::new(announced));
        Ok(Self { limit: terms.max_body, length: 0, kept, writer, queued: Vec::new() })
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// When the body grows too large.
    pub fn take(&mut self, piece: Bytes, terms: &Terms<'_>) -> Result<(), Failure> {
        self.length += piece.len() as u64;
        if self.length > self.limit {
            return Err(fault::too_large(terms.host, self.limit));
        }
        if self.writer.is_some() {
            self.queued.push(piece.clone());
        }
        if let Some(kept) = &mut self.kept {
            kept.add(piece, self.length);
        }
        Ok(())
    }

    /// Bytes that came.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether [`Intake::flush`] has something to do.
    pub fn is_full(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Hands what came to the writer.
    ///
    /// # Errors
    /// The writer's.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        for piece in self.queued.drain(..) {
            writer.write(piece).await?;
        }
        Ok(())
    }

    /// The end of the body: what was kept of it.
    ///
    /// # Errors
    /// The writer's.
    pub async fn end(mut self) -> Result<Bytes, Failure> {
        self.flush().await?;
        if let Some(writer) = self.writer {
            writer.end().await?;
        }
        Ok(self.kept.map(Collected::finish).unwrap_or_default())
    }
}

/// The pieces of a body: none, one as it came, or many copied together.
pub(in crate::transport) struct Collected {
    announced: u64,
    first: Bytes,
    rest: BytesMut,
}

impl Collected {
    /// Nothing yet of a body of which `announced` bytes are promised.
    pub fn new(announced: u64) -> Self {
        Self { announced, first: Bytes::new(), rest: BytesMut::new() }
    }

    /// Adds a piece; `length`: bytes with it.
    pub fn add(&mut self, piece: Bytes, length: u64) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            let expected = self.announced.min(MOST_RESERVED).max(length);
            self.rest.reserve(usize::try_from(expected).unwrap_or(usize::MAX));
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
    }

    /// All of it.
    pub fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
