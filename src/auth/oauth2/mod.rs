//! `auth.oauth2`: client credentials (RFC 6749, section 4.4), one token for all rows.
//!
//! What is written here is the same for every row, so that a token can be shared. Must never show the
//! client's secret or a token: the masker learns both.

mod client;
mod grant;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::fields::{Fields, without_row};
use super::{Auth, AuthKind, AuthPlan, ByHand, Opening, authorization, fixed};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::plan::request::DEMO;
use crate::secret::Masker;
use crate::template::{Context, RenderError, Scope, Template};
use crate::transport::RequestBody;

use client::Client;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: AuthKind = AuthKind {
    name: "oauth2",
    doc: "a token of an OAuth 2 server, fetched for all rows and renewed (client credentials, RFC 6749)",
    example: "auth.oauth2 = { token-url = \"https://login.example.com/token\", client-id = \"me\", client-secret = \"{{ secrets.client }}\" }",
    owned: authorization,
    schema: |_| {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "token-url": { "type": "string", "minLength": 1, "description": "Where tokens are had, a template over vars and secrets; the same for every row.", "examples": ["https://login.example.com/token"] },
                "client-id": { "type": "string", "minLength": 1, "description": "The client, as a template.", "examples": ["me"] },
                "client-secret": { "type": "string", "description": "The client's secret, as a template.", "examples": ["{{ secrets.client }}"] },
                "scope": { "type": "string", "minLength": 1, "description": "What is asked for, names with spaces between them; absent: the server decides.", "examples": ["read write"] },
                "audience": { "type": "string", "minLength": 1, "description": "For whom the token is, where the server wants to know; absent: it is not told.", "examples": ["https://api.example.com"] },
                "client-auth": { "enum": ["basic", "body"], "default": "basic", "description": "How the client says who it is: basic auth (RFC 6749, section 2.3.1), or in the body of the form." }
            },
            "required": ["token-url", "client-id", "client-secret"],
            "additionalProperties": false
        })
    },
    compile,
};

/// As forms are encoded (RFC 6749, appendix B), less what every decoder takes as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b' ');

#[derive(Debug)]
struct OAuth2 {
    token_url: Template,
    client_id: Template,
    client_secret: Template,
    scope: Option<Template>,
    audience: Option<Template>,
    client_auth: ClientAuth,
}

/// How the client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientAuth {
    /// `client_secret_basic`: basic auth.
    Basic,
    /// `client_secret_post`: in the form.
    Body,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let fields = Fields { kind: &KIND, path, table: value };
    let scope = &without_row(scope);
    let token_url = fields.text(site, "token-url").and_then(|text| site.url(&path.key("token-url"), text, scope));
    let client_id = fields.template(site, "client-id", scope);
    let client_secret = fields.secret(site, "client-secret", "client", scope);
    let asked = fields.maybe_template(site, "scope", scope);
    let audience = fields.maybe_template(site, "audience", scope);
    let client_auth = match value.get("client-auth").and_then(Value::as_str) {
        Some("body") => ClientAuth::Body,
        // The schema has refused anything else.
        Some(_) | None => ClientAuth::Basic,
    };
    Some(Arc::new(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: asked?,
        audience: audience?,
        client_auth,
    }))
}

impl AuthPlan for OAuth2 {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        let source = |template: &Template| template.source().to_owned();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            self.token_url.source(),
            self.client_id.source(),
            self.client_secret.source(),
            self.scope.as_ref().map(source),
            self.audience.as_ref().map(source),
            self.client_auth
        )
    }

    fn apply(&self, _context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        let mut mask = HeaderValue::from_static("Bearer ***");
        mask.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, mask);
        Ok(())
    }

    fn url(&self) -> Option<&Template> {
        Some(&self.token_url)
    }

    fn open(&self, opening: &Opening<'_>) -> Result<Option<Arc<dyn Auth>>, String> {
        let request = self.request(opening).map_err(|words| format!("auth.oauth2: {words}"))?;
        Ok(Some(Arc::new(Client::new(request, opening.masker.clone()))))
    }

    fn by_hand(&self, opening: &Opening<'_>) -> Result<Option<ByHand>, String> {
        let request = self.request(opening).map_err(|words| format!("auth.oauth2: {words}"))?;
        Ok(Some(ByHand::Token(Box::new(request))))
    }
}

impl OAuth2 {
    /// The request that every token is asked for with.
    fn request(&self, opening: &Opening<'_>) -> Result<Request<RequestBody>, String> {
        let text = |template: &Template, what: &str| fixed(template, what, opening.secrets);
        let maybe = |template: &Option<Template>, what: &str| {
            template.as_ref().map(|template| text(template, what)).transpose()
        };
        let url = absolute(text(&self.token_url, "token-url")?, opening.demo)?;
        let client = [text(&self.client_id, "client-id")?, text(&self.client_secret, "client-secret")?]
            .map(|part| encoded(&part));
        // What it is encoded to is the secret as well.
        opening.masker.learn(&client[1]);
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in [("scope", maybe(&self.scope, "scope")?), ("audience", maybe(&self.audience, "audience")?)]
        {
            form.extend(value.map(|value| format!("&{name}={}", encoded(&value))));
        }
        let mut headers = headers(opening.user_agent)?;
        match self.client_auth {
            ClientAuth::Basic => drop(headers.insert(AUTHORIZATION, basic(&client, opening.masker)?)),
            ClientAuth::Body => form.push_str(&format!("&client_id={}&client_secret={}", client[0], client[1])),
        }
        let mut request = Request::new(RequestBody::from(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn headers(user_agent: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if !user_agent.is_empty() {
        let value = HeaderValue::from_bytes(user_agent.as_bytes());
        headers.insert(USER_AGENT, value.map_err(|_| "client.user-agent can't be sent".to_owned())?);
    }
    Ok(headers)
}

/// Basic auth of what is encoded already, so that a colon in it separates nothing.
fn basic(client: &[String; 2], masker: &Masker) -> Result<HeaderValue, String> {
    let pair = STANDARD.encode(client.join(":"));
    masker.learn(&pair);
    let mut value =
        HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| "the client can't be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string().replace(' ', "+")
}

/// The URL of the token endpoint. Texts name no part of it: it may hold a secret.
fn absolute(mut url: String, demo: Option<&str>) -> Result<Uri, String> {
    if let (true, Some(base)) = (url.starts_with(DEMO), demo) {
        url.replace_range(..DEMO.len(), base.trim_end_matches('/'));
    }
    if let Some(fragment) = url.find('#') {
        url.truncate(fragment);
    }
    let uri: Uri = url.parse().map_err(|error| format!("token-url is no URL: {error}"))?;
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    match uri.scheme_str() {
        Some("http" | "https") if authority.contains('@') => {
            Err("token-url carries a user or a password; client-id and client-secret are the place for them".to_owned())
        }
        Some("http" | "https") if !authority.is_empty() => Ok(uri),
        Some(_) | None => Err("token-url is neither an http nor an https URL".to_owned()),
    }
}
