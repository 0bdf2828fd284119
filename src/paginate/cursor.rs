//! `paginate.cursor`: each reply holds the cursor that asks for the next page.

use std::num::NonZeroU64;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named::{Chain, Named};
use super::path::{Path, type_of};
use super::walked::most;
use super::{Following, PageReply, PageRequest, PaginateKind, PaginatePlan, Position, Walked, foreign, spec};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::extract::Need;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: PaginateKind = PaginateKind {
    name: "cursor",
    doc: "pages by a cursor in the reply, sent back as a parameter; null, none or an empty one ends the walk",
    example: "paginate.cursor = { path = \"$.next\", param = \"cursor\" }",
    schema: <CursorSpec as JsonSchema>::json_schema,
    compile,
};

/// The parameter of the cursor where the job names none.
const PARAM: &str = "cursor";

/// Pages by a cursor.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CursorSpec {
    /// JSONPath of the cursor: a text or a number; null, missing or empty behind the last page.
    #[schemars(length(min = 1), extend("examples" = ["$.next"]))]
    path: String,
    /// Query parameter that it is sent as.
    #[schemars(length(min = 1), extend("default" = "cursor"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// JSONPath of what says whether there is more; absent: other signs of the last page are looked for.
    #[schemars(length(min = 1), extend("examples" = ["$.has_more"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more: Option<String>,
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
struct Cursor {
    param: String,
    path: Path,
    chain: Chain,
    identity: String,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn PaginatePlan>> {
    let written: CursorSpec = spec(site, path, value)?;
    let cursor = Path::compile(site, &path.key("path"), &written.path);
    let has_more = Path::maybe(site, &path.key("has-more"), written.has_more.as_ref());
    let param = written.param.clone().unwrap_or_else(|| PARAM.to_owned());
    let chain = Chain {
        has_more: has_more?,
        max_pages: written.max_pages.map(NonZeroU64::get),
        stop_after_empty_page: written.stop_after_empty_page,
    };
    let identity = super::identity(&CursorSpec { param: Some(param.clone()), ..written });
    Some(Arc::new(Cursor { param, path: cursor?, chain, identity }))
}

/// The cursor as it is sent.
fn token(path: &Path, found: Option<&Value>) -> Result<Named, String> {
    Ok(match found {
        None => Named::Absent,
        // What some servers say for null.
        Some(Value::Null | Value::Bool(false)) => Named::None,
        Some(Value::String(text)) if text.is_empty() => Named::None,
        Some(Value::String(text)) => Named::Next(Position::Token(text.clone())),
        // Numbers are the text they came as: every digit is sent back.
        Some(Value::Number(number)) => Named::Next(Position::Token(number.to_string())),
        Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => {
            let (path, found) = (path.source(), type_of(found));
            return Err(format!("the cursor at `{path}` is {found}, and must be a text or a number"));
        }
    })
}

impl PaginatePlan for Cursor {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn max_pages(&self) -> Option<u64> {
        self.chain.max_pages
    }

    fn describe(&self) -> String {
        let Self { param, path, chain, .. } = self;
        format!("by the cursor at {}, sent as {param}; one after the other{}", path.source(), most(chain.max_pages))
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn owned(&self) -> Vec<(&'static str, &str)> {
        vec![("param", &self.param)]
    }

    fn needs(&self) -> Vec<Need<'_>> {
        std::iter::once(self.path.need()).chain(self.chain.has_more.as_ref().map(Path::need)).collect()
    }

    fn paths(&self) -> Vec<(&'static str, &str)> {
        let more = self.chain.has_more.as_ref().map(|path| ("has-more", path.source()));
        std::iter::once(("path", self.path.source())).chain(more).collect()
    }

    fn first(&self) -> Position {
        Position::First
    }

    fn request(&self, position: &Position) -> Result<PageRequest, String> {
        match position {
            Position::First => Ok(PageRequest::default()),
            Position::Token(token) => Ok(PageRequest { query: vec![(self.param.clone(), token.clone())], url: None }),
            Position::Number(_) | Position::Offset(_) | Position::Url(_) => Err(foreign(KIND.name, position)),
        }
    }

    fn following(&self, _position: &Position, page: u64, reply: &PageReply<'_>) -> Result<Following, String> {
        self.chain.following(page, reply, || token(&self.path, self.path.find(reply)?))
    }

    fn doubts(&self, walked: &Walked) -> Vec<String> {
        self.chain.doubts(walked, &format!("`{}`", self.path.source()))
    }
}
