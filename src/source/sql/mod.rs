//! `input.sql`: the rows of a query, from a SQLite file or a PostgreSQL server, types kept.
//!
//! Rows are streamed by cursor. Must never write to a database, and never hold a password that stands in
//! the job file.

mod order;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::problem::{Problem, settle, spec};
use super::{SourceKind, SourcePlan, file};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::{KeyPath, NodeValue};
use crate::secret::{Origin, SecretPlan};
use crate::spec::kind::ShortOrKind;
#[cfg(feature = "postgres")]
use crate::template::Context;
use crate::template::{RowScope, Scope, Spot, Template};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "sql",
    doc: "rows of a query, from a SQLite file or a PostgreSQL server",
    example: r#"input.sql = { url = "sqlite:shop.db", query = "SELECT sku FROM products ORDER BY sku" }"#,
    endings: &["db", "sqlite", "sqlite3"],
    reads_packed: false,
    schema: <SqlSpec as JsonSchema>::json_schema,
    compile,
};

/// A query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SqlSpec {
    /// A SQLite file (`shop.db`, `sqlite:shop.db`), relative to the job file, or a PostgreSQL server
    /// (`postgres://user@host/database`); a secret where it holds a password.
    #[schemars(length(min = 1), extend("examples" = ["sqlite:shop.db", "postgres://reader@db.example.com/shop"]))]
    url: String,
    /// One SELECT; with ORDER BY, since a run that goes on tells rows by their position.
    #[schemars(length(min = 1), extend("examples" = ["SELECT sku FROM products ORDER BY sku"]))]
    query: String,
    /// The password, a secret.
    #[schemars(extend("examples" = ["{{ secrets.database }}"]))]
    password: Option<String>,
}

/// Which database a URL means.
#[derive(Debug, PartialEq, Eq)]
enum Database<'u> {
    /// The file at this path.
    Sqlite(&'u str),
    /// A server.
    Postgres,
}

impl<'u> Database<'u> {
    fn of(url: &'u str) -> Result<Self, Problem> {
        // A whole URL that is secret is one of a server: a file needs no secret.
        if is_postgres(url) || url.contains("{{") {
            return Ok(Self::Postgres);
        }
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return if path.is_empty() { Err(no_database(url)) } else { Ok(Self::Sqlite(path)) };
        }
        let ending = crate::compile::ending(url);
        let is_file = !url.contains("://") && KIND.endings.contains(&ending.as_str());
        if is_file { Ok(Self::Sqlite(url)) } else { Err(no_database(url)) }
    }
}

