//! Secrets: where each will be read from. Must never read one itself; those of env files came with the file.

use super::Site;
use super::mention::{self, Mentions};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::{KeyPath, NodeValue};
use crate::secret::{Origin, Secret, SecretPlan};
use crate::spec::JobSpec;
use crate::template::written;

/// Decides where secrets come from.
pub fn secrets(site: &mut Site<'_>, spec: &JobSpec) -> Vec<SecretPlan> {
    let mut plans = Vec::new();
    for (name, secret) in spec.secrets.iter().flat_map(|secrets| &secrets.0) {
        let origin = match (&secret.env, &secret.file) {
            (Some(variable), _) => {
                variable_name(site, name, variable);
                of_variable(site, variable)
            }
            (None, Some(file)) => Origin::File(site.file(file)),
            (None, None) => continue,
        };
        plans.push(SecretPlan { name: name.clone(), origin });
    }
    plans
}

/// Every secret that the job declares, for who opens some by itself. What is wrong with them is told by [`secrets`].
pub(crate) fn declared(site: &Site<'_>) -> Vec<SecretPlan> {
    let root = KeyPath::of(["secrets"]);
    let Some(NodeValue::Table(entries)) = site.document.get(&root).map(|node| &node.value) else { return Vec::new() };
    let text = |name: &str, key| match &site.document.get(&root.key(name).key(key))?.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let origin = |name: &str| match text(name, "env") {
        Some(variable) => Some(of_variable(site, &variable)),
        None => text(name, "file").map(|file| Origin::File(site.file(&file))),
    };
    let names = entries.iter().map(|(key, _)| key.name.clone());
    names.filter_map(|name| Some(SecretPlan { origin: origin(&name)?, name })).collect()
}

/// A variable of the environment, or of an env file where the environment has none.
fn of_variable(site: &Site<'_>, variable: &str) -> Origin {
    match site.document.environment.in_files(variable) {
        Some(found) => Origin::EnvFile {
            variable: variable.to_owned(),
            file: found.path.to_path_buf(),
            value: Secret::new(found.variable.value.clone()),
        },
        None => Origin::Environment(variable.to_owned()),
    }
}

/// The names that templates may use: also of those whose table is wrong, which has been told.
pub fn names(site: &Site<'_>) -> Vec<String> {
    match site.document.get(&KeyPath::of(["secrets"])).map(|node| &node.value) {
        Some(NodeValue::Table(entries)) => entries.iter().map(|(key, _)| key.name.clone()).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// POSIX, 8.1: a name holds no `=`; more than letters, digits and `_` can't be set in a shell.
fn variable_name(site: &mut Site<'_>, name: &str, variable: &str) {
    // A secret that was pasted here is told of as one.
    let is_pasted = crate::secret::shape::is_pasted(variable);
    if !is_pasted && variable.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
        // Neither the value nor its line is shown: it may be the secret itself, pasted here.
        let path = KeyPath::of(["secrets", name, "env"]);
        let place = site.document.place(&path);
        let message = format!("`{path}` is not the name of an environment variable");
        let help = "write the name of the variable, such as `env = \"API_TOKEN\"`; its value stays outside of the file";
        site.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at_hidden(place).help(help));
    }
}

/// Warns of secrets that nothing uses.
pub fn unused(site: &mut Site<'_>, spec: &JobSpec) {
    let texts = mention::texts(spec);
    let mentions = Mentions::of(texts.iter().map(String::as_str), "secrets");
    for name in spec.secrets.iter().flat_map(|secrets| secrets.names()) {
        if !mentions.has(name) {
            let message = format!("the secret `{name}` is used nowhere, and must be set all the same");
            let used = written("secrets", name);
            let help = format!("use it as `{{{{ {used} }}}}`, or take it out");
            site.warning(codes::NO_EFFECT, &KeyPath::of(["secrets", name]), message, help);
        }
    }
}
