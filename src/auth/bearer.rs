//! `auth.bearer`: a token in the Authorization header (RFC 6750, section 2.1).

use std::sync::Arc;

use http::Request;
use serde_json::Value;

use super::fields::secret_template;
use super::{AuthKind, AuthPlan, authorization, authorize};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::template::{Context, RenderError, Scope, Template};
use crate::transport::RequestBody;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: AuthKind = AuthKind {
    name: "bearer",
    doc: "a token in the Authorization header (RFC 6750)",
    example: "auth.bearer = \"{{ secrets.token }}\"",
    owned: authorization,
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "The token, as a template: \"{{ secrets.token }}\"."
        })
    },
    compile,
};

/// What stands before the token.
const SCHEME: &str = "Bearer ";

#[derive(Debug)]
struct Bearer {
    token: Template,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let Some(text) = value.as_str() else {
        let help = "write it as `auth.bearer = \"{{ secrets.token }}\"`";
        site.error(codes::WRONG_TYPE, path, "the token must be a string", help);
        return None;
    };
    let token = secret_template(site, path, text, "token", scope)?;
    not_twice(site, path, text);
    Some(Arc::new(Bearer { token }))
}

/// Warns of a token that brings the word which is put before it anyhow.
fn not_twice(site: &mut Site<'_>, path: &KeyPath, text: &str) {
    let is_scheme = |start: &str| start.eq_ignore_ascii_case(SCHEME);
    if let Some((start, token)) = text.split_at_checked(SCHEME.len()).filter(|(start, _)| is_scheme(start)) {
        let message = format!("`{path}` begins with `{}`, which is put before the token anyhow", start.trim_end());
        site.warning_once(codes::SUSPICIOUS, path, message, format!("write \"{}\"", token.trim_start()));
    }
}

impl AuthPlan for Bearer {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("bearer {}", self.token.source())
    }

    fn apply(&self, context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        let mut text = SCHEME.to_owned();
        let start = text.len();
        self.token.render(context, &mut text)?;
        if text.len() == start {
            return Err(RenderError { message: "auth.bearer is empty for this row".to_owned() });
        }
        authorize(&text, KIND.name, request.headers_mut())
    }
}
