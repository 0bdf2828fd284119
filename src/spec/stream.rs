//! Endpoints that stay open: WebSockets and server-sent events, as written.
//!
//! The doc comments are what editors show; they are part of the language. Must never decide anything.

use std::borrow::Cow;
use std::num::NonZeroU64;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::{DurationSpec, JitterSpec, ListSpec, PositiveDurationSpec, RateSpec, SizeSpec};

/// Most frames that are sent when a socket has opened.
pub const MOST_FRAMES: usize = 1_000;

/// A socket for each row: what is sent over it, and until when its messages are collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebsocketSpec {
    /// The URL, a template: `ws://`, `wss://`, or `demo:` for the API built into the program.
    #[schemars(length(min = 1), extend("examples" = ["wss://stream.example.com/{{ row.symbol }}"]))]
    pub url: String,
    /// Subprotocols that are offered, the one that is liked best first; a server that chooses none of them is refused. Absent: none.
    #[schemars(extend("examples" = ["graphql-transport-ws", ["v2.example", "v1.example"]]))]
    pub protocols: Option<ListSpec<String>>,
    /// What is sent when the socket has opened, and again after every reconnect: texts (templates), or tables with `json`, `text` or
    /// `file`. `last` is the record before, its columns null before the first one. Absent: nothing.
    #[schemars(extend("maxItems" = MOST_FRAMES, "examples" = [[{ "json": { "subscribe": "{{ row.symbol }}" } }], ["hello"]]))]
    pub send: Option<Vec<FrameSpec>>,
    /// How fast frames are sent, over all sockets of the endpoint; absent: as fast as the sockets take them.
    #[schemars(extend("examples" = ["10/s"]))]
    pub send_rate: Option<ListSpec<RateSpec>>,
    /// When a row has all of its messages; at least one of its keys must be given.
    pub until: UntilSpec,
    /// Pings, by which a connection that died in silence is found.
    pub heartbeat: Option<HeartbeatSpec>,
    /// What happens when the socket closes before its row has ended.
    pub reconnect: Option<ReconnectSpec>,
    /// Largest message; a larger one fails the row.
    #[schemars(extend("default" = "1MiB"))]
    pub max_message: Option<SizeSpec>,
}

/// Server-sent events for each row, and until when they are collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SseSpec {
    /// The URL, a template; `demo:/..` is the API built into the program.
    #[schemars(length(min = 1), extend("examples" = ["https://stream.example.com/{{ row.symbol }}"]))]
    pub url: String,
    /// Types of events that are taken; absent: all.
    #[schemars(extend("minItems" = 1, "examples" = ["trade", ["trade", "quote"]]))]
    pub events: Option<ListSpec<String>>,
    /// When a row has all of its events; at least one of its keys must be given.
    pub until: UntilSpec,
    /// What happens when the stream ends before its row has. A time that the server names (`retry:`) is waited for.
    pub reconnect: Option<ReconnectSpec>,
    /// Largest event; a larger one fails the row.
    #[schemars(extend("default" = "1MiB"))]
    pub max_message: Option<SizeSpec>,
}

/// When a row has all of its messages: what comes first counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("minProperties" = 1, "x-paceline-empty" = "say when a row has all of its messages", "examples" = [{ "messages": 100, "idle": "30s" }]))]
pub struct UntilSpec {
    /// After so many messages, counted over reconnects and sessions; those that a rule skips do not count. Absent: any number.
    #[schemars(extend("examples" = [100]))]
    pub messages: Option<NonZeroU64>,
    /// When an open connection has given no message for so long. Absent: silence ends no row.
    #[schemars(extend("examples" = ["30s"]))]
    pub idle: Option<PositiveDurationSpec>,
    /// When so much time has gone since the row's first connection of this session. Absent: no time ends a row.
    #[schemars(extend("examples" = ["5m"]))]
    pub time: Option<PositiveDurationSpec>,
    /// With the message that meets this condition, which is taken too. Absent: no message does.
    #[schemars(length(min = 1), extend("examples" = ["json.done"]))]
    pub when: Option<String>,
}

/// A frame that is sent: a text, or a table with exactly one of the three.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameSpec {
    /// A text, a template.
    Text(String),
    /// A table.
    Table(FrameTable),
}

/// A frame that is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("x-paceline-exactly-one" = ["json", "text", "file"]))]
pub struct FrameTable {
    /// JSON, as a text frame; its strings are templates, and one that is a single `{{ }}` keeps its type.
    #[schemars(extend("examples" = [{ "subscribe": "{{ row.symbol }}" }]))]
    #[schemars(extend("additionalProperties" = true))]
    pub json: Option<Value>,
    /// A text frame, a template.
    #[schemars(extend("examples" = ["SUBSCRIBE {{ row.symbol }}"]))]
    pub text: Option<String>,
    /// A binary frame: what a file holds, relative to the job file; a template as that of `body-file`.
    #[schemars(length(min = 1), extend("examples" = ["hello.bin"]))]
    pub file: Option<String>,
}

/// Pings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeartbeatSpec {
    /// A ping when nothing has come for so long; 0s: none.
    #[schemars(extend("default" = "30s", "examples" = ["20s"]))]
    pub every: Option<DurationSpec>,
    /// A socket from which nothing comes for so long after a ping is given up, and opened again.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<PositiveDurationSpec>,
}

/// What happens when a connection ends before its row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReconnectSpec {
    /// Reconnects in a row without a message in between; 0: none.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 5))]
    pub attempts: Option<u32>,
    /// First wait.
    #[schemars(extend("default" = "1s"))]
    pub initial: Option<DurationSpec>,
    /// Longest wait; each is twice the one before.
    #[schemars(extend("default" = "30s"))]
    pub max: Option<DurationSpec>,
    /// Spread of the wait: a name, or a share such as 0.25 for plus or minus 25 %.
    #[schemars(extend("default" = "full"))]
    pub jitter: Option<JitterSpec>,
}

impl<'de> Deserialize<'de> for FrameSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            table => FrameTable::deserialize(table).map(Self::Table).map_err(D::Error::custom),
        }
    }
}

impl Serialize for FrameSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

impl JsonSchema for FrameSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Frame".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "examples": ["SUBSCRIBE {{ row.symbol }}"] },
            generator.subschema_for::<FrameTable>(),
        ] })
    }
}
