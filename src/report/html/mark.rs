//! Marks of a timeline: batches, holds, outages, pauses and the drain, as lines of their own below the rate, and what held
//! the run also as a shade behind all panels. Pure.

use std::fmt::Write as _;

use super::time::Time;
use super::write::{escape, moment};
use crate::recap::{Mark, MarkKind, Recap};
use crate::report::text::{clean, thousands};

/// Marks of one kind that are drawn.
const MOST: usize = 150;
/// Characters that are shown of what was held, or of a host.
const LONGEST: usize = 80;

/// The kinds in the order of their lines: the class, the name in front of the line and that of one of them.
const KINDS: [(MarkKind, &str, &str, &str); 5] = [
    (MarkKind::Batch, "batch", "batches", "batch"),
    (MarkKind::Hold, "hold", "holds", "hold of limit"),
    (MarkKind::Outage, "outage", "outages", "outage of"),
    (MarkKind::Pause, "pause", "pauses", "pause"),
    (MarkKind::Drain, "drain", "drain", "no more rows were begun:"),
];

/// A mark at its place.
struct Placed<'m> {
    mark: &'m Mark,
    /// Percents.
    from: f64,
    width: f64,
    until_ms: u64,
}

/// A line for each kind that occurred.
pub(super) fn strips(recap: &Recap, time: &Time) -> Vec<(String, String)> {
    let line = |(kind, class, name, one): &(MarkKind, &str, &str, &str)| {
        let placed = placed(recap, time, *kind);
        if placed.is_empty() {
            return None;
        }
        let mut out = String::new();
        for (position, place) in placed.iter().enumerate() {
            let odd = if position % 2 == 1 { " other" } else { "" };
            let _ = write!(
                out,
                "<rect class=\"mark {class}{odd}\" x=\"{:.2}%\" width=\"{:.2}%\" height=\"100%\"><title>{}</title></rect>",
                place.from,
                place.width,
                escape(&words(one, place))
            );
        }
        Some(((*name).to_owned(), out))
    };
    KINDS.iter().filter_map(line).collect()
}

/// Times in which something held the run, behind everything.
pub(super) fn shades(recap: &Recap, time: &Time) -> String {
    let mut out = String::new();
    for (kind, class, ..) in KINDS.iter().filter(|(kind, ..)| !matches!(kind, MarkKind::Batch | MarkKind::Drain)) {
        for Placed { from, width, .. } in placed(recap, time, *kind).iter().take(MOST / 4) {
            let _ =
                write!(out, "<rect class=\"shade {class}\" x=\"{from:.2}%\" width=\"{width:.2}%\" height=\"100%\"/>");
        }
    }
    out
}

/// What is said of marks that are not drawn; nothing where all are.
pub(super) fn left_out(recap: &Recap) -> String {
    let left = KINDS.iter().filter_map(|(kind, _, name, _)| {
        let happened: u64 = recap.sessions.iter().map(|session| session.timeline.marks.count(*kind)).sum();
        let kept = recap.sessions.iter().flat_map(|session| &session.timeline.marks.kept);
        let drawn = kept.filter(|mark| mark.kind == *kind).count().min(MOST) as u64;
        (happened > drawn).then(|| format!("{} of {} {name}", thousands(drawn), thousands(happened)))
    });
    let left: Vec<String> = left.collect();
    if left.is_empty() {
        String::new()
    } else {
        format!("<p class=\"note\">Drawn are the first {}.</p>\n", left.join(", "))
    }
}

fn placed<'r>(recap: &'r Recap, time: &Time, kind: MarkKind) -> Vec<Placed<'r>> {
    let sessions = recap.sessions.iter().filter(|session| !session.timeline.steps.is_empty()).enumerate();
    let all = sessions.flat_map(|(part, session)| {
        let marks = session.timeline.marks.kept.iter().filter(move |mark| mark.kind == kind);
        marks.map(move |mark| {
            let until_ms = mark.until_ms.unwrap_or(time.parts[part].elapsed_ms).max(mark.from_ms);
            let from = time.percent(part, mark.from_ms);
            Placed { mark, from, width: (time.percent(part, until_ms) - from).max(0.15), until_ms }
        })
    });
    all.take(MOST).collect()
}

fn words(one: &str, Placed { mark, until_ms, .. }: &Placed<'_>) -> String {
    let until = match mark.until_ms {
        None if mark.kind == MarkKind::Drain => String::new(),
        None => ", not over".to_owned(),
        Some(_) => format!(" to {}", moment(*until_ms)),
    };
    format!("{one} {}\n{}{until}", clean(&mark.what).chars().take(LONGEST).collect::<String>(), moment(mark.from_ms))
}
