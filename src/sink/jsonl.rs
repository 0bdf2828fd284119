//! JSON Lines: an object on each line, keys in the order of its endpoint's layout, types kept.
//!
//! Must never write a key twice, nor a key that a record does not have.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;

use super::appender::Appender;
use super::cells::{json, json_cell};
use super::table::{Dropped, Table, stranger, union};
use super::target::{FileSpec, Target};
use super::{Cursor, Form, Sink, SinkError, SinkKind, SinkOpening, SinkRow};
use crate::record::{InputColumns, Layout, Record};

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "jsonl",
    doc: "a JSON Lines file, an object for each record; packed for .jsonl.gz and .jsonl.zst",
    example: "[sinks.out.jsonl]\npath = \"out/prices.jsonl\"",
    endings: &["jsonl", "ndjson"],
    schemes: &[],
    tables: false,
    packs: true,
    schema: <FileSpec as JsonSchema>::json_schema,
    compile: |site, path, value, on_existing| {
        let target = Target::compile(site, path, value, on_existing)?;
        Some(Arc::new(JsonlFile { target }))
    },
};

/// A JSON Lines file, decided.
#[derive(Debug)]
pub(super) struct JsonlFile {
    pub(super) target: Target,
}

impl SinkKind for JsonlFile {
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
        let output = self.target.open(start, b"")?;
        Ok(Box::new(JsonlSink { output, lines: Lines::new(layouts, columns) }))
    }
}

/// A JSON Lines file, open.
struct JsonlSink {
    output: Appender,
    lines: Lines,
}

impl Sink for JsonlSink {
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        self.lines.write(endpoint, record, self.output.buffer()).map_err(SinkError::new)?;
        self.output.settle()
    }

    fn position(&self) -> Option<u64> {
        Some(self.output.position())
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        self.output.commit()
    }

    fn dropped_columns(&self) -> Vec<String> {
        self.lines.dropped.names()
    }
}

/// Records as lines of JSON.
pub(super) struct Lines {
    /// How each endpoint's records are written.
    recipes: Vec<(usize, Recipe)>,
    /// Names that had no place.
    pub dropped: Dropped,
}

/// How the records of one endpoint become lines: a line is no row of a table that all endpoints share,
/// so each has the order of its own layout, or that of the columns the user chose.
enum Recipe {
    /// The columns are known.
    Known(Known),
    /// Rows bring their own keys; the keys of the cells behind them.
    Open(Vec<String>),
}

/// The columns of an endpoint.
struct Known {
    table: Table,
    /// `"name":` of every column, ready to be written.
    keys: Vec<Vec<u8>>,
}

impl Lines {
    /// Lines for these layouts, or these columns of them.
    pub fn new(layouts: &[(usize, Layout)], columns: Option<&[String]>) -> Self {
        let recipes = layouts.iter().map(|of| (of.0, Recipe::new(of, columns))).collect();
        Self { recipes, dropped: Dropped::default() }
    }

    /// Appends a record and the end of its line.
    pub fn write(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        self.object(endpoint, record, out)?;
        out.push(b'\n');
        Ok(())
    }

    /// Appends a record.
    pub fn object(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let recipe = self.recipes.iter_mut().find(|(of, _)| *of == endpoint);
        let (_, recipe) = recipe.ok_or_else(|| stranger(endpoint))?;
        let line = out.len();
        out.push(b'{');
        let written = match recipe {
            Recipe::Known(known) => known.write(endpoint, record, &mut self.dropped, out),
            Recipe::Open(cells) => {
                write_open(record, cells, &mut self.dropped, out);
                Ok(())
            }
        };
        match written {
            Ok(()) => out.push(b'}'),
            Err(_) => out.truncate(line),
        }
        written
    }
}

impl Recipe {
    fn new(of: &(usize, Layout), columns: Option<&[String]>) -> Self {
        let layouts = std::slice::from_ref(of);
        let names = match columns {
            Some(columns) => columns.to_vec(),
            None if of.1.input == InputColumns::AsTheyCome => return Self::Open(of.1.cells.clone()),
            None => union(layouts, None),
        };
        let keys = names.iter().map(|name| key(name)).collect();
        Self::Known(Known { table: Table::new(names, layouts, true), keys })
    }
}

impl Known {
    fn write(
        &mut self,
        endpoint: usize,
        record: &Record,
        dropped: &mut Dropped,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let (begun, keys) = (out.len(), &self.keys);
        self.table.visit(endpoint, record, dropped, |column, cell| {
            let Some(cell) = cell else { return };
            comma(begun, out);
            out.extend_from_slice(&keys[column]);
            json_cell(cell, out);
        })
    }
}

fn write_open(record: &Record, cells: &[String], dropped: &mut Dropped, out: &mut Vec<u8>) {
    let begun = out.len();
    record.row.visit(|name, cell| {
        if cells.iter().any(|known| known == name) {
            dropped.note(name);
            return;
        }
        comma(begun, out);
        json(name, out);
        out.push(b':');
        json_cell(cell, out);
    });
    for (name, value) in cells.iter().zip(&record.cells) {
        comma(begun, out);
        json(name, out);
        out.push(b':');
        json(value, out);
    }
}

fn comma(begun: usize, out: &mut Vec<u8>) {
    if out.len() > begun {
        out.push(b',');
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    json(name, &mut key);
    key.push(b':');
    key
}
