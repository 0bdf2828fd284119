//! From findings to diagnostics: warnings, each at the place of its key.

use super::Finding;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Document, KeyPath};

/// Warns of what does not fit a reply. That it does not may be the fault of the reply: none of it is an error.
pub fn tell(document: &Document, findings: &[Finding], diagnostics: &mut Diagnostics) {
    for finding in findings {
        let key = standing(document, &finding.key);
        let place = match &finding.range {
            Some(range) => document.place_in_string(&key, range.clone()),
            None => document.place(&key),
        };
        let diagnostic = Diagnostic::warning(finding.code, &finding.message).at(place, "").help(&finding.help);
        diagnostics.push(diagnostic);
    }
}

/// The key, or the nearest above it that stands in the job: a column is a text or a table, a condition one or a list.
fn standing(document: &Document, key: &KeyPath) -> KeyPath {
    let mut key = key.clone();
    while document.get(&key).is_none() && key.0.pop().is_some() {}
    key
}
