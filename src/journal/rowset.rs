//! A set of row ordinals, kept as ranges: rows end nearly in order, so it mostly stays small. Where it
//! does not (the failed rows of a long run, sent again), adding a row stays cheap: nothing is moved.
//!
//! Every commit writes the whole set, so its JSON is small as well: one flat list of numbers, the gap
//! before each range and its length by turns, `[0,500,3,20]` for rows 0..500 and 503..523. Must never
//! hold a range that is empty or touches its neighbour.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Row ordinals as disjoint, ascending, non-adjacent half-open ranges. An ordinal is below
/// `u64::MAX`; that one number is never in a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    /// The end of each range by its start.
    ranges: BTreeMap<u64, u64>,
}

impl RowSet {
    /// Adds a row; `false` when it was there.
    pub fn insert(&mut self, row: u64) -> bool {
        // Rows end nearly in order: most stand behind the last range, or right at its end.
        match self.ranges.last_entry() {
            _ if row == u64::MAX => return false,
            Some(mut last) if row == *last.get() => *last.get_mut() = row + 1,
            Some(last) if row < *last.get() => return self.insert_before_end(row),
            _ => _ = self.ranges.insert(row, row + 1),
        }
        true
    }

    /// Adds a row that is before the end of the last range.
    fn insert_before_end(&mut self, row: u64) -> bool {
        if self.contains(row) {
            return false;
        }
        let end = self.ranges.remove(&(row + 1)).unwrap_or(row + 1);
        match self.ranges.range_mut(..row).next_back() {
            Some((_, before)) if *before == row => *before = end,
            _ => _ = self.ranges.insert(row, end),
        }
        true
    }

    /// Takes rows out; `rows` ascend.
    pub fn remove_all(&mut self, rows: &[u64]) {
        let mut left = Vec::with_capacity(self.ranges.len() + rows.len());
        let mut rows = rows.iter().copied().peekable();
        for (mut start, end) in std::mem::take(&mut self.ranges) {
            while let Some(row) = rows.next_if(|row| *row < end) {
                if row > start {
                    left.push((start, row));
                }
                start = start.max(row + 1);
            }
            if start < end {
                left.push((start, end));
            }
        }
        self.ranges = left.into_iter().collect();
    }

    /// Whether a row is in the set.
    #[must_use]
    pub fn contains(&self, row: u64) -> bool {
        self.ranges.range(..=row).next_back().is_some_and(|(_, end)| row < *end)
    }

    /// Whether any of these rows is in the set.
    #[must_use]
    pub fn has_any(&self, rows: &Range<u64>) -> bool {
        self.ranges.range(..rows.end).next_back().is_some_and(|(_, end)| rows.start < *end)
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
        self.ranges.get(&0).copied().unwrap_or(0)
    }

    /// The rows as ranges: ascending, none empty, none touching the next.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(start, end)| *start..*end)
    }
}

impl Serialize for RowSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut before = 0;
        serializer.collect_seq(self.ranges.iter().flat_map(|(start, end)| {
            let gap = start - std::mem::replace(&mut before, *end);
            [gap, end - start]
        }))
    }
}

impl<'de> Deserialize<'de> for RowSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<u64>::deserialize(deserializer)?;
        let mut ranges = Vec::with_capacity(numbers.len() / 2);
        let mut before = 0u64;
        for pair in numbers.chunks(2) {
            let range = next_range(before, pair).filter(|range| ranges.is_empty() || range.0 > before);
            let range = range.ok_or_else(|| D::Error::custom("not a set of rows: gaps and lengths by turns"))?;
            before = range.1;
            ranges.push(range);
        }
        Ok(Self { ranges: ranges.into_iter().collect() })
    }
}

