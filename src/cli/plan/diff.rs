//! `paceline plan --diff`: what a run would send and write otherwise than the latest run of the job did.
//!
//! Compares what the journal keeps of a run with what a resume would compare it with, so that the two never disagree.
//! Pace and patience are not kept, and so not compared. Must never take the journal's lock.

use serde::Serialize;

use super::human;
use crate::cli::exit::Exit;
use crate::cli::print::Printer;
use crate::diagnostic::Format;
use crate::journal::{self, Recovered};
use crate::plan::Plan;
use crate::report::text::counted;
use crate::run::resume::{self, Change};

/// What differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Diff {
    /// Version of this format.
    version: u32,
    job: String,
    /// The latest run; `None`: there is none yet.
    run: Option<LatestRun>,
    changes: Vec<Change>,
    /// What a run does about the changes, in words; `None`: there are none.
    next: Option<String>,
    /// Rows taken of each input at most (`--limit`), of which a run keeps no note.
    row_limit: Option<u64>,
}

/// The run that is compared with.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct LatestRun {
    run: String,
    /// RFC 3339.
    started: String,
    /// Whether every row has ended.
    complete: bool,
}

/// Prints the differences.
pub fn show(plan: &Plan, format: Format, print: &mut Printer) -> Exit {
    match Diff::gather(plan) {
        Ok(diff) => {
            print.out(&diff.text(format));
            Exit::Fine
        }
        Err(message) => {
            print.error(format, &message);
            Exit::Broken
        }
    }
}

impl Diff {
    /// # Errors
    /// When the journal, or an input, can't be read.
    fn gather(plan: &Plan) -> Result<Self, String> {
        let recovered = journal::peek(&plan.state).map_err(|error| error.message)?;
        let changes = match &recovered {
            Some(latest) => resume::changes(&latest.opening.identity, &resume::identity(plan)?),
            None => Vec::new(),
        };
        let run = recovered.as_ref().map(LatestRun::of);
        let next = run.as_ref().filter(|_| !changes.is_empty()).map(LatestRun::next);
        Ok(Self { version: 1, job: plan.name.clone(), run, changes, next, row_limit: plan.row_limit })
    }

    fn text(&self, format: Format) -> String {
        match format {
            Format::Human | Format::Github => self.words(),
            // Plain data with string keys always serializes.
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default(),
        }
    }

    fn words(&self) -> String {
        let limit = self.row_limit.map(|limit| {
            let rows = counted(limit, "row");
            format!("\n  --limit: at most {rows} of each input; not compared, as a run keeps no note of its limit")
        });
        self.compared() + &limit.unwrap_or_default()
    }

    fn compared(&self) -> String {
        let Some(LatestRun { run, started, complete }) = &self.run else {
            return format!("{}: no run yet to compare with", self.job);
        };
        let state = if *complete { "complete" } else { "unfinished" };
        let run = format!("run {run} of {started} ({state})");
        if self.changes.is_empty() {
            return format!("{}: nothing changed in what is sent and written since {run}", self.job);
        }
        let lines = self.changes.iter().map(|change| format!("  {}", human::change_line(change)));
        let title = format!("{}: changed since {run}", self.job);
        std::iter::once(title).chain(lines).chain(self.next.clone()).collect::<Vec<_>>().join("\n")
    }
}

impl LatestRun {
    fn of(recovered: &Recovered) -> Self {
        let opening = &recovered.opening;
        Self { run: opening.run.clone(), started: opening.started.clone(), complete: recovered.last.complete }
    }

    /// What a run of a job that has changed since does about it.
    fn next(&self) -> String {
        match self.complete {
            true => "the next run begins anew, with the job as it is now".to_owned(),
            false => format!("a run would be refused: {}", human::REFUSED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(run: bool, changes: Vec<Change>) -> Diff {
        let run = run.then(|| LatestRun { run: "r7".into(), started: "2026-11-20T15:04:05Z".into(), complete: true });
        let next = run.as_ref().filter(|_| !changes.is_empty()).map(LatestRun::next);
        Diff { version: 1, job: "prices".into(), run, changes, next, row_limit: None }
    }

    #[test]
    fn in_words() {
        let words = |run, changes| diff(run, changes).words();
        assert_eq!(words(false, vec![]), "prices: no run yet to compare with");
        let expected =
            "prices: nothing changed in what is sent and written since run r7 of 2026-11-20T15:04:05Z (complete)";
        assert_eq!(words(true, vec![]), expected);
        let changed = "prices: changed since run r7 of 2026-11-20T15:04:05Z (complete)\n  \
                       endpoints.price.url: http://a -> http://b\n\
                       the next run begins anew, with the job as it is now";
        assert_eq!(words(true, vec![super::super::resume::tests::change()]), changed);
    }

    #[test]
    fn what_is_not_compared_and_what_a_run_does_is_said() {
        let limited = Diff { row_limit: Some(1), ..diff(true, Vec::new()) }.words();
        assert!(
            limited.ends_with(
                "\n  --limit: at most 1 row of each input; not compared, as a run keeps no note of its limit"
            )
        );
        let latest = LatestRun { run: "r7".into(), started: String::new(), complete: false };
        assert!(latest.next().contains("`run --accept-changes`") && latest.next().contains("`run --fresh`"));
    }
}
