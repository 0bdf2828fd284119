//! What an endpoint sends: method, query, headers.

use std::collections::HashMap;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{Site, names};
use crate::diagnostic::{codes, did_you_mean};
use crate::document::KeyPath;
use crate::report::text::thousands;
use crate::spec::EndpointSpec;
use crate::spec::job::MOST_NAMED;
use crate::spec::text::{ListSpec, Named, TextSpec};
use crate::template::{JsonTemplate, Scope, Spot, Template};

/// Methods of the IANA registry that clients send.
const METHODS: &[&str] =
    &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"];

/// Headers that belong to the connection, and why they are refused.
const OWNED: &[(HeaderName, &str)] = &[
    (HOST, "it follows from the URL; to connect elsewhere, use client.resolve"),
    (PROXY_AUTHORIZATION, "it is for a proxy; write its user and password into client.proxy"),
    (CONTENT_LENGTH, "it follows from the body"),
    (TRANSFER_ENCODING, "it follows from the body"),
    (CONNECTION, "connections are kept and closed by the client"),
    (TE, "it belongs to the connection"),
    (TRAILER, "it belongs to the connection"),
    (UPGRADE, "it belongs to the connection"),
];

/// Checks a method.
pub fn method(site: &mut Site<'_>, path: &KeyPath, written: &str) -> Option<Method> {
    let capitals = written.to_ascii_uppercase();
    let known = METHODS.contains(&written);
    let help = if !known && METHODS.contains(&capitals.as_str()) {
        format!("methods are written in capitals: \"{capitals}\"")
    } else if written == "CONNECT" {
        "CONNECT opens a tunnel; it is no request of a job".to_owned()
    } else {
        match did_you_mean(written, METHODS.iter().copied()).filter(|_| !known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => match Method::from_bytes(written.as_bytes()) {
                Ok(method) => return Some(method),
                Err(_) => "write a method such as \"GET\" or \"POST\"".to_owned(),
            },
        }
    };
    site.error(codes::BAD_VALUE, path, format!("{} can't be \"{}\"", path.named(), written.escape_debug()), help);
    None
}

/// Compiles the query.
pub fn query(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<(String, Vec<Template>)> {
    spec.query.as_ref().map(|query| pairs(site, &path.key("query"), query, scope)).unwrap_or_default()
}

/// Compiles names and their values, of which a list gives the name several times.
pub fn pairs(
    site: &mut Site<'_>,
    path: &KeyPath,
    spec: &Named<ListSpec<TextSpec>>,
    scope: &Scope,
) -> Vec<(String, Vec<Template>)> {
    let mut pairs = Vec::new();
    for (name, values) in &spec.0 {
        let here = path.key(name.as_str());
        let compile = |(index, value): (usize, &TextSpec)| {
            let place = names::item(site, &here, index);
            site.template(&place, &value.0, Spot::Text, scope)
        };
        let templates: Vec<_> = values.0.iter().enumerate().map(compile).collect();
        pairs.push((name.clone(), templates.into_iter().flatten().collect()));
    }
    pairs
}

/// Compiles the headers.
pub fn headers(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<(HeaderName, Template)> {
    let path = path.key("headers");
    if let Some(count) = spec.headers.as_ref().map(|headers| headers.0.len()).filter(|count| *count > MOST_NAMED) {
        let (most, count) = (thousands(MOST_NAMED as u64), thousands(count as u64));
        let message = format!("a request has at most {most} headers, and this one has {count}");
        site.key_error(codes::BAD_VALUE, &path, message, "servers take a hundred or so: put the rest into the body");
        return Vec::new();
    }
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    // The first of each name, as written.
    let mut firsts: HashMap<HeaderName, &str> = HashMap::new();
    for (written, value) in spec.headers.iter().flat_map(|headers| &headers.0) {
        let here = path.key(written.as_str());
        let template = site.template(&here, &value.0, Spot::Text, scope);
        let Some(name) = header_name(site, &here, written) else { continue };
        let first = *firsts.entry(name.clone()).or_insert(written);
        if first != written {
            let message = format!("the header `{name}` is here twice: capitals make no other header");
            let help = "take one of the two out".to_owned();
            site.duplicate(&here, "the second", &path.key(first), "the first", message, help);
        }
        let Some(template) = template else { continue };
        if template.constant().is_some_and(|value| HeaderValue::from_str(value).is_err() && !plain(value)) {
            let message = format!("the value of the header `{written}` can't be sent: it has a control character");
            site.error(codes::HEADER, &here, message, "write it on one line, without control characters");
        }
        headers.push((name, template));
    }
    headers
}

/// Whether a header value has no control character; text beyond ASCII is sent as UTF-8.
fn plain(value: &str) -> bool {
    HeaderValue::from_bytes(value.as_bytes()).is_ok()
}

fn header_name(site: &mut Site<'_>, path: &KeyPath, written: &str) -> Option<HeaderName> {
    let named = sendable(written);
    named.map_err(|(message, help)| site.key_error(codes::HEADER, path, message, help)).ok()
}

/// The name of a header that a job may set, or what is wrong with it and the way out.
pub fn sendable(written: &str) -> Result<HeaderName, (String, &'static str)> {
    let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
        let message = format!("`{}` can't be the name of a header", written.escape_debug());
        return Err((message, "names are made of letters, digits and `-`, such as `x-request-id`"));
    };
    match OWNED.iter().find(|(owned, _)| *owned == name) {
        Some((_, why)) => Err((format!("the header `{name}` can't be set: {why}"), "take it out")),
        None => Ok(name),
    }
}

/// Compiles a JSON body.
pub fn json_template(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<JsonTemplate> {
    match value {
        Value::String(text) if is_template(text) => {
            site.template(path, text, Spot::Text, scope).map(JsonTemplate::Text)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Some(JsonTemplate::Constant(value.clone()))
        }
        Value::Array(items) => {
            let compile = |(index, item)| json_template(site, &path.index(index), item, scope);
            let items: Vec<_> = items.iter().enumerate().map(compile).collect();
            let items = items.into_iter().collect::<Option<Vec<_>>>()?;
            let constant = items.iter().all(|item| matches!(item, JsonTemplate::Constant(_)));
            Some(if constant { JsonTemplate::Constant(value.clone()) } else { JsonTemplate::Array(items) })
        }
        Value::Object(entries) => {
            let compile = |(key, item): (&String, &Value)| {
                let here = path.key(key.as_str());
                constant_key(site, &here, key);
                Some((key.clone(), json_template(site, &here, item, scope)?))
            };
            let entries: Vec<_> = entries.iter().map(compile).collect();
            let entries = entries.into_iter().collect::<Option<Vec<_>>>()?;
            let constant = entries.iter().all(|(_, item)| matches!(item, JsonTemplate::Constant(_)));
            Some(if constant { JsonTemplate::Constant(value.clone()) } else { JsonTemplate::Object(entries) })
        }
    }
}

fn constant_key(site: &mut Site<'_>, path: &KeyPath, key: &str) {
    if is_template(key) {
        let message = "a template can't be a key of a JSON body";
        site.key_error(codes::BAD_VALUE, path, message, "write the key out, and the template as its value");
    }
}

/// Whether a text has anything to render.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}
