//! Which diagnostics are shown, and where they stand in lines and columns.
//!
//! Must never show one thing twice, nor let warnings push errors out of sight.

use crate::document::{Document, Place};

use super::{Diagnostic, Diagnostics, Label, MOST_SHOWN, Severity};

/// What is shown, and how many there are.
#[derive(Debug)]
pub(super) struct Selection<'d> {
    /// In the order of the file; those without a place first.
    pub(super) shown: Vec<&'d Diagnostic>,
    /// All errors.
    pub(super) errors: usize,
    /// All warnings.
    pub(super) warnings: usize,
    /// Places that hold secrets.
    pub(super) hidden_places: Vec<Place>,
}

impl<'d> Selection<'d> {
    /// Sorts, drops repetitions, counts, and keeps the first [`MOST_SHOWN`], errors before warnings.
    pub(super) fn of(diagnostics: &'d Diagnostics) -> Self {
        let mut all: Vec<&Diagnostic> = diagnostics.list().iter().collect();
        all.sort_by(|left, right| order(left).cmp(&order(right)));
        all.dedup();
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        let errors = all.iter().filter(|diagnostic| is_error(diagnostic)).count();
        let warnings = all.len() - errors;
        let mut room = (errors.min(MOST_SHOWN), MOST_SHOWN.saturating_sub(errors));
        let shown = all.into_iter().filter(|diagnostic| {
            let left = if is_error(diagnostic) { &mut room.0 } else { &mut room.1 };
            let fits = *left > 0;
            *left -= usize::from(fits);
            fits
        });
        let is_hidden = |diagnostic: &&Diagnostic| diagnostic.is_hidden;
        let secrets = diagnostics.list().iter().filter(is_hidden).filter_map(|secret| secret.primary.as_ref());
        let hidden_places = secrets.map(|label| label.place).chain(diagnostics.hidden.iter()).collect();
        Self { shown: shown.collect(), errors, warnings, hidden_places }
    }

    /// Whether a text may not be shown from `start` to `end`.
    pub(super) fn hides(&self, source: usize, start: usize, end: usize) -> bool {
        self.hidden_places.iter().any(|place| place.source == source && place.start < end && start < place.end)
    }

    /// How many are not shown.
    pub(super) fn hidden(&self) -> usize {
        self.errors + self.warnings - self.shown.len()
    }
}

type Order<'d> = (Option<(usize, usize, usize)>, std::cmp::Reverse<Severity>, &'d str, &'d str);

fn order(diagnostic: &Diagnostic) -> Order<'_> {
    let place = diagnostic.primary.as_ref().map(|label| (label.place.source, label.place.start, label.place.end));
    (place, std::cmp::Reverse(diagnostic.severity), diagnostic.code.0, &diagnostic.message)
}

/// The text that a place points into, if there is such a text.
pub(super) fn text(document: Option<&Document>, place: Place) -> Option<(&str, &str)> {
    let source = document?.sources.get(place.source)?;
    Some((&source.name, &source.text))
}

/// What a label says, and the profile that the place belongs to.
pub(super) fn words(document: Option<&Document>, label: &Label) -> String {
    match document.and_then(|document| document.profile_of(label.place)) {
        Some(profile) if label.text.is_empty() => format!("from profile `{profile}`"),
        Some(profile) => format!("{}, from profile `{profile}`", label.text),
        None => label.text.clone(),
    }
}

/// A place inside its text, on the boundaries of characters.
pub(super) fn clamp(text: &str, place: Place) -> std::ops::Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(place.start);
    start..floor(place.end).max(start)
}

/// A place in lines and columns, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Line of the first character.
    pub(super) line: usize,
    /// Its column.
    pub(super) column: usize,
    /// Line of the last character.
    pub(super) end_line: usize,
    /// The column behind the last character.
    pub(super) end_column: usize,
}

/// Where a place is, in lines and columns.
pub(super) fn position(text: &str, place: Place) -> Position {
    let range = clamp(text, place);
    let (line, column) = line_and_column(text, range.start);
    let (end_line, end_column) = line_and_column(text, range.end);
    Position { line, column, end_line, end_column }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    // A byte order mark takes no column.
    let column = before[start..].trim_start_matches('\u{feff}').chars().count() + 1;
    (before.bytes().filter(|byte| *byte == b'\n').count() + 1, column)
}
