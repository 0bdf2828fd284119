//! `save`: where the bodies of an endpoint go, and what they must not be written over.

use std::path::{Path, PathBuf};

use http::Method;

use super::{Site, files, input};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{ColumnPlan, EndpointPlan, Meta, StatusSet};
use crate::sample::Rows;
use crate::save::{SavePlan, folder_of};
use crate::secret::Secrets;
use crate::source::SourcePlan;
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::{Context, Scope, Spot, Template};

const EXAMPLE: &str = "for example `save = { path = \"pages/{{ row.sku }}.html\" }`";

/// What else is taken of a reply.
#[derive(Debug)]
pub struct Taken<'o> {
    /// Extracted columns.
    pub columns: &'o [ColumnPlan],
    /// Meta columns.
    pub meta: &'o [Meta],
    /// Whether a rule or an assertion looks at the body.
    pub reads: bool,
    /// Statuses whose replies are accepted.
    pub accepted: StatusSet,
}

/// Decides where the bodies of an endpoint are saved.
pub fn save(
    site: &mut Site<'_>,
    path: &KeyPath,
    spec: &EndpointSpec,
    source: Option<&dyn SourcePlan>,
    scope: &Scope,
    taken: Taken<'_>,
) -> Option<SavePlan> {
    let Some(written) = &spec.save else {
        unsaved(site, path, taken.meta);
        return None;
    };
    let here = path.key("save").key("path");
    if spec.method.as_deref() == Some(Method::HEAD.as_str()) {
        let message = "the reply to a HEAD request has no body that could be saved".to_owned();
        site.conflict(&path.key("method"), "here", &here, "saved here", message, "write `method = \"GET\"`");
    }
    let template = site.template(&here, &written.path, Spot::File, scope)?;
    if has_secret(site, &here, &template) {
        return None;
    }
    let root = site.file(folder_of(&written.path));
    let reads = taken.reads || taken.columns.iter().any(|column| column.extractor.reads_body());
    let plan = SavePlan::new(template, root, taken.accepted, reads || taken.meta.contains(&Meta::Body));
    if let Some(flaw) = plan.flaw() {
        site.error(codes::BAD_VALUE, &here, format!("nothing can be saved under this path: {flaw}"), EXAMPLE);
        return None;
    }
    if plan.is_constant() && source.is_some_and(|source| source.quick_count() != Some(1)) {
        let message = "every row would be saved to the same file, and only the last one would be left";
        site.error(codes::CONFLICT, &here, message, format!("write a value of the row into its name, {EXAMPLE}"));
        return None;
    }
    Some(plan)
}

/// `saved` says nothing where nothing is saved.
fn unsaved(site: &mut Site<'_>, path: &KeyPath, meta: &[Meta]) {
    let saved = meta.iter().position(|meta| *meta == Meta::Saved);
    if let Some(index) = saved.filter(|_| !site.is_refused(path, "save")) {
        let message = "`saved` is null in every record: this endpoint saves nothing";
        let help = format!("take it out, or say where replies are saved, {EXAMPLE}");
        site.error(codes::NO_EFFECT, &path.key("meta").index(index), message, help);
    }
}

fn has_secret(site: &mut Site<'_>, path: &KeyPath, template: &Template) -> bool {
    let Some(secret) = template.secrets().first() else { return false };
    let message = format!("the secret `{secret}` would stand in the names of files");
    let text = template.source();
    let used = text.find("secrets").map_or(0..text.len(), |start| start..start + "secrets".len());
    let place = site.document.place_in_string(path, used);
    let help = "secrets are for requests; name files by values of the row";
    site.diagnostics.push(Diagnostic::error(codes::SECRET_EXPOSED, message).at(place, "").help(help));
    true
}

