//! What is always true of the loader and of `fmt`, whatever a job file says. The fuzz targets of `tests/fuzz` hold them
//! against it as well.
//!
//! Must never know how a text was made.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::path::Path;

use paceline::compile::{Options, compile};
use paceline::diagnostic::{Diagnostics, Format, render};
use paceline::document::{Document, Overlays};
use paceline::format::{FormatError, format};

/// Loads a text as the job file at `path`: there is a plan, or words.
pub fn loaded(path: &Path, text: &str) {
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(path, text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    assert_eq!(plan.is_some(), !diagnostics.has_errors(), "a plan or errors:\n{text}");
    let said = render(&diagnostics, Some(&document), Format::Human, false);
    assert!(plan.is_some() || said.contains("error["), "no words for\n{text}");
}

/// Formats a text, twice: it stays as it is then. Whether it could be formatted.
pub fn stays_formatted(text: &str) -> bool {
    match format(text) {
        Ok(once) => {
            assert_eq!(format(&once.text).unwrap().text, once.text, "of\n{text}");
            true
        }
        Err(error) => {
            assert_eq!(error, FormatError::Syntax, "{text}");
            false
        }
    }
}
