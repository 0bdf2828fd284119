//! The table of routes, and the way from a request to its handler.
//!
//! A handler looks at what was asked and at the world, and answers; it never waits. Must never panic
//! on anything a client sends.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::answer::{Answer, Reply, json as json_reply, ok, refuse, with};
use super::inbox::Inbox;
use super::limited::Bucket;
use super::orders::Orders;
use super::{
    access, bulk, echo, files, graphql, inbox, limited, lists, orders, pages, products, rates, ticks, trouble, upload,
    users,
};

/// A route of the demo.
#[derive(Debug)]
pub(super) struct Route {
    /// Its method; `ANY` takes all.
    pub(super) method: &'static str,
    /// Its path; `{name}` stands for one segment, a last `{name...}` for all that follow.
    pub(super) pattern: &'static str,
    /// What it does, for people.
    pub(super) doc: &'static str,
    /// Answers.
    pub(super) handle: fn(&World, &Asked<'_>) -> Answer,
}

/// The method of routes that take all methods.
pub(super) const ANY: &str = "ANY";

const GROUPS: &[&[Route]] = &[
    INDEX,
    products::ROUTES,
    pages::ROUTES,
    rates::ROUTES,
    files::ROUTES,
    lists::ROUTES,
    users::ROUTES,
    access::ROUTES,
    echo::ROUTES,
    upload::ROUTES,
    bulk::ROUTES,
    orders::ROUTES,
    inbox::ROUTES,
    limited::ROUTES,
    graphql::ROUTES,
    ticks::ROUTES,
    trouble::ROUTES,
];

const INDEX: &[Route] = &[Route { method: "GET", pattern: "/", doc: "this list, as JSON", handle: index }];

/// Every route, in the order people read them.
pub(super) fn table() -> impl Iterator<Item = &'static Route> {
    GROUPS.iter().copied().flatten()
}

fn index(_: &World, _: &Asked<'_>) -> Answer {
    let lines: Vec<_> =
        table().map(|route| json!({ "method": route.method, "path": route.pattern, "does": route.doc })).collect();
    ok(&json!({ "routes": lines })).into()
}

/// What the server remembers.
#[derive(Debug)]
pub(super) struct World {
    /// Seed of everything that looks random.
    pub(super) seed: u64,
    /// When it began; tokens are dated from here.
    pub(super) began: crate::clock::Instant,
    /// Tokens given so far.
    tokens: AtomicU64,
    /// How often something was refused or cut, by the hash of what it was.
    stumbles: Mutex<HashMap<u64, u32>>,
    /// The bucket of `/limited`.
    pub(super) bucket: Bucket,
    /// The bucket of `/limited-legacy`.
    pub(super) legacy_bucket: Bucket,
    /// The points of `/graphql`.
    pub(super) points: Bucket,
    /// What `/orders` made.
    pub(super) orders: Orders,
    /// What came to `/inbox`.
    pub(super) inbox: Inbox,
}

/// Most stumbles kept; beyond it they are forgotten, so that memory has a bound.
const MOST_STUMBLES: usize = 100_000;

impl World {
    /// A world where nothing has happened yet.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            began: crate::clock::now(),
            tokens: AtomicU64::default(),
            stumbles: Mutex::default(),
            bucket: Bucket::full(),
            legacy_bucket: Bucket::full(),
            points: Bucket::of(graphql::MOST_POINTS, graphql::RESTORED),
            orders: Orders::default(),
            inbox: Inbox::default(),
        }
    }

    /// The number of one more token, from 1.
    pub(super) fn next_token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts one more stumble over `what` and says how many there were before.
    pub(super) fn stumble(&self, what: u64) -> u32 {
        let mut stumbles = self.stumbles();
        if stumbles.len() >= MOST_STUMBLES && !stumbles.contains_key(&what) {
            stumbles.clear();
        }
        let count = stumbles.entry(what).or_default();
        *count = count.saturating_add(1);
        *count - 1
    }

    /// Forgets the stumbles over `what`.
    pub(super) fn forget(&self, what: u64) {
        self.stumbles().remove(&what);
    }

    fn stumbles(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.stumbles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, as handlers see it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Method.
    pub(super) method: &'a Method,
    /// Path, as it was sent.
    pub(super) path: &'a str,
    /// Query, as it was sent, without the question mark.
    pub(super) query: &'a str,
    /// Headers.
    pub(super) headers: &'a HeaderMap,
    /// The whole body.
    pub(super) body: &'a Bytes,
    /// What `{name}` of the route stands for, decoded.
    pub(super) part: Cow<'a, str>,
}

