//! Sinks: a file, an address, or a table of a kind.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{EXACTLY_ONE, KindRow, KindSpec, properties, single};
use super::text::ListSpec;
use crate::sink::{KINDS, OnExisting, RowChoice};

/// What every sink may say, whatever its kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SinkCommon {
    /// A file, relative to the job file; its ending tells the kind.
    #[schemars(length(min = 1), extend("examples" = ["out/prices.csv"]))]
    path: Option<String>,
    /// An address; its scheme tells the kind.
    #[schemars(length(min = 1), extend("examples" = ["postgres://writer@db.example.com/shop"]))]
    url: Option<String>,
    /// Endpoints whose records it takes; default: all.
    #[schemars(extend("examples" = [["price"]]))]
    from: Option<ListSpec<String>>,
    /// Which rows it takes: those that ended ok, those that failed, or all.
    #[schemars(extend("default" = "all"))]
    rows: Option<RowChoice>,
    /// Choice and order of columns; default: as they come.
    #[schemars(length(min = 1), extend("examples" = [["sku", "price", "status"]]))]
    columns: Option<Vec<String>>,
    /// Columns by which a record is known that this run has written before, over resumes too: it is left out and counted. A record
    /// that has nothing in one of them is always written. Absent: all are written.
    #[schemars(extend("minItems" = 1, "examples" = ["id", ["symbol", "seq"]]))]
    dedupe: Option<ListSpec<String>>,
    /// What a new run does with an output that exists; a resumed run goes on with it.
    #[schemars(extend("default" = "error"))]
    on_existing: Option<OnExisting>,
}

/// What a sink writes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SinkTarget {
    /// A file whose ending tells the kind.
    File(String),
    /// An address whose scheme tells the kind.
    Url(String),
    /// A kind by its name.
    Kind(KindSpec),
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SinkSpec {
    /// A file, an address, or a kind.
    pub target: SinkTarget,
    /// Endpoints whose records it takes.
    pub from: Option<ListSpec<String>>,
    /// Which outcomes it takes.
    pub rows: Option<RowChoice>,
    /// Choice and order of columns.
    pub columns: Option<Vec<String>>,
    /// Columns by which doubles are known.
    pub dedupe: Option<ListSpec<String>>,
    /// What a new run does with an output that exists.
    pub on_existing: Option<OnExisting>,
}

impl<'de> Deserialize<'de> for SinkSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_kind = |name: &str| KINDS.iter().any(|row| row.name == name);
        let (kinds, common): (Map<_, _>, Map<_, _>) =
            Map::deserialize(deserializer)?.into_iter().partition(|(name, _)| is_kind(name));
        let common = SinkCommon::deserialize(Value::Object(common)).map_err(D::Error::custom)?;
        let target = match (common.path, common.url) {
            (Some(path), None) if kinds.is_empty() => SinkTarget::File(path),
            (None, Some(url)) if kinds.is_empty() => SinkTarget::Url(url),
            (None, None) => SinkTarget::Kind(single(kinds)?),
            (Some(_), _) | (_, Some(_)) => return Err(D::Error::custom("exactly one kind must be chosen")),
        };
        Ok(Self {
            target,
            from: common.from,
            rows: common.rows,
            columns: common.columns,
            dedupe: common.dedupe,
            on_existing: common.on_existing,
        })
    }
}

impl JsonSchema for SinkSpec {
    fn schema_name() -> Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rows =
            KINDS.iter().map(|row| KindRow { name: row.name, doc: row.doc, example: row.example, schema: row.schema });
        let kinds = properties(generator, rows);
        let mut schema = SinkCommon::json_schema(generator).to_value();
        let targets: Vec<String> =
            ["path", "url"].map(str::to_owned).into_iter().chain(kinds.keys().cloned()).collect();
        if let Some(object) = schema.as_object_mut() {
            object.insert(EXACTLY_ONE.to_owned(), targets.into());
            object
                .insert("description".to_owned(), "Where records go: a path, an address, or a table of a kind.".into());
            if let Some(known) = object.get_mut("properties").and_then(Value::as_object_mut) {
                known.extend(kinds);
            }
        }
        Schema::try_from(schema).unwrap_or_default()
    }
}
