//! One list of items, paged in every style.
//!
//! All styles show the same items in the same order; a page or cursor that is not there is an error,
//! never an empty success, except behind the last page of numbered pages and offsets, as real ones do.

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::answer::{Answer, Reply, ok, refuse, with};
use super::products::describe_item;
use super::router::{Asked, Route, World};
use super::seed::hash;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/lists/page-number",
        doc: "95 items by ?page=1&per_page=10; meta.pages and meta.total say how many there are, meta.has_more whether more follow",
        handle: |world, asked| show(page_number(world, asked)),
    },
    Route {
        method: "GET",
        pattern: "/lists/offset",
        doc: "95 items by ?offset=0&limit=10; total says how many there are, has_more whether more follow",
        handle: |world, asked| show(offset(world, asked)),
    },
    Route {
        method: "GET",
        pattern: "/lists/cursor",
        doc: "95 items by ?cursor=...&limit=10; next is the cursor to go on with, null at the end; has_more says the same",
        handle: |world, asked| show(cursor(world, asked)),
    },
    Route {
        method: "GET",
        pattern: "/lists/header-link",
        doc: "95 items by ?page=1&per_page=10; a Link header (RFC 8288) names the next page",
        handle: |world, asked| show(header_link(world, asked)),
    },
    Route {
        method: "GET",
        pattern: "/lists/json-link",
        doc: "95 items by ?page=1&per_page=10; links.next is the URL to go on with, null at the end",
        handle: |world, asked| show(json_link(world, asked)),
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
    fn of(asked: &Asked<'_>) -> Result<Self, String> {
        let number = number(asked, "page", 1)?;
        let size = number_between(asked, "per_page", SIZE, 1, MOST)?;
        if number == 0 {
            return Err("page counts from 1".to_owned());
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

fn number(asked: &Asked<'_>, name: &str, default: u64) -> Result<u64, String> {
    match asked.parameter(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{name} must be a whole number, it is {text}")),
    }
}

fn number_between(asked: &Asked<'_>, name: &str, default: u64, least: u64, most: u64) -> Result<u64, String> {
    let value = number(asked, name, default)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!("{name} must be {least} to {most}, it is {value}"))
}

fn show(page: Result<Reply, String>) -> Answer {
    let refused = |error: String| refuse(StatusCode::BAD_REQUEST, &error, "leave the parameter out for its default");
    page.unwrap_or_else(refused).into()
}

fn page_number(world: &World, asked: &Asked<'_>) -> Result<Reply, String> {
    let page = Page::of(asked)?;
    let has_more = page.number < page.last();
    let meta = json!({
        "page": page.number, "per_page": page.size, "pages": page.last(), "total": TOTAL, "has_more": has_more,
    });
    Ok(ok(&json!({ "items": page.items(world), "meta": meta })))
}

fn offset(world: &World, asked: &Asked<'_>) -> Result<Reply, String> {
    let offset = number(asked, "offset", 0)?;
    let limit = number_between(asked, "limit", SIZE, 1, MOST)?;
    let items = items(world, offset, limit);
    let has_more = offset.saturating_add(limit) < TOTAL;
    Ok(ok(&json!({ "items": items, "offset": offset, "limit": limit, "total": TOTAL, "has_more": has_more })))
}

fn cursor(world: &World, asked: &Asked<'_>) -> Result<Reply, String> {
    let limit = number_between(asked, "limit", SIZE, 1, MOST)?;
    let start = match asked.parameter("cursor") {
        None => Some(0),
        Some(text) => (1..TOTAL).find(|start| cursor_at(world, *start) == text),
    };
    let start = start.ok_or("there is no such cursor")?;
    let next = start + limit;
    let has_more = next < TOTAL;
    let next = if has_more { Value::from(cursor_at(world, next)) } else { Value::Null };
    Ok(ok(&json!({ "items": items(world, start, limit), "next": next, "has_more": has_more })))
}

/// The cursor in front of an item: nothing a client could compute itself.
fn cursor_at(world: &World, start: u64) -> String {
    format!("c{:016x}", hash(world.seed, &format!("cursor {start}")))
}

fn header_link(world: &World, asked: &Asked<'_>) -> Result<Reply, String> {
    let page = Page::of(asked)?;
    let target =
        |number: u64, rel: &str| format!("</lists/header-link?page={number}&per_page={}>; rel=\"{rel}\"", page.size);
    let mut links = vec![target(1, "first"), target(page.last(), "last")];
    if page.number > 1 {
        links.push(target(page.number - 1, "prev"));
    }
    if page.number < page.last() {
        links.push(target(page.number + 1, "next"));
    }
    Ok(with(ok(&Value::from(page.items(world))), "link", links.join(", ")))
}

fn json_link(world: &World, asked: &Asked<'_>) -> Result<Reply, String> {
    let page = Page::of(asked)?;
    let host = asked.header(header::HOST);
    let next = (page.number < page.last())
        .then(|| format!("http://{host}/lists/json-link?page={}&per_page={}", page.number + 1, page.size));
    Ok(ok(&json!({ "items": page.items(world), "links": { "next": next } })))
}
