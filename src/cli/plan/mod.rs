//! `paceline plan`: what a run would do, offline: nothing is sent, no secret is read.
//!
//! [`facts`] gathers, [`human`] writes; JSON is the facts as they are. [`curl`] shows requests alone, as commands.

mod curl;
mod diff;
mod facts;
pub(super) mod first;
mod human;
mod notify;
mod preview;
pub(super) mod resume;
mod sinks;
mod stream;
#[cfg(test)]
pub(super) mod tests;
mod touches;

use self::facts::Facts;
use super::args::PlanArgs;
use super::exit::Exit;
use super::load::{Reading, STDIN, load, told, without_secrets};
use super::print::Printer;
use crate::diagnostic::Format;
use crate::plan::Plan;
use crate::run::RunOptions;

/// Shows the plan of a job.
pub fn plan(args: &PlanArgs, print: &mut Printer) -> Exit {
    let file = if args.no_secrets { without_secrets(&args.file, args.speech, print) } else { args.file.clone() };
    let loaded = match args.job.to_str() {
        Some(STDIN) => told(Reading::of_standard_input(&file), args.speech, print).map(|(plan, _)| plan),
        _ => load(&args.job, &file, args.speech, print),
    };
    match loaded {
        Ok(plan) if args.diff => diff::show(&plan, args.speech.output, print),
        Ok(plan) if args.curl => curl::show(&plan, args.rows, args.speech.output, print),
        Ok(plan) => show(&plan, RunOptions::default(), args.rows, args.speech.output, print),
        Err(exit) => exit,
    }
}

/// Prints what a run with these options would do, with the requests of `rows` rows of each endpoint.
pub fn show(plan: &Plan, options: RunOptions, rows: u64, format: Format, print: &mut Printer) -> Exit {
    match Facts::gather(plan, options, rows) {
        Ok(facts) => {
            print.out(&text(&facts, format));
            Exit::Fine
        }
        Err(error) => {
            print.error(format, &error.message);
            Exit::Broken
        }
    }
}

/// What is known of a job without reading its inputs, as text.
pub fn words(plan: &Plan) -> String {
    Facts::known(plan).map(|facts| human::of_job(&facts)).unwrap_or_default()
}

fn text(facts: &Facts, format: Format) -> String {
    match format {
        Format::Human | Format::Github => human::text(facts),
        // Plain data with string keys always serializes.
        Format::Json => serde_json::to_string_pretty(facts).unwrap_or_default(),
    }
}
