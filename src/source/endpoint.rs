//! `input.endpoint`: the records of another endpoint of the job, as they come.
//!
//! What it knows before a run is the name of that endpoint and the columns of its records. The rows themselves
//! are there only while the job runs (see `run/chain.rs`). Must never name columns that the records do not have.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::problem::{Problem, settle, spec};
use super::{Columns, Source, SourceError, SourceKind, SourcePlan};
use crate::record::{InputColumns, Layout};
use crate::row::Header;

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "endpoint",
    doc: "the records of another endpoint of the job, as they come",
    example: r#"input.endpoint = "users""#,
    endings: &[],
    reads_packed: false,
    schema: <NameSpec as JsonSchema>::json_schema,
    compile: |site, path, value| settle(site, path, decide(value)),
};

/// Name of an endpoint of the job. Each of its records becomes a row: the input columns it keeps, its extracted
/// columns, and `body` where it is a meta column. A row of it that fails becomes a row that is skipped.
#[derive(Debug, Deserialize, JsonSchema)]
struct NameSpec(#[schemars(length(min = 1))] String);

/// Records of an endpoint, decided.
#[derive(Debug)]
pub struct RecordsPlan {
    parent: String,
    columns: Columns,
}

fn decide(value: &Value) -> Result<RecordsPlan, Problem> {
    let NameSpec(parent) = spec(value)?;
    Ok(RecordsPlan { parent, columns: Columns::Open })
}

impl RecordsPlan {
    /// Records of the endpoint `parent`, which have these columns.
    #[must_use]
    pub fn new(parent: &str, columns: Columns) -> Self {
        Self { parent: parent.to_owned(), columns }
    }
}

/// The columns that records of this layout have as rows, of whose cells the first `extracted` are no meta columns.
#[must_use]
pub fn columns(layout: &Layout, extracted: usize) -> Columns {
    match &layout.input {
        InputColumns::AsTheyCome => Columns::Open,
        InputColumns::Named(kept) => {
            let cells = layout.handed_on(extracted).map(|(_, name)| name.to_owned());
            Columns::Known(Arc::new(Header::new(kept.iter().cloned().chain(cells).collect())))
        }
    }
}

impl SourcePlan for RecordsPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        format!("the records of {} (endpoint)", self.parent)
    }

    fn parent(&self) -> Option<&str> {
        Some(&self.parent)
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    /// Nothing of its own: what changes the records is part of the identity of the endpoint that gives them.
    fn identity(&self) -> Result<Option<String>, SourceError> {
        Ok(Some(format!("records of {}", self.parent)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Err(SourceError::new(format!("the records of {} are there only while the job runs", self.parent)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layout(input: InputColumns) -> Layout {
        let cells = ["price", "status", "status", "body", "error"].map(str::to_owned).to_vec();
        Layout { input, cells }
    }

    #[test]
    fn columns_are_kept_and_extracted_ones_and_the_body() {
        let Columns::Known(header) = columns(&layout(InputColumns::Named(vec!["sku".into()])), 2) else {
            panic!("known columns")
        };
        assert_eq!(header.names(), ["sku", "price", "status", "body"], "the first status is an extracted one");
        assert!(matches!(columns(&layout(InputColumns::AsTheyCome), 2), Columns::Open));
    }

    #[test]
    fn it_is_known_by_its_parent_alone_and_can_be_gone_on_with() {
        let plan = decide(&json!("users")).unwrap();
        assert_eq!((plan.parent(), plan.count().unwrap(), plan.quick_count()), (Some("users"), None, None));
        assert_eq!(plan.identity().unwrap().unwrap(), "records of users");
        assert_eq!(plan.describe(), "the records of users (endpoint)");
        assert!(!plan.is_read_once() && plan.open().is_err());
        assert!(decide(&json!(7)).is_err());
    }
}
