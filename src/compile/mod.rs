//! Compilation: from a [`JobSpec`](crate::spec::JobSpec) to a [`Plan`], in ordered passes.
//!
//! Pure but for one thing: it reads the headers of inputs, so that `check` can speak of columns. Must
//! never use the network, the clock or a runtime.

mod batch;
mod body;
mod bounds;
mod chain;
mod chunk;
mod client;
mod columns;
mod connections;
mod endpoint;
mod engine;
mod exposure;
mod files;
mod flow;
mod hook;
mod idempotency;
mod identity;
mod inline;
mod input;
mod limits;
mod lint;
pub(crate) mod mention;
mod name;
pub(crate) mod names;
pub(crate) mod notify;
mod paginate;
mod proxy;
mod reach;
mod refused;
mod report;
mod request;
mod retry;
mod rules;
mod run_if;
mod save;
pub(crate) mod secrets;
mod selecting;
mod sinks;
mod stream;
mod unsendable;
mod url;
pub(crate) mod vars;

use std::path::{Path, PathBuf};

pub(crate) use files::real as real_path;
pub(crate) use input::member;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::document::{Document, KeyPath};
use crate::plan::Plan;
use crate::plan::files::Naming;
use crate::source::Columns;
use crate::spec;
use crate::template::{Scope, Spot, Template, TemplateError, TemplateErrorKind, Vars};

/// What the command line adds to the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--limit N`: rows to take of each input.
    pub row_limit: Option<u64>,
    /// `--state DIR`: instead of `.paceline/<job>` beside the job file.
    pub state: Option<PathBuf>,
}

/// Compiles a document. `None` when there were errors; warnings may be in `diagnostics` either way.
pub fn compile(document: &Document, options: &Options, diagnostics: &mut Diagnostics) -> Option<Plan> {
    let spec::Reading { spec, whole } = spec::read(document, diagnostics)?;
    let mut site = Site { document, diagnostics };
    let plan = passes(&mut site, &spec, whole, options);
    if site.diagnostics.has_errors() { None } else { plan }
}

/// The passes, in order. Each tells everything it finds, and those behind go on.
fn passes(site: &mut Site<'_>, spec: &spec::JobSpec, whole: bool, options: &Options) -> Option<Plan> {
    if !bounds::check(site, spec) {
        return None;
    }
    let name = name::name(site, spec);
    let vars = Vars::from(vars::vars(site, spec));
    let secrets = secrets::secrets(site, spec);
    let secret_names = secrets::names(site);
    let around = endpoint::Surroundings { job: spec, vars: &vars, secrets: &secret_names };
    let mut limits = limits::limits(site, spec, &around.scope(&Columns::Open));
    let (targets, endpoints) = chain::endpoints(site, &around, spec, &mut limits);
    connections::check(site, &endpoints);
    reach::check(site, spec, &endpoints);
    let sinks = sinks::sinks(site, (&around, &mut limits), &targets, whole);
    let notify = notify::notify(site, &around);
    let state = name.as_deref().map(|name| name::state(site, name, options));
    files::check(site, spec, state.as_deref());
    let naming = Naming { endpoints: &endpoints, sinks: &sinks, secrets: &secrets, notify: &notify };
    let reports = report::reports(site, spec, naming, state.as_deref());
    save::conflicts(site, spec, &endpoints, state.as_deref());
    let fail_if = run_if::fail_if(site, spec);
    let stop_if = run_if::stop_if(site, spec);
    inline::check(site);
    // What is idle may be idle only because of an error.
    if whole && !site.diagnostics.has_errors() {
        secrets::unused(site, spec);
        vars::unused(site, spec);
        limits::unused(site, spec);
        retry::idle(site, spec, &endpoints);
        endpoints.iter().for_each(|endpoint| batch::idle(site, endpoint));
        sinks::unused(site, &targets, &sinks);
        lint::check(site, lint::Facts { job: spec, endpoints: &endpoints, limits: &limits });
    }
    let named = |from: &[usize]| from.iter().map(|position| targets[*position].name.as_str()).collect();
    let outputs: Vec<_> = sinks.iter().map(|plan| identity::Output { plan, from: named(&plan.from) }).collect();
    let identity = identity::identity(spec, &vars, &endpoints, &outputs);
    Some(Plan {
        name: name?,
        state: state?,
        description: spec.description.clone(),
        file: site.document.path.clone(),
        includes: site.document.includes.clone(),
        texts: site.document.job_texts(),
        words: String::new(),
        env_files: site.document.environment.paths().map(ToOwned::to_owned).collect(),
        secrets,
        limits,
        endpoints,
        sinks,
        reports,
        notify,
        fail_if,
        stop_if,
        row_limit: options.row_limit,
        identity,
    })
}

