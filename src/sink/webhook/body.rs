//! Lines of a spool as the body of a request. The same lines give the same bytes, whatever session makes them.
//!
//! Must never leave a record out: what can't be read is an error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sink::cells::json;
use crate::sink::spooled::{Head, Line, Lines, Setback};

/// How records stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BodyForm {
    /// One JSON array.
    #[default]
    Json,
    /// JSON lines.
    Jsonl,
}

impl BodyForm {
    /// As in the job.
    pub fn words(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
        }
    }

    /// The content type of such a body.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// The body of these lines, and how many records it has. A record that has to go again was sent: nobody takes it back,
    /// and the one that comes for its row stands further on.
    pub fn body(self, head: &Head, lines: &mut Lines<'_>) -> Result<(Vec<u8>, u64), Setback> {
        let (mut body, mut records) = (Vec::new(), 0);
        for line in lines {
            let Line::Record(values) = line? else { continue };
            if self == Self::Json {
                body.push(if records == 0 { b'[' } else { b',' });
            }
            body.push(b'{');
            for (position, (name, value)) in head.columns.iter().zip(&values).enumerate() {
                if position > 0 {
                    body.push(b',');
                }
                json(name, &mut body);
                body.push(b':');
                json(value, &mut body);
            }
            body.push(b'}');
            if self == Self::Jsonl {
                body.push(b'\n');
            }
            records += 1;
        }
        if self == Self::Json && records > 0 {
            body.push(b']');
        }
        Ok((body, records))
    }
}
