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
use crate::document::KeyPath;
use crate::postgres::{Login, is_postgres};
use crate::spec::kind::ShortOrKind;

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
    /// The password, a secret; absent: none is sent.
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
    Problem::value(Some("url"), message, r#"name one, such as "sqlite:shop.db" or "postgres://user@host/database""#)
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

fn server(site: &mut Site<'_>, path: &KeyPath, spec: SqlSpec) -> Option<Arc<dyn SourcePlan>> {
    let login = Login::compile(site, path, &spec.url, spec.password.as_deref())?;
    settle(site, path, reach(login, spec.query))
}

#[cfg(feature = "postgres")]
use postgres::decide as reach;

#[cfg(not(feature = "postgres"))]
fn reach(_: Login, _: String) -> Result<super::values::ValuesPlan, Problem> {
    Err(Problem::not_built("url", "PostgreSQL databases", "postgres"))
}
