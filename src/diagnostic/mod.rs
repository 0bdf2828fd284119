//! Diagnostics: everything that is wrong with a job file, each at its place, with the way out.
//!
//! Passes add to a [`Diagnostics`] collector and go on; nobody returns at the first error. Must never
//! print: rendering gives a text, the command line prints it.

pub mod codes;

use crate::document::{Document, Place};

pub use codes::Code;

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
        Self { code, severity, message: message.into(), primary: None, others: Vec::new(), help: Vec::new() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.primary = Some(Label { place, text: text.into() });
        self
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
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Everything collected, in the order of finding.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Whether any of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
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

/// Writes diagnostics of a document as text, errors first by place, at most [`MOST_SHOWN`].
///
/// `document` is `None` when the file could not even be read. `color` adds ANSI styles to `Human`.
#[must_use]
pub fn render(diagnostics: &Diagnostics, document: Option<&Document>, format: Format, color: bool) -> String {
    let _ = (diagnostics, document, format, color);
    todo!()
}

/// The nearest of `names` to `word`, if it is near enough to be a slip of the pen.
#[must_use]
pub fn did_you_mean<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let _ = (word, names.into_iter().next());
    todo!()
}
