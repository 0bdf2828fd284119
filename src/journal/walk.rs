//! How far a walk through the pages of a row has come.
//!
//! Must say enough to go on after a kill without a page that was taken, and nothing that grows with their number,
//! but for the gaps between pages that came out of order.

use serde::{Deserialize, Serialize};

use super::RowSet;
use crate::paginate::{Position, Walked};

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
    /// What it came to so far.
    pub walked: Walked,
}

/// Puts a note in the place of the one of the same row, if there is one. Notes stand in the order of endpoint and row.
pub fn put(notes: &mut Vec<WalkNote>, note: WalkNote) {
    match find(notes, note.endpoint, note.row) {
        Ok(position) => notes[position] = note,
        Err(position) => notes.insert(position, note),
    }
}

/// Takes out the note of a row.
pub fn take(notes: &mut Vec<WalkNote>, endpoint: usize, row: u64) -> Option<WalkNote> {
    find(notes, endpoint, row).ok().map(|position| notes.remove(position))
}

fn find(notes: &[WalkNote], endpoint: usize, row: u64) -> Result<usize, usize> {
    notes.binary_search_by_key(&(endpoint, row), |note| (note.endpoint, note.row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(endpoint: usize, row: u64, page: u64) -> WalkNote {
        let (next, walked) = (Position::Number(page + 1), Walked::default());
        WalkNote { endpoint, row, next, page, pages: None, done: RowSet::default(), walked }
    }

    #[test]
    fn a_row_has_one_note() {
        let mut notes = Vec::new();
        for (endpoint, row, page) in [(1, 5, 0), (0, 9, 0), (1, 2, 0), (1, 5, 7)] {
            put(&mut notes, note(endpoint, row, page));
        }
        assert_eq!(notes, [note(0, 9, 0), note(1, 2, 0), note(1, 5, 7)]);
        assert_eq!(take(&mut notes, 1, 2), Some(note(1, 2, 0)));
        assert_eq!(take(&mut notes, 1, 2), None);
    }

    #[test]
    fn a_note_comes_back_as_it_was() {
        let mut together = note(0, 3, 0);
        together.pages = Some(10);
        [0, 1, 5].iter().for_each(|page| _ = together.done.insert(*page));
        for note in
            [together, note(0, 0, 4), WalkNote { next: Position::Url("http://a/?b".to_owned()), ..note(1, 1, 1) }]
        {
            let text = serde_json::to_string(&note).unwrap();
            assert_eq!(serde_json::from_str::<WalkNote>(&text).unwrap(), note, "{text}");
        }
    }
}
