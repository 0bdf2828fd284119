//! Sinks: which kind, which endpoints, which columns.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::endpoint::Surroundings;
use super::{Site, ending, hook, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::record::{InputColumns, Layout};
use crate::sink::{KINDS, RowChoice, SinkKind, SinkPlan, SinkRow};
use crate::source::unpack::inner;
use crate::spec::sink::{SinkSpec, SinkTarget};
use crate::spec::text::ListSpec;

/// What sinks need to know of an endpoint; `layout` is `None` where it could not be compiled.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Shape of its records.
    pub layout: Option<Layout>,
    /// Whether its records are the rows of another endpoint.
    pub is_read: bool,
}

/// Compiles every sink; without any, records go to standard output as JSON lines.
pub fn sinks(
    site: &mut Site<'_>,
    (around, limits): (&Surroundings<'_>, &mut Vec<LimitPlan>),
    targets: &[Target],
    whole: bool,
) -> Vec<SinkPlan> {
    let written = around.job.sinks.as_ref().map(|sinks| sinks.0.as_slice()).unwrap_or_default();
    if written.is_empty() {
        return if whole { standard_output(site, targets).into_iter().collect() } else { Vec::new() };
    }
    let mut plans = Vec::new();
    for (name, sink) in written {
        let path = KeyPath::of(["sinks", name.as_str()]);
        let from = from(site, &path, sink, targets);
        if whole {
            columns(site, &path.key("columns"), sink.columns.as_deref(), &from, targets);
            columns(site, &path.key("dedupe"), sink.dedupe.as_ref().map(|list| list.0.as_slice()), &from, targets);
        }
        let Some(kind) = kind(site, &path, sink) else { continue };
        let place = match &sink.target {
            SinkTarget::File(_) | SinkTarget::Url(_) => path.clone(),
            SinkTarget::Kind(kind) => path.key(kind.kind.as_str()),
        };
        let hook = match kind.sends() {
            Some(sends) => hook::hook(site, around, (&place, name), sends, limits).map(Arc::new),
            None => None,
        };
        twice(site, &path, kind.as_ref(), &plans);
        alike(site, &path, sink, kind.as_ref(), &from, targets);
        if whole {
            key(site, &path, sink, kind.as_ref(), &from, targets);
        }
        let rows = rows(site, &path, sink, kind.as_ref());
        let dedupe = sink.dedupe.as_ref().map(|columns| columns.0.clone()).unwrap_or_default();
        plans.push(SinkPlan { name: name.clone(), from, rows, columns: sink.columns.clone(), dedupe, kind, hook });
    }
    plans
}

/// What is no file is written by one sink as well.
fn twice(site: &mut Site<'_>, path: &KeyPath, kind: &dyn SinkKind, others: &[SinkPlan]) {
    let Some(owned) = kind.owns() else { return };
    if let Some(other) = others.iter().find(|other| other.kind.owns().as_ref() == Some(&owned)) {
        let message = format!("{owned} is written by two sinks");
        let (other, help) =
            (KeyPath::of(["sinks", other.name.as_str()]), "give each sink a table of its own, or join them");
        site.conflict(path, "the second", &other, "the first", message, help);
    }
}

/// Which rows a sink takes.
fn rows(site: &mut Site<'_>, path: &KeyPath, sink: &SinkSpec, kind: &dyn SinkKind) -> RowChoice {
    if let Some(RowChoice::Failed | RowChoice::All) = sink.rows.filter(|_| !kind.takes_back()) {
        let message =
            format!("a {} sink takes only rows that went well: no record can be taken out of it again", kind.kind());
        let help = "write `rows = \"ok\"` or leave it out, and give failed rows a sink of their own: \
                    `failed = { path = \"out/failed.csv\", rows = \"failed\" }`";
        site.error(codes::BAD_VALUE, &path.key("rows"), message, help);
    }
    sink.rows.unwrap_or_else(|| kind.default_rows())
}

/// Warns of endpoints whose records nothing takes.
pub fn unused(site: &mut Site<'_>, targets: &[Target], sinks: &[SinkPlan]) {
    let taken = |endpoint: usize| sinks.iter().any(|sink| sink.from.contains(&endpoint));
    for (_, target) in targets.iter().enumerate().filter(|(endpoint, target)| !taken(*endpoint) && !target.is_read) {
        let message = format!("no sink takes the records of the endpoint `{}`", target.name);
        let path = KeyPath::of(["endpoints", target.name.as_str()]);
        site.warning(codes::NO_EFFECT, &path, message, "add it to the `from` of a sink, or add a sink");
    }
}

/// What stands in for sinks where there are none.
fn standard_output(site: &mut Site<'_>, targets: &[Target]) -> Option<SinkPlan> {
    let path = KeyPath::of(["sinks"]);
    let kind = KINDS.iter().find(|row| row.name == "stdout");
    let Some(kind) = kind.and_then(|row| (row.compile)(site, &path, &Value::from("jsonl"), None)) else {
        site.diagnostics.push(
            Diagnostic::error(codes::OUTPUT, "the job has no sink")
                .help("add one: [sinks.out] with path = \"out/records.csv\""),
        );
        return None;
    };
    let from = (0..targets.len()).collect();
    Some(SinkPlan {
        name: "stdout".to_owned(),
        from,
        rows: RowChoice::All,
        columns: None,
        dedupe: Vec::new(),
        kind,
        hook: None,
    })
}

fn kind(site: &mut Site<'_>, path: &KeyPath, sink: &SinkSpec) -> Option<Arc<dyn SinkKind>> {
    match &sink.target {
        SinkTarget::File(file) => {
            let row = by_ending(site, path, file)?;
            (row.compile)(site, path, &json!({ "path": file }), sink.on_existing)
        }
        SinkTarget::Url(url) => {
            let row = by_scheme(site, path, url)?;
            (row.compile)(site, path, &json!({ "url": url }), sink.on_existing)
        }
        SinkTarget::Kind(kind) => {
            let row = KINDS.iter().find(|row| row.name == kind.kind)?;
            (row.compile)(site, &path.key(row.name), &kind.value, sink.on_existing)
        }
    }
}

fn by_scheme(site: &mut Site<'_>, path: &KeyPath, url: &str) -> Option<&'static SinkRow> {
    let scheme = scheme(url);
    let found = KINDS.iter().find(|row| scheme.is_some_and(|scheme| row.schemes.contains(&scheme)));
    if found.is_none() {
        let of = |row: &SinkRow| row.schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>();
        let known = KINDS.iter().flat_map(of).collect::<Vec<_>>().join(", ");
        let (message, help) = match scheme {
            // What a secret holds is not known before the run.
            _ if url.contains("{{") => (
                "no scheme tells the kind of this address".to_owned(),
                "name the kind in place of the address, for example `postgres = { url = \"{{ secrets.database }}\" }`"
                    .to_owned(),
            ),
            Some(scheme) => {
                (format!("no kind of sink writes to `{scheme}://` addresses"), format!("known are {known}"))
            }
            None => (
                "this address has no scheme that tells its kind".to_owned(),
                format!("begin it with one of {known}; a file is named by `path`"),
            ),
        };
        wrong_address(site, &path.key("url"), url, message, help);
    }
    found
}

/// An address may hold a password, which is shown to nobody.
fn wrong_address(site: &mut Site<'_>, path: &KeyPath, url: &str, message: impl Into<String>, help: impl Into<String>) {
    let (place, error) = (site.document.place(path), Diagnostic::error(codes::BAD_VALUE, message).help(help));
    site.diagnostics.push(error.at_unless_hidden(place, url.contains('@')));
}

/// What stands before the first colon of an address (RFC 3986, section 3.1).
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let is_one = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    is_one.then_some(scheme)
}

fn by_ending(site: &mut Site<'_>, path: &KeyPath, file: &str) -> Option<&'static SinkRow> {
    if file.contains("://") {
        let (path, message, help) =
            (path.key("path"), "this is an address, not a file", "write `url` in place of `path`");
        wrong_address(site, &path, file, message, help);
        return None;
    }
    let ending = ending(inner(file));
    let found = KINDS.iter().find(|row| row.endings.contains(&ending.as_str()));
    if let Some(row) = found.filter(|row| inner(file) != file && !row.packs) {
        let help = format!("write `{}`, and pack it when the run has ended", inner(file));
        site.error(codes::BAD_VALUE, &path.key("path"), format!("{} is not written packed", row.name), help);
        return None;
    }
    if found.is_none() {
        let endings: Vec<&str> = KINDS.iter().flat_map(|row| row.endings.iter().copied()).collect();
        let shown: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        let message = if ending.is_empty() {
            format!("`{file}` has no ending that tells its kind")
        } else {
            format!("no kind of sink writes `.{ending}` files")
        };
        let help = format!(
            "end the name in {} (and .gz or .zst behind it to pack it), or name the kind in place of the path: \
             `csv = {{ path = {file:?} }}`",
            shown.join(", ")
        );
        site.error(codes::BAD_VALUE, &path.key("path"), message, help);
    }
    found
}

/// The table that a sink writes, where its file may hold those of others; in small letters, as databases compare them.
pub fn table(sink: &str, target: &SinkTarget) -> Option<String> {
    let (row, value) = match target {
        SinkTarget::File(file) => (KINDS.iter().find(|row| row.endings.contains(&ending(file).as_str()))?, None),
        SinkTarget::Url(_) => return None,
        SinkTarget::Kind(kind) => (KINDS.iter().find(|row| row.name == kind.kind)?, kind.value.get("table")),
    };
    row.tables.then(|| value.and_then(Value::as_str).unwrap_or(sink).to_lowercase())
}

/// Positions of the endpoints a sink takes records from, ascending.
fn from(site: &mut Site<'_>, path: &KeyPath, sink: &SinkSpec, targets: &[Target]) -> Vec<usize> {
    let Some(wanted) = &sink.from else { return (0..targets.len()).collect() };
    let path = path.key("from");
    let known: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    names::twice(site, &path, &wanted.0);
    let mut from = names::positions(site, &path, &wanted.0, ("endpoint", "endpoints"), &known);
    from.sort_unstable();
    from
}

/// The columns a sink chooses must be columns of the records it takes.
fn columns(site: &mut Site<'_>, path: &KeyPath, wanted: Option<&[String]>, from: &[usize], targets: &[Target]) {
    let Some(wanted) = wanted else { return };
    names::twice(site, path, wanted);
    let Some(known) = known_columns(from, targets) else { return };
    let has: HashSet<&str> = known.iter().copied().collect();
    for (index, name) in wanted.iter().enumerate().filter(|(_, name)| !has.contains(name.as_str())) {
        let help = names::meant(site, "columns", name, &known, "the records have no columns");
        let here = names::item(site, path, index);
        site.error(codes::UNKNOWN_NAME, &here, format!("the records have no column `{name}`"), help);
    }
}

/// The columns of a key must be among those that the sink writes.
fn key(site: &mut Site<'_>, path: &KeyPath, sink: &SinkSpec, kind: &dyn SinkKind, from: &[usize], targets: &[Target]) {
    let known = match &sink.columns {
        Some(columns) => Some(columns.iter().map(String::as_str).collect()),
        None => known_columns(from, targets),
    };
    let Some(known): Option<Vec<&str>> = known else { return };
    let has: HashSet<&str> = known.iter().copied().collect();
    let path = path.key(kind.kind()).key("key");
    for (index, name) in kind.key().iter().enumerate().filter(|(_, name)| !has.contains(name.as_str())) {
        let help = names::meant(site, "columns", name, &known, "the records have no columns");
        let message = format!("the records have no column `{name}`, by which they would be told apart");
        site.error(codes::UNKNOWN_NAME, &path.index(index), message, help);
    }
}

/// Databases compare the names of columns whatever the case of their letters.
fn alike(
    site: &mut Site<'_>,
    path: &KeyPath,
    sink: &SinkSpec,
    kind: &dyn SinkKind,
    from: &[usize],
    targets: &[Target],
) {
    let is_table = KINDS.iter().any(|row| row.name == kind.kind() && row.tables);
    if !is_table {
        return;
    }
    let columns = sink.columns.as_ref().map(|columns| columns.iter().map(String::as_str).collect());
    let Some(names): Option<Vec<&str>> = columns.or_else(|| known_columns(from, targets)) else { return };
    let mut seen: HashMap<String, &str> = HashMap::new();
    for name in names {
        if *seen.entry(name.to_ascii_lowercase()).or_insert(name) != name {
            let message =
                format!("a table can't have the column `{name}` beside one that differs in capital letters alone");
            site.error(codes::BAD_VALUE, path, message, "rename one of the two, or choose with `columns` on the sink");
            return;
        }
    }
}

/// The columns of some endpoints' records; `None` where they are known only while running.
fn known_columns<'t>(from: &[usize], targets: &'t [Target]) -> Option<Vec<&'t str>> {
    let mut known = Vec::new();
    for target in from.iter().map(|position| &targets[*position]) {
        let layout = target.layout.as_ref()?;
        match &layout.input {
            InputColumns::Named(names) => known.extend(names.iter().map(String::as_str)),
            InputColumns::AsTheyCome => return None,
        }
        known.extend(layout.cells.iter().map(String::as_str));
    }
    Some(known)
}

/// The limits that what a sink sends takes from, as written.
pub fn limit(sink: &SinkSpec) -> Option<ListSpec<String>> {
    let SinkTarget::Kind(kind) = &sink.target else { return None };
    serde_json::from_value(kind.value.get("limit")?.clone()).ok()
}
