//! Events: what happened in a run, owned and serializable. Reporters look at events and counters and
//! never at the run itself. Started and finished events always balance.
//!
//! What stands here is also the format of `--events`: the JSON Schema is made of these types and their comments, so
//! that these speak to whoever reads a stream. Rows are counted from zero in the program and written from one, as
//! records and summaries show them. Must never change the meaning of a field without another [`VERSION`].

mod schema;
mod sent;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

pub use schema::{Line, schema_text};
pub use sent::Sent;
pub use summary::{Bound, Bytes, EndpointRows, FailureGroup, Percentiles, Records, Rows, Stream, Summary, Written};

/// Version of the event format; grows when a field changes its meaning, and not for new events or fields.
pub const VERSION: u32 = 1;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began, or went on: the first event of a session.
    RunStarted {
        /// Version of paceline.
        paceline: String,
        /// Name of the job.
        job: String,
        /// Id of the run; the same over the sessions that go on with it.
        run: String,
        /// Rows that earlier sessions of this run have committed.
        resumed_rows: u64,
    },
    /// An endpoint began its work.
    EndpointStarted {
        /// Its name.
        endpoint: String,
        /// Rows of its input, where known.
        rows: Option<u64>,
        /// What earlier sessions of this run have committed. What they did beyond that is done again.
        before: Rows,
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
    /// An attempt has ended. Told only where somebody asks for every attempt (`--events-detail attempts`).
    Attempted {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1; of several in one request, the first.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
        row: u64,
        /// Its number, from 1; 0 when nothing could be sent.
        attempt: u32,
        /// Why it was made again, in a word; null for the first one of its row.
        again_after: Option<String>,
        /// Status of the reply, if one came.
        status: Option<u16>,
        /// Whether the whole reply came; only whole ones count in `statuses`.
        whole: bool,
        /// Milliseconds on the wire, if it got there.
        duration_ms: Option<f64>,
        /// What follows: `accept`, `retry`, `throttle`, `skip`, `split`, `fail`, `unknown`, `stop`.
        verdict: String,
        /// Why, masked, where it was not accepted.
        reason: Option<String>,
        /// Until the next attempt, in milliseconds, where there will be one.
        wait_ms: Option<u64>,
        /// What it was on the wire, for reporters in this process alone: it may hold secrets.
        #[serde(skip)]
        sent: Option<Arc<Sent>>,
    },
    /// An attempt failed and will be made again.
    Retrying {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
        row: u64,
        /// Attempts so far.
        attempts: u32,
        /// Why, masked.
        reason: String,
        /// Until the next attempt, in milliseconds.
        wait_ms: u64,
    },
    /// A row may not go yet, although no attempt of it has failed. Told only where somebody asks for every attempt
    /// (`--events-detail attempts`); once, however often it asks again in vain.
    Postponed {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
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
    /// An outage is over: the host answers again, or the run ends first.
    OutageEnded {
        /// The endpoint.
        endpoint: String,
        /// The host.
        host: String,
        /// How long it lasted, in milliseconds.
        lasted_ms: u64,
        /// Whether the host answers again.
        answered: bool,
    },
    /// A row failed for good.
    RowFailed {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
        row: u64,
        /// Why, masked. `failures` of `run-finished` groups rows by the part of it that many of them share.
        reason: String,
    },
    /// A row was left out because the row of another endpoint that was to give it failed.
    RowSkipped {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
        row: u64,
        /// Which row failed and why, masked.
        reason: String,
    },
    /// A row has ended, and its records are with the outputs: the last word on it, told in the order of writing. Told
    /// only where somebody asks for every row (`--events-detail rows` or `attempts`).
    RowEnded {
        /// The endpoint.
        endpoint: String,
        /// The row, from 1.
        #[serde(serialize_with = "from_one")]
        #[schemars(with = "u64", range(min = 1))]
        row: u64,
        /// How.
        ending: RowEnding,
        /// Whether nobody knows what the server did with its request; such a row failed.
        unknown: bool,
        /// Attempts made for it, in this session and before.
        attempts: u32,
        /// Its records, of its last page where it has several.
        records: u64,
    },
    /// What has ended so far is on disk: a session that goes on does not send it again.
    Committed {
        /// Rows of the whole run.
        rows: Rows,
        /// Records by output, of this session.
        outputs: Vec<Written>,
    },
    /// How far an endpoint is: once a second while it works, and at the end. Everything is counted from the start of
    /// the session.
    Progress {
        /// The endpoint.
        endpoint: String,
        /// Rows of its input, where known.
        rows: Option<u64>,
        /// Rows that earlier sessions have committed.
        resumed_rows: u64,
        /// Rows that ended well.
        ok: u64,
        /// Rows that failed.
        failed: u64,
        /// Rows that were skipped.
        skipped: u64,
        /// Attempts.
        attempts: u64,
        /// Attempts that were not the first of their row.
        retries: u64,
        /// Messages taken, of an endpoint whose connections stay open; null for others.
        messages: Option<u64>,
        /// Requests under way now.
        in_flight: u64,
    },
    /// Events were left out at this point, because they were not taken as fast as they happened: those about single rows
    /// first, and where nobody takes any for long, others too. The end of what was told to have begun is always told, and
    /// of what was left out the end is left out as well.
    LeftOut {
        /// How many, by the name of the event.
        events: BTreeMap<String, u64>,
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
    /// An endpoint has no more work. Its last records may still be on their way to the outputs.
    EndpointFinished {
        /// Its name.
        endpoint: String,
    },
    /// The session ended: its last event, with what the summary says.
    RunFinished {
        /// Whether every row has ended.
        complete: bool,
        /// What there is to be said of it.
        #[serde(flatten)]
        summary: Box<Summary>,
    },
}

/// How many requests of an endpoint somebody allows to be in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Allowance {
    /// The endpoint.
    pub endpoint: String,
    /// So many.
    pub requests: u64,
    /// As many as the job allows.
    pub most: u64,
}

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowEnding {
    /// Well.
    Ok,
    /// It failed for good.
    Failed,
    /// It was left out.
    Skipped,
}

/// Who is told of an event about a single row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearers {
    /// Everybody.
    All,
    /// Who asks for every row that ends.
    OfRows,
    /// Who asks for every attempt.
    OfAttempts,
}

