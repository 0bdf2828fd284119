//! Variables from outside: `--var NAME=VALUE`, and `PACELINE_VAR_NAME` of the environment or of an `--env-file`.
//!
//! Must never decide what a value means: `compile` does. Never shows a line of an env file: it may hold secrets.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::environment;

use super::read::{self, Role};
use super::{Document, KeyPath, NodeValue, Overlays, Place};

/// A variable that the command line or the environment gives.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its name in `[vars]`.
    pub name: String,
    /// Its value, as a text.
    pub text: String,
    /// Who gives it, for messages: `--var base`, or `PACELINE_VAR_BASE`.
    pub from: String,
    /// Where the name stands.
    pub key: Place,
    /// Where the value stands.
    pub value: Place,
}

/// Notes every variable that is given; what the command line says comes first.
pub(super) fn note(document: &mut Document, overlays: &Overlays, diagnostics: &mut Diagnostics) {
    let files = read_files(document, &overlays.env_files, diagnostics);
    for (name, text) in &overlays.vars {
        let argument = if overlays.vars_from_environment { "PACELINE_VAR" } else { "--var" };
        let given = argument_of(document, argument, (name, name), text);
        document.given.push(Given { from: format!("{argument} {name}"), ..given });
    }
    // The last of a name counts.
    document.given.reverse();
    let vars = document.get(&KeyPath::of(["vars"])).map(|node| &node.value);
    let Some(NodeValue::Table(entries)) = vars else { return };
    let names: Vec<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
    for name in names {
        let variable = environment_name(&name);
        if let Some(text) = environment::variable(&variable) {
            let given = argument_of(document, "environment", (&name, &variable), &text);
            document.given.push(given);
        } else if let Some(given) = of_file(document, &files, name, variable) {
            document.given.push(given);
        }
    }
}

/// The environment variable that overrides a variable.
fn environment_name(name: &str) -> String {
    format!("PACELINE_VAR_{}", name.to_uppercase().replace('-', "_"))
}

/// A variable that gets a text of its own, `written=text`.
fn argument_of(document: &mut Document, source: &str, (name, written): (&str, &str), text: &str) -> Given {
    let whole = format!("{written}={text}");
    let (source, end) = (document.add(source.to_owned(), whole.clone(), false), whole.len());
    Given {
        name: name.to_owned(),
        text: text.to_owned(),
        from: written.to_owned(),
        key: Place { source, start: 0, end: written.len() },
        value: Place { source, start: written.len() + 1, end },
    }
}

fn of_file(document: &Document, files: &[usize], name: String, variable: String) -> Option<Given> {
    let found = document.environment.in_files(&variable)?;
    let source = *files.get(found.file)?;
    let place = Place { source, start: found.variable.place.start, end: found.variable.place.end };
    Some(Given { name, text: found.variable.value.clone(), from: variable, key: place, value: place })
}

/// Reads the env files; gives the positions of their texts.
fn read_files(document: &mut Document, paths: &[impl AsRef<Path>], diagnostics: &mut Diagnostics) -> Vec<usize> {
    let mut sources = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let text = match read::text(path, Role::Variables) {
            Ok(text) => text,
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                continue;
            }
        };
        let (variables, problems) = environment::parse(&text);
        let end = text.len();
        let source = document.add(path.display().to_string(), text, true);
        diagnostics.hide(Place { source, start: 0, end });
        for problem in problems {
            let place = Place { source, start: problem.place.start, end: problem.place.end };
            let told = Diagnostic::error(codes::ENV_FILE, problem.message).at_hidden(place).help(problem.help);
            diagnostics.push(told);
        }
        document.environment.add(path.to_path_buf(), variables);
        sources.push(source);
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_environment() {
        assert_eq!(environment_name("page-size"), "PACELINE_VAR_PAGE_SIZE");
    }
}
