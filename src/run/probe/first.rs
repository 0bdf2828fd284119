//! The row, or the chunk of rows, that an endpoint is asked with: the first of its input.
//!
//! Must never read an input that can be read only once: the run needs it.

use std::sync::Arc;

use crate::plan::EndpointPlan;
use crate::row::{Fields, Row};
use crate::source::{Read, Source, SourceError};

use super::super::call::Call;
use super::{LONGEST, Records};

/// Looked at before an input is said to have no row that can be sent.
const MOST_LOOKED_AT: usize = 1_000;

/// What was found.
#[derive(Debug)]
pub(super) enum First {
    /// The row; of a chunk one that holds its rows.
    Row(Arc<Row>),
    /// There is none to ask with, and why.
    None(String),
    /// The input can't be read.
    Unread(String),
}

/// The first row of an endpoint, of its input or of the records `given` by the endpoint that it reads.
pub(super) async fn first(endpoint: &EndpointPlan, given: Option<Records>) -> First {
    let source = Arc::clone(&endpoint.source);
    if source.is_read_once() {
        return First::None("its input can be read only once, and is left for the run".to_owned());
    }
    if let (Some(parent), Some([])) = (source.parent(), given.as_deref()) {
        return First::None(format!("no record of {parent} is there to ask with"));
    }
    let most = endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size);
    let read = move || {
        let opened = match given {
            Some(records) => source.open_over(Box::new(Given(records.into_iter(), 0))),
            None => source.open(),
        };
        opened.and_then(|mut source| take(&mut *source, most))
    };
    match tokio::time::timeout(LONGEST, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(Ok(rows))) => chosen(endpoint, &rows),
        Ok(Ok(Err(error))) => First::Unread(error.message),
        Ok(Err(_)) => First::Unread("reading the input panicked; this is a bug".to_owned()),
        Err(_) => First::None(format!("its input gave no row for {} seconds", LONGEST.as_secs())),
    }
}

fn chosen(endpoint: &EndpointPlan, rows: &[(u64, Arc<Row>)]) -> First {
    match rows {
        [] => First::None("its input has no row to ask with".to_owned()),
        rows if endpoint.chunk.is_some() => First::Row(Call::chunk(rows, None).row),
        [(_, row), ..] => First::Row(Arc::clone(row)),
    }
}

/// As many good rows as there are up to `most`. Those that can't be used would fail without a request.
fn take(source: &mut dyn Source, most: usize) -> Result<Vec<(u64, Arc<Row>)>, SourceError> {
    let mut rows = Vec::new();
    for _ in 0..MOST_LOOKED_AT.max(most) {
        if rows.len() == most {
            break;
        }
        match source.next()? {
            Some(Read::Row(row)) => rows.push((rows.len() as u64, Arc::new(row))),
            Some(Read::Bad { .. } | Read::Skipped { .. }) => {}
            None => break,
        }
    }
    Ok(rows)
}

/// Records that are at hand, as a source.
struct Given(std::vec::IntoIter<serde_json::Map<String, serde_json::Value>>, u64);

impl Source for Given {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(record) = self.0.next() else { return Ok(None) };
        let ordinal = self.1;
        self.1 += 1;
        Ok(Some(Read::Row(Row { ordinal, line: 0, fields: Fields::Object(record) })))
    }
}
