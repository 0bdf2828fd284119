//! Every job of `jobs/` with one random edit: what is said of it stands where the edit is.
//!
//! A mutant is *caught* when an error or a warning touches an edited line, with its place or with another label. It is
//! *misled* when one points elsewhere, names none of the edited lines, and is not about a name that the edit took away.
//! With the seed below 98 in 100 are caught and none misled. What is missed are columns of inputs whose rows are read only
//! when the job runs: JSON, JSON lines, standard input.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use paceline::compile::{Options, compile};
use paceline::diagnostic::{Diagnostic, Diagnostics, Format, render};
use paceline::document::{Document, Overlays};

use crate::support::dice::Dice;

mod edit;

use edit::{KINDS, Kind, Mutant, Original, line_number};

/// How many mutants are made.
const MUTANTS: usize = 2_000;

/// How many of them have to be caught.
const CAUGHT: usize = MUTANTS * 95 / 100;

/// The seed, unless `PACELINE_SEED` gives another: a rate has to be that of the same mutants each time.
const SEED: u64 = 7;

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Caught,
    /// Nothing at the edited place.
    Missed,
    /// Something at a place that has nothing to do with the edit.
    Misled,
    Panicked,
}

#[test]
fn mutants_are_told_where_they_were_made() {
    let seed = paceline::environment::variable("PACELINE_SEED").and_then(|text| text.parse().ok()).unwrap_or(SEED);
    let mut dice = Dice::of(seed);
    let originals = originals();
    let (mut counts, mut told) = (BTreeMap::<(Kind, Verdict), usize>::new(), Vec::new());
    let mut made = 0;
    while made < MUTANTS {
        let (file, original) = &originals[made % originals.len()];
        let kind = KINDS[dice.below(KINDS.len() as u64) as usize];
        let Some(mutant) = original.edit(kind, &mut dice) else { continue };
        made += 1;
        let (verdict, said) = judge(file, &mutant);
        *counts.entry((kind, verdict)).or_default() += 1;
        if verdict != Verdict::Caught {
            told.push((verdict, format!("== {verdict:?}: {file}: {:?}\n{}", mutant.kind, shown(&mutant, &said))));
        }
    }
    told.sort();
    let list: String = told.iter().map(|(_, text)| text.as_str()).collect();
    let count = |wanted| counts.iter().filter(|((_, verdict), _)| *verdict == wanted).map(|(_, count)| count).sum();
    let (caught, misled, panicked): (usize, usize, usize) =
        (count(Verdict::Caught), count(Verdict::Misled), count(Verdict::Panicked));
    eprintln!("seed {seed}: {counts:#?}");
    assert!(caught >= CAUGHT && misled + panicked == 0, "{list}\n{caught} of {MUTANTS} caught, {misled} misled");
}

/// The jobs that this build knows all of.
fn originals() -> Vec<(String, Original)> {
    let mut all = Vec::new();
    for file in crate::jobs::job_files() {
        let path = format!("jobs/{file}");
        let text = std::fs::read_to_string(&path).expect("a job");
        if said(&path, &text).list().is_empty() {
            all.push((path.clone(), Original::of(Path::new(&path), text)));
        }
    }
    assert!(all.len() >= 30, "only {} jobs are without a word to say", all.len());
    all
}

fn said(path: &str, text: &str) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new(path), text.to_owned(), &Overlays::default(), &mut diagnostics);
    let document = document.expect("a text is a document");
    drop(compile(&document, &Options::default(), &mut diagnostics));
    diagnostics
}

fn judge(path: &str, mutant: &Mutant) -> (Verdict, String) {
    let Ok(told) = catch_unwind(AssertUnwindSafe(|| said(path, &mutant.text))) else {
        return (Verdict::Panicked, String::new());
    };
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new(path), mutant.text.clone(), &Overlays::default(), &mut diagnostics);
    let text = render(&told, document.as_ref(), Format::Human, false);
    let touching = told.list().iter().filter(|one| touches(one, mutant)).count();
    let verdict = match told.list().iter().find(|one| !touches(one, mutant) && !misses(one, mutant)) {
        Some(_) => Verdict::Misled,
        None if touching == 0 => Verdict::Missed,
        None => Verdict::Caught,
    };
    (verdict, text)
}

/// Whether a diagnostic shows an edited line.
fn touches(diagnostic: &Diagnostic, mutant: &Mutant) -> bool {
    let labels = diagnostic.primary.iter().chain(&diagnostic.others);
    labels.filter(|label| label.place.source == 0).any(|label| {
        let (first, last) = (line_number(&mutant.text, label.place.start), line_number(&mutant.text, label.place.end));
        first < mutant.lines.end && mutant.lines.start <= last
    })
}

/// Whether a diagnostic is about a name that is gone.
fn misses(diagnostic: &Diagnostic, mutant: &Mutant) -> bool {
    let place = diagnostic.primary.as_ref().map(|label| label.place);
    let line = place.and_then(|place| mutant.text.lines().nth(line_number(&mutant.text, place.start)));
    let names = |text: &str| {
        let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
        text.split(|letter| !is_letter(letter)).any(|word| mutant.lost.iter().any(|lost| lost == word))
    };
    names(&diagnostic.message) || line.is_some_and(names)
}

/// The edited lines and what was said.
fn shown(mutant: &Mutant, said: &str) -> String {
    let lines = mutant.text.lines().enumerate().skip(mutant.lines.start.saturating_sub(1)).take(mutant.lines.len() + 2);
    let lines: String = lines.map(|(number, line)| format!("{:>4} | {line}\n", number + 1)).collect();
    format!("{lines}{said}\n")
}
