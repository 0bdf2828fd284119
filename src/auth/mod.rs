//! Auth: what proves to the server who asks. One file and one row of [`KINDS`] each.
//!
//! Must never put a secret anywhere but into headers marked sensitive, the form that asks for a token, and,
//! where a job says so, the query.

mod api_key;
mod aws_sigv4;
mod basic;
mod bearer;
mod fields;
mod oauth2;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::Value;

#[cfg(feature = "s3")]
pub(crate) use aws_sigv4::Signing;
#[cfg(feature = "s3")]
pub(crate) use fields::secret_template;

use crate::compile::Site;
use crate::document::KeyPath;
use crate::retry::{Failure, RetryPlan};
use crate::secret::{Masker, Secret, Secrets};
use crate::template::{Context, RenderError, Scope, Template};
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

    /// Where it asks by itself, beside the URL of its endpoint; no row is needed to know it.
    fn url(&self) -> Option<&Template> {
        None
    }

    /// What the kind needs while a run goes on; `None`: nothing beyond [`AuthPlan::apply`]. Endpoints whose
    /// kind and identity are the same share what is opened.
    ///
    /// # Errors
    /// In words, when a template that is the same for every row can't be rendered.
    fn open(&self, _opening: &Opening<'_>) -> Result<Option<Arc<dyn Auth>>, String> {
        Ok(None)
    }

    /// How somebody else does what [`AuthPlan::open`] is for; `None`: there is nothing to do.
    ///
    /// # Errors
    /// As those of [`AuthPlan::open`].
    fn by_hand(&self, _opening: &Opening<'_>) -> Result<Option<ByHand>, String> {
        Ok(None)
    }
}

/// What is to be done for a request that can't be proved before it leaves.
#[derive(Debug)]
pub enum ByHand {
    /// This request is sent; `access_token` of its reply is the bearer token.
    Token(Box<Request<RequestBody>>),
    /// The request is signed as AWS wants it.
    Signature {
        /// The region.
        region: String,
        /// The service by its signing name.
        service: String,
        /// Id of the access key.
        access_key: String,
        /// The secret access key.
        secret_key: Secret,
        /// Of temporary credentials.
        session_token: Option<Secret>,
    },
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
    /// `User-Agent` of its own requests; empty: none.
    pub user_agent: &'a str,
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
    /// The endpoint's retries: whatever asks for a token obeys the same waits and bounds.
    pub retry: &'a RetryPlan,
}

/// Which of the things that were fetched proved a request: they are numbered as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof(pub u64);

/// Why a request could not be proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproved {
    /// The attempt has failed. Never `sent`: nothing of the row's own request has left.
    Failed(Failure),
    /// The server asks for a wait beyond `retry.max-wait`: the run stops, to be resumed after it.
    Later(Duration),
}

/// An auth at work, shared by all rows of its endpoints.
pub trait Auth: Send + Sync {
    /// Adds what was fetched to a request; fetches it first where there is none, or where it is about to
    /// end: once for all who wait for it. Dropping the future leaves the fetch to another who waits.
    ///
    /// # Errors
    /// When there is nothing to prove with.
    fn prove<'a>(
        &'a self,
        _wire: Wire<'a>,
        _request: &'a mut Request<RequestBody>,
    ) -> BoxFuture<'a, Result<Proof, Unproved>> {
        Box::pin(std::future::ready(Ok(Proof::default())))
    }

    /// The server answered 401 to a request that was proved. `true`: the row may be sent once more, with
    /// what was fetched since, or is fetched anew.
    fn renews(&self, _refused: Proof) -> bool {
        false
    }

    /// What was renewed was refused as well: it is not its age that the server minds.
    fn refused_again(&self, _refused: Proof) {}

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
    /// What it says in a request, by the value of `auth.KIND`.
    pub owned: fn(&Value) -> Owned,
    /// Schema of the value of `auth.KIND`.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of `auth.KIND` (already valid by the schema). Pure.
    pub compile: Compile,
}

/// What a kind says in a request, so that nobody else may say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// Headers.
    pub headers: Vec<String>,
    /// Parameters of the query.
    pub query: Vec<String>,
}

/// Every kind of auth.
pub const KINDS: &[AuthKind] = &[bearer::KIND, basic::KIND, api_key::KIND, oauth2::KIND, aws_sigv4::KIND];

/// Kinds that speak in the `Authorization` header alone.
fn authorization(_: &Value) -> Owned {
    Owned { headers: vec![AUTHORIZATION.to_string()], query: Vec::new() }
}

/// The text of a template that needs no row. What goes wrong says nothing of its value.
fn fixed(template: &Template, what: &str, secrets: &Secrets) -> Result<String, String> {
    let mut text = String::new();
    let context = Context { row: None, secrets, reply: None, last: None };
    template.render(&context, &mut text).map_err(|error| format!("{what} can't be built: {}", error.message))?;
    if text.is_empty() { Err(format!("{what} is empty")) } else { Ok(text) }
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
