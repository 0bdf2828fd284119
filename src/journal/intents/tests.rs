//! What is noted is found again, whatever is cut off and when; what is cleared or has ended is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use tempfile::TempDir;

use super::file::SMALL;
use super::*;
use crate::disk::watch::{Answer, Told, Watch, steps, watch};

const RUN: &str = "r1";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn set(rows: impl IntoIterator<Item = u64>) -> RowSet {
    let mut set = RowSet::default();
    rows.into_iter().for_each(|row| _ = set.insert(row));
    set
}

fn begin(home: &TempDir) -> IntentFile {
    IntentFile::begin(home.path(), RUN, &names(&["a", "b"])).unwrap()
}

fn live(file: IntentFile) -> Intents {
    Intents::start(file, |words| panic!("{words}")).unwrap()
}

fn resume(state: &Path, run: &str, endpoints: &[&str], done: &[RowSet]) -> Result<Vec<RowSet>, String> {
    let file = IntentFile::resume(state, run, &names(endpoints), done).map_err(|error| error.message)?;
    Ok(file.unknown(endpoints.len()))
}

/// What is unknown to the next session of the run, of which nothing has ended.
fn unknown(state: &Path) -> Vec<RowSet> {
    resume(state, RUN, &["a", "b"], &[RowSet::default(), RowSet::default()]).unwrap()
}

/// What a kill now would leave.
fn killed(home: &TempDir) -> Vec<RowSet> {
    let copy = TempDir::new().unwrap();
    fs::copy(home.path().join("intents"), copy.path().join("intents")).unwrap();
    unknown(copy.path())
}

#[tokio::test]
async fn a_note_is_on_disk_when_it_is_told_and_gone_once_it_is_cleared() {
    let home = TempDir::new().unwrap();
    let intents = live(begin(&home));
    assert_eq!(killed(&home), [set([]), set([])]);
    intents.note(0, [7]).await.unwrap();
    assert_eq!(killed(&home), [set([7]), set([])]);
    intents.note(1, [7]).await.unwrap();
    assert_eq!(killed(&home), [set([7]), set([7])]);
    intents.clear(0, 7);
    intents.note(1, [8]).await.unwrap();
    assert_eq!(killed(&home), [set([]), set([7, 8])], "the next group takes it along");
    intents.clear(1, 8);
    intents.note(1, [8]).await.unwrap();
    assert_eq!(killed(&home), [set([]), set([7, 8])], "noted again, for a second attempt");
    intents.clear(1, 7);
    intents.clear(0, 99);
    intents.close();
    assert_eq!(unknown(home.path()), [set([]), set([8])]);
}

#[tokio::test]
async fn what_is_cleared_is_written_although_nobody_notes() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("intents");
    let intents = live(begin(&home));
    intents.note(0, [1]).await.unwrap();
    let before = fs::metadata(&file).unwrap().len();
    intents.clear(0, 1);
    // The thread waits on the real clock; whoever looks lets it have the machine.
    while fs::metadata(&file).unwrap().len() == before {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(killed(&home), [set([]), set([])]);
}

#[tokio::test]
async fn what_has_ended_is_not_unknown_and_is_no_intent_of_the_next_session() {
    let home = TempDir::new().unwrap();
    let intents = live(begin(&home));
    for row in 0..6 {
        intents.note(0, [row]).await.unwrap();
    }
    intents.settle(&[set([0, 2]), set([])]);
    assert_eq!(intents.open(), 4);
    intents.close();
    let ended = [set([0, 2, 3]), set([])];
    assert_eq!(resume(home.path(), RUN, &["a", "b"], &ended).unwrap(), [set([1, 4, 5]), set([])]);
    // Rows that have ended are taken out of the journal to be sent again: they were never on the wire since.
    assert_eq!(unknown(home.path()), [set([1, 4, 5]), set([])]);
}

#[tokio::test]
async fn another_run_is_no_obstacle_and_endpoints_go_by_their_names() {
    let home = TempDir::new().unwrap();
    let intents = live(begin(&home));
    intents.note(0, [3]).await.unwrap();
    intents.note(1, [4]).await.unwrap();
    intents.close();
    let moved = resume(home.path(), RUN, &["c", "b", "a"], &[]).unwrap();
    assert_eq!(moved, [set([]), set([4]), set([3])]);
    assert_eq!(resume(home.path(), RUN, &["a"], &[set([3])]).unwrap(), [set([])]);
    assert_eq!(resume(home.path(), "r2", &["a", "b"], &[]).unwrap(), [set([]), set([])]);
    assert_eq!(unknown(home.path()), [set([]), set([])], "replaced by the other run's");
    let none = TempDir::new().unwrap();
    assert_eq!(unknown(none.path()), [set([]), set([])]);
    assert!(exists(none.path()));
}

