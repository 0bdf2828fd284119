//! Files that pyarrow wrote (tests/vectors/parquet), and broken ones.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::source::{Columns, Read, Source, SourcePlan as _};

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/parquet").join(name)
}

fn plan(path: &Path) -> Result<Decided, Problem> {
    decide(&json!({ "path": path.to_str() }), |written| written.into())
}

fn rows(source: &mut dyn Source) -> Vec<Value> {
    let mut rows = Vec::new();
    while let Some(read) = source.next().unwrap() {
        let Read::Row(row) = read else { panic!("{read:?}") };
        assert_eq!(row.line, 0);
        rows.push(Value::Object(row.to_object()));
    }
    rows
}

#[test]
fn every_type_is_kept() {
    let plan = plan(&vector("types.parquet")).unwrap();
    let rows = rows(plan.open().unwrap().as_mut());
    let expected: [Value; 3] = [
        json!({
            "bool": true, "i8": -128, "u64": u64::MAX, "i64": i64::MIN, "f32": 0.1, "f64": 0.1, "f16": 0.5,
            "text": "ü", "bin": "AP8Q", "dec9": "-1234567.89", "dec38": "12345678901234567890123456789012345678",
            "dec76": format!("0.{}", "1".repeat(70)), "date": "2026-11-27", "ms": "2026-11-27T14:00:00.25Z",
            "us": "2025-11-27T14:00:00.250001Z", "ns": "2025-11-27T14:00:00.250000001Z",
            "local": "2025-11-27T14:00:00.250001", "time": "23:59:59.999999", "list": [1, null, 3],
            "stamps": ["1970-01-01T00:00:00Z"], "struct": {"a": 1, "b": [{"c": "x"}]}, "map": {"k": 1, "l": null},
            "dict": "a", "uuid": "01234567-89ab-cdef-0123-456789abcdef",
        }),
        Value::Null,
        json!({
            "bool": false, "i8": 127, "u64": 0, "i64": i64::MAX, "f32": "NaN", "f64": "-Infinity", "f16": 1.5,
            "text": "", "bin": "", "dec9": "0.01", "dec38": "-1", "dec76": format!("1.5{}", "0".repeat(69)),
            "date": "1969-12-31", "ms": "1969-12-31T23:59:59Z", "us": "1969-12-31T23:59:59.999999Z",
            "ns": "1969-12-31T23:59:59.999999999Z", "local": "1970-01-01T00:00:00", "time": "00:00:00", "list": [],
            "stamps": ["1970-01-01T00:00:00.000000001Z"], "struct": {"a": null, "b": null}, "map": {}, "dict": "a",
            "uuid": "00000000-0000-0000-0000-000000000000",
        }),
    ];
    assert_eq!(rows.len(), 3);
    for (row, expected) in rows.iter().zip(&expected) {
        for (column, value) in row.as_object().unwrap() {
            assert_eq!(value, expected.get(column).unwrap_or(&Value::Null), "{column}");
        }
    }
    let Columns::Known(header) = plan.columns() else { panic!("the footer tells the columns") };
    assert_eq!(header.names().len(), 24);
    assert_eq!((plan.quick_count(), plan.count().unwrap()), (Some(3), Some(3)));
}

#[test]
fn every_codec_is_read_row_group_by_row_group() {
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"] {
        let plan = plan(&vector(&format!("{codec}.parquet"))).unwrap();
        let expected: Vec<Value> = (0..35).map(|n| json!({ "n": n, "s": format!("row {n}") })).collect();
        assert_eq!(rows(plan.open().unwrap().as_mut()), expected, "{codec}");
        assert_eq!(plan.quick_count(), Some(35));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn skipping_lands_on_the_same_row(steps in proptest::collection::vec((0_u64..25, 0_u8..3), 1..5)) {
        let plan = plan(&vector("snappy.parquet")).unwrap();
        let (mut source, mut at) = (plan.open().unwrap(), 0);
        for (skipped, read) in steps {
            source.skip(skipped).unwrap();
            at = (at + skipped).min(35);
            for _ in 0..read {
                let read = source.next().unwrap();
                prop_assert_eq!(read.as_ref().map(Read::ordinal), (at < 35).then_some(at));
                if let Some(Read::Row(row)) = read {
                    prop_assert_eq!(row.get("n"), Some(json!(at)));
                    at += 1;
                }
            }
        }
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_it(at in 0_usize..1764, byte in 1_u8..=255, cut in proptest::bool::weighted(0.3)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.parquet");
        let mut content = std::fs::read(vector("brotli.parquet")).unwrap();
        let at = at % content.len();
        if cut {
            content.truncate(at);
        } else {
            content[at] ^= byte;
        }
        std::fs::write(&path, content).unwrap();
        let plan = match plan(&path) {
            Ok(plan) => plan,
            Err(problem) => {
                prop_assert!(problem.message.contains("broken.parquet"), "{}", problem.message);
                return Ok(());
            }
        };
        prop_assert!(!cut, "the footer is at the end");
        let mut source = match plan.open() {
            Ok(source) => source,
            Err(error) => {
                prop_assert!(error.message.contains("broken.parquet"), "{}", error.message);
                return Ok(());
            }
        };
        // Names and statistics are under no checksum; whatever is read, it ends.
        for _ in 0..10_000 {
            match source.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    prop_assert!(error.message.contains("broken.parquet"), "{}", error.message);
                    break;
                }
            }
        }
    }
}

#[test]
fn a_changed_value_is_found_by_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.parquet");
    let mut content = std::fs::read(vector("types.parquet")).unwrap();
    // In the data of the first page, behind its header.
    content[40] ^= 1;
    std::fs::write(&path, content).unwrap();
    let error = plan(&path).unwrap().open().and_then(|mut source| source.next()).unwrap_err();
    assert!(error.message.contains("changed.parquet can't be read any further after row 0"), "{error}");
}

#[test]
fn what_is_no_parquet_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.parquet");
    std::fs::write(&path, "sku,price\nA1,2\n").unwrap();
    let problem = plan(&path).err().unwrap();
    assert!(problem.message.contains("text.parquet can't be read as Parquet"), "{}", problem.message);
    assert!(plan(&folder.path().join("gone.parquet")).err().unwrap().message.contains("no such file"));
    assert_eq!(decide(&json!({ "path": "" }), |written| written.into()).err().unwrap().message, "the path is empty");
}

#[test]
fn other_columns_than_at_check_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    std::fs::copy(vector("snappy.parquet"), &path).unwrap();
    let plan = plan(&path).unwrap();
    let before = plan.identity().unwrap();
    std::fs::copy(vector("types.parquet"), &path).unwrap();
    assert!(plan.open().err().unwrap().message.contains("have changed since the job was read"));
    assert_ne!(plan.identity().unwrap(), before);
    assert!(before.unwrap().starts_with("parquet, "));
}
