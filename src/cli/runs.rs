//! `paceline runs`: the latest run of a job and those before it, with what to type next.
//!
//! Journals are read without their lock, one after the other: a run may be writing. One that can't be read is named,
//! and the others are listed. Must never change anything in a state folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::args::{RunArgs, RunsArgs};
use super::exit::Exit;
use super::load::{Reading, load};
use super::next::command;
use super::plan::resume::left_alone;
use super::print::Printer;
use crate::clock;
use crate::diagnostic::Format;
use crate::journal::{self, Counts, JournalFile, Recovered};
use crate::plan::Plan;
use crate::report::text::{clean, thousands};
use crate::run::resume::ONCE;
use crate::secret::Secrets;

/// Where jobs keep their state, from where the program was started.
const TOP: &str = ".paceline";

/// Runs of one job.
#[derive(Debug, Serialize)]
struct Runs {
    job: String,
    /// The state folder.
    state: PathBuf,
    /// The latest, then the others as they began.
    runs: Vec<Run>,
}

/// A run, or a journal that can't be read.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Run {
    run: Option<String>,
    state: Option<State>,
    /// RFC 3339, as the next one.
    started: Option<String>,
    last_commit: Option<String>,
    rows: Option<Rows>,
    records: Option<u64>,
    /// A command that makes sense now.
    next: Option<String>,
    journal: PathBuf,
    /// Why the journal can't be read.
    error: Option<String>,
    #[serde(skip)]
    is_latest: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Every row has ended.
    Complete,
    /// A process is at work on it.
    Running,
    /// The next run goes on with it.
    Resumable,
    /// It was left before its end, and nothing goes on with it.
    Stopped,
}

/// Rows that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Rows {
    ok: u64,
    failed: u64,
    /// Those of them of which nobody knows what the server did.
    unknown: u64,
    skipped: u64,
}

/// Lists the runs. `program` is how the program was called.
pub fn runs(args: &RunsArgs, program: &str, print: &mut Printer) -> Exit {
    let (jobs, exit) = match &args.job {
        Some(path) => match load(path, &args.file, args.speech, print) {
            Ok(plan) => {
                let runs = Runs::of(plan.name.clone(), plan.state.clone(), Some((&plan, path)), args, program);
                let exit = if runs.latest_is_lost() { Exit::Broken } else { Exit::Fine };
                (vec![runs], exit)
            }
            Err(exit) => return exit,
        },
        None => (all(args, program), Exit::Fine),
    };
    say(&jobs, args, print);
    exit
}

/// The jobs of the state folder where the program was started, or the one whose state `--state` names.
fn all(args: &RunsArgs, program: &str) -> Vec<Runs> {
    let mut folders: Vec<PathBuf> = match &args.file.state {
        Some(state) => vec![state.clone()],
        None => fs::read_dir(TOP).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect(),
    };
    folders.retain(|folder| !journal::files(folder).is_empty());
    folders.sort();
    let of = |folder: PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = PathBuf::from(format!("{name}.toml"));
        let plan = Reading::of(&file, &args.file).plan.filter(|plan| is_same(&plan.state, &folder));
        Runs::of(name, folder, plan.as_ref().map(|plan| (plan, file.as_path())), args, program)
    };
    folders.into_iter().map(of).collect()
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok().is_some_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

impl Runs {
    /// What a state folder holds. `file`: the job, and where it stands, if that is known.
    fn of(job: String, state: PathBuf, file: Option<(&Plan, &Path)>, args: &RunsArgs, program: &str) -> Self {
        let next = |found: &Recovered, state: State| {
            let (plan, path) = file?;
            let run = RunArgs { job: path.to_owned(), file: args.file.clone(), ..RunArgs::default() };
            let run = next(found, state, left_alone(plan, found), run)?;
            // Whoever gives `--var` a secret has typed it here again.
            let (masker, _) = Secrets::at_hand(&plan.secrets).maskers();
            Some(command(&run, program, Some(&masker)))
        };
        let is_at_work = journal::is_at_work(&state);
        let read = |file: JournalFile| match file.read() {
            Ok(found) => found.map(|found| Run::of(&file, &found, is_at_work, next)),
            Err(error) => Some(Run::lost(&file, error.message)),
        };
        let mut runs: Vec<Run> = journal::files(&state).into_iter().filter_map(read).collect();
        runs.sort_by(|one, other| (other.is_latest, other.begun()).cmp(&(one.is_latest, one.begun())));
        Self { job, state, runs }
    }

