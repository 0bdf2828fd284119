//! Variables: constants for templates. `--var NAME=..` lies over `PACELINE_VAR_NAME`, over the file.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::mention::{self, Mentions};
use super::{Site, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::{Document, Given, KeyPath};
use crate::secret;
use crate::spec::JobSpec;
use crate::template::written;

/// Decides every variable.
pub fn vars(site: &mut Site<'_>, spec: &JobSpec) -> BTreeMap<String, Value> {
    let file = spec.vars.as_ref().map(|vars| vars.0.as_slice()).unwrap_or_default();
    unknown(site, file);
    let mut decided = BTreeMap::new();
    for (name, written) in file {
        let path = KeyPath::of(["vars", name.as_str()]);
        let value = match given(site.document, name) {
            Some(given) => overridden(site, &path, written, given),
            None => {
                no_template(site, &path, written);
                written.clone()
            }
        };
        decided.insert(name.clone(), value);
    }
    decided
}

/// What the command line or the environment says of a variable.
pub fn given<'d>(document: &'d Document, name: &str) -> Option<&'d Given> {
    document.given.iter().find(|given| given.name == name)
}

/// Whether what was given may be a secret: its line is not shown then.
fn may_be_secret(given: &Given) -> bool {
    secret::names::is_sensitive(&given.name)
        || secret::shape::issued(&given.text).is_some()
        || secret::shape::password_of(&given.text).is_some_and(secret::shape::is_literal)
}

fn unknown(site: &mut Site<'_>, file: &[(String, Value)]) {
    let known: Vec<&str> = file.iter().map(|(name, _)| name.as_str()).collect();
    for given in site.document.given.iter().filter(|given| !known.contains(&given.name.as_str())) {
        let help =
            names::meant(site, "variables", &given.name, &known, "write the variable and its default under `[vars]`");
        let message = format!("{}: there is no variable `{}`", given.from, given.name);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).help(help);
        site.diagnostics.push(diagnostic.at_unless_hidden(given.key, may_be_secret(given)));
    }
}

/// A text from outside, of the type that the file's value has.
fn overridden(site: &mut Site<'_>, path: &KeyPath, written: &Value, given: &Given) -> Value {
    let text = given.text.as_str();
    let (value, kind) = match written {
        Value::String(_) | Value::Null => return Value::from(text),
        Value::Bool(_) => (text.parse().ok().map(Value::Bool), "true or false"),
        Value::Number(number) if number.is_f64() => {
            (text.parse().ok().and_then(Number::from_f64).map(Value::Number), "a number")
        }
        Value::Number(_) => (text.parse::<i64>().ok().map(Value::from), "an integer"),
        Value::Array(_) => (serde_json::from_str(text).ok().filter(Value::is_array), "a list in JSON"),
        Value::Object(_) => (serde_json::from_str(text).ok().filter(Value::is_object), "a table in JSON"),
    };
    value.unwrap_or_else(|| {
        let message = format!("{} does not fit: `{path}` is {kind}", given.from);
        let diagnostic = Diagnostic::error(codes::WRONG_TYPE, message);
        let diagnostic = diagnostic.at_unless_hidden(given.value, may_be_secret(given));
        let diagnostic = diagnostic.also(site.document.place(path), "what the file says");
        site.diagnostics.push(diagnostic.help(format!("give {kind}, as the file does here")));
        written.clone()
    })
}

/// Warns of variables that nothing uses.
pub fn unused(site: &mut Site<'_>, spec: &JobSpec) {
    let texts = mention::texts(spec);
    let mentions = Mentions::of(texts.iter().map(String::as_str), "vars");
    for name in spec.vars.iter().flat_map(|vars| vars.names()) {
        if !mentions.has(name) {
            let message = format!("the variable `{name}` is used nowhere");
            let used = written("vars", name);
            let help = format!("use it as `{{{{ {used} }}}}`, or take it out");
            site.warning(codes::NO_EFFECT, &KeyPath::of(["vars", name]), message, help);
        }
    }
}

fn no_template(site: &mut Site<'_>, path: &KeyPath, written: &Value) {
    let Some(start) = written.as_str().and_then(|text| text.find("{{")) else { return };
    let place = site.document.place_in_string(path, start..start + 2);
    let message = format!("`{path}` is taken as it stands: templates are not rendered in `[vars]`");
    let help = "write the template where the variable is used";
    site.diagnostics.push(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
}
