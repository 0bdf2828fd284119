//! Texts that may be secrets although no secret should stand in a job: found before anything is told, so that no
//! message shows them or a line of theirs, whatever it is about.
//!
//! Must never decide that one is wrong: the passes that know what it is for do.

use crate::diagnostic::Diagnostics;
use crate::document::{Document, KeyPath, Node, NodeValue, Step};
use crate::secret::names::{self, Told};
use crate::secret::shape;

use super::leak;

/// Keys of auth tables whose values are no secrets.
pub(super) const PUBLIC: [&str; 10] =
    ["access-key", "client-auth", "client-id", "in", "name", "region", "scope", "service", "token-url", "user"];

/// Depth of `endpoints.NAME` and of `notify[0]`, and of what sends below a sink: `sinks.NAME.webhook`.
const SENDERS: (usize, usize) = (2, 3);

/// Notes the places of such texts, also in profiles.
pub fn hide(document: &Document, diagnostics: &mut Diagnostics) {
    let profiles = document.profiles.iter().map(|(_, node)| node);
    for job in std::iter::once(&document.root).chain(profiles) {
        below(job, 0, (false, false), diagnostics);
        named(false, job, diagnostics);
    }
    leak::find(document).iter().for_each(|leak| diagnostics.hide(leak.place));
}

/// Whether the table at a path of the file is one that sends, whose `auth` says who asks.
pub(super) fn sends(path: &KeyPath) -> bool {
    let is = |at: usize, name: &str| matches!(path.0.get(at), Some(Step::Key(key)) if key == name);
    let (start, length) = if is(0, "profiles") { (2, path.0.len().saturating_sub(2)) } else { (0, path.0.len()) };
    match length {
        2 => ["endpoints", "sinks", "notify"].iter().any(|table| is(start, table)),
        3 => is(start + 2, "webhook"),
        _ => false,
    }
}

/// `depth` counts tables from the job's root: an endpoint may be called `auth` as well. `sends`: the table is one whose
/// `auth` says who asks.
fn below(node: &Node, depth: usize, (sends, auth): (bool, bool), diagnostics: &mut Diagnostics) {
    match &node.value {
        NodeValue::String(text) if (auth && !text.is_empty() && !text.contains("{{")) || has_userinfo(text) => {
            diagnostics.hide(node.place);
        }
        NodeValue::Array(items) => {
            items.iter().for_each(|item| below(item, depth + 1, (depth + 1 == SENDERS.0, auth), diagnostics))
        }
        NodeValue::Table(entries) => {
            for (key, value) in entries {
                let begins = sends && key.name == "auth";
                let below_it = depth + 1;
                let sends = below_it == SENDERS.0 || (below_it == SENDERS.1 && key.name == "webhook");
                let goes_on = auth && !PUBLIC.contains(&key.name.as_str());
                below(value, below_it, (sends, begins || goes_on), diagnostics);
            }
        }
        // A password of digits that lacks its quotes.
        NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Datetime(_) if auth => diagnostics.hide(node.place),
        NodeValue::String(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) => {}
        NodeValue::Datetime(_) => {}
    }
}

/// Texts that are called as secrets are, wherever they stand: the file may be another than a job. `is_told`: the name above
/// is one of those.
fn named(is_told: bool, node: &Node, diagnostics: &mut Diagnostics) {
    match &node.value {
        NodeValue::String(text) if is_told && shape::is_literal(text) => diagnostics.hide(node.place),
        NodeValue::Array(items) => items.iter().for_each(|item| named(is_told, item, diagnostics)),
        NodeValue::Table(entries) => {
            let tells = |name: &str| !PUBLIC.contains(&name) && names::told(name) >= Told::Token;
            entries.iter().for_each(|(key, value)| named(tells(&key.name), value, diagnostics));
        }
        NodeValue::String(_) => {}
        NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) | NodeValue::Datetime(_) => {}
    }
}

/// Whether a URL says user and password itself: `https://me:word@host`.
fn has_userinfo(text: &str) -> bool {
    shape::password_of(text).is_some()
}
