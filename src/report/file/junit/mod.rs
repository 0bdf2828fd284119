//! JUnit XML, as CI servers read it: valid against the schema of Ant's JUnit task, which is the strictest of them.
//!
//! A suite for the job; a case for the run as a whole, for each endpoint, for each condition of `fail-if` and `stop-if`.
//! Nothing is red where the program leaves with 0: rows that failed are then what the job allows. Must never write a
//! character that XML 1.0 has no place for.

use std::borrow::Cow;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};

use super::Account;
use crate::journal::Counts;
use crate::plan::stop_if;
use crate::recap::{Endpoint, FailureGroup, Session};
use crate::report::summary;
use crate::report::text::{clean, counted, thousands};
use crate::run::RunEnding;

/// A case of the suite.
struct Case {
    /// Of what it is one: `run`, `endpoints`, `fail-if`, `stop-if`.
    class: &'static str,
    name: String,
    time: Duration,
    result: Verdict,
}

/// What became of a case.
enum Verdict {
    Passed,
    /// Why nothing is known of it.
    Skipped(String),
    /// Kind, in one line, and all there is to say.
    Failed(&'static str, String, String),
    /// The same; the run could not do what it was to.
    Broken(&'static str, String, String),
}

/// The report.
#[must_use]
pub fn render(account: &Account<'_>) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to a vector can't fail.
    let _ = write(&mut writer, account);
    String::from_utf8_lossy(&writer.into_inner()).into_owned() + "\n"
}

fn write(writer: &mut Writer<Vec<u8>>, account: &Account<'_>) -> std::io::Result<()> {
    let cases = cases(account);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.create_element("testsuites").write_inner_content(|writer| {
        let mut suite = BytesStart::new("testsuite");
        attributes(account, &cases).iter().for_each(|(name, value)| suite.push_attribute((*name, xml(value).as_ref())));
        writer.write_event(Event::Start(suite.borrow()))?;
        properties(writer, account)?;
        for case in &cases {
            one(writer, &account.report.job, case)?;
        }
        element(writer, "system-out", &summary::text(account.report, account.next, None))?;
        element(writer, "system-err", &lines(&account.report.warnings))?;
        writer.write_event(Event::End(suite.to_end()))
    })?;
    Ok(())
}

fn attributes(account: &Account<'_>, cases: &[Case]) -> [(&'static str, String); 10] {
    let count = |is: fn(&Verdict) -> bool| cases.iter().filter(|case| is(&case.result)).count().to_string();
    [
        ("name", account.report.job.clone()),
        ("package", "paceline".to_owned()),
        ("id", "0".to_owned()),
        // The schema allows no time zone; it is UTC.
        ("timestamp", started(account).chars().take("2026-11-20T15:04:05".len()).collect()),
        // What it says to write where the name of the host is not known: nobody is told where a job ran.
        ("hostname", "localhost".to_owned()),
        ("tests", cases.len().to_string()),
        ("failures", count(|result| matches!(result, Verdict::Failed(..)))),
        ("errors", count(|result| matches!(result, Verdict::Broken(..)))),
        ("skipped", count(|result| matches!(result, Verdict::Skipped(_)))),
        ("time", seconds(account.report.elapsed)),
    ]
}

fn started<'a>(account: &Account<'a>) -> &'a str {
    let recap = &account.report.recap;
    recap.last().map_or(recap.started.as_str(), |session| session.started.as_str())
}

