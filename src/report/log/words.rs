//! Words: what an event reads like in a log, on one line.
//!
//! Must never say what the event does not, nor let a server's words move a cursor.

use std::time::Duration;

use super::super::text::{clean, counted, thousands};
use crate::clock;
use crate::event::{Allowance, Event};

/// The event as a sentence.
#[must_use]
pub fn describe(event: &Event) -> String {
    match event {
        Event::RunStarted { job, run, resumed_rows: 0, .. } => format!("{}: run {} begins", clean(job), clean(run)),
        Event::RunStarted { job, run, resumed_rows, .. } => {
            format!("{}: run {} goes on, {} done before", clean(job), clean(run), counted(*resumed_rows, "row"))
        }
        Event::EndpointStarted { endpoint, rows: Some(rows), .. } => {
            format!("{}: begins, {}", clean(endpoint), counted(*rows, "row"))
        }
        Event::EndpointStarted { endpoint, rows: None, .. } => format!("{}: begins", clean(endpoint)),
        Event::BatchStarted { endpoint, batch } => format!("{}: batch {batch} begins", clean(endpoint)),
        Event::BatchFinished { endpoint, batch, rows } => {
            format!("{}: batch {batch} has ended, {}", clean(endpoint), counted(*rows, "row"))
        }
        Event::Attempted { .. } => attempted(event),
        Event::Retrying { endpoint, row, attempts, reason, wait_ms } => {
            let (wait, tries) = (human(*wait_ms), counted(u64::from(*attempts), "attempt"));
            format!("{}: row {}: again in {wait} after {tries}: {}", clean(endpoint), row + 1, clean(reason))
        }
        Event::Postponed { endpoint, row, reason, wait_ms } => {
            format!("{}: row {}: asks again in {}: {}", clean(endpoint), row + 1, human(*wait_ms), clean(reason))
        }
        Event::Held { limit, wait_ms } => format!("limit {}: held for {}", clean(limit), human(*wait_ms)),
        Event::OutageBegan { endpoint, host, reason, wait_ms } => {
            let (wait, reason) = (human(*wait_ms), clean(reason));
            format!("{}: every call to {} fails: {reason}; the next one in {wait}", clean(endpoint), clean(host))
        }
        Event::OutageEnded { endpoint, host, lasted_ms, answered } => {
            let how = if *answered { "is back" } else { "is still out" };
            format!("{}: {} {how} after {}", clean(endpoint), clean(host), human(*lasted_ms))
        }
        Event::RowFailed { endpoint, row, reason } => {
            format!("{}: row {}: failed: {}", clean(endpoint), row + 1, clean(reason))
        }
        Event::RowSkipped { endpoint, row, reason } => {
            format!("{}: row {}: skipped: {}", clean(endpoint), row + 1, clean(reason))
        }
        Event::RowEnded { endpoint, row, .. } => format!("{}: row {}: has ended", clean(endpoint), row + 1),
        Event::Committed { rows, .. } => {
            let counts = [(rows.ok, "ok"), (rows.failed, "failed"), (rows.skipped, "skipped")];
            let words = counts.map(|(count, what)| format!("{} {what}", thousands(count)));
            format!("committed: {}", words.join(", "))
        }
        Event::Progress { endpoint, ok, failed, skipped, messages, .. } => {
            let messages = messages.map(|messages| format!(", {}", counted(messages, "message"))).unwrap_or_default();
            format!("{}: {} done{messages}", clean(endpoint), counted(ok + failed + skipped, "row"))
        }
        Event::LeftOut { events } => {
            let left_out = counted(events.values().sum(), "event");
            format!("{left_out} left out, for they were not taken fast enough")
        }
        Event::Paused { on_wire } => paused(*on_wire),
        Event::Resumed { paused_ms } => resumed(*paused_ms),
        Event::ConcurrencyChanged { endpoints } => concurrency(endpoints),
        Event::Warning { message } => format!("warning: {}", clean(message)),
        Event::Draining { reason } => format!("draining: {}", clean(reason)),
        Event::EndpointFinished { endpoint } => format!("{}: has ended", clean(endpoint)),
        Event::RunFinished { complete: true, .. } => "the run is complete".to_owned(),
        Event::RunFinished { complete: false, .. } => "the run ends before its last row".to_owned(),
    }
}

/// Whom the end of a run waits for.
pub fn telling(others: u64) -> String {
    format!("telling {} that the run has ended", counted(others, "webhook"))
}

/// What a pause by hand means for so many requests that are on the wire.
pub fn paused(on_wire: u64) -> String {
    let ends = if on_wire == 1 { "ends" } else { "end" };
    match on_wire {
        0 => "paused by hand; no request leaves".to_owned(),
        _ => format!("paused by hand; no request leaves, {} on the wire {ends}", counted(on_wire, "request")),
    }
}

