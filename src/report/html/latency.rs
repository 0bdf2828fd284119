//! Latency: percentiles over time, their distribution, and the stages of an attempt.

use std::fmt::Write as _;

use super::histogram::histogram;
use super::mark;
use super::plot::{Body, Panel, Plot, legend, line};
use super::scale::{Scale, micros_label};
use super::table::{Cell, Column, Table};
use super::time::{Bin, Time};
use super::whole::Whole;
use super::write::{duration, escape, micros};
use crate::recap::Distribution;
use crate::report::text::thousands;

const LINES: [(&str, &str); 4] =
    [("line p50", "median"), ("line p95", "95 %"), ("line p99", "99 %"), ("line longest", "longest")];

/// The section.
pub(super) fn latency(whole: &Whole<'_>, time: Option<&Time>) -> String {
    if whole.latency.total() == 0 {
        return String::new();
    }
    let over_time = time.map(|time| over_time(whole, time)).unwrap_or_default();
    format!("<h2>Latency</h2>\n{over_time}{}{}", histogram(whole), stages(whole))
}

fn over_time(whole: &Whole<'_>, time: &Time) -> String {
    const HEIGHT: u32 = 170;
    let known = || time.bins.iter().filter_map(|bin| bin.latency);
    let (least, most) =
        (known().map(|all| all[0]).fold(f64::INFINITY, f64::min), known().map(|all| all[3]).fold(0.0, f64::max));
    if !least.is_finite() {
        return String::new();
    }
    let scale = Scale::fitting(least, most);
    let how = if scale.is_log() { ", logarithmic" } else { "" };
    let shapes = (0..LINES.len()).rev().map(|which| {
        let class = LINES[which].0.trim_start_matches("line ");
        line(time, &scale, HEIGHT, class, |bin| bin.latency.map(|all| all[which]))
    });
    let shapes = shapes.collect();
    let body = Body::Scaled { scale, label: micros_label, shapes };
    let plot = Plot {
        time,
        panels: vec![Panel { title: format!("time on the wire{how}"), height: HEIGHT, body }],
        behind: mark::shades(whole.recap, time),
        values: time.bins.iter().map(values).collect(),
        label: format!("Latency percentiles {}; arrow keys go from value to value", time.described()),
    };
    format!(
        "<figure class=\"chart\">\n<figcaption><h3>Over time</h3>{}</figcaption>\n{}</figure>\n",
        legend(&LINES),
        plot.html()
    )
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "means of microseconds")]
fn values(bin: &Bin) -> String {
    let Some(all) = bin.latency else { return "no attempt ended".to_owned() };
    let line = |(which, (_, name)): (usize, &(&str, &str))| format!("{} {name}", micros(all[which] as u64));
    LINES.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// A line for each stage: how often, median, 95 %, longest, and both of the first as a bar.
fn stages(whole: &Whole<'_>) -> String {
    let named = whole.stages.named();
    let known: Vec<&(&str, &Distribution)> = named.iter().filter(|(_, stage)| stage.total() > 0).collect();
    if known.is_empty() {
        return String::new();
    }
    let most = known.iter().filter_map(|(_, stage)| stage.quantile(0.95)).max().unwrap_or_default();
    let columns = vec![
        Column::text("stage"),
        Column::number("attempts"),
        Column::number("median"),
        Column::number("95 %"),
        Column::number("longest"),
        Column::wide("median and 95 %"),
    ];
    let mut table = Table::new("stages", "Stages of attempts", columns);
    for (name, stage) in known {
        let of = |share| stage.quantile(share).unwrap_or_default();
        let cell = |time: std::time::Duration| Cell::sorted(escape(&duration(time)), time.as_micros());
        let share = |time: std::time::Duration| time.as_secs_f64() / most.as_secs_f64().max(1e-9) * 100.0;
        table.row(vec![
            Cell::text(name),
            Cell::sorted(thousands(stage.total()), u128::from(stage.total())),
            cell(of(0.5)),
            cell(of(0.95)),
            cell(stage.max().unwrap_or_default()),
            Cell::sorted(bar(share(of(0.5)), share(of(0.95))), of(0.95).as_micros()),
        ]);
    }
    format!("<h3>Stages</h3>\n{}<p class=\"note\">{STAGES}</p>\n", table.html())
}

const STAGES: &str = "Connections are kept: name, connect and TLS are those of attempts that had to make one. The wide bar \
                      ends at the median, the thin one at 95 %.";

fn bar(median: f64, most: f64) -> String {
    let mut out = String::from("<svg class=\"stage\" height=\"12\" width=\"100%\" aria-hidden=\"true\">");
    let _ = write!(
        out,
        "<rect class=\"thin\" y=\"4\" width=\"{most:.1}%\" height=\"4\"/><rect class=\"thick\" width=\"{median:.1}%\" height=\"12\"/>"
    );
    out + "</svg>"
}
