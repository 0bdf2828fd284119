//! Compilation: from a [`JobSpec`](crate::spec::JobSpec) to a [`Plan`](crate::plan::Plan), in ordered passes.
//!
//! Pure but for one thing: it reads the headers of inputs, so that `check` can speak of columns. Must
//! never use the network, the clock or a runtime.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::document::{Document, KeyPath};
use crate::plan::Plan;
use crate::template::{Scope, Spot, Template, TemplateErrorKind};

/// What the command line adds to the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--var name=value`, over `PACELINE_VAR_NAME`, over `[vars]`.
    pub vars: Vec<(String, String)>,
    /// `--limit N`: rows to take of each input.
    pub row_limit: Option<u64>,
    /// `--state DIR`: instead of `.paceline/<job>` beside the job file.
    pub state: Option<PathBuf>,
}

/// Compiles a document. `None` when there were errors; warnings may be in `diagnostics` either way.
pub fn compile(document: &Document, options: &Options, diagnostics: &mut Diagnostics) -> Option<Plan> {
    let _ = (document, options, diagnostics);
    todo!()
}

/// Where a pass stands: the document for places, the collector for what is wrong.
#[derive(Debug)]
pub struct Site<'a> {
    /// For places.
    pub document: &'a Document,
    /// For what is wrong.
    pub diagnostics: &'a mut Diagnostics,
}

impl Site<'_> {
    /// A path of the job file, made relative to the job file's folder.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.document.folder().join(Path::new(path))
    }

    /// Reports an error about the value at `path`.
    pub fn error(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.place(path);
        self.diagnostics.push(Diagnostic::error(code, message).at(place, "").help(help));
    }

    /// Compiles the template at `path` and reports everything that is wrong with it, inside its string.
    pub fn template(&mut self, path: &KeyPath, text: &str, spot: Spot, scope: &Scope) -> Option<Template> {
        match Template::compile(text, spot, scope) {
            Ok(template) => Some(template),
            Err(errors) => {
                for error in errors {
                    let code = match error.kind {
                        TemplateErrorKind::Syntax => codes::TEMPLATE_SYNTAX,
                        TemplateErrorKind::Name => codes::TEMPLATE_NAME,
                        TemplateErrorKind::Spot => codes::URL,
                    };
                    let place = self.document.place_in_string(path, error.range);
                    let mut diagnostic = Diagnostic::error(code, error.message).at(place, "");
                    diagnostic.help.extend(error.help);
                    self.diagnostics.push(diagnostic);
                }
                None
            }
        }
    }
}
