//! What commands that change job files have in common: the difference is shown, or the file written anew.
//!
//! Must never write a file that is only to be checked, nor one that would not change.

use std::path::Path;

use serde_json::json;
use similar::TextDiff;

use super::args::OutputArgs;
use super::exit::Exit;
use super::print::{self, Printer};
use crate::diagnostic::Format;
use crate::document;

/// A file and the text that it is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewrite<'r> {
    pub path: &'r Path,
    pub before: &'r str,
    pub after: &'r str,
    /// What was done to it, such as `formatted`.
    pub done: &'static str,
}

impl Rewrite<'_> {
    /// Shows what would change.
    pub fn check(self, output: Format, print: &mut Printer) -> Exit {
        if self.before == self.after {
            return Exit::Fine;
        }
        print.out(&difference(&self.path.display().to_string(), self.before, self.after, output));
        Exit::WouldChange
    }

    /// Writes the file, and says so.
    pub fn write(self, speech: OutputArgs, print: &mut Printer) -> Exit {
        let shown = self.path.display();
        if self.before == self.after {
            return Exit::Fine;
        }
        if let Err(error) = document::replace(self.path, self.after) {
            print.error(speech.output, &format!("{shown} can't be written: {error}; it is as it was"));
            return Exit::Broken;
        }
        if !speech.quiet {
            print.out(&match speech.output {
                Format::Human | Format::Github => format!("{}: {shown}", self.done),
                Format::Json => json!({ "file": shown.to_string(), "changed": true }).to_string(),
            });
        }
        Exit::Fine
    }
}

/// What would change, as a unified diff; to programs as a value of an object, to GitHub as an error of the file.
fn difference(name: &str, before: &str, after: &str, output: Format) -> String {
    let diff = TextDiff::from_lines(before, after);
    let diff = diff.unified_diff().header(name, name).to_string();
    match output {
        Format::Human => diff,
        Format::Json => json!({ "file": name, "changed": true, "diff": diff }).to_string(),
        Format::Github => print::github("error", &format!("{name} would change\n{diff}")),
    }
}
