//! From the path of a job file to a plan, and everything that is wrong with it to the reader.

use std::io::{self, Read};
use std::path::Path;

use super::args::{JobArgs, OutputArgs};
use super::exit::Exit;
use super::print::Printer;
use super::reports::voices;
use crate::compile::{Options, compile};
use crate::diagnostic::{self, Diagnostic, Diagnostics, Format, Severity, codes};
use crate::document::{Document, Overlays};
use crate::plan::Plan;

/// The name of standard input.
pub const STDIN: &str = "-";

/// What standard input is called wherever it is spoken of.
const STDIN_SHOWN: &str = "stdin";

/// What a file is called in what is told of it.
#[must_use]
pub fn shown(path: &Path) -> &Path {
    if path == Path::new(STDIN) { Path::new(STDIN_SHOWN) } else { path }
}

/// More bytes than a file may have; of standard input as many are read, to see that there are too many.
pub(super) const MOST: u64 = (1 << 20) + 1;

/// A job file as far as it could be read.
#[derive(Debug)]
pub struct Reading {
    /// The text and its tree, if there is one.
    pub document: Option<Document>,
    /// The plan; `None` when anything is an error.
    pub plan: Option<Plan>,
    /// What is wrong or suspicious.
    pub diagnostics: Diagnostics,
}

impl Reading {
    /// Reads and compiles a job file.
    #[must_use]
    pub fn of(path: &Path, file: &JobArgs) -> Self {
        let mut diagnostics = Diagnostics::default();
        let document = Document::read(path, &file.overlays(), &mut diagnostics);
        Self::compiled(document, file, diagnostics)
    }

    /// As [`Reading::of`], of standard input: its paths are relative to where the program was started, and its name,
    /// where it says none, is `stdin`.
    #[must_use]
    pub fn of_standard_input(file: &JobArgs) -> Self {
        let mut diagnostics = Diagnostics::default();
        let document = match standard_input() {
            Ok(text) => Document::parse(Path::new(STDIN_SHOWN), text, &file.overlays(), &mut diagnostics),
            Err(refusal) => {
                diagnostics.push(*refusal);
                None
            }
        };
        Self::compiled(document, file, diagnostics)
    }

    fn compiled(document: Option<Document>, file: &JobArgs, mut diagnostics: Diagnostics) -> Self {
        let plan = document.as_ref().and_then(|document| compile(document, &file.options(), &mut diagnostics));
        let plan = plan.filter(|_| !diagnostics.has_errors());
        Self { document, plan, diagnostics }
    }

    /// Compiles a text as if it stood in a file, with nothing laid over it.
    #[must_use]
    pub fn of_text(path: &Path, text: String) -> Self {
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(path, text, &Overlays::default(), &mut diagnostics);
        let plan = document.as_ref().and_then(|document| compile(document, &Options::default(), &mut diagnostics));
        let plan = plan.filter(|_| !diagnostics.has_errors());
        Self { document, plan, diagnostics }
    }

    /// The diagnostics as text; empty when there are none. Without warnings when `quiet`.
    #[must_use]
    pub fn text(&self, format: Format, color: bool, quiet: bool) -> String {
        let shown = if quiet { &errors(&self.diagnostics) } else { &self.diagnostics };
        if shown.list().is_empty() && format != Format::Json {
            return String::new();
        }
        diagnostic::render(shown, self.document.as_ref(), format, color)
    }
}

/// The text of standard input, as long as a job may be.
pub(super) fn standard_input() -> Result<String, Box<Diagnostic>> {
    let mut text = String::new();
    let refusal = match io::stdin().lock().take(MOST).read_to_string(&mut text) {
        Ok(_) if (text.len() as u64) < MOST => return Ok(text),
        Ok(_) => Diagnostic::error(codes::UNREADABLE, "standard input is larger than 1 MiB")
            .help("a job file is small: put rows into a CSV or JSON lines file and name it as the `input`"),
        Err(error) => Diagnostic::error(codes::UNREADABLE, format!("standard input can't be read: {error}"))
            .help("give it a job file as UTF-8 text, such as `paceline check - < job.toml`"),
    };
    Err(Box::new(refusal))
}

/// How files are to be read where nothing that may hold a secret is: no job's secret is read in any case, so that only
/// env files are to be passed over.
pub fn without_secrets(file: &JobArgs, speech: OutputArgs, print: &mut Printer) -> JobArgs {
    let mut file = file.clone();
    let passed = std::mem::take(&mut file.env_file);
    for path in passed.iter().filter(|_| !speech.quiet) {
        let message = format!("--no-secrets: {} is not read, nor variables of it", path.display());
        print.note(speech.output, &message);
    }
    file
}

