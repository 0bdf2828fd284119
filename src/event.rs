//! Events: what happened in a run, owned and serializable. Reporters look at events and counters and
//! never at the run itself. Started and finished events always balance.

use serde::{Deserialize, Serialize};

/// Version of the event format; grows when a field changes its meaning.
pub const VERSION: u32 = 1;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began, or went on.
    RunStarted {
        /// [`VERSION`].
        version: u32,
        /// Name of the job.
        job: String,
        /// Id of the run; the same over resumes.
        run: String,
        /// Rows that earlier sessions of this run already committed.
        resumed_rows: u64,
    },
    /// An endpoint began its work.
    EndpointStarted {
        /// Its name.
        endpoint: String,
        /// Rows to come, where the source knows.
        rows: Option<u64>,
    },
    /// A batch began.
    BatchStarted {
        /// The endpoint.
        endpoint: String,
        /// One-based number of the batch in this session.
        batch: u64,
    },
    /// Every row of a batch has ended, or the run drains.
    BatchFinished {
        /// The endpoint.
        endpoint: String,
        /// The batch.
        batch: u64,
        /// Its rows.
        rows: u64,
    },
    /// An attempt has ended. Told only where somebody asks for every attempt.
    Attempted {
        /// The endpoint.
        endpoint: String,
        /// The row.
        row: u64,
        /// Its number, from 1; 0 when nothing could be sent.
        attempt: u32,
        /// Status of the reply, if one came.
        status: Option<u16>,
        /// Milliseconds on the wire, if it got there.
        duration_ms: Option<f64>,
        /// What follows: `accept`, `retry`, `throttle`, `skip`, `fail`, `unknown`, `stop`.
        verdict: String,
        /// Why, masked, where it was not accepted.
        reason: Option<String>,
        /// Until the next attempt, in milliseconds, where there will be one.
        wait_ms: Option<u64>,
    },
    /// An attempt failed and will be made again.
    Retrying {
        /// The endpoint.
        endpoint: String,
        /// The row.
        row: u64,
        /// Attempts so far.
        attempts: u32,
        /// Why, masked.
        reason: String,
        /// Until the next attempt, in milliseconds.
        wait_ms: u64,
    },
    /// A row may not go yet, although no attempt of it has failed. Told only where somebody asks for every attempt;
    /// once, however often it asks again in vain.
    Postponed {
        /// The endpoint.
        endpoint: String,
        /// The row.
        row: u64,
        /// What it waits for.
        reason: String,
        /// Until it asks again, in milliseconds.
        wait_ms: u64,
    },
    /// A server's word holds a limit.
    Held {
        /// Name of the limit.
        limit: String,
        /// For how long from now, in milliseconds.
        wait_ms: u64,
    },
    /// Every call to a host failed: the endpoint pauses and sends single requests to see whether it is back.
    OutageBegan {
        /// The endpoint.
        endpoint: String,
        /// The host.
        host: String,
        /// Why the last one failed, masked.
        reason: String,
        /// Until the first of these requests, in milliseconds.
        wait_ms: u64,
    },
    /// The host answers again.
    OutageEnded {
        /// The endpoint.
        endpoint: String,
        /// The host.
        host: String,
        /// How long it did not, in milliseconds.
        lasted_ms: u64,
    },
    /// A row failed for good.
    RowFailed {
        /// The endpoint.
        endpoint: String,
        /// The row.
        row: u64,
        /// Why, masked.
        reason: String,
    },
    /// A row was left out because the row of another endpoint that was to give it failed.
    RowSkipped {
        /// The endpoint.
        endpoint: String,
        /// The row.
        row: u64,
        /// Which row failed and why, masked.
        reason: String,
    },
    /// Something legal and suspicious.
    Warning {
        /// What.
        message: String,
    },
    /// Somebody paused the run: no request leaves, those on the wire end.
    Paused {
        /// How many these are.
        on_wire: u64,
    },
    /// Requests leave again.
    Resumed {
        /// How long the pause was, in milliseconds.
        paused_ms: u64,
    },
    /// Somebody changed how many requests may be in flight.
    ConcurrencyChanged {
        /// Every endpoint that has work.
        endpoints: Vec<Allowance>,
    },
    /// No more rows are begun; those in flight end.
    Draining {
        /// Why.
        reason: String,
    },
    /// An endpoint has no more work.
    EndpointFinished {
        /// Its name.
        endpoint: String,
    },
    /// The run ended.
    RunFinished {
        /// Whether every row has ended.
        complete: bool,
    },
}

/// How many requests of an endpoint somebody allows to be in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The endpoint.
    pub endpoint: String,
    /// So many.
    pub requests: u64,
    /// As many as the job allows.
    pub most: u64,
}