/// How long a pause by hand was.
pub fn resumed(paused_ms: u64) -> String {
    format!("resumed after a pause of {}", human(paused_ms))
}

/// How many requests somebody allows to be in flight.
pub fn concurrency(endpoints: &[Allowance]) -> String {
    format!("concurrency by hand: {}", endpoints.iter().map(allowed).collect::<Vec<_>>().join(", "))
}

/// `price 9 of 10`
fn allowed(Allowance { endpoint, requests, most }: &Allowance) -> String {
    let (endpoint, all, most) = (clean(endpoint), requests == most, thousands(*most));
    if all {
        format!("{endpoint} {most}, the most that it may")
    } else {
        format!("{endpoint} {} of {most}", thousands(*requests))
    }
}

/// `price: row 18: attempt 1: 503 in 12.5ms: retry in 250ms: 503 Service Unavailable`
fn attempted(event: &Event) -> String {
    let Event::Attempted { endpoint, row, attempt, status, duration_ms, verdict, reason, wait_ms, .. } = event else {
        return String::new();
    };
    let mut line = format!("{}: row {}: attempt {attempt}: ", clean(endpoint), row + 1);
    line += &status.map_or_else(|| "no reply".to_owned(), |status| status.to_string());
    if let Some(duration) = duration_ms {
        line += &format!(" in {duration}ms");
    }
    line += &format!(": {verdict}");
    if let Some(wait) = wait_ms {
        line += &format!(" in {}", human(*wait));
    }
    if let Some(reason) = reason {
        line += &format!(": {}", clean(reason));
    }
    line
}

fn human(milliseconds: u64) -> String {
    clock::human(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_sentences() {
        let endpoint = || "price".to_owned();
        let retrying =
            Event::Retrying { endpoint: endpoint(), row: 17, attempts: 1, reason: "HTTP 503".into(), wait_ms: 250 };
        let failed = Event::RowFailed { endpoint: endpoint(), row: 0, reason: "HTTP\n404".into() };
        let batch = Event::BatchFinished { endpoint: endpoint(), batch: 3, rows: 1000 };
        assert_eq!(describe(&retrying), "price: row 18: again in 250ms after 1 attempt: HTTP 503");
        assert_eq!(describe(&failed), "price: row 1: failed: HTTP 404");
        assert_eq!(describe(&batch), "price: batch 3 has ended, 1,000 rows");
        let reason = "its host is out".to_owned();
        let postponed = Event::Postponed { endpoint: endpoint(), row: 17, reason, wait_ms: 1500 };
        assert_eq!(describe(&postponed), "price: row 18: asks again in 1.5s: its host is out");
        assert_eq!(describe(&Event::Held { limit: "api".into(), wait_ms: 90_000 }), "limit api: held for 1m 30s");
    }

    #[test]
    fn an_attempt_is_told_with_its_reason_and_its_wait() {
        let attempted = |status, duration_ms, verdict: &str, reason: Option<&str>, wait_ms| Event::Attempted {
            endpoint: "price".into(),
            again_after: None,
            whole: true,
            row: 17,
            attempt: 2,
            status,
            duration_ms,
            verdict: verdict.into(),
            reason: reason.map(str::to_owned),
            wait_ms,
            sent: None,
        };
        let refused = attempted(Some(503), Some(12.5), "retry", Some("503 Service Unavailable"), Some(250));
        let expected = "price: row 18: attempt 2: 503 in 12.5ms: retry in 250ms: 503 Service Unavailable";
        assert_eq!(describe(&refused), expected);
        let accepted = attempted(Some(200), Some(1.0), "accept", None, None);
        assert_eq!(describe(&accepted), "price: row 18: attempt 2: 200 in 1ms: accept");
        let cut = attempted(None, None, "fail", Some("connection refused"), None);
        assert_eq!(describe(&cut), "price: row 18: attempt 2: no reply: fail: connection refused");
    }

    #[test]
    fn an_outage_has_a_beginning_and_an_end() {
        let (endpoint, host) = ("price".to_owned(), "api:443".to_owned());
        let began = Event::OutageBegan {
            endpoint: endpoint.clone(),
            host: host.clone(),
            reason: "502 Bad Gateway".into(),
            wait_ms: 1000,
        };
        assert_eq!(describe(&began), "price: every call to api:443 fails: 502 Bad Gateway; the next one in 1s");
        let ended = Event::OutageEnded { endpoint, host, lasted_ms: 61_000, answered: true };
        assert_eq!(describe(&ended), "price: api:443 is back after 1m 1s");
    }
}
