//! `path = "x.parquet"`: a folder of Parquet files, every record once.
//!
//! Records wait in a spool. What is enough of them becomes a part: a file that stands under its name only when it is whole
//! and on disk, and that says which bytes of the spool it holds. Must never change a part that stands, nor remove a file
//! that is none.

#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "parquet")]
mod folder;
#[cfg(feature = "parquet")]
mod part;
#[cfg(feature = "parquet")]
mod parts;
#[cfg(feature = "parquet")]
mod schema;
#[cfg(test)]
#[cfg(feature = "parquet")]
mod tests;

use std::num::NonZeroUsize;
#[cfg(feature = "parquet")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[cfg(feature = "parquet")]
use self::parts::Parts;
#[cfg(feature = "parquet")]
use super::spooled::{self, Demands};
use super::target::Target;
use super::{OnExisting, SinkKind, SinkRow};
#[cfg(feature = "parquet")]
use super::{Sink, SinkError, SinkOpening};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "parquet",
    doc: "a folder of Parquet files with typed columns, every record once",
    example: "[sinks.out.parquet]\npath = \"out/prices.parquet\"\ncompression = \"zstd\"",
    endings: &["parquet"],
    schemes: &[],
    tables: false,
    packs: false,
    schema: <ParquetSpec as JsonSchema>::json_schema,
    compile,
};

/// A folder of Parquet files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ParquetSpec {
    /// The folder, relative to the job file; made where it is not there. What reads Parquet takes its files for one table.
    #[schemars(length(min = 1), extend("examples" = ["out/prices.parquet"]))]
    path: String,
    /// How pages of columns are packed.
    #[schemars(extend("default" = "zstd"))]
    compression: Option<Codec>,
    /// Most records in a file; absent: as many as 64 MiB as JSON hold, which is the most in any case.
    #[schemars(extend("examples" = [100_000]))]
    part_rows: Option<NonZeroUsize>,
}

/// How pages are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Codec {
    /// Small and fast.
    #[default]
    Zstd,
    /// Larger and faster; what old readers know.
    Snappy,
    /// What every reader knows.
    Gzip,
    /// The one without frames, LZ4_RAW.
    Lz4,
    /// Not at all.
    None,
}

fn compile(
    site: &mut Site<'_>,
    path: &KeyPath,
    value: &Value,
    on_existing: Option<OnExisting>,
) -> Option<Arc<dyn SinkKind>> {
    let spec = match ParquetSpec::deserialize(value) {
        Ok(spec) => spec,
        Err(error) => {
            let message = format!("this sink is not right: {error}");
            site.error(codes::BAD_VALUE, path, message, r#"for example `path = "out/prices.parquet"`"#);
            return None;
        }
    };
    // It is a folder, which may be written like one.
    let folder = json!({ "path": spec.path.trim_end_matches('/') });
    let Ok(target) = Target::decide(&folder, None, |written| site.file(written)) else {
        let message = format!("`{}` does not name a folder of its own", spec.path);
        site.error(codes::BAD_VALUE, &path.key("path"), message, r#"for example `path = "out/prices.parquet"`"#);
        return None;
    };
    let plan = ParquetPlan {
        folder: target.path,
        written: spec.path,
        codec: spec.compression.unwrap_or_default(),
        part_rows: spec.part_rows.map_or(usize::MAX, NonZeroUsize::get),
        on_existing: on_existing.unwrap_or_default(),
    };
    plan_of(site, path, plan)
}

/// A folder of Parquet files, decided.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "written by the build with Parquet alone"))]
struct ParquetPlan {
    /// As the program reaches it.
    folder: PathBuf,
    /// As written in the job.
    written: String,
    codec: Codec,
    part_rows: usize,
    on_existing: OnExisting,
}

#[cfg(feature = "parquet")]
#[expect(clippy::unnecessary_wraps, reason = "its twin of the build without Parquet has nothing to give")]
fn plan_of(_: &mut Site<'_>, _: &KeyPath, plan: ParquetPlan) -> Option<Arc<dyn SinkKind>> {
    Some(Arc::new(plan))
}

#[cfg(not(feature = "parquet"))]
fn plan_of(site: &mut Site<'_>, path: &KeyPath, _: ParquetPlan) -> Option<Arc<dyn SinkKind>> {
    let message = "this build writes no Parquet files: it was made without the feature `parquet`";
    site.error(codes::BAD_VALUE, path, message, "build with `--features parquet`, or without --no-default-features");
    None
}

#[cfg(feature = "parquet")]
impl SinkKind for ParquetPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let existing = match self.on_existing {
            OnExisting::Error => "must hold no part",
            OnExisting::Append => "adds to the parts that exist",
            OnExisting::Replace => "replaces the parts that exist",
        };
        format!("{}/ (parquet, {existing})", self.folder.display())
    }

    /// It is no file that a run cuts or writes itself.
    fn path(&self) -> Option<&Path> {
        None
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn target(&self) -> String {
        format!("{}/", self.folder.display())
    }

    fn identity(&self) -> String {
        format!("parquet {}", self.written)
    }

    fn is_spooled(&self) -> bool {
        true
    }

    /// A part that stands is never changed.
    fn takes_back(&self) -> bool {
        false
    }

    fn survey(&self) -> Result<(), SinkError> {
        Parts::new(self, "", "").survey()
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let mut parts = Parts::new(self, opening.run, opening.name);
        let (have, mut types) = parts.begin(opening)?;
        // The types of parts that are there count, and those that the job names for what these don't have.
        types.extend(opening.types.iter().cloned());
        let opening = &SinkOpening { types: &types, ..*opening };
        let demands = Demands { takes: schema::takes, refuses: |_| None };
        spooled::open(opening, demands, &[], Box::new(parts), Some(have))
    }
}
