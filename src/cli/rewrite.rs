//! What commands that change job files have in common: the difference is shown, or the file written anew.
//!
//! Must never write a file that is only to be checked, nor one that would not change, nor show a line that may hold a
//! secret.

use std::path::Path;

use serde_json::{Map, Value, json};
use similar::{ChangeTag, DiffOp, DiffTag, TextDiff};

use super::args::OutputArgs;
use super::exit::Exit;
use super::print::{self, Printer};
use crate::diagnostic::{self, Diagnostics, Format};
use crate::document::{self, Document, NotReplaced, Place};
use crate::spec;

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
        if let Err(why) = document::replace(self.path, self.before, self.after) {
            let message = match why {
                NotReplaced::Kept(error) => format!("{shown} can't be written: {error}; it is as it was"),
                NotReplaced::Torn(error) => format!("{shown} could not be written whole: {error}; look at it"),
            };
            print.file_error(speech.output, self.path, &message);
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

    /// For programs, who get one object of each file.
    fn object(self) -> Value {
        let mut object = self.more.clone();
        object.insert("file".to_owned(), json!(self.path.display().to_string()));
        object.insert("changed".to_owned(), json!(true));
        Value::Object(object)
    }

    /// What would change, as a unified diff; to programs as a value of an object, to GitHub as an error of the lines
    /// that change first.
    pub fn difference(self, output: Format) -> String {
        let name = self.path.display().to_string();
        let Difference { text, first } = Difference::of(&name, self.before, self.after);
        match output {
            Format::Human => text,
            Format::Json => {
                let mut object = self.object();
                object["diff"] = json!(text);
                object.to_string()
            }
            Format::Github => {
                let message = format!("{name} would change\n{text}");
                print::github_at("error", &name, Some(first), &message)
            }
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

/// A unified diff.
#[derive(Debug)]
struct Difference {
    text: String,
    /// The first and the last line, counted from 1, of what changes first in the old text.
    first: (usize, usize),
}

impl Difference {
    fn of(name: &str, before: &str, after: &str) -> Self {
        let diff = TextDiff::from_lines(before, after);
        let hidden = (hidden(before, diff.iter_old_slices()), hidden(after, diff.iter_new_slices()));
        let mut text = format!("--- {name}\n+++ {name}\n");
        for hunk in diff.unified_diff().iter_hunks() {
            text += &format!("{}\n", hunk.header());
            for change in hunk.iter_changes() {
                let (sign, is_hidden) = match (change.tag(), change.old_index(), change.new_index()) {
                    (ChangeTag::Insert, _, index) => ('+', index.is_some_and(|index| hidden.1[index])),
                    (ChangeTag::Delete, index, _) => ('-', index.is_some_and(|index| hidden.0[index])),
                    (ChangeTag::Equal, index, _) => (' ', index.is_some_and(|index| hidden.0[index])),
                };
                text += &line(sign, change.value(), is_hidden);
            }
        }
        let changed = diff.ops().iter().find(|op| op.tag() != DiffTag::Equal).map(DiffOp::old_range);
        let lines = changed.unwrap_or_default();
        Self { text, first: (lines.start + 1, lines.end.max(lines.start + 1)) }
    }
}

/// A line of a diff, as `diff -u` has it.
fn line(sign: char, line: &str, is_hidden: bool) -> String {
    let shown = if is_hidden { HIDDEN } else { line.strip_suffix('\n').unwrap_or(line) };
    let end = if line.ends_with('\n') { "" } else { "\\ No newline at end of file\n" };
    format!("{sign}{shown}\n{end}")
}

/// What stands for a line that may hold a secret.
const HIDDEN: &str = "... (not shown: it may hold a secret)";

/// Which lines of a text `check` would not show.
fn hidden<'l>(text: &str, lines: impl Iterator<Item = &'l str>) -> Vec<bool> {
    let mut diagnostics = Diagnostics::default();
    let mut document = Document::alone(Path::new(""), text.to_owned(), &mut diagnostics);
    document.take_profiles(&mut diagnostics);
    spec::check_alone(&document, &mut diagnostics);
    let (diagnostics, mut start) = (diagnostics.afresh(), 0);
    let hides = |line: &str| {
        let place = Place { source: 0, start, end: start + line.len() };
        start = place.end;
        diagnostics.hides(place)
    };
    lines.map(hides).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "name='x'\n[endpoints.a]\nurl = \"https://h/\"\nheaders.authorization='Bearer s3cr3t-0123456789'\na=1";
    const AFTER: &str = "name = \"x\"\n[endpoints.a]\nurl = \"https://h/\"\nheaders.authorization = \"Bearer s3cr3t-0123456789\"\na=1\n";

    fn shown(output: Format) -> String {
        let (path, more) = (Path::new("a,b.toml"), Map::new());
        Rewrite { path, before: BEFORE, after: AFTER, done: "formatted", more: &more }.difference(output)
    }

    #[test]
    fn a_difference_shows_no_line_that_check_hides() {
        let wanted = format!(
            "--- a,b.toml\n+++ a,b.toml\n@@ -1,5 +1,5 @@\n-name='x'\n+name = \"x\"\n [endpoints.a]\n url = \"https://h/\"\n\
             -{HIDDEN}\n-a=1\n\\ No newline at end of file\n+{HIDDEN}\n+a=1\n"
        );
        assert_eq!(shown(Format::Human), wanted);
        assert!(!shown(Format::Json).contains("s3cr3t") && !shown(Format::Github).contains("s3cr3t"));
    }

    #[test]
    fn a_difference_is_an_error_of_the_lines_that_change_first() {
        let shown = shown(Format::Github);
        assert!(shown.starts_with("::error file=a%2Cb.toml,line=1,endLine=1::a,b.toml would change%0A---"), "{shown}");
        let name = Path::new("j.toml");
        let (before, after, more) = ("a = 1\n[b]\n", "a = 1\n\n[b]\n", Map::new());
        let added = Rewrite { path: name, before, after, done: "formatted", more: &more };
        assert!(added.difference(Format::Github).starts_with("::error file=j.toml,line=2,endLine=2::"));
    }
}
