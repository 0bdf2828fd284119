//! `auth.api-key`: a key in a header or in the query, under the name that the server wants.
//!
//! A header is what a server should ask for: URLs stand in the logs of everything on the way. In the query
//! the key is escaped like any value, and masked wherever a URL is shown. It is added to the request of the
//! row alone: where a redirect leads, its header does not cross an origin, and a query is the server's own.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::fields::Fields;
use super::{AuthKind, AuthPlan, Owned};
use crate::compile::Site;
use crate::document::KeyPath;
use crate::template::{Context, RESERVED, RenderError, Scope, Template};
use crate::transport::RequestBody;

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: AuthKind = AuthKind {
    name: "api-key",
    doc: "a key in a header or in the query, under a name of the server's choice",
    example: "auth.api-key = { name = \"X-Api-Key\", value = \"{{ secrets.key }}\" }",
    owned,
    schema: |_| {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1, "description": "Name of the header or of the query parameter.", "examples": ["X-Api-Key"] },
                "value": { "type": "string", "description": "The key, as a template.", "examples": ["{{ secrets.key }}"] },
                "in": { "enum": ["header", "query"], "default": "header", "description": "Where it stands; URLs are seen by more eyes than headers." }
            },
            "required": ["name", "value"],
            "additionalProperties": false
        })
    },
    compile,
};

#[derive(Debug)]
struct ApiKey {
    name: Name,
    value: Template,
}

#[derive(Debug)]
enum Name {
    Header(HeaderName),
    /// Escaped already.
    Query(String),
}

fn in_query(value: &Value) -> bool {
    value.get("in").and_then(Value::as_str) == Some("query")
}

fn owned(value: &Value) -> Owned {
    let name: Vec<String> = value.get("name").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    if in_query(value) {
        Owned { query: name, ..Owned::default() }
    } else {
        Owned { headers: name, ..Owned::default() }
    }
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let fields = Fields { kind: &KIND, path, table: value };
    let name = fields.text(site, "name").and_then(|text| name(site, &path.key("name"), text, in_query(value)));
    let value = fields.secret(site, "value", "key", scope);
    Some(Arc::new(ApiKey { name: name?, value: value? }))
}

fn name(site: &mut Site<'_>, path: &KeyPath, text: &str, in_query: bool) -> Option<Name> {
    if in_query {
        return Some(Name::Query(utf8_percent_encode(text, RESERVED).to_string()));
    }
    site.header_name(path, text).map(Name::Header)
}

impl AuthPlan for ApiKey {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        match &self.name {
            Name::Header(name) => format!("header {name} {:?}", self.value.source()),
            Name::Query(name) => format!("query {name} {:?}", self.value.source()),
        }
    }

    fn apply(&self, context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        let mut key = String::new();
        self.value.render(context, &mut key)?;
        if key.is_empty() {
            return Err(RenderError { message: "auth.api-key is empty for this row".to_owned() });
        }
        match &self.name {
            Name::Header(name) => {
                let mut value = HeaderValue::from_bytes(key.as_bytes()).map_err(|_| RenderError {
                    message: "auth.api-key holds a character that can't stand in a header, such as a line break"
                        .to_owned(),
                })?;
                value.set_sensitive(true);
                request.headers_mut().insert(name, value);
            }
            Name::Query(name) => *request.uri_mut() = with_parameter(request.uri(), name, &key)?,
        }
        Ok(())
    }
}

/// A URL with one more parameter behind its query; `name` is escaped already.
fn with_parameter(url: &Uri, name: &str, value: &str) -> Result<Uri, RenderError> {
    let mut text = url.to_string();
    match url.query() {
        None => text.push('?'),
        Some("") => {}
        Some(query) if query.ends_with('&') => {}
        Some(_) => text.push('&'),
    }
    // Writing to a string can't fail.
    let _ = write!(text, "{name}={}", utf8_percent_encode(value, RESERVED));
    Uri::from_maybe_shared(Bytes::from(text))
        .map_err(|_| RenderError { message: "auth.api-key makes the URL longer than a URL can be".to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(url: &str, value: &str) -> String {
        with_parameter(&url.parse().unwrap(), "key", value).unwrap().to_string()
    }

    #[test]
    fn a_key_stands_behind_what_is_there() {
        assert_eq!(with("http://a.b/x", "1"), "http://a.b/x?key=1");
        assert_eq!(with("http://a.b", "1"), "http://a.b/?key=1");
        assert_eq!(with("http://a.b/x?", "1"), "http://a.b/x?key=1");
        assert_eq!(with("http://a.b/x?c=d", "a&b=c"), "http://a.b/x?c=d&key=a%26b%3Dc");
        assert_eq!(with("http://a.b/x?c=d&", "\u{e4} +"), "http://a.b/x?c=d&key=%C3%A4%20%2B");
    }

    proptest! {
        #[test]
        fn any_key_comes_out_of_the_query_as_it_went_in(key in "\\PC{1,40}", query in "([a-z]=[0-9]&?){0,3}") {
            let url = with(&format!("http://a.b/x?{query}"), &key);
            let (_, value) = url.rsplit_once("key=").unwrap();
            prop_assert!(!value.contains(['&', '#', '+', ' ', '=']), "{}", url);
            prop_assert_eq!(percent_encoding::percent_decode_str(value).decode_utf8().unwrap(), key);
            let before = format!("http://a.b/x?{query}");
            prop_assert!(url.starts_with(&before));
        }
    }
}
