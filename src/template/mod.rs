//! Templates: `{{ }}` compiled and checked once, rendered fast for every row.
//!
//! The language is minijinja's, strict. A template made of text and plain `{{ a.b }}` is rendered from
//! precompiled segments; anything else goes through minijinja. Values are escaped for the place they
//! stand in ([`Spot`]). Constants (`vars`) are folded in at compile time. Must never touch the
//! network, the clock or the environment.

mod blocks;
mod compile;
mod concat;
mod condition;
mod engine;
mod file;
mod filters;
mod hide;
mod json;
mod kept;
pub(crate) mod literal;
mod names;
mod path;
mod render;
mod scan;
mod token;
mod url;
mod values;
mod vars;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::row::{Header, Row};
use crate::secret::Secrets;
pub(crate) use file::Piece;
pub use path::Lacking;
pub(crate) use path::written;
pub(crate) use url::RESERVED;
pub use vars::Vars;

/// The place a template stands in, which decides how its values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// A whole URL: values are percent-encoded for the part of the URL they stand in.
    Url,
    /// Plain text: values stand as they are (headers, query values, columns; whoever places the
    /// text encodes it as a whole).
    Text,
    /// The path of a file: a value is a part of one name; one that holds a separator or a control character
    /// is an error.
    File,
}

/// What is known about the rows a template will see.
#[derive(Debug, Clone)]
pub enum RowScope {
    /// There is no row here.
    None,
    /// The columns are known; anything else is an error at `check`.
    Known(std::sync::Arc<Header>),
    /// The columns are known only while running.
    Open,
    /// The rows of a chunk, seen as `rows`; there is no single row.
    Rows,
    /// A run that has ended, seen as `run`, with these names; there is no row.
    Run(std::sync::Arc<Header>),
}

/// The names a template may use.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What is known of `row`.
    pub row: RowScope,
    /// `vars`, constant.
    pub vars: Vars,
    /// Names under `secrets`.
    pub secrets: Vec<String>,
    /// Whether `json`, `text`, `headers`, `status`, `meta` may be used.
    pub reply: bool,
    /// The record before, seen as `last`; `None`: there is none.
    pub last: Option<LastScope>,
    /// What replies are where they are messages of a connection that stays open: then `meta` says which one.
    pub messages: Option<Messages>,
}

/// What messages come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    Events,
}

/// What is known about the record before.
#[derive(Debug, Clone)]
pub struct LastScope {
    /// Its columns, as far as they are known.
    pub columns: Arc<Header>,
    /// Whether it may have others: columns of an input that are known only while running.
    pub open: bool,
}

/// Something wrong with a template, with the bytes of its text it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Bytes of the template text.
    pub range: Range<usize>,
    /// Syntax, or a name.
    pub kind: TemplateErrorKind,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// What is wrong with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateErrorKind {
    /// It does not parse.
    Syntax,
    /// It uses an unknown name or filter.
    Name,
    /// A value stands where it can't be escaped safely.
    Spot,
}

/// A reply as templates and columns see it.
#[derive(Debug)]
pub struct ReplyView<'a> {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: &'a http::HeaderMap,
    /// The decoded body.
    pub body: &'a [u8],
    /// The body as JSON, if it is JSON.
    pub json: Option<&'a Value>,
    /// `meta.*` values.
    pub meta: &'a serde_json::Map<String, Value>,
    /// What one record is taken from, seen as `item`; the body as JSON where there is one record.
    pub item: Option<&'a Value>,
    /// The body as HTML, read when a column wants it.
    pub page: &'a crate::extract::Page,
}

/// The values a template is rendered with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The row, where there is one.
    pub row: Option<&'a Row>,
    /// Live or masked secrets.
    pub secrets: &'a Secrets,
    /// The reply, where there is one.
    pub reply: Option<&'a ReplyView<'a>>,
    /// The record before, by column; what it does not have is null, as all is before the first record.
    pub last: Option<&'a serde_json::Map<String, Value>>,
}

/// A template that could not be rendered for a row; the row fails with this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// What went wrong, without secrets.
    pub message: String,
}

/// A compiled template; cheap to clone.
#[derive(Clone)]
pub struct Template {
    compiled: Arc<compile::Compiled>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.compiled.source).finish()
    }
}

