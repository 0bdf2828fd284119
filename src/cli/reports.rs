//! Reports of `run`: which ones, and what comes of writing them; in GitHub Actions the step summary as well.
//!
//! Must never change how the program leaves: what can't be written is a warning.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::RunArgs;
use crate::compile::real_path;
use crate::diagnostic::Format;
use crate::disk::{File, Way};
use crate::environment;
use crate::plan::Plan;
use crate::report::file::{self, Account, Asked, ReportPlan, markdown};

/// Most bytes of a step summary, of all steps of a job together that write to one file ("Workflow commands for GitHub
/// Actions", step isolation and limits).
const MOST_OF_A_STEP: u64 = 1024 * 1024;

/// What to write when the run has ended.
#[derive(Debug)]
pub struct Reports {
    plans: Vec<ReportPlan>,
    asked: Asked,
    /// The file of the step summary.
    step: Option<PathBuf>,
}

impl Reports {
    /// Those of the job, over which flags lie; paths of flags are relative to where the program was started.
    ///
    /// # Errors
    /// In words, when a flag names a file that can't be a report.
    pub fn of(args: &RunArgs, plan: &Plan) -> Result<Self, String> {
        let mut plans = plan.reports.clone();
        for (key, path) in args.reports() {
            let (flag, shown) = (format!("--report-{key}"), path.display());
            let Some(kind) = file::kind(key) else { return Err(format!("{flag}: there is no such report")) };
            if let Some(why) = file::clash(plan, path) {
                return Err(format!("{flag} {shown}: {why}; name another file, such as {}", kind.example));
            }
            plans.retain(|report| report.kind.key != key);
            if let Some(other) = plans.iter().find(|other| real_path(&other.path) == real_path(path)) {
                let other = other.kind.key;
                return Err(format!("{flag} {shown}: the report `{other}` goes there; give each a file of its own"));
            }
            plans.push(ReportPlan { kind, path: path.clone() });
        }
        apart(args, &plans)?;
        Ok(Self { plans, asked: Asked::of(plan), step: step_summary(args.speech.output) })
    }

    /// Whether a kind is written.
    pub fn has(&self, key: &str) -> bool {
        self.plans.iter().any(|report| report.kind.key == key)
    }

    /// Writes all of them. `account` is given what was asked of the run. What could not be written, in words.
    pub fn write<'a>(&'a self, account: impl Fn(&'a Asked) -> Account<'a>) -> Vec<String> {
        let account = account(&self.asked);
        let one = |report: &ReportPlan| {
            let error = file::save(&report.path, &(report.kind.render)(&account)).err()?;
            Some(format!("the report {} can't be written: {error}", report.path.display()))
        };
        let mut warnings: Vec<String> = self.plans.iter().filter_map(one).collect();
        if let Some(path) = &self.step {
            let error = append(path, &account).err();
            warnings
                .extend(error.map(|error| format!("the step summary {} can't be written: {error}", path.display())));
        }
        warnings
    }
}

/// Two of a run's files must not be one: a report would take the place of events or of the log, or one line would stand
/// between those of the other.
fn apart(args: &RunArgs, reports: &[ReportPlan]) -> Result<(), String> {
    let flagged = |key: &str| args.reports().any(|(flag, _)| flag == key);
    let named = |key: &str| if flagged(key) { format!("--report-{key}") } else { format!("`report.{key}` of the job") };
    let mut known: Vec<(String, PathBuf)> =
        reports.iter().map(|report| (named(report.kind.key), real_path(&report.path))).collect();
    let events = args.events.as_ref().map(|path| ("--events", path));
    for (flag, path) in events.into_iter().chain(args.log.log_file.as_ref().map(|path| ("--log-file", path))) {
        // What is no file, such as a terminal, takes what several say.
        if path.exists() && !path.is_file() {
            continue;
        }
        let real = real_path(path);
        if let Some((other, _)) = known.iter().find(|(_, known)| *known == real) {
            let shown = path.display();
            return Err(format!("{flag} {shown}: {other} goes there as well; give each a file of its own"));
        }
        known.push((flag.to_owned(), real));
    }
    Ok(())
}

/// The formats in which an error is said: in GitHub Actions it becomes an annotation as well.
pub fn voices(output: Format) -> impl Iterator<Item = Format> {
    let annotated = output == Format::Human && in_actions();
    std::iter::once(output).chain(annotated.then_some(Format::Github))
}

/// Whether this is a step of GitHub Actions.
pub fn in_actions() -> bool {
    environment::variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The file of the step summary, where there is one.
fn step_summary(output: Format) -> Option<PathBuf> {
    let wanted = output == Format::Github || in_actions();
    environment::variable("GITHUB_STEP_SUMMARY").filter(|path| wanted && !path.is_empty()).map(PathBuf::from)
}

/// Adds to the step summary, as much as it takes.
fn append(path: &Path, account: &Account<'_>) -> io::Result<()> {
    let there = std::fs::metadata(path).map_or(0, |about| about.len());
    let room = usize::try_from(MOST_OF_A_STEP.saturating_sub(there + 1)).unwrap_or(usize::MAX);
    let text = markdown::render(account, room);
    if text.is_empty() {
        return Err(io::Error::other("it is full: GitHub takes 1 MiB of a step"));
    }
    let way = if there == 0 && !path.exists() { Way::NewToExtend } else { Way::Extend };
    // Whatever wrote before may have left its last line open.
    let gap = if there > 0 { "\n" } else { "" };
    File::open(path, way)?.write_all(format!("{gap}{text}").as_bytes())
}
