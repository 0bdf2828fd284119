//! A lane: one endpoint at work, with all that its workers share.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::auth::Auth;
use crate::extract::Wanted;
use crate::journal::Intents;
use crate::limit::Limiter;
use crate::plan::request::RequestPlan;
use crate::plan::{EndpointPlan, Meta, Plan};
use crate::record::{Ending, Outcome, Record};
use crate::row::Row;
use crate::save::{Saver, Saves};
use crate::secret::{Masker, Secrets};
use crate::transport::{Reply, Transport, socket};

use super::control::Control;
use super::live::{self, Live};
use super::mailbox::Mailbox;
use super::meter::Meter;
use super::queue::Queue;

/// What all lanes of a run share.
#[derive(Debug)]
pub struct Shared {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Live secrets.
    pub secrets: Secrets,
    /// Keeps secrets out of texts.
    pub masker: Masker,
    /// Keeps secrets that a server says back out of records.
    pub record_masker: Masker,
    /// To the scribe.
    pub outbox: Mailbox<Outcome>,
    /// Counters for reporters.
    pub live: Live,
    /// Latencies, statuses, reasons.
    pub meter: Meter,
    /// To the conductor.
    pub control: Control,
    /// What is saved to files, and waits for the next commit.
    pub saves: Arc<Saves>,
    /// Id of the run, the same over all its sessions.
    pub run: String,
    /// Notes requests that must not be repeated; `None`: no endpoint has such.
    pub intents: Option<Intents>,
}

/// See the module.
pub struct Lane {
    /// Position of the endpoint in the plan.
    pub index: usize,
    /// Workers.
    pub slots: usize,
    /// Prepared requests.
    pub request: RequestPlan,
    /// An auth that works while the run goes on: it fetches, or signs.
    pub auth: Option<Arc<dyn Auth>>,
    /// Connections.
    pub transport: Arc<dyn Transport>,
    /// Buckets; at least one, so that a server's word always has something to hold.
    pub limiters: Vec<Arc<Limiter>>,
    /// Calls.
    pub queue: Queue,
    /// What the columns want of a JSON body; `None`: the body need not be JSON.
    pub wanted: Option<Wanted>,
    /// What attempts save with; `None`: bodies are not saved.
    pub saver: Option<Arc<Saver>>,
    /// Whether columns need a body.
    pub needs_body: bool,
    /// Whether anything reads the body as text.
    pub reads_body: bool,
    /// Whether the job asks for a part of a body, so that 206 is an answer.
    pub asks_part: bool,
    /// Whether columns see `meta`.
    pub needs_meta: bool,
    /// What the lanes share.
    pub shared: Arc<Shared>,
}

/// What is known of a call's last attempt, for its meta columns.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastAttempt<'a> {
    /// The reply, if there was one.
    pub reply: Option<&'a Reply>,
    /// Milliseconds on the wire; `None` when it never got there.
    pub duration_ms: Option<f64>,
    /// What the columns want of the reply's JSON body; the whole body where `body` is a meta column.
    pub json: Option<&'a Value>,
    /// Why the row failed, masked.
    pub error: Option<&'a str>,
    /// Attempts made.
    pub attempts: u32,
    /// Where the body is saved.
    pub saved: Option<&'a str>,
    /// Whether nobody knows what the server did with the request.
    pub unknown: bool,
}

impl Lane {
    /// The endpoint's plan.
    #[must_use]
    pub fn plan(&self) -> &EndpointPlan {
        &self.shared.plan.endpoints[self.index]
    }

    /// What notes this endpoint's requests before they are sent; `None`: they may be repeated.
    #[must_use]
    pub fn intents(&self) -> Option<&Intents> {
        self.shared.intents.as_ref().filter(|_| self.plan().holds_back())
    }

    /// The endpoint's counters.
    #[must_use]
    pub fn live(&self) -> &live::Lane {
        &self.shared.live.lanes[self.index]
    }

    /// The value of a meta column.
    #[must_use]
    pub fn meta(&self, meta: Meta, row: &Row, last: &LastAttempt<'_>) -> Value {
        match meta {
            Meta::Status => last.reply.map_or(Value::Null, |reply| Value::from(reply.status.as_u16())),
            Meta::Attempts => Value::from(last.attempts),
            Meta::DurationMs => last.duration_ms.map_or(Value::Null, Value::from),
            Meta::Error => last.error.map_or(Value::Null, Value::from),
            Meta::Url => last
                .reply
                .map_or(Value::Null, |reply| Value::from(self.shared.masker.mask(&socket::written(&reply.url)))),
            Meta::ReceivedAt => last.reply.map_or(Value::Null, |_| Value::from(crate::clock::timestamp())),
            Meta::Row => Value::from(row.ordinal + 1),
            Meta::Endpoint => Value::from(self.plan().name.as_str()),
            Meta::Body => body(last),
            Meta::Saved => last.saved.map_or(Value::Null, Value::from),
        }
    }

    /// Every meta value that templates see.
    #[must_use]
    pub fn meta_object(&self, row: &Row, last: &LastAttempt<'_>) -> Map<String, Value> {
        const SEEN: [Meta; 7] =
            [Meta::Status, Meta::Attempts, Meta::DurationMs, Meta::Url, Meta::ReceivedAt, Meta::Row, Meta::Endpoint];
        let saved = self.saver.is_some().then_some(Meta::Saved);
        SEEN.iter().chain(&saved).map(|meta| (meta.name().to_owned(), self.meta(*meta, row, last))).collect()
    }

    /// The outcome of a row that failed: one record, its extracted columns null.
    #[must_use]
    pub fn failed(&self, row: Arc<Row>, sequence: u64, last: &LastAttempt<'_>) -> Outcome {
        let plan = self.plan();
        let mut cells = vec![Value::Null; plan.columns.len()];
        cells.extend(plan.meta.iter().map(|meta| self.meta(*meta, &row, last)));
        cells.iter_mut().for_each(|cell| self.shared.record_masker.mask_value(cell));
        Outcome { unknown: last.unknown, ..self.outcome(Ending::Failed, last.attempts, row, sequence, cells) }
    }

    /// An outcome of one record.
    #[must_use]
    pub fn outcome(&self, ending: Ending, attempts: u32, row: Arc<Row>, sequence: u64, cells: Vec<Value>) -> Outcome {
        let ordinal = row.ordinal;
        let records = vec![Record { row, cells }];
        Outcome { endpoint: self.index, ordinal, sequence, ending, unknown: false, attempts, records }
    }

    /// Hands an outcome to the scribe and counts it. Waits while the scribe is behind.
    pub async fn deliver(&self, outcome: Outcome) {
        let counter = match outcome.ending {
            Ending::Ok | Ending::Skipped => &self.live().ok,
            Ending::Failed => &self.live().failed,
        };
        // A closed outbox means that the scribe has failed and the run ends: the row has not ended.
        if self.shared.outbox.push(outcome).await.is_ok() {
            live::raise(counter);
        }
    }
}

/// The body as a cell: JSON as it is, anything else as text.
fn body(last: &LastAttempt<'_>) -> Value {
    if let Some(json) = last.json {
        return json.clone();
    }
    let Some(reply) = last.reply else { return Value::Null };
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&reply.body)))
}
