//! A row: one unit of input, as a source read it.
//!
//! Must never be changed after the source made it: records, retries and the journal all point at the
//! same row.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The columns of a table-shaped input, shared by all of its rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
    /// Positions of many names, by name; few are looked through.
    positions: HashMap<String, usize>,
}

/// So many names are looked through as fast as a table of them finds one.
const FEW: usize = 16;

impl Header {
    /// A header of these column names, in order.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        let mut positions = HashMap::new();
        if names.len() > FEW {
            for (position, name) in names.iter().enumerate() {
                positions.entry(name.clone()).or_insert(position);
            }
        }
        Self { names, positions }
    }

    /// The column names, in the order of the input.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The position of a column.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        if self.names.len() > FEW {
            return self.positions.get(name).copied();
        }
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
    /// The rows of a chunk, which go out in one request; it has no columns of its own, and is seen as `rows`.
    Rows(Arc<[Arc<Row>]>),
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

/// One value of a row, borrowed: what sinks write without copying it first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A cell of text.
    Text(&'a str),
    /// A JSON value.
    Json(&'a Value),
    /// An integer.
    Integer(i64),
}

/// The name under which a row of a single value is seen.
pub const VALUE: &str = "value";

impl Row {
    /// The value of a column, borrowed. `None`: the row has no such column.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<Cell<'_>> {
        match &self.fields {
            Fields::Text { header, cells } => cells.get(header.position(name)?).map(Cell::Text),
            Fields::Object(map) => map.get(name).map(Cell::Json),
            Fields::Integer(value) => (name == VALUE).then_some(Cell::Integer(*value)),
            Fields::Rows(_) => None,
        }
    }

    /// Shows every column with its value, in order, without copying any.
    pub fn visit<'a>(&'a self, mut see: impl FnMut(&'a str, Cell<'a>)) {
        match &self.fields {
            Fields::Text { header, cells } => {
                header.names().iter().zip(cells).for_each(|(name, cell)| see(name, Cell::Text(cell)));
            }
            Fields::Object(map) => map.iter().for_each(|(name, value)| see(name, Cell::Json(value))),
            Fields::Integer(value) => see(VALUE, Cell::Integer(*value)),
            Fields::Rows(_) => {}
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.fields {
            Fields::Text { header, cells } => header.names().len().min(cells.len()),
            Fields::Object(map) => map.len(),
            Fields::Integer(_) => 1,
            Fields::Rows(_) => 0,
        }
    }

    /// The value of a column as JSON; text cells are strings. `None`: the row has no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        match &self.fields {
            Fields::Text { header, cells } => cells.get(header.position(name)?).map(Value::from),
            Fields::Object(map) => map.get(name).cloned(),
            Fields::Integer(value) => (name == VALUE).then(|| Value::from(*value)),
            Fields::Rows(_) => None,
        }
    }

    /// A row that holds the rows of a chunk, with ordinal and line of the first.
    #[must_use]
    pub fn chunk(rows: Vec<Arc<Self>>) -> Self {
        let (ordinal, line) = rows.first().map_or((0, 0), |row| (row.ordinal, row.line));
        Self { ordinal, line, fields: Fields::Rows(rows.into()) }
    }

    /// The rows of a chunk; of any other row itself alone.
    #[must_use]
    pub fn members(self: &Arc<Self>) -> &[Arc<Self>] {
        match &self.fields {
            Fields::Rows(rows) => rows,
            Fields::Text { .. } | Fields::Object(_) | Fields::Integer(_) => std::slice::from_ref(self),
        }
    }

    /// Ordinals of the rows of a chunk; of any other row its own.
    pub fn ordinals(&self) -> impl Iterator<Item = u64> + '_ {
        let rows = match &self.fields {
            Fields::Rows(rows) => &rows[..],
            Fields::Text { .. } | Fields::Object(_) | Fields::Integer(_) => &[],
        };
        let own = rows.is_empty().then_some(self.ordinal);
        own.into_iter().chain(rows.iter().map(|row| row.ordinal))
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
            Fields::Rows(_) => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Row; 3] {
        let header = Arc::new(Header::new(vec!["a".to_owned(), "b".to_owned()]));
        let cells = csv::StringRecord::from(vec!["1", "x"]);
        let object = Map::from_iter([("a".to_owned(), Value::from(1)), ("b".to_owned(), Value::Null)]);
        [Fields::Text { header, cells }, Fields::Object(object), Fields::Integer(-7)].map(|fields| Row {
            ordinal: 0,
            line: 1,
            fields,
        })
    }

    #[test]
    fn names_are_found_at_their_first_position_however_many_there_are() {
        for count in [FEW - 2, FEW, 10_000] {
            let mut names: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
            names.push("n1".to_owned());
            let header = Header::new(names);
            let last = count - 1;
            assert_eq!((header.position("n1"), header.position(&format!("n{last}"))), (Some(1), Some(last)));
            assert_eq!(header.position("none"), None);
        }
    }

    #[test]
    fn borrowed_and_owned_views_agree() {
        for row in rows() {
            let mut seen = Map::new();
            row.visit(|name, cell| {
                assert_eq!(row.cell(name), Some(cell));
                let value = match cell {
                    Cell::Text(text) => Value::from(text),
                    Cell::Json(value) => value.clone(),
                    Cell::Integer(value) => Value::from(value),
                };
                assert_eq!(row.get(name).as_ref(), Some(&value));
                seen.insert(name.to_owned(), value);
            });
            assert_eq!(seen, row.to_object());
            assert_eq!(seen.len(), row.width());
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_none() {
        for row in rows() {
            assert_eq!(row.cell("nope"), None);
            assert_eq!(row.get("nope"), None);
        }
    }
}
