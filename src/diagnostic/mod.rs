//! Diagnostics: everything that is wrong with a job file, each at its place, with the way out.
//!
//! Passes add to a [`Diagnostics`] collector and go on; nobody returns at the first error. Must never
//! print: rendering gives a text, the command line prints it.

pub mod codes;
pub mod explain;
mod github;
mod human;
mod json;
mod nearest;
mod places;
mod selection;
#[cfg(test)]
mod tests;

use crate::document::{Document, Place};

pub use codes::Code;
pub(crate) use github::command as github_command;
pub use nearest::did_you_mean;

use places::{Index, Stretches};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Legal and suspicious.
    Warning,
    /// The job can't run.
    Error,
}

/// A place with a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is to be seen there; may be empty.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as P0101.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where, if it has a place.
    pub primary: Option<Label>,
    /// Other places involved.
    pub others: Vec<Label>,
    /// How to mend it.
    pub help: Vec<String>,
    /// Whether the primary place holds a secret: its lines are never shown, by no diagnostic.
    pub is_hidden: bool,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            primary: None,
            others: Vec::new(),
            help: Vec::new(),
            is_hidden: false,
        }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.primary = Some(Label { place, text: text.into() });
        self
    }

    /// Says where, and that what stands there may be a secret: only the position is told.
    #[must_use]
    pub fn at_hidden(mut self, place: Place) -> Self {
        self.is_hidden = true;
        self.at(place, "")
    }

    /// Says where, and shows what stands there only if it is surely no secret.
    #[must_use]
    pub fn at_unless_hidden(self, place: Place, is_hidden: bool) -> Self {
        if is_hidden { self.at_hidden(place) } else { self.at(place, "") }
    }

    /// Shows another place involved.
    #[must_use]
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.others.push(Label { place, text: text.into() });
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// The collector that every pass adds to.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Where each of them begins.
    index: Index,
    /// Places whose values could not be read.
    unread: Stretches,
    /// Places whose values may be secrets.
    hidden: Stretches,
    /// How many are errors.
    errors: usize,
    /// How many were given a help that had to be looked for.
    advised: usize,
    /// Whether whole keys could not be read.
    keys_unread: bool,
}

/// How many diagnostics get a help that has to be looked for: far more than are ever shown.
pub(crate) const ADVISED: usize = 200;

/// So many errors that the last of them are surely not shown.
pub(crate) const FLOOD: usize = 1_000;

/// What may only follow from a key that could not be read.
const CONSEQUENCES: [Code; 5] =
    [codes::MISSING_KEY, codes::ONE_KIND, codes::UNKNOWN_NAME, codes::TEMPLATE_NAME, codes::NO_EFFECT];

impl Diagnostics {
    /// Adds one, unless it only follows from something that could not be read: a syntax error is told
    /// once, without what the passes after it make of the hole.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_consequence(&diagnostic) {
            self.take(diagnostic);
        }
    }

    /// Adds all of these.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    fn take(&mut self, diagnostic: Diagnostic) {
        self.index.add(&diagnostic, self.list.len());
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.list.push(diagnostic);
    }

    /// Takes over what was told of another text, which is `source` of the document.
    pub(crate) fn adopt(&mut self, mut told: Self, source: usize) {
        let labels = told.list.iter_mut().flat_map(|one| one.primary.iter_mut().chain(&mut one.others));
        labels.for_each(|label| label.place.source = source);
        told.list.into_iter().for_each(|diagnostic| self.take(diagnostic));
        told.unread.iter().for_each(|place| self.unread.add(Place { source, ..place }));
        told.hidden.iter().for_each(|place| self.hidden.add(Place { source, ..place }));
        self.keys_unread |= told.keys_unread;
        self.advised += told.advised;
    }

    /// Notes that the value at `place` could not be read, which has been told.
    pub(crate) fn unread(&mut self, place: Place) {
        self.unread.add(place);
    }

    /// Notes that what stands at `place` may be a secret: no line of it is shown.
    pub(crate) fn hide(&mut self, place: Place) {
        self.hidden.add(place);
    }

    /// Whether what stands at `place` may be a secret.
    pub(crate) fn is_hidden(&self, place: Place) -> bool {
        self.hidden.hold(place)
    }

    /// Whether anything of what stands at `place` may be a secret: then no line of it is shown.
    pub(crate) fn hides(&self, place: Place) -> bool {
        self.hidden.overlap(place)
    }

    /// A collector for what is told of the same document later: what may be a secret stays hidden.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let secrets = self.list.iter().filter(|told| told.is_hidden).filter_map(|told| told.primary.as_ref());
        let mut afresh = Self { hidden: self.hidden.clone(), ..Self::default() };
        secrets.for_each(|label| afresh.hide(label.place));
        afresh
    }

    /// Notes that keys could not be read, or stand in the wrong table, which has been told.
    pub(crate) fn unread_keys(&mut self) {
        self.keys_unread = true;
    }

    fn is_consequence(&self, diagnostic: &Diagnostic) -> bool {
        let touches = |label: &Label| self.unread.touch(label.place);
        (self.keys_unread && CONSEQUENCES.contains(&diagnostic.code))
            || diagnostic.primary.as_ref().is_some_and(touches)
    }

    /// Whether the same was told before.
    pub(crate) fn contains(&self, diagnostic: &Diagnostic) -> bool {
        self.index.beside(&self.list, diagnostic).any(|known| known == diagnostic)
    }

    /// Whether something of a code was told of exactly this place.
    pub(crate) fn has(&self, code: Code, place: Place) -> bool {
        self.index.has(&self.list, code, place)
    }

    /// Whether an error stands within a place.
    pub(crate) fn has_error_in(&self, place: Place) -> bool {
        self.index.has_error_in(&self.list, place)
    }

    /// Whether a help may still be looked for among many names: a file of nothing but errors would have us look for ever.
    pub(crate) fn may_advise(&mut self) -> bool {
        self.advised += 1;
        self.advised <= ADVISED
    }

    /// Everything collected, in the order of finding.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Whether there are so many errors that nobody reads more: what takes long to look at may be left out then.
    pub(crate) fn is_flooded(&self) -> bool {
        self.errors > FLOOD
    }

    /// Whether any of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

/// Most diagnostics shown of one file; the rest is counted.
pub const MOST_SHOWN: usize = 20;

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// With the line of the file and carets.
    #[default]
    Human,
    /// One JSON object for all of them.
    Json,
    /// GitHub workflow commands.
    Github,
}

/// Writes diagnostics of a document as text, in the order of the file, at most [`MOST_SHOWN`].
///
/// When there are more, errors are shown before warnings. The text ends with a newline; it is empty
/// for `Human` and `Github` when there is nothing to tell. `document` is `None` when the file could not
/// even be read. `color` adds ANSI styles to `Human`.
#[must_use]
pub fn render(diagnostics: &Diagnostics, document: Option<&Document>, format: Format, color: bool) -> String {
    let selection = selection::Selection::of(diagnostics);
    match format {
        Format::Human => human::render(&selection, document, color),
        Format::Json => json::render(&selection, document),
        Format::Github => github::render(&selection, document),
    }
}
