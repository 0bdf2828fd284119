//! Secrets in plain: every place of a job file, its profiles too, where one stands or seems to.
//!
//! Must never show what stands there: only the place and the kind leave this file.

use crate::document::{Document, KeyPath, Node, NodeValue, Place, Step};
use crate::secret::shape;

use super::plain::{self, PUBLIC, password_of};

/// A text that is a secret, or looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leak {
    /// The way to it, from the root of the file.
    pub(crate) path: KeyPath,
    /// Where it stands.
    pub(crate) place: Place,
    /// Why it is taken for one.
    pub(crate) what: What,
}

/// Why a text is taken for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Only credentials stand there.
    Credential,
    /// It has the form of one.
    Like(&'static str),
}

/// Of a URL the secret is a part, and the rest is no secret.
pub(crate) const URL: &str = "a URL with a password";

/// What a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Auth,
    Headers,
    Query,
    Other,
}

/// All of them, in the order of the file.
pub(crate) fn find(document: &Document) -> Vec<Leak> {
    let mut found = Vec::new();
    let base = document.get(&KeyPath::of(["vars"]));
    job(&document.root, &KeyPath::default(), base, &mut found);
    let profiles = KeyPath::of(["profiles"]);
    for (key, profile) in &document.profiles {
        job(profile, &profiles.key(key.name.as_str()), base, &mut found);
    }
    found
}

fn job(root: &Node, path: &KeyPath, vars: Option<&Node>, found: &mut Vec<Leak>) {
    let NodeValue::Table(entries) = &root.value else { return };
    for (key, node) in entries {
        let path = path.key(key.name.as_str());
        match (key.name.as_str(), &node.value) {
            // Where the value comes from, and what was found wrong before.
            ("secrets" | "description" | "name", _) => {}
            ("endpoints" | "sinks", NodeValue::Table(senders)) => {
                for (name, sender) in senders.iter().filter(|(_, sender)| !is_demo(sender, vars)) {
                    below(sender, (&name.name, &path.key(name.name.as_str())), Around::Other, found);
                }
            }
            (name, _) => below(node, (name, &path), Around::Other, found),
        }
    }
}

/// The demo takes tokens that everyone may know.
fn is_demo(endpoint: &Node, vars: Option<&Node>) -> bool {
    let text = |node: &Node| match &node.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let Some(url) = endpoint.entry("url").and_then(|(_, node)| text(node)) else { return false };
    let variable = url.strip_prefix("{{").and_then(|rest| rest.split_once("}}")).map(|(inner, _)| inner.trim());
    let name = variable.and_then(|variable| variable.strip_prefix("vars."));
    let base = name.and_then(|name| text(&vars?.entry(name)?.1));
    base.unwrap_or(url).starts_with("demo:")
}

fn below(node: &Node, (name, path): (&str, &KeyPath), around: Around, found: &mut Vec<Leak>) {
    match &node.value {
        NodeValue::String(text) => {
            let what = look(name, text, around, path);
            found.extend(what.map(|what| Leak { path: path.clone(), place: node.place, what }));
        }
        NodeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                below(item, (name, &path.index(index)), around, found);
            }
        }
        NodeValue::Table(entries) => {
            for (key, value) in entries {
                let around = match key.name.as_str() {
                    // Of replies, and no text that is sent.
                    "columns" => continue,
                    "auth" if around == Around::Other && plain::sends(path) => Around::Auth,
                    "headers" => Around::Headers,
                    "query" => Around::Query,
                    _ => around,
                };
                below(value, (&key.name, &path.key(key.name.as_str())), around, found);
            }
        }
        NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) | NodeValue::Datetime(_) => {}
    }
}

fn look(name: &str, text: &str, around: Around, path: &KeyPath) -> Option<What> {
    let is_literal = shape::is_literal(text);
    let is_credential = match around {
        // Of the file itself, what compiles an auth tells.
        Around::Auth => {
            is_literal
                && is_in(path, "profiles")
                && !PUBLIC.contains(&name)
                && !matches!(path.0.last(), Some(Step::Index(_)))
        }
        Around::Headers => is_literal && shape::is_credential_header(name, text),
        Around::Query => is_literal && shape::is_credential_parameter(name, text),
        Around::Other => false,
    };
    if is_credential || shape::has_credential_parameter(text) {
        return Some(What::Credential);
    }
    if around == Around::Auth {
        return None;
    }
    // An access key is a name, and may stand; what belongs to it may not.
    let issued = shape::issued(text).filter(|_| name != "access-key");
    let password = password_of(text).filter(|_| is_in(path, "vars") || is_in(path, "profiles"));
    let url = password.filter(|password| shape::is_literal(password)).map(|_| URL);
    let told = shape::is_told_by_name(name, text).then_some("a secret");
    issued.or(url).or(told).map(What::Like)
}

/// Whether a path begins with a table of the file's top level.
fn is_in(path: &KeyPath, table: &str) -> bool {
    matches!(path.0.first(), Some(Step::Key(key)) if key == table)
}
