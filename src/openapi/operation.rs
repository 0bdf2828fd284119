//! An operation: where it is, what it takes, and what comes back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::security::{self, Scheme};
use super::server::{self, Server};
use super::shape::Shape;
use super::{Api, Kind, Listed, one_line, parameter, pointer, swagger};

/// Most parameters of an operation; more are nobody's who writes a job.
const MOST_PARAMETERS: usize = 1_000;

/// What an operation is asked with, and what it replies.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// `operationId`.
    pub id: Option<String>,
    /// The method, in capitals.
    pub method: String,
    /// Scheme, host and base path, without a slash at the end.
    pub server: String,
    /// The path, its parameters in braces.
    pub path: String,
    /// What it does, on one line.
    pub summary: Option<String>,
    /// Parameters, each once.
    pub parameters: Vec<Parameter>,
    /// What is sent.
    pub body: Option<Body>,
    /// What proves who asks, all of it together.
    pub security: Vec<Scheme>,
    /// What comes back when all is well.
    pub reply: Option<Reply>,
    /// What could not be kept, in words.
    pub notes: Vec<String>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// A header.
    Header,
    /// In the header of cookies.
    Cookie,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub spot: Spot,
    /// Whether it must be given.
    pub required: bool,
    /// Whether the URL of a server says its value.
    pub is_given: bool,
    /// What stands before its value in a path that is written in another style.
    pub before: String,
    /// Its value.
    pub shape: Shape,
}

impl Parameter {
    /// What one value of it looks like.
    #[must_use]
    pub fn item(&self) -> &Shape {
        match &self.shape.kind {
            Kind::List(item) => item,
            _ => &self.shape,
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Its media type.
    pub media: String,
    /// Its content.
    pub shape: Shape,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Its media type.
    pub media: String,
    /// Whether the server may choose another one.
    pub has_others: bool,
    /// Its content.
    pub shape: Shape,
    /// Whether a `Link` header comes with it.
    pub has_links: bool,
}

/// The operation at a method and a path that are there.
pub(super) fn of(api: &Api, listed: &Listed) -> Result<Operation, String> {
    let root = &api.root;
    let item = pointer::followed(root, &root["paths"][&listed.path]);
    let operation = &item[listed.method.to_lowercase()];
    let mut notes = Vec::new();
    let written = parameters(root, item, operation, &mut notes);
    let Server { url: server, has_user, query } = server::of(api, item, operation, &mut notes)?;
    let body = if api.is_swagger() {
        swagger::body(root, operation, &written)
    } else {
        operation.get("requestBody").and_then(|body| body_of(root, body, &mut notes))
    };
    let mut security = security::of(api, operation, &server, &mut notes);
    if has_user && security.is_empty() {
        security.push(Scheme::Basic);
    }
    let mut parameters = parameter::of_server(query);
    let own = written.iter().flat_map(|written| parameter::of(root, written, &mut notes));
    parameters.extend(own.collect::<Vec<_>>());
    parameter::keep_first(&mut parameters);
    Ok(Operation {
        id: listed.id.clone(),
        method: listed.method.clone(),
        path: listed.path.clone(),
        summary: listed.summary.clone(),
        parameters,
        body,
        security,
        reply: reply(api, operation, &mut notes),
        server,
        notes,
    })
}

/// Parameters of the operation, then those of its path that it does not name itself.
fn parameters<'v>(root: &'v Value, item: &'v Value, operation: &'v Value, notes: &mut Vec<String>) -> Vec<&'v Value> {
    let mut found: Vec<&Value> = Vec::new();
    let mut names = BTreeSet::new();
    let all = [operation, item].into_iter().filter_map(|of| of["parameters"].as_array()).flatten();
    for parameter in all.map(|parameter| pointer::followed(root, parameter)) {
        if let Some(reference) = pointer::lost(parameter) {
            notes.push(lost("a parameter", reference));
        } else if names.insert((parameter["name"].as_str(), parameter["in"].as_str())) {
            found.push(parameter);
        }
        if found.len() > MOST_PARAMETERS {
            found.pop();
            notes.push(format!("the operation has more than {MOST_PARAMETERS} parameters; the rest is left out"));
            break;
        }
    }
    found
}

/// `example`, or the first of `examples`.
pub(super) fn example<'v>(root: &'v Value, of: &'v Value) -> Option<&'v Value> {
    let first = || of["examples"].as_object()?.values().next().map(|example| pointer::followed(root, example));
    of.get("example").or_else(|| first()?.get("value"))
}

/// The content that a job can best send or read: JSON, then forms, then whatever stands first.
pub(super) fn content(of: &Value) -> Option<(&String, &Value)> {
    let all = of["content"].as_object()?;
    let kinds: [fn(&str) -> bool; 3] =
        [is_json, |media| media == "application/x-www-form-urlencoded", |media| media == "multipart/form-data"];
    kinds.iter().find_map(|kind| all.iter().find(|(media, _)| kind(bare(media)))).or_else(|| all.iter().next())
}

/// Whether a media type is that of JSON.
pub(super) fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json") || media == "*/*"
}

/// A media type without its parameters.
pub(super) fn bare(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

fn body_of(root: &Value, body: &Value, notes: &mut Vec<String>) -> Option<Body> {
    let body = pointer::followed(root, body);
    if let Some(reference) = pointer::lost(body) {
        notes.push(lost("the body", reference));
        return None;
    }
    let (media, content) = content(body)?;
    Some(Body { media: bare(media).to_owned(), shape: shape(root, content) })
}

/// The shape of a media type's content, with the samples of its example.
fn shape(root: &Value, content: &Value) -> Shape {
    let example = example(root, content);
    match (content.get("schema").map(|schema| Shape::of(root, schema)), example) {
        (Some(shape), Some(example)) if shape.kind != Kind::Any => shape.sampled(example),
        (_, Some(example)) => Shape::of_value(example),
        (shape, None) => shape.unwrap_or_else(|| Shape::of(root, &Value::Null)),
    }
}

/// The first reply of a success that has a content; `default` is that of errors where a success is named.
fn reply(api: &Api, operation: &Value, notes: &mut Vec<String>) -> Option<Reply> {
    let root = &api.root;
    let all = operation["responses"].as_object()?;
    let mut good: Vec<&String> = all.keys().filter(|status| status.starts_with('2')).collect();
    good.sort();
    let fallback = all.keys().find(|status| *status == "default" && good.is_empty());
    good.into_iter().chain(fallback).find_map(|status| {
        let response = pointer::followed(root, &all[status.as_str()]);
        notes.extend(pointer::lost(response).map(|reference| lost("the reply", reference)));
        let has_links = response["headers"]
            .as_object()
            .is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("link")));
        if api.is_swagger() {
            return swagger::reply(root, operation, response, has_links);
        }
        let (media, content) = content(response)?;
        let has_others = response["content"].as_object().is_some_and(|all| all.len() > 1);
        Some(Reply { media: bare(media).to_owned(), has_others, shape: shape(root, content), has_links })
    })
}

/// What to say of a reference that leads out of the document.
fn lost(what: &str, reference: &str) -> String {
    let reference = one_line(reference);
    format!("{what} stands elsewhere ({reference}): bundle the document into one file, or write it by hand")
}