    fn latest_is_lost(&self) -> bool {
        self.runs.iter().any(|run| run.is_latest && run.error.is_some())
    }
}

/// What to run now; `None`: nothing in particular.
fn next(found: &Recovered, state: State, unknown: u64, run: RunArgs) -> Option<RunArgs> {
    let failed: u64 = found.last.counts.iter().map(|counts| counts.failed).sum();
    let again = !is_read_once(found) && failed > unknown;
    match state {
        State::Resumable => Some(run),
        State::Complete if again => Some(RunArgs { failed: true, ..run }),
        State::Complete | State::Running | State::Stopped => None,
    }
}

fn is_read_once(found: &Recovered) -> bool {
    found.opening.identity.values().any(|input| input == ONCE)
}

impl Run {
    fn of(
        file: &JournalFile,
        found: &Recovered,
        is_at_work: bool,
        next: impl Fn(&Recovered, State) -> Option<String>,
    ) -> Self {
        let sum = |of: fn(&Counts) -> u64| found.last.counts.iter().map(of).sum();
        let state = if file.is_latest && is_at_work {
            State::Running
        } else if found.last.complete {
            State::Complete
        } else if file.is_latest && !is_read_once(found) {
            State::Resumable
        } else {
            State::Stopped
        };
        Self {
            run: Some(found.opening.run.clone()),
            state: Some(state),
            started: Some(found.opening.started.clone()),
            rows: Some(Rows {
                ok: sum(|counts| counts.ok),
                failed: sum(|counts| counts.failed),
                unknown: sum(|counts| counts.unknown),
                skipped: sum(|counts| counts.skipped),
            }),
            records: Some(sum(|counts| counts.records)),
            next: next(found, state).filter(|_| file.is_latest),
            ..Self::in_file(file)
        }
    }

    fn lost(file: &JournalFile, error: String) -> Self {
        Self { error: Some(error), ..Self::in_file(file) }
    }

    fn in_file(file: &JournalFile) -> Self {
        let last_commit = file.written.map(clock::rfc3339);
        Self { last_commit, journal: file.path.clone(), is_latest: file.is_latest, ..Self::default() }
    }

    /// When it began; of a journal that can't be read when it was last written.
    fn begun(&self) -> Option<&String> {
        self.started.as_ref().or(self.last_commit.as_ref())
    }
}

fn say(jobs: &[Runs], args: &RunsArgs, print: &mut Printer) {
    match args.speech.output {
        // Plain data with string keys always serializes.
        Format::Json => print.out(&serde_json::to_string_pretty(&json!({ "jobs": jobs })).unwrap_or_default()),
        Format::Human | Format::Github => {
            let none = jobs.iter().all(|job| job.runs.is_empty());
            if none && !args.speech.quiet {
                let whose = jobs.first().map_or_else(|| format!("a job in {TOP}"), |job| format!("`{}`", job.job));
                print.note(args.speech.output, &format!("there is no run of {whose} yet"));
            }
            let texts: Vec<String> = jobs.iter().filter(|job| !job.runs.is_empty()).map(text).collect();
            print.out(&texts.join("\n"));
        }
    }
}

const HEAD: [&str; 8] = ["run", "state", "started", "last commit", "ok", "failed", "skipped", "records"];
/// Columns from this one on are numbers.
const NUMBERS: usize = 4;

