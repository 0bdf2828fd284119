//! An inbox for records that come in batches, each batch taken once for each Idempotency-Key.
//!
//! A batch is a JSON array or JSON lines. About one new batch in three stumbles: the first try is answered 503 and nothing
//! is taken, or it is taken and the connection is cut before the answer. Which ones depends on the seed and the body alone.
//! Must never take a batch twice that comes with the same key, as long as it remembers the key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse};
use super::orders::key;
use super::router::{Asked, Route, World};
use super::seed::{Draw, hash};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        pattern: "/inbox",
        doc: "takes a batch of records, a JSON array or JSON lines, once for each Idempotency-Key; one in three is \
              answered 503 at first, or taken and cut before the answer",
        handle: take,
    },
    Route {
        method: "GET",
        pattern: "/inbox",
        doc: "what came to the inbox, and how many batches came again",
        handle: show,
    },
];

/// Most records kept to be shown, and most keys remembered; beyond it the inbox is full.
const MOST: usize = 100_000;

/// Sets the draws of stumbles apart.
const STUMBLES: u64 = 0x01b0_0003;

/// Everything that came.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    /// Hashes of bodies, by the hash of their key.
    known: HashMap<u64, u64>,
    records: Vec<Value>,
    batches: u64,
    again: u64,
}

impl Inbox {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(world: &World, _: &Asked<'_>) -> Answer {
    let content = world.inbox.content();
    ok(&json!({ "batches": content.batches, "again": content.again, "records": content.records })).into()
}

fn take(world: &World, asked: &Asked<'_>) -> Answer {
    let refused = |status, error: &str, help| Answer::from(refuse(status, error, help));
    let text = String::from_utf8_lossy(asked.body);
    let Some(records) = records(&text) else {
        let help = "send [{\"id\": 1}], or an object a line";
        return refused(StatusCode::BAD_REQUEST, "the body is no list of records", help);
    };
    let key = match key(asked) {
        Ok(Some(key)) => hash(world.seed, &key),
        Ok(None) => hash(world.seed, &text),
        Err(why) => return refused(StatusCode::BAD_REQUEST, why, "send Idempotency-Key: \"a text of your own\""),
    };
    let body = hash(world.seed ^ STUMBLES, &text);
    let luck = Draw::new(world.seed ^ STUMBLES, &text).below(6);
    if luck == 0 && world.stumble(body) == 0 {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "the inbox is shut for now", "try again with the same key");
    }
    let mut content = world.inbox.content();
    if let Some(known) = content.known.get(&key) {
        if *known != body {
            let error = "this Idempotency-Key was sent with another body";
            return refused(StatusCode::UNPROCESSABLE_ENTITY, error, "take another key for another batch");
        }
        content.again += 1;
        return ok(&json!({ "taken": 0, "again": true })).into();
    }
    if content.known.len() >= MOST || content.records.len() + records.len() > MOST {
        return refused(StatusCode::INSUFFICIENT_STORAGE, "the inbox is full", "start the demo again");
    }
    let taken = records.len();
    content.known.insert(key, body);
    content.batches += 1;
    content.records.extend(records);
    if luck == 1 { Answer::Cut } else { ok(&json!({ "taken": taken })).into() }
}

/// The records of a body; `None`: it has none.
fn records(text: &str) -> Option<Vec<Value>> {
    let records: Vec<Value> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).ok()?,
        false => text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?,
    };
    (!records.is_empty() && records.iter().all(Value::is_object)).then_some(records)
}
