//! `migrate`: brings job files of older versions of the language to the present one, with their comments.
//!
//! A version that breaks files of the one before it comes with a row in [`STEPS`]; there has been one version so far,
//! and so no step. Must never touch a file, and never give a text that is no job or lost a comment: [`migrate()`] looks
//! at its own work.

pub mod edit;
mod journey;
#[cfg(test)]
mod tests;
mod version;

use toml_edit::DocumentMut;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::document::{Document, KeyPath};
pub use crate::spec::version::CURRENT;
use crate::{format, spec};

use self::journey::Journey;

/// The way from one version of the language to a later one.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The version that it takes.
    pub from: i64,
    /// The version that it leads to.
    pub to: i64,
    /// What became different, in a few words.
    pub what: &'static str,
    /// Changes a file, and tells which keys; see [`edit`] for how comments are kept.
    pub apply: fn(&mut DocumentMut) -> Vec<Change>,
}

/// Every step, in order.
pub const STEPS: &[Step] = &[];

/// A key that stands elsewhere, or nowhere, behind a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it stood.
    pub from: KeyPath,
    /// Where it stands; `None`: it was taken out.
    pub to: Option<KeyPath>,
}

/// A change, as it looks to who has the file before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// From the file as it was to the file as it is, whatever steps lay between.
    pub change: Change,
    /// The line of the key in the file as it was, counted from 1; `None` where the file had no such key.
    pub line: Option<usize>,
    /// What became different, in the words of the step.
    pub what: &'static str,
}

/// A file of the present version, and how it came to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The version that the file had.
    pub from: i64,
    /// The whole text.
    pub text: String,
    /// What was changed, in the order of the steps.
    pub changes: Vec<Told>,
}

/// Why nothing came of a file.
#[derive(Debug)]
pub struct Refused {
    /// What the diagnostics point into.
    pub document: Document,
    /// What is wrong.
    pub diagnostics: Diagnostics,
}

/// Brings a file to the present version by `steps`, those of [`STEPS`] outside of tests; `None` when it has it already.
///
/// # Errors
/// See [`Refused`].
pub fn migrate(document: &Document, steps: &[Step]) -> Result<Option<Migrated>, Box<Refused>> {
    let (whole, beneath) = version::beneath(document, steps);
    let refuse = |mut told: Vec<Diagnostic>| {
        told.extend(beneath.clone());
        refused(whole.clone(), told)
    };
    let from = version::of(document).map_err(|told| refuse(vec![*told]))?;
    let way = version::way(from, steps);
    // What its profiles say of an older version is that of the file.
    let is_older = way.is_some() && from != CURRENT;
    let wrong = if is_older { Vec::new() } else { version::refusals(document, from) };
    let Some(steps) = way.filter(|_| wrong.is_empty() && beneath.is_empty()) else { return Err(refuse(wrong)) };
    if from == CURRENT {
        return Ok(None);
    }
    let refuse = |diagnostic| refused(document.clone(), vec![diagnostic]);
    let before = &document.sources[0].text;
    let mut journey = Journey::default();
    let text = version::in_line_feeds(before, |text| changed(text, &steps, &mut journey));
    let text = text.ok_or_else(|| refuse(fault("the file can't be edited")))?;
    if sorted(format::comments_of(before)) != sorted(format::comments_of(&text)) {
        return Err(refuse(fault("the file would lack a comment")));
    }
    look(document, &text)?;
    Ok(Some(Migrated { from, changes: journey.told(document), text }))
}

/// A text behind all steps; `None` if it is no TOML.
fn changed(text: &str, steps: &[Step], journey: &mut Journey) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    for step in steps {
        (step.apply)(&mut document).into_iter().for_each(|change| journey.add(step.what, change));
    }
    Some(version::written(document))
}

fn sorted(mut comments: Vec<&str>) -> Vec<&str> {
    comments.sort_unstable();
    comments
}

/// Whether the result still has the shape of a job, or of a part of one.
fn look(document: &Document, text: &str) -> Result<(), Box<Refused>> {
    let mut diagnostics = Diagnostics::default();
    let mut after = Document::alone(&document.path, text.to_owned(), &mut diagnostics);
    after.take_profiles(&mut diagnostics);
    spec::check_alone(&after, &mut diagnostics);
    if !diagnostics.has_errors() {
        return Ok(());
    }
    after.sources[0].name.push_str(", migrated");
    let message = format!("with version {CURRENT} this would be no job: the file is left as it is");
    diagnostics.push(
        Diagnostic::error(codes::BAD_VALUE, message).help("mend in the file what is told here, then migrate it again"),
    );
    Err(Box::new(Refused { document: after, diagnostics }))
}

fn refused(document: Document, told: Vec<Diagnostic>) -> Box<Refused> {
    let mut diagnostics = Diagnostics::default();
    spec::plain::hide(&document, &mut diagnostics);
    told.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    Box::new(Refused { document, diagnostics })
}

/// What must not happen.
fn fault(what: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_VALUE, format!("{what}: it is left as it is"))
        .help("this is a fault of paceline; please report it with the job file")
}