fn text(job: &Runs) -> String {
    let lines: Vec<[String; 8]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(job.runs.iter().filter(|run| run.error.is_none()).map(cells))
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = format!("{} ({})\n", clean(&job.job), job.state.display());
    for line in &lines {
        let padded = line.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if column < NUMBERS { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        text += &format!("  {}\n", padded.collect::<Vec<_>>().join("  "));
    }
    let errors = job.runs.iter().filter_map(|run| run.error.as_ref());
    errors.for_each(|error| text += &format!("  {}\n", clean_line(error)));
    let next = job.runs.iter().filter_map(|run| run.next.as_ref());
    next.for_each(|next| text += &format!("  next: {next}\n"));
    text
}

/// An error on one line, whole: it ends with the way out.
fn clean_line(error: &str) -> String {
    error.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cells(run: &Run) -> [String; 8] {
    let count = |of: fn(&Rows) -> u64| run.rows.as_ref().map(of).map(thousands).unwrap_or_default();
    let state = match run.state {
        Some(State::Complete) => "complete",
        Some(State::Running) => "running",
        Some(State::Resumable) => "resumable",
        Some(State::Stopped) => "stopped",
        None => "",
    };
    [
        clean(run.run.as_deref().unwrap_or_default()),
        state.to_owned(),
        moment(run.started.as_deref()),
        moment(run.last_commit.as_deref()),
        count(|rows| rows.ok),
        count(|rows| rows.failed),
        count(|rows| rows.skipped),
        run.records.map(thousands).unwrap_or_default(),
    ]
}

/// RFC 3339 in UTC with fractions, as people read it.
fn moment(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    match text.split_once('.').and_then(|(seconds, _)| seconds.split_once('T')) {
        Some((day, time)) => clean(&format!("{day} {time} UTC")),
        None => clean(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::journal::{Commit, Opening, RowSet, StateFolder, VERSION};

    const JOB: &str = "[endpoints.a]\nurl = \"http://h/\"\ninput.values = [{ a = 1 }]\n";

    fn begin(state: &Path, run: &str, started: &str, commit: Commit) {
        let state = StateFolder::lock(state).unwrap();
        let opening = Opening {
            version: VERSION,
            run: run.into(),
            job: "prices".into(),
            started: started.into(),
            identity: BTreeMap::new(),
            endpoints: vec!["a".into()],
            sinks: vec![],
        };
        state.begin(&opening).unwrap().commit(&commit).unwrap();
    }

    fn counts(ok: u64, failed: u64) -> Commit {
        let counts = Counts { ok, failed, records: ok + failed, ..Counts::default() };
        Commit { done: vec![RowSet::default()], counts: vec![counts], ..Commit::default() }
    }

    fn listed(state: &Path) -> Runs {
        let args = RunsArgs { job: Some("jobs/x.toml".into()), file: Default::default(), speech: Default::default() };
        let plan = super::super::plan::tests::plan(JOB);
        let file = Some((&plan, Path::new("jobs/x.toml")));
        Runs::of("prices".into(), state.to_owned(), file, &args, "paceline")
    }

    #[test]
    fn runs_stand_newest_first_with_what_became_of_them() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join(".paceline/prices");
        assert!(listed(&state).runs.is_empty());
        begin(&state, "r1", "2026-11-20T15:04:05.123Z", Commit { complete: true, ..counts(1000, 0) });
        begin(&state, "r2", "2026-11-21T15:04:05.123Z", counts(7, 1));
        begin(&state, "r3", "2026-11-22T15:04:05.123Z", Commit { complete: true, ..counts(5, 3) });
        let runs = listed(&state);
        let shown: Vec<_> = runs
            .runs
            .iter()
            .map(|run| (run.run.as_deref().unwrap(), run.state.unwrap(), run.next.as_deref()))
            .collect();
        let again = Some("paceline run jobs/x.toml --failed");
        let expected = [("r3", State::Complete, again), ("r2", State::Stopped, None), ("r1", State::Complete, None)];
        assert_eq!(shown, expected);
        begin(&state, "r4", "2026-11-23T15:04:05.123Z", counts(0, 0));
        let runs = listed(&state);
        assert_eq!(runs.runs[0].state, Some(State::Resumable));
        assert_eq!(runs.runs[0].next.as_deref(), Some("paceline run jobs/x.toml"));
        let lock = StateFolder::lock(&state).unwrap();
        let locked = listed(&state);
        assert_eq!((locked.runs[0].state, &locked.runs[0].next), (Some(State::Running), &None));
        assert_eq!(locked.runs[1], runs.runs[1]);
        drop(lock);
        let text = text(&runs);
        assert!(text.contains("\n  r1   complete   2026-11-20 15:04:05 UTC  "), "{text}");
        assert!(text.lines().any(|line| line.ends_with("  1,000       0        0    1,000")), "{text}");
        assert!(text.ends_with("\n  next: paceline run jobs/x.toml\n"), "{text}");
    }

    #[test]
    fn a_damaged_journal_is_named_and_the_others_are_listed() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join(".paceline/prices");
        begin(&state, "r1", "2026-11-20T15:04:05.123Z", counts(1, 0));
        begin(&state, "r2", "2026-11-21T15:04:05.123Z", counts(2, 0));
        fs::write(state.join("runs/r1.journal"), "what?").unwrap();
        let runs = listed(&state);
        assert!(!runs.latest_is_lost());
        assert_eq!(runs.runs.len(), 2);
        let shown = text(&runs);
        assert!(shown.contains("\n  r2 ") && shown.contains("runs/r1.journal` is not a past journal"), "{shown}");
        fs::write(state.join("journal"), "what?").unwrap();
        assert!(listed(&state).latest_is_lost());
    }
}
