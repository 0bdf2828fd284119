//! How far a walk through the pages of a row has come.
//!
//! Must say enough to go on after a kill without a page that was taken, and nothing that grows with their number,
//! but for the gaps between pages that came out of order.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::RowSet;
use crate::paginate::{End, Position, Walked};

/// A walk that has not ended, or ended as failed: where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkNote {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// The row.
    pub row: u64,
    /// The page that is asked for next, where one comes after the other.
    pub next: Position,
    /// Its number in the walk, from zero.
    pub page: u64,
    /// Number of pages, where they go out together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Pages that were taken, where they go out together.
    #[serde(default, skip_serializing_if = "RowSet::is_empty")]
    pub done: RowSet,
    /// Why nothing stands behind the pages that go out together, where one of them was empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied: Option<End>,
    /// Prints of places that were named before, where one page comes after the other: some of them, for a walk that
    /// goes in circles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<u64>,
    /// What it came to so far.
    pub walked: Walked,
    /// How far it has come where it is no walk through pages, but messages that are collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<StreamNote>>,
}

/// How far a row has come whose messages are collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamNote {
    /// Messages that were taken; their records stand in the output.
    pub messages: u64,
    /// The last record by column, where the job looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Map<String, Value>>,
    /// The last id of an event that the server has given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl WalkNote {
    /// Of a row whose messages are collected.
    #[must_use]
    pub fn of_stream(endpoint: usize, row: u64, note: StreamNote) -> Self {
        Self {
            endpoint,
            row,
            next: Position::First,
            page: 0,
            pages: None,
            done: RowSet::default(),
            emptied: None,
            seen: Vec::new(),
            walked: Walked::default(),
            stream: Some(Box::new(note)),
        }
    }
}

/// The notes of all walks, at most one for each row. In JSON a list, by endpoint and row.
///
/// A map, since a run may have as many walks that failed as it has rows: none is moved for another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walks(BTreeMap<(usize, u64), WalkNote>);

impl Walks {
    /// Puts a note in the place of the one of the same row, if there is one: the pages that were taken are those of
    /// both, so that a note need not say again what the one before has said.
    pub fn put(&mut self, mut note: WalkNote) {
        let key = (note.endpoint, note.row);
        if let Some(before) = self.0.remove(&key) {
            let news = std::mem::replace(&mut note.done, before.done);
            news.ranges().flatten().for_each(|page| _ = note.done.insert(page));
        }
        self.0.insert(key, note);
    }

    /// Takes out the note of a row.
    pub fn take(&mut self, endpoint: usize, row: u64) -> Option<WalkNote> {
        self.0.remove(&(endpoint, row))
    }

    /// The notes of an endpoint, by row.
    #[must_use]
    pub fn of(&self, endpoint: usize) -> BTreeMap<u64, WalkNote> {
        let notes = self.0.range((endpoint, 0)..=(endpoint, u64::MAX));
        notes.map(|((_, row), note)| (*row, note.clone())).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by endpoint and row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &WalkNote> {
        self.0.values()
    }
}

impl FromIterator<WalkNote> for Walks {
    fn from_iter<I: IntoIterator<Item = WalkNote>>(notes: I) -> Self {
        let mut walks = Self::default();
        notes.into_iter().for_each(|note| walks.put(note));
        walks
    }
}

impl Serialize for Walks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

impl<'de> Deserialize<'de> for Walks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<WalkNote>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(endpoint: usize, row: u64, page: u64) -> WalkNote {
        let (next, walked) = (Position::Number(page + 1), Walked::default());
        let (done, seen) = (RowSet::default(), Vec::new());
        WalkNote { endpoint, row, next, page, pages: None, done, emptied: None, seen, walked, stream: None }
    }

    #[test]
    fn a_row_has_one_note() {
        let written = [(1, 5, 0), (0, 9, 0), (1, 2, 0), (1, 5, 7)];
        let mut notes: Walks = written.into_iter().map(|(endpoint, row, page)| note(endpoint, row, page)).collect();
        assert!(notes.iter().eq(&[note(0, 9, 0), note(1, 2, 0), note(1, 5, 7)]));
        assert!(notes.of(1).values().eq(&[note(1, 2, 0), note(1, 5, 7)]));
        assert_eq!(serde_json::from_str::<Walks>(&serde_json::to_string(&notes).unwrap()).unwrap(), notes);
        assert_eq!(notes.take(1, 2), Some(note(1, 2, 0)));
        assert_eq!(notes.take(1, 2), None);
    }

    #[test]
    fn a_note_adds_its_pages_to_those_of_the_note_before() {
        let taken = |pages: &[u64]| {
            let mut done = RowSet::default();
            pages.iter().for_each(|page| _ = done.insert(*page));
            WalkNote { done, ..note(0, 3, 0) }
        };
        let notes: Walks = [taken(&[0, 1, 2, 7]), taken(&[4]), taken(&[3])].into_iter().collect();
        assert!(notes.iter().eq([&taken(&[0, 1, 2, 3, 4, 7])]));
    }

    #[test]
    fn a_hundred_thousand_walks_come_and_go_without_moving_each_other() {
        // All failed in the session before, and each of them ends now. With notes that stand in one list this takes
        // many minutes: 4 million million bytes are moved.
        const ROWS: u64 = 200_000;
        let mut notes: Walks = (0..ROWS).rev().map(|row| note(0, row, 1)).collect();
        assert_eq!(notes.iter().len() as u64, ROWS);
        assert!((0..ROWS).all(|row| notes.take(0, row).is_some()));
        assert!(notes.is_empty());
    }

    #[test]
    fn a_note_comes_back_as_it_was() {
        let mut together = note(0, 3, 0);
        together.pages = Some(10);
        [0, 1, 5].iter().for_each(|page| _ = together.done.insert(*page));
        for note in [
            together,
            WalkNote { seen: vec![7, u64::MAX], ..note(0, 0, 4) },
            WalkNote { next: Position::Url("http://a/?b".to_owned()), ..note(1, 1, 1) },
            WalkNote::of_stream(0, 7, StreamNote { messages: 3, ..StreamNote::default() }),
            WalkNote::of_stream(
                0,
                8,
                StreamNote {
                    messages: 9,
                    last: Some(Map::from_iter([("seq".to_owned(), Value::from(9))])),
                    id: Some("a".to_owned()),
                },
            ),
        ] {
            let text = serde_json::to_string(&note).unwrap();
            assert_eq!(serde_json::from_str::<WalkNote>(&text).unwrap(), note, "{text}");
        }
    }
}
