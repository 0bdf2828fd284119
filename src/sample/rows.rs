//! The rows that a reply at hand would have been asked for with: the first of the input.
//!
//! Must never read an input that can be read only once, or that is not on this machine: the run needs the one, and a
//! check does without the other.

use std::sync::Arc;

use serde_json::Map;

use crate::plan::EndpointPlan;
use crate::row::{Fields, Row};
use crate::source::{Columns, Read};

/// Rows of one request.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The row that templates see: of a chunk, all of its rows.
    pub call: Arc<Row>,
    /// Whether they are of the input; otherwise they are empty, and what is made of them says nothing.
    pub known: bool,
}

impl Rows {
    /// The rows that the first request of an endpoint is for.
    #[must_use]
    pub fn first(endpoint: &EndpointPlan) -> Self {
        let most = endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size);
        let rows = if is_near(endpoint) { read(endpoint, most) } else { Vec::new() };
        let known = !rows.is_empty();
        let rows = if known { rows } else { vec![Arc::new(blank(endpoint))] };
        Self { call: call(endpoint, rows), known }
    }
}

/// Whether the input lies here and may be read twice.
fn is_near(endpoint: &EndpointPlan) -> bool {
    let source = &endpoint.source;
    let far = source.kind() == "sql" && source.path().is_none();
    source.parent().is_none() && !source.is_read_once() && !far
}

/// As many good rows as there are up to `most`; what can't be read is told elsewhere.
fn read(endpoint: &EndpointPlan, most: usize) -> Vec<Arc<Row>> {
    let Ok(mut source) = endpoint.source.open() else { return Vec::new() };
    let mut rows = Vec::new();
    while rows.len() < most {
        match source.next() {
            Ok(Some(Read::Row(row))) => rows.push(Arc::new(row)),
            Ok(Some(Read::Bad { .. } | Read::Skipped { .. })) => {}
            Ok(None) | Err(_) => break,
        }
    }
    rows
}

/// A row without values, of which nothing but its columns is known.
fn blank(endpoint: &EndpointPlan) -> Row {
    let fields = match endpoint.source.columns() {
        Columns::Known(header) => {
            let cells = csv::StringRecord::from(vec![""; header.names().len()]);
            Fields::Text { header, cells }
        }
        Columns::Open => Fields::Object(Map::new()),
    };
    Row { ordinal: 0, line: 0, fields }
}

fn call(endpoint: &EndpointPlan, mut rows: Vec<Arc<Row>>) -> Arc<Row> {
    if endpoint.chunk.is_some() {
        let (ordinal, line) = (rows[0].ordinal, rows[0].line);
        return Arc::new(Row { ordinal, line, fields: Fields::Rows(rows.into()) });
    }
    rows.remove(0)
}
