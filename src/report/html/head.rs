//! The beginning of a report: what was run, how it ended, and its numbers at a glance.

use std::fmt::Write as _;
use std::time::Duration;

use super::endpoints::rows;
use super::whole::Whole;
use super::write::{bytes, escape, foreign, micros, percent, time};
use crate::clock;
use crate::recap::{Ending, EndingKind, Recap};
use crate::report::text::{counted, per_second, thousands};

/// What held a run back is told where it did so for this share of the time.
const WORTH_A_WORD: f64 = 0.01;

/// Warnings that are shown.
const MOST_WARNINGS: usize = 50;

/// The section.
pub(super) fn summary(whole: &Whole<'_>) -> String {
    let recap = whole.recap;
    let described = recap.description.as_ref().map(|text| format!("<p class=\"lead\">{}</p>\n", foreign(text)));
    format!(
        "<p class=\"eyebrow\">paceline · run <code>{}</code> · {}</p>\n<h1>{}</h1>\n{}{}{}{}{}<p class=\"note\">Journal: <code>{}</code></p>\n",
        escape(&recap.run),
        time(&recap.started),
        foreign(&recap.job),
        described.unwrap_or_default(),
        endings(recap),
        tiles(whole),
        progress(whole),
        bound_by(whole),
        escape(&recap.journal),
    )
}

/// How the run ended, and which of its conditions held.
fn endings(recap: &Recap) -> String {
    let Some(last) = recap.last() else {
        return "<p class=\"ending\">Nothing is known of its sessions.</p>\n".to_owned();
    };
    let mut out = format!("<p class=\"ending\">{}</p>\n", ending(&last.ending));
    if let Some(at) = &last.ending.resume_at {
        let _ = writeln!(out, "<p>Going on makes sense from {}.</p>", time(at));
    }
    if !last.failed_conditions.is_empty() {
        let held: Vec<String> =
            last.failed_conditions.iter().map(|held| format!("<code>{}</code>", escape(held))).collect();
        let _ = writeln!(out, "<p><span class=\"badge bad\">✕ fail-if</span> {} held</p>", held.join(", "));
    }
    out
}

/// A way to end, with a sign and the reason.
pub(super) fn ending(ending: &Ending) -> String {
    let (class, sign, word) = match ending.kind {
        EndingKind::Running => ("odd", "…", "at work"),
        EndingKind::Complete => ("good", "✓", "complete"),
        EndingKind::Partial => ("good", "✓", "the rows asked for"),
        EndingKind::Interrupted => ("odd", "‖", "interrupted"),
        EndingKind::Stopped => ("odd", "‖", "stopped"),
        EndingKind::Broken => ("bad", "✕", "broken off"),
    };
    let reason = match (&ending.reason, ending.kind) {
        (Some(reason), _) => format!(" {}", foreign(reason)),
        (None, EndingKind::Running) => ", or killed before it could say how it ended".to_owned(),
        (None, _) => String::new(),
    };
    format!("<span class=\"badge {class}\">{sign} {word}</span>{reason}")
}

fn tiles(whole: &Whole<'_>) -> String {
    let counts = &whole.counts;
    let of = match whole.rows {
        Some(rows) if rows > counts.rows() => format!("of {}", thousands(rows)),
        Some(_) => "all of them".to_owned(),
        None => "of inputs that were not counted".to_owned(),
    };
    let mut tiles = vec![("rows", thousands(counts.rows()), of)];
    let failed = match counts.unknown {
        0 => percent(Whole::share(counts.failed, counts.rows())),
        unknown => format!("{} unknown", thousands(unknown)),
    };
    tiles.push(("failed", thousands(counts.failed), failed));
    tiles.push(("time at work", clock::human(Duration::from_millis(whole.elapsed_ms)), sessions(whole.recap)));
    tiles.push((
        "rows per second",
        per_second(whole.rate()).trim_end_matches("/s").to_owned(),
        "on average".to_owned(),
    ));
    if let (Some(median), Some(most), Some(longest)) = (whole.quantile(0.5), whole.quantile(0.95), whole.quantile(1.0))
    {
        tiles.push(("median latency", micros(median), format!("95 % {}, longest {}", micros(most), micros(longest))));
    }
    if whole.attempts > 0 {
        tiles.push(("attempts", thousands(whole.attempts), counted_retries(whole.retries)));
    }
    if whole.traffic.sent + whole.traffic.received > 0 {
        tiles.push(("received", bytes(whole.traffic.received), format!("{} sent", bytes(whole.traffic.sent))));
    }
    let tile = |(name, value, note): &(&str, String, String)| {
        format!("<div><dt>{name}</dt><dd>{}<small>{}</small></dd></div>", escape(value), escape(note))
    };
    format!("<dl class=\"tiles\">{}</dl>\n", tiles.iter().map(tile).collect::<String>())
}

fn counted_retries(retries: u64) -> String {
    match retries {
        0 => "none was a retry".to_owned(),
        1 => "1 of them a retry".to_owned(),
        many => format!("{} of them retries", thousands(many)),
    }
}

fn sessions(recap: &Recap) -> String {
    match recap.sessions_left_out + recap.sessions.len() as u64 {
        0 => "not known".to_owned(),
        1 => "in one session".to_owned(),
        many => format!("in {}", counted(many, "session")),
    }
}

/// Rows as one bar, with its words.
fn progress(whole: &Whole<'_>) -> String {
    let counts = &whole.counts;
    let open = whole.rows.map_or(0, |rows| rows.saturating_sub(counts.rows()));
    let parts = [
        ("ok", counts.ok, "ok"),
        ("failed", counts.failed, "failed"),
        ("skipped", counts.skipped, "skipped"),
        ("back", open, "open"),
    ];
    let mut words = String::from("<ul class=\"legend\">");
    for (class, count, name) in parts.iter().filter(|(class, count, _)| *count > 0 || *class == "ok") {
        let _ = write!(
            words,
            "<li><svg width=\"22\" height=\"10\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"22\" height=\"10\"/></svg>{} {name}</li>",
            thousands(*count)
        );
    }
    format!("<div class=\"progress\">{}{words}</ul></div>\n", rows(counts, whole.rows))
}

/// What held the run back, most first.
fn bound_by(whole: &Whole<'_>) -> String {
    let mut told = whole.bound_by.iter().filter(|(_, share)| *share >= WORTH_A_WORD).take(4);
    let Some((what, share)) = told.next() else { return String::new() };
    let mut out = format!("<p>Held back by <strong>{}</strong> {} of the time", foreign(what), percent(*share));
    told.for_each(|(what, share)| {
        let _ = write!(out, ", by {} {}", foreign(what), percent(*share));
    });
    out + ".</p>\n"
}

/// What was legal and suspicious, each once.
pub(super) fn warnings<'w>(told: impl Iterator<Item = &'w String>) -> String {
    let mut all: Vec<&String> = Vec::new();
    for warning in told {
        if !all.contains(&warning) && all.len() < MOST_WARNINGS {
            all.push(warning);
        }
    }
    if all.is_empty() {
        return String::new();
    }
    let items: String = all.iter().map(|warning| format!("<li>{}</li>\n", foreign(warning))).collect();
    format!("<h2>Warnings</h2>\n<ul class=\"plain\">\n{items}</ul>\n")
}
