//! The timeline: rows per second, what marks it, requests in flight and retries, in total and for each endpoint.

use std::fmt::Write as _;

use super::mark;
use super::plot::{Body, Panel, Plot, STRIP, legend, line, stacked};
use super::scale::{Scale, number_label};
use super::time::{Bin, Time, sum};
use super::whole::Whole;
use super::write::{escape, number};
use crate::recap::StepLane;
use crate::report::text::clean;

/// Endpoints that have a chart of their own: those with the most rows.
const MOST_ENDPOINTS: usize = 6;

const LAYERS: [(&str, &str); 3] = [("ok", "ok"), ("failed", "failed"), ("skipped", "skipped")];

/// The section.
pub(super) fn timeline(whole: &Whole<'_>, time: Option<&Time>) -> String {
    let Some(time) = time else { return String::new() };
    let mut out = format!("<h2>Timeline</h2>\n{}", choice(whole));
    out += &figure(whole, time, None);
    for endpoint in charted(whole) {
        out += &figure(whole, time, Some(endpoint));
    }
    out + &mark::left_out(whole.recap)
}

/// Positions of the endpoints that have a chart of their own; none where the total is that of the only one.
fn charted(whole: &Whole<'_>) -> Vec<usize> {
    let endpoints = &whole.recap.endpoints;
    let mut all: Vec<usize> = (0..endpoints.len()).collect();
    all.sort_by_key(|position| std::cmp::Reverse(endpoints[*position].counts.rows()));
    all.truncate(if all.len() > 1 { MOST_ENDPOINTS } else { 0 });
    all.sort_unstable();
    all
}

fn choice(whole: &Whole<'_>) -> String {
    let charted = charted(whole);
    if charted.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<p class=\"choice\"><label for=\"chosen\">Rows of</label> <select id=\"chosen\">\
         <option value=\"all\">all endpoints</option>",
    );
    for position in &charted {
        let name = escape(&clean(&whole.recap.endpoints[*position].name));
        let _ = write!(out, "<option value=\"{position}\">{name}</option>");
    }
    out += "</select>";
    if whole.recap.endpoints.len() > charted.len() {
        let _ = write!(out, " <span class=\"note\">the {MOST_ENDPOINTS} with the most rows</span>");
    }
    out + "</p>\n"
}

/// What an endpoint, or all of them, did in a bin.
fn lane(bin: &Bin, endpoint: Option<usize>) -> StepLane {
    match endpoint {
        Some(position) => bin.lanes.get(position).copied().unwrap_or_default(),
        None => sum(bin.lanes.iter().copied()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, bin: &Bin) -> f64 {
    count as f64 * 1000.0 / (bin.until_ms - bin.from_ms).max(1) as f64
}

fn layer(lane: &StepLane, layer: usize) -> u64 {
    [lane.ok, lane.failed, lane.skipped].get(layer).copied().unwrap_or_default()
}

fn figure(whole: &Whole<'_>, time: &Time, endpoint: Option<usize>) -> String {
    let (value, name, hidden) = match endpoint.and_then(|position| whole.recap.endpoints.get(position)) {
        Some(endpoint_of) => (endpoint.unwrap_or_default().to_string(), clean(&endpoint_of.name), " hidden"),
        None => ("all".to_owned(), "all endpoints".to_owned(), ""),
    };
    let plot = Plot {
        time,
        panels: panels(whole, time, endpoint),
        behind: mark::shades(whole.recap, time),
        values: time.bins.iter().map(|bin| values(bin, endpoint)).collect(),
        label: format!(
            "Rows per second, requests in flight and retries of {name} {}; arrow keys go from value to value",
            time.described()
        ),
    };
    let shown: Vec<(&str, &str)> = (0..LAYERS.len())
        .filter(|position| *position == 0 || time.bins.iter().any(|bin| layer(&lane(bin, endpoint), *position) > 0))
        .map(|position| LAYERS[position])
        .collect();
    format!(
        "<figure class=\"chart\" data-of=\"{value}\"{hidden}>\n<figcaption>{}</figcaption>\n{}</figure>\n",
        legend(&shown),
        plot.html()
    )
}

fn panels(whole: &Whole<'_>, time: &Time, endpoint: Option<usize>) -> Vec<Panel> {
    let mut panels = vec![rate(time, endpoint)];
    // Once is enough of them: they are those of the run.
    let strips = if endpoint.is_none() { mark::strips(whole.recap, time) } else { Vec::new() };
    if !strips.is_empty() {
        let height = STRIP * u32::try_from(strips.len()).unwrap_or_default();
        panels.push(Panel { title: "what happened".to_owned(), height, body: Body::Strips(strips) });
    }
    let flight = |bin: &Bin| lane(bin, endpoint).in_flight;
    panels.push(lined(time, "requests in flight", "flight", 64, flight));
    if time.bins.iter().any(|bin| lane(bin, endpoint).retries > 0) {
        let retries = |bin: &Bin| per_second(lane(bin, endpoint).retries, bin);
        panels.push(lined(time, "retries per second", "retry", 48, retries));
    }
    panels
}

fn rate(time: &Time, endpoint: Option<usize>) -> Panel {
    const HEIGHT: u32 = 170;
    let of = |bin: &Bin, which: usize| per_second(layer(&lane(bin, endpoint), which), bin);
    let all = |bin: &Bin| (0..LAYERS.len()).map(|which| of(bin, which)).sum::<f64>();
    let scale = Scale::linear(time.bins.iter().map(all).fold(0.0, f64::max), false);
    let shapes = stacked(time, &scale, HEIGHT, &LAYERS.map(|(class, _)| class), of);
    let body = Body::Scaled { scale, label: number_label, shapes };
    Panel { title: "rows per second".to_owned(), height: HEIGHT, body }
}

fn lined(time: &Time, title: &str, class: &str, height: u32, of: impl Fn(&Bin) -> f64) -> Panel {
    let most = time.bins.iter().map(&of).fold(0.0, f64::max);
    let mut scale = Scale::linear(most, false);
    // There is room for few labels.
    let (low, high) = scale.ends();
    scale.ticks = vec![low, high];
    let shapes = line(time, &scale, height, class, |bin| Some(of(bin)));
    Panel { title: title.to_owned(), height, body: Body::Scaled { scale, label: number_label, shapes } }
}

fn values(bin: &Bin, endpoint: Option<usize>) -> String {
    let lane = lane(bin, endpoint);
    let mut out = String::new();
    for (position, (_, name)) in LAYERS.iter().enumerate() {
        let count = layer(&lane, position);
        if position == 0 || count > 0 {
            let _ = writeln!(out, "{}/s {name}", number(per_second(count, bin)));
        }
    }
    let _ = write!(out, "{} in flight", number(lane.in_flight));
    if lane.retries > 0 {
        let _ = write!(out, "\n{}/s retries", number(per_second(lane.retries, bin)));
    }
    out
}
