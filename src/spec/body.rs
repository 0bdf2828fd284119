//! Bodies of requests, as written, where they are more than a text or a table of texts.
//!
//! The doc comments are what editors show; they are part of the language.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::TextSpec;

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub enum PartSpec {
    /// A text, number or boolean, sent as text.
    Text(TextSpec),
    /// Anything more.
    Table(Box<PartTable>),
}

/// A part of a multipart body: exactly one of `path`, `text` and `json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Part", extend("x-paceline-exactly-one" = ["path", "text", "json"]))]
pub struct PartTable {
    /// A file, a template, relative to the job file; sent as it is read. With `{{ }}` in it, the folder before the first one is where files may lie: a value may name folders below it (`a/b.pdf`), and never leads out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["docs/{{ row.file }}"]))]
    pub path: Option<String>,
    /// A text, a template, sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["{{ row.note }}"]))]
    pub text: Option<TextSpec>,
    /// JSON; its strings are templates, and one that is a single `{{ }}` keeps its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "id": "{{ row.id | int }}" }]), extend("additionalProperties" = true))]
    pub json: Option<Value>,
    /// Media type, a template; default: by the file's ending, application/json for `json`, none for `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["application/pdf"]))]
    pub content_type: Option<String>,
    /// File name that the server is told, a template; default: the file's own, none for `text` and `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["invoice-{{ row.id }}.pdf"]))]
    pub filename: Option<String>,
}

impl<'de> Deserialize<'de> for PartSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            table @ Value::Object(_) => PartTable::deserialize(table).map(|table| Self::Table(Box::new(table))),
            text => TextSpec::deserialize(text).map(Self::Text),
        }
        .map_err(D::Error::custom)
    }
}

impl Serialize for PartSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for PartSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TextOrPart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<PartTable>();
        json_schema!({ "anyOf": [{ "type": ["string", "integer", "number", "boolean"] }, table] })
    }
}
