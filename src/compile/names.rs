//! References by name: what to say of a name that nothing defines.

use super::{Site, known_names};
use crate::diagnostic::{codes, did_you_mean};
use crate::document::{KeyPath, NodeValue};

/// The path of an item of a value that may be one or a list.
pub fn item(site: &Site<'_>, path: &KeyPath, index: usize) -> KeyPath {
    match site.document.get(path).map(|node| &node.value) {
        Some(NodeValue::Array(_)) => path.index(index),
        _ => path.clone(),
    }
}

/// Reports an unknown name, unless the file defines it in a way that was already found wrong.
pub fn unknown(site: &mut Site<'_>, path: &KeyPath, what: &str, name: &str, known: &[&str], table: &[&str]) {
    let defined = KeyPath::of(table.iter().copied()).key(name);
    if site.document.get(&defined).is_some() {
        return;
    }
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => known_names(&format!("{what}s"), known, &format!("define it as [{defined}]")),
    };
    site.error(codes::UNKNOWN_NAME, path, format!("there is no {what} `{name}`"), help);
}
