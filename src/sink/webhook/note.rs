//! The note of a delivery: how far the receiver has come, and which request was begun behind that.
//!
//! ```text
//! byte 0    slot 0     number, from, to, records: each 8 bytes, little-endian; CRC-32 of these 32 bytes
//! byte 64   slot 1     the same; the one with the higher number counts, and the next note goes into the other
//! ```
//! A request is noted before it leaves, so that whoever goes on after a kill sends the same bytes with the same key. A note
//! that was torn is none: the slot beside it holds what was true before, and the request of the torn one has not left.
//! Must never overwrite the slot that counts, nor say that a note is written before it is durable.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::{self, File, Way};
use crate::sink::SinkError;

/// Bytes from one slot to the next.
const SLOT: usize = 64;
/// Bytes of a slot that say something, its CRC included.
const USED: usize = 36;
const BOTH: usize = 2 * SLOT;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    number: u64,
    /// Bytes of the spool that the receiver has.
    pub from: u64,
    /// Where the request ends that was begun; `from` where none was.
    pub to: u64,
    /// Records that the receiver has.
    pub records: u64,
}

impl State {
    /// Where the request ends that was begun and has no answer.
    pub fn begun(&self) -> Option<u64> {
        (self.to > self.from).then_some(self.to)
    }

    fn bytes(&self) -> [u8; USED] {
        let mut bytes = [0; USED];
        let numbers = [self.number, self.from, self.to, self.records];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..USED - 4]);
        bytes[USED - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What a slot says; `None`: it was torn.
    fn read(slot: &[u8]) -> Option<Self> {
        if slot.iter().all(|byte| *byte == 0) {
            return Some(Self::default());
        }
        let number = |place: usize| slot.get(place * 8..place * 8 + 8)?.try_into().ok().map(u64::from_le_bytes);
        let state = Self { number: number(0)?, from: number(1)?, to: number(2)?, records: number(3)? };
        let whole = slot.get(..USED) == Some(state.bytes().as_slice()) && state.from <= state.to && state.number > 0;
        whole.then_some(state)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    file: File,
    state: State,
}

impl Note {
    /// Begins one: nothing is delivered. What an earlier run left there goes.
    pub fn begin(path: PathBuf) -> Result<Self, SinkError> {
        let made = File::open(&path, Way::Empty).and_then(|file| {
            file.write_all_at(&[0; BOTH], 0)?;
            file.sync_all()?;
            disk::sync_name(&path)?;
            Ok(file)
        });
        let file = made.map_err(|error| failed(&path, "made", &error))?;
        Ok(Self { path, file, state: State::default() })
    }

    /// Goes on with one. A file that is shorter than both slots was being made when the process died.
    pub fn resume(path: PathBuf) -> Result<Self, SinkError> {
        let file = File::open(&path, Way::Edit).map_err(|error| {
            let way = "bring it back, or begin a new run with --fresh, which sends every record again";
            SinkError::new(format!("{}; {way}", failed(&path, "read", &error).message))
        })?;
        if file.metadata().map_err(|error| failed(&path, "read", &error))?.len() < BOTH as u64 {
            return Self::begin(path);
        }
        let mut bytes = [0; BOTH];
        file.read_exact_at(&mut bytes, 0).map_err(|error| failed(&path, "read", &error))?;
        let state = decide(&bytes).ok_or_else(|| {
            let words = "the disk changed it, or somebody else; begin a new run with --fresh";
            SinkError::new(format!("the note of what was sent, {}, can't be read: {words}", path.display()))
        })?;
        Ok(Self { path, file, state })
    }

    /// What is true now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Notes that a request is about to leave that ends at `to`; durable when it returns.
    pub fn send(&mut self, to: u64) -> Result<(), SinkError> {
        self.put(State { to, ..self.state })
    }

    /// Notes that the request that was begun was not taken, and may be cut otherwise; durable when it returns.
    pub fn declined(&mut self) -> Result<(), SinkError> {
        self.put(State { to: self.state.from, ..self.state })
    }

    /// Notes that the receiver has all up to `to`, of which `records` were new; durable when it returns.
    pub fn sent(&mut self, to: u64, records: u64) -> Result<(), SinkError> {
        self.put(State { from: to, to, records: self.state.records + records, ..self.state })
    }

    fn put(&mut self, state: State) -> Result<(), SinkError> {
        let state = State { number: self.state.number + 1, ..state };
        let place = (state.number % 2) * SLOT as u64;
        let written = self.file.write_all_at(&state.bytes(), place).and_then(|()| self.file.sync_data());
        written.map_err(|error| failed(&self.path, "written", &error))?;
        self.state = state;
        Ok(())
    }
}

/// What two slots say together; `None`: neither says anything.
fn decide(bytes: &[u8; BOTH]) -> Option<State> {
    let (first, second) = bytes.split_at(SLOT);
    [first, second].into_iter().filter_map(State::read).max_by_key(|state| state.number)
}

fn failed(path: &Path, what: &str, error: &io::Error) -> SinkError {
    SinkError::new(format!("the note of what was sent, {}, can't be {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The notes of a delivery, one after the other, and what the file holds after each.
    fn story(path: &Path) -> Vec<(State, Vec<u8>)> {
        let mut note = Note::begin(path.to_owned()).unwrap();
        let mut story = vec![(note.state(), std::fs::read(path).unwrap())];
        for step in 1..=6 {
            note.send(step * 1000).unwrap();
            story.push((note.state(), std::fs::read(path).unwrap()));
            note.sent(step * 1000, 7).unwrap();
            story.push((note.state(), std::fs::read(path).unwrap()));
        }
        story
    }

    #[test]
    fn a_note_says_how_far_and_what_was_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let story = story(&path);
        assert_eq!(story[0].0, State::default());
        assert_eq!((story[1].0.from, story[1].0.begun(), story[1].0.records), (0, Some(1000), 0));
        assert_eq!((story[2].0.from, story[2].0.begun(), story[2].0.records), (1000, None, 7));
        for (state, bytes) in &story {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Note::resume(path.clone()).unwrap().state(), *state);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Note::begin(path.clone()).unwrap().state(), State::default());
        assert_eq!(Note::resume(path).unwrap().state(), State::default());
    }

    #[test]
    fn a_write_that_was_cut_anywhere_leaves_what_was_true_before_or_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let story = story(&path);
        for pair in story.windows(2) {
            let ((before, old), (after, new)) = (&pair[0], &pair[1]);
            let changed: Vec<usize> = (0..BOTH).filter(|at| old[*at] != new[*at]).collect();
            let slot = changed[0] / SLOT * SLOT;
            assert!(changed.iter().all(|at| (slot..slot + USED).contains(at)), "only the other slot is written");
            for cut in 0..=USED {
                let mut torn = old.clone();
                torn[slot..slot + cut].copy_from_slice(&new[slot..slot + cut]);
                let found = decide(&torn.clone().try_into().unwrap()).unwrap();
                // Where the bytes that are missing are the same in both, it is whole.
                let expected = if torn == *new { after } else { before };
                assert_eq!(found, *expected, "cut after {cut} bytes");
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_the_slot_that_counts_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let story = story(&path);
        let ((before, _), (after, bytes)) = (&story[story.len() - 2], &story[story.len() - 1]);
        let slot = (after.number % 2) as usize * SLOT;
        for bit in 0..USED * 8 {
            let mut bad: [u8; BOTH] = bytes.clone().try_into().unwrap();
            bad[slot + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decide(&bad), Some(*before), "bit {bit}");
            bad[SLOT - slot] ^= 1;
            assert_eq!(decide(&bad), None, "both");
        }
    }

    #[test]
    fn one_that_was_being_made_says_nothing_and_one_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        for length in 0..BOTH {
            std::fs::write(&path, vec![0; length]).unwrap();
            let mut note = Note::resume(path.clone()).unwrap();
            assert_eq!(note.state(), State::default());
            note.send(9).unwrap();
            assert_eq!(Note::resume(path.clone()).unwrap().state().begun(), Some(9), "made whole");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Note::resume(path.clone()).unwrap_err().message.contains("can't be read"));
        std::fs::write(&path, [9; BOTH]).unwrap();
        assert!(Note::resume(path).unwrap_err().message.contains("--fresh"));
    }
}
