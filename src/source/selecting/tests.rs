//! What is selected against the plain way over a list, from every position.

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::compile::Site;
use crate::diagnostic::Diagnostics;
use crate::document::{Document, KeyPath, Overlays};
use crate::source::{KINDS, Read};
use crate::template::{RowScope, Scope};

/// Rows of a kind that reads no file.
fn kind(name: &str, value: &Value) -> Arc<dyn SourcePlan> {
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("x"), String::new(), &Overlays::default(), &mut diagnostics).unwrap();
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    let row = KINDS.iter().find(|row| row.name == name).unwrap();
    (row.compile)(&mut site, &KeyPath::default(), value).unwrap()
}

fn holds(text: &str) -> Option<Condition> {
    let scope = Scope {
        row: RowScope::Open,
        vars: Default::default(),
        secrets: Vec::new(),
        reply: false,
        last: None,
        messages: None,
    };
    Some(Condition::compile(text, &scope).unwrap())
}

fn plan(inner: Arc<dyn SourcePlan>, selecting: Selecting) -> SelectingPlan {
    SelectingPlan { inner, selecting, limits: Limits { slots: 8, filters: 32 } }
}

fn read(plan: &dyn SourcePlan, skip: u64) -> Vec<(u64, Result<Value, String>)> {
    let mut source = plan.open().unwrap();
    source.skip(skip).unwrap();
    let mut rows = Vec::new();
    while let Some(read) = source.next().unwrap() {
        rows.push(match read {
            Read::Row(row) => (row.ordinal, Ok(Value::Object(row.to_object()))),
            Read::Bad { row, reason } | Read::Skipped { row, reason } => (row.ordinal, Err(reason)),
        });
    }
    assert_eq!(source.next().unwrap(), None, "the end is the end");
    rows
}

/// The plain way.
fn plainly(rows: &[Value], selecting: &Selecting) -> Vec<(u64, Result<Value, String>)> {
    let mut seen = HashSet::new();
    let kept = (0..).zip(rows).filter(|(position, row)| {
        (selecting.condition.is_none() || row["a"].as_i64().unwrap() > 2)
            && match &selecting.dedupe {
                None => true,
                Some(Dedupe::Whole) => seen.insert(row.to_string()),
                Some(Dedupe::Columns(_)) => seen.insert(row["b"].to_string()),
            }
            && selecting.sample.is_none_or(|sample| sample.takes(*position))
    });
    let skip = usize::try_from(selecting.skip).unwrap();
    let take = selecting.take.map_or(usize::MAX, |take| usize::try_from(take).unwrap());
    (0..).zip(kept.map(|(_, row)| Ok(row.clone())).skip(skip).take(take)).collect()
}

proptest! {
    #[test]
    fn rows_are_those_of_the_plain_way_from_everywhere(
        cells in prop::collection::vec((0i64..6, 0i64..4), 1..60),
        picks in (any::<bool>(), 0usize..3, prop::option::of((0.0f64..1.0, 0u64..9))),
        skip in 0u64..8,
        take in prop::option::of(1u64..30),
    ) {
        let rows: Vec<Value> = cells.iter().map(|(a, b)| json!({"a": a, "b": b})).collect();
        let (filters, dedupe, sample) = picks;
        let selecting = Selecting {
            condition: if filters { holds("row.a > 2") } else { None },
            dedupe: [None, Some(Dedupe::Whole), Some(Dedupe::Columns(vec!["b".to_owned()]))][dedupe].clone(),
            sample: sample.and_then(|(share, seed)| Sample::new(share, seed)),
            skip,
            take,
        };
        let expected = plainly(&rows, &selecting);
        let plan = plan(kind("values", &Value::from(rows)), selecting);
        prop_assert_eq!(plan.count().unwrap(), Some(expected.len() as u64));
        prop_assert!(plan.quick_count().is_none_or(|count| count == expected.len() as u64));
        for from in 0..=expected.len() + 1 {
            let left: Vec<_> = expected.iter().skip(from).cloned().collect();
            prop_assert_eq!(read(&plan, from as u64), left);
        }
    }
}

#[test]
fn a_plain_window_jumps_and_counts_without_reading() {
    let billions = kind("range", &json!({"from": 1, "to": 8_000_000_000_000u64}));
    let selecting = Selecting { skip: 7_000_000_000_000, take: Some(3), ..Selecting::default() };
    let plan = plan(billions, selecting);
    assert_eq!((plan.quick_count(), plan.count().unwrap()), (Some(3), Some(3)));
    assert_eq!(read(&plan, 2), [(2, Ok(json!({"value": 7_000_000_000_003u64})))]);
    assert_eq!(plan.describe(), "1 to 8000000000000 (range; without the first 7,000,000,000,000; then 3)");
    assert_eq!(plan.identity().unwrap(), plan.inner.identity().unwrap());
}

