//! Two runs side by side: what differs, and which way is better.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use super::document;
use super::head::{ending, warnings};
use super::job::{LAID_OVER, rest};
use super::measures::{self, Judged};
use super::table::{Cell, Column, Table};
use super::tables::meaning;
use super::whole::Whole;
use super::write::{escape, foreign, percent, time};
use crate::recap::Recap;

/// Lines of a difference of job files that are shown.
const MOST_LINES: usize = 2_000;

/// The whole file: the first run is what the second is measured by.
#[must_use]
pub fn compare(a: &Recap, b: &Recap) -> String {
    let (one, other) = (Whole::of(a), Whole::of(b));
    let sections = [
        ("summary", "Summary", heads(a, b) + &measures(&one, &other)),
        ("statuses", "Statuses", statuses(&one, &other)),
        ("errors", "Errors", errors(&one, &other)),
        ("bound", "Held back by", bound(&one, &other)),
        ("warnings", "Warnings", warned(a, b)),
        ("job", "Job", jobs(a, b)),
    ];
    let shown = sections.iter().filter(|(_, _, html)| !html.is_empty());
    let links = shown.clone().map(|(id, title, _)| format!("<a href=\"#{id}\">{title}</a>")).collect::<String>();
    let parts = shown.map(|(id, _, html)| format!("<section id=\"{id}\">\n{html}</section>\n")).collect::<String>();
    let title = format!("{} · runs {} and {}", b.job, a.run, b.run);
    document(&title, &format!("<nav aria-label=\"Parts of the report\">{links}</nav>\n<main>\n{parts}</main>\n"))
}

/// What is compared.
fn heads(a: &Recap, b: &Recap) -> String {
    let name = if a.job == b.job { foreign(&b.job) } else { format!("{} and {}", foreign(&a.job), foreign(&b.job)) };
    let mut table = Table::new(
        "runs",
        "The runs",
        vec![Column::text(""), Column::text("run"), Column::text("began"), Column::wide("ended")],
    );
    for (letter, recap) in [("A", a), ("B", b)] {
        table.row(vec![
            Cell::text(letter),
            Cell::html(format!("<code>{}</code>", escape(&recap.run))),
            Cell::html(time(&recap.started)),
            recap.last().map_or_else(Cell::none, |last| Cell::html(ending(&last.ending))),
        ]);
    }
    format!("<p class=\"eyebrow\">paceline · two runs side by side</p>\n<h1>{name}</h1>\n{}", table.html())
}

fn measures(one: &Whole<'_>, other: &Whole<'_>) -> String {
    let columns = vec![
        Column::text("measure"),
        Column::number("A"),
        Column::number("B"),
        Column::number("B against A"),
        Column::text(""),
    ];
    let mut table = Table::new("measures", "Measures", columns);
    for measure in measures::all(one, other) {
        let verdict = match measure.judged() {
            Judged::Better => "<span class=\"better\">▲ better</span>",
            Judged::Worse => "<span class=\"worse\">▼ worse</span>",
            Judged::Same => "= the same",
            Judged::Neither => "",
        };
        table.row(vec![
            Cell::text(measure.name),
            Cell::html(measure.shown(measure.a)),
            Cell::html(measure.shown(measure.b)),
            Cell::html(measure.difference()),
            Cell::html(verdict.to_owned()),
        ]);
    }
    let note = "A difference of less than 2 % is called the same. A higher rate, smaller shares and shorter latencies are better; counts \
                are not judged, as runs differ in how much they had to do.";
    format!("{}<p class=\"note\">{note}</p>\n", table.html())
}

fn statuses(one: &Whole<'_>, other: &Whole<'_>) -> String {
    let [a, b] = [one, other].map(|whole| whole.statuses.iter().copied().collect::<BTreeMap<u16, u64>>());
    let all: BTreeSet<u16> = a.keys().chain(b.keys()).copied().collect();
    if all.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::number("status"),
        Column::text("meaning"),
        Column::number("A"),
        Column::number("share"),
        Column::number("B"),
        Column::number("share"),
    ];
    let mut table = Table::new("statuses", "Replies by status", columns);
    let totals = [&a, &b].map(|counts| counts.values().sum::<u64>());
    for status in all {
        let counts = [&a, &b].map(|counts| counts.get(&status).copied().unwrap_or_default());
        let mut cells = vec![Cell::sorted(status.to_string(), u128::from(status)), Cell::text(meaning(status))];
        for ((count, total), whole) in counts.into_iter().zip(totals).zip([one, other]) {
            cells.extend(match whole.is_measured() {
                true => [Cell::count(count), Cell::sorted(percent(Whole::share(count, total)), u128::from(count))],
                false => [Cell::unknown(), Cell::none()],
            });
        }
        table.row(cells);
    }
    format!("<h2>Statuses</h2>\n{}", table.html())
}

