//! A GraphQL route that throttles in its bodies, as Shopify's does: status 200, whatever happens.
//!
//! A query costs points of a bucket that is restored all the time; without enough of them the reply holds an
//! error with the code THROTTLED and no data. Must never understand GraphQL: every query asks for one item.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse};
use super::limited::Taken;
use super::router::{Asked, Route, World};
use crate::clock;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "POST",
    pattern: "/graphql",
    doc: "{\"query\", \"variables\": {\"id\", \"cost\"}}: 100 points, 50 more a second, a query costs 10 or what it \
          says; without enough 200 with errors[0].extensions.code THROTTLED",
    handle: query,
}];

/// Points that the bucket holds.
pub(super) const MOST_POINTS: u32 = 100;

/// Points it gains in a second.
pub(super) const RESTORED: u32 = 50;

/// What a query costs that does not say so.
const COST: u64 = 10;

fn query(world: &World, asked: &Asked<'_>) -> Answer {
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    if !body["query"].is_string() {
        return refuse(StatusCode::BAD_REQUEST, "there is no query", "send {\"query\": \"{ item { id } }\"}").into();
    }
    let said = &body["variables"]["cost"];
    let cost = if said.is_null() { Some(COST) } else { said.as_u64() };
    let Some(cost) = cost.and_then(|cost| u32::try_from(cost).ok()).filter(|cost| (1..=MOST_POINTS).contains(cost))
    else {
        return refuse(StatusCode::BAD_REQUEST, "a cost is 1 to 100", "leave it out for 10").into();
    };
    told(world.points.take(clock::now(), cost), cost, &body["variables"]["id"]).into()
}

fn told(taken: Taken, cost: u32, id: &Value) -> super::answer::Reply {
    let actual = if taken.allowed { json!(cost) } else { Value::Null };
    let status = json!({ "maximumAvailable": MOST_POINTS, "currentlyAvailable": taken.left, "restoreRate": RESTORED });
    let cost = json!({ "requestedQueryCost": cost, "actualQueryCost": actual, "throttleStatus": status });
    let extensions = json!({ "cost": cost });
    if taken.allowed {
        return ok(&json!({ "data": { "item": { "id": id } }, "extensions": extensions }));
    }
    let error = json!({ "message": "Throttled", "extensions": { "code": "THROTTLED" } });
    ok(&json!({ "errors": [error], "extensions": extensions }))
}
