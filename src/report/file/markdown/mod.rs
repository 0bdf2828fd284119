//! Markdown: the summary with tables, for the step summary of GitHub Actions and wherever else Markdown is read.
//!
//! What came from outside, a reason or a name, must never become markup: no link, mention, image, HTML or column of a
//! table. Lists are cut, and the whole stays under the limit that it is given, of which GitHub has one.

use std::fmt::Write as _;
use std::time::Duration;

use super::Account;
use crate::recap::{Distribution, Session};
use crate::report::summary;
use crate::report::text::{bytes, clean, counted, latency, per_second, thousands};

/// Rows of a table that are shown.
const MOST: usize = 50;

/// Bytes that are kept for the word that something was left out.
const LEFT_OUT: usize = 120;

/// The report, in as many bytes at most. What has no room any more is left out, section by section, with a word; a
/// limit that has no room for the first one gives nothing.
#[must_use]
pub fn render(account: &Account<'_>, limit: usize) -> String {
    let mut text = String::new();
    for section in sections(account).into_iter().filter(|section| !section.is_empty()) {
        let gap = usize::from(!text.is_empty());
        if text.len() + gap + section.len() + LEFT_OUT > limit {
            if !text.is_empty() {
                text += "\nThe rest was left out: there is no room for it.\n";
            }
            return text;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text += &section;
    }
    text
}

fn sections(account: &Account<'_>) -> [String; 10] {
    [
        head(account),
        conditions(account),
        next(account),
        endpoints(account),
        failures(account),
        latencies(account),
        statuses(account),
        outputs(account),
        slowest(account),
        warnings(account),
    ]
}

/// How it ended, and its numbers.
fn head(account: &Account<'_>) -> String {
    let report = account.report;
    let sign = if account.exit == 0 { "✅" } else { "❌" };
    let mut text = format!("### {sign} {}\n\n", escaped(&summary::title(report)));
    let total = &report.total;
    let rows = [(total.ok, "ok"), (total.failed, "failed"), (total.skipped, "skipped")];
    let mut facts = vec![rows.map(|(count, what)| format!("{} {what}", thousands(count))).join(" · ")];
    if report.resumed_rows > 0 {
        facts.push(format!("{} in earlier sessions", thousands(report.resumed_rows)));
    }
    if report.attempts > 0 {
        let rate = per_second(report.attempts as f64 / report.elapsed.as_secs_f64());
        facts.push(format!("{}, {}, {rate}", counted(report.attempts, "attempt"), again(report.retries)));
    }
    facts.extend(summary::messages(report).map(|words| format!("messages: {words}")));
    if let Some(traffic) = session(account).map(|session| session.traffic).filter(|all| all.sent + all.received > 0) {
        facts.push(format!("{} sent, {} received", bytes(traffic.sent), bytes(traffic.received)));
    }
    for fact in facts {
        line(&mut text, &format!("- {fact}"));
    }
    let reasons: Vec<String> = report
        .retry_reasons
        .iter()
        .take(MOST)
        .map(|(why, count)| format!("{}: {}", escaped(why), thousands(*count)))
        .collect();
    if !reasons.is_empty() {
        line(&mut text, &format!("- again after {}", reasons.join(" · ")));
    }
    let bound: Vec<String> = report
        .bound_by
        .iter()
        .filter(|(_, share)| *share >= 0.005)
        .map(|(what, share)| format!("{} {:.0} %", escaped(what), share * 100.0))
        .collect();
    if !bound.is_empty() {
        line(&mut text, &format!("- limited by {} of the time", bound.join(", ")));
    }
    line(
        &mut text,
        &format!("- run {}, exit code {}", if report.run.is_empty() { "none" } else { &report.run }, account.exit),
    );
    text
}

fn again(retries: u64) -> String {
    if retries == 1 { "1 retry".to_owned() } else { format!("{} retries", thousands(retries)) }
}

fn conditions(account: &Account<'_>) -> String {
    let held = account.report.failed_conditions.iter();
    held.fold(String::new(), |text, condition| text + &format!("- `fail-if` {} held\n", escaped(condition)))
}

fn next(account: &Account<'_>) -> String {
    let Some(next) = account.next else { return String::new() };
    let fence = fence(&next.command);
    format!("{}:\n\n{fence}sh\n{}\n{fence}\n", escaped(next.label), next.command.replace(['\n', '\r'], " "))
}

/// A fence that no line of a text can end.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(3.max(longest + 1))
}

