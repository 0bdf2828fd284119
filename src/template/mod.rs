//! Templates: `{{ }}` compiled and checked once, rendered fast for every row.
//!
//! The language is minijinja's, strict. A template made of text and plain `{{ a.b }}` is rendered from
//! precompiled segments; anything else goes through minijinja. Values are escaped for the place they
//! stand in ([`Spot`]). Constants (`vars`) are folded in at compile time. Must never touch the
//! network, the clock or the environment.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use crate::row::{Header, Row};
use crate::secret::Secrets;

/// The place a template stands in, which decides how its values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// A whole URL: values are percent-encoded for the part of the URL they stand in.
    Url,
    /// Plain text: values stand as they are (headers, query values, columns; whoever places the
    /// text encodes it as a whole).
    Text,
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
}

/// The names a template may use.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What is known of `row`.
    pub row: RowScope,
    /// `vars`, constant.
    pub vars: BTreeMap<String, Value>,
    /// Names under `secrets`.
    pub secrets: Vec<String>,
    /// Whether `json`, `text`, `headers`, `status`, `meta` may be used.
    pub reply: bool,
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
}

/// A template that could not be rendered for a row; the row fails with this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// What went wrong, without secrets.
    pub message: String,
}

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
}

impl Template {
    /// Compiles a template and checks its names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(source: &str, spot: Spot, scope: &Scope) -> Result<Self, Vec<TemplateError>> {
        let _ = (source, spot, scope);
        todo!()
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The rendered text, if it is the same for every row and holds no secret.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        todo!()
    }

    /// The text before the first value that varies, vars folded in.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        todo!()
    }

    /// Names under `secrets` that the template uses.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        todo!()
    }

    /// Appends the rendered text to `out`.
    ///
    /// # Errors
    /// When a value is missing or can't stand where it would.
    pub fn render(&self, context: &Context<'_>, out: &mut String) -> Result<(), RenderError> {
        let _ = (context, out);
        todo!()
    }

    /// The rendered value: a template that is one `{{ }}` and nothing else keeps its JSON type.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn value(&self, context: &Context<'_>) -> Result<Value, RenderError> {
        let _ = context;
        todo!()
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

impl JsonTemplate {
    /// Renders the body.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, context: &Context<'_>) -> Result<Value, RenderError> {
        let _ = context;
        todo!()
    }
}
