//! Inputs: which kind of source, by the ending of a file or by name.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Site, chain, ending, files};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::source::endpoint::RecordsPlan;
use crate::source::unpack::inner;
use crate::source::{Columns, KINDS, SourceKind, SourcePlan};
use crate::spec::EndpointSpec;
use crate::spec::kind::ShortOrKind;

/// Decides where the rows of an endpoint come from; `records`: the columns of the records it reads where they are those
/// of another endpoint.
pub fn input(
    site: &mut Site<'_>,
    name: &str,
    spec: &EndpointSpec,
    records: Option<Columns>,
) -> Option<Arc<dyn SourcePlan>> {
    if let Some(parent) = chain::parent(spec) {
        return records.map(|columns| Arc::new(RecordsPlan::new(parent, columns)) as Arc<dyn SourcePlan>);
    }
    let path = KeyPath::of(["endpoints", name, "input"]);
    match &spec.input.0 {
        ShortOrKind::Short(file) => {
            let row = by_ending(site, &path, file)?;
            (row.compile)(site, &path, &json!({ "path": file }))
        }
        ShortOrKind::Kind(kind) => {
            let row = KINDS.iter().find(|row| row.name == kind.kind)?;
            (row.compile)(site, &path.key(row.name), &kind.value)
        }
    }
}

fn by_ending(site: &mut Site<'_>, path: &KeyPath, file: &str) -> Option<&'static SourceKind> {
    let ending = ending(inner(file));
    let found = KINDS.iter().find(|row| row.endings.contains(&ending.as_str()));
    if found.is_none() {
        let endings: Vec<&str> = KINDS.iter().flat_map(|row| row.endings.iter().copied()).collect();
        let shown: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        let message = if ending.is_empty() {
            format!("`{file}` has no ending that tells its kind")
        } else {
            format!("no kind of input reads `.{ending}` files")
        };
        let help = format!(
            "save it as one of {}; or, if it is one, name the kind: `input.csv = {{ path = {file:?} }}`",
            shown.join(", ")
        );
        site.error(codes::BAD_VALUE, path, message, help);
    }
    found
}

/// The file an endpoint reads, and where that was written.
pub fn file(site: &Site<'_>, name: &str, spec: &EndpointSpec) -> Option<(PathBuf, KeyPath)> {
    let path = KeyPath::of(["endpoints", name, "input"]);
    files::of(site, &path, &spec.input.0)
}

/// Whether an endpoint reads standard input.
pub fn reads_stdin(spec: &EndpointSpec) -> bool {
    matches!(&spec.input.0, ShortOrKind::Kind(kind) if kind.kind == "stdin")
}

/// The pattern of an endpoint whose input is files by a pattern.
pub fn glob(spec: &EndpointSpec) -> Option<&str> {
    match &spec.input.0 {
        ShortOrKind::Kind(kind) if kind.kind == "glob" => kind.value.as_str(),
        ShortOrKind::Short(_) | ShortOrKind::Kind(_) => None,
    }
}

/// The input as written, for the job's identity.
pub fn identity(spec: &EndpointSpec) -> String {
    match &spec.input.0 {
        ShortOrKind::Short(file) => Value::from(file.as_str()).to_string(),
        ShortOrKind::Kind(kind) => format!("{} {}", kind.kind, kind.value),
    }
}