/// The plan of a job file; whatever is wrong with it is said on standard error.
///
/// # Errors
/// [`Exit::Usage`] when there is no plan.
pub fn load(path: &Path, file: &JobArgs, speech: OutputArgs, print: &mut Printer) -> Result<Plan, Exit> {
    read_in(path, file, (speech, &[speech.output]), print).map(|(plan, _)| plan)
}

/// The text of a job, for who has to say later where something stands in it.
#[derive(Debug)]
pub struct JobText {
    /// The text.
    pub document: Document,
    /// What was told of it.
    told: Diagnostics,
}

impl JobText {
    /// What is told of it now, as text.
    #[must_use]
    pub fn tell(&self, diagnostics: impl IntoIterator<Item = Diagnostic>, format: Format, color: bool) -> String {
        let mut all = self.told.afresh();
        diagnostics.into_iter().for_each(|diagnostic| all.push(diagnostic));
        diagnostic::render(&all, Some(&self.document), format, color)
    }
}

/// As [`load`], with the text of the job. In GitHub Actions what is wrong with it becomes annotations as well.
///
/// # Errors
/// [`Exit::Usage`] when there is no plan.
pub fn read(path: &Path, file: &JobArgs, speech: OutputArgs, print: &mut Printer) -> Result<(Plan, JobText), Exit> {
    read_in(path, file, (speech, &voices(speech.output).collect::<Vec<_>>()), print)
}

fn read_in(path: &Path, file: &JobArgs, how: Spoken<'_>, print: &mut Printer) -> Result<(Plan, JobText), Exit> {
    if path == Path::new(STDIN) {
        let way = "name a file: a run goes on by it. `check -`, `plan -` and `fmt -` read standard input";
        let words = format!("the job can't come from standard input here; {way}");
        how.1.iter().for_each(|format| print.error(*format, &words));
        return Err(Exit::Usage);
    }
    told_in(Reading::of(path, file), how, print)
}

/// How much is said, and in which formats.
type Spoken<'a> = (OutputArgs, &'a [Format]);

/// The plan that was read; whatever is wrong with it is said.
///
/// # Errors
/// [`Exit::Usage`] when there is no plan.
pub fn told(reading: Reading, speech: OutputArgs, print: &mut Printer) -> Result<(Plan, JobText), Exit> {
    told_in(reading, (speech, &[speech.output]), print)
}

fn told_in(reading: Reading, (speech, formats): Spoken<'_>, print: &mut Printer) -> Result<(Plan, JobText), Exit> {
    if !reading.diagnostics.list().is_empty() {
        let text = |format: &Format| reading.text(*format, print.color_err(), speech.quiet);
        formats.iter().map(text).collect::<Vec<_>>().iter().for_each(|text| print.err(text));
    }
    let (plan, document) = reading.plan.zip(reading.document).ok_or(Exit::Usage)?;
    Ok((plan, JobText { document, told: reading.diagnostics }))
}

fn errors(all: &Diagnostics) -> Diagnostics {
    let mut errors = all.afresh();
    for diagnostic in all.list().iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        errors.push(diagnostic.clone());
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes;
    use crate::document::Place;

    #[test]
    fn what_is_hidden_stays_hidden_in_what_is_told_later() {
        let text = "[endpoints.e]\nurl = \"demo:/\"\nheaders.x = \"s3cr3t-word\"\n".to_owned();
        let start = text.find("\"s3cr3t").unwrap();
        let mut told = Diagnostics::default();
        let document = Document::parse(Path::new("job.toml"), text, &Default::default(), &mut told).unwrap();
        let place = Place { source: 0, start, end: start + 13 };
        told.push(Diagnostic::warning(codes::SECRET_IN_FILE, "looks like a secret").at_hidden(place));
        let job = JobText { document, told };
        let text = job.tell([Diagnostic::error(codes::UNUSABLE, "odd").at(place, "")], Format::Human, false);
        assert!(text.contains("odd") && text.contains("job.toml:3:") && !text.contains("s3cr3t"), "{text}");
    }

    #[test]
    fn quiet_leaves_the_errors() {
        let mut all = Diagnostics::default();
        all.push(Diagnostic::warning(codes::NO_EFFECT, "idle"));
        all.push(Diagnostic::error(codes::INPUT, "gone"));
        let left = errors(&all);
        assert_eq!(left.list().iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), ["gone"]);
    }
}
