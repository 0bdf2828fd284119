//! The rows that a reply at hand would have been asked for with: the first of the input.
//!
//! Must never read an input that can be read only once, or that is not on this machine: the run needs the one, and a
//! check does without the other.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::plan::EndpointPlan;
use crate::row::{Fields, Row};
use crate::source::{Columns, Read, Source, SourceError};

/// Rows of one request.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The row that templates see: of a chunk, all of its rows.
    pub call: Arc<Row>,
    /// Whether they have values; otherwise the names of their columns stand there, and what is made of them says nothing.
    pub known: bool,
    /// Whether the reply is the one to them, and not one that only looks like it.
    pub asked: bool,
}

impl Rows {
    /// The rows that the first request of an endpoint is for.
    #[must_use]
    pub fn first(endpoint: &EndpointPlan) -> Self {
        let most = endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size);
        // What can't be read is told elsewhere.
        let read = || Looked::at(&mut *endpoint.source.open().ok()?, most).ok()?.call(endpoint);
        let call = is_near(endpoint).then(read).flatten();
        let known = call.is_some();
        let blank = || Arc::new(blank(endpoint));
        let call = call.unwrap_or_else(|| match endpoint.chunk {
            Some(_) => Arc::new(Row::chunk(vec![blank()])),
            None => blank(),
        });
        Self { call, known, asked: false }
    }

    /// The first rows that records of the endpoint before become, where an endpoint reads those of another; `None`: it
    /// takes none of them.
    #[must_use]
    pub fn of_records(endpoint: &EndpointPlan, records: &[Map<String, Value>]) -> Option<Self> {
        let most = endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size);
        let mut source = endpoint.source.open_over(Box::new(Given::new(endpoint, records.to_vec()))).ok()?;
        let call = Looked::at(&mut *source, most).ok()?.call(endpoint)?;
        Some(Self { call, known: true, asked: false })
    }

    /// The row of a request that was sent.
    #[must_use]
    pub fn asked(call: Arc<Row>) -> Self {
        Self { call, known: true, asked: true }
    }
}

/// Records that are at hand, as the rows of an endpoint.
#[derive(Debug)]
pub struct Given {
    records: std::vec::IntoIter<Map<String, Value>>,
    columns: Columns,
    ordinal: u64,
}

impl Given {
    /// Rows with the columns that the endpoint knows of its rows.
    #[must_use]
    pub fn new(endpoint: &EndpointPlan, records: Vec<Map<String, Value>>) -> Self {
        Self { records: records.into_iter(), columns: endpoint.source.columns(), ordinal: 0 }
    }
}

impl Source for Given {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(mut record) = self.records.next() else { return Ok(None) };
        let fields = match &self.columns {
            Columns::Known(header) => {
                let mut member = |name: &String| (name.clone(), record.remove(name).unwrap_or_default());
                header.names().iter().map(&mut member).collect()
            }
            Columns::Open => record,
        };
        let ordinal = self.ordinal;
        self.ordinal += 1;
        Ok(Some(Read::Row(Row { ordinal, line: 0, fields: Fields::Object(fields) })))
    }
}

/// Whether the input lies here and may be read twice.
fn is_near(endpoint: &EndpointPlan) -> bool {
    let source = &endpoint.source;
    let far = source.kind() == "sql" && source.path().is_none();
    source.parent().is_none() && !source.is_read_once() && !far
}

/// Reads of an input at most before it is said to have no row that can be used.
const MOST_LOOKED_AT: usize = 1_000;

/// The first rows of an input.
#[derive(Debug, Default)]
pub struct Looked {
    /// Those that can be used.
    pub rows: Vec<Arc<Row>>,
    /// How many can't.
    pub unusable: u64,
}

impl Looked {
    /// As many rows that can be used as there are up to `most`. What can't be used would fail without a request.
    ///
    /// # Errors
    /// When the input can't be read.
    pub fn at(source: &mut dyn Source, most: usize) -> Result<Self, SourceError> {
        let mut looked = Self::default();
        for _ in 0..MOST_LOOKED_AT.max(most) {
            if looked.rows.len() == most {
                break;
            }
            match source.next()? {
                Some(Read::Row(row)) => looked.rows.push(Arc::new(row)),
                Some(Read::Bad { .. } | Read::Skipped { .. }) => looked.unusable += 1,
                None => break,
            }
        }
        Ok(looked)
    }

    /// The row that the request of an endpoint is for, of a chunk one that holds all of them; `None`: there is none.
    #[must_use]
    pub fn call(self, endpoint: &EndpointPlan) -> Option<Arc<Row>> {
        match endpoint.chunk {
            Some(_) if self.rows.is_empty() => None,
            Some(_) => Some(Arc::new(Row::chunk(self.rows))),
            None => self.rows.into_iter().next(),
        }
    }
}

/// A row of which nothing but its columns is known: each has its name in `<` and `>` for a value.
fn blank(endpoint: &EndpointPlan) -> Row {
    let fields = match endpoint.source.columns() {
        Columns::Known(header) => {
            let cells = header.names().iter().map(|name| format!("<{name}>")).collect::<Vec<_>>();
            let cells = csv::StringRecord::from(cells);
            Fields::Text { header, cells }
        }
        Columns::Open => Fields::Object(Map::new()),
    };
    Row { ordinal: 0, line: 0, fields }
}
