//! Fields of an auth's table: each is compiled for its place, and what is wrong is said at it.
//!
//! Must never let a secret stand in the job file.

use serde_json::Value;

use super::AuthKind;
use crate::compile::{Site, vars};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::{RowScope, Scope, Spot, Template, literal};

/// The table of `auth.KIND` and where it stands.
pub(super) struct Fields<'f> {
    /// The kind, for its example.
    pub kind: &'f AuthKind,
    /// Path of the table.
    pub path: &'f KeyPath,
    /// The table, valid by the schema unless something was told already.
    pub table: &'f Value,
}

impl<'f> Fields<'f> {
    /// A text that must be there.
    pub fn text(&self, site: &mut Site<'_>, key: &str) -> Option<&'f str> {
        let found = self.table.get(key);
        let text = found.and_then(Value::as_str);
        if text.is_none() {
            let (code, message) = match found {
                Some(_) => (codes::WRONG_TYPE, format!("`{key}` must be a string")),
                None => (codes::MISSING_KEY, format!("auth.{} needs `{key}`", self.kind.name)),
            };
            site.error(code, &self.path.key(key), message, format!("write it as `{}`", self.kind.example));
        }
        text
    }

    /// A template that must be there.
    pub fn template(&self, site: &mut Site<'_>, key: &str, scope: &Scope) -> Option<Template> {
        let text = self.text(site, key)?;
        filled(site, &self.path.key(key), text, scope)
    }

    /// A template that may be left out; `None`: it is there and wrong.
    pub fn maybe_template(&self, site: &mut Site<'_>, key: &str, scope: &Scope) -> Option<Option<Template>> {
        match self.table.get(key) {
            None => Some(None),
            Some(_) => self.template(site, key, scope).map(Some),
        }
    }

    /// A template of a secret that must be there; `secret` is a good name for it.
    pub fn secret(&self, site: &mut Site<'_>, key: &str, secret: &str, scope: &Scope) -> Option<Template> {
        let text = self.text(site, key)?;
        secret_template(site, &self.path.key(key), text, secret, scope)
    }
}

/// The names for what is the same for every row.
pub(super) fn without_row(scope: &Scope) -> Scope {
    Scope { row: RowScope::None, ..scope.clone() }
}

fn filled(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope) -> Option<Template> {
    let template = site.template(path, text, Spot::Text, scope)?;
    if template.constant().is_some_and(str::is_empty) {
        site.error(
            codes::BAD_VALUE,
            path,
            format!("{} is empty", path.named()),
            "give it a value, or take the key out",
        );
        return None;
    }
    Some(template)
}

/// Compiles a template whose value must stay secret, so that it can't stand in the job file.
pub(crate) fn secret_template(
    site: &mut Site<'_>,
    path: &KeyPath,
    text: &str,
    secret: &str,
    scope: &Scope,
) -> Option<Template> {
    let template = site.template(path, text, Spot::Text, scope)?;
    if template.constant().is_some_and(str::is_empty) {
        let help = match site.document.get(&KeyPath::of(["secrets", secret])) {
            Some(_) => format!("write `{{{{ secrets.{secret} }}}}`"),
            None => declare(secret, &secret.to_ascii_uppercase()),
        };
        site.error(codes::BAD_VALUE, path, format!("{} is empty", path.named()), help);
        return None;
    }
    if template.constant().is_some() {
        if let Some(told) = from_outside(site, path, text, secret) {
            site.diagnostics.push(told);
            return None;
        }
        let variable = shell_variable(text).map_or_else(|| secret.to_ascii_uppercase(), ToOwned::to_owned);
        let help = declare(secret, &variable);
        let message = format!("`{path}` holds a secret, and a job file holds none");
        let place = site.document.place(path);
        site.diagnostics.push(Diagnostic::error(codes::SECRET_IN_FILE, message).at_hidden(place).help(help));
        return None;
    }
    Some(template)
}

/// How a secret comes from outside.
fn declare(secret: &str, variable: &str) -> String {
    format!(
        "keep it out of the file: declare `{secret}.env = \"{variable}\"` under `[secrets]` and write `{{{{ secrets.{secret} }}}}` here"
    )
}

/// The variable that `$TOKEN` or `${TOKEN}` names, where only a shell would put its value.
fn shell_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').map_or(Some(name), |name| name.strip_suffix('}'))?;
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_part)).then_some(name)
}

/// What is said of a secret that the command line or the environment gives as a variable: the file is not to blame.
fn from_outside(site: &Site<'_>, path: &KeyPath, text: &str, secret: &str) -> Option<Diagnostic> {
    let variables = literal::of(text).vars;
    let given = variables.iter().find_map(|name| vars::given(site.document, name))?;
    let message = format!("{} gives a secret as a variable, and what variables hold is shown", given.from);
    let help = format!(
        "declare `{secret}.env = \"{}\"` under `[secrets]`, write `{{{{ secrets.{secret} }}}}` here, and set that variable",
        secret.to_ascii_uppercase()
    );
    let diagnostic = Diagnostic::error(codes::SECRET_IN_FILE, message).at_hidden(given.value);
    Some(diagnostic.also(site.document.place(path), "used here").help(help))
}
