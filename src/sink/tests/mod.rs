//! Tests over all sinks, and what they share.

mod contract;
mod crash;
mod shape;
mod start;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::target::Target;
use super::{OnExisting, Sink, SinkError, SinkKind, Start};
use crate::record::{InputColumns, Layout, Record};
use crate::row::{Fields, Row};

/// A layout; without input columns they come with the rows.
pub(super) fn layout(input: Option<&[&str]>, cells: &[&str]) -> Layout {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let input = input.map_or(InputColumns::AsTheyCome, |names| InputColumns::Named(owned(names)));
    Layout { input, cells: owned(cells) }
}

/// A record of a row of JSON.
pub(super) fn record(row: Value, cells: &[Value]) -> Record {
    let Value::Object(map) = row else { panic!("not an object") };
    let row = Row { ordinal: 0, line: 1, fields: Fields::Object(map) };
    Record { row: Arc::new(row), cells: cells.to_vec() }
}

/// A sink plan for a file; its kind by the ending.
fn plan(path: &Path, on_existing: OnExisting) -> Arc<dyn SinkKind> {
    let value = json!({"path": path.file_name().unwrap().to_str().unwrap()});
    let target = Target::decide(&value, Some(on_existing), |_| path.to_owned()).unwrap();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl") => Arc::new(super::jsonl::JsonlFile { target }),
        Some("tsv") => Arc::new(super::csv::CsvFile { target, delimiter: b'\t', escapes: false }),
        _ => Arc::new(super::csv::CsvFile { target, delimiter: b',', escapes: false }),
    }
}

/// The columns of most tests: `a` from the input, `x` extracted.
fn layouts() -> Vec<(usize, Layout)> {
    vec![(0, layout(Some(&["a"]), &["x"]))]
}

fn open(path: &Path, on_existing: OnExisting, start: Start) -> Result<Box<dyn Sink>, SinkError> {
    plan(path, on_existing).open(start, &layouts(), None)
}

fn refusal(result: Result<Box<dyn Sink>, SinkError>) -> String {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => error.message,
    }
}
