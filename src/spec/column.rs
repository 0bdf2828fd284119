//! A column: a short string, or a kind with what may stand beside it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{EXACTLY_ONE, KindRow, ShortOrKind, properties, single};
use crate::extract::{self, As};

/// What every column may say beside its kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ColumnCommon {
    /// The type that the value must have; a value that can't be one fails the attempt. Absent: as it is.
    #[serde(rename = "as")]
    #[schemars(extend("examples" = ["float"]))]
    convert: Option<As>,
    /// What stands where the value is missing or null; absent: nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "anything")]
    default: Option<Value>,
    /// Whether a value that is missing or null fails the attempt.
    #[schemars(extend("default" = false))]
    required: Option<bool>,
    /// The attribute that `css` takes; absent: the text.
    #[schemars(length(min = 1), extend("examples" = ["href"]))]
    attr: Option<String>,
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "examples": [0.0] })
}

/// How a column's value is had: a JSONPath (begins with `$`), a template, or a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSpec {
    /// A short string, or a kind.
    pub from: ShortOrKind,
    /// The type it must have.
    #[serde(rename = "as")]
    pub convert: Option<As>,
    /// What stands where the value is missing or null.
    pub default: Option<Value>,
    /// Whether it must be there.
    pub required: Option<bool>,
    /// The attribute that `css` takes.
    pub attr: Option<String>,
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_kind = |name: &str| extract::KINDS.iter().any(|row| row.name == name);
        let (from, common) = match Value::deserialize(deserializer)? {
            Value::String(short) => (ShortOrKind::Short(short), ColumnCommon::default()),
            Value::Object(map) => {
                let (kinds, common): (Map<_, _>, Map<_, _>) = map.into_iter().partition(|(name, _)| is_kind(name));
                let common = ColumnCommon::deserialize(Value::Object(common)).map_err(D::Error::custom)?;
                (ShortOrKind::Kind(single(kinds)?), common)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return Err(D::Error::custom("neither a string nor a table"));
            }
        };
        let ColumnCommon { convert, default, required, attr } = common;
        Ok(Self { from, convert, default, required, attr })
    }
}

impl JsonSchema for ColumnSpec {
    fn schema_name() -> Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rows = extract::KINDS.iter().map(|row| KindRow {
            name: row.name,
            doc: row.doc,
            example: row.example,
            schema: row.schema,
        });
        let kinds = properties(generator, rows);
        let names: Vec<String> = kinds.keys().cloned().collect();
        let mut table = ColumnCommon::json_schema(generator).to_value();
        if let Some(object) = table.as_object_mut() {
            object.insert(EXACTLY_ONE.to_owned(), names.into());
            object.insert("description".to_owned(), "A kind, and what is made of its value.".into());
            if let Some(known) = object.get_mut("properties").and_then(Value::as_object_mut) {
                let beside = std::mem::take(known);
                known.extend(kinds.into_iter().chain(beside));
            }
        }
        json_schema!({ "anyOf": [
            { "type": "string", "description": "A JSONPath when it begins with `$`, else a template.", "examples": ["$.price"] },
            table,
        ] })
    }
}
