//! `run.fail-if` and `run.stop-if`: conditions over a whole run, such as `failed > 1%` and
//! `unauthorized >= 5 in a row`.
//!
//! Must never be mixed up with conditions over one reply, which are expressions of templates.

mod parse;
#[cfg(test)]
mod tests;

use self::parse::{Clause, Grammar, Wrong};
use super::{Site, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{FailIf, StopIf, StopMeasure};
use crate::spec::JobSpec;

/// The condition of a job that names none.
const FAIL_IF: &str = "failed > 0";

/// What stops a job that does not say what does.
const STOP_IF: &str = "unauthorized >= 5 in a row";

/// Compiles the conditions that fail a run.
pub fn fail_if(site: &mut Site<'_>, spec: &JobSpec) -> Vec<FailIf> {
    let written = spec.run.as_ref().and_then(|run| run.fail_if.as_ref()).map(|list| list.0.as_slice());
    let clauses = all(site, "fail-if", written, FAIL_IF, Grammar::Fail);
    clauses.into_iter().filter_map(failing).collect()
}

/// Compiles the conditions that stop a run.
pub fn stop_if(site: &mut Site<'_>, spec: &JobSpec) -> Vec<StopIf> {
    let written = spec.run.as_ref().and_then(|run| run.stop_if.as_ref()).map(|list| list.0.as_slice());
    let clauses = all(site, "stop-if", written, STOP_IF, Grammar::Stop);
    clauses.into_iter().map(stopping).collect()
}

fn all(
    site: &mut Site<'_>,
    key: &str,
    written: Option<&[String]>,
    default: &str,
    grammar: Grammar,
) -> Vec<(String, Clause)> {
    let Some(written) = written else {
        return parse::parse(default, grammar).map(|clause| (default.to_owned(), clause)).into_iter().collect();
    };
    let path = KeyPath::of(["run", key]);
    let mut clauses = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match parse::parse(text, grammar) {
            Ok(clause) => clauses.push((text.clone(), clause)),
            Err(Wrong { range, message, help }) => {
                let place = site.document.place_in_string(&names::item(site, &path, index), range);
                site.diagnostics.push(Diagnostic::error(codes::EXPRESSION, message).at(place, "").help(help));
            }
        }
    }
    clauses
}

fn failing((source, clause): (String, Clause)) -> Option<FailIf> {
    let Clause { measure, comparison, bound, percent, .. } = clause;
    match measure {
        StopMeasure::Of(measure) => Some(FailIf { source, measure, comparison, bound, percent }),
        // The parser has refused it.
        StopMeasure::Unauthorized => None,
    }
}

fn stopping((source, clause): (String, Clause)) -> StopIf {
    let Clause { measure, comparison, bound, percent, after, in_a_row } = clause;
    StopIf { source, measure, comparison, bound, percent, after: after.unwrap_or(0), in_a_row }
}
