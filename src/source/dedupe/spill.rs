//! The fingerprints that have left memory: a few sorted files, each about twice as large as the one behind it.
//!
//! Files of about the same size are merged, front to back, so that a fingerprint is written as often as the number
//! of files can be doubled, and there are never more files than that. A filter for each saves reading it for nearly
//! all rows that are new; their sizes are shares of what all may take. Must never look into a file that is not
//! whole.

use std::io;

use super::Fingerprint;
use super::run::{Reading, Run, Writing, folder};
use crate::source::SourceError;
use crate::source::file::reason;

/// Fingerprints in files.
#[derive(Debug)]
pub(super) struct Spill {
    /// From the largest to the smallest.
    runs: Vec<Run>,
    /// Bytes that filters may take.
    filters: usize,
    /// A page, for reading.
    page: Vec<u8>,
}

impl Spill {
    /// None yet.
    pub fn new(filters: usize) -> Self {
        Self { runs: Vec::new(), filters, page: Vec::new() }
    }

    /// Whether a fingerprint is among them.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn contains(&mut self, print: Fingerprint) -> Result<bool, SourceError> {
        for run in &self.runs {
            if run.contains(print, &mut self.page).map_err(|error| broken(&error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds some that are not among them, ascending.
    ///
    /// # Errors
    /// When a file can't be written or read.
    pub fn add(&mut self, prints: &[Fingerprint]) -> Result<(), SourceError> {
        self.try_add(prints).map_err(|error| broken(&error))
    }

    fn try_add(&mut self, prints: &[Fingerprint]) -> io::Result<()> {
        let total = self.runs.iter().map(Run::held).sum::<usize>() + prints.len();
        let mut writing = Writing::new(prints.len(), self.share(prints.len(), total))?;
        for print in prints {
            writing.add(*print)?;
        }
        self.runs.push(writing.whole()?);
        while let [.., larger, smaller] = self.runs.as_slice()
            && smaller.held() * 3 / 2 >= larger.held()
        {
            let (Some(smaller), Some(larger)) = (self.runs.pop(), self.runs.pop()) else { break };
            let held = larger.held() + smaller.held();
            // Their filters go before the new one comes.
            self.runs.push(merge(&larger.bare(), &smaller.bare(), self.share(held, total))?);
        }
        Ok(())
    }

    /// Bytes that the filter of some of them may take. A file has half of all at most; as those behind it come when
    /// there are more, their halves are of a smaller part, and all together stay below the whole.
    fn share(&self, held: usize, total: usize) -> usize {
        let share = self.filters as u128 / 2 * held as u128 / total.max(1) as u128;
        usize::try_from(share).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
impl Spill {
    pub fn sizes(&self) -> Vec<usize> {
        self.runs.iter().map(Run::held).collect()
    }

    pub fn filter_bytes(&self) -> usize {
        self.runs.iter().map(Run::filter_bytes).sum()
    }
}

fn merge(one: &Run, other: &Run, filter: usize) -> io::Result<Run> {
    let mut writing = Writing::new(one.held() + other.held(), filter)?;
    let (mut left, mut right) = (Reading::of(one), Reading::of(other));
    let (mut first, mut second) = (left.next()?, right.next()?);
    while let Some(least) = first.into_iter().chain(second).min() {
        if first == Some(least) {
            first = left.next()?;
        } else {
            second = right.next()?;
        }
        writing.add(least)?;
    }
    writing.whole()
}

fn broken(error: &io::Error) -> SourceError {
    SourceError::new(format!(
        "rows can't be compared any more: a temporary file in {} can't be used: {}; TMPDIR names another folder",
        folder().display(),
        reason(error)
    ))
}
