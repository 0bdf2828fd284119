//! Sinks that can't be cut back like a file: their records wait in a spool on disk, and are carried from there.
//!
//! The spool is a file like any other sink's, written by the scribe and named by the journal's cursor. A thread of its own
//! (`courier`) carries what the journal stands for to the destination, which notes in the same transaction how far it has
//! come. So whatever dies, every record stands once; and while the destination is away nothing is lost, and requests
//! pause only when the spool is full. Must never show the courier a line that the journal does not stand for.

#[cfg(any(feature = "postgres", feature = "s3"))]
pub(super) mod asking;
mod courier;
mod destination;
#[cfg(test)]
pub(crate) mod far;
mod segments;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use courier::Delivery;
pub(crate) use destination::{Destination, Line, Lines, Load, Setback};
pub(crate) use segments::Head;

use self::courier::Courier;
use self::segments::{Folder, Segments};
use super::cells::json_cell;
use super::table::{Dropped, Table, known, union};
use super::typed::{ColumnType, Guess, refusal};
use super::webhook::Sender;
use super::{Cursor, Sink, SinkError, SinkOpening, Start};
use crate::disk;
use crate::record::{InputColumns, Layout, Record};
use crate::row::Cell;

/// Levels of arrays and objects that a line is surely read back with (serde_json reads 127, the line's own included).
const DEEPEST: usize = 120;

/// How the name of a destination's own note ends, beside the files of its spool.
pub(crate) const NOTE: &str = ".note";

/// Most records that are looked at to decide the types of columns.
const MOST_HELD: usize = 1000;

/// Notes in a sink's spool that records of failed rows have to go, and gives the cursor behind that.
///
/// # Errors
/// When the spool is not what it was at the cursor, or can't be written.
pub fn take_back(
    (state, run): (&Path, &str),
    sink: &str,
    cursor: Cursor,
    records: &[&str],
) -> Result<Cursor, SinkError> {
    let (mut spool, _) = Segments::open(Folder::new(state, run, sink), Start::Resume(cursor))?;
    for record in records {
        spool.add(|out| out.extend_from_slice(Line::take(record).as_bytes()))?;
    }
    spool.commit()
}

/// How the names of spools end, and those of the notes that stand beside them.
const ENDINGS: [&str; 2] = [".jsonl", NOTE];

/// Drops the spools of other runs than this one. What can't be dropped is in nobody's way.
pub fn sweep(state: &Path, run: &str) {
    let ours = format!("sink-{run}-");
    let files = std::fs::read_dir(state).into_iter().flatten().flatten();
    let others = files.filter(|file| {
        let name = file.file_name();
        name.to_str().is_some_and(|name| {
            name.starts_with("sink-") && ENDINGS.iter().any(|end| name.ends_with(end)) && !name.starts_with(&ours)
        })
    });
    others.for_each(|file| drop(disk::remove(&file.path())));
}

/// The file in which a destination keeps its note, beside the spool of a sink.
pub(crate) fn note(opening: &SinkOpening<'_>) -> PathBuf {
    Folder::new(opening.state, opening.run, opening.name).note()
}

/// Who is told how a delivery goes.
pub trait Overseer: Send {
    /// Whether the run ends, so that a destination that is away is not waited for.
    fn drains(&self) -> bool;
    /// Whether it ends at once.
    fn stops(&self) -> bool;
    /// Something that a person should know; the delivery goes on.
    fn warn(&self, words: String);
    /// The sink's destination was away for too long: the run has to stop, and may go on later.
    fn away(&self, sink: &str, lasted: Duration, words: String);
    /// It can't go on before somebody mends something.
    fn broken(&self, words: String);
}

