//! Keys that are there and could not be read: what is missed because of them has been told at their place.

use super::Site;
use crate::diagnostic::did_you_mean;
use crate::document::{KeyPath, NodeValue};

impl Site<'_> {
    /// Whether the table at `path` has `key`, but misspelt or with a value that could not be read.
    #[must_use]
    pub fn is_refused(&self, path: &KeyPath, key: &str) -> bool {
        let Some(NodeValue::Table(entries)) = self.document.get(path).map(|node| &node.value) else { return false };
        entries.iter().any(|(written, node)| match written.name == key {
            true => self.diagnostics.has_error_in(written.place) || self.diagnostics.has_error_in(node.place),
            false => self.diagnostics.has_error_in(written.place) && did_you_mean(&written.name, [key]).is_some(),
        })
    }
}
