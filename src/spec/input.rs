//! Inputs as written: a file, or a kind, and beside either which of its rows are taken.
//!
//! Must never know a kind by name: they come from the table of the sources.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::{EXACTLY_ONE, KindRow, ShortOrKind, properties, single};
use super::scalar;
use super::text::ListSpec;
use crate::source;

/// Where rows come from, and which of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputSpec {
    /// A file whose ending tells the kind, or a kind.
    pub target: ShortOrKind,
    /// Which rows it takes.
    pub selecting: SelectingSpec,
}

/// Which rows of an input are taken, whatever its kind; in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SelectingSpec {
    /// Takes the rows for which this condition over `row` and `vars` holds; absent: all.
    #[serde(rename = "where")]
    #[schemars(length(min = 1), extend("examples" = ["row.price | float > 10"]))]
    pub condition: Option<String>,
    /// Takes the first of the rows that are the same in these columns; `true`: in all columns. Absent:
    /// none is compared.
    pub dedupe: Option<DedupeSpec>,
    /// Takes about this share of the rows, always the same ones; absent: all.
    pub sample: Option<SampleSpec>,
    /// Passes over so many of the rows that are left.
    #[schemars(extend("default" = 0, "examples" = [1000]))]
    pub skip: Option<u64>,
    /// Takes so many of the rows that are left then, at most; absent: all.
    #[schemars(range(min = 1), extend("examples" = [100]))]
    pub take: Option<u64>,
}

/// Which columns tell whether two rows are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DedupeSpec {
    /// `true`: all of them; `false`: no rows are compared.
    Whole(bool),
    /// These.
    Columns(ListSpec<String>),
}

impl<'de> Deserialize<'de> for DedupeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(whole) => Ok(Self::Whole(whole)),
            other => ListSpec::deserialize(other).map(Self::Columns).map_err(D::Error::custom),
        }
    }
}

impl Serialize for DedupeSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(whole) => whole.serialize(serializer),
            Self::Columns(columns) => columns.serialize(serializer),
        }
    }
}

impl JsonSchema for DedupeSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dedupe".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
                { "type": "string", "minLength": 1 },
                { "type": "boolean" },
            ],
            "examples": [["sku"]],
        })
    }
}

/// A share of the rows, above 0 and at most 1, and what decides which.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SampleSpec {
    /// The share, as a share of 1.
    pub share: f64,
    /// Another seed takes other rows.
    pub seed: u64,
}

impl<'de> Deserialize<'de> for SampleSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (written, seed) = match Value::deserialize(deserializer)? {
            Value::Object(mut table) => {
                let seed = table.remove("seed").map(u64::deserialize).transpose().map_err(D::Error::custom)?;
                (table.remove("share").unwrap_or_default(), seed)
            }
            other => (other, None),
        };
        let share = match written {
            Value::String(text) => scalar::share(&text).map_err(|error| D::Error::custom(error.message))?,
            other => f64::deserialize(other).map_err(D::Error::custom)?,
        };
        Ok(Self { share, seed: seed.unwrap_or_default() })
    }
}

impl JsonSchema for SampleSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sample".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let percent = super::text::ShareSpec::json_schema(generator).to_value();
        let share = json!({ "type": "number", "minimum": 0.0, "maximum": 1.0 });
        json_schema!({
            "anyOf": [percent, share, {
                "type": "object",
                "additionalProperties": false,
                "required": ["share"],
                "properties": {
                    "share": { "description": "The share of the rows.", "anyOf": [percent, share], "examples": ["1%"] },
                    "seed": {
                        "description": "Another seed takes other rows; default 0.",
                        "type": "integer", "minimum": 0, "examples": [7],
                    },
                },
            }],
            "examples": ["1%"],
        })
    }
}

