//! Sinks: where records go. One file and one row of [`KINDS`] each.
//!
//! A sink is written by one thread, the scribe, which syncs every sink before it notes their cursors
//! in the journal. Must never report a cursor for bytes that are not durable.

mod appender;
pub(crate) mod cells;
pub mod csv;
pub mod dedupe;
mod existing;
mod form;
pub mod json;
pub mod jsonl;
mod packer;
pub mod parquet;
pub mod postgres;
pub mod s3;
pub mod spool;
pub mod spooled;
#[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code, reason = "databases alone need it"))]
mod sql;
pub mod sqlite;
pub mod stdout;
mod table;
mod target;
mod typed;
pub mod webhook;

pub(crate) use appender::{fill, tail_crc};
pub use form::Form;
pub use spooled::{Delivery, Overseer};
pub use target::claim;
pub(crate) use typed::{ColumnType, declared};

#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compile::Site;
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::record::{Layout, Record};
use crate::spec::EndpointSpec;

/// Which outcomes a sink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowChoice {
    /// Rows that ended ok.
    Ok,
    /// Rows that failed.
    Failed,
    /// All rows that were not skipped.
    #[default]
    All,
}

/// What a new run does with an output that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExisting {
    /// Refuses to start.
    #[default]
    Error,
    /// Writes behind what is there.
    Append,
    /// Empties it first.
    Replace,
}

/// How far a sink has durably come; what a resume starts from. The default stands for a sink that
/// never committed: no commit of a file gives it, not even of an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// Bytes of the output that belong to committed rows.
    pub offset: u64,
    /// CRC-32 of `offset` (eight bytes, little-endian) and the last 64 KiB (or less) before it, to
    /// notice an edited file; 0 where the output can't be read back.
    pub tail_crc: u32,
    /// Bytes of text in them, where the output is packed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub text: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a sink begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A new run.
    New,
    /// A resumed run, from the last committed cursor.
    Resume(Cursor),
}

/// A sink that can't be opened or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkError {
    /// What went wrong, naming the output.
    pub message: String,
}

impl SinkError {
    /// An error with these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {}

/// What every sink has, whatever its kind.
#[derive(Debug, Clone)]
pub struct SinkPlan {
    /// Name in `[sinks.NAME]`.
    pub name: String,
    /// Positions of the endpoints it takes records from.
    pub from: Vec<usize>,
    /// Which outcomes it takes.
    pub rows: RowChoice,
    /// Choice and order of columns; `None`: as they come.
    pub columns: Option<Vec<String>>,
    /// Columns by which a record is known that this run has written before, and is left out; none: all are written.
    pub dedupe: Vec<String>,
    /// What its kind decided.
    pub kind: Arc<dyn SinkKind>,
    /// The requests that carry its records ([`SinkKind::sends`]).
    pub hook: Option<Arc<EndpointPlan>>,
}

/// The part of a sink's plan that belongs to its kind.
pub trait SinkKind: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// One line for `plan`: `out/prices.csv (csv, replaces what exists)`.
    fn describe(&self) -> String;

    /// The file it writes, relative to where the program was started; `None` when it writes none.
    fn path(&self) -> Option<&Path>;

    /// The file that it makes, or the folder of files, whatever is in them; `None` when that is on no disk of ours.
    fn place(&self) -> Option<&Path> {
        self.path()
    }

    /// How its text stands in that file.
    fn form(&self) -> Form {
        Form::default()
    }

    /// What it writes and where, as written in the job: part of the job's identity. What only a new
    /// run asks for (`on-existing`) is not in it.
    fn identity(&self) -> String;

    /// Whether a new run could begin, without touching anything: the output does not exist, or
    /// may be appended to or replaced.
    ///
    /// # Errors
    /// When a new run would be refused.
    fn survey(&self) -> Result<(), SinkError>;

    /// What it writes to, for people.
    fn target(&self) -> String {
        self.path().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }

    /// Which rows it takes where the job does not say.
    fn default_rows(&self) -> RowChoice {
        // A failed row must not take the place of a good record.
        if self.key().is_empty() && self.takes_back() { RowChoice::All } else { RowChoice::Ok }
    }

    /// What no other sink of the job may write to, where that is no file: a new run may empty it first.
    fn owns(&self) -> Option<String> {
        None
    }

    /// Columns that a record needs a value in, and that the job's sink must have; where a record with the same values
    /// in them comes again, it takes the place of the one before.
    fn key(&self) -> &[String] {
        &[]
    }

    /// What it sends, where it sends requests as endpoints do: they are decided, opened and paced as theirs are, and the
    /// sink is [equipped](Sink::equip) with what sends them.
    fn sends(&self) -> Option<&EndpointSpec> {
        None
    }
    /// Whether its records wait in a spool ([`spooled`]).
    fn is_spooled(&self) -> bool {
        false
    }

    /// Whether records can be taken out of it again. From one that can't only rows that went well are kept.
    fn takes_back(&self) -> bool {
        true
    }

    /// Whether the server that it writes to lets us in: asked once, and nothing is written. `None`: it has none, or sends
    /// requests as endpoints do. Blocking.
    fn knock(&self) -> Option<Result<(), SinkError>> {
        None
    }