/// The SQLite file that an input reads, as written.
pub fn file(input: &ShortOrKind) -> Option<&str> {
    let ShortOrKind::Kind(kind) = input else { return None };
    let url = kind.value.get("url").filter(|_| kind.kind == KIND.name)?.as_str()?;
    match Database::of(url) {
        Ok(Database::Sqlite(path)) => Some(path),
        Ok(Database::Postgres) | Err(_) => None,
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// A query in one line, cut where it is long.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn shown(query: &str) -> String {
    const MOST: usize = 120;
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

fn no_database(url: &str) -> Problem {
    let message = match url.split_once("://") {
        // What stands behind may be a password.
        Some((scheme, _)) if scheme != "sqlite" => format!("`{scheme}://` is no database that is read"),
        _ => "this names no database".to_owned(),
    };
    Problem::value(Some("url"), message, r#"write "sqlite:shop.db", or "postgres://user@host/database""#)
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn SourcePlan>> {
    let spec = match written(value) {
        Ok(spec) => spec,
        Err(problem) => return settle::<super::values::ValuesPlan>(site, path, Err(problem)),
    };
    if !order::is_ordered(&spec.query) {
        site.warning(
            codes::SUSPICIOUS,
            &path.key("query"),
            "the query has no ORDER BY, so its rows may come in another order the next time",
            "add ORDER BY over columns that are unique together: a run that goes on tells rows by their position",
        );
    }
    match Database::of(&spec.url) {
        Ok(Database::Sqlite(written)) => {
            let file = site.file(written);
            settle(site, path, sqlite(&spec, file))
        }
        Ok(Database::Postgres) => server(site, path, spec),
        Err(problem) => settle::<super::values::ValuesPlan>(site, path, Err(problem)),
    }
}

fn written(value: &Value) -> Result<SqlSpec, Problem> {
    if let Some(file) = value.get("path").and_then(Value::as_str) {
        let help = format!("`input.sql = {{ url = {file:?}, query = \"SELECT ...\" }}`");
        return Err(Problem::value(None, "a database is read by a query", help));
    }
    let spec: SqlSpec = spec(value)?;
    if spec.query.trim().is_empty() {
        return Err(Problem::value(Some("query"), "the query is empty", "write a SELECT"));
    }
    Ok(spec)
}

fn sqlite(spec: &SqlSpec, path: PathBuf) -> Result<DecidedFile, Problem> {
    if spec.password.is_some() {
        return Err(Problem::value(Some("password"), "a SQLite file has no password", "take it out"));
    }
    // Read first, so that a missing file is told whatever this build can read.
    file::survey(&path).map_err(|problem| Problem { key: Some("url"), ..problem })?;
    survey(path, &spec.query)
}

#[cfg(feature = "sqlite")]
use sqlite::{SqlitePlan as DecidedFile, survey};

/// There is none in a build that reads no such files.
#[cfg(not(feature = "sqlite"))]
type DecidedFile = super::values::ValuesPlan;

#[cfg(not(feature = "sqlite"))]
fn survey(_: PathBuf, _: &str) -> Result<DecidedFile, Problem> {
    Err(Problem::not_built("url", "SQLite files", "sqlite"))
}

/// Where a server is, as far as it is known before the run.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "read by the build with PostgreSQL alone"))]
#[derive(Debug)]
struct Login {
    url: Template,
    password: Option<Template>,
    /// The secrets that the two are made of.
    secrets: Vec<SecretPlan>,
}

fn server(site: &mut Site<'_>, path: &KeyPath, spec: SqlSpec) -> Option<Arc<dyn SourcePlan>> {
    let secrets = secrets(site);
    let names = secrets.iter().map(|secret| secret.name.clone()).collect();
    let scope = Scope { row: RowScope::None, vars: Default::default(), secrets: names, reply: false };
    let url = secret_or(site, &path.key("url"), &spec.url, &scope, may_stand);
    let password = spec.password.as_deref();
    let password = password.map(|text| secret_or(site, &path.key("password"), text, &scope, |_| false));
    let password = match password {
        None => None,
        Some(compiled) => Some(compiled?),
    };
    let login = Login { url: url?, password, secrets };
    settle(site, path, reach(login, spec.query))
}

#[cfg(feature = "postgres")]
use postgres::decide as reach;

#[cfg(not(feature = "postgres"))]
fn reach(_: Login, _: String) -> Result<super::values::ValuesPlan, Problem> {
    Err(Problem::not_built("url", "PostgreSQL databases", "postgres"))
}

/// Every secret that the job declares.
fn secrets(site: &Site<'_>) -> Vec<SecretPlan> {
    let root = KeyPath::of(["secrets"]);
    let Some(NodeValue::Table(entries)) = site.document.get(&root).map(|node| &node.value) else { return Vec::new() };
    let text = |name: &str, key| match &site.document.get(&root.key(name).key(key))?.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let origin = |name: &str| match text(name, "env") {
        Some(variable) => Some(Origin::Environment(variable)),
        None => text(name, "file").map(|file| Origin::File(site.file(&file))),
    };
    let names = entries.iter().map(|(key, _)| key.name.clone());
    names.filter_map(|name| Some(SecretPlan { origin: origin(&name)?, name })).collect()
}

/// Whether a URL holds nothing that must not stand in a job file.
fn may_stand(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest.split(['/', '?']).next().unwrap_or(rest));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    !user.contains(':') && !query.split('&').any(|pair| pair.starts_with("password="))
}

/// A text that is one secret, or, where it `may_stand`, written out.
fn secret_or(
    site: &mut Site<'_>,
    path: &KeyPath,
    text: &str,
    scope: &Scope,
    may_stand: impl Fn(&str) -> bool,
) -> Option<Template> {
    let whole = text.trim();
    let is_one = whole.starts_with("{{") && whole.ends_with("}}") && whole.matches("{{").count() == 1;
    if is_one || (!text.contains("{{") && may_stand(text)) {
        return site.template(path, text, Spot::Text, scope);
    }
    let place = site.document.place(path);
    let diagnostic = if text.contains("{{") {
        let message = format!("{} is written out, or it is one secret", path.named());
        crate::diagnostic::Diagnostic::error(codes::BAD_VALUE, message)
    } else {
        let message = format!("{} holds a password, and a job file holds none", path.named());
        crate::diagnostic::Diagnostic::error(codes::SECRET_IN_FILE, message)
    };
    let help = "keep it out of the file: declare `database.env = \"DATABASE_PASSWORD\"` under `[secrets]` and write \
                `url = \"postgres://user@host/database\", password = \"{{ secrets.database }}\"`";
    site.diagnostics.push(diagnostic.at_hidden(place).help(help));
    None
}

#[cfg(feature = "postgres")]
impl Login {
    /// URL and password, for the wire alone.
    fn reveal(&self) -> Result<(String, Option<String>), super::SourceError> {
        let used = |name: &String| {
            let templates = [Some(&self.url), self.password.as_ref()];
            templates.into_iter().flatten().any(|template| template.secrets().contains(name))
        };
        let plans: Vec<SecretPlan> = self.secrets.iter().filter(|secret| used(&secret.name)).cloned().collect();
        let opened = crate::secret::Secrets::open(&plans);
        let secrets = opened.map_err(|missing| super::SourceError::new(missing.join("; ")))?;
        let context = Context { row: None, secrets: &secrets, reply: None };
        let render = |template: &Template| {
            let mut text = String::new();
            let rendered = template.render(&context, &mut text);
            rendered.map(|()| text).map_err(|error| super::SourceError::new(error.message))
        };
        Ok((render(&self.url)?, self.password.as_ref().map(render).transpose()?))
    }
}
