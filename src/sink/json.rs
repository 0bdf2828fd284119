//! One JSON array: an object on each line, keys in the order of its endpoint's layout, types kept.
//!
//! ```text
//! [
//! {"sku":"PEN-1295","price":1.5},
//! {"sku":"BOX-1700","price":4}
//! ]
//! ```
//! The last two lines end behind the cursor ([`Form`]): each commit leaves a whole array, which the next record goes
//! on with. Must never leave a comma that no record follows.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;

use super::appender::Appender;
use super::jsonl::Lines;
use super::target::{FileSpec, Target};
use super::{Cursor, Form, Sink, SinkError, SinkKind, SinkOpening, SinkRow};
use crate::record::Record;

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "json",
    doc: "a JSON file, one array with an object for each record; packed for .json.gz and .json.zst",
    example: "[sinks.out.json]\npath = \"out/prices.json\"",
    endings: &["json"],
    schemes: &[],
    tables: false,
    packs: true,
    schema: <FileSpec as JsonSchema>::json_schema,
    compile: |site, path, value, on_existing| {
        let target = Target::compile(site, path, value, on_existing)?;
        Some(Arc::new(JsonFile::new(target)))
    },
};

/// What an array begins with.
const HEAD: &[u8] = b"[";

/// A JSON file, decided.
#[derive(Debug)]
pub(super) struct JsonFile {
    target: Target,
}

impl JsonFile {
    /// An array in this file.
    pub fn new(target: Target) -> Self {
        Self { target: target.in_array() }
    }
}

impl SinkKind for JsonFile {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        self.target.describe(KIND.name)
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.target.path)
    }

    fn form(&self) -> Form {
        self.target.form
    }

    fn identity(&self) -> String {
        self.target.identity(KIND.name)
    }

    fn survey(&self) -> Result<(), SinkError> {
        self.target.survey()
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let SinkOpening { start, layouts, columns, .. } = *opening;
        let mut output = self.target.open(start, HEAD)?;
        if output.position() == 0 {
            output.buffer().extend_from_slice(HEAD);
        }
        Ok(Box::new(JsonSink { output, lines: Lines::new(layouts, columns) }))
    }
}

/// A JSON file, open.
struct JsonSink {
    output: Appender,
    lines: Lines,
}

impl JsonSink {
    /// What the next record begins with.
    fn joint(&self) -> &'static [u8] {
        self.output.form().joint(self.output.position())
    }
}

impl Sink for JsonSink {
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        let joint = self.joint();
        let out = self.output.buffer();
        let begun = out.len();
        out.extend_from_slice(joint);
        let written = self.lines.object(endpoint, record, out);
        written.inspect_err(|_| out.truncate(begun)).map_err(SinkError::new)?;
        self.output.settle()
    }

    /// Behind the comma that the next record brings: a record is the line that it begins, with the comma at its end.
    fn position(&self) -> Option<u64> {
        Some(self.output.position() + self.joint().len() as u64)
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        self.output.commit()
    }

    fn dropped_columns(&self) -> Vec<String> {
        self.lines.dropped.names()
    }
}
