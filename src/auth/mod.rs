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
use http::{HeaderMap, HeaderValue, Request};
use serde_json::Value;

use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::retry::Failure;
use crate::secret::{Masker, Secrets};
use crate::template::{Context, RenderError, Scope, Spot, Template};
use crate::transport::{BoxFuture, Gate, RequestBody, Signer, TimeoutPlan, Transport};

/// An auth kind, decided and printable (secrets are templates, not values).
pub trait AuthPlan: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// What a change of it would send otherwise: part of the job's identity, templates unrendered.
    fn identity(&self) -> String;

    /// Adds to a request what proves who asks, as far as the row and the secrets tell it; header values are
    /// marked sensitive. Kinds that need more than that (a token that is fetched) add a mask in its place,
    /// for `plan`, and do the rest in [`AuthPlan::open`].
    ///
    /// # Errors
    /// When a template can't be rendered for this row or gives no valid header value.
    fn apply(&self, context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError>;

    /// What the kind needs while a run goes on; `None`: nothing beyond [`AuthPlan::apply`].
    ///
    /// # Errors
    /// In words, when a template that is the same for every row can't be rendered.
    fn open(&self, _opening: &Opening<'_>) -> Result<Option<Arc<dyn Auth>>, String> {
        Ok(None)
    }
}

/// What an auth is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The secrets.
    pub secrets: &'a Secrets,
    /// Learns what is fetched at run time: that is secret too.
    pub masker: &'a Masker,
    /// What stands for `demo:`.
    pub demo: Option<&'a str>,
}

/// How a live auth reaches its server: as the endpoint does, limits included.
#[derive(Clone, Copy)]
pub struct Wire<'a> {
    /// The endpoint's transport.
    pub transport: &'a dyn Transport,
    /// The endpoint's limits; each request of an auth takes their tokens.
    pub gate: &'a dyn Gate,
    /// The endpoint's timeouts.
    pub timeouts: &'a TimeoutPlan,
}

/// An auth at work, shared by all rows of its endpoint.
pub trait Auth: Send + Sync {
    /// Adds what was fetched to a request; fetches it first where there is none, or where it is about to
    /// end: once for all who wait for it.
    ///
    /// # Errors
    /// Never `sent`: nothing of the row's own request has left.
    fn prove<'a>(
        &'a self,
        _wire: Wire<'a>,
        _request: &'a mut Request<RequestBody>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The server answered 401 to a request that was proved. `true`: what was fetched is given up, and the row
    /// may be sent once more with what is fetched anew.
    fn renews(&self, _refused: &HeaderMap) -> bool {
        false
    }

    /// What signs requests as they leave.
    fn signer(&self) -> Option<Arc<dyn Signer>> {
        None
    }
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
