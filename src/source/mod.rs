//! Sources: where rows come from. One file and one row of [`KINDS`] each.
//!
//! A source reads lazily, on a thread of its own, and never holds more than a row (`glob`: the names of its files). A row that can't
//! be read is a [`Read::Bad`], which ends as a failed row; only a source that can't go on is an error.

mod charset;
pub mod csv;
pub(crate) mod dedupe;
pub mod endpoint;
pub(crate) mod file;
pub mod glob;
pub mod json;
pub mod jsonl;
mod lines;
pub mod parquet;
mod problem;
pub(crate) mod product;
mod quote;
pub mod range;
pub(crate) mod selecting;
pub mod sql;
pub mod stdin;
pub(crate) mod unpack;
pub mod values;

#[cfg(test)]
mod contract;

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::compile::Site;
use crate::document::KeyPath;
use crate::row::{Header, Row};

/// What is known of the columns before the run.
#[derive(Debug, Clone)]
pub enum Columns {
    /// These and no others.
    Known(Arc<Header>),
    /// Each row brings its own.
    Open,
}

/// What came out of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// A row.
    Row(Row),
    /// A row that can't be used; its fields are what could be saved of it.
    Bad {
        /// The row, with the columns that could be read and empty ones for the rest.
        row: Row,
        /// What is wrong, with line and file.
        reason: String,
    },
    /// A row that is left out before it is begun: the row that was to give it failed.
    Skipped {
        /// The row, with what is known of it.
        row: Row,
        /// Why.
        reason: String,
    },
}

impl Read {
    /// The row's identity.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        match self {
            Self::Row(row) | Self::Bad { row, .. } | Self::Skipped { row, .. } => row.ordinal,
        }
    }
}

/// A source that can't be opened or can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// What went wrong, naming the file.
    pub message: String,
}

impl SourceError {
    /// An error with these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SourceError {}

/// Something odd about an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What is odd, with its place.
    pub message: String,
    /// The way out.
    pub help: &'static str,
}

/// Rows of an input, as far as they can be counted offline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many; `None`: can't be known without consuming it (stdin).
    pub rows: Option<u64>,
    /// What turned out odd on the way: the number may not be the one that was meant.
    pub doubts: Vec<Doubt>,
}

/// A source, decided and printable.
pub trait SourcePlan: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// One line for `plan`: `products.csv (csv, 3 columns)`.
    fn describe(&self) -> String;

    /// The file it reads, relative to where the program was started; `None` when it reads none.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// The pattern by which it lists files, relative to the job file; `None` when it lists none.
    fn pattern(&self) -> Option<&str> {
        None
    }

    /// The sources that it is made of, where it reads nothing itself.
    fn members(&self) -> &[Arc<dyn SourcePlan>] {
        &[]
    }

    /// The endpoint whose records are the rows; `None`: it reads something else.
    fn parent(&self) -> Option<&str> {
        None
    }

    /// The columns, as far as they are known before the run.
    fn columns(&self) -> Columns;

    /// Number of rows, counted offline; reads through the file if it must. `None`: can't be known
    /// without consuming it (stdin).
    ///
    /// # Errors
    /// When the input can't be read.
    fn count(&self) -> Result<Option<u64>, SourceError>;

    /// The same with what turned out odd on the way.
    ///
    /// # Errors
    /// As [`SourcePlan::count`].
    fn survey(&self) -> Result<Counted, SourceError> {
        Ok(Counted { rows: self.count()?, doubts: Vec::new() })
    }

    /// Number of rows where it is known without reading; for progress.
    fn quick_count(&self) -> Option<u64> {
        None
    }

    /// Whether the input can be read only once (standard input), so that a run can't go on with it.
    fn is_read_once(&self) -> bool {
        false
    }

    /// Whether an open source reads the input as it was when it was opened, whatever others write meanwhile.
    fn is_snapshot(&self) -> bool {
        false
    }

    /// Whether rows are counted for less than a run reads them for.
    fn counts_cheaply(&self) -> bool {
        true
    }

    /// What the input is, so that a resume can tell whether it changed: size and checksums; times only
    /// of what is too large to be read for it. `None`: can't be told (stdin), so a run can't be resumed.
    ///
    /// # Errors
    /// When the input can't be read.
    fn identity(&self) -> Result<Option<String>, SourceError>;

    /// Opens the source at its first row.
    ///
    /// # Errors
    /// When the input can't be opened.
    fn open(&self) -> Result<Box<dyn Source>, SourceError>;

    /// Opens it over rows that are there only while the job runs, where [`SourcePlan::parent`] names who gives them.
    ///
    /// # Errors
    /// As [`SourcePlan::open`].
    fn open_over(&self, rows: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
        Ok(rows)
    }
}

/// A live source. Blocking: lives on a thread of its own.
pub trait Source: Send {
    /// The next row, `None` at the end. Ordinals rise by one from zero.
    ///
    /// # Errors
    /// When the source can't go on; rows before it are good.
    fn next(&mut self) -> Result<Option<Read>, SourceError>;

    /// Passes over `rows` rows; sources that can jump overrule this.
    ///
    /// # Errors
    /// As [`Source::next`].
    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        for _ in 0..rows {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// What turned out odd since it was last asked, for people: the run warns of it and goes on.
    fn doubt(&mut self) -> Option<String> {
        None
    }

    /// Whether the last `None` was no end of the input: the run drains, and there may be more rows.
    fn was_cut_off(&self) -> bool {
        false
    }
}

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct SourceKind {
    /// Key in `input.KIND`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The smallest example, TOML.
    pub example: &'static str,
    /// File endings that choose this kind for `input = "file.ending"`, without the dot.
    pub endings: &'static [&'static str],
    /// Whether files with such an ending may be packed by gzip or zstd (`rows.csv.gz`).
    pub reads_packed: bool,
    /// Schema of the value of `input.KIND`.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of `input.KIND` (already valid by the schema; for `input = "file"` it is
    /// `{"path": "file"}`). Pure but for reading the header of the input. Reports and returns `None`
    /// when it is wrong.
    pub compile: fn(&mut Site<'_>, &KeyPath, &Value) -> Option<Arc<dyn SourcePlan>>,
}

/// Every kind of source.
pub const KINDS: &[SourceKind] = &[
    csv::KIND,
    endpoint::KIND,
    glob::KIND,
    json::KIND,
    jsonl::KIND,
    parquet::KIND,
    product::KIND,
    range::KIND,
    sql::KIND,
    stdin::KIND,
    values::KIND,
];
