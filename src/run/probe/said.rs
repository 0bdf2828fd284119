//! What a check says while it asks: a line of the log for each thing, as soon as it is known.
//!
//! The diagnostics and the table come at the end, in the order of the job. Must never say what was not masked.

use super::{Outcome, Told, Tried, What};
use crate::report::text::{clean, latency};
use crate::sample::Verdict;

/// Logs what came of something.
pub(super) fn log(told: &Told) {
    let Tried { key, what, outcome } = &told.tried;
    tracing::info!(
        target: "paceline::check", event = "asked", key = %key,
        "{}: {}", clean(&of(what)), clean(&became(outcome))
    );
}

fn of(what: &What) -> String {
    match what {
        What::Host(host) => format!("host {}", host.trim_end_matches(':')),
        What::Input(input) => format!("input {input}"),
        What::Token(sender) => format!("token of {sender}"),
        What::Request { endpoint, request } => format!("{endpoint}, {request}"),
        What::Notify(name) => name.clone(),
        What::Sink { sink, target } => format!("sink {sink}, {target}"),
    }
}

fn became(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reached(reached) => {
            let timings = &reached.timings;
            format!("reached in {}", latency(timings.dns + timings.connect + timings.tls))
        }
        Outcome::Fine(took) => format!("ok in {}", latency(*took)),
        Outcome::Replied { status, took, judged } => {
            let refused = if judged.verdict == Verdict::Refused { ", refused" } else { "" };
            format!("{status} in {}{refused}", latency(*took))
        }
        Outcome::Left(why) => format!("not tried: {why}"),
        Outcome::Failed(words) | Outcome::Unmade(words) => format!("failed: {words}"),
        Outcome::Unopened(keyed) => format!("failed: {}", keyed.message),
    }
}
