//! Rows as they are taken: those that are picked, and of these those that `skip` and `take` leave.
//!
//! Must never end before its input ends or `take` is full, whatever a row is like.

use super::{Dedupe, Sample, Selecting};
use crate::row::Row;
use crate::secret::Secrets;
use crate::source::dedupe::{Limits, Seen};
use crate::source::{Read, Source, SourceError};
use crate::template::{Condition, Context};

/// The rows that `where`, `dedupe` and `sample` leave, with the numbers they have in the input.
pub(super) struct Picked {
    inner: Box<dyn Source>,
    condition: Option<Condition>,
    unique: Option<(Dedupe, Seen)>,
    sample: Option<Sample>,
    secrets: Secrets,
}

impl Picked {
    /// Picks of the rows of `inner`.
    pub fn new(inner: Box<dyn Source>, selecting: &Selecting, limits: Limits) -> Self {
        let Selecting { condition, dedupe, sample, .. } = selecting.clone();
        let unique = dedupe.map(|dedupe| (dedupe, Seen::new(limits)));
        Self { inner, condition, unique, sample, secrets: Secrets::default() }
    }

    /// Whether a row is taken. Of rows that are the same the first one counts, sampled or not: which rows are
    /// sampled must not decide which of them it is.
    fn takes(&mut self, row: &Row) -> Result<bool, Refusal> {
        if let Some(condition) = &self.condition {
            let context = Context { row: Some(row), secrets: &self.secrets, reply: None, last: None };
            if !condition.holds(&context).map_err(|error| Refusal::Row(format!("where: {}", error.message)))? {
                return Ok(false);
            }
        }
        if let Some((dedupe, seen)) = &mut self.unique {
            let is_new = match dedupe {
                Dedupe::Whole => seen.is_new(row, None),
                Dedupe::Columns(columns) => seen.is_new(row, Some(columns)),
            };
            if !is_new.map_err(Refusal::Source)? {
                return Ok(false);
            }
        }
        Ok(self.is_sampled(row.ordinal))
    }

    fn is_sampled(&self, position: u64) -> bool {
        self.sample.is_none_or(|sample| sample.takes(position))
    }
}

/// Why it can't be told whether a row is taken.
enum Refusal {
    /// The row is to blame, and fails.
    Row(String),
    /// Nothing can be told any more.
    Source(SourceError),
}

impl Source for Picked {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        while let Some(read) = self.inner.next()? {
            let row = match read {
                Read::Row(row) => row,
                Read::Bad { row, reason } if self.is_sampled(row.ordinal) => {
                    return Ok(Some(Read::Bad { row, reason }));
                }
                Read::Skipped { row, reason } if self.is_sampled(row.ordinal) => {
                    return Ok(Some(Read::Skipped { row, reason }));
                }
                Read::Bad { .. } | Read::Skipped { .. } => continue,
            };
            match self.takes(&row) {
                Ok(true) => return Ok(Some(Read::Row(row))),
                Ok(false) => {}
                Err(Refusal::Row(reason)) if self.is_sampled(row.ordinal) => {
                    return Ok(Some(Read::Bad { row, reason }));
                }
                Err(Refusal::Row(_)) => {}
                Err(Refusal::Source(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn doubt(&mut self) -> Option<String> {
        self.inner.doubt()
    }

    fn was_cut_off(&self) -> bool {
        self.inner.was_cut_off()
    }
}

impl Source for Box<dyn Source> {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        (**self).next()
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        (**self).skip(rows)
    }

    fn doubt(&mut self) -> Option<String> {
        (**self).doubt()
    }

    fn was_cut_off(&self) -> bool {
        (**self).was_cut_off()
    }
}

/// The rows that `skip` and `take` leave, numbered from zero.
pub(super) struct Window<S> {
    inner: S,
    /// Rows of `inner` that are still to be passed over.
    ahead: u64,
    take: u64,
    next: u64,
}

impl<S: Source> Window<S> {
    /// Of the rows of `inner`.
    pub fn new(inner: S, skip: u64, take: Option<u64>) -> Self {
        Self { inner, ahead: skip, take: take.unwrap_or(u64::MAX), next: 0 }
    }
}

impl<S: Source> Source for Window<S> {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if self.next >= self.take {
            return Ok(None);
        }
        if self.ahead > 0 {
            self.inner.skip(std::mem::take(&mut self.ahead))?;
        }
        let Some(mut read) = self.inner.next()? else { return Ok(None) };
        let (Read::Row(row) | Read::Bad { row, .. } | Read::Skipped { row, .. }) = &mut read;
        row.ordinal = self.next;
        self.next += 1;
        Ok(Some(read))
    }

    fn doubt(&mut self) -> Option<String> {
        self.inner.doubt()
    }

    fn was_cut_off(&self) -> bool {
        self.inner.was_cut_off()
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        // Behind the end there is nothing to pass over; before it, the input jumps if it can, once a row is wanted.
        let rows = rows.min(self.take - self.next);
        self.next += rows;
        self.ahead = self.ahead.saturating_add(rows);
        Ok(())
    }
}
