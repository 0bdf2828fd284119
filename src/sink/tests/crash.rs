//! Any sequence of writes, commits and kills leaves the committed records and those written after.

use std::fs::{self, OpenOptions};
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FILES, open, put, record, text};
use crate::sink::{Cursor, OnExisting, Start};
use crate::source::unpack::inner;

/// What happens to a sink.
#[derive(Debug, Clone)]
enum Step {
    Write(String),
    Commit,
    /// The process dies; of the bytes after the last commit this share is on the disk.
    Kill(f64),
    /// The process dies; after the last commit these bytes are on the disk.
    Tear(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => "(?s).{0,12}|[\"\r\n,]{0,5}".prop_map(Step::Write),
        2 => Just(Step::Commit),
        1 => (0.0..=1.0).prop_map(Step::Kill),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Tear),
    ];
    prop::collection::vec(step, 0..40)
}

/// Runs the steps against a file and gives what must stand in it.
fn act(path: &Path, on_existing: OnExisting, steps: &[Step], earlier: usize) -> Vec<String> {
    let mut sink = Some(open(path, on_existing, Start::New).unwrap());
    let mut cursor: Cursor = sink.as_mut().unwrap().commit().unwrap();
    let (mut committed, mut pending) = (Vec::new(), Vec::new());
    for step in steps {
        let live = sink.as_mut().unwrap();
        match step {
            Step::Write(text) => {
                live.write(0, &record(json!({"a": text}), &[json!(null)])).unwrap();
                pending.push(text.clone());
                continue;
            }
            Step::Commit => {
                cursor = live.commit().unwrap();
                committed.append(&mut pending);
                // Whole after each commit, not only in the end.
                assert_eq!(read(path)[earlier..], committed);
                continue;
            }
            Step::Kill(share) => {
                // What was written and never noted: the bytes are there, the cursor is the old one.
                live.commit().unwrap();
                let file = OpenOptions::new().write(true).open(path).unwrap();
                let beyond = file.metadata().unwrap().len() - cursor.offset;
                file.set_len(cursor.offset + (beyond as f64 * share) as u64).unwrap();
            }
            Step::Tear(bytes) => {
                let mut content = fs::read(path).unwrap();
                content.truncate(usize::try_from(cursor.offset).unwrap());
                content.extend_from_slice(bytes);
                fs::write(path, content).unwrap();
            }
        }
        pending.clear();
        drop(sink.take());
        let mut again = open(path, on_existing, Start::Resume(cursor)).unwrap();
        assert_eq!(again.commit().unwrap(), cursor);
        sink = Some(again);
    }
    committed.append(&mut pending);
    sink.unwrap().commit().unwrap();
    committed
}

/// The values of `a` in a file.
fn read(path: &Path) -> Vec<String> {
    let (name, text) = (path.file_name().unwrap().to_str().unwrap(), text(path));
    let of = |record: &Value| record["a"].as_str().unwrap().to_owned();
    match inner(name) {
        "x.json" => serde_json::from_str::<Vec<Value>>(&text).unwrap().iter().map(of).collect(),
        "x.jsonl" => text.lines().map(|line| of(&serde_json::from_str(line).unwrap())).collect(),
        _ => {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert_eq!(reader.headers().unwrap(), vec!["a", "x"]);
            reader.records().map(|record| record.unwrap()[0].to_owned()).collect()
        }
    }
}

/// A file that somebody else has written, without an end of its last line.
fn put_old(path: &Path) {
    match inner(path.file_name().unwrap().to_str().unwrap()) {
        "x.json" if path.extension().unwrap() == "json" => put(path, " [ {\"a\":\"old\"} \n\n ]  \n\n\n\n\n\n\n\n "),
        // The end of the array as a member of its own.
        "x.json" => {
            put(path, "[{\"a\":\"old\"}\n");
            let first = fs::read(path).unwrap();
            put(path, " ]\n");
            fs::write(path, [first, fs::read(path).unwrap()].concat()).unwrap();
        }
        "x.jsonl" => put(path, "{\"a\":\"old\"}"),
        _ => put(path, "a,x\nold,1"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn each_committed_record_stands_once(steps in steps(), file in prop::sample::select(&FILES[..]), append: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut expected = Vec::new();
        let on_existing = if append { OnExisting::Append } else { OnExisting::Error };
        if append {
            put_old(&path);
            expected.push("old".to_owned());
        }
        expected.extend(act(&path, on_existing, &steps, expected.len()));
        prop_assert_eq!(read(&path), expected);
    }
}

/// What a kill may leave of a file: cut at each byte behind the cursor, with the rest of the old one there, and with
/// each of its blocks torn.
fn left_by_a_kill(before: &[u8], after: &[u8], cursor: usize) -> Vec<Vec<u8>> {
    let mut left = Vec::new();
    for cut in cursor..=after.len() {
        left.push(after[..cut].to_vec());
        let old = before.get(cut..).unwrap_or_default();
        left.push([&after[..cut], old].concat());
        let mut torn = after.to_vec();
        torn[cursor..cut].fill(0);
        left.push(torn);
    }
    left
}

/// Between two commits a kill may come after each byte: nothing of the first is lost, nothing of the second is left.
#[test]
fn every_prefix_of_a_write_is_gone_back_behind() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut sink = open(&path, OnExisting::Error, Start::New).unwrap();
        let mut write = |text: &str| {
            sink.write(0, &record(json!({"a": text}), &[json!(null)])).unwrap();
            (sink.commit().unwrap(), fs::read(&path).unwrap())
        };
        let states = ["first", "second, longer than what closes the file", "3"].map(&mut write);
        drop(sink);
        for (number, pair) in states.windows(2).enumerate() {
            let [(cursor, before), (_, after)] = pair else { unreachable!() };
            for left in left_by_a_kill(before, after, usize::try_from(cursor.offset).unwrap()) {
                fs::write(&path, &left).unwrap();
                let mut sink = open(&path, OnExisting::Error, Start::Resume(*cursor)).unwrap();
                assert_eq!(sink.commit().unwrap(), *cursor, "{file}");
                assert_eq!(fs::read(&path).unwrap(), *before, "{file}: as the commit left it");
                sink.write(0, &record(json!({"a": "again"}), &[json!(null)])).unwrap();
                sink.commit().unwrap();
                let found = read(&path);
                assert_eq!((found.len(), found.last().map(String::as_str)), (number + 2, Some("again")), "{file}");
            }
        }
    }
}

#[test]
fn a_commit_of_nothing_writes_nothing() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut sink = open(&path, OnExisting::Error, Start::New).unwrap();
        let mut cursors = Vec::new();
        for _ in 0..3 {
            cursors.push(sink.commit().unwrap());
            let bytes = fs::read(&path).unwrap();
            // A record that is refused leaves nothing either.
            sink.write(9, &record(json!({"a": "x"}), &[json!(null)])).unwrap_err();
            cursors.push(sink.commit().unwrap());
            assert_eq!(fs::read(&path).unwrap(), bytes, "{file}");
            assert_eq!(cursors[cursors.len() - 2], cursors[cursors.len() - 1], "{file}");
            sink.write(0, &record(json!({"a": "x"}), &[json!(null)])).unwrap();
        }
        assert_ne!(cursors[0], cursors[2], "{file}");
        assert_eq!(read(&path).len(), 2);
    }
}
