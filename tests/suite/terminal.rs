//! In front of a real terminal: what stands on it, what keys do, and that it is afterwards as it was before.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod endings;
mod events;
mod keys;
mod picture;
mod pty;
mod screens;
mod shell;

use crate::support::oracle::script;
use crate::support::{Answer, Job, Oracle};

/// Answers rows up to `last`, and never those behind it.
fn answers_up_to(last: u64) -> Oracle {
    Oracle::start(move |request| match request.id().parse::<u64>() {
        Ok(3) => Answer::status(404),
        Ok(id) if id <= last => script::item(request),
        _ => Answer::Stall,
    })
}

/// Records go to a file: in front of a terminal they would run through the bars.
const SINK: &str = "[sinks.out]\npath = \"out.csv\"\non-existing = \"replace\"\n";

/// `rows` rows of one endpoint, named `price`, with `more` behind it, and a sink where that names none.
fn job(server: &Oracle, rows: u64, more: &str) -> Job {
    let sink = if more.contains("[sinks") { "" } else { SINK };
    let text = format!(
        "[endpoints.price]\nurl = \"ORACLE/items/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = {rows} }}\n\
         concurrency = 4\n{more}{sink}"
    );
    Job::at(&server.url(), &text)
}
