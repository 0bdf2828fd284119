//! The summary: what is said when a run has ended, in at most twelve lines, or as JSON.
//!
//! Only values come in and only text goes out; what to type next is the command line's to know.

mod json;
#[cfg(test)]
pub mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::text::{bytes, clean, counted, latency, per_second, thousands};
use crate::clock;
use crate::recap::{Distribution, Session, StreamUse, streams};
use crate::run::{OutputReport, RunEnding, RunReport};

pub use json::json;

/// Most lines of a summary.
pub const MOST_LINES: usize = 12;

/// Most lines of one block: failures, records.
const MOST_OF_A_BLOCK: usize = 3;

/// Width of the column of labels.
const LABEL: usize = 9;

/// A command that makes sense now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Why, as the label of its line: `resume`, `again`.
    pub label: &'static str,
    /// The command.
    pub command: String,
}

/// The summary as text, each line ended. `page`: the command that makes a page of the run.
#[must_use]
pub fn text(report: &RunReport, next: Option<&Next>, page: Option<&str>) -> String {
    let (mut lines, latency) = (vec![title(report)], latency_line(report));
    lines.extend(counts(report));
    let mut last = vec![labelled("journal", &report.journal.display().to_string())];
    if !report.failed_conditions.is_empty() {
        last.push(labelled("fail-if", &format!("{} held", report.failed_conditions.join("; "))));
    }
    last.extend(warnings(report));
    last.extend(next.map(|next| labelled(next.label, &next.command)));
    let statuses = (!report.statuses.is_empty()).then(|| labelled("statuses", &statuses(report)));
    let (failures, outputs) = (failures(report), outputs(report));
    // Two lines of failures and one of records always have a place, then what is good to know, then more of them.
    let taken = lines.len() + last.len() + usize::from(latency.is_some()) + usize::from(statuses.is_some());
    let mut room = MOST_LINES.saturating_sub(taken);
    let kept = failures.len().min(2) + usize::from(!outputs.is_empty());
    let mut good_to_know = |line: Option<String>| {
        let line = line.filter(|_| room > kept);
        room -= usize::from(line.is_some());
        line
    };
    let (stages, traffic) = (good_to_know(stages(report)), good_to_know(traffic(report)));
    let page = good_to_know(page.map(|page| labelled("report", page)));
    lines.extend([latency, stages, statuses, traffic].into_iter().flatten());
    let failures = fold("failures", &failures, room.saturating_sub(usize::from(!outputs.is_empty())), "reason");
    let room = room - failures.len();
    lines.extend(failures);
    lines.extend(fold("records", &outputs, room, "output"));
    lines.extend(last.into_iter().chain(page));
    lines.join("\n") + "\n"
}

/// The first line: what became of the run.
#[must_use]
pub fn title(report: &RunReport) -> String {
    let (job, after) = (clean(&report.job), clock::human(report.elapsed));
    match &report.ending {
        RunEnding::Complete => format!("{job}: complete in {after}"),
        RunEnding::Partial => format!("{job}: the rows asked for have ended in {after}, others have not"),
        RunEnding::Interrupted(signal) => format!("{job}: interrupted by {} after {after}", signal.name()),
        RunEnding::Stopped { reason, resume_after, resume_at } => {
            let when = resume_after.map(|wait| go_on(wait, *resume_at)).unwrap_or_default();
            format!("{job}: stopped after {after}: {}{when}", clean(reason))
        }
        RunEnding::Broken(reason) if report.run.is_empty() => format!("{job}: could not start: {}", clean(reason)),
        RunEnding::Broken(reason) => format!("{job}: broken off after {after}: {}", clean(reason)),
    }
}

/// When going on makes sense. The wait counts from the stop: who reads this later is told the time as well.
fn go_on(wait: Duration, at: Option<SystemTime>) -> String {
    let stopped = at.and_then(|at| at.checked_sub(wait));
    let moment = at.zip(stopped).map(|(at, stopped)| format!(" ({})", clock::moment(at, stopped)));
    format!("; go on in {}{}", clock::human(wait), moment.unwrap_or_default())
}

/// Rows, attempts and what held them back; what did not occur has no line.
fn counts(report: &RunReport) -> Vec<String> {
    let total = &report.total;
    let parts = [(total.ok, "ok"), (total.failed, "failed"), (total.skipped, "skipped")];
    let mut rows = parts.map(|(count, what)| format!("{} {what}", thousands(count))).join(" · ");
    if report.resumed_rows > 0 {
        rows += &format!(" ({} in earlier sessions)", thousands(report.resumed_rows));
    }
    let mut lines = vec![labelled("rows", &rows)];
    if report.attempts > 0 {
        let word = if report.retries == 1 { "retry" } else { "retries" };
        let rate = per_second(report.attempts as f64 / report.elapsed.as_secs_f64());
        let (attempts, retries) = (thousands(report.attempts), thousands(report.retries));
        let reasons =
            if report.retry_reasons.is_empty() { String::new() } else { format!(", again after {}", reasons(report)) };
        lines.push(labelled("attempts", &format!("{attempts} ({retries} {word}), {rate}{reasons}")));
    }
    lines.extend(messages(report).map(|words| labelled("messages", &words)));
    lines.extend(bound_by(report));
    lines
}

