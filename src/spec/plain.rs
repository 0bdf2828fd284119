//! Texts that may be secrets although no secret should stand in a job: found before anything is told, so that no
//! message shows them or a line of theirs, whatever it is about.
//!
//! Must never decide that one is wrong: the passes that know what it is for do.

use crate::diagnostic::Diagnostics;
use crate::document::{Document, Node, NodeValue};

/// Keys of auth tables whose values are no secrets.
const PUBLIC: [&str; 10] =
    ["access-key", "client-auth", "client-id", "in", "name", "region", "scope", "service", "token-url", "user"];

/// Notes the places of such texts, also in profiles.
pub fn hide(document: &Document, diagnostics: &mut Diagnostics) {
    let profiles = document.profiles.iter().map(|(_, node)| node);
    std::iter::once(&document.root).chain(profiles).for_each(|job| below(job, false, diagnostics));
}

fn below(node: &Node, auth: bool, diagnostics: &mut Diagnostics) {
    match &node.value {
        NodeValue::String(text) if (auth && !text.is_empty() && !text.contains("{{")) || has_userinfo(text) => {
            diagnostics.hide(node.place);
        }
        NodeValue::Array(items) => items.iter().for_each(|item| below(item, auth, diagnostics)),
        NodeValue::Table(entries) => {
            for (key, value) in entries {
                let secret = key.name == "auth" || (auth && !PUBLIC.contains(&key.name.as_str()));
                below(value, secret, diagnostics);
            }
        }
        NodeValue::String(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) => {}
        NodeValue::Datetime(_) => {}
    }
}

/// Whether a URL says user and password itself: `https://me:word@host`.
fn has_userinfo(text: &str) -> bool {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let userinfo = authority.and_then(|authority| authority.rsplit_once('@'));
    let password = userinfo.and_then(|(userinfo, _)| userinfo.split_once(':'));
    password.is_some_and(|(_, password)| !password.is_empty() && !password.starts_with("{{"))
}
