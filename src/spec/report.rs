//! Reports, as written: a file for each kind.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::text::Named;
use crate::report::file::KINDS;

/// Reports to write when the run has ended, however it did: the keys are the kinds of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportSpec(pub Named<String>);

impl JsonSchema for ReportSpec {
    fn schema_name() -> Cow<'static, str> {
        "Report".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let described = |kind: &crate::report::file::Kind| {
            let path = json!({
                "description": kind.doc,
                "type": "string",
                "minLength": 1,
                "examples": [kind.example],
            });
            (kind.key.to_owned(), path)
        };
        let kinds: Map<String, Value> = KINDS.iter().map(described).collect();
        let schema = json!({
            "description": "Reports that are written when the run has ended, whichever way it did. What can't be written is a warning, and fails no run.",
            "type": "object",
            "additionalProperties": false,
            "properties": kinds,
        });
        Schema::try_from(schema).unwrap_or_default()
    }
}
