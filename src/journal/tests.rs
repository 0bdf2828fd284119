//! What a journal survives: cuts at every byte, flips of every bit, kills at every step, two processes.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::format::Scan;
use super::*;
use crate::disk::watch::steps;

mod compact;
mod failed;

pub(super) fn opening() -> Opening {
    Opening {
        version: VERSION,
        run: "01JC".to_owned(),
        job: "prices".to_owned(),
        started: "2026-11-20T15:04:05.123Z".to_owned(),
        identity: BTreeMap::from([("endpoints.price.url".to_owned(), "https://api.example.com/ä".to_owned())]),
        endpoints: vec!["price".to_owned(), "stock".to_owned()],
        sinks: vec!["out".to_owned()],
    }
}

pub(super) fn failed(endpoint: usize, row: u64) -> FailedRow {
    FailedRow {
        endpoint,
        row,
        spans: vec![Span { sink: 0, bytes: Some((row, row + 9)), line: None }],
        unknown: false,
        walk: None,
        attempts: 2,
        kind: Some(FailureKind::ReadTimeout),
        error: format!("row {row} took too long"),
    }
}

/// The commit after `rows` rows, of which every fifth failed.
pub(super) fn commit(rows: u64) -> Commit {
    let mut done = RowSet::default();
    (0..rows).for_each(|row| _ = done.insert(row * 3 / 2));
    Commit {
        done: vec![done, RowSet::default()],
        cursors: vec![Some(Cursor { offset: rows * 40, tail_crc: 7, text: 0 })],
        counts: vec![Counts { ok: rows, failed: rows / 5, ..Counts::default() }, Counts::default()],
        failed: if rows.is_multiple_of(5) { vec![failed(0, rows), failed(1, rows + 1)] } else { vec![] },
        healed: false,
        again: false,
        renames: vec![Rename { from: ".x.healing".into(), to: "x".into() }],
        complete: false,
        walks: Walks::default(),
        holds: Vec::new(),
        spools: vec![SpoolNote {
            endpoint: "a".into(),
            lines: rows,
            cursor: Cursor { offset: rows * 30, tail_crc: 8, text: 0 },
        }],
        written: vec![WrittenNote {
            sink: "out".into(),
            columns: vec!["id".into()],
            cursor: Cursor { offset: 16 + rows * 16, tail_crc: 9, text: 0 },
        }],
    }
}

pub(super) fn folder() -> (TempDir, StateFolder) {
    let home = TempDir::new().unwrap();
    let state = StateFolder::lock(&home.path().join(".paceline/prices")).unwrap();
    (home, state)
}

/// A journal of `commits` commits; the ends of its frames.
fn write(state: &StateFolder, commits: u64) -> Vec<usize> {
    let mut writer = state.begin(&opening()).unwrap();
    let length = || fs::metadata(state.journal()).unwrap().len() as usize;
    let mut ends = vec![length()];
    for number in 1..=commits {
        writer.commit(&commit(number)).unwrap();
        ends.push(length());
    }
    ends
}

fn last(state: &StateFolder) -> Commit {
    state.recover().unwrap().unwrap().last
}

