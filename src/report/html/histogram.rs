//! The distribution of latencies: how many attempts took about how long, with the percentiles marked.

use std::fmt::Write as _;

use super::scale::{Scale, micros_label, number_label};
use super::whole::Whole;
use super::write::{escape, micros, percent};
use crate::recap::Distribution;
use crate::report::text::counted;

/// Columns.
const COLUMNS: usize = 64;
const HEIGHT: u32 = 150;
/// Room above for the names of the marks, a line each.
const TOP: u32 = 52;

const MARKS: [(f64, &str, &str); 3] = [(0.5, "median", "p50"), (0.95, "95 %", "p95"), (0.99, "99 %", "p99")];

/// The figure.
pub(super) fn histogram(whole: &Whole<'_>) -> String {
    let latency = &whole.latency;
    let (Some((least, _)), Some((most, _))) = (latency.counts.first(), latency.counts.last()) else {
        return String::new();
    };
    let scale = axis(*least, *most);
    let columns = columns(latency, &scale);
    let total = latency.total();
    let counts = Scale::linear(as_float(columns.iter().copied().max().unwrap_or(0)), true);
    let (mut gutter, mut area) = (String::new(), String::new());
    let place = |count: u64| f64::from(TOP) + (1.0 - counts.at(as_float(count))) * f64::from(HEIGHT);
    for tick in &counts.ticks {
        let y = f64::from(TOP) + (1.0 - counts.at(*tick)) * f64::from(HEIGHT);
        let _ = write!(area, "<line class=\"grid\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ = write!(gutter, "<text x=\"100%\" dx=\"-8\" y=\"{:.1}\">{}</text>", y + 4.0, number_label(*tick));
    }
    let mut bins = String::from("<g class=\"bins\">");
    for (position, count) in columns.iter().enumerate() {
        let (x, width) = (position as f64 * 100.0 / COLUMNS as f64, 100.0 / COLUMNS as f64);
        let (y, base) = (place(*count), place(0));
        if *count > 0 {
            let _ = write!(
                area,
                "<rect class=\"column\" x=\"{:.2}%\" y=\"{y:.1}\" width=\"{:.2}%\" height=\"{:.1}\"/>",
                x + 0.1,
                width - 0.2,
                (base - y).max(1.0)
            );
        }
        let words = words(&scale, position, *count, total);
        let _ = write!(
            bins,
            "<rect x=\"{x:.2}%\" width=\"{width:.2}%\" height=\"100%\"><title>{}</title></rect>",
            escape(&words)
        );
    }
    let height = TOP + HEIGHT + 1;
    format!(
        "<figure class=\"chart\">\n<figcaption><h3>Distribution</h3></figcaption>\n\
         <div class=\"plot\" tabindex=\"0\" role=\"group\" aria-roledescription=\"chart\" aria-label=\"{}\">\n\
         <svg class=\"gutter\" height=\"{height}\" aria-hidden=\"true\">{gutter}</svg>\n\
         <svg class=\"area\" height=\"{height}\" aria-hidden=\"true\">{area}{}{bins}</g></svg>\n\
         <svg class=\"under\" height=\"22\" aria-hidden=\"true\">{}</svg>\n</div>\n</figure>\n",
        escape(&label(whole, total)),
        marks(latency, &scale),
        under(&scale)
    )
}

/// From the least to the most; where there is only one value, around it.
fn axis(least: u64, most: u64) -> Scale {
    Scale::log(as_float(least.max(1)), as_float(most.max(1)))
}

#[allow(clippy::cast_precision_loss, reason = "a place on a page")]
fn as_float(value: u64) -> f64 {
    value as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place is within 0..=1"
)]
fn columns(latency: &Distribution, scale: &Scale) -> Vec<u64> {
    let mut columns = vec![0u64; COLUMNS];
    for (value, count) in &latency.counts {
        let position = (scale.at(as_float(*value)) * COLUMNS as f64) as usize;
        columns[position.min(COLUMNS - 1)] += count;
    }
    columns
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "microseconds for people"
)]
fn words(scale: &Scale, position: usize, count: u64, total: u64) -> String {
    let end = |position: usize| micros(scale.value(position as f64 / COLUMNS as f64).round() as u64);
    format!(
        "{} to {}\n{}, {}",
        end(position),
        end(position + 1),
        counted(count, "attempt"),
        percent(Whole::share(count, total))
    )
}

/// Lines at the percentiles, with their names one below the other.
fn marks(latency: &Distribution, scale: &Scale) -> String {
    let mut out = String::new();
    for (position, (share, name, class)) in (0u32..).zip(MARKS) {
        let Some(time) = latency.quantile(share) else { continue };
        let value = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (x, y) = (scale.at(as_float(value)) * 100.0, 14 + position * 16);
        let (end, shift) = if x > 70.0 { ("end", -5) } else { ("start", 5) };
        let _ =
            write!(out, "<line class=\"line {class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{}\" y2=\"100%\"/>", y - 10);
        let _ = write!(
            out,
            "<text class=\"name {end}\" x=\"{x:.2}%\" dx=\"{shift}\" y=\"{y}\">{name} {}</text>",
            micros(value)
        );
    }
    out
}

fn under(scale: &Scale) -> String {
    let mut out = String::new();
    for (position, tick) in scale.ticks.iter().enumerate() {
        let x = scale.at(*tick) * 100.0;
        let end = match x {
            x if x < 2.0 => "start",
            x if x > 97.0 => "end",
            _ => "mid",
        };
        let odd = if position % 2 == 1 { " odd" } else { "" };
        let _ = write!(out, "<line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y2=\"5\"/>");
        let _ = write!(out, "<text class=\"{end}{odd}\" x=\"{x:.2}%\" y=\"17\">{}</text>", micros_label(*tick));
    }
    out
}

fn label(whole: &Whole<'_>, total: u64) -> String {
    let marks = MARKS
        .iter()
        .filter_map(|(share, name, _)| whole.quantile(*share).map(|value| format!("{name} {}", micros(value))));
    format!(
        "How long {} took, on a logarithmic axis: {}; arrow keys go from value to value",
        counted(total, "attempt"),
        marks.collect::<Vec<_>>().join(", ")
    )
}