impl Asked<'_> {
    /// Parameters of the query, decoded, in order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        pairs(self.query)
    }

    /// The first parameter of this name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A header as text; empty when it is missing or not text.
    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Splits and decodes `a=1&b=2`, as queries and forms write it.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decode(name), form_decode(value))
    })
}

fn form_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Finds the route and lets it answer.
pub(super) fn dispatch(world: &World, mut asked: Asked<'_>) -> Answer {
    let mut allowed = Vec::new();
    for route in table() {
        let Some(part) = matches(route.pattern, asked.path) else { continue };
        if takes(route.method, asked.method) {
            asked.part = percent_decode_str(part).decode_utf8_lossy();
            return (route.handle)(world, &asked);
        }
        allowed.push(route.method);
    }
    nowhere(&asked, &allowed).into()
}

fn takes(route: &str, method: &Method) -> bool {
    route == ANY || route == method.as_str() || (route == "GET" && method == Method::HEAD)
}

/// The text that the one `{name}` of a pattern stands for; empty when the pattern has none. A
/// pattern has its `{name}` last.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, name)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let part = path.strip_prefix(before)?;
    let whole = name.ends_with("...}");
    (whole || (!part.is_empty() && !part.contains('/'))).then_some(part)
}

fn nowhere(asked: &Asked<'_>, allowed: &[&str]) -> Reply {
    if allowed.is_empty() {
        let error = format!("no route {}", asked.path);
        return refuse(StatusCode::NOT_FOUND, &error, "GET / lists the routes");
    }
    let error = format!("{} does not take {}", asked.path, asked.method);
    let body = json!({ "error": error, "help": format!("use {}", allowed.join(" or ")) });
    with(json_reply(StatusCode::METHOD_NOT_ALLOWED, &body), "allow", allowed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_one_segment_or_all_that_follow() {
        assert_eq!(matches("/echo", "/echo"), Some(""));
        assert_eq!(matches("/echo", "/echo/"), None);
        assert_eq!(matches("/items/{id}", "/items/7"), Some("7"));
        assert_eq!(matches("/items/{id}", "/items/"), None);
        assert_eq!(matches("/items/{id}", "/items/7/more"), None);
        assert_eq!(matches("/flaky/{rest...}", "/flaky/a/b"), Some("a/b"));
    }

    #[test]
    fn patterns_keep_to_what_the_matcher_knows() {
        for route in table() {
            assert!(route.pattern.matches('{').count() <= 1, "{}", route.pattern);
            assert!(!route.pattern.contains('{') || route.pattern.ends_with('}'), "{}", route.pattern);
        }
    }

    #[test]
    fn no_route_hides_another() {
        let routes: Vec<_> = table().collect();
        for (position, route) in routes.iter().enumerate() {
            let path = route.pattern.replace(['{', '}'], "");
            let first = routes.iter().position(|other| {
                (other.method == ANY || other.method == route.method) && matches(other.pattern, &path).is_some()
            });
            assert_eq!(first, Some(position), "{} {}", route.method, route.pattern);
        }
    }

    #[test]
    fn stumbles_are_bounded_and_can_be_forgotten() {
        let world = World::new(1);
        assert_eq!([world.stumble(5), world.stumble(5)], [0, 1]);
        world.forget(5);
        assert_eq!(world.stumble(5), 0);
        for what in 0..(MOST_STUMBLES as u64 + 10) {
            world.stumble(what);
        }
        assert!(world.stumbles().len() <= MOST_STUMBLES);
    }

    #[test]
    fn pairs_are_decoded() {
        let found: Vec<_> = pairs("a=1&b=x+y%26z&c&&d=").collect();
        let expected = [("a", "1"), ("b", "x y&z"), ("c", ""), ("d", "")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