impl<'de> Deserialize<'de> for InputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = match Value::deserialize(deserializer)? {
            Value::String(short) => {
                return Ok(Self { target: ShortOrKind::Short(short), selecting: SelectingSpec::default() });
            }
            Value::Object(table) => table,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return Err(D::Error::custom("neither a string nor a table"));
            }
        };
        let path = table.remove("path");
        let is_kind = |name: &str| source::KINDS.iter().any(|row| row.name == name);
        let (kinds, selecting): (Map<_, _>, Map<_, _>) = table.into_iter().partition(|(name, _)| is_kind(name));
        let target = match path {
            Some(Value::String(path)) if kinds.is_empty() => ShortOrKind::Short(path),
            Some(_) => return Err(D::Error::custom("exactly one kind must be chosen")),
            None => ShortOrKind::Kind(single(kinds)?),
        };
        let selecting = SelectingSpec::deserialize(Value::Object(selecting)).map_err(D::Error::custom)?;
        Ok(Self { target, selecting })
    }
}

impl JsonSchema for InputSpec {
    fn schema_name() -> Cow<'static, str> {
        "Input".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rows = source::KINDS.iter().map(|row| KindRow {
            name: row.name,
            doc: row.doc,
            example: row.example,
            schema: row.schema,
        });
        let mut known = properties(generator, rows);
        let kinds: Vec<Value> = known.keys().map(|name| Value::from(name.as_str())).collect();
        let path = json!({
            "description": "A file, relative to the job file; its ending tells the kind.",
            "type": "string",
            "minLength": 1,
            "examples": ["products.csv"],
        });
        known.insert("path".to_owned(), path);
        let mut selecting = SelectingSpec::json_schema(generator).to_value();
        if let Some(Value::Object(keys)) = selecting.get_mut("properties").map(Value::take) {
            known.extend(keys);
        }
        let targets: Vec<Value> = kinds.into_iter().chain([Value::from("path")]).collect();
        json_schema!({ "anyOf": [
            {
                "type": "string",
                "description": "A file, relative to the job file; its ending tells the kind.",
                "minLength": 1,
                "examples": ["products.csv"],
            },
            {
                "type": "object",
                "description": "A file or a kind, and which of its rows are taken.",
                EXACTLY_ONE: targets,
                "minProperties": 1,
                "additionalProperties": false,
                "properties": known,
            },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<InputSpec, String> {
        InputSpec::deserialize(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_and_the_keys_beside_it_are_told_apart() {
        let short = read(json!("a.csv")).unwrap();
        assert_eq!(short.target, ShortOrKind::Short("a.csv".to_owned()));
        assert_eq!(short.selecting, SelectingSpec::default());
        let long = read(json!({ "where": "row.a", "values": [{}], "take": 3, "dedupe": "a", "sample": "1%" })).unwrap();
        assert!(matches!(long.target, ShortOrKind::Kind(kind) if kind.kind == "values" && kind.value == json!([{}])));
        assert_eq!(long.selecting.condition.as_deref(), Some("row.a"));
        assert_eq!(long.selecting.dedupe, Some(DedupeSpec::Columns(ListSpec(vec!["a".to_owned()]))));
        assert_eq!(long.selecting.sample, Some(SampleSpec { share: 0.01, seed: 0 }));
        let file = read(json!({ "path": "a.csv", "sample": { "share": 0.5, "seed": 7 }, "dedupe": true })).unwrap();
        assert_eq!(file.target, ShortOrKind::Short("a.csv".to_owned()));
        assert_eq!(file.selecting.sample, Some(SampleSpec { share: 0.5, seed: 7 }));
        assert_eq!(file.selecting.dedupe, Some(DedupeSpec::Whole(true)));
    }

    #[test]
    fn two_kinds_and_none_are_refused() {
        for wrong in [
            json!({ "path": "a.csv", "values": [{}] }),
            json!({ "stdin": "csv", "values": [{}] }),
            json!({ "take": 3 }),
            json!({ "values": [{}], "limit": 3 }),
            json!([]),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
