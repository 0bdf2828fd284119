//! Conditions: expressions over a reply and its row that hold or do not.

use super::{Context, RenderError, Scope, TemplateError};

/// A condition, decided.
pub(super) struct Compiled {
    source: String,
}

/// Compiles a condition.
pub(super) fn compile(source: &str, _scope: &Scope) -> Result<Compiled, Vec<TemplateError>> {
    Ok(Compiled { source: source.to_owned() })
}

impl Compiled {
    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it uses `json`.
    pub fn uses_json(&self) -> bool {
        false
    }

    /// Whether it uses `text`.
    pub fn uses_text(&self) -> bool {
        false
    }

    /// Whether it holds.
    pub fn holds(&self, _context: &Context<'_>) -> Result<bool, RenderError> {
        Ok(false)
    }
}
