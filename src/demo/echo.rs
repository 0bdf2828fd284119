//! What was sent, told back as JSON.

use serde_json::{Map, Value, json};

use super::answer::{Answer, ok};
use super::router::{ANY, Asked, Route, World};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: ANY,
        pattern: "/echo",
        doc: "any method: method, path, query, headers, body (and json, when the body is JSON)",
        handle: echo,
    },
    Route { method: ANY, pattern: "/echo/{rest...}", doc: "the same, with a path", handle: echo },
];

fn echo(_: &World, asked: &Asked<'_>) -> Answer {
    let headers = asked
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let json: Option<Value> = serde_json::from_slice(asked.body).ok();
    ok(&json!({
        "method": asked.method.as_str(),
        "path": asked.path,
        "query": gather(asked.parameters()),
        "headers": gather(headers),
        "body": String::from_utf8_lossy(asked.body),
        "json": json,
    }))
    .into()
}

/// Pairs as an object; a name that comes twice has a list.
pub(super) fn gather(pairs: impl Iterator<Item = (String, String)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in pairs {
        match object.get_mut(&name) {
            None => {
                object.insert(name, Value::from(value));
            }
            Some(Value::Array(values)) => values.push(Value::from(value)),
            Some(single) => *single = json!([single.take(), value]),
        }
    }
    object
}
