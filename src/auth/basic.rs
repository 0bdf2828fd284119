//! `auth.basic`: user and password in the Authorization header (RFC 7617), as UTF-8.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::Value;

use super::fields::Fields;
use super::{AuthKind, AuthPlan, authorization, authorize};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::template::{Context, RenderError, Scope, Spot, Template};
use crate::transport::RequestBody;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: AuthKind = AuthKind {
    name: "basic",
    doc: "user and password in the Authorization header (RFC 7617)",
    example: "auth.basic = { user = \"me\", password = \"{{ secrets.password }}\" }",
    owned: authorization,
    schema: |_| {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "user": { "type": "string", "description": "The user, as a template; without a colon.", "examples": ["me"] },
                "password": { "type": "string", "description": "The password, as a template.", "examples": ["{{ secrets.password }}"] }
            },
            "required": ["user", "password"],
            "additionalProperties": false
        })
    },
    compile,
};

/// RFC 7617, section 2: the first colon ends the user.
pub(super) const COLON: &str = "the user of auth.basic can't hold a colon, which separates user and password";

#[derive(Debug)]
struct Basic {
    user: Template,
    password: Template,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let fields = Fields { kind: &KIND, path, table: value };
    let user = fields.text(site, "user").and_then(|text| user(site, &path.key("user"), text, scope));
    // APIs that take a key as user want no password; nothing is no secret.
    let password = match value.get("password").and_then(Value::as_str) {
        Some("") => site.template(&path.key("password"), "", Spot::Text, scope),
        _ => fields.secret(site, "password", "password", scope),
    };
    Some(Arc::new(Basic { user: user?, password: password? }))
}

fn user(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope) -> Option<Template> {
    let template = site.template(path, text, Spot::Text, scope)?;
    if template.constant().is_some_and(|user| user.contains(':')) {
        site.error(codes::BAD_VALUE, path, COLON, "write the password under `password`");
        return None;
    }
    Some(template)
}

impl AuthPlan for Basic {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("basic {:?} {:?}", self.user.source(), self.password.source())
    }

    fn apply(&self, context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        let mut pair = String::new();
        self.user.render(context, &mut pair)?;
        if pair.contains(':') {
            return Err(RenderError { message: COLON.to_owned() });
        }
        pair.push(':');
        self.password.render(context, &mut pair)?;
        if pair.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(RenderError {
                message: "auth.basic holds a control character (RFC 7617 forbids them)".to_owned(),
            });
        }
        let mut text = "Basic ".to_owned();
        STANDARD.encode_string(pair, &mut text);
        authorize(&text, KIND.name, request.headers_mut())
    }
}
