//! Records of a sink that this run has written before, told by what stands in some of their columns.
//!
//! ```text
//! key drawn for the run (16 bytes) · 16 bytes for each record that was written
//! ```
//! What is known stands in a file beside the journal, which is synced before the commit that notes its end, and cut back to that
//! by a resume, as the output itself is: both tell of the same records, whatever a kill leaves. A record that has nothing
//! in one of the columns is like no other. Must never take for written what no commit stands for, nor what a failed row left: that
//! may be taken out of the output again.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::appender::Appender;
use super::target::Target;
use super::{SinkError, Start};
use crate::journal::WrittenNote;
use crate::record::{Layout, Record};
use crate::row::Cell;
use crate::source::dedupe::{Limits, Seen};

/// Bytes of the key, and of what is kept of a record.
const WORD: usize = 16;

/// The records of a sink that were written.
#[derive(Debug)]
pub struct Doubles {
    sink: String,
    columns: Vec<String>,
    /// By endpoint: where the columns stand in its records.
    places: Vec<(usize, Vec<Place>)>,
    seen: Seen,
    file: Appender,
    /// Records of this session that were left out.
    left_out: u64,
}

/// Where a column stands in a record.
#[derive(Debug)]
enum Place {
    /// In this cell.
    Cell(usize),
    /// In the row.
    Row(String),
}

impl Place {
    fn of(column: &str, layout: &Layout) -> Self {
        let cell = layout.cells.iter().position(|name| name == column);
        cell.map_or_else(|| Self::Row(column.to_owned()), Self::Cell)
    }

    /// What stands there; `None`: nothing, or null.
    fn find<'r>(&self, record: &'r Record) -> Option<Cell<'r>> {
        let cell = match self {
            Self::Cell(position) => Cell::Json(record.cells.get(*position)?),
            Self::Row(name) => record.row.cell(name)?,
        };
        match cell {
            Cell::Json(serde_json::Value::Null) => None,
            cell => Some(cell),
        }
    }
}

/// Where the file of a sink stands.
fn path(state: &Path, sink: &str) -> PathBuf {
    // A name may hold anything that TOML lets it hold.
    let name = percent_encoding::utf8_percent_encode(sink, percent_encoding::NON_ALPHANUMERIC);
    let name = name.to_string().replace("%2D", "-").replace("%5F", "_");
    state.join(format!("written-{name}.prints"))
}

impl Doubles {
    /// Those of a sink, by these columns of records of these shapes; `notes` are those of the last commit. What was written
    /// while the job named other columns is not known.
    ///
    /// # Errors
    /// When the file can't be opened or read, or is not what it was at its cursor.
    pub fn open(
        state: &Path,
        (sink, columns): (&str, &[String]),
        layouts: &[(usize, Layout)],
        notes: &[WrittenNote],
    ) -> Result<Self, SinkError> {
        let path = path(state, sink);
        let note = notes.iter().find(|note| note.sink == sink && note.columns == columns);
        let start = note.map_or(Start::New, |note| Start::Resume(note.cursor));
        let mut file = Target::private(path).open(start, b"")?;
        let seen = match note {
            Some(_) => read(&file)?,
            None => {
                let seen = Seen::new(Limits::default());
                file.buffer().extend_from_slice(&seen.key());
                seen
            }
        };
        let place = |layout: &Layout| columns.iter().map(|column| Place::of(column, layout)).collect();
        let places = layouts.iter().map(|(endpoint, layout)| (*endpoint, place(layout))).collect();
        Ok(Self { sink: sink.to_owned(), columns: columns.to_vec(), places, seen, file, left_out: 0 })
    }

    /// Whether a record of an endpoint was not written before; from now on it was. One that was is counted.
    ///
    /// # Errors
    /// When the files can't be written or read.
    pub fn is_new(&mut self, endpoint: usize, record: &Record) -> Result<bool, SinkError> {
        let Some((_, places)) = self.places.iter().find(|(known, _)| *known == endpoint) else { return Ok(true) };
        let cells: Option<Vec<Cell<'_>>> = places.iter().map(|place| place.find(record)).collect();
        let Some(cells) = cells else { return Ok(true) };
        let print = self.seen.print(&cells);
        if !self.seen.insert(print).map_err(|error| SinkError::new(error.message))? {
            self.left_out += 1;
            return Ok(false);
        }
        self.file.buffer().extend_from_slice(&print.to_le_bytes());
        self.file.settle()?;
        Ok(true)
    }

    /// Records of this session that were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Makes what is known durable and says how far that is.
    ///
    /// # Errors
    /// When it can't; final.
    pub fn commit(&mut self) -> Result<WrittenNote, SinkError> {
        let cursor = self.file.commit()?;
        Ok(WrittenNote { sink: self.sink.clone(), columns: self.columns.clone(), cursor })
    }
}

