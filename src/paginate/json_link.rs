//! `paginate.json-link`: the reply holds the URL of the next page.

use std::num::NonZeroU64;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::header_link::link_request;
use super::named::{Chain, Named};
use super::path::{Path, type_of};
use super::url::page_at;
use super::walked::most;
use super::{Following, PageReply, PageRequest, PaginateKind, PaginatePlan, Position, Walked, spec};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::extract::Need;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: PaginateKind = PaginateKind {
    name: "json-link",
    doc: "pages by a URL in the reply, which may be relative; null, none or an empty one ends the walk",
    example: "paginate.json-link = { path = \"$.links.next\" }",
    schema: <JsonLinkSpec as JsonSchema>::json_schema,
    compile,
};

/// Pages by a URL in the reply.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct JsonLinkSpec {
    /// JSONPath of the next page's URL, absolute or relative; null, missing or empty behind the last page.
    #[schemars(length(min = 1), extend("examples" = ["$.links.next"]))]
    path: String,
    /// Most pages of a walk; absent: all that there are.
    #[schemars(extend("examples" = [1000]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pages: Option<NonZeroU64>,
    /// Whether an empty page ends the walk although it names a next one.
    #[schemars(extend("default" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_after_empty_page: Option<bool>,
}

#[derive(Debug)]
struct JsonLink {
    path: Path,
    chain: Chain,
    identity: String,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn PaginatePlan>> {
    let written: JsonLinkSpec = spec(site, path, value)?;
    let chain = Chain {
        has_more: None,
        max_pages: written.max_pages.map(NonZeroU64::get),
        stop_after_empty_page: written.stop_after_empty_page,
    };
    let link = Path::compile(site, &path.key("path"), &written.path)?;
    Some(Arc::new(JsonLink { path: link, chain, identity: super::identity(&written) }))
}

impl JsonLink {
    fn next(&self, reply: &PageReply<'_>) -> Result<Named, String> {
        let place = format!("`{}`", self.path.source());
        match self.path.find(reply)? {
            None => Ok(Named::Absent),
            // What some servers say for null.
            Some(Value::Null | Value::Bool(false)) => Ok(Named::None),
            Some(Value::String(link)) if link.trim().is_empty() => Ok(Named::None),
            Some(Value::String(link)) => page_at(reply.url, link.as_bytes(), &place).map(Named::Next),
            other => Err(format!("the next page, named by {place}, is {}, and must be a URL", type_of(other))),
        }
    }
}

impl PaginatePlan for JsonLink {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn max_pages(&self) -> Option<u64> {
        self.chain.max_pages
    }

    fn describe(&self) -> String {
        format!("by the URL at {}; one after the other{}", self.path.source(), most(self.chain.max_pages))
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn needs(&self) -> Vec<Need<'_>> {
        vec![self.path.need()]
    }

    fn paths(&self) -> Vec<(&'static str, &str)> {
        vec![("path", self.path.source())]
    }

    fn first(&self) -> Position {
        Position::First
    }

    fn request(&self, position: &Position) -> Result<PageRequest, String> {
        link_request(KIND.name, position)
    }

    fn following(&self, _position: &Position, page: u64, reply: &PageReply<'_>) -> Result<Following, String> {
        self.chain.following(page, reply, || self.next(reply))
    }

    fn doubts(&self, walked: &Walked) -> Vec<String> {
        self.chain.doubts(walked, &format!("`{}`", self.path.source()))
    }
}
