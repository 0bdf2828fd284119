//! `[sinks.NAME.s3]`: objects in a bucket of S3, or of anything that speaks it, every record once.
//!
//! An object can't be added to. So records wait in a spool, and a stretch of it becomes an object of its own, whose name
//! and metadata say which stretch: the bucket itself says how far a run has come. Must never ask a server before a run, nor
//! let an object stand that holds less than its name says.

#[cfg(feature = "s3")]
mod answers;
#[cfg(feature = "s3")]
mod body;
#[cfg(feature = "s3")]
mod bucket;
#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod keys;
#[cfg(feature = "s3")]
mod objects;
#[cfg(feature = "s3")]
mod place;
#[cfg(feature = "s3")]
mod plan;
#[cfg(test)]
#[cfg(feature = "s3")]
mod tests;
#[cfg(feature = "s3")]
mod upload;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{OnExisting, SinkKind, SinkRow};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::spec::text::SizeSpec;

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "s3",
    doc: "objects in a bucket of S3 or of what speaks it, every record once; lines of JSON, CSV or TSV, packed where they end in .gz or .zst",
    example: "[sinks.out.s3]\nurl = \"s3://bucket/prices.jsonl.zst\"\nregion = \"eu-central-1\"\naccess-key = \"{{ secrets.access }}\"\nsecret-key = \"{{ secrets.secret }}\"",
    endings: &[],
    schemes: &["s3"],
    tables: false,
    packs: false,
    schema: <S3Spec as JsonSchema>::json_schema,
    compile,
};

/// Objects in a bucket.
#[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "read by the build with S3 alone"))]
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct S3Spec {
    /// The bucket and what the objects are called: of `s3://bucket/prices.jsonl.zst` come `prices/part-*.jsonl.zst`. The ending
    /// says what is in them: `.jsonl`, `.csv` or `.tsv`, with `.gz` or `.zst` behind it to pack it.
    #[schemars(length(min = 1), extend("examples" = ["s3://bucket/prices.jsonl.zst"]))]
    url: String,
    /// The server, where it is not that of AWS for the region: MinIO, R2, Ceph. The environment may name it
    /// (`AWS_ENDPOINT_URL_S3`) where this is absent. Only where it is written here may it be a plain `http://` of another machine.
    #[schemars(length(min = 1), extend("examples" = ["http://127.0.0.1:9000"]))]
    endpoint: Option<String>,
    /// The region; that of the environment (`AWS_REGION`) where it is left out, and `us-east-1` where there is an endpoint.
    #[schemars(length(min = 1), extend("examples" = ["eu-central-1"]))]
    region: Option<String>,
    /// Id of the access key, a template over secrets; that of the environment (`AWS_ACCESS_KEY_ID`) where it is left out.
    #[schemars(length(min = 1), extend("examples" = ["{{ secrets.access }}"]))]
    access_key: Option<String>,
    /// The secret access key, a secret; that of the environment (`AWS_SECRET_ACCESS_KEY`) where it is left out.
    #[schemars(extend("examples" = ["{{ secrets.secret }}"]))]
    secret_key: Option<String>,
    /// The session token of temporary credentials, a secret; beside keys of the environment its `AWS_SESSION_TOKEN` is the
    /// default.
    #[schemars(extend("examples" = ["{{ secrets.session }}"]))]
    session_token: Option<String>,
    /// Whether the bucket is the first part of the path instead of a part of the host; default: where there is an endpoint.
    #[schemars(extend("examples" = [true]))]
    path_style: Option<bool>,
    /// How much text of records makes an object, 64KiB to 192MiB, counted before it is packed and without names; the last
    /// object of a session is smaller.
    #[schemars(extend("default" = "64MiB"))]
    part_size: Option<SizeSpec>,
}

fn compile(
    site: &mut Site<'_>,
    path: &KeyPath,
    value: &Value,
    on_existing: Option<OnExisting>,
) -> Option<Arc<dyn SinkKind>> {
    match S3Spec::deserialize(value) {
        Ok(spec) => plan(site, path, spec, on_existing.unwrap_or_default()),
        Err(error) => {
            let example = "for example `url = \"s3://bucket/prices.jsonl.zst\"`";
            site.error(codes::BAD_VALUE, path, format!("this sink is not right: {error}"), example);
            None
        }
    }
}

#[cfg(feature = "s3")]
use plan::compile as plan;

#[cfg(not(feature = "s3"))]
fn plan(site: &mut Site<'_>, path: &KeyPath, _: S3Spec, _: OnExisting) -> Option<Arc<dyn SinkKind>> {
    let message = "this build writes nothing to S3: it was made without the feature `s3`";
    site.error(codes::BAD_VALUE, path, message, "build with `--features s3`, or without --no-default-features");
    None
}
