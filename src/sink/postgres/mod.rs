//! `[sinks.NAME.postgres]`: a table of a PostgreSQL server, every record once.
//!
//! Records wait in a spool and go into the table together with the note of how far they have come, in one transaction.
//! Must never touch a table that the job does not name, but for the one of these notes, and never ask a server before a run.

#[cfg(feature = "postgres")]
mod server;
#[cfg(feature = "postgres")]
mod session;
#[cfg(feature = "postgres")]
mod statements;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests;
#[cfg(feature = "postgres")]
mod values;

#[cfg(feature = "postgres")]
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

#[cfg(feature = "postgres")]
use self::server::Server;
#[cfg(feature = "postgres")]
use super::spooled::{self, Demands};
use super::sql::{SqlTable, TableSpec};
use super::{OnExisting, SinkKind, SinkRow};
#[cfg(feature = "postgres")]
use super::{Sink, SinkError, SinkOpening, Start};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::postgres::{Login, is_postgres};

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "postgres",
    doc: "a table of a PostgreSQL server, every record once",
    example: "[sinks.out.postgres]\nurl = \"postgres://writer@db.example.com/shop\"\npassword = \"{{ secrets.database }}\"\ntable = \"prices\"\nkey = [\"sku\"]",
    endings: &[],
    schemes: &["postgres", "postgresql"],
    tables: false,
    packs: false,
    schema: <PostgresSpec as JsonSchema>::json_schema,
    compile,
};

/// A table of a PostgreSQL server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PostgresSpec {
    /// The server and its database; a secret where it holds a password. `?options=-csearch_path%3DNAME` chooses the schema.
    #[schemars(length(min = 1), extend("examples" = ["postgres://writer@db.example.com/shop"]))]
    url: String,
    /// The password, a secret; absent: none is sent.
    #[schemars(extend("examples" = ["{{ secrets.database }}"]))]
    password: Option<String>,
    /// The table; the name of the sink where it is left out.
    #[schemars(length(min = 1), extend("examples" = ["prices"]))]
    table: Option<String>,
    /// Columns by which a record takes the place of one that is there (upsert); absent: records are added.
    #[schemars(length(min = 1), extend("examples" = [["sku"]]))]
    key: Option<Vec<String>>,
    /// Whether to make the table where it is not there.
    #[schemars(extend("default" = true))]
    create: Option<bool>,
}

fn compile(
    site: &mut Site<'_>,
    path: &KeyPath,
    value: &Value,
    on_existing: Option<OnExisting>,
) -> Option<Arc<dyn SinkKind>> {
    let example = "for example `url = \"postgres://user@host/database\"`";
    let spec = match PostgresSpec::deserialize(value) {
        Ok(spec) => spec,
        Err(error) => {
            site.error(codes::BAD_VALUE, path, format!("this sink is not right: {error}"), example);
            return None;
        }
    };
    // First, so that a line with a password is not shown for another reason.
    let login = Login::compile(site, path, &spec.url, spec.password.as_deref())?;
    if !is_postgres(&spec.url) && !spec.url.contains("{{") {
        let message = "a PostgreSQL server's URL begins with `postgres://`";
        site.error(codes::BAD_VALUE, &path.key("url"), message, example);
        return None;
    }
    let table = TableSpec { table: spec.table, key: spec.key, create: spec.create };
    let table = SqlTable::compile(site, path, table, on_existing)?;
    plan(site, path, login, spec.url, table)
}

#[cfg(not(feature = "postgres"))]
fn plan(site: &mut Site<'_>, path: &KeyPath, _: Login, _: String, _: SqlTable) -> Option<Arc<dyn SinkKind>> {
    let message = "this build writes to no PostgreSQL servers: it was made without the feature `postgres`";
    site.error(codes::BAD_VALUE, path, message, "build with `--features postgres`, or without --no-default-features");
    None
}

#[cfg(feature = "postgres")]
fn plan(
    site: &mut Site<'_>,
    path: &KeyPath,
    login: Login,
    written: String,
    table: SqlTable,
) -> Option<Arc<dyn SinkKind>> {
    match login.name() {
        Ok(name) => {
            let place = path.key("url").named();
            Some(Arc::new(PostgresPlan(Arc::new(Target { login, place, written, name, table }))))
        }
        Err(why) => {
            site.error(codes::BAD_VALUE, &path.key("url"), why, crate::postgres::EXAMPLE);
            None
        }
    }
}

/// A table of a server, decided.
#[cfg(feature = "postgres")]
#[derive(Debug)]
struct PostgresPlan(Arc<Target>);

/// Which table, and who writes it.
#[cfg(feature = "postgres")]
#[derive(Debug)]
struct Target {
    login: Login,
    /// The key of the job that holds the URL.
    place: String,
    /// The URL as written in the job.
    written: String,
    /// How the server is called in messages.
    name: String,
    table: SqlTable,
}

#[cfg(feature = "postgres")]
impl SinkKind for PostgresPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        format!("{} (postgres, {})", self.0.name, self.0.table.describe())
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn target(&self) -> String {
        format!("{}, table {}", self.0.name, self.0.table.name)
    }

    fn owns(&self) -> Option<String> {
        Some(self.target())
    }

    fn identity(&self) -> String {
        format!("postgres {} {}", self.0.written, self.0.table.identity())
    }

    fn key(&self) -> &[String] {
        &self.0.table.key
    }

    fn is_spooled(&self) -> bool {
        true
    }

    /// Nothing is asked of a server before a run.
    fn survey(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn knock(&self) -> Option<Result<(), SinkError>> {
        Some(server::knock(&self.0))
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let server = Server::new(&self.0, opening.run, opening.name);
        let have = server.begin(opening.start == Start::New)?;
        let demands = Demands { takes: values::takes, refuses: values::refuses };
        spooled::open(opening, demands, &self.0.table.key, Box::new(server), have)
    }
}