#[test]
fn what_was_committed_is_recovered() {
    let (_home, state) = folder();
    assert_eq!(state.recover().unwrap(), None);
    let mut writer = state.begin(&opening()).unwrap();
    let empty = Recovered { opening: opening(), last: Commit::default(), torn: 0 };
    assert_eq!(state.recover().unwrap(), Some(empty));
    for number in 1..20 {
        writer.commit(&commit(number)).unwrap();
        assert_eq!(state.recover().unwrap(), Some(Recovered { opening: opening(), last: commit(number), torn: 0 }));
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let (_home, state) = folder();
    let ends = write(&state, 1);
    let bytes = fs::read(state.journal()).unwrap();
    assert_eq!(&bytes[..12], b"paceline\x01\0\0\0");
    let frame = &bytes[ends[0]..];
    let payload = serde_json::to_vec(&commit(1)).unwrap();
    assert_eq!(frame[..4], (payload.len() as u32).to_le_bytes());
    assert_eq!(frame[4..8], crc32fast::hash(&frame[..4]).to_le_bytes());
    assert_eq!(frame[8..12], crc32fast::hash(&payload).to_le_bytes());
    assert_eq!(frame[12..], payload);
}

#[test]
fn a_resume_goes_on_behind_the_last_commit() {
    let (_home, state) = folder();
    write(&state, 3);
    state.resume().unwrap().commit(&commit(4)).unwrap();
    let mut writer = state.resume().unwrap();
    writer.commit(&commit(5)).unwrap();
    writer.commit(&commit(6)).unwrap();
    assert_eq!(last(&state), commit(6));
}

#[test]
fn a_journal_cut_at_any_byte_is_recovered_to_its_last_whole_commit_and_goes_on() {
    let (_home, state) = folder();
    let ends = write(&state, 4);
    let bytes = fs::read(state.journal()).unwrap();
    for length in ends[0]..=bytes.len() {
        fs::write(state.journal(), &bytes[..length]).unwrap();
        let whole = ends.iter().rposition(|end| *end <= length).unwrap();
        let expected = if whole == 0 { Commit::default() } else { commit(whole as u64) };
        let torn = (length - ends[whole]) as u64;
        assert_eq!(state.recover().unwrap(), Some(Recovered { opening: opening(), last: expected, torn }), "{length}");
        if torn < 2 || length % 50 == 0 {
            state.resume().unwrap().commit(&commit(9)).unwrap();
            let found = state.recover().unwrap().map(|found| (found.last, found.torn));
            assert_eq!(found, Some((commit(9), 0)), "{length}");
        }
    }
    // No kill leaves less than a whole opening; what does is refused.
    for length in 0..ends[0] {
        fs::write(state.journal(), &bytes[..length]).unwrap();
        let refusal = state.recover().unwrap_err().message;
        assert!(refusal.contains("--fresh") && refusal.contains("journal"), "{refusal}");
        assert!(state.resume().is_err());
    }
}

#[test]
fn every_flipped_bit_is_noticed_at_its_place_or_costs_the_last_commit_alone() {
    let (_home, state) = folder();
    let ends = write(&state, 3);
    let bytes = fs::read(state.journal()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let frame = ends.iter().position(|end| bit / 8 < *end).unwrap();
        let start = if frame == 0 { 12 } else { ends[frame - 1] };
        match super::format::scan_bytes(&flipped) {
            Ok(Scan { found, .. }) => {
                // Of a length that begins with zeros nobody knows whether they were written.
                let torn = flipped[start..=bit / 8].iter().all(|byte| *byte == 0);
                assert!(frame == 3 && (bit / 8 >= start + 8 || torn), "bit {bit} was not noticed");
                assert_eq!((found.last, found.torn), (commit(2), (bytes.len() - start) as u64));
            }
            Err(error) if bit < 12 * 8 => {
                let expected = if bit < 8 * 8 { "is not a journal" } else { "format version" };
                assert!(error.message.contains(expected), "bit {bit}: {error}");
            }
            Err(error) => assert!(error.message.contains(&format!("damaged at byte {start}:")), "bit {bit}: {error}"),
        }
    }
}

#[test]
fn a_tail_of_zeros_is_torn_and_zeros_in_front_of_a_whole_record_are_damage() {
    let (_home, state) = folder();
    let ends = write(&state, 2);
    let bytes = fs::read(state.journal()).unwrap();
    for zeros in [1, 11, 12, 13, 5000] {
        fs::write(state.journal(), [bytes.clone(), vec![0; zeros]].concat()).unwrap();
        let found = state.recover().unwrap().unwrap();
        assert_eq!((found.last, found.torn), (commit(2), zeros as u64));
        state.resume().unwrap().commit(&commit(3)).unwrap();
        assert_eq!(last(&state), commit(3));
    }
    let frame = &bytes[ends[1]..];
    fs::write(state.journal(), [&bytes[..], &[0; 5000], frame].concat()).unwrap();
    let refusal = state.recover().unwrap_err().message;
    assert!(refusal.contains(&format!("damaged at byte {}:", bytes.len())), "{refusal}");
}

#[test]
fn a_last_record_half_written_over_zeros_is_torn() {
    let (_home, state) = folder();
    let ends = write(&state, 2);
    let bytes = fs::read(state.journal()).unwrap();
    for kept in ends[1] + 12..bytes.len() - 1 {
        let mut half = bytes.clone();
        half[kept..].fill(0);
        fs::write(state.journal(), half).unwrap();
        assert_eq!(last(&state), commit(1), "{kept}");
    }
}

#[test]
fn a_last_record_whose_beginning_alone_was_not_written_is_torn() {
    let (_home, state) = folder();
    let ends = write(&state, 2);
    let bytes = fs::read(state.journal()).unwrap();
    for end in ends[1] + 1..bytes.len() {
        let mut half = bytes.clone();
        half[ends[1]..end].fill(0);
        fs::write(state.journal(), half).unwrap();
        assert_eq!(last(&state), commit(1), "{end}");
    }
}

#[test]
fn what_is_no_journal_of_this_version_is_refused_with_words() {
    let (_home, state) = folder();
    write(&state, 1);
    let mut bytes = fs::read(state.journal()).unwrap();
    bytes[8] = 2;
    fs::write(state.journal(), &bytes).unwrap();
    let refusal = state.recover().unwrap_err().message;
    assert!(refusal.contains("format version 2") && refusal.contains("knows version 1"), "{refusal}");
    fs::write(state.journal(), "sku,price\n1,2\n").unwrap();
    let refusal = state.recover().unwrap_err().message;
    assert!(refusal.contains("is not a journal") && refusal.contains(&*state.journal().to_string_lossy()), "{refusal}");
}

#[test]
fn a_record_with_a_right_checksum_that_makes_no_sense_is_damage() {
    let (_home, state) = folder();
    let mut bytes = super::format::beginning(&opening()).unwrap();
    let offset = bytes.len();
    super::format::append_frame(&mut bytes, &"not a commit").unwrap();
    fs::write(state.journal(), bytes).unwrap();
    let refusal = state.recover().unwrap_err().message;
    assert!(refusal.contains(&format!("damaged at byte {offset}:")) && refusal.contains("understood"), "{refusal}");
}

#[test]
fn a_kill_at_any_step_of_beginning_leaves_no_journal_or_a_whole_one() {
    let whole = super::format::beginning(&opening()).unwrap();
    let (_home, state) = folder();
    let beside = state.journal().with_file_name("journal.new");
    // Killed while writing beside: without a journal there is none, and one that exists still counts.
    for length in 0..=whole.len() {
        fs::write(&beside, &whole[..length]).unwrap();
        assert_eq!(state.recover().unwrap(), None, "{length}");
    }
    write(&state, 2);
    fs::write(&beside, &whole[..20]).unwrap();
    assert_eq!(last(&state), commit(2));
    // Killed between the two renames: none, and the one before is kept.
    fs::write(&beside, &whole).unwrap();
    super::past::keep(state.path()).unwrap();
    assert_eq!(state.recover().unwrap(), None);
    assert!(state.resume().unwrap_err().message.contains("is gone"));
    // Whatever was left, the next beginning succeeds and leaves nothing beside.
    state.begin(&opening()).unwrap().commit(&commit(1)).unwrap();
    assert_eq!(last(&state), commit(1));
    assert!(!beside.exists());
}

#[test]
fn a_second_process_is_refused_with_the_pid_of_the_first_and_a_stale_lock_is_no_obstacle() {
    let home = TempDir::new().unwrap();
    let path = home.path().join(".paceline/prices");
    let first = StateFolder::lock(&path).unwrap();
    let refusal = StateFolder::lock(&path).unwrap_err().message;
    assert!(refusal.contains(&format!("process {} is working", std::process::id())), "{refusal}");
    assert!(refusal.contains(&*path.join("lock").to_string_lossy()), "{refusal}");
    drop(first);
    // The file of a process that died says a pid, and holds no lock.
    fs::write(path.join("lock"), "4194304999\n").unwrap();
    let second = StateFolder::lock(&path).unwrap();
    assert_eq!(fs::read_to_string(path.join("lock")).unwrap(), format!("{}\n", std::process::id()));
    fs::write(path.join("lock"), "").unwrap();
    assert!(StateFolder::lock(&path).unwrap_err().message.starts_with("another process"));
    drop(second);
}

#[test]
fn a_journal_is_read_without_its_lock() {
    let (home, state) = folder();
    let path = home.path().join(".paceline/prices");
    assert_eq!(peek(&path).unwrap(), None);
    assert_eq!(peek(&home.path().join("nowhere")).unwrap(), None);
    write(&state, 2);
    assert_eq!(peek(&path).unwrap().unwrap().last, commit(2));
}

#[cfg(unix)]
#[test]
fn folders_and_files_are_for_their_owner_alone_and_git_ignores_them() {
    use std::os::unix::fs::PermissionsExt;
    let (home, state) = folder();
    write(&state, 1);
    let mode = |path: &str| fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
    let found = [".paceline", ".paceline/prices", ".paceline/prices/lock", ".paceline/prices/journal"].map(mode);
    assert_eq!(found, [0o700, 0o700, 0o600, 0o600]);
    assert_eq!(fs::read_to_string(home.path().join(".paceline/.gitignore")).unwrap(), "*\n");
    assert!(!home.path().join(".paceline/prices/.gitignore").exists());
}

#[test]
fn a_state_folder_elsewhere_ignores_itself_and_a_changed_gitignore_is_left_alone() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("state");
    drop(StateFolder::lock(&path).unwrap());
    assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
    assert!(!home.path().join(".gitignore").exists());
    fs::write(path.join(".gitignore"), "journal\n").unwrap();
    drop(StateFolder::lock(&path).unwrap());
    assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "journal\n");
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("file"), "").unwrap();
    let path = home.path().join("file/state");
    let refusal = StateFolder::lock(&path).unwrap_err().message;
    assert!(refusal.contains(&*path.to_string_lossy()), "{refusal}");
}