/// The range that a gap and a length describe, where they do.
fn next_range(before: u64, pair: &[u64]) -> Option<(u64, u64)> {
    let [gap, length] = pair else { return None };
    let start = before.checked_add(*gap)?;
    let end = start.checked_add(*length)?;
    (end > start).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(rows: impl IntoIterator<Item = u64>) -> RowSet {
        let mut set = RowSet::default();
        for row in rows {
            set.insert(row);
        }
        set
    }

    #[test]
    fn neighbours_are_joined_and_the_set_says_what_it_holds() {
        let mut rows = set([5, 1, 3, 2, 9]);
        assert_eq!(rows.ranges().collect::<Vec<_>>(), [1..4, 5..6, 9..10]);
        assert!(rows.insert(4) && !rows.insert(4));
        assert_eq!(rows.ranges().collect::<Vec<_>>(), [1..6, 9..10]);
        assert_eq!((rows.len(), rows.first_missing(), rows.is_empty()), (6, 0, false));
        assert!(rows.insert(0));
        assert_eq!(rows.first_missing(), 6);
        assert_eq!(set([]).first_missing(), 0);
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        let mut rows = set([u64::MAX - 1, 0]);
        assert!(!rows.insert(u64::MAX) && !rows.contains(u64::MAX));
        assert!(rows.contains(u64::MAX - 1) && rows.contains(0) && !rows.contains(1));
        assert_eq!(serde_json::from_str::<RowSet>(&serde_json::to_string(&rows).unwrap()).unwrap(), rows);
    }

    #[test]
    fn the_json_is_short() {
        assert_eq!(serde_json::to_string(&set((0..500).chain(503..523))).unwrap(), "[0,500,3,20]");
        assert_eq!(serde_json::to_string(&set([7])).unwrap(), "[7,1]");
        assert_eq!(serde_json::to_string(&RowSet::default()).unwrap(), "[]");
    }

    #[test]
    fn json_that_is_no_set_is_refused() {
        let max = u64::MAX;
        for text in ["[1]", "[0,0]", "[0,5,0,5]", "[0,5,1]", &format!("[1,{max}]"), &format!("[0,5,{max},1]"), "[-1,2]"]
        {
            assert!(serde_json::from_str::<RowSet>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_million_scattered_rows_are_added_without_moving_each_other() {
        // Every second row, in an order that jumps all over them: as many ranges as rows, until the
        // rows between them come. With ranges that stand in one list this takes many minutes.
        const ROWS: u64 = 1_000_000;
        let scattered = || (0..ROWS).map(|number| number * 618_033 % ROWS * 2);
        let mut rows = RowSet::default();
        assert!(scattered().all(|row| rows.insert(row)));
        assert_eq!((rows.len(), rows.ranges().len() as u64, rows.first_missing()), (ROWS, ROWS, 1));
        assert!(scattered().all(|row| rows.insert(row + 1)));
        assert_eq!((rows.len(), rows.ranges().len()), (2 * ROWS, 1));
    }

    proptest! {
        #[test]
        fn taking_out_is_set_difference(
            rows in proptest::collection::btree_set(0..120u64, 0..100),
            out in proptest::collection::btree_set(0..130u64, 0..60),
        ) {
            let mut taken = set(rows.iter().copied());
            taken.remove_all(&out.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(taken, set(rows.difference(&out).copied()));
        }

        #[test]
        fn it_is_a_set(rows in proptest::collection::vec(0..120u64, 0..300)) {
            let (mut set, mut model) = (RowSet::default(), BTreeSet::new());
            for row in rows {
                prop_assert_eq!(set.insert(row), model.insert(row));
                prop_assert_eq!(set.len(), model.len() as u64);
                prop_assert_eq!(set.first_missing(), (0..).find(|row| !model.contains(row)).unwrap());
            }
            prop_assert!((0..130).all(|row| set.contains(row) == model.contains(&row)));
            prop_assert!((0..130).all(|row| set.has_any(&(row..row + 7)) == model.range(row..row + 7).next().is_some()));
            prop_assert_eq!(set.ranges().flatten().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
            let ranges: Vec<_> = set.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            let read: RowSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
            prop_assert_eq!(read, set);
        }

        #[test]
        fn it_stays_as_small_as_the_rows_in_flight(late in proptest::collection::vec(0..20usize, 2000)) {
            // Twenty rows in flight: at each step one of them, at random, ends.
            let (mut set, mut next, mut flying) = (RowSet::default(), 20u64, (0..20u64).collect::<Vec<_>>());
            for which in late {
                set.insert(std::mem::replace(&mut flying[which], next));
                next += 1;
                prop_assert!(set.ranges().len() <= 21);
            }
        }
    }
}
