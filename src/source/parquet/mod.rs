//! `input.parquet`: the rows of a Parquet file, types kept.
//!
//! The footer tells columns and number before the run. Rows come page by page, never a row group at once,
//! and a resume jumps over whole row groups. Must never lose a digit: decimals are texts.

#[cfg(feature = "parquet")]
mod plan;
#[cfg(feature = "parquet")]
mod quiet;
#[cfg(feature = "parquet")]
mod reader;
#[cfg(feature = "parquet")]
mod shape;
#[cfg(test)]
#[cfg(feature = "parquet")]
mod tests;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::SourceKind;
use super::file;
use super::problem::{Problem, settle, spec};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "parquet",
    doc: "rows of a Parquet file, types kept",
    example: r#"input.parquet = { path = "orders.parquet" }"#,
    endings: &["parquet"],
    reads_packed: false,
    schema: <ParquetSpec as JsonSchema>::json_schema,
    compile: |site, path, value| {
        let decision = decide(value, |written| site.file(written));
        settle(site, path, decision)
    },
};

/// A Parquet file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ParquetSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["products.parquet"]))]
    path: String,
}

fn decide(value: &Value, file: impl Fn(&str) -> PathBuf) -> Result<Decided, Problem> {
    let spec: ParquetSpec = spec(value)?;
    if spec.path.is_empty() {
        return Err(Problem::value(Some("path"), "the path is empty", "name the file to read"));
    }
    let path = file(&spec.path);
    let content = file::survey(&path)?;
    survey(path, content)
}

#[cfg(feature = "parquet")]
pub(crate) use reader::footer;

#[cfg(feature = "parquet")]
use plan::{ParquetPlan as Decided, survey};

/// There is none in a build that reads no such files.
#[cfg(not(feature = "parquet"))]
type Decided = super::values::ValuesPlan;

#[cfg(not(feature = "parquet"))]
fn survey(_: PathBuf, _: std::fs::File) -> Result<Decided, Problem> {
    Err(Problem::not_built("path", "Parquet files", "parquet"))
}
