//! What a journal says of the rows that failed, for who reads it without its lock.
//!
//! A journal notes failed rows in the order in which they ended, and readers want them by row. So that memory stays
//! flat however many there are, the rows of an endpoint are one [`RowSet`], and why they failed is read for a window
//! of them at a time, again and again from the file as it was when it was opened. Must never hold the words of more
//! rows than [`WINDOW`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::folder::FailedPart;
use super::format::Snapshot;
use super::{Commit, FailedRow, JournalError, Opening, RowSet};
use crate::retry::FailureKind;

/// Rows whose words are in memory at the same time.
const WINDOW: u64 = 50_000;

/// The failed rows of a journal.
#[derive(Debug)]
pub struct FailedRows {
    snapshot: Snapshot,
    opening: Opening,
    last: Commit,
    /// By position of the endpoint.
    rows: Vec<RowSet>,
    /// Number of them that are unknown, by position of the endpoint.
    unknown: Vec<u64>,
    window: Window,
}

/// Why a row failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Attempts that its call made; 0: none, or not known.
    pub attempts: u32,
    /// What failed, if that is known.
    pub kind: Option<FailureKind>,
    /// Whether nobody knows what the server did with its request.
    pub unknown: bool,
    /// In words, masked; empty where the journal is older than this.
    pub error: String,
}

/// Words of some rows of one endpoint.
#[derive(Debug, Default)]
struct Window {
    endpoint: usize,
    rows: Range<u64>,
    words: BTreeMap<u64, Why>,
}

impl FailedRows {
    /// Reads the journal in a state folder; `None` without one. Of an input, only its first `limit` rows count.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn open(state: &Path, limit: Option<u64>) -> Result<Option<Self>, JournalError> {
        let Some(snapshot) = Snapshot::open(&state.join("journal"))? else { return Ok(None) };
        let (mut rows, mut unknown) = (Vec::<RowSet>::new(), Vec::new());
        let scan = snapshot.replay(|commit: FailedPart| {
            if commit.healed {
                rows.clear();
                unknown.clear();
            }
            for row in commit.failed.into_iter().filter(|row| limit.is_none_or(|limit| row.row < limit)) {
                if rows.len() <= row.endpoint {
                    rows.resize(row.endpoint + 1, RowSet::default());
                    unknown.resize(row.endpoint + 1, 0);
                }
                unknown[row.endpoint] += u64::from(rows[row.endpoint].insert(row.row) && row.unknown);
            }
            Ok(())
        })?;
        let (opening, last) = (scan.found.opening, scan.found.last);
        rows.resize(opening.endpoints.len(), RowSet::default());
        unknown.resize(opening.endpoints.len(), 0);
        Ok(Some(Self { snapshot, opening, last, rows, unknown, window: Window::default() }))
    }

    /// What the run is.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Its last commit.
    #[must_use]
    pub fn last(&self) -> &Commit {
        &self.last
    }

    /// Rows of an endpoint that failed, by its position in the journal.
    #[must_use]
    pub fn rows(&self, endpoint: usize) -> &RowSet {
        &self.rows[endpoint]
    }

    /// How many of them are unknown.
    #[must_use]
    pub fn unknown(&self, endpoint: usize) -> u64 {
        self.unknown[endpoint]
    }

    /// Why a row failed. Cheap for rows that are asked for in their order. `None`: it did not.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn why(&mut self, endpoint: usize, row: u64) -> Result<Option<&Why>, JournalError> {
        if self.window.endpoint != endpoint || !self.window.rows.contains(&row) {
            self.window = Window::default();
            let rows = window(&self.rows[endpoint], row);
            let words = self.words(endpoint, &rows)?;
            self.window = Window { endpoint, rows, words };
        }
        Ok(self.window.words.get(&row))
    }

    fn words(&self, endpoint: usize, rows: &Range<u64>) -> Result<BTreeMap<u64, Why>, JournalError> {
        let mut words = BTreeMap::new();
        let ours = |row: &FailedRow| row.endpoint == endpoint && rows.contains(&row.row);
        self.snapshot.replay(|commit: FailedPart| {
            if commit.healed {
                words.clear();
            }
            words.extend(commit.failed.into_iter().filter(ours).map(|row| {
                let FailedRow { attempts, kind, unknown, error, .. } = row;
                (row.row, Why { attempts, kind, unknown, error })
            }));
            Ok(())
        })?;
        Ok(words)
    }
}

