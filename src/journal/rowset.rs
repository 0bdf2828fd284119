//! A set of row ordinals, kept as ranges: rows end nearly in order, so it stays small.

use serde::{Deserialize, Serialize};

/// Row ordinals as disjoint, ascending, non-adjacent half-open ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowSet {
    ranges: Vec<(u64, u64)>,
}

impl RowSet {
    /// Adds a row; `false` when it was there.
    pub fn insert(&mut self, row: u64) -> bool {
        let _ = row;
        todo!()
    }

    /// Whether a row is in the set.
    #[must_use]
    pub fn contains(&self, row: u64) -> bool {
        let _ = row;
        todo!()
    }

    /// Rows in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The first row that is not in the set.
    #[must_use]
    pub fn first_missing(&self) -> u64 {
        match self.ranges.first() {
            Some((0, end)) => *end,
            _ => 0,
        }
    }
}