/// What a kind of sink says of its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands {
    /// Whether a value may stand in a column of a type.
    pub takes: fn(ColumnType, Cell<'_>) -> bool,
    /// Why no column of whatever type can hold a value. Asked also before columns are decided.
    pub refuses: fn(Cell<'_>) -> Option<&'static str>,
}

/// See the module.
pub(super) struct SpooledSink {
    name: String,
    spool: Segments,
    folder: Folder,
    layouts: Vec<(usize, Layout)>,
    columns: Option<Vec<String>>,
    /// Types that the job names, by column.
    declared: Vec<(String, ColumnType)>,
    demands: Demands,
    /// Columns that must not be null.
    key: Vec<String>,
    /// The columns; `None` until they are decided.
    table: Option<Table>,
    /// Records that wait for that.
    held: Vec<(usize, Record)>,
    /// Where records stand that did.
    released: Vec<(u64, u64)>,
    dropped: Dropped,
    delivery: Arc<Delivery>,
    /// Until the courier has started.
    destination: Option<Box<dyn Destination>>,
}

/// Opens the spool of a sink; `have` is how far the destination has come, `None` where it is away.
pub(super) fn open(
    opening: &SinkOpening<'_>,
    demands: Demands,
    key: &[String],
    destination: Box<dyn Destination>,
    have: Option<u64>,
) -> Result<Box<dyn Sink>, SinkError> {
    let folder = Folder::new(opening.state, opening.run, opening.name);
    let (spool, starts) = Segments::open(folder.clone(), opening.start)?;
    let end = spool.position();
    have.map_or(Ok(()), |have| agree(have, &starts, end)).map_err(SinkError::new)?;
    let columns = opening.columns.map(<[String]>::to_vec);
    let wanted = columns.clone().or_else(|| known(opening.layouts));
    if let Some((head, wanted)) = spool.head().zip(wanted).filter(|(head, wanted)| head.columns != *wanted) {
        return Err(SinkError::new(format!(
            "the run has written the columns {}, and the job says {} now: set `columns` on the sink to those of before, or \
             begin a new run with --fresh",
            head.columns.join(", "),
            wanted.join(", ")
        )));
    }
    let table = spool.head().map(|head| Table::new(head.columns.clone(), opening.layouts, columns.is_some()));
    Ok(Box::new(SpooledSink {
        name: opening.name.to_owned(),
        spool,
        folder,
        layouts: opening.layouts.to_vec(),
        columns,
        declared: opening.types.to_vec(),
        demands,
        key: key.to_vec(),
        table,
        held: Vec::new(),
        released: Vec::new(),
        dropped: Dropped::default(),
        delivery: Arc::new(Delivery::new(end, have, starts)),
        destination: Some(destination),
    }))
}

fn is_deep(cell: Cell<'_>) -> bool {
    fn has_more(value: &Value, levels: usize) -> bool {
        match value {
            Value::Array(items) => levels == 0 || items.iter().any(|item| has_more(item, levels - 1)),
            Value::Object(map) => levels == 0 || map.values().any(|item| has_more(item, levels - 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    matches!(cell, Cell::Json(value) if has_more(value, DEEPEST))
}

/// What is said where a part of what was delivered has gone, and later ones stand.
#[cfg_attr(not(any(feature = "parquet", feature = "s3")), allow(dead_code, reason = "for what is written in parts"))]
pub(crate) fn missing(from: u64, to: u64) -> String {
    format!(
        "the part that holds the records from byte {from} to {to} of the spool has gone, and later ones stand: bring it back and \
         run again, or begin a new run with --fresh"
    )
}

/// Whether a destination that has come so far can be carried what the spool holds.
fn agree(have: u64, starts: &[u64], end: u64) -> Result<(), String> {
    let begin = starts.first().copied().unwrap_or_default();
    if (begin..=end).contains(&have) {
        return Ok(());
    }
    Err(format!(
        "it has the records up to byte {have} of the spool in the state folder, which holds those from byte {begin} to {end}: \
         one of the two was changed or brought back from a backup; begin a new run with --fresh"
    ))
}

impl SpooledSink {
    /// Decides columns and types by what is held, and adds that.
    fn decide(&mut self) -> Result<(), SinkError> {
        let names = self.columns.clone().or_else(|| known(&self.layouts)).unwrap_or_else(|| self.names_of_held());
        let mut table = Table::new(names.clone(), &self.layouts, self.columns.is_some());
        let mut guesses = vec![Guess::default(); names.len()];
        let mut ignored = Dropped::default();
        for (endpoint, record) in &self.held {
            let see = |column: usize, cell: Option<Cell<'_>>| {
                if let Some(cell) = cell {
                    guesses[column].see(cell);
                }
            };
            table.visit(*endpoint, record, &mut ignored, see).map_err(SinkError::new)?;
        }
        let types = names.iter().zip(guesses).map(|(name, guess)| {
            let declared = self.declared.iter().find(|(declared, _)| declared == name);
            declared.map_or_else(|| guess.decided(), |(_, kind)| *kind)
        });
        self.spool.begin(Head { types: types.collect(), columns: names });
        self.table = Some(table);
        for (endpoint, record) in std::mem::take(&mut self.held) {
            let place = self.spool.position();
            self.add(endpoint, &record)?;
            self.released.push((place, self.spool.position()));
        }
        Ok(())
    }

    /// The columns of all that is held, in order of first appearance.
    fn names_of_held(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (endpoint, record) in &self.held {
            for name in union(&self.layouts, Some((*endpoint, record))) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        if names.is_empty() { union(&self.layouts, None) } else { names }
    }

    /// The value of a column, also before columns are decided.
    fn value<'r>(&self, endpoint: usize, record: &'r Record, name: &str) -> Option<Cell<'r>> {
        let layout = self.layouts.iter().find(|(of, _)| *of == endpoint);
        let position = layout.and_then(|(_, layout)| layout.cells.iter().position(|cell| cell == name));
        match position {
            Some(position) => record.cells.get(position).map(Cell::Json),
            None => record.row.cell(name),
        }
    }

    fn has_value(&self, endpoint: usize, record: &Record, name: &str) -> bool {
        self.value(endpoint, record, name).is_some_and(|cell| cell != Cell::Json(&Value::Null))
    }

    /// Whether a record is of the types that the job names, before those of other columns are decided.
    fn fits_declared(&self, endpoint: usize, record: &Record) -> Result<(), String> {
        let cell = |name: &str| self.value(endpoint, record, name).unwrap_or(Cell::Json(&Value::Null));
        let mut values = self.declared.iter().map(|(name, kind)| (name, *kind, cell(name)));
        let unfit = values.find(|(_, kind, cell)| !(self.demands.takes)(*kind, *cell));
        unfit.map_or(Ok(()), |(name, kind, cell)| Err(format!("sinks.{}: {}", self.name, refusal(name, kind, cell))))
    }

    /// Why a value of a record can't stand in any column, also before columns are decided.
    fn refused(&self, endpoint: usize, record: &Record) -> Option<String> {
        let (_, layout) = self.layouts.iter().find(|(of, _)| *of == endpoint)?;
        let is_chosen =
            |name: &str| self.columns.as_ref().is_none_or(|columns| columns.iter().any(|known| known == name));
        let mut refused = None;
        let mut see = |name: &str, cell: Cell<'_>| {
            let deep = || is_deep(cell).then_some("is nested in more than 120 levels");
            if let Some(why) = (self.demands.refuses)(cell).or_else(deep).filter(|_| is_chosen(name)) {
                refused.get_or_insert_with(|| format!("sinks.{}: the column {name} {why}", self.name));
            }
        };
        let is_kept = |name: &str| match &layout.input {
            InputColumns::Named(names) => names.iter().any(|known| known == name),
            InputColumns::AsTheyCome => true,
        };
        record.row.visit(|name, cell| {
            if is_kept(name) {
                see(name, cell);
            }
        });
        layout.cells.iter().zip(&record.cells).for_each(|(name, value)| see(name, Cell::Json(value)));
        refused
    }

    fn add(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let (dropped, mut written) = (&mut self.dropped, Ok(()));
        let begun = self.spool.add(|out| {
            out.push(b'[');
            written = table.visit(endpoint, record, dropped, |column, cell| {
                if column > 0 {
                    out.push(b',');
                }
                json_cell(cell.unwrap_or(Cell::Json(&Value::Null)), out);
            });
            out.extend_from_slice(b"]\n");
        })?;
        begun.into_iter().for_each(|start| self.delivery.began(start));
        written.map_err(SinkError::new)
    }
}

impl Sink for SpooledSink {
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        if self.table.is_some() {
            return self.add(endpoint, record);
        }
        self.held.push((endpoint, record.clone()));
        if self.held.len() >= MOST_HELD { self.decide() } else { Ok(()) }
    }

    fn fits(&mut self, endpoint: usize, record: &Record) -> Result<(), String> {
        let missing = self.key.iter().find(|name| !self.has_value(endpoint, record, name));
        if let Some(missing) = missing {
            return Err(format!("sinks.{}: the column {missing} is part of the key and has no value", self.name));
        }
        if let Some(words) = self.refused(endpoint, record) {
            return Err(words);
        }
        let demands = self.demands;
        let (Some(table), Some(head)) = (&mut self.table, self.spool.head()) else {
            return self.fits_declared(endpoint, record);
        };
        let mut refused = None;
        table.visit(endpoint, record, &mut Dropped::default(), |column, cell| {
            let cell = cell.unwrap_or(Cell::Json(&Value::Null));
            let (name, kind) = (&head.columns[column], head.types[column]);
            if !(demands.takes)(kind, cell) {
                refused.get_or_insert_with(|| refusal(name, kind, cell));
            }
        })?;
        refused.map_or(Ok(()), |words| Err(format!("sinks.{}: {words}", self.name)))
    }

    fn position(&self) -> Option<u64> {
        self.table.is_some().then(|| self.spool.position())
    }

    fn released(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.released)
    }

    fn line(&self, bytes: (u64, u64)) -> Result<Option<Box<str>>, SinkError> {
        self.spool.line(bytes).map(Some)
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        if !self.held.is_empty() {
            self.decide()?;
        }
        self.spool.commit()
    }

    fn end(&mut self) -> Result<(), SinkError> {
        // So that there is a table, and an empty one where it was to be replaced.
        let known = self.columns.is_some() || known(&self.layouts).is_some();
        if self.table.is_none() && (known || !self.held.is_empty()) { self.decide() } else { Ok(()) }
    }

    fn dropped_columns(&self) -> Vec<String> {
        self.dropped.names()
    }

    fn equip(&mut self, sender: Box<dyn Sender>) {
        if let Some(destination) = &mut self.destination {
            destination.equip(sender);
        }
    }

    fn deliver(&mut self, overseer: Box<dyn Overseer>) -> Result<Option<Arc<Delivery>>, SinkError> {
        let Some(destination) = self.destination.take() else { return Ok(None) };
        let (delivery, name, folder) = (Arc::clone(&self.delivery), self.name.clone(), self.folder.clone());
        let carry = move || Courier { name, delivery: &delivery, folder, destination, overseer }.run();
        let thread = std::thread::Builder::new().name(format!("sink-{}", self.name)).spawn(carry);
        thread.map_err(|error| SinkError::new(format!("no thread could be made for it: {error}")))?;
        Ok(Some(Arc::clone(&self.delivery)))
    }
}
