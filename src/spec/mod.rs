//! The spec: what the user wrote, as plain data. Decides nothing.
//!
//! The types of `job`, `settings`, `pace`, `column`, `input`, `sink`, `report`, `notify`, `stream`, `kind` and `text` generate the JSON Schema (`schema`); the schema
//! is walked over the spanned document (`shape`), which reports everything that does not fit; what
//! fits is turned into a [`JobSpec`]. Must never give a default or resolve a name: `compile` does.

pub mod body;
pub mod column;
pub mod input;
pub mod job;
pub mod kind;
pub(crate) mod leak;
pub mod moment;
pub mod notify;
pub mod pace;
pub(crate) mod plain;
mod reference;
pub mod report;
pub mod scalar;
mod schema;
pub mod settings;
mod shape;
pub mod sink;
pub mod stream;
pub mod text;
mod value;
pub mod version;

use serde::Deserialize;

pub use job::{EndpointSpec, JobSpec, SaveSpec, SecretSpec};
pub use pace::{ExpectSpec, RunSpec};
pub use reference::reference;
pub use schema::schema;
pub use shape::{check, check_profiles};
pub use value::to_value;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::document::Document;

/// The schema of a job file as it is kept in `schemas/job.schema.json`, with a final newline.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// What a document says, as far as it could be read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The job, without what is wrong.
    pub spec: JobSpec,
    /// Whether nothing was left out: the absence of a name means something.
    pub whole: bool,
}

/// Checks the shape of a document and reads it. What is wrong is reported and left out, so that the
/// passes behind can speak of the rest; `None` when nothing is left to speak of.
pub fn read(document: &Document, diagnostics: &mut Diagnostics) -> Option<Reading> {
    let damaged = diagnostics.has_errors();
    plain::hide(document, diagnostics);
    let wrong = check(document, &document.root, diagnostics);
    check_profiles(document, &document.profiles, diagnostics);
    tell_of_includes(document, diagnostics);
    let whole = wrong.is_empty() && !damaged;
    match JobSpec::deserialize(value::without(&document.root, &wrong)) {
        Ok(spec) => Some(Reading { spec, whole }),
        Err(error) if whole => {
            let message = format!("the job fits the schema and can't be read all the same: {error}");
            diagnostics.push(
                Diagnostic::error(codes::BAD_VALUE, message)
                    .at(document.root.place, "")
                    .help("this is a fault of paceline; please report it with the job file"),
            );
            None
        }
        Err(_) => None,
    }
}

/// What is said of a version that nothing covers was told with the shape of the job.
fn tell_of_includes(document: &Document, diagnostics: &mut Diagnostics) {
    for told in document.beneath.iter().filter_map(version::of_include) {
        let is_told = told.primary.as_ref().is_some_and(|label| diagnostics.has(told.code, label.place));
        if !is_told {
            diagnostics.push(told);
        }
    }
}

/// Checks the shape of a file that was read alone, with its profiles taken out: what is missing may stand in a file that
/// it includes, or that includes it.
pub(crate) fn check_alone(document: &Document, diagnostics: &mut Diagnostics) {
    plain::hide(document, diagnostics);
    shape::check_part(document, diagnostics);
    check_profiles(document, &document.profiles, diagnostics);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/job.schema.json");
        if crate::environment::variable("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, schema_text()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == schema_text(), "schemas/job.schema.json is stale: run the tests with UPDATE_SCHEMA=1");
    }
}
