//! One attempt that saves: takes the body piece by piece, and gives the file its name in the end.
//!
//! A body that is small waits in memory and is written, named and closed in one go; a larger one goes to
//! an unfinished file as it comes. All of that happens on threads for it, and whatever is dropped on the
//! way, by a timeout or a stop, takes its unfinished file with it. Must never hold more than a few pieces.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, response};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::root::{NotPlaced, Unfinished};
use super::{SavePath, Saver};
use crate::retry::{Failure, FailureKind};
use crate::transport::{BodyWriter, BoxFuture, Keep};

/// Bytes that wait in memory before they are written.
const ROOM: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Saving {
    saver: Arc<Saver>,
    path: SavePath,
    stage: Stage,
    buffer: Vec<u8>,
    file: Option<Unfinished>,
}

/// How far a body has come.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// There is none to save.
    Nothing,
    /// It is on its way.
    Coming,
    /// It is whole.
    Whole,
    /// It could not be written, and no other could be: the run ends.
    Broken(String),
}

impl Saving {
    pub(super) fn new(saver: Arc<Saver>, path: SavePath) -> Self {
        Self { saver, path, stage: Stage::Nothing, buffer: Vec::new(), file: None }
    }

    /// Where the reply will be saved; `None`: it is not.
    #[must_use]
    pub fn saved(&self) -> Option<&str> {
        (self.stage == Stage::Whole).then(|| self.path.as_str())
    }

    /// Why nothing can be saved any more, in words: the run ends.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match &self.stage {
            Stage::Broken(words) => Some(words),
            Stage::Nothing | Stage::Coming | Stage::Whole => None,
        }
    }

    /// The attempt is accepted: gives the file its name. Nothing happens where there is none to save.
    ///
    /// # Errors
    /// A [`FailureKind::Save`] when this path can't be written; see [`Saving::broken`] for when none can.
    pub async fn keep(&mut self) -> Result<(), Failure> {
        if self.stage != Stage::Whole {
            return Ok(());
        }
        let (saver, path, file) = (Arc::clone(&self.saver), self.path.clone(), self.file.take());
        let buffer = std::mem::take(&mut self.buffer);
        let kept = spawn_blocking(move || {
            let file = saver.write(file, &path, [&buffer, &[]])?;
            saver.place(file, &path)
        });
        let kept = kept.await.unwrap_or_else(|error| Err(NotPlaced::Disk(error.to_string())));
        kept.map_err(|error| self.fail(error))
    }

    async fn flush(&mut self, piece: Bytes) -> Result<(), Failure> {
        let (saver, path, file) = (Arc::clone(&self.saver), self.path.clone(), self.file.take());
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = spawn_blocking(move || {
            let file = saver.write(file, &path, [&buffer, &piece])?;
            buffer.clear();
            Ok((file, buffer))
        });
        match written.await.unwrap_or_else(|error| Err(NotPlaced::Disk(error.to_string()))) {
            Ok((file, buffer)) => {
                (self.file, self.buffer) = (Some(file), buffer);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: NotPlaced) -> Failure {
        let (stage, words) = match error {
            NotPlaced::Path(words) => (Stage::Nothing, words),
            NotPlaced::Disk(words) | NotPlaced::Handles(words) => (Stage::Broken(words.clone()), words),
        };
        self.stage = stage;
        Failure::sent(FailureKind::Save, words)
    }

    /// Forgets what came so far. Removing a large file takes its time, which is not ours.
    fn discard(&mut self) {
        self.buffer.clear();
        if let (Some(file), Ok(runtime)) = (self.file.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

/// Whether a status says that there is no body, not even an empty one (RFC 9110, 15.3.5, 15.3.6, 15.4.5).
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

impl BodyWriter for Saving {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        self.discard();
        self.stage = Stage::Nothing;
        if is_bodiless(head.status) || !self.saver.accepted.contains(head.status.as_u16()) {
            return Keep::Memory;
        }
        self.stage = Stage::Coming;
        if self.saver.also_in_memory { Keep::Both } else { Keep::Writer }
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        if self.buffer.len() + piece.len() > ROOM {
            return Box::pin(self.flush(piece));
        }
        self.buffer.extend_from_slice(&piece);
        Box::pin(ready(Ok(())))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.stage = Stage::Whole;
        Box::pin(ready(Ok(())))
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.discard();
    }
}
