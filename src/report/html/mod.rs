//! The HTML report: a recap as one file that needs no network, no server and no script to be read.
//!
//! [`page`] is the whole file, [`sections`] its parts, for who shows a run that is still at work and puts new parts in the
//! place of old ones; [`compare`] sets two runs side by side. `whole` adds the sessions of a run up, `time` is the axis
//! that all charts over time share, `plot` draws one, `table` writes one that sorts. Must never load anything, hold
//! a text that is not escaped, or grow with the number of rows.

mod compare;
mod endpoints;
mod head;
mod histogram;
mod job;
mod latency;
mod mark;
mod measures;
mod messages;
mod plot;
mod rate;
mod scale;
mod table;
mod tables;
#[cfg(test)]
pub mod tests;
mod time;
mod whole;
mod write;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::recap::Recap;

pub use compare::compare;
pub use write::escape;

use time::Time;
use whole::Whole;

/// How it looks.
pub const STYLE: &str = include_str!("style.css");
/// What sorts, shows values under the pointer and chooses; all of it can be read without.
pub const SCRIPT: &str = include_str!("script.js");
/// What charts fill areas with, so that colour is not all that tells them apart. Stands once in a page.
pub const PATTERNS: &str = include_str!("patterns.svg");

/// The whole file.
#[must_use]
pub fn page(recap: &Recap) -> String {
    let sections = sections(recap);
    let shown = sections.iter().filter(|(_, _, html)| !html.is_empty());
    let links = shown.clone().map(|(id, title, _)| format!("<a href=\"#{id}\">{title}</a>")).collect::<String>();
    let parts = shown.map(|(id, _, html)| format!("<section id=\"{id}\">\n{html}</section>\n")).collect::<String>();
    let title = format!("{} · run {}", recap.job, recap.run);
    document(&title, &format!("<nav aria-label=\"Parts of the report\">{links}</nav>\n<main>\n{parts}</main>\n"))
}

/// The parts of a report in their order: the id and the title of each, and what stands in its `<section>`; nothing where
/// there is nothing to say.
#[must_use]
pub fn sections(recap: &Recap) -> Vec<(&'static str, &'static str, String)> {
    let whole = Whole::of(recap);
    let time = Time::of(recap);
    vec![
        ("summary", "Summary", head::summary(&whole)),
        ("timeline", "Timeline", rate::timeline(&whole, time.as_ref())),
        ("latency", "Latency", latency::latency(&whole, time.as_ref())),
        ("messages", "Messages", messages::messages(&whole)),
        ("statuses", "Statuses", tables::statuses(&whole)),
        ("errors", "Errors", tables::errors(&whole)),
        ("slowest", "Slowest", tables::slowest(&whole)),
        ("limits", "Limits", tables::limits(&whole)),
        ("endpoints", "Endpoints", endpoints::endpoints(&whole)),
        ("outputs", "Outputs", tables::outputs(recap)),
        ("sessions", "Sessions", endpoints::sessions(recap)),
        ("warnings", "Warnings", head::warnings(recap.sessions.iter().flat_map(|session| &session.warnings))),
        ("plan", "Plan", job::plan(recap)),
        ("job", "Job", job::texts(recap)),
    ]
}

/// A page with this title (plain text) and body (HTML). What a browser may do for it is said by hash: nothing but its own
/// style and script.
#[must_use]
pub fn document(title: &str, body: &str) -> String {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"paceline {}\">\n\
         <title>{} · paceline</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         {PATTERNS}{body}<div id=\"tip\" role=\"status\" hidden></div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        escape(title),
    )
}
