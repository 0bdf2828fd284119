//! `header`: a header of the reply.
//!
//! Several values are one text, joined by `, ` (RFC 9110 §5.3); those of `Set-Cookie` and `Link` hold commas
//! of their own and are an array. A header that is not there is null. Never looks at the body.

use std::sync::Arc;

use http::HeaderName;
use http::header::{LINK, SET_COOKIE};
use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::template::{Context, Scope};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "header",
    doc: "a header of the reply; several values are joined with `, `, those of Set-Cookie and Link are an array",
    example: "etag = { header = \"etag\" }",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "The name of a header, in any case.",
            "minLength": 1,
            "examples": ["etag"]
        })
    },
    compile,
};

#[derive(Debug)]
struct Header {
    name: HeaderName,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let help = "write the name of a header, such as `etag`";
    let text = written.text(site, path, "the name of a header", help)?;
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(Arc::new(Header { name })),
        Err(_) => {
            site.error(codes::HEADER, path, format!("`{text}` is no name that a header could have"), help);
            None
        }
    }
}

impl Extractor for Header {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("header {}", self.name)
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

    fn reads_headers(&self) -> bool {
        true
    }

    fn extract(&self, context: &Context<'_>, _item: &Value) -> Result<Value, ExtractError> {
        let Some(reply) = context.reply else { return Ok(Value::Null) };
        let mut values: Vec<_> =
            reply.headers.get_all(&self.name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        Ok(match values.len() {
            0 => Value::Null,
            1 => values.remove(0).into(),
            _ if self.name == SET_COOKIE || self.name == LINK => values.into(),
            _ => values.join(", ").into(),
        })
    }
}
