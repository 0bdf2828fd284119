//! Pace, retries and what becomes of replies, as written, where it is more than a setting that flows down.
//!
//! The doc comments are what editors show; they are part of the language. Must never decide anything.

use std::borrow::Cow;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::{AnyListSpec, ListSpec, StatusSpec};
use crate::retry::Then;

/// Most requests in flight that may be asked for.
const MOST_IN_FLIGHT: u32 = 100_000;

/// Most rows that may go out in one request.
pub const MOST_IN_CHUNK: u32 = 100_000;

/// Tokens that a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CostSpec {
    /// As many.
    Fixed(NonZeroU32),
    /// A template.
    Text(String),
}

impl<'de> Deserialize<'de> for CostSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            number => NonZeroU32::deserialize(number).map(Self::Fixed).map_err(D::Error::custom),
        }
    }
}

impl Serialize for CostSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(tokens) => tokens.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl JsonSchema for CostSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "type": "string", "minLength": 1, "examples": ["{{ row.weight }}"] },
        ] })
    }
}

/// Requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConcurrencySpec {
    /// As many.
    Fixed(u32),
    /// `"auto"`
    Auto,
}

const AUTO: &str = "auto";

impl<'de> Deserialize<'de> for ConcurrencySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == AUTO => Ok(Self::Auto),
            number => u32::deserialize(number).map(Self::Fixed).map_err(D::Error::custom),
        }
    }
}

impl Serialize for ConcurrencySpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(calls) => calls.serialize(serializer),
            Self::Auto => AUTO.serialize(serializer),
        }
    }
}

impl JsonSchema for ConcurrencySpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Concurrency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": MOST_IN_FLIGHT },
            { "type": "string", "enum": [AUTO] },
        ] })
    }
}

/// How many rows go out in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkSpec {
    /// As many.
    Size(NonZeroU32),
    /// As many, and what becomes of them.
    Table(ChunkTable),
}

/// Rows that go out in one request, and how its reply falls apart into records of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChunkTable {
    /// Rows in a request.
    #[schemars(range(min = 1, max = 100_000), extend("examples" = [50]))]
    pub size: NonZeroU32,
    /// Whether a chunk that fails is split in halves that are tried again, down to single rows.
    #[schemars(extend("default" = false))]
    pub split: Option<bool>,
    /// With `rows`: which row an item belongs to, by a column whose value both have; a table where the names differ.
    /// Absent: by position, the first item is of the first row.
    #[schemars(extend("examples" = ["sku", { "row": "sku", "item": "$.code" }]))]
    pub by: Option<ChunkKeySpec>,
}

/// What a row and its items have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkKeySpec {
    /// A column and a member of the item of this name.
    Name(String),
    /// A column and a path.
    Table(ChunkKeyTable),
}

/// A column of the row and what it equals in the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChunkKeyTable {
    /// A column of the input.
    #[schemars(length(min = 1), extend("examples" = ["sku"]))]
    pub row: String,
    /// A JSONPath into the item.
    #[schemars(length(min = 1), extend("examples" = ["$.code"]))]
    pub item: String,
}

impl ChunkSpec {
    /// As a table.
    #[must_use]
    pub fn table(&self) -> ChunkTable {
        match self {
            Self::Size(size) => ChunkTable { size: *size, split: None, by: None },
            Self::Table(table) => table.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for ChunkSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            table @ Value::Object(_) => ChunkTable::deserialize(table).map(Self::Table).map_err(D::Error::custom),
            number => NonZeroU32::deserialize(number).map(Self::Size).map_err(D::Error::custom),
        }
    }
}

impl Serialize for ChunkSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Size(size) => size.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for ChunkSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Chunk".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ChunkTable>();
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": MOST_IN_CHUNK }, table] })
    }
}

impl<'de> Deserialize<'de> for ChunkKeySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self::Name(name)),
            table => ChunkKeyTable::deserialize(table).map(Self::Table).map_err(D::Error::custom),
        }
    }
}

impl Serialize for ChunkKeySpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => name.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for ChunkKeySpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ChunkKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ChunkKeyTable>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1, "examples": ["sku"] }, table] })
    }
}

/// Whether and how requests carry a key of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencySpec {
    /// Whether they do.
    Switch(bool),
    /// How they do.
    Table(IdempotencyTable),
}

/// How a request carries its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "IdempotencyKey")]
pub struct IdempotencyTable {
    /// The header that carries the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("default" = "Idempotency-Key"))]
    pub header: Option<String>,
    /// Whether the key stands in quotes, as draft-ietf-httpapi-idempotency-key-header has it, or bare.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "quoted"))]
    pub style: Option<KeyStyle>,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyStyle {
    /// In quotes.
    #[default]
    Quoted,
    /// As it is.
    Bare,
}

impl<'de> Deserialize<'de> for IdempotencySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(switch) => Ok(Self::Switch(switch)),
            table => IdempotencyTable::deserialize(table).map(Self::Table).map_err(D::Error::custom),
        }
    }
}

impl Serialize for IdempotencySpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Switch(switch) => switch.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for IdempotencySpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SwitchOrIdempotencyKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<IdempotencyTable>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
    }
}

/// What becomes of replies that meet a condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleSpec {
    /// A condition over status, headers, json, text, meta, row and vars.
    #[schemars(length(min = 1), extend("examples" = ["status == 404"]))]
    pub when: String,
    /// What follows: accept takes the reply whatever its status, retry tries again, throttle holds the limits too,
    /// skip leaves the row out, fail fails it, stop stops the run, resumable.
    #[schemars(extend("examples" = ["skip"]))]
    pub then: Then,
}

/// What a good reply is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectSpec {
    /// Statuses that are accepted.
    #[schemars(extend("default" = ["2xx"]))]
    pub status: Option<ListSpec<StatusSpec>>,
    /// Conditions over status, headers, json, text, meta, row and vars that all must hold; absent or an empty list: none.
    #[schemars(extend("examples" = [["json.ok", "meta.duration_ms < 2000"]]))]
    pub assert: Option<AnyListSpec<String>>,
}

/// The run as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunSpec {
    /// Conditions that make a finished run fail (exit 1), such as "failed > 1%" or "p95 > 2s"; an empty list: none.
    #[schemars(extend("default" = ["failed > 0"]))]
    pub fail_if: Option<AnyListSpec<String>>,
    /// Conditions that stop the run, resumable (exit 4), such as "failed > 50% after 100"; an empty list: none.
    #[schemars(extend("default" = ["unauthorized >= 5 in a row"]))]
    pub stop_if: Option<AnyListSpec<String>>,
}
