//! Which run is meant: the latest of a job, or the one whose id begins so.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::args::ReportArgs;
use super::super::exit::Exit;
use super::super::load::load;
use super::super::print::Printer;
use crate::journal::{self, JournalFile, Opening};
use crate::plan::Plan;
use crate::report::text::{clean, counted};

/// Where jobs keep their state.
const TOP: &str = ".paceline";

/// Runs that a message lists.
const MOST: usize = 10;

/// A run that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The state folder.
    pub(super) state: PathBuf,
    pub(super) journal: JournalFile,
    /// The job, where its file was named.
    pub(super) plan: Option<Plan>,
}

/// A journal with what its beginning says.
struct Known {
    found: Found,
    opening: Opening,
}

/// Finds a run; why there is none is said.
pub(super) fn find(run: &str, args: &ReportArgs, print: &mut Printer) -> Result<Found, Exit> {
    let path = Path::new(run);
    if path.is_file() || path.extension().is_some_and(|ending| ending == "toml") {
        return latest(path, args, print);
    }
    let (known, unreadable) = all(&folders(args.file.state.as_deref()));
    by_id(run, known, &unreadable).map_err(|message| {
        print.error(args.speech.output, &message);
        Exit::Usage
    })
}

fn latest(path: &Path, args: &ReportArgs, print: &mut Printer) -> Result<Found, Exit> {
    let plan = load(path, &args.file, args.speech, print)?;
    let journal = journal::files(&plan.state).into_iter().find(|journal| journal.is_latest);
    let Some(journal) = journal else {
        let (name, path) = (clean(&plan.name), path.display());
        print.error(args.speech.output, &format!("there is no run of `{name}` yet; `paceline run {path}` makes one"));
        return Err(Exit::Usage);
    };
    Ok(Found { state: plan.state.clone(), journal, plan: Some(plan) })
}

/// The state folders in which a run is looked for.
fn folders(state: Option<&Path>) -> Vec<PathBuf> {
    if let Some(state) = state {
        return vec![state.to_owned()];
    }
    let within = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let below = within(Path::new(".")).into_iter().map(|folder| folder.join(TOP));
    let mut tops: Vec<PathBuf> = std::iter::once(PathBuf::from(TOP)).chain(below).collect();
    tops.sort();
    tops.iter().flat_map(|top| within(top)).collect()
}

/// The runs of these folders, and journals whose beginning can't be read.
fn all(folders: &[PathBuf]) -> (Vec<Known>, Vec<PathBuf>) {
    let (mut known, mut unreadable) = (Vec::new(), Vec::new());
    for state in folders {
        for journal in journal::files(state) {
            match journal.opening() {
                Some(opening) => {
                    known.push(Known { found: Found { state: state.clone(), journal, plan: None }, opening })
                }
                None => unreadable.push(journal.path),
            }
        }
    }
    known.sort_by(|one, other| other.opening.started.cmp(&one.opening.started));
    (known, unreadable)
}

/// The run with this id, or the only one whose id begins so.
fn by_id(run: &str, mut known: Vec<Known>, unreadable: &[PathBuf]) -> Result<Found, String> {
    if let Some(exact) = known.iter().position(|known| known.opening.run == run) {
        return Ok(known.swap_remove(exact).found);
    }
    let mut fitting: Vec<usize> =
        (0..known.len()).filter(|position| !run.is_empty() && known[*position].opening.run.starts_with(run)).collect();
    match fitting.len() {
        0 => Err(format!("there is no run `{}`{}{}", clean(run), offered(&known), damaged(unreadable))),
        1 => Ok(known.swap_remove(fitting.remove(0)).found),
        several => {
            let fitting = fitting.into_iter().map(|position| &known[position]);
            Err(format!("{several} runs begin with `{}`; name one of them in full:{}", clean(run), listed(fitting)))
        }
    }
}

fn offered(known: &[Known]) -> String {
    if known.is_empty() {
        let way = "name a job file, or its state folder with --state";
        return format!(": no run is kept in ./{TOP}, nor in the {TOP} of a folder right below; {way}");
    }
    format!("; those that are kept:{}", listed(known))
}

fn listed<'k>(known: impl IntoIterator<Item = &'k Known>) -> String {
    let known: Vec<&Known> = known.into_iter().collect();
    let line = |known: &&Known| {
        let Opening { run, job, started, .. } = &known.opening;
        format!("\n  {}  {} began {}", clean(run), clean(job), clean(started))
    };
    let mut text: String = known.iter().take(MOST).map(line).collect();
    if known.len() > MOST {
        text += &format!("\n  and {}", counted((known.len() - MOST) as u64, "older one"));
    }
    text
}

fn damaged(unreadable: &[PathBuf]) -> String {
    unreadable.iter().take(MOST).map(|path| format!("\n  `{}` can't be read", path.display())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::journal::{StateFolder, VERSION};

    fn begin(state: &Path, run: &str, started: &str) {
        let opening = Opening {
            version: VERSION,
            run: run.into(),
            job: "prices".into(),
            started: started.into(),
            identity: BTreeMap::new(),
            endpoints: vec!["a".into()],
            sinks: vec![],
        };
        drop(StateFolder::lock(state).unwrap().begin(&opening).unwrap());
    }

    fn found(run: &str, state: &Path) -> Result<String, String> {
        let (known, unreadable) = all(&folders(Some(state)));
        by_id(run, known, &unreadable).map(|found| found.journal.opening().unwrap().run)
    }

    #[test]
    fn a_run_is_found_by_the_beginning_of_its_id_and_by_nothing_that_fits_several() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join(".paceline/prices");
        let none = found("ab", &state).unwrap_err();
        assert!(none.contains("no run is kept") && none.contains("--state"), "{none}");
        for (run, started) in [
            ("ab12", "2026-11-20T15:04:05.123Z"),
            ("ab1", "2026-11-21T15:04:05.123Z"),
            ("cd", "2026-11-22T15:04:05.123Z"),
        ] {
            begin(&state, run, started);
        }
        assert_eq!(found("c", &state), Ok("cd".into()));
        assert_eq!(found("ab12", &state), Ok("ab12".into()));
        assert_eq!(found("ab1", &state), Ok("ab1".into()), "the whole id is meant, although another begins so");
        let several = found("a", &state).unwrap_err();
        assert!(
            several.starts_with("2 runs begin with `a`") && several.contains("\n  ab1  prices began 2026-11-21"),
            "{several}"
        );
        fs::write(state.join("runs/ab1.journal"), "what?").unwrap();
        let unknown = found("x", &state).unwrap_err();
        assert!(
            unknown.contains("those that are kept:\n  cd  prices") && unknown.contains("ab1.journal` can't be read"),
            "{unknown}"
        );
        assert!(found("", &state).unwrap_err().contains("there is no run ``"), "no id is the beginning of none");
    }
}
