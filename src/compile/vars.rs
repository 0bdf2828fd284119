//! Variables: constants for templates. `--var NAME=..` lies over `PACELINE_VAR_NAME`, over the file.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::{Options, Site, mention, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::environment;
use crate::spec::JobSpec;
use crate::template::written;

/// Decides every variable.
pub fn vars(site: &mut Site<'_>, spec: &JobSpec, options: &Options) -> BTreeMap<String, Value> {
    let file = spec.vars.as_ref().map(|vars| vars.0.as_slice()).unwrap_or_default();
    unknown(site, file, options);
    let mut decided = BTreeMap::new();
    for (name, written) in file {
        let path = KeyPath::of(["vars", name.as_str()]);
        let variable = variable_name(name);
        let given = options.vars.iter().rev().find(|(known, _)| known == name);
        let (text, from) = match given {
            Some((_, text)) => (Some(text.clone()), format!("--var {name}")),
            None => (environment::variable(&variable), variable),
        };
        let value = match text {
            Some(text) => overridden(site, &path, written, &text, &from),
            None => {
                no_template(site, &path, written);
                written.clone()
            }
        };
        decided.insert(name.clone(), value);
    }
    decided
}

/// The environment variable that overrides a variable.
fn variable_name(name: &str) -> String {
    format!("PACELINE_VAR_{}", name.to_uppercase().replace('-', "_"))
}

fn unknown(site: &mut Site<'_>, file: &[(String, Value)], options: &Options) {
    let known: Vec<&str> = file.iter().map(|(name, _)| name.as_str()).collect();
    for (name, _) in &options.vars {
        if !known.contains(&name.as_str()) {
            let help = names::meant("variables", name, &known, "write the variable and its default under `[vars]`");
            let message = format!("--var {name}: there is no variable `{name}`");
            site.diagnostics.push(Diagnostic::error(codes::UNKNOWN_NAME, message).help(help));
        }
    }
}

/// A text from outside, of the type that the file's value has.
fn overridden(site: &mut Site<'_>, path: &KeyPath, written: &Value, text: &str, from: &str) -> Value {
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
        let message = format!("{from} is \"{text}\", and `{path}` is {kind}");
        site.error(codes::WRONG_TYPE, path, message, format!("give {kind}, as the file does here"));
        written.clone()
    })
}

/// Warns of variables that nothing uses.
pub fn unused(site: &mut Site<'_>, spec: &JobSpec) {
    let texts = mention::texts(spec);
    for name in spec.vars.iter().flat_map(|vars| vars.names()) {
        if !texts.iter().any(|text| mention::mentions(text, "vars", name)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_environment() {
        assert_eq!(variable_name("page-size"), "PACELINE_VAR_PAGE_SIZE");
    }
}