#[test]
fn a_row_that_can_not_be_judged_fails_with_the_reason() {
    let rows = json!([{"price": 12, "sku": "a"}, {"price": "much", "sku": "a"}, {"price": 3, "sku": "b"}]);
    let selecting = Selecting {
        condition: holds("row.price > 10"),
        dedupe: Some(Dedupe::Columns(vec!["sku".to_owned()])),
        ..Selecting::default()
    };
    let found = read(&plan(kind("values", &rows), selecting), 0);
    assert_eq!(found[0], (0, Ok(json!({"price": 12, "sku": "a"}))));
    let reason = found[1].1.as_ref().unwrap_err();
    assert!(found.len() == 2 && reason.starts_with("where: `row.price > 10`: a text and a number"), "{reason}");
}

#[test]
fn unreadable_rows_are_let_through_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, "{\"a\":1}\nnonsense\n{\"a\":3}\nnonsense\n").unwrap();
    let selecting = Selecting { condition: holds("row.a > 2"), dedupe: Some(Dedupe::Whole), ..Selecting::default() };
    let found = read(&plan(kind("jsonl", &json!({"path": path})), selecting), 0);
    assert!(matches!(found.as_slice(), [(0, Err(_)), (1, Ok(_)), (2, Err(_))]), "{found:?}");
}

#[test]
fn lines_stay_and_an_end_that_was_taken_is_not_read_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a\n1\n2\n3\n").unwrap();
    let selecting = Selecting { skip: 1, take: Some(1), ..Selecting::default() };
    let plan = plan(kind("csv", &json!({"path": path})), selecting);
    let mut source = plan.open().unwrap();
    let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
    assert_eq!((row.ordinal, row.line, row.get("a")), (0, 3, Some(json!("2"))));
    assert_eq!((source.next().unwrap(), plan.path()), (None, Some(path.as_path())));
    assert!(plan.describe().ends_with("(csv, 1 column; without the first 1; then 1)"), "{}", plan.describe());
}

#[test]
fn what_can_not_be_counted_is_not_read() {
    let selecting = Selecting { condition: holds("row.a > 2"), take: Some(3), ..Selecting::default() };
    let plan = plan(kind("stdin", &json!("csv")), selecting);
    assert_eq!((plan.count().unwrap(), plan.quick_count(), plan.is_read_once()), (None, None, true));
}

#[test]
fn samples_are_about_as_large_as_asked_and_differ_by_seed() {
    for seed in [0, 7] {
        let sample = Sample::new(0.1, seed).unwrap();
        let taken = (0..100_000).filter(|position| sample.takes(*position)).count();
        assert!((9_500..10_500).contains(&taken), "{taken}");
    }
    let (one, other) = (Sample::new(0.1, 0).unwrap(), Sample::new(0.1, 7).unwrap());
    let both = (0..100_000).filter(|position| one.takes(*position) && other.takes(*position)).count();
    assert!((700..1_300).contains(&both), "{both}");
    assert_eq!(Sample::new(0.0, 0), None);
    assert!((0..1000).all(|position| Sample::new(1.0, 3).unwrap().takes(position)));
    // Part of what a job means: a resume must take the same rows.
    let first: Vec<u64> = (0..60).filter(|position| one.takes(*position)).collect();
    assert_eq!(first, FIRST);
}

#[test]
fn it_is_told_in_words() {
    let selecting = Selecting {
        condition: holds("row.a > 2"),
        dedupe: Some(Dedupe::Columns(vec!["a".to_owned(), "b".to_owned()])),
        sample: Sample::new(0.015, 7),
        skip: 0,
        take: Some(100),
    };
    let words = "1 row in the job file (values; where row.a > 2; no a, b twice; 1.5% of them by seed 7; first 100)";
    assert_eq!(plan(kind("values", &json!([Map::new()])), selecting).describe(), words);
    let all = kind("values", &json!([{}]));
    assert!(Arc::ptr_eq(&Selecting::default().over(Arc::clone(&all)), &all), "nothing is put around what is all");
}

const FIRST: [u64; 7] = [1, 18, 25, 27, 43, 47, 58];
