//! `[report]`: which reports, and where. No two to one file, and none over what the job reads, writes or keeps.

use std::path::Path;

use super::{Site, ending, files};
use crate::diagnostic::codes;
use crate::document::{KeyPath, Node, NodeValue};
use crate::plan::files::{Doing, Files, Naming, Touched};
use crate::report::file::{KINDS, Kind, ReportPlan, kind};
use crate::spec::JobSpec;

const ELSEWHERE: &str = "write it to another file, such as `reports/";

/// Decides about every report.
pub fn reports(site: &mut Site<'_>, spec: &JobSpec, naming: Naming<'_>, state: Option<&Path>) -> Vec<ReportPlan> {
    let mut plans: Vec<ReportPlan> = Vec::new();
    for (key, written) in spec.report.iter().flat_map(|report| &report.0.0) {
        let (path, Some(kind)) = (KeyPath::of(["report", key.as_str()]), kind(key)) else { continue };
        if !is_name(site, &path, kind, written) {
            continue;
        }
        let file = site.file(written);
        for other in plans.iter().filter(|other| files::real(&other.path) == files::real(&file)) {
            let message = format!("`{}` would be two reports", files::plain(&file).display());
            let (other, help) = (KeyPath::of(["report", other.kind.key]), "give each report a file of its own");
            site.conflict(&path, "the second", &other, "the first", message, help);
        }
        taken(site, (spec, naming), (&path, kind), &file);
        own(site, (&path, kind), &file, state);
        plans.push(ReportPlan { kind, path: file });
    }
    plans
}

/// Whether a text can be the path of a report of this kind.
fn is_name(site: &mut Site<'_>, path: &KeyPath, kind: &Kind, written: &str) -> bool {
    if written.contains("{{") {
        let message = "the path of a report is no template: it is known before the first row";
        let help = format!(
            "write a plain path, such as `{}`; what differs from run to run comes by `--report-{}` or `--set`",
            kind.example, kind.key
        );
        site.error(codes::BAD_VALUE, path, message, help);
        return false;
    }
    if written.ends_with('/') || site.file(written).is_dir() {
        let message = format!("`{written}` is a folder, and a report is a file");
        site.error(codes::BAD_VALUE, path, message, format!("name a file, such as `{}`", kind.example));
        return false;
    }
    let found = ending(written);
    let is_of = |kind: &Kind| kind.endings.contains(&found.as_str());
    if let Some(other) = KINDS.iter().find(|other| is_of(other) && !is_of(kind)) {
        let message = format!("`{written}` is named as a report of the kind `{}` is", other.key);
        let help = format!("name it as what it is, such as `{}`, or write `report.{}`", kind.example, other.key);
        site.warning(codes::SUSPICIOUS, path, message, help);
    }
    true
}

/// A report would take the place of what stands there. Patterns have their own check, and so have replies that are saved.
fn taken(site: &mut Site<'_>, (spec, naming): (&JobSpec, Naming<'_>), (path, kind): (&KeyPath, &Kind), file: &Path) {
    let (real, shown) = (files::real(file), files::plain(file).display().to_string());
    let help = elsewhere(kind);
    for Touched { owner, files } in naming.files() {
        let doing = match &files {
            Files::Matched(_) | Files::Saved(_) => None,
            Files::Read(_) | Files::Named(_) | Files::Written(_) => files.does(&real, &site.document.folder()),
        };
        let Some(doing) = doing else { continue };
        let what = if doing == Doing::Reads { "read" } else { "written" };
        let message = format!("the report `{shown}` would take the place of a file that is {what} by the job");
        let place = named(site, &owner, &real);
        site.conflict(path, "written here", &place, &format!("{what} here"), message, &help);
    }
    files::globbed(site, spec, &files::plain(file.strip_prefix(site.document.folder()).unwrap_or(file)), path);
}

/// A report would take the place of what the job is made of, or lie among what it keeps.
fn own(site: &mut Site<'_>, (path, kind): (&KeyPath, &Kind), file: &Path, state: Option<&Path>) {
    let (real, shown, help) = (files::real(file), files::plain(file).display().to_string(), elsewhere(kind));
    if real == files::real(&site.document.path) {
        site.error(codes::CONFLICT, path, format!("`{shown}` is the job file itself"), &help);
    }
    if site.document.includes.iter().any(|included| real == files::real(included)) {
        site.error(codes::CONFLICT, path, format!("`{shown}` is a file that the job includes"), &help);
    }
    if let Some(state) = state.filter(|state| real.starts_with(files::real(state))) {
        let message = format!("`{shown}` lies in {}, where the job keeps its journal", files::plain(state).display());
        site.error(codes::CONFLICT, path, message, help);
    }
}

fn elsewhere(kind: &Kind) -> String {
    format!("{ELSEWHERE}{}`", Path::new(kind.example).file_name().unwrap_or_default().display())
}

/// Where a table names the file at this path: in itself, or in the client settings that flow to it.
fn named(site: &Site<'_>, owner: &KeyPath, real: &Path) -> KeyPath {
    let leads_there = |text: &str| files::real(&site.file(text)) == real;
    let within = |path: &KeyPath| find(site.document.get(path)?, path, &leads_there);
    // Of a sink that is a folder, the file is one within.
    within(owner).or_else(|| within(&KeyPath::of(["client"]))).unwrap_or_else(|| owner.key("path"))
}

/// The first string below a value that is looked for.
fn find(node: &Node, path: &KeyPath, is: &impl Fn(&str) -> bool) -> Option<KeyPath> {
    match &node.value {
        NodeValue::String(text) => is(text).then(|| path.clone()),
        NodeValue::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find(item, &path.index(index), is))
        }
        NodeValue::Table(table) => table.iter().find_map(|(key, node)| find(node, &path.key(key.name.as_str()), is)),
        NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) | NodeValue::Datetime(_) => None,
    }
}
