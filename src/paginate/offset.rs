//! `paginate.offset`: pages are asked for by the number of items before them.

use std::num::NonZeroU64;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::numbered::Numbered;
use super::path::Path;
use super::{Following, PageReply, PageRequest, PaginateKind, PaginatePlan, Position, Told, Walked, foreign, spec};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::extract::Need;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: PaginateKind = PaginateKind {
    name: "offset",
    doc: "pages by what stands before them: ?offset=100&limit=100; with a total they go out together",
    example: "paginate.offset = { limit = 100, total-items = \"$.total\" }",
    schema: <OffsetSpec as JsonSchema>::json_schema,
    compile,
};

/// The parameter of the offset where the job names none.
const PARAM: &str = "offset";
/// The parameter of the limit where the job names none.
const LIMIT_PARAM: &str = "limit";

/// Pages by the number of items before them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OffsetSpec {
    /// Query parameter of the number of items before the page.
    #[schemars(length(min = 1), extend("default" = "offset"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// Query parameter of the number of items on a page.
    #[schemars(length(min = 1), extend("default" = "limit"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_param: Option<String>,
    /// Items on a page, no more than the server gives; the offset grows by it.
    #[schemars(extend("examples" = [100]))]
    limit: NonZeroU64,
    /// JSONPath of the number of items: the other pages go out together once it is known. Absent:
    /// one after the other.
    #[schemars(length(min = 1), extend("examples" = ["$.total"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    total_items: Option<String>,
    /// JSONPath of what says whether there is more; absent: other signs of the last page are looked for.
    #[schemars(length(min = 1), extend("examples" = ["$.has_more"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more: Option<String>,
    /// Most pages of a walk; absent: all that there are.
    #[schemars(extend("examples" = [1000]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pages: Option<NonZeroU64>,
    /// Whether an empty page ends the walk although the server says that more follow.
    #[schemars(extend("default" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_after_empty_page: Option<bool>,
}

#[derive(Debug)]
struct Offset {
    param: String,
    limit_param: String,
    limit: u64,
    numbered: Numbered,
    identity: String,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn PaginatePlan>> {
    let written: OffsetSpec = spec(site, path, value)?;
    let total_items = Path::maybe(site, &path.key("total-items"), written.total_items.as_ref());
    let has_more = Path::maybe(site, &path.key("has-more"), written.has_more.as_ref());
    let param = written.param.clone().unwrap_or_else(|| PARAM.to_owned());
    let limit_param = written.limit_param.clone().unwrap_or_else(|| LIMIT_PARAM.to_owned());
    let limit = written.limit.get();
    let numbered = Numbered {
        size: Some(limit),
        total_pages: None,
        total_items: total_items?,
        has_more: has_more?,
        max_pages: written.max_pages.map(NonZeroU64::get),
        stop_after_empty_page: written.stop_after_empty_page,
        // Smaller pages leave holes: the offset grows by what was asked for, since what came may be less for
        // other reasons.
        smaller_pages_are_more: false,
    };
    numbered.check(site, path)?;
    let named = OffsetSpec { param: Some(param.clone()), limit_param: Some(limit_param.clone()), ..written };
    let identity = super::identity(&named);
    Some(Arc::new(Offset { param, limit_param, limit, numbered, identity }))
}

impl PaginatePlan for Offset {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn max_pages(&self) -> Option<u64> {
        self.numbered.max_pages
    }

    fn describe(&self) -> String {
        let Self { param, limit_param, limit, numbered, .. } = self;
        format!("by {param}=0 and on with {limit_param}={limit}; {}", numbered.describe())
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn owned(&self) -> Vec<(&'static str, &str)> {
        vec![("param", &self.param), ("limit-param", &self.limit_param)]
    }

    fn needs(&self) -> Vec<Need<'_>> {
        self.numbered.needs()
    }

    fn paths(&self) -> Vec<(&'static str, &str)> {
        self.numbered.paths()
    }

    fn first(&self) -> Position {
        Position::Offset(0)
    }

    fn request(&self, position: &Position) -> Result<PageRequest, String> {
        let Position::Offset(offset) = position else { return Err(foreign(KIND.name, position)) };
        let offset = (self.param.clone(), offset.to_string());
        let limit = (self.limit_param.clone(), self.limit.to_string());
        Ok(PageRequest { query: vec![offset, limit], url: None })
    }

    fn position(&self, page: u64) -> Option<Position> {
        self.limit.checked_mul(page).map(Position::Offset)
    }

    fn told(&self, reply: &PageReply<'_>) -> Told {
        self.numbered.told(reply)
    }

    fn following(&self, _position: &Position, page: u64, reply: &PageReply<'_>) -> Result<Following, String> {
        self.numbered.following(page, reply, |page| self.position(page))
    }

    fn doubts(&self, walked: &Walked) -> Vec<String> {
        self.numbered.doubts(walked)
    }
}
