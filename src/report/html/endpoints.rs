//! Endpoints and sessions of a run, a line each.

use std::fmt::Write as _;
use std::time::Duration;

use super::head::ending;
use super::table::{Cell, Column, Table};
use super::whole::Whole;
use super::write::{bytes, number, percent, time};
use crate::clock;
use crate::journal::Counts;
use crate::recap::{Endpoint, Recap};
use crate::report::text::thousands;

/// What became of the rows of each endpoint.
pub(super) fn endpoints(whole: &Whole<'_>) -> String {
    if whole.recap.endpoints.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::text("endpoint"),
        Column::wide("rows"),
        Column::number("ended"),
        Column::number("of"),
        Column::number("ok"),
        Column::number("failed"),
        Column::number("unknown"),
        Column::number("skipped"),
        Column::number("attempts a row"),
        Column::number("records"),
    ];
    let mut table = Table::new("endpoints", "Rows of each endpoint", columns);
    whole.recap.endpoints.iter().for_each(|endpoint| table.row(cells(endpoint)));
    format!("<h2>Endpoints</h2>\n{}", table.html())
}

fn cells(endpoint: &Endpoint) -> Vec<Cell> {
    let counts = &endpoint.counts;
    let ended = counts.rows();
    let each = Whole::share(counts.attempts, ended);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "attempts a row, to sort by")]
    let by = (each * 1000.0) as u128;
    vec![
        Cell::text(&endpoint.name),
        Cell::sorted(rows(counts, endpoint.rows), u128::from(ended)),
        Cell::count(ended),
        endpoint.rows.map_or_else(Cell::none, Cell::count),
        Cell::count(counts.ok),
        Cell::count(counts.failed),
        Cell::count(counts.unknown),
        Cell::count(counts.skipped),
        Cell::sorted(number(each), by),
        Cell::count(counts.records),
    ]
}

/// Rows as one bar: ok, failed, skipped, and what is left of them.
pub(super) fn rows(counts: &Counts, rows: Option<u64>) -> String {
    let whole = rows.unwrap_or(0).max(counts.rows());
    let mut out = String::from(
        "<svg class=\"share\" height=\"12\" width=\"100%\" aria-hidden=\"true\"><rect class=\"back\" width=\"100%\" height=\"12\"/>",
    );
    let mut from = 0.0_f64;
    for (class, count) in [("ok", counts.ok), ("failed", counts.failed), ("skipped", counts.skipped)] {
        let width = Whole::share(count, whole) * 100.0;
        if count > 0 {
            // One row of a million is seen as well.
            let seen = width.max(0.6);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{:.2}%\" width=\"{seen:.2}%\" height=\"12\"><title>{} {class}, {}</title></rect>",
                from.min(99.4),
                thousands(count),
                percent(width / 100.0)
            );
        }
        from += width;
    }
    out + "</svg>"
}

/// What each process did.
pub(super) fn sessions(recap: &Recap) -> String {
    if recap.sessions.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::number("session"),
        Column::text("began"),
        Column::number("at work"),
        Column::wide("ended"),
        Column::number("attempts"),
        Column::number("retries"),
        Column::number("sent"),
        Column::number("received"),
    ];
    let mut table = Table::new("sessions", "Processes that worked on the run", columns);
    for (position, session) in (1u64..).zip(&recap.sessions) {
        let elapsed = clock::human(Duration::from_millis(session.elapsed_ms));
        let size = |count: u64| Cell::sorted(bytes(count), u128::from(count));
        table.row(vec![
            Cell::count(recap.sessions_left_out.saturating_add(position)),
            Cell::html(time(&session.started)),
            Cell::sorted(elapsed, u128::from(session.elapsed_ms)),
            Cell::html(ending(&session.ending)),
            Cell::count(session.attempts),
            Cell::count(session.retries),
            size(session.traffic.sent),
            size(session.traffic.received),
        ]);
    }
    format!("<h2>Sessions</h2>\n{}{}", table.html(), left_out(recap.sessions_left_out))
}

fn left_out(sessions: u64) -> String {
    match sessions {
        0 => String::new(),
        1 => "<p class=\"note\">The first session is not kept any more; its rows are in the counts.</p>\n".to_owned(),
        many => format!(
            "<p class=\"note\">The first {} sessions are not kept any more; their rows are in the counts.</p>\n",
            thousands(many)
        ),
    }
}
