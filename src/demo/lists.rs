//! One list of items, paged in every style.
//!
//! All styles show the same items in the same order; a page or cursor that is not there is an error,
//! never an empty success, except behind the last page of numbered pages and offsets, as real ones do.

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse, with};
use super::products::describe_item;
use super::router::{Asked, Route, World};
use super::seed::hash;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/lists/page-number",
        doc: "95 items by ?page=1&per_page=10; meta.pages and meta.total say how many there are",
        handle: page_number,
    },
    Route {
        method: "GET",
        pattern: "/lists/offset",
        doc: "95 items by ?offset=0&limit=10; total says how many there are",
        handle: offset,
    },
    Route {
        method: "GET",
        pattern: "/lists/cursor",
        doc: "95 items by ?cursor=...&limit=10; next is the cursor to go on with, null at the end",
        handle: cursor,
    },
    Route {
        method: "GET",
        pattern: "/lists/header-link",
        doc: "95 items by ?page=1&per_page=10; a Link header (RFC 8288) names the next page",
        handle: header_link,
    },
    Route {
        method: "GET",
        pattern: "/lists/json-link",
        doc: "95 items by ?page=1&per_page=10; links.next is the URL to go on with, null at the end",
        handle: json_link,
    },
];

/// Items of the list.
const TOTAL: u64 = 95;
/// Items of a page, unless asked otherwise.
const SIZE: u64 = 10;
/// Most items of a page.
const MOST: u64 = 50;

/// A page that was asked for.
#[derive(Debug, Clone, Copy)]
struct Page {
    number: u64,
    size: u64,
}

impl Page {
    fn of(asked: &Asked<'_>) -> Result<Self, Answer> {
        let number = number(asked, "page", 1)?;
        let size = number_between(asked, "per_page", SIZE, 1, MOST)?;
        if number == 0 {
            return Err(bad("page counts from 1"));
        }
        Ok(Self { number, size })
    }

    fn start(self) -> u64 {
        (self.number - 1).saturating_mul(self.size)
    }

    fn last(self) -> u64 {
        TOTAL.div_ceil(self.size)
    }

    fn items(self, world: &World) -> Vec<Value> {
        items(world, self.start(), self.size)
    }
}

fn items(world: &World, start: u64, size: u64) -> Vec<Value> {
    let end = start.saturating_add(size).min(TOTAL);
    (start..end).map(|index| describe_item(world.seed, index + 1)).collect()
}

fn number(asked: &Asked<'_>, name: &str, default: u64) -> Result<u64, Answer> {
    match asked.parameter(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| bad(&format!("{name} must be a whole number, it is {text}"))),
    }
}

fn number_between(asked: &Asked<'_>, name: &str, default: u64, least: u64, most: u64) -> Result<u64, Answer> {
    let value = number(asked, name, default)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(bad(&format!("{name} must be {least} to {most}, it is {value}")))
}

fn bad(error: &str) -> Answer {
    refuse(StatusCode::BAD_REQUEST, error, "leave the parameter out for its default").into()
}

fn page_number(world: &World, asked: &Asked<'_>) -> Answer {
    let page = match Page::of(asked) {
        Ok(page) => page,
        Err(answer) => return answer,
    };
    let meta = json!({ "page": page.number, "per_page": page.size, "pages": page.last(), "total": TOTAL });
    ok(&json!({ "items": page.items(world), "meta": meta })).into()
}

fn offset(world: &World, asked: &Asked<'_>) -> Answer {
    let range = number(asked, "offset", 0)
        .and_then(|offset| number_between(asked, "limit", SIZE, 1, MOST).map(|limit| (offset, limit)));
    match range {
        Ok((offset, limit)) => {
            let items = items(world, offset, limit);
            ok(&json!({ "items": items, "offset": offset, "limit": limit, "total": TOTAL })).into()
        }
        Err(answer) => answer,
    }
}

fn cursor(world: &World, asked: &Asked<'_>) -> Answer {
    let limit = match number_between(asked, "limit", SIZE, 1, MOST) {
        Ok(limit) => limit,
        Err(answer) => return answer,
    };
    let start = match asked.parameter("cursor") {
        None => Some(0),
        Some(text) => (1..TOTAL).find(|start| cursor_at(world, *start) == text),
    };
    let Some(start) = start else { return bad("there is no such cursor") };
    let next = start + limit;
    let next = if next < TOTAL { Value::from(cursor_at(world, next)) } else { Value::Null };
    ok(&json!({ "items": items(world, start, limit), "next": next })).into()
}

/// The cursor in front of an item: nothing a client could compute itself.
fn cursor_at(world: &World, start: u64) -> String {
    format!("c{:016x}", hash(world.seed, &format!("cursor {start}")))
}

fn header_link(world: &World, asked: &Asked<'_>) -> Answer {
    let page = match Page::of(asked) {
        Ok(page) => page,
        Err(answer) => return answer,
    };
    let target =
        |number: u64, rel: &str| format!("</lists/header-link?page={number}&per_page={}>; rel=\"{rel}\"", page.size);
    let mut links = vec![target(1, "first"), target(page.last(), "last")];
    if page.number > 1 {
        links.push(target(page.number - 1, "prev"));
    }
    if page.number < page.last() {
        links.push(target(page.number + 1, "next"));
    }
    with(ok(&Value::from(page.items(world))), "link", links.join(", ")).into()
}

fn json_link(world: &World, asked: &Asked<'_>) -> Answer {
    let page = match Page::of(asked) {
        Ok(page) => page,
        Err(answer) => return answer,
    };
    let host = asked.header(header::HOST);
    let next = (page.number < page.last())
        .then(|| format!("http://{host}/lists/json-link?page={}&per_page={}", page.number + 1, page.size));
    ok(&json!({ "items": page.items(world), "links": { "next": next } })).into()
}
