//! Bodies: which kind an endpoint sends, the templates in it, and the files it names.
//!
//! Files that are the same for every row are looked at here, so that `check` tells what is missing. Must
//! never read one.

use std::path::PathBuf;

use http::HeaderName;
use http::header::CONTENT_TYPE;

use super::request::{is_template, json_template, pairs};
use super::{Site, exposure, names, stream};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::request::media;
use crate::plan::{BodyPlan, FilePlan, PartContent, PartPlan};
use crate::source::file;
use crate::spec::EndpointSpec;
use crate::spec::body::{PartSpec, PartTable};
use crate::spec::text::{ListSpec, Named, TextSpec};
use crate::template::{Scope, Spot, Template};

type Headers = [(HeaderName, Template)];

/// Compiles the body of an endpoint, whose key path is `path`.
pub fn body(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope, headers: &Headers) -> BodyPlan {
    let written = Written { path, scope, headers };
    let mut bodies: Vec<(&str, Option<BodyPlan>)> = Vec::new();
    if let Some(json) = &spec.json {
        bodies.push(("json", json_template(site, &path.key("json"), json, scope).map(BodyPlan::Json)));
    }
    if let Some(form) = &spec.form {
        bodies.push(("form", Some(BodyPlan::Form(written.form(site, form)))));
    }
    if let Some(parts) = &spec.multipart {
        bodies.push(("multipart", Some(BodyPlan::Multipart(written.multipart(site, parts)))));
    }
    if let Some(text) = &spec.body {
        bodies.push(("body", site.template(&path.key("body"), text, Spot::Text, scope).map(BodyPlan::Text)));
    }
    if let Some(file) = &spec.body_file {
        bodies.push(("body-file", self::file(site, &path.key("body-file"), file, scope).map(BodyPlan::File)));
    }
    bodies.sort_by_key(|(key, _)| site.document.key_place(&path.key(*key)).start);
    let keys: Vec<&str> = bodies.iter().map(|(key, _)| *key).collect();
    one_at_most(site, path, &keys);
    if let Some(key) = keys.first().filter(|_| !site.is_refused(path, "method")) {
        method(site, &path.key(*key), key, spec.method.as_deref().unwrap_or("GET"));
    }
    bodies.into_iter().find_map(|(_, body)| body).unwrap_or(BodyPlan::None)
}

fn one_at_most(site: &mut Site<'_>, path: &KeyPath, keys: &[&str]) {
    let [first, others @ ..] = keys else { return };
    for other in others {
        let (here, there) = (site.document.key_place(&path.key(*other)), site.document.key_place(&path.key(*first)));
        site.diagnostics.push(
            Diagnostic::error(codes::CONFLICT, format!("`{first}` and `{other}` both give the body of a request"))
                .at(here, "here")
                .also(there, "and here")
                .help("a request has one body: take one of the two out"),
        );
    }
}

fn method(site: &mut Site<'_>, path: &KeyPath, key: &str, method: &str) {
    if !matches!(method, "GET" | "HEAD") {
        return;
    }
    let message = format!("a {method} request with a body: many servers ignore it or refuse it");
    let help = match key {
        "json" | "form" => "write `method = \"POST\"`, or send the values as `query`",
        _ => "write `method = \"POST\"`",
    };
    site.warning(codes::SUSPICIOUS, path, message, help);
}

/// Files that are sent and are the same for every row, and where they were written.
pub fn files(site: &Site<'_>, name: &str, spec: &EndpointSpec) -> Vec<(PathBuf, KeyPath)> {
    let path = KeyPath::of(["endpoints", name]);
    let mut written: Vec<(&String, KeyPath)> = Vec::new();
    written.extend(spec.body_file.iter().map(|file| (file, path.key("body-file"))));
    written.extend(stream::files(spec, &path));
    for (part, values) in spec.multipart.iter().flat_map(|parts| &parts.0) {
        let here = path.key("multipart").key(part.as_str());
        for (index, value) in values.0.iter().enumerate() {
            if let PartSpec::Table(table) = value {
                let place = names::item(site, &here, index).key("path");
                written.extend(table.path.iter().map(|file| (file, place.clone())));
            }
        }
    }
    let constant = written.into_iter().filter(|(file, _)| !is_template(file));
    constant.map(|(file, place)| (site.file(file), place)).collect()
}

/// What the bodies of an endpoint are compiled with.
struct Written<'w> {
    path: &'w KeyPath,
    scope: &'w Scope,
    headers: &'w Headers,
}

