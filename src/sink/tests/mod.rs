//! Tests over all sinks, and what they share.

mod contract;
mod crash;
mod shape;
mod start;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::packer::Packer;
use super::target::Target;
use super::{Form, OnExisting, Sink, SinkError, SinkKind, SinkOpening, Start};
use crate::record::{InputColumns, Layout, Record};
use crate::row::{Fields, Row};
use crate::source::unpack::{inner, packing_of};

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

/// A file of each kind, as it is and packed.
const FILES: [&str; 9] =
    ["x.csv", "x.jsonl", "x.json", "x.csv.gz", "x.csv.zst", "x.jsonl.gz", "x.jsonl.zst", "x.json.gz", "x.json.zst"];

/// A sink plan for a file; its kind by the ending.
fn plan(path: &Path, on_existing: OnExisting) -> Arc<dyn SinkKind> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let target = Target::decide(&json!({ "path": name }), Some(on_existing), |_| path.to_owned()).unwrap();
    match inner(name).rsplit('.').next() {
        Some("jsonl") => Arc::new(super::jsonl::JsonlFile { target }),
        Some("json") => Arc::new(super::json::JsonFile::new(target)),
        Some("tsv") => Arc::new(super::csv::CsvFile { target, delimiter: b'\t', escapes: false }),
        _ => Arc::new(super::csv::CsvFile { target, delimiter: b',', escapes: false }),
    }
}

/// The text of an output, which must be whole.
fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::bufread::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text),
        Some("zst") => zstd::Decoder::new(bytes.as_slice()).unwrap().read_to_string(&mut text),
        _ => bytes.as_slice().read_to_string(&mut text),
    }
    .unwrap_or_else(|error| panic!("{}: {error}, {bytes:?}", path.display()));
    assert!(!bytes.is_empty() || Form::of(path) == Form::default(), "no bytes are no packed file");
    text
}

/// A file with this text, written by somebody else.
fn put(path: &Path, text: &str) {
    let bytes = match packing_of(path.to_str().unwrap()) {
        Some(packing) => Packer::pack(packing, text.as_bytes()).unwrap(),
        None => text.as_bytes().to_vec(),
    };
    std::fs::write(path, bytes).unwrap();
}

/// The columns of most tests: `a` from the input, `x` extracted.
fn layouts() -> Vec<(usize, Layout)> {
    vec![(0, layout(Some(&["a"]), &["x"]))]
}

fn open(path: &Path, on_existing: OnExisting, start: Start) -> Result<Box<dyn Sink>, SinkError> {
    open_as(plan(path, on_existing).as_ref(), start, &layouts(), None)
}

/// Opens a sink of a run, with the state folder beside nothing.
fn open_as(
    kind: &dyn SinkKind,
    start: Start,
    layouts: &[(usize, Layout)],
    columns: Option<&[String]>,
) -> Result<Box<dyn Sink>, SinkError> {
    let state = Path::new("state");
    kind.open(&SinkOpening { start, name: "out", state, run: "r", layouts, columns, types: &[] })
}

fn refusal(result: Result<Box<dyn Sink>, SinkError>) -> String {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => error.message,
    }
}