/// From a row on as many as have [`WINDOW`] rows of the set among them.
fn window(set: &RowSet, from: u64) -> Range<u64> {
    let (mut left, mut end) = (WINDOW, from + 1);
    for range in set.ranges().filter(|range| range.end > from) {
        let start = range.start.max(from);
        end = range.end.min(start.saturating_add(left)).max(end);
        left = left.saturating_sub(range.end - start);
        if left == 0 {
            break;
        }
    }
    from..end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{commit, failed, folder, opening};
    use super::*;

    #[test]
    fn rows_that_failed_are_found_by_row_with_their_words() {
        let (_home, state) = folder();
        assert!(FailedRows::open(state.path(), None).unwrap().is_none());
        let mut writer = state.begin(&opening()).unwrap();
        writer.commit(&Commit { failed: vec![failed(0, 9)], ..commit(1) }).unwrap();
        writer.commit(&Commit { failed: vec![failed(0, 4), failed(1, 7)], healed: true, ..commit(1) }).unwrap();
        let unknown = FailedRow { unknown: true, ..failed(1, 2) };
        writer.commit(&Commit { failed: vec![unknown], ..commit(1) }).unwrap();
        let mut rows = FailedRows::open(state.path(), None).unwrap().unwrap();
        // What others write meanwhile is not seen, in no pass.
        writer.commit_compactly(&Commit { failed: vec![], healed: true, ..commit(1) }).unwrap();
        let ordinals = |endpoint| rows.rows(endpoint).ranges().flatten().collect::<Vec<_>>();
        assert_eq!((ordinals(0), ordinals(1)), (vec![4], vec![2, 7]));
        assert_eq!((rows.unknown(0), rows.unknown(1)), (0, 1));
        let (attempts, kind) = (2, Some(FailureKind::ReadTimeout));
        let why = |row, unknown| Why { attempts, kind, unknown, error: format!("row {row} took too long") };
        assert_eq!(rows.why(1, 2).unwrap(), Some(&why(2, true)));
        assert_eq!(rows.why(1, 7).unwrap(), Some(&why(7, false)));
        assert_eq!(rows.why(0, 4).unwrap(), Some(&why(4, false)));
        assert_eq!(rows.why(0, 9).unwrap(), None, "it was sent again");
        let first = FailedRows::open(state.path(), None).unwrap().unwrap();
        assert!(first.rows(0).is_empty() && first.rows(1).is_empty());
    }

    #[test]
    fn only_the_first_rows_count_where_that_is_asked_for() {
        let (_home, state) = folder();
        let mut writer = state.begin(&opening()).unwrap();
        writer.commit(&Commit { failed: vec![failed(0, 4), failed(0, 5)], ..commit(1) }).unwrap();
        let rows = FailedRows::open(state.path(), Some(5)).unwrap().unwrap();
        assert_eq!(rows.rows(0).ranges().flatten().collect::<Vec<_>>(), [4]);
    }

    proptest! {
        #[test]
        fn a_window_holds_no_more_rows_than_it_may_and_none_is_left_out(gaps in prop::collection::vec((1u64..9, 1u64..40_000), 1..9)) {
            let (mut set, mut next) = (RowSet::default(), 0);
            for (gap, rows) in gaps {
                (next + gap..next + gap + rows).for_each(|row| _ = set.insert(row));
                next += gap + rows;
            }
            let (mut from, mut seen) = (set.ranges().next().unwrap().start, 0);
            while let Some(row) = set.ranges().find(|range| range.end > from).map(|range| range.start.max(from)) {
                let window = window(&set, row);
                prop_assert_eq!(window.start, row);
                let within = set.ranges().map(|range| range.end.min(window.end).saturating_sub(range.start.max(row))).sum::<u64>();
                prop_assert!(within > 0 && within <= WINDOW);
                (from, seen) = (window.end, seen + within);
            }
            prop_assert_eq!(seen, set.len());
        }
    }
}
