//! Records and outcomes: what a call leaves behind.
//!
//! A call ends in exactly one [`Outcome`], which carries its records to the sinks and its note to
//! the journal. Must never hold a secret: error texts are masked before they get here.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::journal::WalkNote;
use crate::retry::FailureKind;
use crate::row::Row;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The reply was accepted and every column extracted.
    Ok,
    /// No attempt was accepted, or the row itself was unusable.
    Failed,
    /// Left out on purpose.
    Skipped,
    /// It has not ended: a page of its walk is taken, and others follow.
    Page,
}

/// Which input columns of an endpoint stand in its records, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum InputColumns {
    /// These, known before the run.
    Named(Vec<String>),
    /// Whatever each row has (inputs without a header, such as jsonl).
    AsTheyCome,
}

/// The shape of an endpoint's records: input columns, then extracted columns, then meta.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Layout {
    /// Input columns that are kept.
    pub input: InputColumns,
    /// Names of the extracted and meta columns, in the order of [`Record::cells`].
    pub cells: Vec<String>,
}

impl Layout {
    /// The cells that a chained endpoint sees, with their positions: the first `extracted`, and the meta column `body`.
    pub fn handed_on(&self, extracted: usize) -> impl Iterator<Item = (usize, &str)> {
        let seen = move |(position, name): &(usize, &str)| *position < extracted || *name == "body";
        self.cells.iter().map(String::as_str).enumerate().filter(seen)
    }
}

/// One line of output.
#[derive(Debug, Clone)]
pub struct Record {
    /// The input row the record belongs to; its kept columns come first.
    pub row: Arc<Row>,
    /// Extracted and meta values, one per name in [`Layout::cells`].
    pub cells: Vec<Value>,
}

impl Layout {
    /// A record by its columns.
    #[must_use]
    pub fn object(&self, record: &Record) -> Map<String, Value> {
        let kept = match &self.input {
            InputColumns::Named(names) => {
                names.iter().map(|name| (name.clone(), record.row.get(name).unwrap_or_default())).collect()
            }
            InputColumns::AsTheyCome => record.row.to_object(),
        };
        let cells = self.cells.iter().cloned().zip(record.cells.iter().cloned());
        kept.into_iter().chain(cells).collect()
    }
}

/// The end of one call.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Position of the endpoint in the plan.
    pub endpoint: usize,
    /// The row's identity.
    pub ordinal: u64,
    /// Position of the row among those that this session has begun; orders records when they are
    /// wanted in input order.
    pub sequence: u64,
    /// How the call ended.
    pub ending: Ending,
    /// Whether it failed because nobody knows what the server did with a request that must not be repeated.
    pub unknown: bool,
    /// Why it failed, masked; `None` where it did not.
    pub error: Option<String>,
    /// What failed; `None` where nothing did, or nobody knows what.
    pub kind: Option<FailureKind>,
    /// Attempts made; 0 when the row never reached the wire. Those of a chunk count once, with its first row.
    pub attempts: u32,
    /// Attempts that its call made, the same for all rows of a chunk.
    pub tried: u32,
    /// How far its walk through pages has come, of pages that go out together the one that ended; `None`: it is no walk,
    /// or the walk is over.
    pub walk: Option<WalkNote>,
    /// Records in the order of the reply; a failed call has exactly one, with its error.
    pub records: Vec<Record>,
}
