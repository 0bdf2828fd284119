//! `[report]`: which reports, and where. No two to one file, and none over what the job reads, writes or keeps.

use std::path::{Path, PathBuf};

use super::{Site, body, ending, files, input};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::report::file::{KINDS, Kind, ReportPlan, kind};
use crate::spec::JobSpec;

const ELSEWHERE: &str = "write it to another file, such as `out/";

/// Decides about every report.
pub fn reports(site: &mut Site<'_>, spec: &JobSpec, state: Option<&Path>) -> Vec<ReportPlan> {
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
        taken(site, spec, (&path, kind), &file, state);
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

/// A report would take the place of what stands there.
fn taken(site: &mut Site<'_>, spec: &JobSpec, (path, kind): (&KeyPath, &Kind), file: &Path, state: Option<&Path>) {
    let (real, shown) = (files::real(file), files::plain(file).display().to_string());
    let help = format!("{ELSEWHERE}{}`", Path::new(kind.example).file_name().unwrap_or_default().display());
    for (other, place, what) in known(site, spec) {
        let other = files::real(&other);
        // A sink may be a folder of files.
        if real == other || (what == "written" && (real.starts_with(&other) || other.starts_with(&real))) {
            let message = format!("the report `{shown}` would take the place of a file that is {what} by the job");
            site.conflict(path, "written here", &place, &format!("{what} here"), message, &help);
        }
    }
    files::globbed(site, spec, &files::plain(file.strip_prefix(site.document.folder()).unwrap_or(file)), path);
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

/// Files that the job reads and writes, with their places and which of the two.
fn known(site: &Site<'_>, spec: &JobSpec) -> Vec<(PathBuf, KeyPath, &'static str)> {
    let mut known = Vec::new();
    for (name, endpoint) in &spec.endpoints.0 {
        let read = input::files(site, name, endpoint).into_iter().chain(body::files(site, name, endpoint));
        known.extend(read.map(|(file, place)| (file, place, "read")));
    }
    for (name, sink) in spec.sinks.iter().flat_map(|sinks| &sinks.0) {
        let path = KeyPath::of(["sinks", name.as_str()]);
        known.extend(files::of_sink(site, &path, &sink.target).map(|(file, place)| (file, place, "written")));
    }
    known
}
