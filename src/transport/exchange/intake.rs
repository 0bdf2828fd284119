//! A reply's body as it comes in: decoded, capped, kept in memory, handed to whoever writes it elsewhere.
//!
//! Knows nothing of connections, so that every protocol brings its pieces here. An encoded body that is
//! kept is decoded as it comes, and one that is written as it is handed on, so that what waits for the
//! writer is never larger than it was on the wire. Must never hold more than `client.max-body`, nor let
//! a piece through that was not counted; only a body that its writer calls endless has no limit, and nothing of it is kept.

use bytes::Bytes;
use http::response;

use super::Terms;
use super::decode::Decoding;
use crate::retry::Failure;
use crate::transport::{BodyWriter, Endless, Keep};
use crate::transport::{fault, redirect};

/// Most memory that a `Content-Length` alone is trusted with.
const MOST_RESERVED: u64 = 1024 * 1024;

/// A body on its way in.
pub(in crate::transport) struct Intake<'w> {
    limit: u64,
    length: u64,
    kept: Option<Collected>,
    writer: Option<&'w mut dyn BodyWriter>,
    /// What the writer has not been given yet, as it came.
    queued: Vec<Bytes>,
    /// Undoes the body's encodings, where it has any.
    decoding: Option<Box<Decoding>>,
    endless: Option<Endless>,
}

impl<'w> Intake<'w> {
    /// Ready for the body behind `head`, of which `announced` bytes are promised. That of a redirect which
    /// is followed is counted and goes nowhere.
    ///
    /// # Errors
    /// [`FailureKind::TooLarge`](crate::retry::FailureKind::TooLarge) when the promise is too large already.
    pub fn open(
        head: &response::Parts,
        announced: u64,
        terms: &Terms<'_>,
        writer: Option<&'w mut dyn BodyWriter>,
    ) -> Result<Self, Failure> {
        let passed_over = terms.follows && redirect::is_one(head);
        let (writer, keep) = match writer.filter(|_| !passed_over) {
            Some(writer) => match writer.begin(head) {
                Keep::Memory => (None, true),
                Keep::Writer => (Some(writer), false),
                Keep::Both => (Some(writer), true),
            },
            None => (None, !passed_over),
        };
        let endless = writer.as_ref().and_then(|writer| writer.endless());
        let limit = if endless.is_some() { u64::MAX } else { terms.max_body };
        if announced > limit {
            return Err(fault::too_large(terms.host, limit));
        }
        let kept = (keep && endless.is_none()).then(|| Collected::new(announced, limit));
        let decoding = if passed_over { None } else { Decoding::of(head, terms, limit) };
        Ok(Self { limit, length: 0, kept, writer, queued: Vec::new(), decoding, endless })
    }

    /// Whether the body goes on for as long as the server likes.
    pub fn endless(&self) -> Option<Endless> {
        self.endless
    }

    /// Whether the writer wants nothing more of it.
    pub fn is_done(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.is_done())
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// When the body grows too large, or can't be decoded.
    pub fn take(&mut self, mut piece: Bytes, terms: &Terms<'_>) -> Result<(), Failure> {
        self.length += piece.len() as u64;
        if self.length > self.limit {
            return Err(fault::too_large(terms.host, self.limit));
        }
        if self.writer.is_some() {
            self.queued.push(piece.clone());
        }
        match (&mut self.kept, &mut self.decoding) {
            (Some(kept), None) => kept.add(piece),
            (Some(kept), Some(decoding)) if self.writer.is_none() => {
                while let Some(decoded) = decoding.next(&mut piece)? {
                    kept.extend(decoded);
                }
            }
            (Some(_) | None, _) => {}
        }
        Ok(())
    }

    /// Bytes that came over the wire.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether [`Intake::flush`] has something to do.
    pub fn is_full(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Hands what came to the writer, until it has enough.
    ///
    /// # Errors
    /// The writer's, and those of [`Intake::take`].
    pub async fn flush(&mut self) -> Result<(), Failure> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        for mut piece in self.queued.drain(..) {
            let Some(decoding) = &mut self.decoding else {
                writer.write(piece).await?;
                if writer.is_done() {
                    break;
                }
                continue;
            };
            while let Some(decoded) = decoding.next(&mut piece)? {
                let decoded = Bytes::copy_from_slice(decoded);
                if let Some(kept) = &mut self.kept {
                    kept.extend(&decoded);
                }
                writer.write(decoded).await?;
                if writer.is_done() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The end of the body, or of what the writer wants of it: what was kept.
    ///
    /// # Errors
    /// The writer's, and [`FailureKind::Truncated`](crate::retry::FailureKind::Truncated) when it is encoded
    /// and breaks off.
    pub async fn end(mut self) -> Result<Bytes, Failure> {
        self.flush().await?;
        if self.is_done() {
            return Ok(self.kept.map(Collected::finish).unwrap_or_default());
        }
        if let Some(decoding) = &self.decoding {
            decoding.finish()?;
        }
        if let Some(writer) = self.writer {
            writer.end().await?;
        }
        Ok(self.kept.map(Collected::finish).unwrap_or_default())
    }
}

/// The pieces of a body: none, one as it came, or many copied together.
pub(in crate::transport) struct Collected {
    announced: u64,
    limit: u64,
    first: Bytes,
    rest: Vec<u8>,
}

impl Collected {
    /// Nothing yet of a body of which `announced` bytes are promised, and `limit` may come.
    pub fn new(announced: u64, limit: u64) -> Self {
        Self { announced, limit, first: Bytes::new(), rest: Vec::new() }
    }

    /// Adds a piece that may be kept as it is.
    pub fn add(&mut self, piece: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
        } else {
            self.extend(&piece);
        }
    }

    /// Adds a copy.
    fn extend(&mut self, piece: &[u8]) {
        self.make_room(self.first.len() + piece.len());
        self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        self.rest.extend_from_slice(piece);
    }

    // Twice as much each time, but never more than may come.
    fn make_room(&mut self, more: usize) {
        let needed = self.rest.len() + more;
        if needed > self.rest.capacity() {
            let twice = self.announced.min(MOST_RESERVED).max(self.rest.capacity() as u64 * 2).min(self.limit);
            let room = usize::try_from(twice).unwrap_or(usize::MAX).max(needed);
            self.rest.reserve_exact(room - self.rest.len());
        }
    }

    /// All of it.
    pub fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.into() }
    }
}

#[cfg(test)]
impl Intake<'_> {
    /// Bytes of the body in memory, decoded and not, and room for more.
    pub fn held(&self) -> usize {
        let kept = self.kept.as_ref().map_or(0, |kept| kept.first.len() + kept.rest.capacity());
        kept + self.queued.iter().map(Bytes::len).sum::<usize>()
    }
}