/// `1,234, 257/s, 2 reconnects · closed 1000: 12 · 1006: 3`: messages of all endpoints together; `None` where no
/// connections stay open.
#[must_use]
pub fn messages(report: &RunReport) -> Option<String> {
    const MOST: usize = 4;
    let streams = report.recap.last().map(|session| session.streams.as_slice()).filter(|all| !all.is_empty())?;
    let messages: u64 = streams.iter().map(|stream| stream.messages).sum();
    let rate = per_second(messages as f64 / report.elapsed.as_secs_f64());
    let reconnects = counted(streams.iter().map(StreamUse::reconnected).sum(), "reconnect");
    let mut closes: BTreeMap<u16, u64> = BTreeMap::new();
    let all = streams.iter().flat_map(|stream| &stream.closes);
    all.for_each(|(code, count)| *closes.entry(*code).or_default() += count);
    let shown =
        closes.iter().take(MOST).map(|(code, count)| format!("{}: {}", streams::code(*code), thousands(*count)));
    let mut shown: Vec<String> = shown.collect();
    if closes.len() > MOST {
        shown.push("others".to_owned());
    }
    let closed = if shown.is_empty() { String::new() } else { format!(" · closed {}", shown.join(" · ")) };
    Some(format!("{}, {rate}, {reconnects}{closed}", thousands(messages)))
}

fn latency_line(report: &RunReport) -> Option<String> {
    let [p50, p95, p99] = report.latency?;
    let shown = format!("p50 {} · p95 {} · p99 {}", latency(p50), latency(p95), latency(p99));
    Some(labelled("latency", &shown))
}

/// `stages    first byte 2.8ms/11ms · body 0.2ms/0.9ms (p50/p95)`: those that took a twentieth of the time at least.
fn stages(report: &RunReport) -> Option<String> {
    let stages = &report.recap.last()?.stages;
    let all: Duration = stages.named().iter().map(|(_, one)| one.sum()).sum();
    let matters = |(_, one): &(&str, &Distribution)| one.sum().saturating_mul(20) >= all && one.total() > 0;
    let shown = stages.named().into_iter().filter(matters).filter_map(|(name, one)| {
        Some(format!("{name} {}/{}", latency(one.quantile(0.5)?), latency(one.quantile(0.95)?)))
    });
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| labelled("stages", &format!("{} (p50/p95)", shown.join(" · "))))
}

/// `bytes     79.1 KiB sent · 1.2 MiB received`
fn traffic(report: &RunReport) -> Option<String> {
    let Session { traffic, .. } = report.recap.last()?;
    let moved = traffic.sent > 0 || traffic.received > 0;
    moved.then(|| labelled("bytes", &format!("{} sent · {} received", bytes(traffic.sent), bytes(traffic.received))))
}

/// Why attempts were made again: what matters fits a line.
fn reasons(report: &RunReport) -> String {
    const MOST: usize = 4;
    let mut shown: Vec<String> = report
        .retry_reasons
        .iter()
        .take(MOST)
        .map(|(reason, count)| format!("{}: {}", clean(reason), thousands(*count)))
        .collect();
    if report.retry_reasons.len() > MOST {
        shown.push("others".to_owned());
    }
    shown.join(" · ")
}

/// `limited by limit prices-api 97 % of the time, the server 3 %`
fn bound_by(report: &RunReport) -> Option<String> {
    const MOST: usize = 3;
    // What held the run back for less than a hundredth of the time is not worth a word.
    let mut worth_it = report.bound_by.iter().filter(|(_, share)| *share >= 0.005).take(MOST);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (what, share) = worth_it.next()?;
    let mut text = format!("by {} {} of the time", clean(what), percent(*share));
    for (what, share) in worth_it {
        text += &format!(", {} {}", clean(what), percent(*share));
    }
    Some(labelled("limited", &text))
}

/// A server may answer with many statuses; what matters fits a line.
fn statuses(report: &RunReport) -> String {
    const MOST: usize = 8;
    let mut shown: Vec<String> = report
        .statuses
        .iter()
        .take(MOST)
        .map(|(status, replies)| format!("{status}: {}", thousands(*replies)))
        .collect();
    if report.statuses.len() > MOST {
        shown.push(format!("and {} more", report.statuses.len() - MOST));
    }
    shown.join(" · ")
}

fn failures(report: &RunReport) -> Vec<String> {
    report
        .failures
        .iter()
        .map(|(reason, rows, example)| {
            let which = if *rows == 1 { "row" } else { "such as row" };
            format!("{}: {} ({which} {})", counted(*rows, "row"), clean(reason), thousands(example + 1))
        })
        .collect()
}

fn outputs(report: &RunReport) -> Vec<String> {
    let line = |output: &OutputReport| match output.doubles {
        0 => format!("{} ({})", output.target, thousands(output.records)),
        doubles => {
            format!("{} ({}, {} left out)", output.target, thousands(output.records), counted(doubles, "double"))
        }
    };
    report.outputs.iter().map(line).collect()
}

fn warnings(report: &RunReport) -> Option<String> {
    let first = clean(report.warnings.first()?);
    let more = report.warnings.len() - 1;
    let text = if more == 0 { first } else { format!("{first} (and {} more)", thousands(more as u64)) };
    Some(labelled("warning", &text))
}

/// At most `room` lines of a block; the last one tells how many things it leaves out.
fn fold(label: &str, items: &[String], room: usize, noun: &str) -> Vec<String> {
    let shown = items.len().min(room).min(MOST_OF_A_BLOCK);
    let left = (items.len() - shown) as u64;
    let mut lines: Vec<String> = items[..shown]
        .iter()
        .enumerate()
        .map(|(position, item)| labelled(if position == 0 { label } else { "" }, item))
        .collect();
    if let Some(last) = lines.last_mut().filter(|_| left > 0) {
        *last += &format!(" · and {}", counted(left, &format!("more {noun}")));
    }
    lines
}

fn labelled(label: &str, text: &str) -> String {
    format!("{label:LABEL$} {text}")
}
