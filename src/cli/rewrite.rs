//! What commands that change job files have in common: the difference is shown, or the file written anew.
//!
//! Must never write a file that is only to be checked, nor one that would not change.

use std::path::Path;

use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::args::OutputArgs;
use super::exit::Exit;
use super::print::{self, Printer};
use crate::diagnostic::{self, Diagnostics, Format};
use crate::document::{self, Document};

/// A file and the text that it is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewrite<'r> {
    pub path: &'r Path,
    pub before: &'r str,
    pub after: &'r str,
    /// What was done to it, such as `formatted`.
    pub done: &'static str,
    /// What programs are told of it beside.
    pub more: &'r Map<String, Value>,
}

impl Rewrite<'_> {
    /// Shows what would change.
    pub fn check(self, output: Format, print: &mut Printer) -> Exit {
        if self.before == self.after {
            return Exit::Fine;
        }
        print.out(&self.difference(output));
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
                Format::Json => self.object().to_string(),
            });
        }
        Exit::Fine
    }

    /// For programs, of whom each file gets one object.
    fn object(self) -> Value {
        let mut object = self.more.clone();
        object.insert("file".to_owned(), json!(self.path.display().to_string()));
        object.insert("changed".to_owned(), json!(true));
        Value::Object(object)
    }

    /// What would change, as a unified diff; to programs as a value of an object, to GitHub as an error of the file.
    pub fn difference(self, output: Format) -> String {
        let name = &self.path.display().to_string();
        let diff = TextDiff::from_lines(self.before, self.after);
        let diff = diff.unified_diff().header(name, name).to_string();
        match output {
            Format::Human => diff,
            Format::Json => {
                let mut object = self.object();
                object["diff"] = json!(diff);
                object.to_string()
            }
            Format::Github => print::github("error", &format!("{name} would change\n{diff}")),
        }
    }
}

/// Tells why a file is left alone; to programs where they get all else, with the name of the file.
pub(super) fn refuse(
    path: &Path,
    diagnostics: &Diagnostics,
    document: Option<&Document>,
    output: Format,
    print: &mut Printer,
) -> Exit {
    let color = print.color_err();
    let text = diagnostic::render(diagnostics, document, output, color);
    match (output, serde_json::from_str(&text)) {
        (Format::Json, Ok(Value::Object(mut object))) => {
            object.insert("file".to_owned(), json!(path.display().to_string()));
            object.insert("ok".to_owned(), json!(false));
            print.out(&Value::Object(object).to_string());
        }
        (_, _) => print.err(&text),
    }
    Exit::Usage
}
