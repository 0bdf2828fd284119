//! Auth: what proves to the server who asks. One file and one row of [`KINDS`] each.
//!
//! Must never put a secret anywhere but into headers marked sensitive.

mod basic;
mod bearer;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::{Context, RenderError, Scope, Spot, Template};

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

/// Decides an auth from its value in the job; reports what is wrong.
pub type Compile = fn(&mut Site<'_>, &KeyPath, &Value, &Scope) -> Option<Arc<dyn AuthPlan>>;

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
    pub compile: Compile,
}

/// Every kind of auth.
pub const KINDS: &[AuthKind] = &[bearer::KIND, basic::KIND];

/// Compiles a template whose value must stay secret, so that it can't stand in the job file.
fn secret_template(site: &mut Site<'_>, path: &KeyPath, text: &str, secret: &str, scope: &Scope) -> Option<Template> {
    let template = site.template(path, text, Spot::Text, scope)?;
    if template.constant().is_some() {
        let help = format!(
            "keep it out of the file: declare `{secret}.env = \"{}\"` under `[secrets]` and write `{{{{ secrets.{secret} }}}}` here",
            secret.to_ascii_uppercase()
        );
        let message = format!("`{path}` holds a secret, and a job file holds none");
        let place = site.document.place(path);
        site.diagnostics.push(Diagnostic::error(codes::SECRET_IN_FILE, message).at_hidden(place).help(help));
        return None;
    }
    Some(template)
}

/// Puts a sensitive `Authorization` header in the place of any other.
fn authorize(text: &str, kind: &str, headers: &mut HeaderMap) -> Result<(), RenderError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| RenderError {
        message: format!("auth.{kind} holds a character that can't stand in a header, such as a line break"),
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}
