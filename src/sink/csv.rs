//! CSV and TSV files: a header, then a row for each record.
//!
//! Columns are fixed by the plan, by the file that is gone on with, or by the first record of an
//! input that brings its own. Must never write under a header that is not its own.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::appender::Appender;
use super::cells::CsvCells;
use super::table::{Dropped, Table, known, union};
use super::target::Target;
use super::{Cursor, Form, Sink, SinkError, SinkKind, SinkOpening, SinkRow};
use crate::record::{Layout, Record};
use crate::row::Cell;
use crate::source::csv::is_tsv;

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "csv",
    doc: "a CSV file with a header, a row for each record; tabs between cells for .tsv; packed for .csv.gz and .csv.zst",
    example: "[sinks.out.csv]\npath = \"out/prices.csv\"",
    endings: &["csv", "tsv"],
    schemes: &[],
    tables: false,
    packs: true,
    schema: <CsvSpec as JsonSchema>::json_schema,
    compile: |site, path, value, on_existing| {
        // Valid by the schema, but for what the path names, which the target judges.
        let spec = CsvSpec::deserialize(value).unwrap_or_default();
        let target = Target::compile(site, path, &json!({ "path": spec.path }), on_existing)?;
        let delimiter = if is_tsv(&target.path) { b'\t' } else { b',' };
        Some(Arc::new(CsvFile { target, delimiter, escapes: spec.escape_formulas.unwrap_or(false) }))
    },
};

/// A CSV file to write.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CsvSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["out/prices.csv"]))]
    path: String,
    /// Whether a cell that a spreadsheet would run as a formula gets a `'` before it: one that begins with `=`, `+`,
    /// `-`, `@`, a tab or a carriage return and is no number (OWASP, CSV injection). Programs that are no spreadsheets
    /// read that `'` as part of the cell.
    #[schemars(extend("default" = false))]
    escape_formulas: Option<bool>,
}

/// Most bytes of a header that is read back.
const HEADER_CAP: u64 = 1024 * 1024;

/// Most records held until the columns are known.
const MOST_HELD: usize = 1000;

/// A CSV file, decided.
#[derive(Debug)]
pub(super) struct CsvFile {
    pub(super) target: Target,
    pub(super) delimiter: u8,
    /// Whether formulas are escaped.
    pub(super) escapes: bool,
}

impl CsvFile {
    fn cells(&self) -> CsvCells {
        CsvCells::new(self.delimiter).escaping(self.escapes)
    }
}

impl SinkKind for CsvFile {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        self.target.describe(if self.escapes { "csv, formulas escaped" } else { KIND.name })
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.target.path)
    }

    fn form(&self) -> Form {
        self.target.form
    }

    fn identity(&self) -> String {
        self.target.identity(KIND.name) + if self.escapes { " escape-formulas" } else { "" }
    }

    fn survey(&self) -> Result<(), SinkError> {
        self.target.survey()
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let SinkOpening { start, layouts, columns, .. } = *opening;
        let mut rows = Rows::new(self.cells(), layouts, columns);
        let mut head = Vec::new();
        rows.begin(&mut head);
        let mut output = self.target.open(start, &head)?;
        if output.position() == 0 {
            output.buffer().extend_from_slice(&head);
        } else {
            let found = read_header(&output, self.delimiter)?;
            rows.adopt(found).map_err(|(found, own)| mismatch(output.path(), &found, &own))?;
        }
        Ok(Box::new(CsvSink { output, rows, released: Vec::new() }))
    }
}

fn read_header(output: &Appender, delimiter: u8) -> Result<Vec<String>, SinkError> {
    let mut record = csv::StringRecord::new();
    let read = output.read_back().map_err(csv::Error::from).and_then(|text| {
        let text = text.take(HEADER_CAP);
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(text).read_record(&mut record)
    });
    match read {
        Ok(_) => Ok(record.iter().map(str::to_owned).collect()),
        Err(error) => Err(SinkError::new(format!("the header of {} can't be read: {error}", output.path().display()))),
    }
}

fn mismatch(path: &Path, found: &[String], own: &[String]) -> SinkError {
    SinkError::new(format!(
        "{} has the columns {}, but the job writes {}: set `columns` on the sink to match, set \
         `on-existing = \"replace\"`, or move the file away",
        path.display(),
        found.join(", "),
        own.join(", "),
    ))
}

/// A CSV file, open.
struct CsvSink {
    output: Appender,
    rows: Rows,
    /// Places of records that were not known when they were written, as bytes of the file.
    released: Vec<(u64, u64)>,
}

