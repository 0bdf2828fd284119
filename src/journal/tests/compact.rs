//! Compaction: the journal stays small, and nothing it says is lost, whatever is killed and when.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::compact::{Compact, ROWS_OF_A_FRAME};
use super::super::format::{append_frame, beginning, scan_bytes};
use super::*;

/// A state of many gaps: about a megabyte as JSON.
fn large(number: u64) -> Commit {
    static GAPS: LazyLock<RowSet> = LazyLock::new(|| {
        let mut done = RowSet::default();
        (0..150_000).for_each(|row| _ = done.insert(row * 1000));
        done
    });
    Commit { done: vec![GAPS.clone(), RowSet::default()], ..commit(number) }
}

fn length(state: &StateFolder) -> u64 {
    fs::metadata(state.journal()).unwrap().len()
}

fn frame_of(commit: &Commit) -> Vec<u8> {
    let mut frame = Vec::new();
    append_frame(&mut frame, commit).unwrap();
    frame
}

/// The compact journal of `state` with `commit` as its last, beside it.
fn beside(state: &StateFolder, commit: &Commit) -> Compact {
    let beginning = beginning(&opening()).unwrap();
    Compact::write(&state.journal(), &beginning, &frame_of(commit), commit.healed, &mut Some).unwrap()
}

#[test]
fn a_journal_does_not_grow_without_end() {
    let (_home, state) = folder();
    let mut writer = state.begin(&opening()).unwrap();
    let (mut longest, mut expected) = (0, Vec::new());
    for number in 1..=45 {
        let commit = large(number);
        writer.commit(&commit).unwrap();
        expected.extend(commit.failed);
        longest = longest.max(length(&state));
    }
    assert!(longest <= 16 << 20, "it grew to {longest} bytes");
    assert_eq!(state.recover().unwrap(), Some(Recovered { opening: opening(), last: large(45), torn: 0 }));
    assert_eq!(state.failed_rows().unwrap(), expected);
    // A session that goes on where another stopped compacts just as well.
    drop(writer);
    let grown = length(&state);
    let mut writer = state.resume().unwrap();
    (0..20).for_each(|_| writer.commit(&large(3)).unwrap());
    assert!(length(&state) <= 16 << 20, "{grown} and then {}", length(&state));
    assert_eq!(last(&state), large(3));
}

#[test]
fn many_failed_rows_stand_in_many_frames_and_in_order() {
    let (_home, state) = folder();
    let mut writer = state.begin(&opening()).unwrap();
    let rows = |from: u64, to: u64| (from..to).map(|row| failed(0, row)).collect::<Vec<_>>();
    let healed = Commit { failed: rows(0, 7), healed: true, ..commit(1) };
    writer.commit(&Commit { failed: rows(100, 30_000), ..commit(1) }).unwrap();
    writer.commit(&healed).unwrap();
    writer.commit(&Commit { failed: rows(7, 25_000), ..commit(1) }).unwrap();
    writer.commit_compactly(&Commit { failed: rows(25_000, 25_003), ..commit(2) }).unwrap();
    assert_eq!(state.failed_rows().unwrap(), rows(0, 25_003));
    let mut notes = Vec::new();
    super::super::folder::each_failed(&state.journal(), |_, rows| {
        notes.push(rows.len());
        Ok(())
    })
    .unwrap();
    assert_eq!(notes, [ROWS_OF_A_FRAME, ROWS_OF_A_FRAME, 5_000, 3]);
}

#[test]
fn a_commit_that_heals_leaves_no_failed_rows_before_it() {
    let (_home, state) = folder();
    let mut writer = state.begin(&opening()).unwrap();
    writer.commit(&Commit { failed: vec![failed(0, 1)], ..commit(1) }).unwrap();
    let healing = Commit { failed: vec![failed(0, 2)], healed: true, ..commit(2) };
    writer.commit_compactly(&healing).unwrap();
    assert_eq!((last(&state), state.failed_rows().unwrap()), (healing, vec![failed(0, 2)]));
}

