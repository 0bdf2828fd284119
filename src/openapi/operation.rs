//! An operation: where it is, what it takes, and what comes back.

use serde_json::Value;

use super::security::{self, Scheme};
use super::shape::Shape;
use super::{Api, Listed, one_line, pointer, swagger};

/// Stands for the host that a document does not name.
const NO_HOST: &str = "https://api.example.com";

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
    /// Its value.
    pub shape: Shape,
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
    let server = server(api, item, operation, &mut notes)?;
    let body = if api.is_swagger() {
        swagger::body(root, operation, &written)
    } else {
        operation.get("requestBody").and_then(|body| body_of(root, body, &mut notes))
    };
    Ok(Operation {
        id: listed.id.clone(),
        method: listed.method.clone(),
        path: listed.path.clone(),
        summary: listed.summary.clone(),
        parameters: written.iter().filter_map(|parameter| self::parameter(root, parameter)).collect(),
        body,
        security: security::of(api, operation, &server, &mut notes),
        reply: reply(api, operation),
        server,
        notes,
    })
}

/// Parameters of the operation, then those of its path that it does not name itself.
fn parameters<'v>(root: &'v Value, item: &'v Value, operation: &'v Value, notes: &mut Vec<String>) -> Vec<&'v Value> {
    let mut found: Vec<&Value> = Vec::new();
    let all = [operation, item].into_iter().filter_map(|of| of["parameters"].as_array()).flatten();
    for parameter in all.map(|parameter| pointer::followed(root, parameter)) {
        if let Some(reference) = pointer::lost(parameter) {
            notes.push(lost("a parameter", reference));
        } else if !found.iter().any(|known| known["name"] == parameter["name"] && known["in"] == parameter["in"]) {
            found.push(parameter);
        }
    }
    found
}

fn parameter(root: &Value, written: &Value) -> Option<Parameter> {
    let spot = match written["in"].as_str()? {
        "path" => Spot::Path,
        "query" => Spot::Query,
        "header" => Spot::Header,
        "cookie" => Spot::Cookie,
        _ => return None,
    };
    // Of Swagger 2.0, the parameter is the schema itself.
    let schema = written.get("schema").or_else(|| Some(&content(written)?.1["schema"])).unwrap_or(written);
    let mut shape = Shape::of(root, schema);
    if let Some(example) = example(root, written) {
        shape = shape.sampled(example);
    }
    let name = written["name"].as_str()?.to_owned();
    Some(Parameter { name, spot, required: spot == Spot::Path || written["required"] == true, shape })
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
        (Some(shape), Some(example)) if shape.kind != super::Kind::Any => shape.sampled(example),
        (_, Some(example)) => Shape::of_value(example),
        (shape, None) => shape.unwrap_or_else(|| Shape::of(root, &Value::Null)),
    }
}

/// The first reply of a success that has a content.
fn reply(api: &Api, operation: &Value) -> Option<Reply> {
    let root = &api.root;
    let all = operation["responses"].as_object()?;
    let mut good: Vec<&String> = all.keys().filter(|status| status.starts_with('2')).collect();
    good.sort();
    let fallback = all.keys().find(|status| *status == "default");
    good.into_iter().chain(fallback).find_map(|status| {
        let response = pointer::followed(root, &all[status.as_str()]);
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

/// The first server of the operation, of its path, of the document.
fn server(api: &Api, item: &Value, operation: &Value, notes: &mut Vec<String>) -> Result<String, String> {
    let root = &api.root;
    let written = if api.is_swagger() {
        swagger::server(root)
    } else {
        let first = [operation, item, root].into_iter().find_map(|of| of["servers"].as_array()?.first());
        first.map(filled).unwrap_or_default()
    };
    let written = written.trim_end_matches('/');
    let has_host = written.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'));
    if has_host && !written.starts_with("http://") && !written.starts_with("https://") {
        return Err(format!("its server is {}, and only http:// and https:// can be asked", written.escape_debug()));
    }
    if has_host {
        return Ok(written.to_owned());
    }
    notes.push(format!("the document names no host: write it in the place of {NO_HOST}"));
    let path = written.split_once("://").map_or(written, |(_, path)| path).trim_start_matches("./");
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    Ok(format!("{NO_HOST}{slash}{path}"))
}

/// The URL of a server, its variables at their defaults.
fn filled(server: &Value) -> String {
    let mut url = server["url"].as_str().unwrap_or_default().to_owned();
    for (name, variable) in server["variables"].as_object().into_iter().flatten() {
        let value = variable["default"].as_str().or_else(|| variable.pointer("/enum/0")?.as_str()).unwrap_or(name);
        url = url.replace(&format!("{{{name}}}"), value);
    }
    url.replace(['{', '}'], "")
}

/// What to say of a reference that leads out of the document.
fn lost(what: &str, reference: &str) -> String {
    let reference = one_line(reference);
    format!("{what} stands elsewhere ({reference}): bundle the document into one file, or write it by hand")
}
