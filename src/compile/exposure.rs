//! Secrets must not leave for a host that a row chose.

use super::{Site, mention, url};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{BodyPlan, EndpointPlan, PartContent, PartPlan, StreamKind};
use crate::template::{JsonTemplate, Template};

/// Reports a secret that would go wherever the data says.
pub fn check(site: &mut Site<'_>, plan: &EndpointPlan) {
    if url::origin_is_fixed(&plan.url) {
        return;
    }
    let path = KeyPath::of(["endpoints", plan.name.as_str()]);
    let Some(bearer) = bearer(site, &path, plan) else { return };
    let url = url::path_of(&path, plan);
    let place = site.document.place(&url);
    let other = site.document.key_place(&bearer);
    let (message, label, help) = words(plan.url.source());
    let diagnostic = Diagnostic::error(codes::SECRET_EXPOSED, message).at(place, label).help(help);
    site.diagnostics.push(if bearer == url { diagnostic } else { diagnostic.also(other, "the secret") });
}

/// Why nobody knows where a secret would go: what is wrong, a label, and the way out.
fn words(url: &str) -> (&'static str, &'static str, &'static str) {
    let authority = authority(url);
    let has_secret = |text: &str| mention::uses_table(text, "secrets");
    match authority.rsplit_once('@') {
        Some((userinfo, _)) if has_secret(userinfo) => (
            "a secret stands before the host, where a URL has a user and a password",
            "up to the `@`",
            "take it out of the URL, and write `auth.basic = { user = \"me\", password = \"{{ secrets.password }}\" }`",
        ),
        _ if has_secret(authority) => (
            "the host is a part of a secret, and nobody could say where a request goes",
            "",
            "write the host into the URL, or into [vars], and end it with a /, such as \"https://api.example.com/{{ secrets.hook }}\"",
        ),
        _ => (
            "the host comes from the rows, and a secret would be sent to it",
            "any row could name any host",
            "write the host into the URL, or into [vars], and end it with a /, such as \"https://api.example.com/{{ row.path }}\"",
        ),
    }
}

/// User and host of a URL as written: up to the first `/`, `?` or `#` outside of braces.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        if rest[at..].starts_with("{{") {
            at = rest[at..].find("}}").map_or(rest.len(), |length| at + length + 2);
        } else if matches!(c, '/' | '?' | '#') {
            return &rest[..at];
        } else {
            at += c.len_utf8();
        }
    }
    rest
}

/// What carries a secret to the host.
fn bearer(site: &Site<'_>, path: &KeyPath, plan: &EndpointPlan) -> Option<KeyPath> {
    let secret = |template: &Template| !template.secrets().is_empty();
    if plan.auth.is_some() {
        return Some(path.key("auth"));
    }
    if let Some((name, _)) = plan.headers.iter().find(|(_, template)| secret(template)) {
        return Some(header_path(site, path, name.as_str()));
    }
    if let Some((name, _)) = plan.query.iter().find(|(_, templates)| templates.iter().any(secret)) {
        return Some(path.key("query").key(name.as_str()));
    }
    if secret(&plan.url) {
        return Some(url::path_of(path, plan));
    }
    in_body(&plan.body, path).or_else(|| in_frames(plan, path))
}

fn in_frames(plan: &EndpointPlan, path: &KeyPath) -> Option<KeyPath> {
    let StreamKind::WebSocket(socket) = &plan.stream.as_ref()?.kind else { return None };
    let carries = |frame: &BodyPlan| in_body(frame, path).is_some();
    // Of one that could not be compiled there is no plan at all.
    let index = socket.send.iter().position(carries)?;
    Some(path.key("websocket").key("send").index(index))
}

fn in_body(body: &BodyPlan, path: &KeyPath) -> Option<KeyPath> {
    let secret = |template: &Template| !template.secrets().is_empty();
    match body {
        BodyPlan::None => None,
        BodyPlan::Json(json) => in_json(json).then(|| path.key("json")),
        BodyPlan::Form(pairs) => {
            let (name, _) = pairs.iter().find(|(_, values)| values.iter().any(secret))?;
            Some(path.key("form").key(name.as_str()))
        }
        BodyPlan::Multipart(parts) => {
            let part = parts.iter().find(|part| in_part(part))?;
            Some(path.key("multipart").key(part.name.as_str()))
        }
        BodyPlan::Text(text) => secret(text).then(|| path.key("body")),
        BodyPlan::File(file) => secret(file.template()).then(|| path.key("body-file")),
    }
}

fn in_part(part: &PartPlan) -> bool {
    let content = match &part.content {
        PartContent::Text(text) => !text.secrets().is_empty(),
        PartContent::Json(json) => in_json(json),
        PartContent::File(file) => !file.template().secrets().is_empty(),
    };
    content || part.content_type.iter().chain(&part.filename).any(|template| !template.secrets().is_empty())
}

fn in_json(json: &JsonTemplate) -> bool {
    match json {
        JsonTemplate::Constant(_) => false,
        JsonTemplate::Text(template) => !template.secrets().is_empty(),
        JsonTemplate::Array(items) => items.iter().any(in_json),
        JsonTemplate::Object(entries) => entries.iter().any(|(_, item)| in_json(item)),
    }
}

/// The path of a header as written: capitals may differ.
pub(super) fn header_path(site: &Site<'_>, path: &KeyPath, name: &str) -> KeyPath {
    let headers = path.key("headers");
    let written = match site.document.get(&headers).map(|node| &node.value) {
        Some(crate::document::NodeValue::Table(entries)) => {
            entries.iter().map(|(key, _)| key.name.as_str()).find(|key| key.eq_ignore_ascii_case(name))
        }
        Some(_) | None => None,
    };
    headers.key(written.unwrap_or(name))
}
