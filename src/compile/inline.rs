//! Secrets in plain: an error where a credential stands, a warning where something looks like one.
//!
//! Must never show one: neither its line nor a part of it.

use super::{Site, url};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::{KeyPath, NodeValue, Step};
use crate::spec::leak::{self, Leak, URL, What};

/// What to do about a value that others may have read.
const ISSUED: &str = "a value that was committed is known: change it where it was issued";

/// Tells of every secret in plain that no other pass has told of.
pub fn check(site: &mut Site<'_>) {
    for leak in leak::find(site.document) {
        // A key of a chosen profile is looked at twice.
        if site.diagnostics.has(codes::SECRET_IN_FILE, leak.place) {
            continue;
        }
        let mend = mend(site, &leak);
        let named = leak.path.named();
        let diagnostic = match leak.what {
            What::Credential => {
                let message = format!("{named} holds a secret, and a job file holds none");
                Diagnostic::error(codes::SECRET_IN_FILE, message)
            }
            What::Like(what) => {
                let message = format!("{named} looks like {what}, and a job file holds no secret");
                Diagnostic::warning(codes::SECRET_IN_FILE, message)
            }
        };
        site.diagnostics.push(diagnostic.at_hidden(leak.place).help(mend).help(ISSUED));
    }
}

fn mend(site: &Site<'_>, leak: &Leak) -> String {
    let key = leak.path.0.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    let key = key.unwrap_or_default();
    let (name, variable) = secret_name(key);
    let declare = format!("keep it out of the file: declare `{name}.env = \"{variable}\"` under `[secrets]`");
    let is_variable = leak.path.0.iter().any(|step| *step == Step::Key("vars".to_owned()));
    if is_variable {
        if leak.what == What::Like(URL) {
            return url::KEEP_OUT.to_owned();
        }
        let used = crate::template::written("vars", key);
        let write = format!("write `{{{{ secrets.{name} }}}}` in the place of `{{{{ {used} }}}}`");
        return format!("{declare} and {write}, and take the variable out");
    }
    let scheme = scheme(site, &leak.path);
    format!("{declare} and write `{scheme}{{{{ secrets.{name} }}}}` in its place")
}

/// A name for the secret, and for its variable.
fn secret_name(key: &str) -> (&'static str, &'static str) {
    let key = key.to_ascii_lowercase();
    let is = |word: &str| key.contains(word);
    if is("passw") {
        ("password", "API_PASSWORD")
    } else if is("cookie") {
        ("cookie", "API_COOKIE")
    } else if is("secret") {
        ("secret", "API_SECRET")
    } else if is("key") {
        ("key", "API_KEY")
    } else {
        ("token", "API_TOKEN")
    }
}

/// What stands before the secret in an `Authorization`.
fn scheme(site: &Site<'_>, path: &KeyPath) -> &'static str {
    let Some(NodeValue::String(text)) = site.document.get(path).map(|node| &node.value) else { return "" };
    let begins = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    ["Bearer ", "Basic ", "Token "].into_iter().find(begins).unwrap_or_default()
}
