//! `paginate.header-link`: the `Link` header names the next page (RFC 8288).

use std::num::NonZeroU64;
use std::sync::Arc;

use http::Uri;
use http::header::LINK;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named::{Chain, Named};
use super::url::page_at;
use super::walked::most;
use super::{Following, PageReply, PageRequest, PaginateKind, PaginatePlan, Position, Walked, foreign, link, spec};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::extract::Need;
use crate::transport::reference;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: PaginateKind = PaginateKind {
    name: "header-link",
    doc: "pages by the Link header (RFC 8288): the link with rel=\"next\", until there is none",
    example: "paginate.header-link = {}",
    schema: <HeaderLinkSpec as JsonSchema>::json_schema,
    compile,
};

/// The relation of the next page.
const REL: &str = "next";

/// Pages by the Link header.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct HeaderLinkSpec {
    /// Relation of the link to the next page.
    #[schemars(length(min = 1), extend("default" = "next"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    rel: Option<String>,
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
struct HeaderLink {
    rel: String,
    chain: Chain,
    identity: String,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn PaginatePlan>> {
    let written: HeaderLinkSpec = spec(site, path, value)?;
    let rel = written.rel.clone().unwrap_or_else(|| REL.to_owned());
    if rel.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        let message = "a link's relation is one word";
        site.error(codes::BAD_VALUE, &path.key("rel"), message, "write it as `rel = \"next\"`");
        return None;
    }
    let chain = Chain {
        has_more: None,
        max_pages: written.max_pages.map(NonZeroU64::get),
        stop_after_empty_page: written.stop_after_empty_page,
    };
    let identity = super::identity(&HeaderLinkSpec { rel: Some(rel.clone()), ..written });
    Some(Arc::new(HeaderLink { rel, chain, identity }))
}

/// Whether a link's context, which may be relative, is the page itself.
fn is_page(asked: &Uri, anchor: &[u8]) -> bool {
    let asked = asked.to_string();
    reference::resolve(&asked, &reference::encoded(anchor)) == asked
}

impl HeaderLink {
    fn place(&self) -> String {
        format!("the Link header with rel=\"{}\"", self.rel)
    }

    fn next(&self, reply: &PageReply<'_>) -> Result<Named, String> {
        let mut headers = reply.headers.get_all(LINK).iter();
        let found = headers.find_map(|value| link::target(value.as_bytes(), &self.rel, |to| is_page(reply.url, to)));
        match found {
            Some(target) => page_at(reply.url, target, &self.place()).map(Named::Next),
            None if reply.headers.contains_key(LINK) => Ok(Named::None),
            None => Ok(Named::Absent),
        }
    }
}

impl PaginatePlan for HeaderLink {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn max_pages(&self) -> Option<u64> {
        self.chain.max_pages
    }

    fn describe(&self) -> String {
        format!("by {}; one after the other{}", self.place(), most(self.chain.max_pages))
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn needs(&self) -> Vec<Need<'_>> {
        Vec::new()
    }

    fn reads_headers(&self) -> bool {
        true
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
        self.chain.doubts(walked, &self.place())
    }
}

/// The request of a page that is named by its URL.
pub(super) fn link_request(kind: &str, position: &Position) -> Result<PageRequest, String> {
    match position {
        Position::First => Ok(PageRequest::default()),
        Position::Url(url) => Ok(PageRequest { query: Vec::new(), url: Some(url.clone()) }),
        Position::Number(_) | Position::Offset(_) | Position::Token(_) => Err(foreign(kind, position)),
    }
}
