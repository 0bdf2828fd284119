//! The sections of the live page, from a recap: each an element with an id, which the page's script replaces.
//!
//! Texts of jobs and servers are escaped here and nowhere else. Must never write a style, a script or a link.

use std::fmt::Write as _;
use std::time::Duration;

use crate::clock;
use crate::recap::{Distribution, Ending, EndingKind, Recap, Session};
use crate::report::text::{clean, counted, latency, per_second, thousands};

/// An id, and the element that has it.
pub(super) type Section = (&'static str, String);

/// Steps of the timeline over which the present rate is taken.
const RECENT: usize = 15;
/// Failures that are shown.
const MOST_FAILURES: usize = 20;
/// Attempts that are shown as the slowest.
const MOST_SLOW: usize = 10;

/// All sections, from the top of the page down.
pub(super) fn of(recap: &Recap) -> Vec<Section> {
    let idle = Session::default();
    let session = recap.last().unwrap_or(&idle);
    vec![
        section("head", "", head(recap, session)),
        section("progress", "", progress(recap, session)),
        section("speed", "Rows per second", speed(session)),
        section("endpoints", "Endpoints", endpoints(recap, session)),
        section("failures", "Failures", failures(session)),
        section("durations", "Durations", durations(session)),
        section("replies", "Replies and retries", replies(session)),
        section("limits", "Limits", limits(session)),
        section("slowest", "Slowest attempts", slowest(session)),
        section("outputs", "Outputs", outputs(recap)),
    ]
}

/// A section that says nothing is there and not seen.
fn section(id: &'static str, title: &str, content: String) -> Section {
    let hidden = if content.is_empty() { " hidden" } else { "" };
    let title = if title.is_empty() { String::new() } else { format!("<h2>{title}</h2>") };
    (id, format!("<section id=\"{id}\"{hidden}>{title}{content}</section>"))
}

fn head(recap: &Recap, session: &Session) -> String {
    let counts = recap.counts();
    let share = total(recap).map(|total| format!("{} % ", counts.rows() * 100 / total.max(1))).unwrap_or_default();
    let job = escape(&recap.job);
    let mut html = format!("<h1 data-title=\"{share}{job}\">{job}</h1>");
    if let Some(description) = &recap.description {
        let _ = write!(html, "<p>{}</p>", escape(description));
    }
    let elapsed = clock::human(Duration::from_millis(session.elapsed_ms / 1000 * 1000));
    let since = escape(session.started.get(..19).unwrap_or(&session.started)).replace('T', " ");
    let _ = write!(
        html,
        "<p class=\"soft\">run {}, since {since} UTC, {elapsed}</p><p>{}</p>",
        escape(&recap.run),
        ending(&session.ending)
    );
    html
}

fn ending(ending: &Ending) -> String {
    let (class, words) = match ending.kind {
        EndingKind::Running => ("", "at work"),
        EndingKind::Complete => ("ok", "every row has ended"),
        EndingKind::Partial => ("ok", "the rows that were asked for have ended; there are others"),
        EndingKind::Interrupted => ("bad", "interrupted, resumable"),
        EndingKind::Stopped => ("bad", "stopped, resumable"),
        EndingKind::Broken => ("bad", "broken off"),
    };
    let reason = ending.reason.as_deref().map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
    format!("<strong class=\"{class}\">{words}</strong>{reason}")
}

/// Rows of all endpoints, where all of them know.
fn total(recap: &Recap) -> Option<u64> {
    recap.endpoints.iter().map(|endpoint| endpoint.rows).sum()
}

fn progress(recap: &Recap, session: &Session) -> String {
    let counts = recap.counts();
    let bar = total(recap).map(|total| {
        let (total, ended) = (total.max(1), counts.rows());
        format!("<progress max=\"{total}\" value=\"{ended}\" aria-label=\"rows that have ended\"></progress>")
    });
    let rows = match total(recap) {
        Some(total) => format!("{} of {}", thousands(counts.rows()), thousands(total)),
        None => thousands(counts.rows()),
    };
    let bad = if counts.failed > 0 { "bad" } else { "" };
    let facts = [
        ("rows", "", rows),
        ("ok", "", thousands(counts.ok)),
        ("failed", bad, thousands(counts.failed)),
        ("skipped", "", thousands(counts.skipped)),
        ("attempts", "", thousands(session.attempts)),
        ("retries", "", thousands(session.retries)),
        ("now", "", per_second(rate(session))),
    ];
    let facts: String = facts
        .into_iter()
        .map(|(name, class, value)| {
            format!("<div><dt>{name}</dt><dd class=\"{class}\" data-fact=\"{name}\">{value}</dd></div>")
        })
        .collect();
    let held = session.bound_by.iter().take(3).map(|(by, share)| format!("{} {:.0} %", escape(by), share * 100.0));
    let held = held.collect::<Vec<_>>().join(", ");
    let held = if held.is_empty() { held } else { format!("<p class=\"soft\">held back by {held} of the time</p>") };
    format!("{}<dl>{facts}</dl>{held}", bar.unwrap_or_default())
}

/// Rows that ended in each second of each step, oldest first.
#[allow(clippy::cast_precision_loss, reason = "a number of rows and of milliseconds, for people")]
fn rates(session: &Session) -> Vec<f64> {
    let timeline = &session.timeline;
    let ended = |step: &crate::recap::Step| step.lanes.iter().map(|lane| lane.ok + lane.failed + lane.skipped).sum();
    let ended: Vec<u64> = timeline.steps.iter().map(ended).collect();
    ended.into_iter().map(|rows| rows as f64 * 1000.0 / timeline.step_ms.max(1) as f64).collect()
}

/// The present rate: of the last steps, without the one that is not over.
#[allow(clippy::cast_precision_loss, reason = "a handful of steps")]
fn rate(session: &Session) -> f64 {
    let rates = rates(session);
    let whole = &rates[..rates.len().saturating_sub(1)];
    let recent = &whole[whole.len().saturating_sub(RECENT)..];
    recent.iter().sum::<f64>() / recent.len().max(1) as f64
}

/// A line over the whole session; its highest point in words.
#[allow(clippy::cast_precision_loss, reason = "points of a picture")]
fn speed(session: &Session) -> String {
    let rates = rates(session);
    let most = rates.iter().copied().fold(0.0, f64::max);
    if rates.len() < 2 || most <= 0.0 {
        return String::new();
    }
    let width = (rates.len() - 1) as f64;
    let points: Vec<String> = rates
        .iter()
        .enumerate()
        .map(|(at, rate)| format!("{:.1},{:.1}", at as f64 * 1000.0 / width, 100.0 - rate * 98.0 / most))
        .collect();
    let most = per_second(most);
    format!(
        "<svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"rows per second over time, \
         {most} at most\"><polyline points=\"{}\"/></svg><p class=\"soft\">{most} at most</p>",
        points.join(" ")
    )
}

/// A table; nothing where it has no rows. Columns whose name begins with `#` are numbers.
fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let class = |column: &str| if column.starts_with('#') { " class=\"n\"" } else { "" };
    let row = |cells: Vec<String>| {
        let cells =
            cells.iter().zip(columns).map(|(cell, column)| format!("<td{}>{}</td>", class(column), escape(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let rows: String = rows.into_iter().map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    let head = columns
        .iter()
        .map(|column| format!("<th scope=\"col\"{}>{}</th>", class(column), column.trim_start_matches('#')));
    format!("<table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table>", head.collect::<String>())
}

fn endpoints(recap: &Recap, session: &Session) -> String {
    let now = session.timeline.steps.last();
    let rows = recap.endpoints.iter().enumerate().map(|(position, endpoint)| {
        let counts = endpoint.counts;
        let in_flight = now.and_then(|step| step.lanes.get(position)).map_or(0.0, |lane| lane.in_flight);
        let of = endpoint.rows.map(|rows| format!(" of {}", thousands(rows))).unwrap_or_default();
        vec![
            endpoint.name.clone(),
            thousands(counts.rows()) + &of,
            thousands(counts.ok),
            thousands(counts.failed),
            thousands(counts.skipped),
            thousands(counts.attempts),
            format!("{in_flight:.0}"),
        ]
    });
    table(&["endpoint", "#rows", "#ok", "#failed", "#skipped", "#attempts", "#in flight"], rows)
}

fn failures(session: &Session) -> String {
    let shown = session.failures.iter().take(MOST_FAILURES).map(|group| {
        vec![
            group.endpoint.clone(),
            clean(&group.reason),
            thousands(group.rows),
            format!("row {}", thousands(group.example_row + 1)),
        ]
    });
    let more = session.failures.len().saturating_sub(MOST_FAILURES) as u64;
    let more =
        if more > 0 { format!("<p class=\"soft\">and {}</p>", counted(more, "more reason")) } else { String::new() };
    table(&["endpoint", "reason", "#rows", "for example"], shown) + &more
}

fn durations(session: &Session) -> String {
    let of = |name: &str, durations: &Distribution| {
        let at = |share| durations.quantile(share).map(latency).unwrap_or_default();
        vec![name.to_owned(), thousands(durations.total()), at(0.5), at(0.95), at(0.99), at(1.0)]
    };
    let stages = session.stages.named();
    let stages = stages.iter().filter(|(_, stage)| stage.total() > 0).map(|(name, stage)| of(name, stage));
    let whole = (session.latency.total() > 0).then(|| of("request to reply", &session.latency));
    table(&["stage", "#attempts", "#p50", "#p95", "#p99", "#longest"], whole.into_iter().chain(stages))
}

fn replies(session: &Session) -> String {
    let statuses = session.statuses.iter().map(|(status, count)| vec![status.to_string(), thousands(*count)]);
    let reasons = session.retry_reasons.iter().map(|(reason, count)| vec![clean(reason), thousands(*count)]);
    table(&["status", "#replies"], statuses) + &table(&["tried again because of", "#times"], reasons)
}

fn limits(session: &Session) -> String {
    let rows = session.limits.iter().map(|limit| {
        let capacity = limit.capacity.map(|capacity| format!(" of {}", thousands(capacity))).unwrap_or_default();
        vec![limit.name.clone(), limit.rate.clone(), thousands(limit.tokens) + &capacity, thousands(limit.holds)]
    });
    table(&["limit", "rate", "#tokens", "#held by servers"], rows)
}

fn slowest(session: &Session) -> String {
    let rows = session.slowest.iter().take(MOST_SLOW).map(|slow| {
        let status = slow.status.map_or_else(|| "no reply".to_owned(), |status| status.to_string());
        let row = format!("row {}", thousands(slow.row + 1));
        vec![slow.endpoint.clone(), row, status, latency(Duration::from_micros(slow.micros))]
    });
    table(&["endpoint", "row", "status", "#on the wire"], rows)
}

fn outputs(recap: &Recap) -> String {
    let rows =
        recap.outputs.iter().map(|output| vec![output.sink.clone(), clean(&output.target), thousands(output.records)]);
    table(&["sink", "where", "#records that are safe"], rows)
}

/// A text as HTML shows it, in elements and in attributes.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Counts;
    use crate::recap::{Endpoint, FailureGroup, Step, StepLane, Timeline};

    fn recap() -> Recap {
        let lane = |ok| StepLane { ok, in_flight: 3.0, ..StepLane::default() };
        let steps = [2, 4, 6, 1].map(|ok| Step { lanes: vec![lane(ok)], latency: None });
        let reason = "404: <script>alert('&')</script>".to_owned();
        let session = Session {
            started: "2026-11-28T10:00:00.000Z".into(),
            elapsed_ms: 65_400,
            attempts: 1_300,
            failures: vec![FailureGroup { endpoint: "price".into(), reason, rows: 5, example_row: 6 }],
            latency: Distribution { counts: vec![(12_000, 7)] },
            bound_by: vec![("limit \"api\"".into(), 0.97)],
            timeline: Timeline { step_ms: 200, steps: steps.to_vec(), ..Timeline::default() },
            ..Session::default()
        };
        let counts = Counts { ok: 1_200, failed: 5, ..Counts::default() };
        let endpoints = vec![Endpoint { name: "price".into(), rows: Some(2_410), counts }];
        Recap { job: "a<b".into(), endpoints, sessions: vec![session], ..Recap::default() }
    }

    fn shown(recap: &Recap, id: &str) -> String {
        of(recap).into_iter().find(|(known, _)| *known == id).unwrap().1
    }

    #[test]
    fn what_is_known_is_said() {
        let recap = recap();
        let head = shown(&recap, "head");
        assert!(
            head.contains("data-title=\"50 % a&lt;b\"") && head.contains("2026-11-28 10:00:00 UTC, 1m 5s"),
            "{head}"
        );
        assert!(head.contains("at work"), "{head}");
        let progress = shown(&recap, "progress");
        for part in ["max=\"2410\" value=\"1205\"", "1,205 of 2,410", "data-fact=\"ok\">1,200<", ">20/s<", "97 %"] {
            assert!(progress.contains(part), "{part}: {progress}");
        }
        assert!(shown(&recap, "speed").contains("30/s at most"));
        assert!(shown(&recap, "durations").contains(">12ms<"));
        assert!(shown(&recap, "failures").contains("<td class=\"n\">5</td><td>row 7</td>"));
    }

    #[test]
    fn words_of_others_stay_words() {
        for (id, html) in of(&recap()) {
            assert!(html.starts_with(&format!("<section id=\"{id}\"")) && html.ends_with("</section>"), "{html}");
            assert!(!html.contains("<script") && !html.contains("<b"), "{html}");
        }
        assert!(shown(&recap(), "failures").contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
        assert!(shown(&recap(), "progress").contains("limit &quot;api&quot; 97 %"));
    }

    #[test]
    fn a_run_of_which_nothing_is_known_has_hidden_sections() {
        let sections = of(&Recap::default());
        let hidden: Vec<_> = sections.iter().filter(|(_, html)| html.contains(" hidden>")).map(|(id, _)| *id).collect();
        let expected = ["speed", "endpoints", "failures", "durations", "replies", "limits", "slowest", "outputs"];
        assert_eq!(hidden, expected);
    }

    #[test]
    fn an_end_says_which_one_and_why() {
        let mut recap = recap();
        let kind = EndingKind::Stopped;
        recap.sessions[0].ending = Ending { kind, reason: Some("5 x \"401\"".into()), resume_at: None };
        let head = shown(&recap, "head");
        assert!(head.contains("stopped, resumable</strong>: 5 x &quot;401&quot;"), "{head}");
    }
}