fn endpoints(account: &Account<'_>) -> String {
    let endpoints = &account.report.recap.endpoints;
    let row = |endpoint: &crate::recap::Endpoint| {
        let counts = &endpoint.counts;
        let numbers = [counts.ok, counts.failed, counts.skipped, counts.attempts, counts.records].map(thousands);
        let of = endpoint.rows.map_or_else(|| "–".to_owned(), thousands);
        [vec![escaped(&endpoint.name), of], numbers.to_vec()].concat()
    };
    let heads = ["endpoint", "rows", "ok", "failed", "skipped", "attempts", "records"];
    table("", &heads, 1, endpoints.iter().map(row), endpoints.len())
}

fn failures(account: &Account<'_>) -> String {
    let groups = session(account).map(|session| session.failures.as_slice()).unwrap_or_default();
    let row = |group: &crate::recap::FailureGroup| {
        let numbers = [group.rows, group.example_row + 1].map(thousands);
        [vec![escaped(&group.endpoint), escaped(&group.reason)], numbers.to_vec()].concat()
    };
    let heads = ["endpoint", "why", "rows", "such as row"];
    table("Failed rows", &heads, 2, groups.iter().map(row), groups.len())
}

fn latencies(account: &Account<'_>) -> String {
    let Some(session) = session(account).filter(|session| session.latency.total() > 0) else { return String::new() };
    let row = |(name, all): &(&str, &Distribution)| {
        let at = |share| all.quantile(share).map_or_else(String::new, latency);
        let longest = all.max().map_or_else(String::new, latency);
        vec![(*name).to_owned(), thousands(all.total()), at(0.5), at(0.95), at(0.99), longest]
    };
    let mut stages = vec![("attempt", &session.latency)];
    stages.extend(session.stages.named().into_iter().filter(|(_, all)| all.total() > 0));
    let heads = ["latency", "count", "p50", "p95", "p99", "longest"];
    table("", &heads, 1, stages.iter().map(row), stages.len())
}

fn statuses(account: &Account<'_>) -> String {
    let statuses = &account.report.statuses;
    let row = |(status, replies): &(u16, u64)| vec![status.to_string(), thousands(*replies)];
    table("", &["status", "replies"], 1, statuses.iter().map(row), statuses.len())
}

fn outputs(account: &Account<'_>) -> String {
    let outputs = &account.report.outputs;
    let row = |output: &crate::run::OutputReport| {
        vec![escaped(&output.sink), escaped(&output.target), thousands(output.records)]
    };
    table("", &["sink", "where", "records"], 2, outputs.iter().map(row), outputs.len())
}

fn slowest(account: &Account<'_>) -> String {
    const MOST_SLOW: usize = 5;
    let slowest = session(account).map(|session| session.slowest.as_slice()).unwrap_or_default();
    let row = |slow: &crate::recap::Slow| {
        let status = slow.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        vec![escaped(&slow.endpoint), thousands(slow.row + 1), status, latency(Duration::from_micros(slow.micros))]
    };
    let shown = slowest.iter().take(MOST_SLOW);
    let count = shown.len();
    table("Slowest attempts", &["endpoint", "row", "status", "took"], 1, shown.map(row), count)
}

fn warnings(account: &Account<'_>) -> String {
    let warnings = &account.report.warnings;
    let mut text = String::new();
    for warning in warnings.iter().take(MOST) {
        line(&mut text, &format!("- ⚠️ {}", escaped(warning)));
    }
    text + &more(warnings.len())
}

/// The session that has just ended.
fn session<'a>(account: &Account<'a>) -> Option<&'a Session> {
    account.report.recap.last()
}

/// A table; nothing where it has no row. `texts`: columns at the left that are no numbers.
fn table(title: &str, heads: &[&str], texts: usize, rows: impl Iterator<Item = Vec<String>>, count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let mut text = if title.is_empty() { String::new() } else { format!("#### {title}\n\n") };
    line(&mut text, &row(heads));
    let align = |position: usize| if position < texts { "---" } else { "---:" };
    line(&mut text, &row(&(0..heads.len()).map(align).collect::<Vec<_>>()));
    rows.take(MOST).for_each(|cells| line(&mut text, &row(&cells)));
    text + &more(count)
}

fn row(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

fn more(count: usize) -> String {
    if count <= MOST { String::new() } else { format!("\nand {} more\n", thousands((count - MOST) as u64)) }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

/// A text as the words that it is, on one line. Mentions, addresses and links are what GitHub finds in words that no
/// escape protects: those are broken by a space that is not seen.
#[must_use]
pub fn escaped(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // A table is cut into cells before anything else is looked at.
            '&' | '<' | '>' | '|' | '`' | '\\' => drop(write!(out, "&#{};", u32::from(c))),
            '*' | '_' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            '@' => out.push_str("@\u{200b}"),
            // An emoji by its name, a URL.
            ':' if rest.peek().is_some_and(|next| !next.is_whitespace()) => out.push_str("&#58;"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("&#46;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
