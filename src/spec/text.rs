//! Plain values of the spec that are written as one TOML scalar or as one or many of them.
//!
//! Each carries its own schema, so that editors and the shape check know its format. Must never
//! decide anything.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scalar;
use crate::limit::Window;

macro_rules! scalar_text {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $parse:path, $format:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            text: String,
            value: $inner,
        }

        impl $name {
            /// As written.
            #[must_use]
            pub fn text(&self) -> &str {
                &self.text
            }

            /// What it means.
            #[must_use]
            pub fn get(&self) -> $inner {
                self.value
            }
        }

        impl TryFrom<String> for $name {
            type Error = scalar::ScalarError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Ok(Self { value: $parse(&text)?, text })
            }
        }

        impl From<$name> for String {
            fn from(scalar: $name) -> Self {
                scalar.text
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

scalar_text! {
    /// A duration such as `"1h 30m"`; zero is fine.
    DurationSpec, Duration, scalar::duration, "paceline-duration",
    r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|h|d)\s*)+$"
}
scalar_text! {
    /// A duration above zero.
    PositiveDurationSpec, Duration, scalar::positive_duration, "paceline-positive-duration",
    r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|h|d)\s*)+$"
}
scalar_text! {
    /// A size such as `"64MiB"`, above zero.
    SizeSpec, u64, scalar::positive_size, "paceline-size",
    r"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)$"
}
scalar_text! {
    /// A rate such as `"10/s"`.
    RateSpec, Window, scalar::rate, "paceline-rate",
    r"^\s*[0-9]+\s*/\s*([0-9]+(\.[0-9]+)?)?(ms|s|m|h|d)(\s*[0-9]+(\.[0-9]+)?(ms|s|m|h|d))*\s*$"
}
scalar_text! {
    /// A share such as `"20%"`, as a share of 1.
    ShareSpec, f64, scalar::share, "paceline-share", r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"
}
scalar_text! {
    /// `address:port`.
    AddressSpec, std::net::SocketAddr, scalar::address, "paceline-address", r"^.+:[0-9]+$"
}

/// A status, or a class of them: `404` or `"2xx"`; an inclusive range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusSpec(pub u16, pub u16);

impl<'de> Deserialize<'de> for StatusSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(class) => {
                scalar::status_class(&class).map(|(first, last)| Self(first, last)).map_err(D::Error::custom)
            }
            other => {
                let status = u16::deserialize(other).map_err(D::Error::custom)?;
                Ok(Self(status, status))
            }
        }
    }
}

impl Serialize for StatusSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == self.1 {
            self.0.serialize(serializer)
        } else {
            format!("{}xx", self.0 / 100).serialize(serializer)
        }
    }
}

impl JsonSchema for StatusSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "format": "paceline-status", "pattern": "^[1-5]xx$" },
        ] })
    }
}

/// The spread of a wait: a name, or a share of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JitterSpec {
    /// `"full"`
    Full,
    /// `"equal"`
    Equal,
    /// `"none"`
    None,
    /// Plus or minus this share.
    Share(f64),
}

const JITTER_NAMES: [(&str, JitterSpec); 3] =
    [("full", JitterSpec::Full), ("equal", JitterSpec::Equal), ("none", JitterSpec::None)];

impl<'de> Deserialize<'de> for JitterSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => JITTER_NAMES
                .into_iter()
                .find(|(known, _)| *known == name)
                .map(|(_, jitter)| jitter)
                .ok_or_else(|| D::Error::custom("no such jitter")),
            other => f64::deserialize(other).map(Self::Share).map_err(D::Error::custom),
        }
    }
}

impl Serialize for JitterSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Share(share) => share.serialize(serializer),
            Self::Full => "full".serialize(serializer),
            Self::Equal => "equal".serialize(serializer),
            Self::None => "none".serialize(serializer),
        }
    }
}

impl JsonSchema for JitterSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Jitter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "enum": JITTER_NAMES.map(|(name, _)| name) },
            { "type": "number", "minimum": 0.0, "maximum": 1.0 },
        ] })
    }
}

/// A string, number or boolean that is sent as text; a string is a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TextSpec(pub String);

impl<'de> Deserialize<'de> for TextSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            scalar @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(scalar.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(D::Error::custom("not a scalar")),
        }
    }
}

impl JsonSchema for TextSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "number", "boolean"] })
    }
}

/// One, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ListSpec<T>(pub Vec<T>);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for ListSpec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = match Value::deserialize(deserializer)? {
            Value::Array(list) => list,
            one => vec![one],
        };
        list.into_iter().map(T::deserialize).collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for ListSpec<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item.clone(), { "type": "array", "items": item, "minItems": 1 }] })
    }
}

/// One, or a list of them, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AnyListSpec<T>(pub Vec<T>);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for AnyListSpec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ListSpec::deserialize(deserializer).map(|ListSpec(list)| Self(list))
    }
}

impl<T: JsonSchema> JsonSchema for AnyListSpec<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("AnyNumberOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
    }
}

/// A table of named things, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The thing of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, thing)| thing)
    }
}

struct NamedVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = Vec::new();
        while let Some(entry) = map.next_entry()? {
            named.push(entry);
        }
        Ok(Named(named))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(std::marker::PhantomData))
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, thing)| (name, thing)))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let thing = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": thing })
    }
}