/// Checks what endpoints save against what the job reads and writes, and against each other.
pub fn conflicts(site: &mut Site<'_>, spec: &JobSpec, endpoints: &[EndpointPlan], state: Option<&Path>) {
    let known = known_files(site, spec);
    let mut before: Vec<(PathBuf, &str, KeyPath)> = Vec::new();
    for endpoint in endpoints {
        let Some(save) = &endpoint.save else { continue };
        let here = KeyPath::of(["endpoints", endpoint.name.as_str(), "save", "path"]);
        let root = files::real(save.root());
        for Known { file, place, what } in &known {
            if below(file, &root).is_some_and(|names| save.may_write(&names)) {
                over(site, &here, file, place.as_ref(), what);
            }
        }
        if let Some(first) = first_file(endpoint, save) {
            files::globbed(site, spec, &first, &here);
        }
        if let Some(state) = state {
            in_state(site, save, &root, &here, state);
        }
        let name = &save.written()[folder_of(save.written()).len()..];
        if let Some((_, _, other)) = before.iter().find(|(known, written, _)| *known == root && *written == name) {
            let message = "two endpoints save to the same files".to_owned();
            site.conflict(&here, "the second", other, "the first", message, "give each a folder of its own");
        }
        before.push((root, name, here));
    }
}

/// Where the reply of the first row goes, as the job says it; `None`: that is known only while running.
fn first_file(endpoint: &EndpointPlan, save: &SavePlan) -> Option<PathBuf> {
    let (rows, secrets) = (Rows::first(endpoint), Secrets::default());
    let context = Context { row: Some(&rows.call), secrets: &secrets, reply: None, last: None };
    let place = save.place(&context).ok().filter(|_| rows.known)?;
    Some(files::plain(Path::new(place.as_str())))
}

/// A file that the job reads or writes.
struct Known {
    file: PathBuf,
    /// Where the job says so.
    place: Option<KeyPath>,
    what: &'static str,
}

fn known_files(site: &Site<'_>, spec: &JobSpec) -> Vec<Known> {
    let mut known = vec![Known { file: files::real(&site.document.path), place: None, what: "the job file itself" }];
    for (name, endpoint) in &spec.endpoints.0 {
        let read = input::files(site, name, endpoint).into_iter();
        known.extend(read.map(|(file, place)| Known { file: files::real(&file), place: Some(place), what: "read" }));
    }
    for (name, sink) in spec.sinks.iter().flat_map(|sinks| &sinks.0) {
        let path = KeyPath::of(["sinks", name.as_str()]);
        let Some((file, place)) = files::of_sink(site, &path, &sink.target) else { continue };
        known.push(Known { file: files::real(&file), place: Some(place), what: "written" });
    }
    for (key, written) in spec.report.iter().flat_map(|report| &report.0.0) {
        let place = Some(KeyPath::of(["report", key.as_str()]));
        known.push(Known { file: files::real(&site.file(written)), place, what: "written" });
    }
    known
}

/// Names that lead from the root to a file below it.
fn below<'f>(file: &'f Path, root: &Path) -> Option<Vec<&'f str>> {
    file.strip_prefix(root).ok()?.iter().map(|name| name.to_str()).collect()
}

fn over(site: &mut Site<'_>, here: &KeyPath, file: &Path, place: Option<&KeyPath>, what: &str) {
    let help = "save in a folder of its own, or give the names an ending of their own";
    let name = file.file_name().unwrap_or_default().display();
    match place {
        Some(place) => {
            let message = format!("a row could be saved over `{name}`, which is {what} by this job");
            site.conflict(here, "saved here", place, &format!("{what} here"), message, help);
        }
        None => site.error(codes::CONFLICT, here, format!("a row could be saved over `{name}`, {what}"), help),
    }
}

fn in_state(site: &mut Site<'_>, save: &SavePlan, root: &Path, here: &KeyPath, state: &Path) {
    let real = files::real(state);
    let reaches = below(&real, root).is_some_and(|names| save.may_write_in(&names));
    if reaches || root.starts_with(&real) {
        let folder = files::plain(state);
        let message = format!("a row could be saved in {}, where the job keeps its journal", folder.display());
        site.error(codes::CONFLICT, here, message, "save in another folder, such as `pages/`");
    }
}
