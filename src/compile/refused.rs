//! Keys that are there and could not be read: what is missed because of them has been told at their place.

use super::Site;
use crate::diagnostic::{Severity, did_you_mean};
use crate::document::{KeyPath, NodeValue, Place};

impl Site<'_> {
    /// Whether the table at `path` has `key`, but misspelt or with a value that could not be read.
    #[must_use]
    pub fn is_refused(&self, path: &KeyPath, key: &str) -> bool {
        let Some(NodeValue::Table(entries)) = self.document.get(path).map(|node| &node.value) else { return false };
        entries.iter().any(|(written, node)| match written.name == key {
            true => self.is_told(written.place) || self.is_told(node.place),
            false => did_you_mean(&written.name, [key]).is_some() && self.is_told(written.place),
        })
    }

    /// Whether an error stands within this place.
    fn is_told(&self, place: Place) -> bool {
        let errors = self.diagnostics.list().iter().filter(|known| known.severity == Severity::Error);
        errors.filter_map(|known| known.primary.as_ref()).any(|label| {
            label.place.source == place.source && place.start <= label.place.start && label.place.end <= place.end
        })
    }
}