impl CsvSink {
    /// Adds to the buffer by `change`, and notes where records came to stand that had no place before.
    fn add(&mut self, change: impl FnOnce(&mut Rows, &mut Vec<u8>) -> Result<(), String>) -> Result<(), SinkError> {
        let base = self.output.text();
        change(&mut self.rows, self.output.buffer()).map_err(SinkError::new)?;
        let in_file = |(start, end): (usize, usize)| (base + start as u64, base + end as u64);
        self.released.extend(self.rows.released.drain(..).map(in_file));
        Ok(())
    }
}

impl Sink for CsvSink {
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        self.add(|rows, buffer| rows.write(endpoint, record, buffer))?;
        self.output.settle()
    }

    /// The first record may bring the header with it, which is no part of the record.
    fn position(&self) -> Option<u64> {
        self.rows.table.is_some().then(|| self.output.position())
    }

    fn released(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.released)
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        if self.rows.holds() {
            self.add(Rows::release)?;
        }
        self.output.commit()
    }

    fn dropped_columns(&self) -> Vec<String> {
        self.rows.dropped.names()
    }
}

/// Records as rows of CSV.
pub(super) struct Rows {
    cells: CsvCells,
    layouts: Vec<(usize, Layout)>,
    chosen: bool,
    /// The columns; `None` until the first record of an open input.
    table: Option<Table>,
    headed: bool,
    /// Records without any input column that came before the columns were known.
    held: Vec<(usize, Record)>,
    /// Where records came to stand in the buffer that were written before the columns were known.
    released: Vec<(usize, usize)>,
    /// Names that had no place.
    pub dropped: Dropped,
}

impl Rows {
    /// Rows of such cells for these layouts, or these columns of them.
    pub fn new(cells: CsvCells, layouts: &[(usize, Layout)], columns: Option<&[String]>) -> Self {
        let names = columns.map(<[String]>::to_vec).or_else(|| known(layouts));
        let chosen = columns.is_some();
        Self {
            cells,
            layouts: layouts.to_vec(),
            chosen,
            table: names.map(|names| Table::new(names, layouts, chosen)),
            headed: false,
            held: Vec::new(),
            released: Vec::new(),
            dropped: Dropped::default(),
        }
    }

    /// Appends the header, if the columns are known and it does not stand yet.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(table) = self.table.as_ref().filter(|_| !self.headed) else { return };
        self.headed = true;
        let begun = out.len();
        for (column, name) in table.names().iter().enumerate() {
            self.cells.cell(column, Some(Cell::Text(name)), out);
        }
        self.cells.end(begun, out);
    }

    /// Goes on under a header that stands already; the header and the own columns when they differ.
    pub fn adopt(&mut self, found: Vec<String>) -> Result<(), (Vec<String>, Vec<String>)> {
        self.headed = true;
        match &self.table {
            Some(table) => {
                let own: Vec<String> = table.names().iter().map(|name| self.cells.escaped(name).into_owned()).collect();
                if own == found { Ok(()) } else { Err((found, own)) }
            }
            None => {
                let found = found.iter().map(|name| self.cells.unescaped(name).to_owned()).collect();
                self.table = Some(Table::new(found, &self.layouts, self.chosen));
                Ok(())
            }
        }
    }

    /// Goes on under a header that stands already and can't be read back.
    pub fn headed(&mut self) {
        self.headed = true;
    }

    /// Appends a record, or holds it: one of a row that could not be read says nothing of the columns.
    pub fn write(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        if self.table.is_none() {
            if record.row.width() == 0 && self.held.len() < MOST_HELD {
                self.held.push((endpoint, record.clone()));
                return Ok(());
            }
            self.fix(endpoint, record, out)?;
            return self.place(endpoint, record, out);
        }
        self.row(endpoint, record, out)
    }

    /// Whether records are held.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Appends what is held, under the columns that can be known now.
    pub fn release(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some((endpoint, record)) = self.held.first().cloned() else { return Ok(()) };
        self.fix(endpoint, &record, out)
    }

    /// Fixes the columns by a record and appends what was held for want of them.
    fn fix(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let names = union(&self.layouts, Some((endpoint, record)));
        self.table = Some(Table::new(names, &self.layouts, self.chosen));
        self.begin(out);
        std::mem::take(&mut self.held).iter().try_for_each(|(endpoint, record)| self.place(*endpoint, record, out))
    }

    /// Appends a record that had no place when it was written, and notes the one it has now.
    fn place(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let begun = out.len();
        self.row(endpoint, record, out)?;
        self.released.push((begun, out.len()));
        Ok(())
    }

    fn row(&mut self, endpoint: usize, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let (cells, begun) = (&mut self.cells, out.len());
        table.visit(endpoint, record, &mut self.dropped, |column, cell| cells.cell(column, cell, out))?;
        self.cells.end(begun, out);
        Ok(())
    }
}
