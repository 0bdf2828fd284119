//! Orders that are made once for each Idempotency-Key, however often they are posted.
//!
//! Speaks draft-ietf-httpapi-idempotency-key-header: the first request with a key does the deed, the same
//! key and body again get the same reply, the same key with another body is refused with 422. About one new
//! order in three is made and its reply is lost on the way: 503, or a cut connection. Which ones depends on
//! the seed and the body alone. Must never make two orders of one key, as long as it remembers the key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Reply, json as json_reply, ok, refuse, with};
use super::router::{Asked, Route, World};
use super::seed::{Draw, hash};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        pattern: "/orders",
        doc: "makes an order of a JSON object, once for each Idempotency-Key; one in three is made and then answered \
              503 or cut; ?strict wants a key",
        handle: order,
    },
    Route {
        method: "GET",
        pattern: "/orders/stats",
        doc: "how many orders were made, and how many requests met one that was",
        handle: stats,
    },
];

/// Most keys remembered; beyond it the oldest is forgotten, so that memory has a bound.
const MOST_KEYS: usize = 100_000;

/// Longest key taken, in bytes.
const LONGEST_KEY: usize = 255;

/// Sets the ids of orders apart from everything else that is drawn from the seed.
const IDS: u64 = 0x0000_04de;

/// Sets the draws of lost replies apart.
const LOSSES: u64 = 0x0105_7004;

/// Every order there is, as far as it is remembered.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// By the hash of their key.
    known: HashMap<u64, Made>,
    /// Hashes of keys, the oldest first.
    ages: VecDeque<u64>,
    made: u64,
    replayed: u64,
}

/// An order that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    /// Hash of the body it was made of.
    body: u64,
    /// Its number, from 1.
    number: u64,
}

/// What a key and a body came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    New(u64),
    Again(u64),
    OtherBody,
}

impl Orders {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Makes an order that nobody can recognise.
    fn make(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Makes the order of a key, or finds the one that was made.
    fn find_or_make(&mut self, key: u64, body: u64) -> Found {
        if let Some(made) = self.known.get(&key) {
            if made.body != body {
                return Found::OtherBody;
            }
            self.replayed += 1;
            return Found::Again(made.number);
        }
        let number = self.make();
        self.known.insert(key, Made { body, number });
        self.ages.push_back(key);
        if self.ages.len() > MOST_KEYS
            && let Some(oldest) = self.ages.pop_front()
        {
            self.known.remove(&oldest);
        }
        Found::New(number)
    }
}

fn stats(world: &World, _: &Asked<'_>) -> Answer {
    let book = world.orders.book();
    ok(&json!({ "created": book.made, "replayed": book.replayed })).into()
}

fn order(world: &World, asked: &Asked<'_>) -> Answer {
    let Ok(Value::Object(item)) = serde_json::from_slice(asked.body) else {
        return refuse(StatusCode::BAD_REQUEST, "the body is no JSON object", "send {\"sku\": ...}").into();
    };
    let item = Value::Object(item);
    let text = String::from_utf8_lossy(asked.body);
    match key(asked) {
        Err(why) => refuse(StatusCode::BAD_REQUEST, why, "send Idempotency-Key: \"a text of your own\"").into(),
        Ok(None) if asked.parameter("strict").is_some() => {
            refuse(StatusCode::BAD_REQUEST, "there is no Idempotency-Key", "leave ?strict out, or send one").into()
        }
        Ok(None) => keyless(world, &text, &item),
        Ok(Some(key)) => keyed(world, &key, &text, &item),
    }
}

/// An order without a key: each request makes one, and the second gets its reply.
fn keyless(world: &World, text: &str, item: &Value) -> Answer {
    let number = world.orders.book().make();
    let reply = made(world.seed, &number.to_string(), text, number, item);
    let what = hash(world.seed ^ LOSSES, text);
    match loss(world.seed, text) {
        Some(answer) if world.stumble(what) == 0 => answer,
        Some(_) => {
            world.forget(what);
            reply.into()
        }
        None => reply.into(),
    }
}

fn keyed(world: &World, key: &str, text: &str, item: &Value) -> Answer {
    let found = world.orders.book().find_or_make(hash(world.seed, key), hash(world.seed, text));
    match found {
        Found::New(number) => {
            loss(world.seed, text).unwrap_or_else(|| made(world.seed, key, text, number, item).into())
        }
        Found::Again(number) => with(made(world.seed, key, text, number, item), "idempotent-replayed", "true").into(),
        Found::OtherBody => refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was sent with another body",
            "take another key for another order",
        )
        .into(),
    }
}

/// What a client gets instead of the reply to a new order; `None`: the reply.
fn loss(seed: u64, text: &str) -> Option<Answer> {
    let mut draw = Draw::new(seed ^ LOSSES, text);
    match draw.below(6) {
        0 => Some(refuse(StatusCode::SERVICE_UNAVAILABLE, "the reply got lost", "try again with the same key").into()),
        1 => Some(Answer::Cut),
        _ => None,
    }
}

/// The reply to an order: the same whenever it is asked for.
fn made(seed: u64, key: &str, text: &str, number: u64, item: &Value) -> Reply {
    let id = hash(seed ^ IDS, &format!("{key}\n{text}"));
    let body = json!({ "ok": true, "order": format!("ord-{id:016x}"), "number": number, "item": item });
    json_reply(StatusCode::CREATED, &body)
}

/// The key of a request: a string of structured fields (RFC 9651 §3.3.3), or any other visible text as it stands.
pub(super) fn key(asked: &Asked<'_>) -> Result<Option<String>, &'static str> {
    let Some(value) = asked.headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| "the Idempotency-Key is not ASCII")?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or("the quotes of the Idempotency-Key do not match")?,
        None => text.to_owned(),
    };
    match key.len() {
        0 => Err("the Idempotency-Key is empty"),
        1..=LONGEST_KEY => Ok(Some(key)),
        _ => Err("the Idempotency-Key is longer than 255 bytes"),
    }
}

/// What stands before the closing quote, which must be the last character; `\"` and `\\` are the only escapes.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            other => key.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_ends_with_its_quote() {
        assert_eq!(unquoted(r#"a b""#).as_deref(), Some("a b"));
        assert_eq!(unquoted(r#"a\"\\""#).as_deref(), Some(r#"a"\"#));
        for wrong in ["a", r#"a"b"#, r#"a\n""#, r#"a\""#, r#"a"";p=1"#] {
            assert_eq!(unquoted(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_are_remembered_up_to_a_bound() {
        let mut book = Book::default();
        let most = MOST_KEYS as u64;
        for key in 0..=most {
            assert_eq!(book.find_or_make(key, 7), Found::New(key + 1));
        }
        assert_eq!((book.known.len(), book.ages.len()), (MOST_KEYS, MOST_KEYS));
        assert_eq!(book.find_or_make(1, 7), Found::Again(2));
        assert_eq!(book.find_or_make(1, 8), Found::OtherBody);
        assert_eq!((book.made, book.replayed), (most + 1, 1));
        assert_eq!(book.find_or_make(0, 7), Found::New(most + 2), "the oldest is forgotten");
    }
}
