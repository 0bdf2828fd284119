//! Tables of a run: statuses, errors, the slowest attempts, limits and outputs.

use super::table::{Cell, Column, Table, bar};
use super::whole::Whole;
use super::write::{foreign, micros, percent};
use crate::recap::Recap;
use crate::report::text::thousands;

/// How often each status came.
pub(super) fn statuses(whole: &Whole<'_>) -> String {
    if whole.statuses.is_empty() {
        return String::new();
    }
    let total: u64 = whole.statuses.iter().map(|(_, count)| count).sum();
    let columns = vec![
        Column::number("status"),
        Column::text("meaning"),
        Column::number("replies"),
        Column::number("share"),
        Column::wide(""),
    ];
    let mut table = Table::new("statuses", "Replies by status", columns);
    for (status, count) in &whole.statuses {
        let share = Whole::share(*count, total);
        table.row(vec![
            Cell::sorted(status.to_string(), u128::from(*status)),
            Cell::text(meaning(*status)),
            Cell::count(*count),
            Cell::sorted(percent(share), u128::from(*count)),
            Cell::sorted(bar(if *status < 400 { "ok" } else { "failed" }, share), u128::from(*count)),
        ]);
    }
    format!("<h2>Statuses</h2>\n{}", table.html())
}

/// The name of a status, where it has one.
pub(super) fn meaning(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// Rows that failed by reason, and why attempts were made again.
pub(super) fn errors(whole: &Whole<'_>) -> String {
    let (failures, retries) = (failures(whole), retries(whole));
    if failures.is_empty() && retries.is_empty() {
        String::new()
    } else {
        format!("<h2>Errors</h2>\n{failures}{retries}")
    }
}

fn failures(whole: &Whole<'_>) -> String {
    if whole.failures.is_empty() {
        return String::new();
    }
    let columns =
        vec![Column::number("rows"), Column::text("endpoint"), Column::wide("reason"), Column::number("example row")];
    let mut table = Table::new("failures", "Rows that failed, by reason", columns);
    for group in &whole.failures {
        let example = group.example_row.saturating_add(1);
        table.row(vec![
            Cell::count(group.rows),
            Cell::text(&group.endpoint),
            Cell::text(&group.reason),
            Cell::count(example),
        ]);
    }
    let again = if whole.recap.sessions.len() > 1 {
        " A row that was sent again by a later session, and failed again, counts twice here."
    } else {
        ""
    };
    format!(
        "{}<p class=\"note\">Rows are counted from 1, as in the input. <code>paceline failed JOB --reasons</code> writes all of \
         them.{again}</p>\n",
        table.html()
    )
}

fn retries(whole: &Whole<'_>) -> String {
    if whole.retry_reasons.is_empty() {
        return String::new();
    }
    let total: u64 = whole.retry_reasons.iter().map(|(_, count)| count).sum();
    let columns =
        vec![Column::number("retries"), Column::text("because of"), Column::number("share"), Column::wide("")];
    let mut table = Table::new("retries", "Retries, by what made them needed", columns);
    for (reason, count) in &whole.retry_reasons {
        let share = Whole::share(*count, total);
        let by = u128::from(*count);
        table.row(vec![
            Cell::count(*count),
            Cell::text(reason),
            Cell::sorted(percent(share), by),
            Cell::sorted(bar("retry", share), by),
        ]);
    }
    table.html()
}

/// The attempts that took longest.
pub(super) fn slowest(whole: &Whole<'_>) -> String {
    let Some(most) = whole.slowest.first().map(|slow| slow.micros) else { return String::new() };
    let columns = vec![
        Column::number("time"),
        Column::text("endpoint"),
        Column::number("row"),
        Column::number("status"),
        Column::wide(""),
    ];
    let mut table = Table::new("slowest", "Attempts that took longest on the wire", columns);
    for slow in &whole.slowest {
        let status = slow.status.map_or_else(Cell::none, |status| Cell::sorted(status.to_string(), u128::from(status)));
        let by = u128::from(slow.micros);
        table.row(vec![
            Cell::sorted(micros(slow.micros), by),
            Cell::text(&slow.endpoint),
            Cell::count(slow.row.saturating_add(1)),
            status,
            Cell::sorted(bar("slow", Whole::share(slow.micros, most)), by),
        ]);
    }
    format!("<h2>Slowest</h2>\n{}", table.html())
}

/// What was taken of each limit.
pub(super) fn limits(whole: &Whole<'_>) -> String {
    if whole.limits.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::text("limit"),
        Column::text("rate"),
        Column::number("tokens taken"),
        Column::number("could have been"),
        Column::number("used"),
        Column::number("holds"),
        Column::wide(""),
    ];
    let mut table = Table::new("limits", "Use of limits", columns);
    for limit in &whole.limits {
        let share = limit.capacity.map(|capacity| Whole::share(limit.tokens, capacity));
        let shown = |of: fn(f64) -> String| {
            share.map_or_else(Cell::none, |share| Cell::sorted(of(share), u128::from(limit.tokens)))
        };
        table.row(vec![
            Cell::text(&limit.name),
            Cell::text(&limit.rate),
            Cell::count(limit.tokens),
            limit.capacity.map_or_else(Cell::none, Cell::count),
            shown(percent),
            Cell::count(limit.holds),
            shown(|share| bar("flow", share)),
        ]);
    }
    let note = "“Could have been” is what a full bucket and its narrowest window give in the time at work; it is not told of \
                limits with a bucket for each key. A hold is a server's word that slowed a limit down.";
    format!("<h2>Limits</h2>\n{}<p class=\"note\">{note}</p>\n", table.html())
}

/// Where records went.
pub(super) fn outputs(recap: &Recap) -> String {
    if recap.outputs.is_empty() {
        return String::new();
    }
    let columns = vec![Column::text("sink"), Column::wide("to"), Column::number("records")];
    let mut table = Table::new("outputs", "Where records went", columns);
    for output in &recap.outputs {
        let target = Cell::html(format!("<code>{}</code>", foreign(&output.target)));
        table.row(vec![Cell::text(&output.sink), target, Cell::count(output.records)]);
    }
    format!("<h2>Outputs</h2>\n{}<p class=\"note\">In all, {}.</p>\n", table.html(), records(recap))
}

fn records(recap: &Recap) -> String {
    let records: u64 = recap.outputs.iter().map(|output| output.records).fold(0, u64::saturating_add);
    if records == 1 { "1 record".to_owned() } else { format!("{} records", thousands(records)) }
}