/// What is known of the run beside its cases.
fn properties(writer: &mut Writer<Vec<u8>>, account: &Account<'_>) -> std::io::Result<()> {
    let report = account.report;
    let total = &report.total;
    let mut known = vec![
        ("paceline", env!("CARGO_PKG_VERSION").to_owned()),
        ("run", report.run.clone()),
        ("exit", account.exit.to_string()),
        ("rows.ok", total.ok.to_string()),
        ("rows.failed", total.failed.to_string()),
        ("rows.skipped", total.skipped.to_string()),
        ("attempts", report.attempts.to_string()),
        ("retries", report.retries.to_string()),
        ("journal", report.journal.display().to_string()),
    ];
    known.extend(account.next.map(|next| ("next", next.command.clone())));
    writer.create_element("properties").write_inner_content(|writer| {
        for (name, value) in &known {
            let property = writer.create_element("property").with_attribute(("name", *name));
            property.with_attribute(("value", xml(value).as_ref())).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn one(writer: &mut Writer<Vec<u8>>, job: &str, case: &Case) -> std::io::Result<()> {
    let class = format!("{}.{}", clean(job), case.class);
    let element = writer
        .create_element("testcase")
        .with_attribute(("name", xml(&clean(&case.name)).as_ref()))
        .with_attribute(("classname", xml(&class).as_ref()))
        .with_attribute(("time", seconds(case.time).as_str()));
    match &case.result {
        Verdict::Passed => element.write_empty()?,
        Verdict::Skipped(why) => element.write_inner_content(|writer| {
            writer.create_element("skipped").with_attribute(("message", xml(why).as_ref())).write_empty().map(drop)
        })?,
        Verdict::Failed(kind, why, all) => {
            element.write_inner_content(|writer| told(writer, "failure", kind, why, all))?
        }
        Verdict::Broken(kind, why, all) => {
            element.write_inner_content(|writer| told(writer, "error", kind, why, all))?
        }
    };
    Ok(())
}

fn told(writer: &mut Writer<Vec<u8>>, element: &str, kind: &str, why: &str, all: &str) -> std::io::Result<()> {
    let element = writer.create_element(element);
    let element = element.with_attribute(("message", xml(why).as_ref())).with_attribute(("type", kind));
    element.write_text_content(BytesText::new(&xml(all))).map(drop)
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> std::io::Result<()> {
    writer.create_element(name).write_text_content(BytesText::new(&xml(text))).map(drop)
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| clean(text) + "\n").collect()
}

fn cases(account: &Account<'_>) -> Vec<Case> {
    let report = account.report;
    let mut cases = vec![run(account)];
    cases.extend(report.recap.endpoints.iter().map(|one| endpoint(account, one)));
    let conditions = account.asked.fail_if.iter().map(|condition| Case {
        class: "fail-if",
        name: condition.clone(),
        time: Duration::ZERO,
        result: fail_if(account, condition),
    });
    cases.extend(conditions);
    let conditions = account.asked.stop_if.iter().map(|condition| Case {
        class: "stop-if",
        name: condition.clone(),
        time: Duration::ZERO,
        result: stop_if(account, condition),
    });
    cases.extend(conditions);
    cases
}

/// The run as a whole: did it come to its end?
fn run(account: &Account<'_>) -> Case {
    let report = account.report;
    let more = account.next.map(|next| format!("{}: {}\n", next.label, next.command)).unwrap_or_default();
    let broken = |kind, why: String| Verdict::Broken(kind, why.clone(), format!("{why}\n{more}"));
    let result = match &report.ending {
        RunEnding::Complete | RunEnding::Partial => Verdict::Passed,
        RunEnding::Interrupted(signal) => broken("interrupted", format!("interrupted by {}", signal.name())),
        RunEnding::Stopped { reason, .. } => broken("stopped", format!("stopped: {}", clean(reason))),
        RunEnding::Broken(reason) if report.run.is_empty() => {
            broken("not-started", format!("could not start: {}", clean(reason)))
        }
        RunEnding::Broken(reason) => broken("broken", format!("broken off: {}", clean(reason))),
    };
    Case { class: "run", name: "the run".to_owned(), time: report.elapsed, result }
}

fn endpoint(account: &Account<'_>, endpoint: &Endpoint) -> Case {
    let Counts { ok, failed, .. } = endpoint.counts;
    let rows = endpoint.counts.rows();
    let result = match (rows, failed) {
        (0, _) => Verdict::Skipped("no row of it has ended".to_owned()),
        (_, failed) if failed > 0 && account.exit != 0 => {
            let why = format!("{} of {} failed", thousands(failed), counted(rows, "row"));
            let all = format!("{}{}", groups(account, endpoint), again(account));
            Verdict::Failed("rows", why, all)
        }
        (_, _) if ok == 0 && failed == 0 => Verdict::Skipped("all of its rows were skipped".to_owned()),
        (_, _) => Verdict::Passed,
    };
    let time =
        account.report.recap.last().map_or(Duration::ZERO, |session| worked(session, position(account, endpoint)));
    Case { class: "endpoints", name: endpoint.name.clone(), time, result }
}

fn position(account: &Account<'_>, endpoint: &Endpoint) -> usize {
    account.report.recap.endpoints.iter().position(|one| one.name == endpoint.name).unwrap_or(usize::MAX)
}

/// How long an endpoint was at work in a session, as far as its timeline tells that.
fn worked(session: &Session, position: usize) -> Duration {
    let at_work = |step: &&crate::recap::Step| {
        step.lanes.get(position).is_some_and(|lane| lane.attempts > 0 || lane.in_flight > 0.0)
    };
    let steps = session.timeline.steps.iter().filter(at_work).count() as u64;
    Duration::from_millis(session.elapsed_ms.min(steps.saturating_mul(session.timeline.step_ms)))
}

/// Why rows of an endpoint failed: a line each, with an example.
fn groups(account: &Account<'_>, endpoint: &Endpoint) -> String {
    let session = account.report.recap.last().map(|session| session.failures.as_slice()).unwrap_or_default();
    let own = session.iter().filter(|group| group.endpoint == endpoint.name);
    let (mut text, mut told) = (String::new(), 0);
    for FailureGroup { reason, rows, example_row, .. } in own {
        let which = if *rows == 1 { "row" } else { "such as row" };
        let example = thousands(example_row + 1);
        text += &format!("{}: {} ({which} {example})\n", counted(*rows, "row"), clean(reason));
        told += rows;
    }
    match endpoint.counts.failed.saturating_sub(told) {
        0 => text,
        earlier => text + &format!("{} in earlier sessions\n", counted(earlier, "row")),
    }
}

/// How to send again what failed.
fn again(account: &Account<'_>) -> String {
    account.next.map(|next| format!("{}: {}\n", next.label, next.command)).unwrap_or_default()
}

fn fail_if(account: &Account<'_>, condition: &str) -> Verdict {
    let report = account.report;
    if report.run.is_empty() {
        return Verdict::Skipped("the run could not start".to_owned());
    }
    if !report.failed_conditions.iter().any(|held| held == condition) {
        return Verdict::Passed;
    }
    let Counts { ok, failed, skipped, .. } = report.total;
    let rows = [(ok, "ok"), (failed, "failed"), (skipped, "skipped")];
    let rows = rows.map(|(count, what)| format!("{} {what}", thousands(count))).join(" · ");
    Verdict::Failed("fail-if", format!("{condition} held"), format!("rows: {rows}\n{}", again(account)))
}

fn stop_if(account: &Account<'_>, condition: &str) -> Verdict {
    match &account.report.ending {
        RunEnding::Stopped { reason, .. } if *reason == stop_if::words(condition) => {
            Verdict::Failed("stop-if", format!("{condition} held and stopped the run"), again(account))
        }
        RunEnding::Broken(_) if account.report.run.is_empty() => Verdict::Skipped("the run could not start".to_owned()),
        RunEnding::Complete
        | RunEnding::Partial
        | RunEnding::Interrupted(_)
        | RunEnding::Stopped { .. }
        | RunEnding::Broken(_) => Verdict::Passed,
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

/// A text without the characters that XML 1.0 has no place for, not even as references (section 2.2).
fn xml(text: &str) -> Cow<'_, str> {
    let is_char =
        |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.chars().all(is_char) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| is_char(*c)).collect())
    }
}

#[cfg(test)]
mod tests;
