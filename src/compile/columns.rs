//! Columns of an endpoint's records: what is kept of the input, what is extracted, what is told.

use std::collections::HashSet;

use serde_json::Value;

use super::{Site, names, request, stream};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::extract::{As, KINDS, Settle, Written};
use crate::plan::{ColumnPlan, Meta};
use crate::record::{InputColumns, Layout};
use crate::source::Columns;
use crate::spec::EndpointSpec;
use crate::spec::column::ColumnSpec;
use crate::spec::kind::ShortOrKind;
use crate::template::Scope;

/// Meta columns when the job names none.
const META: [Meta; 4] = [Meta::Status, Meta::Attempts, Meta::DurationMs, Meta::Error];

/// The same where nothing else would be taken of a reply: no columns, and nothing saved.
const META_AND_BODY: [Meta; 5] = [Meta::Status, Meta::Attempts, Meta::DurationMs, Meta::Error, Meta::Body];

/// Compiles the extracted columns. `scope` has the reply's names and no secrets.
pub fn columns(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<ColumnPlan> {
    let path = path.key("columns");
    let mut columns = Vec::new();
    for (name, column) in spec.columns.iter().flat_map(|columns| &columns.0) {
        let here = path.key(name.as_str());
        let (kind, value) = kind_of(column);
        let place = match &column.from {
            ShortOrKind::Short(text) => {
                same_text(site, &here, name, text);
                here.clone()
            }
            ShortOrKind::Kind(_) => here.key(kind),
        };
        let written = Written { value: &value, attr: column.attr.as_deref() };
        let extractor = row(kind).and_then(|row| (row.compile)(site, &place, &written, scope));
        alone(site, &here, kind, column);
        let settle = settle(site, &here, kind, column);
        let plan = extractor.zip(settle);
        columns.extend(plan.map(|(extractor, settle)| ColumnPlan { name: name.clone(), extractor, settle }));
    }
    columns
}

/// `attr` belongs to `css`.
fn alone(site: &mut Site<'_>, path: &KeyPath, kind: &str, column: &ColumnSpec) {
    if column.attr.is_some() && kind != "css" {
        let message = format!("`attr` has no effect beside `{kind}`");
        let help = "it names the attribute of an element that `css` finds; take it out";
        site.key_error(codes::NO_EFFECT, &path.key("attr"), message, help);
    }
}

/// What stands beside a column's kind; `None` where it can't be meant.
fn settle(site: &mut Site<'_>, path: &KeyPath, kind: &str, column: &ColumnSpec) -> Option<Settle> {
    let required = column.required.unwrap_or_default();
    if let (true, Some(_)) = (required, &column.default) {
        let message = "a column with a default is never missing".to_owned();
        let help = "keep `default`, or `required = true`";
        site.conflict(&path.key("required"), "here", &path.key("default"), "the default", message, help);
        return None;
    }
    for key in ["default", "required"].iter().filter(|_| kind == "value") {
        if site.document.get(&path.key(*key)).is_some() {
            let message = format!("`{key}` has no effect beside `value`: a constant is never missing");
            site.key_error(codes::NO_EFFECT, &path.key(*key), message, "take it out");
        }
    }
    let default = match &column.default {
        Some(default) => Some(typed(site, &path.key("default"), column.convert, default, "the default")?),
        None => None,
    };
    if let (Some(convert), "value", Value::String(_) | Value::Number(_) | Value::Bool(_)) =
        (column.convert, kind, kind_of(column).1)
    {
        typed(site, &path.key("value"), Some(convert), &kind_of(column).1, "the constant")?;
    }
    Some(Settle { convert: column.convert, default, required })
}

/// A value of the job as the type that the column asks for.
fn typed(site: &mut Site<'_>, path: &KeyPath, convert: Option<As>, value: &Value, what: &str) -> Option<Value> {
    let Some(convert) = convert else { return Some(value.clone()) };
    match convert.convert(value.clone()) {
        Ok(value) => Some(value),
        Err(found) => {
            let message = format!(
                "{what} must be {}, as `as = \"{}\"` asks for, and {found} is not",
                convert.wanted(),
                convert.name()
            );
            site.error(codes::WRONG_TYPE, path, message, "give a value of that type, or another `as`");
            None
        }
    }
}

/// Warns of a column that is the same text in every record: most likely a path without its `$`.
fn same_text(site: &mut Site<'_>, path: &KeyPath, name: &str, text: &str) {
    if text.starts_with('$') || request::is_template(text) {
        return;
    }
    let is_path = !text.is_empty()
        && text != "."
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']'));
    // A path of jq begins with the dot.
    let members = text.strip_prefix('.').unwrap_or(text);
    let taken = if is_path { format!("$.{members}") } else { "$.price".to_owned() };
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
    match &column.from {
        ShortOrKind::Short(text) if text.starts_with('$') => ("json", Value::from(text.as_str())),
        ShortOrKind::Short(text) => ("template", Value::from(text.as_str())),
        ShortOrKind::Kind(kind) => (kind.kind.as_str(), kind.value.clone()),
    }
}

/// The meta columns.
pub fn meta(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) -> Vec<Meta> {
    let names: Vec<&str> = spec.meta.iter().flatten().map(|meta| meta.name()).collect();
    names::twice(site, &path.key("meta"), &names);
    for (index, meta) in spec.meta.iter().flatten().enumerate() {
        if let Some((why, help)) = stream::lacks(spec, *meta) {
            let message = format!("`{}` is null in every record: {why}", meta.name());
            site.error(codes::NO_EFFECT, &path.key("meta").index(index), message, help);
        }
    }
    meta_of(spec)
}

/// The meta columns, as written.
pub fn meta_of(spec: &EndpointSpec) -> Vec<Meta> {
    if let Some(written) = &spec.meta {
        return written.clone();
    }
    let takes_nothing = spec.columns.as_ref().is_none_or(|columns| columns.0.is_empty());
    if takes_nothing && spec.save.is_none() { META_AND_BODY.into() } else { META.into() }
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
            let has: HashSet<&str> = known.iter().copied().collect();
            for (index, name) in keep.iter().enumerate().filter(|(_, name)| !has.contains(name.as_str())) {
                if site.diagnostics.is_flooded() {
                    break;
                }
                let help = names::meant(site, "columns", name, &known, "the input has no columns");
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
    let named: HashSet<&str> = extracted.iter().copied().collect();
    for name in kept.iter().map(String::as_str) {
        let source = if spec.keep.is_some() { &keep_path } else { &path.key("input") };
        if named.contains(name) {
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
