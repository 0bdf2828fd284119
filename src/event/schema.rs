//! A line of `--events`, and the JSON Schema of lines, draft-07, made of the types that are written.
//!
//! Must never be stricter than what a reader may rely on: later events and fields have to fit as well.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Event;

/// A line of the stream that `paceline run --events` writes: what happened, when, and in which session.
///
/// A stream may hold several sessions one behind the other, each from `run-started` to `run-finished`; the last line of
/// one that was killed is whatever it wrote last. Ignore events and fields that you do not know: later releases add
/// some, and `version` stays. It grows only when a field changes its meaning.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "An event of paceline")]
pub struct Line<'e> {
    /// Version of the format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Which session it belongs to: each process that works on a run has an id of its own.
    #[schemars(regex(pattern = "^[0-9a-f]{8}$"))]
    pub session: &'e str,
    /// Position in the session, from 0 and without a gap.
    pub seq: u64,
    /// When it happened, RFC 3339 in UTC with milliseconds; by the wall clock, which may be set back.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"))]
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: &'e Event,
}

/// The schema of a line as it is kept in `schemas/event.schema.json`, with a final newline.
#[must_use]
pub fn schema_text() -> String {
    let settings = SchemaSettings::draft07().for_serialize().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<Line<'_>>();
    let schema = schema.ensure_object();
    // What it is, before what it says.
    let heads = ["$schema", "title", "description"].iter();
    let mut ordered: Map<String, Value> =
        heads.filter_map(|head| schema.shift_remove(*head).map(|value| ((*head).to_owned(), value))).collect();
    ordered.append(schema);
    format!("{:#}\n", Value::Object(ordered))
}

/// Sizes of machine numbers are no business of a reader.
fn plain(schema: &mut Schema) {
    let of_numbers = ["uint8", "uint16", "uint32", "uint64", "double"];
    if schema.get("format").and_then(|format| format.as_str()).is_some_and(|format| of_numbers.contains(&format)) {
        schema.remove("format");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/event.schema.json");
        if crate::environment::variable("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, schema_text()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == schema_text(), "schemas/event.schema.json is stale: run the tests with UPDATE_SCHEMA=1");
    }

    #[test]
    fn a_line_is_flat_and_counts_rows_from_one() {
        let event = Event::RowFailed { endpoint: "price".into(), row: 0, reason: "404 Not Found".into() };
        let time = "2026-11-20T15:04:05.123Z".to_owned();
        let line = Line { version: 1, session: "0badcafe", seq: 7, time, event: &event };
        let expected = "{\"version\":1,\"session\":\"0badcafe\",\"seq\":7,\"time\":\"2026-11-20T15:04:05.123Z\",\
                        \"event\":\"row-failed\",\"endpoint\":\"price\",\"row\":1,\"reason\":\"404 Not Found\"}";
        assert_eq!(serde_json::to_string(&line).unwrap(), expected);
        assert_eq!(event.about_a_row().map(|(name, _)| name), Some("row-failed"));
    }
}
