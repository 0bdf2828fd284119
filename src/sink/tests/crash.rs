//! Any sequence of writes, commits and kills leaves the committed records and those written after.

use std::fs::{self, OpenOptions};
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{open, record};
use crate::sink::{Cursor, OnExisting, Start};

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
fn act(path: &Path, on_existing: OnExisting, steps: &[Step]) -> Vec<String> {
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
        sink = Some(open(path, on_existing, Start::Resume(cursor)).unwrap());
    }
    committed.append(&mut pending);
    sink.unwrap().commit().unwrap();
    committed
}

fn read_jsonl(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let texts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["a"].as_str().unwrap().to_owned());
    texts.collect()
}

fn read_csv(path: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["a", "x"]);
    reader.records().map(|record| record.unwrap()[0].to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_committed_record_stands_once(steps in steps(), csv: bool, append: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if csv { "x.csv" } else { "x.jsonl" });
        let mut expected = Vec::new();
        let on_existing = if append { OnExisting::Append } else { OnExisting::Error };
        if append {
            fs::write(&path, if csv { "a,x\nold,1" } else { "{\"a\":\"old\"}" }).unwrap();
            expected.push("old".to_owned());
        }
        expected.extend(act(&path, on_existing, &steps));
        let found = if csv { read_csv(&path) } else { read_jsonl(&path) };
        prop_assert_eq!(found, expected);
    }
}
