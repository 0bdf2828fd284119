//! Choices between kinds: `input.csv = {..}`, `auth.bearer = ".."`.
//!
//! Structure comes from the `KINDS` tables of the open families; nothing here knows a kind by name.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{auth, paginate};

/// The schema keyword that lists keys of which exactly one must stand there.
pub const EXACTLY_ONE: &str = "x-paceline-exactly-one";

/// A kind and what is written under its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindSpec {
    /// Name of the kind.
    pub kind: String,
    /// The value under it.
    pub value: Value,
}

/// A row of a `KINDS` table, as far as the schema needs it.
pub(super) struct KindRow {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) example: &'static str,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

/// One property for each kind, described by the doc line of its row.
pub(super) fn properties(generator: &mut SchemaGenerator, rows: impl Iterator<Item = KindRow>) -> Map<String, Value> {
    let described = |row: KindRow| {
        let mut schema = (row.schema)(generator).to_value();
        if schema.get("$ref").is_some() || !schema.is_object() {
            schema = json!({ "allOf": [schema] });
        }
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), row.doc.into());
            if let Some(example) = toml::from_str(row.example).ok().and_then(|example| written_under(example, row.name))
            {
                object.entry("examples").or_insert_with(|| json!([example]));
            }
        }
        (row.name.to_owned(), schema)
    };
    rows.map(described).collect()
}

/// The value that stands under a key, however deep.
fn written_under(example: Value, key: &str) -> Option<Value> {
    let Value::Object(entries) = example else { return None };
    entries.into_iter().find_map(|(name, value)| if name == key { Some(value) } else { written_under(value, key) })
}

/// A table that holds exactly one of the kinds.
fn one_of_kinds(generator: &mut SchemaGenerator, rows: impl Iterator<Item = KindRow>) -> Value {
    let properties = properties(generator, rows);
    let names: Vec<&String> = properties.keys().collect();
    json!({
        "type": "object",
        EXACTLY_ONE: names,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// The kind of a table that has nothing but kinds.
pub(super) fn single<E: serde::de::Error>(map: Map<String, Value>) -> Result<KindSpec, E> {
    let mut entries = map.into_iter();
    match (entries.next(), entries.next()) {
        (Some((kind, value)), None) => Ok(KindSpec { kind, value }),
        _ => Err(E::custom("exactly one kind must be chosen")),
    }
}

/// A short string, or a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ShortOrKind {
    /// The common case, a string.
    Short(String),
    /// A kind by its name.
    Kind(KindSpec),
}

impl<'de> Deserialize<'de> for ShortOrKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(short) => Ok(Self::Short(short)),
            Value::Object(map) => single(map).map(Self::Kind),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(D::Error::custom("neither a string nor a table"))
            }
        }
    }
}

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident, $schema_name:literal, $kinds:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct $name(pub KindSpec);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                single(Map::deserialize(deserializer)?).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let rows = $kinds.iter().map(|row| KindRow {
                    name: row.name,
                    doc: row.doc,
                    example: row.example,
                    schema: row.schema,
                });
                let kinds = one_of_kinds(generator, rows);
                json_schema!({ "allOf": [kinds] })
            }
        }
    };
}

kind! {
    /// What proves who asks.
    AuthSpec, "Auth", auth::KINDS
}
kind! {
    /// How a list is walked from page to page.
    PaginateSpec, "Paginate", paginate::KINDS
}
