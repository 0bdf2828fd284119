//! From findings to diagnostics: warnings, each at the place of its key.

use super::Finding;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Document;

/// Warns of what does not fit a reply. That it does not may be the fault of the reply: none of it is an error.
pub fn tell(document: &Document, findings: &[Finding], diagnostics: &mut Diagnostics) {
    for finding in findings {
        let place = match &finding.range {
            Some(range) => document.place_in_string(&document.standing(&finding.key), range.clone()),
            None => document.mark(&finding.key),
        };
        let diagnostic = Diagnostic::warning(finding.code, &finding.message).at(place, "").help(&finding.help);
        diagnostics.push(diagnostic);
    }
}
