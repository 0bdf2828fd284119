//! A spool: the records of an endpoint whose records are the rows of others, as lines of a file in the state folder.
//!
//! ```text
//! {"row":{"id":7,"name":"a"}}                       a record, its columns in order, types kept
//! {"skipped":"users row 17 failed: ...","row":{..}} a row that failed, whose records are not known
//! ```
//! A line is what its number says for as long as the run lasts: chained endpoints name their rows by it. So a spool
//! only grows behind what was committed, is cut back to that by a resume, and is never rewritten. Other keys of a
//! line are passed over by whoever reads it. Must never hold a meta column but the body.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::appender::Appender;
use super::cells::{json, json_cell};
use super::target::Target;
use super::{Cursor, SinkError, Start};
use crate::record::{Ending, InputColumns, Layout, Outcome, Record};
use crate::row::Cell;

/// Where the spool of an endpoint stands.
#[must_use]
pub fn path(state: &Path, endpoint: &str) -> PathBuf {
    // A name may hold anything that TOML lets it hold.
    let name = percent_encoding::utf8_percent_encode(endpoint, percent_encoding::NON_ALPHANUMERIC);
    let name = name.to_string().replace("%2D", "-").replace("%5F", "_");
    state.join(format!("spool-{name}.jsonl"))
}

/// A line of a spool.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Line {
    /// The columns of the record; of a row that failed what is known of them.
    pub row: Map<String, Value>,
    /// Why there is no record.
    #[serde(default)]
    pub skipped: Option<String>,
}

/// A spool, open at its end.
#[derive(Debug)]
pub struct Spool {
    output: Appender,
    endpoint: String,
    input: InputColumns,
    /// Cells that are handed on, by position, with their names.
    cells: Vec<(usize, String)>,
    lines: u64,
}

impl Spool {
    /// Opens the spool at `path` of the endpoint with this name and layout, of whose cells the first `extracted` are
    /// no meta columns; behind `lines` lines where it goes on. A new one is for its owner alone.
    ///
    /// # Errors
    /// When it can't be opened, or is not what it was at the cursor.
    pub fn open(
        path: PathBuf,
        endpoint: &str,
        layout: &Layout,
        extracted: usize,
        begun: Option<(u64, Cursor)>,
    ) -> Result<Self, SinkError> {
        let start = begun.map_or(Start::New, |(_, cursor)| Start::Resume(cursor));
        let output = Target::private(path).open(start, b"")?;
        let cells = layout.handed_on(extracted).map(|(position, name)| (position, name.to_owned())).collect();
        let (input, lines) = (layout.input.clone(), begun.map_or(0, |(lines, _)| lines));
        Ok(Self { output, endpoint: endpoint.to_owned(), input, cells, lines })
    }

    /// Lines so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Adds what a row leaves to others: its records, or that it failed. A row that was skipped leaves nothing.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&mut self, outcome: &Outcome) -> Result<(), SinkError> {
        let reason = match outcome.ending {
            Ending::Skipped => return Ok(()),
            Ending::Ok | Ending::Page => None,
            Ending::Failed => {
                let error = outcome.error.as_deref().unwrap_or("nobody knows why");
                Some(format!("{} row {} failed: {error}", self.endpoint, outcome.ordinal + 1))
            }
        };
        for record in &outcome.records {
            self.line(record, reason.as_deref());
            self.output.settle()?;
        }
        Ok(())
    }

    fn line(&mut self, record: &Record, skipped: Option<&str>) {
        let out = self.output.buffer();
        out.push(b'{');
        if let Some(reason) = skipped {
            out.extend_from_slice(b"\"skipped\":");
            json(reason, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"row\":{");
        let mut fields = Fields { out, first: true };
        match &self.input {
            InputColumns::Named(names) => {
                names
                    .iter()
                    .for_each(|name| fields.add(name, record.row.cell(name).unwrap_or(Cell::Json(&Value::Null))));
            }
            InputColumns::AsTheyCome => record.row.visit(|name, cell| {
                if !self.cells.iter().any(|(_, extracted)| extracted == name) {
                    fields.add(name, cell);
                }
            }),
        }
        for (position, name) in &self.cells {
            fields.add(name, Cell::Json(record.cells.get(*position).unwrap_or(&Value::Null)));
        }
        out.extend_from_slice(b"}}\n");
        self.lines += 1;
    }

    /// Makes everything written durable and says how far that is.
    ///
    /// # Errors
    /// When it can't; final.
    pub fn commit(&mut self) -> Result<Cursor, SinkError> {
        self.output.commit()
    }
}

