//! One object on its way: at once where it is small, else in pieces that are sent while the next ones are made.
//!
//! Must never leave an upload behind that it began, as far as the server can still be asked, nor take an object for its own
//! that is not as long as it was made.

use bytes::Bytes;

use super::objects::{Found, Note, Objects};
use crate::sink::spooled::Setback;

/// Bytes of a piece: S3 wants 5 MiB of each but the last.
pub(super) const PIECE: usize = 8 << 20;

/// See the module.
pub(super) struct Upload<'u> {
    objects: &'u mut Objects,
    key: &'u str,
    note: &'u Note,
    /// The id, once there are pieces.
    id: Option<String>,
    tags: Vec<String>,
    length: u64,
}

impl<'u> Upload<'u> {
    /// An object of which nothing is sent yet.
    pub fn new(objects: &'u mut Objects, key: &'u str, note: &'u Note) -> Self {
        Self { objects, key, note, id: None, tags: Vec::new(), length: 0 }
    }

    /// Sends a piece.
    pub async fn add(&mut self, piece: Vec<u8>) -> Result<(), Setback> {
        let sent = self.try_add(piece.into()).await;
        self.ended(sent).await
    }

    async fn try_add(&mut self, piece: Bytes) -> Result<(), Setback> {
        let id = match &self.id {
            Some(id) => id,
            None => self.id.insert(self.objects.create(self.key, self.note).await?),
        };
        self.length += piece.len() as u64;
        self.tags.push(self.objects.piece((self.key, id), self.tags.len() + 1, piece).await?);
        Ok(())
    }

    /// Sends the rest, and gives back when the object stands as it was made. Who hears no answer asks.
    pub async fn end(mut self, rest: Vec<u8>) -> Result<(), Setback> {
        let sent = self.try_end(rest.into()).await;
        if let Err(Setback::Refused(_)) = sent {
            return self.ended(sent).await;
        }
        match self.objects.head(self.key).await {
            Ok(Some(found)) if found.note.as_ref() == Some(self.note) => self.is_whole(&found).await,
            // There is none, or another one: it is told by whoever asks how far the bucket has come.
            Ok(_) => {
                let missing = Err(Setback::Away(format!("the object {} is not there after it was written", self.key)));
                self.ended(sent.and(missing)).await
            }
            Err(silent) => self.ended(sent.and(Err(silent))).await,
        }
    }

    async fn try_end(&mut self, rest: Bytes) -> Result<(), Setback> {
        if self.id.is_none() {
            self.length = rest.len() as u64;
            return self.objects.put(self.key, self.note, rest).await;
        }
        if !rest.is_empty() {
            self.try_add(rest).await?;
        }
        match &self.id {
            Some(id) => self.objects.join((self.key, id), &self.tags).await,
            None => Ok(()),
        }
    }

    async fn is_whole(&self, found: &Found) -> Result<(), Setback> {
        if found.length.is_none_or(|length| length == self.length) {
            return Ok(());
        }
        let length = found.length.unwrap_or_default();
        self.objects.delete(self.key).await?;
        let words = format!("the object {} came to {length} bytes and should have {}", self.key, self.length);
        Err(Setback::Away(format!("{words}; it was dropped")))
    }

    /// Drops what was begun, where something went wrong.
    pub async fn ended(&mut self, sent: Result<(), Setback>) -> Result<(), Setback> {
        let begun = if sent.is_err() { self.id.take() } else { None };
        if let Some(id) = begun {
            // Whoever comes next drops what this one can't.
            let _ = self.objects.abort((self.key, &id)).await;
        }
        sent
    }
}