impl Template {
    /// Compiles a template and checks its names.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn compile(source: &str, spot: Spot, scope: &Scope) -> Result<Self, Vec<TemplateError>> {
        compile::compile(source, spot, scope).map(|compiled| Self { compiled: Arc::new(compiled) })
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// The rendered text, if it is the same for every row and holds no secret.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match (self.compiled.segments.as_slice(), &self.compiled.tail) {
            ([], None) => Some(""),
            ([compile::Segment::Literal(text)], None) => Some(text),
            _ => None,
        }
    }

    /// The rendered value, if it is the same for every row and holds no secret; a template that is
    /// one `{{ }}` and nothing else keeps its JSON type.
    #[must_use]
    pub fn constant_value(&self) -> Option<Value> {
        let text = self.constant()?;
        Some(self.compiled.constant.clone().unwrap_or_else(|| Value::from(text)))
    }

    /// The text before the first value that varies, vars folded in.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        match self.compiled.segments.first() {
            Some(compile::Segment::Literal(text)) => text,
            Some(compile::Segment::Slot(_)) | None => "",
        }
    }

    /// Names under `secrets` that the template uses.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.compiled.secrets
    }

    /// Whether the template uses `json`, so that the reply must be JSON.
    #[must_use]
    pub fn uses_json(&self) -> bool {
        self.compiled.uses_json
    }

    /// Whether the template uses `item`.
    #[must_use]
    pub fn uses_item(&self) -> bool {
        self.compiled.uses_item
    }

    /// Whether the template uses `text`, so that the reply must have a body.
    #[must_use]
    pub fn uses_text(&self) -> bool {
        self.compiled.uses_text
    }

    /// Whether the template uses `row` or `rows`.
    #[must_use]
    pub fn uses_row(&self) -> bool {
        self.compiled.uses_row
    }

    /// Whether the template uses `last`.
    #[must_use]
    pub fn uses_last(&self) -> bool {
        self.compiled.uses_last
    }

    /// Whether the template may use headers beside these.
    #[must_use]
    pub fn uses_headers_beside(&self, known: &http::HeaderMap) -> bool {
        self.compiled.headers.are_beside(known)
    }

    /// Appends the rendered text to `out`, which is left as it was after an error.
    ///
    /// # Errors
    /// When a value is missing or can't stand where it would.
    pub fn render(&self, context: &Context<'_>, out: &mut String) -> Result<(), RenderError> {
        render::render(&self.compiled, context, out)
    }

    /// The rendered value: a template that is one `{{ }}` and nothing else keeps its JSON type.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn value(&self, context: &Context<'_>) -> Result<Value, RenderError> {
        render::value(&self.compiled, context)
    }
}

/// An expression that holds or does not: `status == 404`, `json.errors[0].code == "THROTTLED"`. Cheap to clone.
///
/// What is missing is nothing: it is not true, equals only nothing (`none`), and is neither more nor less than
/// anything; a value that is computed from it is missing as well, unless `default` or `is defined` takes care.
/// Numbers are ordered by size and texts by their characters. A text and a number have no order, and a cell of a
/// table of text (CSV) is never equal to a number: both are errors that name the filter to write
/// (`row.price | float > 3`).
#[derive(Clone)]
pub struct Condition {
    compiled: Arc<condition::Compiled>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source()).finish()
    }
}

impl Condition {
    /// Compiles a condition and checks its names.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, Vec<TemplateError>> {
        condition::compile(source, scope).map(|compiled| Self { compiled: Arc::new(compiled) })
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.compiled.source()
    }

    /// Whether it uses `json`: the body is parsed for it where it is JSON.
    #[must_use]
    pub fn uses_json(&self) -> bool {
        self.compiled.uses_json()
    }

    /// Whether it uses `item`.
    #[must_use]
    pub fn uses_item(&self) -> bool {
        self.compiled.uses_item()
    }

    /// Whether it uses `text`.
    #[must_use]
    pub fn uses_text(&self) -> bool {
        self.compiled.uses_text()
    }

    /// Whether it uses `row` or `rows`.
    #[must_use]
    pub fn uses_row(&self) -> bool {
        self.compiled.uses_row()
    }

    /// Whether it may use headers beside these.
    #[must_use]
    pub fn uses_headers_beside(&self, known: &http::HeaderMap) -> bool {
        self.compiled.uses_headers_beside(known)
    }

    /// Whether it looks at nothing, and so always comes out the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.compiled.is_constant()
    }

    /// Names of the JSON body that it looks for and a reply does not have.
    #[must_use]
    pub fn lacking(&self, context: &Context<'_>) -> Vec<Lacking> {
        self.compiled.lacking(context)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// When it can't be computed: a text is compared with a number, say.
    pub fn holds(&self, context: &Context<'_>) -> Result<bool, RenderError> {
        self.compiled.holds(context)
    }
}

/// A JSON body whose strings are templates, built structurally, never by pasting text.
#[derive(Debug, Clone)]
pub enum JsonTemplate {
    /// A value without templates.
    Constant(Value),
    /// A string that is a template.
    Text(Template),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object; its keys are constant.
    Object(Vec<(String, JsonTemplate)>),
}
