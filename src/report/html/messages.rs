//! Messages of endpoints whose connections stay open: how many came, why connections were opened again, how they were closed.

use std::fmt::Write as _;

use super::table::{Cell, Column, Table};
use super::whole::Whole;
use super::write::{foreign, number};
use crate::recap::streams::{OTHER_CODES, StreamUse};
use crate::report::text::thousands;
use crate::websocket::close;

/// Reasons or codes that stand in a cell.
const MOST: usize = 20;

/// Of each endpoint; nothing where none has such connections.
pub(super) fn messages(whole: &Whole<'_>) -> String {
    if whole.streams.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::text("endpoint"),
        Column::number("messages"),
        Column::number("a second"),
        Column::number("reconnects"),
        Column::wide("because of"),
        Column::number("closes"),
        Column::wide("with"),
    ];
    let mut table = Table::new("messages", "Messages of each endpoint, and how its connections ended", columns);
    whole.streams.iter().for_each(|stream| table.row(cells(stream, whole.elapsed_ms)));
    let note = "A reconnect is a retry: it stands among these, too. 1005 is a close without a code, 1006 a connection that ended \
                without a close.";
    format!("<h2>Messages</h2>\n{}<p class=\"note\">{note}</p>\n", table.html())
}

fn cells(stream: &StreamUse, elapsed_ms: u64) -> Vec<Cell> {
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = if elapsed_ms == 0 { 0.0 } else { stream.messages as f64 * 1000.0 / elapsed_ms as f64 };
    let closes: Vec<(String, u64)> = stream.closes.iter().map(|(code, count)| (words(*code), *count)).collect();
    let closed = closes.iter().map(|(_, count)| count).fold(0, |sum: u64, count| sum.saturating_add(*count));
    vec![
        Cell::text(&stream.endpoint),
        Cell::count(stream.messages),
        Cell::sorted(number(rate), u128::from(stream.messages)),
        Cell::count(stream.reconnected()),
        Cell::html(list(&stream.reconnects)),
        Cell::count(closed),
        Cell::html(list(&closes)),
    ]
}

fn words(code: u16) -> String {
    if code == OTHER_CODES { "other codes".to_owned() } else { close::words(Some(code)) }
}

/// Each with its number.
fn list(counts: &[(String, u64)]) -> String {
    let mut out = String::new();
    for (position, (what, count)) in counts.iter().take(MOST).enumerate() {
        let gap = if position == 0 { "" } else { " · " };
        let _ = write!(out, "{gap}{}: {}", foreign(what), thousands(*count));
    }
    if counts.len() > MOST {
        let _ = write!(out, " · and {} more", counts.len() - MOST);
    }
    out
}