impl Written<'_> {
    fn form(&self, site: &mut Site<'_>, form: &Named<ListSpec<TextSpec>>) -> Vec<(String, Vec<Template>)> {
        let path = self.path.key("form");
        form.names().for_each(|name| constant_name(site, &path, name, "a form"));
        pairs(site, &path, form, self.scope)
    }

    fn multipart(&self, site: &mut Site<'_>, parts: &Named<ListSpec<PartSpec>>) -> Vec<PartPlan> {
        let path = self.path.key("multipart");
        self.multipart_type(site);
        let mut plans = Vec::new();
        for (name, values) in &parts.0 {
            constant_name(site, &path, name, "a multipart body");
            let here = path.key(name.as_str());
            for (index, value) in values.0.iter().enumerate() {
                let place = names::item(site, &here, index);
                plans.extend(self.part(site, &place, name, value));
            }
        }
        plans
    }

    /// A content type of one's own: ours is put behind it, so it must be known, and be one of parts.
    fn multipart_type(&self, site: &mut Site<'_>) {
        let Some((name, template)) = self.headers.iter().find(|(name, _)| *name == CONTENT_TYPE) else { return };
        let place = exposure::header_path(site, self.path, name.as_str());
        let wrong = match template.constant() {
            None => Some("can't depend on the row".to_owned()),
            Some(text) if text.to_ascii_lowercase().contains("boundary") => {
                Some("has no boundary of its own: each request gets another one".to_owned())
            }
            Some(text) if !text.to_ascii_lowercase().starts_with("multipart/") => Some(format!("can't be `{text}`")),
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            let help =
                "take the header out, or write a type such as \"multipart/related\": the boundary is added to it";
            site.error(codes::HEADER, &place, format!("the content type of a multipart body {wrong}"), help);
        }
    }

    fn part(&self, site: &mut Site<'_>, path: &KeyPath, name: &str, value: &PartSpec) -> Option<PartPlan> {
        let name = name.to_owned();
        let table = match value {
            PartSpec::Text(text) => {
                let content = PartContent::Text(site.template(path, &text.0, Spot::Text, self.scope)?);
                return Some(PartPlan { name, content, content_type: None, filename: None });
            }
            PartSpec::Table(table) => table,
        };
        let mut beside = |key: &str, text: &Option<String>| {
            text.as_ref().map(|text| site.template(&path.key(key), text, Spot::Text, self.scope))
        };
        let (content_type, filename) =
            (beside("content-type", &table.content_type), beside("filename", &table.filename));
        if let Some(Some(given)) = &content_type {
            media_type(site, &path.key("content-type"), given);
        }
        let content = self.content(site, path, table)?;
        let (content_type, filename) = (content_type.flatten(), filename.flatten());
        Some(PartPlan { name, content, content_type, filename })
    }

    fn content(&self, site: &mut Site<'_>, path: &KeyPath, table: &PartTable) -> Option<PartContent> {
        if let Some(file) = &table.path {
            return self::file(site, &path.key("path"), file, self.scope).map(PartContent::File);
        }
        if let Some(json) = &table.json {
            return json_template(site, &path.key("json"), json, self.scope).map(PartContent::Json);
        }
        let text = table.text.as_ref()?;
        site.template(&path.key("text"), &text.0, Spot::Text, self.scope).map(PartContent::Text)
    }
}

/// A file that is sent, whose path `written` stands at `path`.
pub(super) fn file(site: &mut Site<'_>, path: &KeyPath, written: &str, scope: &Scope) -> Option<FilePlan> {
    let template = site.template(path, written, Spot::Text, scope)?;
    let file = FilePlan::new(template, &site.document.folder());
    let problem = match file.constant() {
        Some(constant) => file::objection(&constant),
        None => file::no_folder(&file.root()),
    };
    if let Some((message, help)) = problem {
        site.error(codes::INPUT, path, message, help);
    }
    Some(file)
}

fn constant_name(site: &mut Site<'_>, path: &KeyPath, name: &str, what: &str) {
    if is_template(name) {
        let message = format!("a template can't be a name in {what}");
        site.key_error(codes::BAD_VALUE, &path.key(name), message, "write the name out, and the template as its value");
    }
}

fn media_type(site: &mut Site<'_>, path: &KeyPath, template: &Template) {
    if let Some(text) = template.constant().filter(|text| !media::is_type(text)) {
        let message = format!("`{}` is no media type", text.escape_debug());
        site.error(codes::BAD_VALUE, path, message, "write one such as \"application/pdf\"");
    }
}