    /// Opens the output and, where it is a file, takes its lock first ([`claim`]), which the sink holds as
    /// long as it lives. Nothing is lost before the first commit: what a new run finds stays as it is
    /// where it appends, and the commit that follows gives the cursor behind it.
    ///
    /// # Errors
    /// When another sink writes the output, when it exists and may not, is shorter than the cursor or was edited before it, or
    /// can't be opened.
    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError>;
}

/// What a sink is opened with.
#[derive(Debug, Clone, Copy)]
pub struct SinkOpening<'o> {
    /// Where it begins.
    pub start: Start,
    /// Its name.
    pub name: &'o str,
    /// The state folder of the job.
    pub state: &'o Path,
    /// Id of the run; the same over resumes.
    pub run: &'o str,
    /// The shapes of the records of the endpoints in [`SinkPlan::from`], by position in the plan.
    pub layouts: &'o [(usize, Layout)],
    /// As in [`SinkPlan::columns`].
    pub columns: Option<&'o [String]>,
    /// Types of columns, as far as the job names them.
    pub(crate) types: &'o [(String, ColumnType)],
}

/// A live sink. Blocking: lives on the scribe's thread.
pub trait Sink: Send {
    /// Adds a record of an endpoint to the buffer; may write, need not.
    ///
    /// # Errors
    /// When the output can't be written.
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError>;

    /// Whether a record can be written as it is. Asked of every record, before any of its row is written.
    ///
    /// # Errors
    /// Why it can't; its row fails.
    fn fits(&mut self, endpoint: usize, record: &Record) -> Result<(), String> {
        let _ = (endpoint, record);
        Ok(())
    }

    /// Bytes of the output's text with all that was written, buffered bytes included: the records between two
    /// positions can be taken out again. `None` while it is open where the next record will stand: before
    /// the columns are known, and where nothing can be taken out.
    fn position(&self) -> Option<u64>;

    /// Byte ranges, first and one past the last, of the records that were written while
    /// [`Sink::position`] was `None`, in the order of writing. Each is told once; after a commit no
    /// record is without one, but for outputs of which nothing can be taken out: those never tell.
    fn released(&mut self) -> Vec<(u64, u64)> {
        Vec::new()
    }

    /// The record at the bytes that [`Sink::position`] told, where the output does not keep it there. Asked between a commit
    /// and its note.
    ///
    /// # Errors
    /// When it can't be read.
    fn line(&self, bytes: (u64, u64)) -> Result<Option<Box<str>>, SinkError> {
        let _ = bytes;
        Ok(None)
    }

    /// Every row has ended: what an output has that got no record is written. A commit follows.
    ///
    /// # Errors
    /// When the output can't be written.
    fn end(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes what sends its requests, before [`Sink::deliver`]. Nothing where it sends none.
    fn equip(&mut self, sender: Box<dyn webhook::Sender>) {
        drop(sender);
    }

    /// Starts what carries records on from where [`Sink::commit`] makes them durable; `None`: they are where they belong.
    ///
    /// # Errors
    /// When it can't be started.
    fn deliver(&mut self, overseer: Box<dyn Overseer>) -> Result<Option<Arc<Delivery>>, SinkError> {
        drop(overseer);
        Ok(None)
    }

    /// Makes everything written durable and says how far that is.
    ///
    /// # Errors
    /// When it can't; a failed sync is final (its error may not come twice).
    fn commit(&mut self) -> Result<Cursor, SinkError>;

    /// Names of input columns that had no place in the output: they came after its columns were
    /// fixed, or an extracted column has their name. Their records were written without them.
    fn dropped_columns(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Decides a value of the job file.
pub type CompileSink = fn(&mut Site<'_>, &KeyPath, &Value, Option<OnExisting>) -> Option<Arc<dyn SinkKind>>;

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct SinkRow {
    /// Key in `[sinks.NAME.KIND]`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The smallest example, TOML.
    pub example: &'static str,
    /// File endings that choose this kind for `path = "file.ending"`, without the dot.
    pub endings: &'static [&'static str],
    /// Schemes that choose this kind for `url = "scheme:.."`, without the colon.
    pub schemes: &'static [&'static str],
    /// Whether several sinks may write one file: each has a table in it, named by the key `table` or like the sink.
    pub tables: bool,
    /// Whether it packs by gzip or zstd what is to end in `.gz` or `.zst` (`out.csv.gz`).
    pub packs: bool,
    /// Schema of the value of `[sinks.NAME.KIND]`.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of `[sinks.NAME.KIND]` (already valid by the schema; for `path = "file"` it
    /// is `{"path": "file"}`). Pure. Reports and returns `None` when it is wrong.
    pub compile: CompileSink,
}

/// Every kind of sink.
pub const KINDS: &[SinkRow] = &[
    csv::KIND,
    json::KIND,
    jsonl::KIND,
    parquet::KIND,
    postgres::KIND,
    s3::KIND,
    sqlite::KIND,
    stdout::KIND,
    webhook::KIND,
];
