//! What the last event of a session says: the numbers of the summary.
//!
//! Plain data, made in `run::summing`. Must never hold what the summary does not say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::from_one;
use crate::recap::EndingKind;

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rows {
    /// Ended well.
    pub ok: u64,
    /// Failed for good.
    pub failed: u64,
    /// Left out.
    pub skipped: u64,
    /// Of those that failed, those of which nobody knows what the server did with their requests.
    pub unknown: u64,
}

/// Rows of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EndpointRows {
    /// Its name.
    pub endpoint: String,
    /// Its rows.
    pub rows: Rows,
}

/// Rows that failed for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailureGroup {
    /// The endpoint.
    pub endpoint: String,
    /// Why, masked.
    pub reason: String,
    /// How many.
    pub rows: u64,
    /// One of them, from 1.
    #[serde(serialize_with = "from_one")]
    #[schemars(with = "u64", range(min = 1))]
    pub example_row: u64,
}

/// What held a session back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Bound {
    /// What.
    pub what: String,
    /// For which share of the time, 0 to 1.
    pub share: f64,
}

/// Durations on the wire, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Percentiles {
    /// Half of the attempts did not take longer.
    pub p50: f64,
    /// 95 of 100 did not take longer.
    pub p95: f64,
    /// 99 of 100 did not take longer.
    pub p99: f64,
}

/// Bytes of requests and replies, heads included, TLS and retransmissions not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bytes {
    /// To servers.
    pub sent: u64,
    /// From servers.
    pub received: u64,
}

/// Records of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Written {
    /// Name of the sink.
    pub sink: String,
    /// How many.
    pub records: u64,
}

/// Records of an output, and where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Records {
    /// Name of the sink.
    pub sink: String,
    /// A path or a place.
    pub target: String,
    /// Records written in this session.
    pub records: u64,
}

/// What came over the connections of an endpoint that stay open, in this session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stream {
    /// The endpoint.
    pub endpoint: String,
    /// Messages taken.
    pub messages: u64,
    /// Why connections were opened again, in a word, and how often; they count as retries, too.
    pub reconnects_by_reason: BTreeMap<String, u64>,
    /// Codes of closes and how often: `1005` where none was given, `1006` where no close came, `other` beyond the first fifty.
    pub closes: BTreeMap<String, u64>,
}

/// What a session came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// How it ended. `complete` and `partial` leave with exit code 0, or 1 where one of `failed_conditions` held;
    /// `interrupted` with 129, 130 or 143, `stopped` with 4, `broken` with 3.
    pub ending: EndingKind,
    /// Why, masked, where there is a reason: of `interrupted` the signal.
    pub reason: Option<String>,
    /// When going on makes sense, RFC 3339, where that is known.
    pub resume_at: Option<String>,
    /// Rows of the whole run, over all sessions.
    pub rows: Rows,
    /// The same by endpoint.
    pub endpoints: Vec<EndpointRows>,
    /// Rows that earlier sessions had committed.
    pub resumed_rows: u64,
    /// Attempts of this session.
    pub attempts: u64,
    /// Those that were not the first of their row.
    pub retries: u64,
    /// Why attempts were made again, in a word, and how often.
    pub retries_by_reason: BTreeMap<String, u64>,
    /// Messages of endpoints whose connections stay open.
    pub streams: Vec<Stream>,
    /// Statuses of whole replies of this session, and how often.
    pub statuses: BTreeMap<u16, u64>,
    /// Rows that failed in this session, by endpoint and reason, most frequent first.
    pub failures: Vec<FailureGroup>,
    /// Durations of this session's attempts on the wire; null when there were none.
    pub latency_ms: Option<Percentiles>,
    /// What went over the wire in this session.
    pub bytes: Bytes,
    /// What held this session back, most first.
    pub bound_by: Vec<Bound>,
    /// Where records went.
    pub outputs: Vec<Records>,
    /// How long the session took, in milliseconds.
    pub elapsed_ms: u64,
    /// Conditions of `run.fail-if` that held, as written.
    pub failed_conditions: Vec<String>,
    /// What was legal and suspicious.
    pub warnings: Vec<String>,
}