/// What a file tells, up to its cursor.
fn read(file: &Appender) -> Result<Seen, SinkError> {
    let failed = |why: &str| SinkError::new(format!("{} can't be read: {why}", file.path().display()));
    let mut text = file.read_back().map_err(|error| failed(&error.to_string()))?;
    let Some(key) = word(&mut text).map_err(|error| failed(&error.to_string()))? else {
        return Err(failed("it has no beginning"));
    };
    let mut seen = Seen::keyed(Limits::default(), key);
    while let Some(print) = word(&mut text).map_err(|error| failed(&error.to_string()))? {
        seen.insert(u128::from_le_bytes(print)).map_err(|error| failed(&error.message))?;
    }
    Ok(seen)
}

/// The next word; `None` at the end.
fn word(text: &mut dyn Read) -> std::io::Result<Option<[u8; WORD]>> {
    let mut word = [0; WORD];
    match text.read_exact(&mut word[..1]) {
        Ok(()) => text.read_exact(&mut word[1..]).map(|()| Some(word)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::record::InputColumns;
    use crate::row::{Fields, Row};

    fn layouts() -> Vec<(usize, Layout)> {
        let cells = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let input = InputColumns::AsTheyCome;
        vec![
            (0, Layout { input: input.clone(), cells: cells(&["id", "price"]) }),
            (3, Layout { input, cells: cells(&["price"]) }),
        ]
    }

    fn record(row: &Value, cells: &[Value]) -> Record {
        let fields = Fields::Object(row.as_object().unwrap().clone());
        Record { row: Arc::new(Row { ordinal: 0, line: 0, fields }), cells: cells.to_vec() }
    }

    fn of(id: Value) -> Record {
        record(&json!({ "symbol": "A" }), &[id, json!(1)])
    }

    fn open(state: &Path, columns: &[&str], notes: &[WrittenNote]) -> Doubles {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        Doubles::open(state, ("out", &columns), &layouts(), notes).unwrap()
    }

    #[test]
    fn a_record_is_known_by_its_columns_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let mut doubles = open(folder.path(), &["symbol", "id"], &[]);
        assert!(doubles.is_new(0, &of(json!(7))).unwrap());
        assert!(!doubles.is_new(0, &of(json!(7))).unwrap());
        assert!(doubles.is_new(0, &of(json!("7"))).unwrap(), "a text is no number");
        assert!(doubles.is_new(0, &record(&json!({ "symbol": "B" }), &[json!(7), json!(1)])).unwrap());
        let elsewhere = record(&json!({ "symbol": "A", "id": 7 }), &[json!(2)]);
        assert!(!doubles.is_new(3, &elsewhere).unwrap(), "another endpoint has it in its row");
        assert!(doubles.is_new(9, &of(json!(7))).unwrap(), "an endpoint that it takes nothing from");
        assert_eq!(doubles.left_out(), 2);
    }

    #[test]
    fn a_record_without_a_value_is_like_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut doubles = open(folder.path(), &["symbol", "id"], &[]);
        for _ in 0..2 {
            assert!(doubles.is_new(0, &of(json!(null))).unwrap());
            assert!(doubles.is_new(0, &record(&json!({}), &[json!(1), json!(1)])).unwrap());
        }
        assert_eq!(doubles.left_out(), 0);
    }

    #[test]
    fn a_resume_knows_what_was_committed_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut doubles = open(folder.path(), &["id"], &[]);
        assert!(doubles.is_new(0, &of(json!(1))).unwrap());
        let note = doubles.commit().unwrap();
        assert!(doubles.is_new(0, &of(json!(2))).unwrap());
        doubles.commit().unwrap();
        drop(doubles);
        let mut doubles = open(folder.path(), &["id"], std::slice::from_ref(&note));
        assert!(!doubles.is_new(0, &of(json!(1))).unwrap());
        assert!(doubles.is_new(0, &of(json!(2))).unwrap(), "its record was cut off the output, too");
        drop(doubles);
        let mut other = open(folder.path(), &["price"], std::slice::from_ref(&note));
        assert!(other.is_new(0, &of(json!(1))).unwrap(), "other columns are another question");
    }

    #[test]
    fn an_edited_file_is_refused_and_a_new_run_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut doubles = open(folder.path(), &["id"], &[]);
        doubles.is_new(0, &of(json!(1))).unwrap();
        let note = doubles.commit().unwrap();
        drop(doubles);
        std::fs::write(path(folder.path(), "out"), [0; 32]).unwrap();
        let columns = ["id".to_owned()];
        assert!(Doubles::open(folder.path(), ("out", &columns), &layouts(), &[note]).is_err());
        assert!(open(folder.path(), &["id"], &[]).is_new(0, &of(json!(1))).unwrap());
    }
}