#[test]
fn a_kill_at_any_point_of_a_compaction_leaves_the_old_journal_or_the_new_one() {
    let (_home, state) = folder();
    write(&state, 10);
    let old = fs::read(state.journal()).unwrap();
    let failed_before = state.failed_rows().unwrap();
    let compact = beside(&state, &commit(12));
    let path = state.journal().with_file_name("journal.new");
    let new = fs::read(&path).unwrap();
    // While it is written, and before it is renamed.
    for length in 0..=new.len() {
        fs::write(&path, &new[..length]).unwrap();
        assert_eq!((last(&state), state.failed_rows().unwrap()), (commit(10), failed_before.clone()), "{length}");
    }
    assert_eq!(fs::read(state.journal()).unwrap(), old);
    // After it is renamed.
    compact.take_over().unwrap();
    assert_eq!((last(&state), state.failed_rows().unwrap()), (commit(12), failed_before.clone()));
    assert!(!path.exists());
    // What a kill left beside is no obstacle to the next compaction, nor to a new run.
    fs::write(&path, &new[..new.len() / 2]).unwrap();
    state.resume().unwrap().commit_compactly(&commit(13)).unwrap();
    assert_eq!((last(&state), state.failed_rows().unwrap(), path.exists()), (commit(13), failed_before, false));
}

#[test]
fn a_compaction_that_can_not_be_written_leaves_a_journal_that_goes_on() {
    let (_home, state) = folder();
    let mut writer = state.begin(&opening()).unwrap();
    // A folder in its place can't be taken away as a file can.
    let path = state.journal().with_file_name("journal.new");
    fs::create_dir(&path).unwrap();
    (0..30).for_each(|_| writer.commit(&large(1)).unwrap());
    assert!(length(&state) > 16 << 20);
    assert_eq!(last(&state), large(1));
    // Once it can be written it is.
    fs::remove_dir(&path).unwrap();
    (0..30).for_each(|_| writer.commit(&large(2)).unwrap());
    assert!(length(&state) <= 32 << 20);
    assert_eq!(last(&state), large(2));
}

#[test]
fn every_flipped_bit_of_a_compact_journal_is_noticed() {
    for rows in [vec![], vec![failed(0, 4)]] {
        let (_home, state) = folder();
        let mut writer = state.begin(&opening()).unwrap();
        writer.commit(&Commit { failed: rows, ..commit(1) }).unwrap();
        writer.commit_compactly(&commit(2)).unwrap();
        let bytes = fs::read(state.journal()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(scan_bytes(&flipped).is_err(), "bit {bit} was not noticed");
        }
        // Nor is a commit missed that is not there at all.
        let short = &bytes[..bytes.len() - frame_of(&commit(2)).len()];
        let refusal = scan_bytes(short).unwrap_err().message;
        assert!(refusal.contains(&format!("damaged at byte {}: the commit", short.len())), "{refusal}");
        // One commit later, a torn end costs that one alone.
        writer.commit(&commit(3)).unwrap();
        let bytes = fs::read(state.journal()).unwrap();
        assert_eq!(scan_bytes(&bytes[..bytes.len() - 1]).unwrap().found.last, commit(2));
    }
}

/// What happens to a journal, in one step.
#[derive(Debug, Clone)]
struct Step {
    failed: Vec<u64>,
    healed: bool,
    compact: bool,
    resume: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let rows = proptest::collection::vec(0..50u64, 0..5);
    (rows, proptest::bool::weighted(0.1), proptest::bool::weighted(0.3), proptest::bool::weighted(0.2))
        .prop_map(|(failed, healed, compact, resume)| Step { failed, healed, compact, resume })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn compaction_changes_nothing_that_is_recovered(steps in proptest::collection::vec(step(), 1..20)) {
        let ((_home, plain), (_other, state)) = (folder(), folder());
        let (mut writer, mut reference) = (state.begin(&opening()).unwrap(), plain.begin(&opening()).unwrap());
        for (number, step) in steps.into_iter().enumerate() {
            let rows = step.failed.iter().map(|row| failed(0, *row)).collect();
            let commit = Commit { failed: rows, healed: step.healed, ..commit(number as u64) };
            reference.commit(&commit).unwrap();
            if step.resume {
                writer = state.resume().unwrap();
            }
            let done = if step.compact { writer.commit_compactly(&commit) } else { writer.commit(&commit) };
            prop_assert_eq!(done, Ok(()));
            prop_assert_eq!(state.recover(), plain.recover());
            prop_assert_eq!(state.failed_rows(), plain.failed_rows());
        }
    }
}
