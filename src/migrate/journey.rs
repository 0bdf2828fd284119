//! What became of keys on the way through all steps, in the words of who has the file as it was.

use std::collections::HashMap;

use super::{Change, Told};
use crate::document::{Document, KeyPath};

/// The changes so far.
#[derive(Debug, Default)]
pub(super) struct Journey {
    legs: Vec<Leg>,
    /// Positions in `legs`, by where the key stands now.
    now: HashMap<KeyPath, usize>,
    /// What moved where, as the steps told it, and when: a count of all that was told.
    moves: HashMap<KeyPath, (usize, KeyPath)>,
    told: usize,
}

/// What became of one key.
#[derive(Debug)]
struct Leg {
    what: &'static str,
    change: Change,
    /// When that was told last.
    at: usize,
}

impl Journey {
    /// Notes a change to the file as the steps before left it.
    pub(super) fn add(&mut self, what: &'static str, Change { from, to }: Change) {
        self.told += 1;
        let at = self.told;
        if let Some(to) = &to {
            self.moves.insert(from.clone(), (at, to.clone()));
        }
        let position = match self.now.remove(&from) {
            Some(position) => {
                let leg = &mut self.legs[position];
                (leg.change.to, leg.at) = (to.clone(), at);
                position
            }
            None => {
                let change = Change { from: self.origin(from), to: to.clone() };
                self.legs.push(Leg { what, change, at });
                self.legs.len() - 1
            }
        };
        if let Some(to) = to {
            self.now.insert(to, position);
        }
    }

    /// Where a key stood at first: a table around it may have moved.
    fn origin(&self, path: KeyPath) -> KeyPath {
        let moved = |length: usize| Some((*self.now.get(&start(&path, length))?, length));
        match (1..path.0.len()).rev().find_map(moved) {
            Some((position, length)) => KeyPath([&self.legs[position].change.from.0, &path.0[length..]].concat()),
            None => path,
        }
    }

    /// Where a key stands in the end, that was at a path when it was told: a table around it may have moved since.
    fn end(&self, mut path: KeyPath, mut at: usize) -> KeyPath {
        let later = |path: &KeyPath, at: usize| {
            let moved = |length: usize| {
                let (when, to) = self.moves.get(&start(path, length))?;
                (*when > at).then(|| (*when, KeyPath([&to.0, &path.0[length..]].concat())))
            };
            (1..path.0.len()).filter_map(moved).min_by_key(|(when, _)| *when)
        };
        while let Some((when, moved)) = later(&path, at) {
            (path, at) = (moved, when);
        }
        path
    }

    /// All of them, with their lines in the file as it was.
    pub(super) fn told(&self, document: &Document) -> Vec<Told> {
        let ends: Vec<usize> = document.sources[0].text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |path: &KeyPath| {
            document.get(path)?;
            Some(ends.partition_point(|end| *end < document.key_place(path).start) + 1)
        };
        let told = |Leg { what, change: Change { from, to }, at }: &Leg| {
            let to = to.clone().map(|to| self.end(to, *at));
            Told { line: line(from), change: Change { from: from.clone(), to }, what }
        };
        self.legs.iter().map(told).collect()
    }
}

/// The first steps of a path.
fn start(path: &KeyPath, length: usize) -> KeyPath {
    KeyPath(path.0[..length].to_vec())
}
