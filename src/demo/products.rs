//! Products by sku, and plain items by number.
//!
//! A few skus refuse once before they answer, so that a job's retries have something to do; which ones
//! they are depends on the seed.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ok, refuse, with};
use super::router::{Asked, Route, World};
use super::seed::{Draw, hash};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/products/{sku}",
        doc: "a product, sku such as LMP-1001; a few answer 503 or 429 once; unknown ones 404",
        handle: product,
    },
    Route { method: "GET", pattern: "/items/{id}", doc: "an item, any whole number; never refuses", handle: item },
];

/// First three letters of a sku, the category, and what its products are called.
const CATEGORIES: &[(&str, &str, &[&str])] = &[
    ("LMP", "lamps", &["Desk Lamp", "Floor Lamp", "Wall Lamp", "Lantern"]),
    ("CHR", "chairs", &["Armchair", "Stool", "Dining Chair", "Rocking Chair"]),
    ("TBL", "tables", &["Side Table", "Coffee Table", "Desk", "Bench"]),
    ("MUG", "kitchen", &["Mug", "Teapot", "Bowl", "Carafe"]),
    ("RUG", "textiles", &["Rug", "Blanket", "Cushion", "Curtain"]),
    ("BOX", "storage", &["Box", "Basket", "Shelf", "Crate"]),
    ("PEN", "office", &["Fountain Pen", "Notebook", "Letter Tray", "Ruler"]),
    ("BAG", "travel", &["Bag", "Backpack", "Purse", "Suitcase"]),
];

const MATERIALS: &[&str] = &["Oak", "Brass", "Linen", "Walnut", "Steel", "Wool", "Glass", "Cork", "Ash", "Copper"];
const WAREHOUSES: &[&str] = &["Gent", "Porto", "Tartu", "Lyon", "Graz"];
const TAGS: &[&str] = &["new", "sale", "handmade", "recycled", "fragile", "bulky"];

fn product(world: &World, asked: &Asked<'_>) -> Answer {
    let sku = asked.part.as_ref();
    let Some(product) = describe(world.seed, sku) else {
        let error = format!("no product {sku}");
        return refuse(StatusCode::NOT_FOUND, &error, "a sku is LMP-0001 to BAG-9999").into();
    };
    match refusal(world.seed, sku) {
        Refusal::Never => ok(&product).into(),
        refusal if world.stumble(hash(world.seed, sku)) == 0 => refuse_once(&refusal),
        Refusal::Unavailable | Refusal::Throttled { .. } => ok(&product).into(),
    }
}

/// How a sku refuses the first request of a server's life.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Never,
    Unavailable,
    Throttled { retry_after: u64 },
}

/// Of 1,000 skus about 20 are unavailable once, 10 throttle without a wait, and 1 asks for a second.
fn refusal(seed: u64, sku: &str) -> Refusal {
    match Draw::new(seed ^ 0x0005_7ab1_e000, sku).below(1000) {
        0..20 => Refusal::Unavailable,
        20..30 => Refusal::Throttled { retry_after: 0 },
        30..31 => Refusal::Throttled { retry_after: 1 },
        _ => Refusal::Never,
    }
}

fn refuse_once(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Throttled { retry_after } => {
            let reply = refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests", "wait as Retry-After says");
            with(reply, "retry-after", retry_after.to_string()).into()
        }
        Refusal::Unavailable | Refusal::Never => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "not just now", "try again").into()
        }
    }
}

pub(super) fn describe(seed: u64, sku: &str) -> Option<Value> {
    let (prefix, digits) = sku.split_once('-')?;
    let (_, category, nouns) = CATEGORIES.iter().find(|(letters, ..)| *letters == prefix)?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits == "0000" {
        return None;
    }
    let mut draw = Draw::new(seed, sku);
    let name = format!("{} {}", draw.one_of(MATERIALS), draw.one_of(nouns));
    Some(json!({
        "sku": sku,
        "name": name,
        "category": category,
        "price": cents(500 + draw.below(49_500)),
        "currency": "EUR",
        "active": draw.below(10) > 0,
        "rating": cents(100 + draw.below(401)),
        "stock": {
            "available": draw.below(200),
            "warehouse": draw.one_of(WAREHOUSES),
            "incoming": incoming(&mut draw),
        },
        "size": { "width_mm": 50 + draw.below(1950), "height_mm": 50 + draw.below(1950) },
        "tags": tags(&mut draw),
    }))
}

fn incoming(draw: &mut Draw) -> Value {
    match draw.below(3) {
        0 => json!({ "quantity": 10 + draw.below(90), "days": 1 + draw.below(30) }),
        _ => Value::Null,
    }
}

fn tags(draw: &mut Draw) -> Vec<&'static str> {
    let chosen = draw.below(1 << TAGS.len());
    TAGS.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, tag)| *tag).collect()
}

/// Hundredths as a JSON number with two decimals at most.
#[allow(clippy::cast_precision_loss, reason = "prices are far below 2^52")]
fn cents(hundredths: u64) -> f64 {
    hundredths as f64 / 100.0
}

fn item(world: &World, asked: &Asked<'_>) -> Answer {
    match asked.part.parse() {
        Ok(id) => ok(&describe_item(world.seed, id)).into(),
        Err(_) => refuse(StatusCode::NOT_FOUND, "an item is a whole number", "try /items/7").into(),
    }
}

/// An item, as `/items` and the lists show it.
pub(super) fn describe_item(seed: u64, id: u64) -> Value {
    let mut draw = Draw::new(seed ^ id, "item");
    json!({ "id": id, "name": format!("{} no. {id}", draw.one_of(MATERIALS)), "price": cents(100 + draw.below(9900)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_a_known_prefix_and_four_digits() {
        for sku in ["LMP-0001", "BAG-9999"] {
            assert!(describe(1, sku).is_some(), "{sku}");
        }
        for sku in ["", "LMP", "LMP-", "LMP-1", "LMP-0000", "LMP-10001", "XXX-1001", "lmp-1001", "LMP-1 01", "LMP-+001"]
        {
            assert!(describe(1, sku).is_none(), "{sku}");
        }
    }

    #[test]
    fn a_product_depends_on_the_seed_alone() {
        assert_eq!(describe(1, "LMP-1001"), describe(1, "LMP-1001"));
        assert_ne!(describe(1, "LMP-1001"), describe(2, "LMP-1001"));
    }

    #[test]
    fn refusals_are_few_but_there_are_some_of_each() {
        let skus: Vec<String> = (1..=9999).map(|number| format!("MUG-{number:04}")).collect();
        let count = |wanted: Refusal| skus.iter().filter(|sku| refusal(1, sku) == wanted).count();
        assert!((150..250).contains(&count(Refusal::Unavailable)));
        assert!((60..140).contains(&count(Refusal::Throttled { retry_after: 0 })));
        assert!((3..25).contains(&count(Refusal::Throttled { retry_after: 1 })));
    }
}
