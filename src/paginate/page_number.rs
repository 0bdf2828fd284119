//! `paginate.page-number`: pages are asked for by their number.

use std::num::NonZeroU64;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::numbered::Numbered;
use super::path::Path;
use super::{Following, PageReply, PageRequest, PaginateKind, PaginatePlan, Position, Told, Walked, foreign, spec};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::extract::Need;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: PaginateKind = PaginateKind {
    name: "page-number",
    doc: "pages by number: ?page=1, 2, ..; with a total they go out together",
    example: "paginate.page-number = { param = \"page\", total-pages = \"$.meta.pages\" }",
    schema: <PageNumberSpec as JsonSchema>::json_schema,
    compile,
};

/// The parameter of the number where the job names none.
const PARAM: &str = "page";

/// Pages by their number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PageNumberSpec {
    /// Query parameter of the number.
    #[schemars(length(min = 1), extend("default" = "page"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// Number of the first page.
    #[schemars(extend("default" = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u64>,
    /// Query parameter of the number of items on a page; absent: it is not sent.
    #[schemars(length(min = 1), extend("examples" = ["per_page"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    size_param: Option<String>,
    /// Items on a page; sent as `size-param`, or, without one, what the server gives unasked. Absent: unknown.
    #[schemars(extend("examples" = [100]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<NonZeroU64>,
    /// JSONPath of the number of pages: the others go out together once it is known. Absent:
    /// one after the other, unless `total-items` tells.
    #[schemars(length(min = 1), extend("examples" = ["$.meta.pages"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    total_pages: Option<String>,
    /// JSONPath of the number of items; with `size` it tells the number of pages. Absent: unknown.
    #[schemars(length(min = 1), extend("examples" = ["$.meta.total"]))]
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
struct PageNumber {
    param: String,
    start: u64,
    /// The parameter of the size, with its value.
    size: Option<(String, String)>,
    numbered: Numbered,
    identity: String,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn PaginatePlan>> {
    let written: PageNumberSpec = spec(site, path, value)?;
    let sized = sizes(site, path, &written);
    let total_pages = Path::maybe(site, &path.key("total-pages"), written.total_pages.as_ref());
    let total_items = Path::maybe(site, &path.key("total-items"), written.total_items.as_ref());
    let has_more = Path::maybe(site, &path.key("has-more"), written.has_more.as_ref());
    let param = written.param.clone().unwrap_or_else(|| PARAM.to_owned());
    let start = written.start.unwrap_or(1);
    let size = written.size.map(NonZeroU64::get);
    let numbered = Numbered {
        size,
        total_pages: total_pages?,
        total_items: total_items?,
        has_more: has_more?,
        max_pages: written.max_pages.map(NonZeroU64::get),
        stop_after_empty_page: written.stop_after_empty_page,
        smaller_pages_are_more: true,
    };
    sized.and(numbered.check(site, path))?;
    let identity =
        super::identity(&PageNumberSpec { param: Some(param.clone()), start: Some(start), ..written.clone() });
    let size = written.size_param.zip(size).map(|(param, size)| (param, size.to_string()));
    Some(Arc::new(PageNumber { param, start, size, numbered, identity }))
}

/// A size that is sent needs a parameter, and a parameter a size.
fn sizes(site: &mut Site<'_>, path: &KeyPath, written: &PageNumberSpec) -> Option<()> {
    if let (Some(param), None) = (&written.size_param, written.size) {
        let message = format!("`size-param` names `{param}`, and no `size` says what to ask for");
        site.error(codes::MISSING_KEY, &path.key("size-param"), message, "add `size = 100`, or take `size-param` out");
        return None;
    }
    if written.size.is_some() && written.size_param.is_none() && written.total_items.is_none() {
        let help = "name its parameter: `size-param = \"per_page\"`; without one it only tells how many pages \
                    `total-items` makes, and there is no `total-items`";
        site.error(codes::NO_EFFECT, &path.key("size"), "`size` has no effect here", help);
        return None;
    }
    if written.total_items.is_some() && written.size.is_none() && written.total_pages.is_none() {
        let message = "without `size`, `total-items` does not tell how many pages there are";
        let help = "add `size`, the number of items on a page; without it pages come one after the other until one \
                    is empty, and `total-items` is only compared with what came";
        site.warning(codes::SUSPICIOUS, &path.key("total-items"), message, help);
    }
    Some(())
}

impl PaginatePlan for PageNumber {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn max_pages(&self) -> Option<u64> {
        self.numbered.max_pages
    }

    fn describe(&self) -> String {
        let size = self.size.as_ref().map(|(param, size)| format!(" with {param}={size}")).unwrap_or_default();
        format!("by {}={} and on{size}; {}", self.param, self.start, self.numbered.describe())
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn owned(&self) -> Vec<(&'static str, &str)> {
        let size = self.size.iter().map(|(param, _)| ("size-param", param.as_str()));
        std::iter::once(("param", self.param.as_str())).chain(size).collect()
    }

    fn needs(&self) -> Vec<Need<'_>> {
        self.numbered.needs()
    }

    fn paths(&self) -> Vec<(&'static str, &str)> {
        self.numbered.paths()
    }

    fn first(&self) -> Position {
        Position::Number(self.start)
    }

    fn request(&self, position: &Position) -> Result<PageRequest, String> {
        let Position::Number(number) = position else { return Err(foreign(KIND.name, position)) };
        let number = (self.param.clone(), number.to_string());
        Ok(PageRequest { query: std::iter::once(number).chain(self.size.clone()).collect(), url: None })
    }

    fn position(&self, page: u64) -> Option<Position> {
        self.start.checked_add(page).map(Position::Number)
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