/// A file of three notes, and where its groups end.
async fn three(home: &TempDir) -> (Vec<u8>, Vec<usize>) {
    let file = home.path().join("intents");
    let intents = live(begin(home));
    let mut ends = vec![fs::metadata(&file).unwrap().len() as usize];
    for row in 0..3 {
        intents.note(0, [row]).await.unwrap();
        ends.push(fs::metadata(&file).unwrap().len() as usize);
    }
    intents.close();
    (fs::read(&file).unwrap(), ends)
}

#[tokio::test]
async fn cut_anywhere_it_says_all_that_was_told_before() {
    let home = TempDir::new().unwrap();
    let (bytes, ends) = three(&home).await;
    for length in ends[0]..=bytes.len() {
        fs::write(home.path().join("intents"), &bytes[..length]).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count() as u64 - 1;
        assert_eq!(unknown(home.path()), [set(0..whole), set([])], "{length}");
        // The torn end is cut: what is noted next is not hidden behind it.
        let file = IntentFile::resume(home.path(), RUN, &names(&["a", "b"]), &[]).unwrap();
        let intents = live(file);
        intents.note(1, [9]).await.unwrap();
        assert_eq!(killed(&home), [set(0..whole), set([9])], "{length}");
    }
}

#[tokio::test]
async fn damage_is_refused_with_its_place() {
    let home = TempDir::new().unwrap();
    let (bytes, ends) = three(&home).await;
    for at in 0..ends[2] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(home.path().join("intents"), damaged).unwrap();
        let refusal = resume(home.path(), RUN, &["a", "b"], &[]).unwrap_err();
        let place = ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(12);
        let placed = refusal.contains(&format!("damaged at byte {place}"));
        assert!(placed || at < 12, "{at}: {refusal}");
        assert!(refusal.contains("intents") && refusal.contains("--fresh"), "{refusal}");
    }
    // Begun anew, it is no obstacle.
    assert_eq!(begin(&home).unknown(2), [set([]), set([])]);
}

#[test]
fn a_kill_while_it_is_begun_leaves_the_old_one_or_the_new() {
    let home = TempDir::new().unwrap();
    drop(begin(&home));
    fs::write(home.path().join("intents.new"), "half").unwrap();
    assert_eq!(unknown(home.path()), [set([]), set([])]);
    assert!(!home.path().join("intents.new").exists());
}

/// A file of intents of which every change is heard of once it has begun.
fn watched(home: &TempDir, mut hear: impl FnMut(&Told) -> Answer + Send + 'static) -> (Watch, IntentFile) {
    let armed = Arc::new(AtomicBool::new(false));
    let is_armed = Arc::clone(&armed);
    let hear = move |told: &Told| if is_armed.load(Ordering::SeqCst) { hear(told) } else { Answer::Do };
    let watch = watch(home.path(), hear);
    let file = begin(home);
    armed.store(true, Ordering::SeqCst);
    (watch, file)
}

/// The same, of which nothing is written: what is found later stands in a file that was written anew.
fn swallowed(home: &TempDir) -> (Watch, IntentFile) {
    let mut first = None;
    watched(home, move |told| match told {
        Told::Write { number, .. } if *first.get_or_insert(*number) == *number => Answer::Pretend,
        _ => Answer::Do,
    })
}

#[tokio::test]
async fn many_share_one_write_and_one_sync_and_nobody_is_told_before_it() {
    let home = TempDir::new().unwrap();
    let (begun, begins) = mpsc::channel();
    let (give, leave) = mpsc::channel();
    let operations = Arc::<Mutex<Vec<_>>>::default();
    let log = Arc::clone(&operations);
    let hear = move |told: &Told| {
        match told {
            Told::Write { .. } => log.lock().unwrap().push("write"),
            Told::Sync { .. } => {
                begun.send(()).unwrap();
                leave.recv().unwrap();
                log.lock().unwrap().push("sync");
            }
            _ => {}
        }
        Answer::Do
    };
    let (_watch, file) = watched(&home, hear);
    let intents = Arc::new(live(file));
    let told = Arc::new(AtomicU64::new(0));
    let note = |row: u64| {
        let (intents, told) = (intents.clone(), told.clone());
        tokio::spawn(async move {
            intents.note(0, [row]).await.unwrap();
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    let mut tasks = vec![note(0)];
    tokio::task::yield_now().await;
    begins.recv().unwrap();
    // The first syncs; a hundred come meanwhile, one of them twice.
    tasks.extend((1..=100).map(note));
    tasks.push(note(1));
    while intents.open() < 101 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told.load(Ordering::SeqCst), 0);
    give.send(()).unwrap();
    begins.recv().unwrap();
    tasks.remove(0).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1, "the hundred wait for their own sync");
    give.send(()).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*operations.lock().unwrap(), ["write", "sync", "write", "sync"]);
    intents.note(0, [5]).await.unwrap();
    assert_eq!(operations.lock().unwrap().len(), 4, "it is durable already");
}

