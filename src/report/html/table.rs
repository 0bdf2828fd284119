//! A table that sorts by any of its columns: by a click, by the keyboard, and not at all without the script.
//!
//! Cells say by what they are sorted where that is not their text. What is beyond [`MOST_ROWS`] is left out and counted.

use std::fmt::Write as _;

use super::write::{escape, foreign};
use crate::report::text::thousands;

/// Rows of a table.
pub(super) const MOST_ROWS: usize = 100;

/// What stands in the place of a number that is not known.
pub(super) const UNKNOWN: &str = "<span class=\"none\">not known</span>";

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    id: &'static str,
    caption: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    title: &'static str,
    class: &'static str,
}

impl Column {
    /// Of texts.
    pub(super) fn text(title: &'static str) -> Self {
        Self { title, class: "" }
    }

    /// Of numbers, which stand at the right.
    pub(super) fn number(title: &'static str) -> Self {
        Self { title, class: "n" }
    }

    /// Of bars or long texts, which take what room there is.
    pub(super) fn wide(title: &'static str) -> Self {
        Self { title, class: "w" }
    }
}

/// A cell.
#[derive(Debug)]
pub(super) struct Cell {
    html: String,
    by: Option<String>,
}

impl Cell {
    /// A text from outside.
    pub(super) fn text(text: &str) -> Self {
        Self { html: foreign(text), by: None }
    }

    /// HTML, sorted by a number.
    pub(super) fn sorted(html: String, by: u128) -> Self {
        Self { html, by: Some(by.to_string()) }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self::sorted(thousands(count), u128::from(count))
    }

    /// HTML, sorted by its text.
    pub(super) fn html(html: String) -> Self {
        Self { html, by: None }
    }

    /// Somebody looks for it here, and it is not known.
    pub(super) fn unknown() -> Self {
        Self { html: UNKNOWN.to_owned(), by: Some("-1".to_owned()) }
    }

    /// Nothing is known.
    pub(super) fn none() -> Self {
        Self { html: "<span class=\"none\">–</span>".to_owned(), by: Some("-1".to_owned()) }
    }
}

impl Table {
    pub(super) fn new(id: &'static str, caption: &'static str, columns: Vec<Column>) -> Self {
        Self { id, caption, columns, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table in a box of its own, in which it moves where the page is narrow.
    pub(super) fn html(&self) -> String {
        let (id, caption) = (self.id, escape(self.caption));
        let mut out = format!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table data-table=\"{id}\">\
             <caption>{caption}</caption>\n<thead><tr>"
        );
        for Column { title, class } in &self.columns {
            // A button without a name says nothing, and a column without one is beside another that sorts the same.
            let _ = match *title {
                "" => write!(out, "<td class=\"{class}\"></td>"),
                title => write!(
                    out,
                    "<th scope=\"col\" class=\"{class}\"><button type=\"button\">{}</button></th>",
                    escape(title)
                ),
            };
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in self.rows.iter().take(MOST_ROWS) {
            out += "<tr>";
            for (Column { class, .. }, Cell { html, by }) in self.columns.iter().zip(row) {
                let by = by.as_ref().map(|by| format!(" data-by=\"{}\"", escape(by))).unwrap_or_default();
                let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
                let _ = write!(out, "<td{class}{by}>{html}</td>");
            }
            out += "</tr>\n";
        }
        out += "</tbody></table></div>\n";
        let more = self.rows.len().saturating_sub(MOST_ROWS) as u64;
        if more > 0 {
            let _ = writeln!(out, "<p class=\"note\">And {} more, which are left out here.</p>", thousands(more));
        }
        out
    }
}

/// A share (0..=1) as a bar.
pub(super) fn bar(class: &str, share: f64) -> String {
    let width = (share * 100.0).clamp(0.0, 100.0);
    format!(
        "<svg class=\"share\" height=\"10\" width=\"100%\" aria-hidden=\"true\"><rect class=\"back\" width=\"100%\" height=\"10\"/><rect class=\"{class}\" width=\"{width:.1}%\" height=\"10\"/></svg>"
    )
}
