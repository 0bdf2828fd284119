//! Ready-made scripts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, SeenRequest};

/// `{"id": ..., "name": "item ...", "price": ...}` of the path's last segment.
pub fn item(request: &SeenRequest) -> Answer {
    Answer::json(&item_of(request.id()))
}

/// What [`item`] says about an id; numbers are numbers.
pub fn item_of(id: &str) -> Value {
    match id.parse::<u64>() {
        Ok(number) => json!({ "id": number, "name": format!("item {id}"), "price": price(number) }),
        Err(_) => json!({ "id": id, "name": format!("item {id}"), "price": null }),
    }
}

/// Hundredths that look like a price, as text: `12.50` of item 1250 is `12.5` in JSON.
fn price(number: u64) -> f64 {
    f64::from(u32::try_from(number % 100_000).unwrap_or(0)) / 100.0
}

/// For every path the statuses one after the other; the last one for ever. 200 is an [`item`].
pub fn statuses(statuses: &'static [u16]) -> impl Fn(&SeenRequest) -> Answer + Send + Sync {
    let asked = Mutex::new(HashMap::<String, usize>::new());
    move |request| {
        let mut asked = asked.lock().expect("no script panics");
        let turn = asked.entry(request.path.clone()).or_default();
        let status = statuses[(*turn).min(statuses.len() - 1)];
        *turn += 1;
        if status == 200 { item(request) } else { Answer::status(status) }
    }
}

/// The first `count` requests by one script, all others by another.
pub fn first(
    count: usize,
    script: impl Fn(&SeenRequest) -> Answer + Send + Sync,
    then: impl Fn(&SeenRequest) -> Answer + Send + Sync,
) -> impl Fn(&SeenRequest) -> Answer + Send + Sync {
    move |request| if request.number < count { script(request) } else { then(request) }
}

/// Items, but request number `turn` and all that arrive within `seconds` of it are refused with 429
/// and Retry-After.
pub fn throttle(turn: usize, seconds: u64) -> impl Fn(&SeenRequest) -> Answer + Send + Sync {
    let until = Mutex::new(None);
    move |request| {
        let mut until = until.lock().expect("no script panics");
        if request.number == turn {
            *until = Some(request.at + Duration::from_secs(seconds));
        }
        match *until {
            Some(until) if request.at < until => {
                Answer::text(429, "slow down").header("retry-after", &seconds.to_string())
            }
            Some(_) | None => item(request),
        }
    }
}
