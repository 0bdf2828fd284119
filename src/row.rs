//! A row: one unit of input, as a source read it.
//!
//! Must never be changed after the source made it: records, retries and the journal all point at the
//! same row.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The columns of a table-shaped input, shared by all of its rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
}

impl Header {
    /// A header of these column names, in order.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// The column names, in the order of the input.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The position of a column.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Fields {
    /// Cells of text under a header (csv).
    Text {
        /// The columns.
        header: Arc<Header>,
        /// One cell per column.
        cells: csv::StringRecord,
    },
    /// Named JSON values (jsonl, values).
    Object(Map<String, Value>),
    /// One integer, seen in templates as `row.value` (range).
    Integer(i64),
}

/// One row of input.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Zero-based position in the input; the row's identity over resumes.
    pub ordinal: u64,
    /// One-based line in the input file where the row begins; 0 where lines mean nothing.
    pub line: u64,
    /// The values.
    pub fields: Fields,
}

/// The name under which a row of a single value is seen.
pub const VALUE: &str = "value";

impl Row {
    /// The value of a column as JSON; text cells are strings. `None`: the row has no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        match &self.fields {
            Fields::Text { header, cells } => cells.get(header.position(name)?).map(Value::from),
            Fields::Object(map) => map.get(name).cloned(),
            Fields::Integer(value) => (name == VALUE).then(|| Value::from(*value)),
        }
    }

    /// All columns of the row, in order, with their values.
    #[must_use]
    pub fn to_object(&self) -> Map<String, Value> {
        match &self.fields {
            Fields::Text { header, cells } => {
                header.names().iter().cloned().zip(cells.iter().map(Value::from)).collect()
            }
            Fields::Object(map) => map.clone(),
            Fields::Integer(value) => Map::from_iter([(VALUE.to_owned(), Value::from(*value))]),
        }
    }
}