/// The names that would have been right, or what to do where there are none.
fn known_names(what: &str, names: &[&str], none: &str) -> String {
    const MOST: usize = 12;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => none.to_owned(),
        count if count > MOST => format!("known {what}: {}, and {} more", shown.join(", "), count - MOST),
        _ => format!("known {what}: {}", shown.join(", ")),
    }
}

/// The ending of a file's name, without the dot, in small letters.
pub(crate) fn ending(file: &str) -> String {
    Path::new(file).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Where a pass stands: the document for places, the collector for what is wrong.
#[derive(Debug)]
pub struct Site<'a> {
    /// For places.
    pub document: &'a Document,
    /// For what is wrong.
    pub diagnostics: &'a mut Diagnostics,
}

impl Site<'_> {
    /// A path of the job file, made relative to the job file's folder.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.document.folder().join(Path::new(path))
    }

    /// Reports an error about the value at `path`.
    pub fn error(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.place(path);
        self.diagnostics.push(Diagnostic::error(code, message).at(place, "").help(help));
    }

    /// Reports an error about the key that ends `path`.
    pub fn key_error(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.key_place(path);
        self.diagnostics.push(Diagnostic::error(code, message).at(place, "").help(help));
    }

    /// Warns of the key that ends `path` and of all below it.
    pub fn warning(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.key_place(path);
        self.diagnostics.push(Diagnostic::warning(code, message).at(place, "").help(help));
    }

    /// An error about a setting that flows down: told once, not for every endpoint it flows to.
    pub fn error_once(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.place(path);
        self.push_once(Diagnostic::error(code, message).at(place, "").help(help));
    }

    /// As [`Site::error_once`], a warning.
    pub fn warning_once(&mut self, code: Code, path: &KeyPath, message: impl Into<String>, help: impl Into<String>) {
        let place = self.document.place(path);
        self.push_once(Diagnostic::warning(code, message).at(place, "").help(help));
    }

    /// Two settings that can't stand together, both shown; told once.
    pub fn conflict(
        &mut self,
        path: &KeyPath,
        label: &str,
        other: &KeyPath,
        other_label: &str,
        message: String,
        help: &str,
    ) {
        let (place, other) = (self.document.place(path), self.document.place(other));
        self.push_once(
            Diagnostic::error(codes::CONFLICT, message).at(place, label).also(other, other_label).help(help),
        );
    }

    /// The same name twice, both places shown.
    pub fn duplicate(
        &mut self,
        path: &KeyPath,
        label: &str,
        other: &KeyPath,
        other_label: &str,
        message: String,
        help: String,
    ) {
        let place = self.document.key_place(path);
        let mut diagnostic = Diagnostic::error(codes::DUPLICATE, message).at(place, label).help(help);
        // A default stands nowhere in the file.
        if self.document.get(other).is_some() {
            diagnostic = diagnostic.also(self.document.key_place(other), other_label);
        }
        self.diagnostics.push(diagnostic);
    }

    fn push_once(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The value at `path` as the name of a header; reports why it can't be one.
    pub fn header_name(&mut self, path: &KeyPath, text: &str) -> Option<http::HeaderName> {
        let named = request::sendable(text);
        let owned = http::HeaderName::from_bytes(text.as_bytes()).is_ok();
        let help = |help| if owned { "name another header" } else { help };
        named.map_err(|(message, why)| self.error(codes::HEADER, path, message, help(why))).ok()
    }

    /// Compiles the template of a whole URL and reports everything that is wrong with it.
    pub fn url(&mut self, path: &KeyPath, text: &str, scope: &Scope) -> Option<Template> {
        let template = self.template(path, text, Spot::Url, scope)?;
        url::check(self, path, &template, url::Schemes::Requests);
        Some(template)
    }

    /// Compiles the template at `path` and reports everything that is wrong with it, inside its string.
    pub fn template(&mut self, path: &KeyPath, text: &str, spot: Spot, scope: &Scope) -> Option<Template> {
        if self.diagnostics.is_flooded() {
            return None;
        }
        match Template::compile(text, spot, scope) {
            Ok(template) if spot == Spot::Url => Some(template.ascii()),
            Ok(template) => Some(template),
            Err(errors) => {
                self.template_errors(path, errors, codes::TEMPLATE_SYNTAX);
                None
            }
        }
    }

    /// Reports what is wrong inside the string at `path`; `syntax` is the code of what does not parse.
    fn template_errors(&mut self, path: &KeyPath, errors: Vec<TemplateError>, syntax: Code) {
        for error in errors {
            let code = match error.kind {
                TemplateErrorKind::Syntax => syntax,
                TemplateErrorKind::Name => codes::TEMPLATE_NAME,
                TemplateErrorKind::Spot => codes::URL,
            };
            let place = self.document.place_in_string(path, error.range);
            let mut diagnostic = Diagnostic::error(code, error.message).at(place, "");
            diagnostic.help.extend(error.help);
            self.diagnostics.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests;
