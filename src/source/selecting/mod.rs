//! Which rows of an input are taken: `where`, `dedupe`, `sample`, `skip` and `take`, beside any kind.
//!
//! They are applied in this order. `where` looks at each row; `dedupe` keeps the first of the rows it finds the
//! same; `sample` decides by a row's position in the input, so that what the others leave does not matter to it;
//! `skip` and `take` count what is left. Rows are numbered anew, from zero, and keep their lines. A row that can't
//! be read is no row to choose by its content: `where` and `dedupe` let it through, and it fails with its reason.
//!
//! A resume reads the same rows again, so nothing here may depend on anything but the rows, their order and the
//! job. Must never read a row more than it gives: behind the last row that `take` leaves, standard input is not asked.

mod rows;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::rows::{Picked, Window};
use super::dedupe::Limits;
use super::{Columns, Counted, Source, SourceError, SourcePlan};
use crate::report::text::thousands;
use crate::template::Condition;

/// Which rows are taken, decided.
#[derive(Debug, Clone, Default)]
pub struct Selecting {
    /// Rows for which this holds.
    pub condition: Option<Condition>,
    /// The first of rows that are the same.
    pub dedupe: Option<Dedupe>,
    /// A share of the rows.
    pub sample: Option<Sample>,
    /// Passes over so many.
    pub skip: u64,
    /// So many at most.
    pub take: Option<u64>,
}

/// What is compared of two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dedupe {
    /// All of it: the same columns with the same values. 1 and 1.0 are not the same, nor are nothing and null.
    Whole,
    /// These columns. A column that is missing is null.
    Columns(Vec<String>),
}

/// A share of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    share: f64,
    seed: u64,
    /// Hashes below it are taken.
    bound: u64,
}

impl Sample {
    /// A share of 1, and a seed; `None` where that is no row.
    pub fn new(share: f64, seed: u64) -> Option<Self> {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of all hashes, rounded; from 0 to 1"
        )]
        let bound = (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        (bound > 0).then_some(Self { share, seed, bound })
    }

    /// Whether the row at a position of the input is one of them.
    fn takes(self, position: u64) -> bool {
        self.bound == u64::MAX || mix(position ^ mix(self.seed)) < self.bound
    }
}

/// Splitmix64's step and mixer, which spreads neighbours over all of the numbers. Part of what a job means: another
/// one would take other rows after a resume.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl Selecting {
    /// The rows of an input that this leaves; the input itself where that is all of them.
    #[must_use]
    pub fn over(self, inner: Arc<dyn SourcePlan>) -> Arc<dyn SourcePlan> {
        let takes_all = self.skip == 0 && self.take.is_none() && !self.picks();
        if takes_all { inner } else { Arc::new(SelectingPlan { inner, selecting: self, limits: Limits::default() }) }
    }

    /// Whether it looks at each row.
    fn picks(&self) -> bool {
        self.condition.is_some() || self.dedupe.is_some() || self.sample.is_some()
    }

    /// How many of so many rows `skip` and `take` leave.
    fn window(&self, rows: u64) -> u64 {
        let left = rows.saturating_sub(self.skip);
        self.take.map_or(left, |take| left.min(take))
    }

    /// In words, each a part of a sentence.
    fn words(&self) -> Vec<String> {
        let condition = self.condition.as_ref().map(|condition| format!("where {}", condition.source()));
        let dedupe = self.dedupe.as_ref().map(|dedupe| match dedupe {
            Dedupe::Whole => "no row twice".to_owned(),
            Dedupe::Columns(columns) => format!("no {} twice", columns.join(", ")),
        });
        let sample = self.sample.map(|sample| match sample.seed {
            0 => format!("{}% of them", percent(sample.share)),
            seed => format!("{}% of them by seed {seed}", percent(sample.share)),
        });
        let skip = (self.skip > 0).then(|| format!("without the first {}", thousands(self.skip)));
        let take = self.take.map(|take| match self.skip {
            0 => format!("first {}", thousands(take)),
            _ => format!("then {}", thousands(take)),
        });
        [condition, dedupe, sample, skip, take].into_iter().flatten().collect()
    }
}

/// A share as a percentage, without digits that nobody wrote.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// An input and which of its rows are taken.
#[derive(Debug)]
struct SelectingPlan {
    inner: Arc<dyn SourcePlan>,
    selecting: Selecting,
    /// What comparing rows may cost.
    limits: Limits,
}

impl SelectingPlan {
    /// Reads to the end and counts.
    fn read_through(&self) -> Result<u64, SourceError> {
        let (mut source, mut rows) = (self.open()?, 0);
        while source.next()?.is_some() {
            rows += 1;
        }
        Ok(rows)
    }
}

impl SourcePlan for SelectingPlan {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn describe(&self) -> String {
        let (inner, words) = (self.inner.describe(), self.selecting.words().join("; "));
        match inner.strip_suffix(')') {
            Some(open) => format!("{open}; {words})"),
            None => format!("{inner} ({words})"),
        }
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn pattern(&self) -> Option<&str> {
        self.inner.pattern()
    }

    fn members(&self) -> &[Arc<dyn SourcePlan>] {
        self.inner.members()
    }

    fn columns(&self) -> Columns {
        self.inner.columns()
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.survey()?.rows)
    }

    fn survey(&self) -> Result<Counted, SourceError> {
        if let Some(known) = self.quick_count() {
            return Ok(Counted { rows: Some(known), doubts: Vec::new() });
        }
        // Asked also where the rows have to be read all the same: what can't be counted must not be read.
        let Counted { rows: Some(all), mut doubts } = self.inner.survey()? else { return Ok(Counted::default()) };
        let picks = self.selecting.picks();
        let rows = if picks { self.read_through()? } else { self.selecting.window(all) };
        // A run does not come to what stands behind the last row that is taken.
        let is_left = |take| if picks { rows >= take } else { self.selecting.skip.saturating_add(take) < all };
        if self.selecting.take.is_some_and(is_left) {
            doubts.clear();
        }
        Ok(Counted { rows: Some(rows), doubts })
    }

    fn quick_count(&self) -> Option<u64> {
        let rows = self.inner.quick_count()?;
        (!self.selecting.picks()).then(|| self.selecting.window(rows))
    }

    fn is_read_once(&self) -> bool {
        self.inner.is_read_once()
    }

    fn is_snapshot(&self) -> bool {
        self.inner.is_snapshot()
    }

    fn counts_cheaply(&self) -> bool {
        !self.selecting.picks() && self.inner.counts_cheaply()
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        // What is taken of it stands in the job, and in the job's identity.
        self.inner.identity()
    }

    fn parent(&self) -> Option<&str> {
        self.inner.parent()
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        self.open_over(self.inner.open()?)
    }

    fn open_over(&self, inner: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
        let selecting = &self.selecting;
        let (skip, take) = (selecting.skip, selecting.take);
        Ok(if selecting.picks() {
            Box::new(Window::new(Picked::new(inner, selecting, self.limits), skip, take))
        } else {
            Box::new(Window::new(inner, skip, take))
        })
    }
}
