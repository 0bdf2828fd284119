//! Exchange rates by day: something that has a history to be filled in.
//!
//! Every day of the calendar has its rates, and always the same.

use http::StatusCode;
use jiff::civil::Date;
use serde_json::json;

use super::answer::{Answer, ok, refuse};
use super::router::{Asked, Route, World};
use super::seed::Draw;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "GET",
    pattern: "/rates/{date}",
    doc: "what a euro was worth on a day such as 2026-01-31; other texts 404",
    handle: rates,
}];

fn rates(world: &World, asked: &Asked<'_>) -> Answer {
    let text = asked.part.as_ref();
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    let Some(date) = date else {
        let error = format!("no day {text}");
        return refuse(StatusCode::NOT_FOUND, &error, "a day is written as 2026-01-31").into();
    };
    let mut draw = Draw::new(world.seed, text);
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let mut rate = |least: u64| (least + draw.below(least / 10)) as f64 / 10_000.0;
    ok(&json!({ "date": date.to_string(), "base": "EUR", "usd": rate(10_800), "gbp": rate(8_400) })).into()
}
