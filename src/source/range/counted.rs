//! What numbers and dates have in common: a first one, a step, and how many there are.
//!
//! Must never hold more than the position: a range of billions costs what a range of one does.

use std::fmt::Debug;
use std::sync::Arc;

use super::KIND;
use crate::row::{Fields, Header, Row, VALUE};
use crate::source::{Columns, Read, Source, SourceError, SourcePlan};

/// Values that are counted.
pub(super) trait Scale: Debug + Copy + Send + Sync + 'static {
    /// How many there are; at least one.
    fn rows(&self) -> u64;

    /// The value at a position, which is below `rows`.
    ///
    /// # Errors
    /// When it can't be computed.
    fn at(&self, position: u64) -> Result<Fields, SourceError>;

    /// The first, the last and the step, in words; and whether the step is the one that is meant unasked.
    fn words(&self) -> (String, String, String, bool);
}

/// A range, decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<S>(pub S);

impl<S: Scale> SourcePlan for Counted<S> {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let (first, last, step, is_usual) = self.0.words();
        let by = if is_usual { String::new() } else { format!(" by {step}") };
        format!("{first} to {last}{by} (range)")
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::new(Header::new(vec![VALUE.to_owned()])))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.quick_count())
    }

    fn quick_count(&self) -> Option<u64> {
        Some(self.0.rows())
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let (first, last, step, _) = self.0.words();
        Ok(Some(format!("range from {first} to {last} by {step}")))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Counter { scale: self.0, position: 0 }))
    }
}

/// A range being counted.
struct Counter<S> {
    scale: S,
    position: u64,
}

impl<S: Scale> Source for Counter<S> {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if self.position >= self.scale.rows() {
            return Ok(None);
        }
        let ordinal = self.position;
        let fields = self.scale.at(ordinal)?;
        self.position += 1;
        Ok(Some(Read::Row(Row { ordinal, line: 0, fields })))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        self.position = self.position.saturating_add(rows);
        Ok(())
    }
}
