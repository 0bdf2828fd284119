//! Columns of an endpoint's records: what is kept of the input, what is extracted, what is told.

use serde_json::Value;

use super::{Site, names, request};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::extract::KINDS;
use crate::plan::{ColumnPlan, Meta};
use crate::record::{InputColumns, Layout};
use crate::source::Columns;
use crate::spec::EndpointSpec;
use crate::spec::kind::{ColumnSpec, ShortOrKind};
use crate::template::Scope;

/// Meta columns when the job names none.
const META: [Meta; 4] = [Meta::Status, Meta::Attempts, Meta::DurationMs, Meta::Error];

/// Compiles the extracted columns. `scope` has the reply's names and no secrets.
pub fn columns(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<ColumnPlan> {
    let path = path.key("columns");
    let mut columns = Vec::new();
    for (name, column) in spec.columns.iter().flat_map(|columns| &columns.0) {
        let here = path.key(name.as_str());
        let extractor = match kind_of(column) {
            (kind, Value::String(text)) if matches!(column.0, ShortOrKind::Short(_)) => {
                same_text(site, &here, name, &text);
                row(kind).and_then(|row| (row.compile)(site, &here, &Value::String(text), scope))
            }
            (kind, value) => row(kind).and_then(|row| (row.compile)(site, &here.key(kind), &value, scope)),
        };
        columns.extend(extractor.map(|extractor| ColumnPlan { name: name.clone(), extractor }));
    }
    columns
}

/// Warns of a column that is the same text in every record: most likely a path without its `$`.
fn same_text(site: &mut Site<'_>, path: &KeyPath, name: &str, text: &str) {
    if text.starts_with('$') || request::is_template(text) {
        return;
    }
    let is_path = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']'));
    let taken = if is_path { format!("$.{text}") } else { "$.price".to_owned() };
    let message = format!("the column `{name}` is the same text in every record");
    let help = format!(
        "write `{name} = \"{taken}\"` for a value of the reply, or `{name} = {{ value = {text:?} }}` for this text"
    );
    let place = site.document.place(path);
    site.diagnostics.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(place, "").help(help));
}

fn row(kind: &str) -> Option<&'static crate::extract::ExtractKind> {
    KINDS.iter().find(|row| row.name == kind)
}

/// The kind of a column and the value under it.
fn kind_of(column: &ColumnSpec) -> (&str, Value) {
    match &column.0 {
        ShortOrKind::Short(text) if text.starts_with('$') => ("json", Value::from(text.as_str())),
        ShortOrKind::Short(text) => ("template", Value::from(text.as_str())),
        ShortOrKind::Kind(kind) => (kind.kind.as_str(), kind.value.clone()),
    }
}

/// The meta columns.
pub fn meta(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) -> Vec<Meta> {
    let Some(written) = &spec.meta else { return META.into() };
    let names: Vec<&str> = written.iter().map(|meta| meta.name()).collect();
    names::twice(site, &path.key("meta"), &names);
    written.clone()
}

/// Which input columns stand in the record.
pub fn keep(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, input: &Columns) -> InputColumns {
    let path = path.key("keep");
    if let Some(keep) = &spec.keep {
        names::twice(site, &path, keep);
    }
    match (input, &spec.keep) {
        (Columns::Known(header), None) => InputColumns::Named(header.names().to_vec()),
        (Columns::Open, None) => InputColumns::AsTheyCome,
        (Columns::Open, Some(keep)) => InputColumns::Named(keep.clone()),
        (Columns::Known(header), Some(keep)) => {
            let known: Vec<&str> = header.names().iter().map(String::as_str).collect();
            for (index, name) in keep.iter().enumerate().filter(|(_, name)| header.position(name).is_none()) {
                let help = names::meant("columns", name, &known, "the input has no columns");
                site.error(codes::UNKNOWN_NAME, &path.index(index), format!("the input has no column `{name}`"), help);
            }
            InputColumns::Named(keep.clone())
        }
    }
}

/// The shape of the records; a name that stands there twice is an error.
pub fn layout(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, input: InputColumns, meta: &[Meta]) -> Layout {
    let extracted: Vec<&str> = spec.columns.iter().flat_map(|columns| columns.names()).collect();
    let kept: &[String] = match &input {
        InputColumns::Named(names) => names,
        InputColumns::AsTheyCome => &[],
    };
    let meta_names: Vec<&str> = meta.iter().map(|meta| meta.name()).collect();
    let (keep_path, meta_path) = (path.key("keep"), path.key("meta"));
    for name in kept.iter().map(String::as_str) {
        let source = if spec.keep.is_some() { &keep_path } else { &path.key("input") };
        if extracted.contains(&name) {
            let here = path.key("columns").key(name);
            let message = format!("the column `{name}` has the name of an input column");
            let help = "give it another name, or leave the input column out with `keep`".to_owned();
            site.duplicate(&here, "extracted here", source, "kept from the input", message, help);
        }
        if meta_names.contains(&name) {
            let message = format!("the input column `{name}` has the name of a meta column");
            let help = format!(
                "leave one of them out: `keep` chooses input columns, `meta` the others (now {})",
                meta_names.join(", ")
            );
            site.duplicate(source, "kept from the input", &meta_path, "a meta column", message, help);
        }
    }
    for name in extracted.iter().filter(|name| meta_names.contains(name)) {
        let here = path.key("columns").key(*name);
        let message = format!("the column `{name}` has the name of a meta column");
        let help = format!("give it another name, or leave `{name}` out of `meta`");
        site.duplicate(&here, "extracted here", &meta_path, "a meta column", message, help);
    }
    Layout { input, cells: extracted.iter().chain(&meta_names).map(|name| (*name).to_owned()).collect() }
}
