//! Many items in one request, taken or refused as a whole, and answered in an order of their own.
//!
//! Must never take a part of a list: a client that gets no 200 knows that nothing was taken.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse};
use super::router::{Asked, Route, World};
use super::seed::hash;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "POST",
    pattern: "/items/bulk",
    doc: "takes {\"items\": [{\"sku\": ...}, ...]}, 100 at most; a list with one unknown sku is refused with 422; the \
          reply has an item for each, in any order",
    handle: bulk,
}];

/// Most items of a list.
const MOST: usize = 100;

/// Sets the ids of items apart from everything else that is drawn from the seed.
const IDS: u64 = 0x0000_0b11;

fn bulk(world: &World, asked: &Asked<'_>) -> Answer {
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let Some(items) = body["items"].as_array().filter(|items| (1..=MOST).contains(&items.len())) else {
        let help = "send {\"items\": [{\"sku\": \"LMP-1001\"}]}, 1 to 100 of them";
        return refuse(StatusCode::BAD_REQUEST, "the body has no list of items", help).into();
    };
    let mut taken = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let Some(sku) = item["sku"].as_str().filter(|sku| super::products::describe(world.seed, sku).is_some()) else {
            let error = format!("items[{position}] has no sku that is known; nothing was taken");
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, &error, "leave it out, or send it on its own").into();
        };
        let id = hash(world.seed ^ IDS, sku);
        taken.push((id, json!({ "sku": sku, "id": format!("itm-{id:016x}") })));
    }
    taken.sort_unstable_by_key(|(id, _)| *id);
    let items: Vec<Value> = taken.into_iter().map(|(_, item)| item).collect();
    ok(&json!({ "count": items.len(), "items": items })).into()
}