fn errors(one: &Whole<'_>, other: &Whole<'_>) -> String {
    let mut rows = BTreeMap::<(&str, &str), [u64; 2]>::new();
    for (which, whole) in [one, other].into_iter().enumerate() {
        for group in &whole.failures {
            rows.entry((&group.endpoint, &group.reason)).or_default()[which] += group.rows;
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns = vec![
        Column::number("A"),
        Column::number("B"),
        Column::text("endpoint"),
        Column::wide("reason"),
        Column::text(""),
    ];
    let mut table = Table::new("failures", "Rows that failed, by reason", columns);
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[0].max(counts[1])));
    // The journal knows failures as well: they are not known where it does not speak either.
    let known = [one, other].map(|whole| !whole.recap.sessions.is_empty());
    for ((endpoint, reason), [a, b]) in rows {
        let word = match (a, b) {
            (0, _) if known[0] => "only in B",
            (_, 0) if known[1] => "only in A",
            (_, _) => "",
        };
        let [a, b] =
            [(a, known[0]), (b, known[1])].map(|(rows, known)| if known { Cell::count(rows) } else { Cell::unknown() });
        table.row(vec![a, b, Cell::text(endpoint), Cell::text(reason), Cell::text(word)]);
    }
    format!("<h2>Errors</h2>\n{}", table.html())
}

fn bound(one: &Whole<'_>, other: &Whole<'_>) -> String {
    let mut shares = BTreeMap::<&str, [f64; 2]>::new();
    for (which, whole) in [one, other].into_iter().enumerate() {
        whole.bound_by.iter().for_each(|(what, share)| shares.entry(what).or_default()[which] = *share);
    }
    if shares.is_empty() {
        return String::new();
    }
    let columns = vec![Column::text("held back by"), Column::number("A"), Column::number("B")];
    let mut table = Table::new("bound", "Shares of the time at work", columns);
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by(|(_, one), (_, other)| other[0].max(other[1]).total_cmp(&one[0].max(one[1])));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share, to sort by")]
    let cell = |share: f64| Cell::sorted(percent(share), (share.max(0.0) * 1e6) as u128);
    let cell = |whole: &Whole<'_>, share: f64| if whole.is_measured() { cell(share) } else { Cell::unknown() };
    shares.into_iter().for_each(|(what, [a, b])| table.row(vec![Cell::text(what), cell(one, a), cell(other, b)]));
    format!("<h2>Held back by</h2>\n{}", table.html())
}

/// What is to be known before the numbers are believed.
fn warned(a: &Recap, b: &Recap) -> String {
    let mut all = Vec::new();
    for (letter, recap) in [("A", a), ("B", b)] {
        let told = recap.sessions.iter().flat_map(|session| &session.warnings);
        if !Whole::of(recap).is_measured() && told.clone().next().is_none() {
            let words = "no recap is kept of it, so that its times, attempts, statuses and job file are not known";
            all.push(format!("{letter}: {words}"));
        }
        all.extend(told.map(|warning| format!("{letter}: {warning}")));
    }
    warnings(all.iter())
}

/// How the job files differ, line by line.
fn jobs(a: &Recap, b: &Recap) -> String {
    let [one, other] = [a, b].map(|recap| {
        recap.texts.iter().map(|text| (text.path.as_str(), text.text.as_str())).collect::<BTreeMap<_, _>>()
    });
    let paths: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return String::new(),
        (true, false) => return unknown_job("A"),
        (false, true) => return unknown_job("B"),
        (false, false) => {}
    }
    // A job that was moved is still compared with what it was.
    let moved = a.texts.first().zip(b.texts.first()).filter(|(one, other)| one.path != other.path);
    if let Some((one, other)) = moved.filter(|_| a.texts.len() == 1 && b.texts.len() == 1) {
        let files = difference(&format!("{} and {}", one.path, other.path), &one.text, &other.text);
        return format!("<h2>Job</h2>\n{files}{}", laid_over(a, b));
    }
    let mut out = String::from("<h2>Job</h2>\n");
    for path in paths {
        out +=
            &difference(path, one.get(path).copied().unwrap_or_default(), other.get(path).copied().unwrap_or_default());
    }
    out + &laid_over(a, b)
}

/// How they differ in what was laid over the files; nothing where nothing was.
fn laid_over(a: &Recap, b: &Recap) -> String {
    if a.laid_over.is_empty() && b.laid_over.is_empty() {
        return String::new();
    }
    difference(LAID_OVER, &a.laid_over, &b.laid_over)
}

/// A file that is not known is not one that was empty: there is nothing to compare.
fn unknown_job(which: &str) -> String {
    format!(
        "<h2>Job</h2>\n<p class=\"note\">The job file of {which} is not known, so that the two are not compared.</p>\n"
    )
}

fn difference(path: &str, a: &str, b: &str) -> String {
    let path = escape(path);
    if a == b {
        return format!("<p><code>{path}</code> is the same in both.</p>\n");
    }
    let diff = TextDiff::from_lines(a, b);
    let (mut out, mut lines) = (String::new(), 0);
    for group in diff.grouped_ops(3) {
        let changes = group.iter().flat_map(|op| diff.iter_changes(op));
        for change in changes {
            lines += 1;
            if lines > MOST_LINES {
                break;
            }
            let (class, sign) = match change.tag() {
                ChangeTag::Delete => ("removed", "-"),
                ChangeTag::Insert => ("added", "+"),
                ChangeTag::Equal => ("kept", " "),
            };
            let _ = writeln!(
                out,
                "<span class=\"{class}\">{sign} {}</span>",
                escape(change.value().trim_end_matches(['\n', '\r']))
            );
        }
        out += "\n";
    }
    let note = rest(lines > MOST_LINES);
    format!(
        "<h3><code>{path}</code>: A with -, B with +</h3>\n<pre tabindex=\"0\" aria-label=\"{path}\">{}</pre>\n{note}",
        out.trim_end()
    )
}
