//! A table of the tree: its entries in the order of the file, and a quick way from a name to its entry.
//!
//! Must never be slow for a wide one: a job file may come from anyone, and each of a hundred thousand keys is looked up.

use std::ops::Deref;
use std::sync::OnceLock;

use super::{Key, Node};

/// The widest table that is searched from its start.
const NARROW: usize = 16;

/// A table of a document.
#[derive(Debug, Clone, Default)]
pub struct Table {
    entries: Vec<(Key, Node)>,
    /// Positions in the order of names, once a wide table was asked for one.
    sorted: OnceLock<Vec<usize>>,
}

impl Table {
    /// The key and the value of a name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        if self.entries.len() <= NARROW {
            return self.entries.iter().find(|(key, _)| key.name == name);
        }
        let name_at = |position: &usize| self.entries[*position].0.name.as_str();
        let sorted = self.sorted.get_or_init(|| {
            let mut sorted: Vec<usize> = (0..self.entries.len()).collect();
            // Stable: of a name that stands twice, the first is found, as in a narrow table.
            sorted.sort_by_key(|position| name_at(position));
            sorted
        });
        let position = sorted.get(sorted.partition_point(|position| name_at(position) < name))?;
        self.entries.get(*position).filter(|(key, _)| key.name == name)
    }

    /// The entries, to be changed.
    pub(super) fn entries_mut(&mut self) -> &mut Vec<(Key, Node)> {
        self.sorted.take();
        &mut self.entries
    }

    /// The entries alone.
    pub(super) fn into_entries(self) -> Vec<(Key, Node)> {
        self.entries
    }
}

impl From<Vec<(Key, Node)>> for Table {
    fn from(entries: Vec<(Key, Node)>) -> Self {
        Self { entries, sorted: OnceLock::new() }
    }
}

impl Deref for Table {
    type Target = [(Key, Node)];

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl<'t> IntoIterator for &'t Table {
    type Item = &'t (Key, Node);
    type IntoIter = std::slice::Iter<'t, (Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{NodeValue, Place};

    fn table(names: impl Iterator<Item = String>) -> Table {
        let entry = |(at, name)| {
            let place = Place { source: 0, start: at, end: at };
            (Key { place, name }, Node { place, value: NodeValue::Boolean(true) })
        };
        names.enumerate().map(entry).collect::<Vec<_>>().into()
    }

    fn at(table: &Table, name: &str) -> Option<usize> {
        table.entry(name).map(|(key, _)| key.place.start)
    }

    #[test]
    fn a_name_is_found_in_tables_of_any_width() {
        for width in [1, NARROW, NARROW + 1, 100] {
            let table = table((0..width).map(|number| format!("k{}", width - number)));
            assert_eq!(at(&table, "k1"), Some(width - 1), "{width}");
            assert_eq!(at(&table, &format!("k{width}")), Some(0), "{width}");
            assert_eq!((at(&table, "a"), at(&table, "k"), at(&table, "z")), (None, None, None), "{width}");
        }
    }

    #[test]
    fn of_a_name_that_stands_twice_the_first_is_found() {
        for width in [2, 50] {
            assert_eq!(at(&table((0..width).map(|number| format!("k{}", number / 2))), "k0"), Some(0), "{width}");
        }
    }

    #[test]
    fn a_table_that_was_changed_is_searched_anew() {
        let mut table = table((0..50).map(|number| format!("k{number:02}")));
        assert_eq!(at(&table, "k49"), Some(49));
        table.entries_mut().retain(|(key, _)| key.name != "k00");
        assert_eq!((at(&table, "k00"), at(&table, "k49")), (None, Some(49)));
    }
}
