//! What Swagger 2.0 says in other words: hosts, bodies among the parameters, replies without media types.

use serde_json::{Map, Value, json};

use super::operation::{Body, Reply, bare, is_json};
use super::pointer;
use super::shape::Shape;

const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data";
const JSON: &str = "application/json";

/// Scheme, host and base path; without a host the base path alone.
pub(super) fn server(root: &Value) -> String {
    let path = root["basePath"].as_str().unwrap_or_default();
    let Some(host) = root["host"].as_str() else { return path.to_owned() };
    // A scheme does not belong there, and stands there at times.
    let host = host.trim().split_once("://").map_or(host.trim(), |(_, host)| host).trim_end_matches('/');
    let schemes: Vec<&str> = root["schemes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") { "https" } else { schemes[0] };
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{host}{slash}{path}")
}

/// The media types of `consumes` or `produces`.
fn media<'v>(root: &'v Value, operation: &'v Value, key: &str) -> Vec<&'v str> {
    let of = if operation.get(key).is_some() { operation } else { root };
    of[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(bare).collect()
}

/// The one to take: JSON, if it is among them or none is named.
fn chosen<'v>(media: &[&'v str]) -> &'v str {
    let json = media.iter().copied().find(|media| is_json(media) && *media != "*/*");
    json.or(media.first().copied()).unwrap_or(JSON)
}

/// The body, which is a parameter or several.
pub(super) fn body(root: &Value, operation: &Value, parameters: &[&Value]) -> Option<Body> {
    let media = media(root, operation, "consumes");
    if let Some(body) = parameters.iter().find(|parameter| parameter["in"] == "body") {
        return Some(Body { media: chosen(&media).to_owned(), shape: Shape::of(root, &body["schema"]) });
    }
    let fields: Vec<&&Value> = parameters.iter().filter(|parameter| parameter["in"] == "formData").collect();
    if fields.is_empty() {
        return None;
    }
    let has_file = fields.iter().any(|field| field["type"] == "file");
    let kind = if has_file || media.contains(&PARTS) { PARTS } else { FORM };
    let name = |field: &&&Value| field["name"].as_str().map(str::to_owned);
    let properties: Map<String, Value> =
        fields.iter().filter_map(|field| Some((name(field)?, (**field).clone()))).collect();
    let required: Vec<String> = fields.iter().filter(|field| field["required"] == true).filter_map(name).collect();
    // `required` of a parameter is no list, and means nothing within a schema.
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    Some(Body { media: kind.to_owned(), shape: Shape::of(root, &schema) })
}

/// A reply.
pub(super) fn reply(root: &Value, operation: &Value, response: &Value, has_links: bool) -> Option<Reply> {
    let schema = response.get("schema")?;
    let media = media(root, operation, "produces");
    let mut shape = Shape::of(root, schema);
    let example = response["examples"].as_object().and_then(|all| all.get(chosen(&media)));
    if let Some(example) = example.map(|example| pointer::followed(root, example)) {
        shape = shape.sampled(example);
    }
    Some(Reply { media: chosen(&media).to_owned(), has_others: media.len() > 1, shape, has_links })
}
