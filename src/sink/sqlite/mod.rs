//! `path = "x.sqlite"`: a table of a SQLite file, every record once.
//!
//! Records wait in a spool and go into the table together with the note of how far they have come, in one transaction.
//! Must never touch a table that the job does not name, but for the one of these notes.

#[cfg(feature = "sqlite")]
mod database;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

#[cfg(feature = "sqlite")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[cfg(feature = "sqlite")]
use self::database::Database;
#[cfg(feature = "sqlite")]
use super::spooled::{self, Demands};
use super::sql::{SqlTable, TableSpec};
use super::target::Target;
#[cfg(feature = "sqlite")]
use super::{ColumnType, Sink, SinkError, SinkOpening, Start};
use super::{OnExisting, SinkKind, SinkRow};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
#[cfg(feature = "sqlite")]
use crate::row::Cell;

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "sqlite",
    doc: "a table of a SQLite file, every record once",
    example: "[sinks.out.sqlite]\npath = \"out/prices.sqlite\"\ntable = \"prices\"\nkey = [\"sku\"]",
    endings: &["sqlite", "sqlite3", "db"],
    schemes: &[],
    tables: true,
    packs: false,
    schema: <SqliteSpec as JsonSchema>::json_schema,
    compile,
};

/// A table of a SQLite file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SqliteSpec {
    /// The file, relative to the job file; made where it is not there.
    #[schemars(length(min = 1), extend("examples" = ["out/shop.sqlite"]))]
    path: String,
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
    let spec = match SqliteSpec::deserialize(value) {
        Ok(spec) => spec,
        Err(error) => {
            let message = format!("this sink is not right: {error}");
            site.error(codes::BAD_VALUE, path, message, r#"for example `path = "out/prices.sqlite"`"#);
            return None;
        }
    };
    let table = TableSpec { table: spec.table, key: spec.key, create: spec.create };
    let table = SqlTable::compile(site, path, table, on_existing)?;
    if table.name.to_ascii_lowercase().starts_with("sqlite_") {
        let message = format!("a table can't be named {:?}", table.name);
        site.error(
            codes::BAD_VALUE,
            &path.key("table"),
            message,
            "SQLite keeps names that begin with sqlite_ for itself",
        );
        return None;
    }
    let file = json!({ "path": spec.path });
    let target = Target::compile(site, path, &file, None)?;
    plan(site, path, SqlitePlan { file: target.path, written: spec.path, table })
}

/// A table of a SQLite file, decided.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "written by the build with SQLite alone"))]
struct SqlitePlan {
    /// As the program reaches it.
    file: PathBuf,
    /// As written in the job.
    written: String,
    table: SqlTable,
}

#[cfg(feature = "sqlite")]
#[expect(clippy::unnecessary_wraps, reason = "its twin of the build without SQLite has nothing to give")]
fn plan(_: &mut Site<'_>, _: &KeyPath, plan: SqlitePlan) -> Option<Arc<dyn SinkKind>> {
    Some(Arc::new(plan))
}

#[cfg(not(feature = "sqlite"))]
fn plan(site: &mut Site<'_>, path: &KeyPath, _: SqlitePlan) -> Option<Arc<dyn SinkKind>> {
    let message = "this build writes no SQLite files: it was made without the feature `sqlite`";
    site.error(codes::BAD_VALUE, path, message, "build with `--features sqlite`, or without --no-default-features");
    None
}

#[cfg(feature = "sqlite")]
impl SinkKind for SqlitePlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        format!("{} (sqlite, {})", self.file.display(), self.table.describe())
    }

    /// It is no file that a run cuts or writes itself.
    fn path(&self) -> Option<&Path> {
        None
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.file)
    }

    fn target(&self) -> String {
        format!("{}, table {}", self.file.display(), self.table.name)
    }

    fn identity(&self) -> String {
        format!("sqlite {} {}", self.written, self.table.identity())
    }

    fn key(&self) -> &[String] {
        &self.table.key
    }

    fn is_spooled(&self) -> bool {
        true
    }

    fn survey(&self) -> Result<(), SinkError> {
        Database::new(self, "", "").survey()
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let mut database = Database::new(self, opening.run, opening.name);
        let have = database.begin(opening.start == Start::New)?;
        // The types of a table that is there count, and those that the job names for what it does not have.
        let mut types = database.types();
        types.extend(opening.types.iter().cloned());
        let opening = &SinkOpening { types: &types, ..*opening };
        spooled::open(opening, Demands { takes, refuses: |_| None }, &self.table.key, Box::new(database), have)
    }
}

/// SQLite keeps whole numbers and doubles beside each other in a column of numbers, each as it is.
#[cfg(feature = "sqlite")]
fn takes(kind: ColumnType, cell: Cell<'_>) -> bool {
    match kind {
        ColumnType::Int | ColumnType::Float => ColumnType::Int.takes(cell) || ColumnType::Float.takes(cell),
        kind => kind.takes(cell),
    }
}