#[tokio::test]
async fn a_failed_write_or_sync_is_final_for_everybody() {
    for (fails_at, expected) in [(3, 3), (4, 4)] {
        let home = TempDir::new().unwrap();
        let (_watch, operations) = steps(home.path(), fails_at);
        let (tell, told) = mpsc::channel();
        let broken = move |words| tell.send(words).unwrap();
        let file = begin(&home);
        operations.lock().unwrap().clear();
        let intents = Intents::start(file, broken).unwrap();
        intents.note(0, [1]).await.unwrap();
        let error = intents.note(0, [2]).await.unwrap_err();
        assert!(error.contains("intents") && error.contains("No space left"), "{error}");
        assert_eq!(intents.note(0, [3]).await.unwrap_err(), error);
        assert_eq!(intents.note(0, [1]).await.unwrap_err(), error, "also what is durable already: the run ends");
        intents.clear(0, 1);
        intents.close();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [error], "told once");
        assert_eq!(operations.lock().unwrap().len(), expected, "nothing is written after it");
    }
}

#[tokio::test]
async fn after_the_end_nothing_is_noted() {
    let home = TempDir::new().unwrap();
    let intents = live(begin(&home));
    intents.close();
    intents.close();
    assert!(intents.note(0, [1]).await.is_err());
    assert_eq!(unknown(home.path()), [set([]), set([])]);
}

#[tokio::test]
async fn a_file_that_has_grown_is_written_anew_with_what_is_open() {
    let home = TempDir::new().unwrap();
    let (_watch, file) = swallowed(&home);
    let intents = live(file.of_length(SMALL - 60));
    for row in 0..3 {
        intents.note(1, [row]).await.unwrap();
    }
    assert_eq!(killed(&home), [set([]), set([])], "these went to the tape; the last of them made it too long");
    intents.settle(&[set([]), set([0])]);
    intents.clear(1, 1);
    intents.note(0, [8]).await.unwrap();
    assert_eq!(killed(&home), [set([8]), set([2])]);
    intents.note(0, [9]).await.unwrap();
    assert_eq!(killed(&home), [set([8, 9]), set([2])], "and it goes on in the new file");
}

#[tokio::test]
async fn a_file_whose_rows_are_mostly_open_is_not_written_anew_for_each_of_them() {
    let home = TempDir::new().unwrap();
    let (_watch, mut file) = swallowed(&home);
    file.open = (0..20_000).map(|row| (0, row)).collect::<BTreeSet<_>>();
    let intents = live(file.of_length(2 * SMALL));
    intents.note(1, [1]).await.unwrap();
    assert_eq!(killed(&home), [set([]), set([])]);
}

#[tokio::test]
async fn without_room_for_a_second_file_the_first_goes_on() {
    let home = TempDir::new().unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    let (_watch, operations) = steps(home.path(), 0);
    let file = IntentFile::begin(&state, RUN, &names(&["a", "b"])).unwrap();
    operations.lock().unwrap().clear();
    let intents = live(file.of_length(SMALL + 1));
    fs::remove_dir_all(&state).unwrap();
    intents.note(0, [1]).await.unwrap();
    intents.note(0, [2]).await.unwrap();
    assert_eq!(*operations.lock().unwrap(), ["write", "sync", "write", "sync"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    /// Whatever is noted, cleared and settled: a kill leaves exactly what is open, and what was cleared since the
    /// last note at most.
    #[test]
    fn it_is_a_set_of_what_is_open(steps in proptest::collection::vec((0..3u8, 0..2usize, 0..8u64), 1..60)) {
        let home = TempDir::new().unwrap();
        let intents = live(begin(&home));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut open, mut done) = (BTreeSet::new(), BTreeSet::new());
        for (step, endpoint, row) in steps {
            match step {
                0 if !done.contains(&(endpoint, row)) => {
                    runtime.block_on(intents.note(endpoint, [row])).unwrap();
                    open.insert((endpoint, row));
                }
                1 => {
                    intents.clear(endpoint, row);
                    open.remove(&(endpoint, row));
                }
                2 => {
                    done.insert((endpoint, row));
                    open.remove(&(endpoint, row));
                    let ended = |of| set(done.iter().filter(|key| key.0 == of).map(|key| key.1));
                    intents.settle(&[ended(0), ended(1)]);
                }
                _ => {}
            }
        }
        intents.close();
        let of = |keys: &BTreeSet<Key>, endpoint| set(keys.iter().filter(|key| key.0 == endpoint).map(|key| key.1));
        let found = resume(home.path(), RUN, &["a", "b"], &[of(&done, 0), of(&done, 1)]).unwrap();
        proptest::prop_assert_eq!(found, [of(&open, 0), of(&open, 1)]);
    }
}