/// The fields of an object that is being written.
struct Fields<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Fields<'_> {
    fn add(&mut self, name: &str, cell: Cell<'_>) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        json(name, self.out);
        self.out.push(b':');
        json_cell(cell, self.out);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::row::{Fields as RowFields, Row};

    fn layout(input: InputColumns) -> Layout {
        Layout { input, cells: ["total", "status", "body"].map(str::to_owned).to_vec() }
    }

    fn record(row: &Value, cells: [Value; 3]) -> Record {
        let fields = RowFields::Object(row.as_object().unwrap().clone());
        Record { row: Arc::new(Row { ordinal: 16, line: 0, fields }), cells: cells.to_vec() }
    }

    fn outcome(ending: Ending, records: Vec<Record>) -> Outcome {
        let error = (ending == Ending::Failed).then(|| "503 \"no\"".to_owned());
        Outcome {
            endpoint: 0,
            ordinal: 16,
            sequence: 0,
            ending,
            unknown: false,
            error,
            kind: None,
            attempts: 1,
            tried: 1,
            walk: None,
            records,
        }
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn records_keep_order_and_types_and_leave_meta_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "us-er_s/1");
        assert!(path.ends_with("spool-us-er_s%2F1.jsonl"));
        let named = layout(InputColumns::Named(vec!["id".into(), "gone".into()]));
        let mut spool = Spool::open(path.clone(), "users", &named, 1, None).unwrap();
        let row = json!({"id": 1, "other": true});
        let cells = || [json!(1.50), json!(200), json!(["x"])];
        spool.write(&outcome(Ending::Page, vec![record(&row, cells())])).unwrap();
        spool.write(&outcome(Ending::Ok, vec![record(&row, cells())])).unwrap();
        spool.write(&outcome(Ending::Skipped, Vec::new())).unwrap();
        spool.write(&outcome(Ending::Failed, vec![record(&row, [json!(null), json!(503), json!(null)])])).unwrap();
        assert_eq!(spool.lines(), 3);
        spool.commit().unwrap();
        let whole = r#"{"row":{"id":1,"gone":null,"total":1.5,"body":["x"]}}"#;
        let failed =
            r#"{"skipped":"users row 17 failed: 503 \"no\"","row":{"id":1,"gone":null,"total":null,"body":null}}"#;
        assert_eq!(lines(&path), [whole, whole, failed]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn of_a_row_that_brings_its_own_columns_the_extracted_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "users");
        let mut spool = Spool::open(path.clone(), "users", &layout(InputColumns::AsTheyCome), 1, None).unwrap();
        let row = json!({"total": 1, "status": "mine"});
        spool.write(&outcome(Ending::Ok, vec![record(&row, [json!(2), json!(200), json!(null)])])).unwrap();
        spool.commit().unwrap();
        assert_eq!(lines(&path), [r#"{"row":{"status":"mine","total":2,"body":null}}"#]);
    }

    #[test]
    fn a_resume_cuts_what_was_not_committed_and_an_edited_spool_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "users");
        let layout = layout(InputColumns::AsTheyCome);
        let one = || outcome(Ending::Ok, vec![record(&json!({"id": 1}), [json!(2), json!(3), json!(4)])]);
        let mut spool = Spool::open(path.clone(), "users", &layout, 1, None).unwrap();
        spool.write(&one()).unwrap();
        let noted = (spool.lines(), spool.commit().unwrap());
        spool.write(&one()).unwrap();
        spool.commit().unwrap();
        drop(spool);
        let mut spool = Spool::open(path.clone(), "users", &layout, 1, Some(noted)).unwrap();
        assert_eq!((spool.lines(), spool.commit().unwrap(), lines(&path).len()), (1, noted.1, 1));
        drop(spool);
        std::fs::write(&path, "{\"row\":{\"id\":9}}\n").unwrap();
        assert!(Spool::open(path.clone(), "users", &layout, 1, Some(noted)).is_err());
        assert_eq!(Spool::open(path.clone(), "users", &layout, 1, None).unwrap().lines(), 0);
        assert!(lines(&path).is_empty(), "a fresh run begins a new one");
    }

    #[test]
    fn a_line_of_a_later_version_is_read_for_what_is_known() {
        let line: Line = serde_json::from_str(r#"{"later":[1],"row":{"b":10000000000000000001,"a":null}}"#).unwrap();
        assert_eq!((line.skipped, line.row.keys().cloned().collect::<String>()), (None, "ba".to_owned()));
        assert_eq!(line.row["b"].to_string(), "10000000000000000001");
    }
}
