//! Inputs: which kind of source, by the ending of a file or by name.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::endpoint::Surroundings;
use super::{Site, chain, ending, files, mention, selecting};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::source::endpoint::RecordsPlan;
use crate::source::unpack::inner;
use crate::source::{Columns, KINDS, SourceKind, SourcePlan, product, sql};
use crate::spec::EndpointSpec;
use crate::spec::input::InputSpec;
use crate::spec::kind::ShortOrKind;
use crate::template::{RowScope, Scope, Vars};

/// Decides where the rows of an endpoint come from, and which of them are taken; `records`: the columns of the records
/// it reads where they are those of another endpoint.
pub fn input(
    site: &mut Site<'_>,
    around: &Surroundings<'_>,
    name: &str,
    spec: &EndpointSpec,
    records: Option<Columns>,
) -> Option<Arc<dyn SourcePlan>> {
    let path = KeyPath::of(["endpoints", name, "input"]);
    let source = match chain::parent(spec) {
        Some(parent) => records.map(|columns| Arc::new(RecordsPlan::new(parent, columns)) as Arc<dyn SourcePlan>),
        None => target(site, &path, &spec.input.target),
    };
    let columns = source.as_ref().map_or(Columns::Open, |source| source.columns());
    let selecting = selecting::selecting(site, &path, &spec.input.selecting, &around.scope(&columns));
    source.zip(selecting).map(|(source, selecting)| selecting.over(source))
}

/// An input inside another one. What it is told apart by may not use `vars`: they are the endpoint's.
pub fn member(site: &mut Site<'_>, path: &KeyPath, spec: &InputSpec) -> Option<Arc<dyn SourcePlan>> {
    let source = target(site, path, &spec.target);
    let row = match source.as_ref().map(|source| source.columns()) {
        Some(Columns::Known(header)) => RowScope::Known(header),
        Some(Columns::Open) | None => RowScope::Open,
    };
    if let Some(condition) = spec.selecting.condition.as_ref().filter(|text| mention::names_table(text, "vars")) {
        let message = "a `where` inside of a product sees its own rows alone, and no `vars`";
        let help = format!("write it beside the product: `where = {condition:?}`");
        site.error(codes::TEMPLATE_NAME, &path.key("where"), message, help);
        return None;
    }
    let scope = Scope { row, vars: Vars::default(), secrets: Vec::new(), reply: false, last: None, messages: None };
    let selecting = selecting::selecting(site, path, &spec.selecting, &scope);
    source.zip(selecting).map(|(source, selecting)| selecting.over(source))
}

fn target(site: &mut Site<'_>, path: &KeyPath, target: &ShortOrKind) -> Option<Arc<dyn SourcePlan>> {
    match target {
        ShortOrKind::Short(file) => {
            let row = by_ending(site, path, file)?;
            (row.compile)(site, path, &json!({ "path": file }))
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
    // Only texts are read packed.
    if let Some(row) = found.filter(|row| inner(file) != file && !row.reads_packed) {
        let help = format!("unpack it first; `{}` is read as it is", inner(file));
        site.error(codes::BAD_VALUE, path, format!("`{file}` is packed, and {} is not read packed", row.name), help);
        return None;
    }
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
        site.error(codes::BAD_VALUE, &path.key("path"), message, help);
    }
    found
}

/// The files an endpoint reads, and where they were written.
pub fn files(site: &Site<'_>, name: &str, spec: &EndpointSpec) -> Vec<(PathBuf, KeyPath)> {
    let mut found = Vec::new();
    each(&KeyPath::of(["endpoints", name, "input"]), &spec.input, &mut |path, target| {
        let long = path.key("path");
        let long = (matches!(target, ShortOrKind::Short(_)) && site.document.get(&long).is_some()).then_some(long);
        found.extend(files::of(site, path, target).map(|(file, place)| (file, long.unwrap_or(place))));
        found.extend(sql::file(target).map(|file| (site.file(file), path.key("sql").key("url"))));
    });
    found
}

/// Whether an endpoint reads standard input.
pub fn reads_stdin(spec: &EndpointSpec) -> bool {
    let mut reads = false;
    each(&KeyPath::default(), &spec.input, &mut |_, target| {
        reads |= matches!(target, ShortOrKind::Kind(kind) if kind.kind == "stdin");
    });
    reads
}

/// Shows an input and those that it is made of.
fn each(path: &KeyPath, input: &InputSpec, see: &mut impl FnMut(&KeyPath, &ShortOrKind)) {
    see(path, &input.target);
    if let ShortOrKind::Kind(kind) = &input.target {
        for (index, member) in product::members(kind).into_iter().enumerate() {
            each(&path.key(kind.kind.as_str()).index(index), &member, see);
        }
    }
}

/// The patterns by which an endpoint reads files, and where they were written.
pub fn globs(name: &str, spec: &EndpointSpec) -> Vec<(String, KeyPath)> {
    let mut found = Vec::new();
    each(&KeyPath::of(["endpoints", name, "input"]), &spec.input, &mut |path, target| {
        if let ShortOrKind::Kind(kind) = target
            && kind.kind == "glob"
        {
            found.extend(kind.value.as_str().map(|pattern| (pattern.to_owned(), path.key("glob"))));
        }
    });
    found
}

/// The input as written, for the job's identity.
pub fn identity(spec: &EndpointSpec) -> String {
    let target = match &spec.input.target {
        ShortOrKind::Short(file) => Value::from(file.as_str()).to_string(),
        ShortOrKind::Kind(kind) => format!("{} {}", kind.kind, kind.value),
    };
    // A run whose journal is older than these keys has none of them.
    match selecting::identity(&spec.input.selecting) {
        Some(selecting) => format!("{target}; {selecting}"),
        None => target,
    }
}
