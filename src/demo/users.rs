//! Users in pages, and the orders of each: one endpoint's records lead to the next.
//!
//! Depends on the seed and the number of the user alone. Must never refuse a user that a page shows.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse};
use super::router::{Asked, Route, World};
use super::seed::Draw;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/users",
        doc: "24 users by ?page=1, 8 to a page; pages says how many there are",
        handle: page,
    },
    Route {
        method: "GET",
        pattern: "/users/{id...}",
        doc: "a user, 1 to 24; /users/7/orders: the orders of user 7, which may be none",
        handle: user,
    },
];

/// Users there are.
const TOTAL: u64 = 24;
/// Users of a page.
const SIZE: u64 = 8;

const NAMES: &[&str] = &["Ada", "Bram", "Chiara", "Dragan", "Edda", "Femi", "Goran", "Hana"];
const CITIES: &[&str] = &["Gent", "Porto", "Tartu", "Lyon", "Graz"];

fn describe(seed: u64, id: u64) -> Value {
    let mut draw = Draw::new(seed ^ id, "user");
    json!({ "id": id, "name": draw.one_of(NAMES), "city": draw.one_of(CITIES) })
}

fn page(world: &World, asked: &Asked<'_>) -> Answer {
    let written = asked.parameter("page").unwrap_or_else(|| "1".to_owned());
    let Some(number) = written.parse::<u64>().ok().filter(|number| *number > 0) else {
        let error = format!("page counts from 1, it is {written}");
        return refuse(StatusCode::BAD_REQUEST, &error, "leave the parameter out for the first").into();
    };
    let start = (number - 1).saturating_mul(SIZE);
    let items: Vec<Value> =
        (start..start.saturating_add(SIZE).min(TOTAL)).map(|index| describe(world.seed, index + 1)).collect();
    ok(&json!({ "items": items, "page": number, "pages": TOTAL.div_ceil(SIZE) })).into()
}

fn user(world: &World, asked: &Asked<'_>) -> Answer {
    let (id, rest) = asked.part.split_once('/').map_or((asked.part.as_ref(), None), |(id, rest)| (id, Some(rest)));
    let known = id.parse::<u64>().ok().filter(|id| (1..=TOTAL).contains(id));
    match (known, rest) {
        (Some(id), None) => ok(&describe(world.seed, id)).into(),
        (Some(id), Some("orders")) => ok(&json!({ "user": id, "items": orders(world.seed, id) })).into(),
        (Some(_), Some(_)) | (None, _) => {
            let error = format!("no route {}", asked.path);
            refuse(StatusCode::NOT_FOUND, &error, "users are 1 to 24; try /users/7/orders").into()
        }
    }
}

/// None to four.
fn orders(seed: u64, user: u64) -> Vec<Value> {
    let mut draw = Draw::new(seed ^ user, "orders of a user");
    let count = draw.below(5);
    let mut order = |number| {
        let cents = u32::try_from(500 + draw.below(20_000)).unwrap_or(0);
        json!({ "number": format!("{user}-{number}"), "total": f64::from(cents) / 100.0 })
    };
    (1..=count).map(&mut order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_users_have_no_orders_and_all_of_them_are_the_same_again() {
        let counts: Vec<usize> = (1..=TOTAL).map(|user| orders(1, user).len()).collect();
        assert!(counts.contains(&0) && counts.contains(&4), "{counts:?}");
        assert_eq!(orders(1, 7), orders(1, 7));
        assert_eq!(describe(1, 3)["id"], 3);
    }
}
