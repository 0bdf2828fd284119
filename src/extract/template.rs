//! `template`: a template over the row and the reply.

use std::sync::Arc;

use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::{Context, Scope, Spot, Template};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "template",
    doc: "a template over row, vars, json, item, text, headers, status and meta",
    example: "label = \"{{ row.sku }}-{{ json.name | upper }}\"",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "A template.",
            "examples": ["{{ row.sku }}-{{ json.name | upper }}"]
        })
    },
    compile,
};

#[derive(Debug)]
struct Rendered {
    template: Template,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let Some(text) = written.value.as_str() else {
        site.error(codes::WRONG_TYPE, path, "a template must be a string", "write it as `\"{{ row.sku }}\"`");
        return None;
    };
    let template = site.template(path, text, Spot::Text, scope)?;
    if let Some(secret) = template.secrets().first() {
        let message = format!("the secret `{secret}` would be written into the records");
        let used = text.find("secrets").map_or(0..text.len(), |start| start..start + "secrets".len());
        let place = site.document.place_in_string(path, used);
        let help = "secrets are for requests; leave it out of the columns";
        site.diagnostics.push(Diagnostic::error(codes::SECRET_EXPOSED, message).at(place, "").help(help));
        return None;
    }
    Some(Arc::new(Rendered { template }))
}

impl Extractor for Rendered {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("template {}", self.template.source())
    }

    fn reads_body(&self) -> bool {
        self.template.uses_json() || self.template.uses_item() || self.template.uses_text()
    }

    fn needs(&self) -> Need<'_> {
        if self.template.uses_json() || self.template.uses_item() {
            Need::Whole
        } else if self.template.uses_text() {
            Need::Text
        } else {
            Need::Nothing
        }
    }

    fn reads_row(&self) -> bool {
        self.template.uses_row()
    }

    fn reads_headers(&self) -> bool {
        self.template.uses_headers()
    }

    fn extract(&self, context: &Context<'_>, _item: &Value) -> Result<Value, ExtractError> {
        self.template.value(context).map_err(|error| ExtractError { message: error.message })
    }
}
