//! `value`: a constant.

use std::sync::Arc;

use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::template::{Context, Scope};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "value",
    doc: "a constant of any type",
    example: "source = { value = \"nightly\" }",
    schema: |_| schemars::json_schema!({ "description": "The value of the column, the same for every record." }),
    compile,
};

#[derive(Debug)]
struct Constant {
    value: Value,
}

// The signature is the family's; a constant can't be wrong.
fn compile(_site: &mut Site<'_>, _path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    Some(Arc::new(Constant { value: written.value.clone() }))
}

impl Extractor for Constant {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("value {}", self.value)
    }

    fn reads_body(&self) -> bool {
        false
    }

    fn needs(&self) -> Need<'_> {
        Need::Nothing
    }

    fn varies(&self) -> bool {
        false
    }

    fn extract(&self, _context: &Context<'_>, _item: &Value) -> Result<Value, ExtractError> {
        Ok(self.value.clone())
    }
}
