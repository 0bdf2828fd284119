//! Auth: what proves to the server who asks. One file and one row of [`KINDS`] each.
//!
//! Must never put a secret anywhere but into headers marked sensitive.

use std::fmt::Debug;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use crate::compile::Site;
use crate::document::KeyPath;
use crate::template::{Context, RenderError, Scope};

/// An auth kind, decided and printable (secrets are templates, not values).
pub trait AuthPlan: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// What a change of it would send otherwise: part of the job's identity, templates unrendered.
    fn identity(&self) -> String;

    /// Adds the headers that prove who asks; values are marked sensitive.
    ///
    /// # Errors
    /// When a template can't be rendered for this row or gives no valid header value.
    fn apply(&self, context: &Context<'_>, headers: &mut HeaderMap) -> Result<(), RenderError>;
}

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct AuthKind {
    /// Key in `auth.KIND`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The smallest example, TOML.
    pub example: &'static str,
    /// Schema of the value of `auth.KIND`.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of `auth.KIND` (already valid by the schema). Pure.
    pub compile: fn(&mut Site<'_>, &KeyPath, &Value, &Scope) -> Option<Arc<dyn AuthPlan>>,
}

/// Every kind of auth.
pub const KINDS: &[AuthKind] = &[];