impl Event {
    /// The name of an event about a single row, of which there may be millions, and who is told; `None`: it is about
    /// more than that.
    #[must_use]
    pub fn about_a_row(&self) -> Option<(&'static str, Hearers)> {
        match self {
            Self::Attempted { .. } => Some(("attempted", Hearers::OfAttempts)),
            Self::Retrying { .. } => Some(("retrying", Hearers::All)),
            Self::Postponed { .. } => Some(("postponed", Hearers::OfAttempts)),
            Self::RowFailed { .. } => Some(("row-failed", Hearers::All)),
            Self::RowSkipped { .. } => Some(("row-skipped", Hearers::All)),
            Self::RowEnded { .. } => Some(("row-ended", Hearers::OfRows)),
            // Every reply of a server that throttles may hold a limit.
            Self::Held { .. } => Some(("held", Hearers::All)),
            Self::RunStarted { .. }
            | Self::EndpointStarted { .. }
            | Self::BatchStarted { .. }
            | Self::BatchFinished { .. }
            | Self::OutageBegan { .. }
            | Self::OutageEnded { .. }
            | Self::Committed { .. }
            | Self::Progress { .. }
            | Self::LeftOut { .. }
            | Self::Warning { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::ConcurrencyChanged { .. }
            | Self::Draining { .. }
            | Self::EndpointFinished { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}

/// A thing that begins and ends, of which there may be any number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stretch {
    /// A batch of an endpoint.
    Batch(String, u64),
    /// An outage: endpoint and host.
    Outage(String, String),
    /// A pause by hand.
    Pause,
}

/// What an event that is not about a single row is to whoever has to leave some out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It is told in any case: there are few.
    Kept,
    /// It stands for itself.
    Alone(&'static str),
    /// Something begins with it.
    Begin(&'static str, Stretch),
    /// Something ends with it.
    End(&'static str, Stretch),
}

impl Event {
    /// What it is to whoever has to leave out more than what is about single rows.
    #[must_use]
    pub fn part(&self) -> Part {
        let batch = |endpoint: &String, batch: &u64| Stretch::Batch(endpoint.clone(), *batch);
        let outage = |endpoint: &String, host: &String| Stretch::Outage(endpoint.clone(), host.clone());
        match self {
            Self::BatchStarted { endpoint, batch: number } => Part::Begin("batch-started", batch(endpoint, number)),
            Self::BatchFinished { endpoint, batch: number, .. } => Part::End("batch-finished", batch(endpoint, number)),
            Self::OutageBegan { endpoint, host, .. } => Part::Begin("outage-began", outage(endpoint, host)),
            Self::OutageEnded { endpoint, host, .. } => Part::End("outage-ended", outage(endpoint, host)),
            Self::Paused { .. } => Part::Begin("paused", Stretch::Pause),
            Self::Resumed { .. } => Part::End("resumed", Stretch::Pause),
            Self::Committed { .. } => Part::Alone("committed"),
            Self::Progress { .. } => Part::Alone("progress"),
            Self::Warning { .. } => Part::Alone("warning"),
            Self::ConcurrencyChanged { .. } => Part::Alone("concurrency-changed"),
            Self::Attempted { .. }
            | Self::Retrying { .. }
            | Self::Postponed { .. }
            | Self::RowFailed { .. }
            | Self::RowSkipped { .. }
            | Self::RowEnded { .. }
            | Self::Held { .. } => Part::Alone(self.about_a_row().map_or("", |(name, _)| name)),
            Self::RunStarted { .. }
            | Self::EndpointStarted { .. }
            | Self::LeftOut { .. }
            | Self::Draining { .. }
            | Self::EndpointFinished { .. }
            | Self::RunFinished { .. } => Part::Kept,
        }
    }
}

/// Rows as people count them.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn from_one<S: Serializer>(row: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(row.saturating_add(1))
}