#[test]
fn a_failed_write_or_sync_is_final() {
    for (fails_at, expected) in [(3, vec!["write", "sync", "write"]), (4, vec!["write", "sync", "write", "sync"])] {
        let (home, state) = folder();
        let (_watch, log) = steps(home.path(), fails_at);
        let mut writer = state.begin(&opening()).unwrap();
        log.lock().unwrap().clear();
        writer.commit(&commit(1)).unwrap();
        let error = writer.commit(&commit(2)).unwrap_err();
        assert!(error.message.contains("prices/journal") && error.message.contains("No space left"), "{error}");
        assert_eq!(writer.commit(&commit(3)), Err(error));
        assert_eq!(*log.lock().unwrap(), expected);
    }
}

#[test]
fn each_commit_is_one_write_and_one_sync() {
    let (home, state) = folder();
    let (_watch, log) = steps(home.path(), 0);
    let mut writer = state.begin(&opening()).unwrap();
    log.lock().unwrap().clear();
    (1..=2).for_each(|number| writer.commit(&commit(number)).unwrap());
    assert_eq!(*log.lock().unwrap(), ["write", "sync", "write", "sync"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_are_a_journal_by_chance_and_none_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), whole: bool) {
        let home = TempDir::new().unwrap();
        let mut bytes = if whole { super::format::beginning(&opening()).unwrap() } else { b"paceline\x01\0\0\0".to_vec() };
        bytes.extend(tail);
        fs::write(home.path().join("journal"), bytes).unwrap();
        if let Ok(found) = peek(home.path()) {
            prop_assert!(whole);
            prop_assert_eq!(found.unwrap().last, Commit::default());
        }
    }
}
