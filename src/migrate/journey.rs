//! What became of keys on the way through all steps, in the words of who has the file as it was.

use std::collections::HashMap;

use super::{Change, Told};
use crate::document::{Document, KeyPath};

/// The changes so far.
#[derive(Debug, Default)]
pub(super) struct Journey {
    /// Each with the words of its step.
    changes: Vec<(&'static str, Change)>,
    /// Positions in `changes`, by where the key stands now.
    now: HashMap<KeyPath, usize>,
}

impl Journey {
    /// Notes a change to the file as the steps before left it.
    pub(super) fn add(&mut self, what: &'static str, Change { from, to }: Change) {
        let position = match self.now.remove(&from) {
            Some(position) => {
                self.changes[position].1.to.clone_from(&to);
                position
            }
            None => {
                let from = self.origin(from);
                self.changes.push((what, Change { from, to: to.clone() }));
                self.changes.len() - 1
            }
        };
        if let Some(to) = to {
            self.now.insert(to, position);
        }
    }

    /// Where a key stood at first: a table around it may have moved.
    fn origin(&self, path: KeyPath) -> KeyPath {
        let around = |length: &usize| self.now.get(&KeyPath(path.0[..*length].to_vec())).map(|at| (*at, *length));
        match (1..path.0.len()).rev().find_map(|length| around(&length)) {
            Some((position, length)) => KeyPath([&self.changes[position].1.from.0, &path.0[length..]].concat()),
            None => path,
        }
    }

    /// All of them, with their lines in the file as it was.
    pub(super) fn told(self, document: &Document) -> Vec<Told> {
        let ends: Vec<usize> = document.sources[0].text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |path: &KeyPath| {
            document.get(path)?;
            Some(ends.partition_point(|end| *end < document.key_place(path).start) + 1)
        };
        let told = |(what, change): (&'static str, Change)| Told { line: line(&change.from), change, what };
        self.changes.into_iter().map(told).collect()
    }
}
