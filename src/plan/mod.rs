//! The plan: everything decided, nothing opened. Immutable and printable.
//!
//! `check` and `plan` end here; a run opens it. Must never hold a live resource or a secret's
//! value, but for those that came with an `--env-file`.

pub mod body;
pub mod display;
pub mod estimate;
pub mod fail_if;
pub mod files;
pub mod notify;
pub mod request;
pub mod stop_if;
pub mod stream;
pub mod taking;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use serde_json::Value;

use crate::auth::AuthPlan;
use crate::extract::{Extractor, RowsPlan, Settle};
use crate::limit::LimitPlan;
use crate::paginate::PaginatePlan;
use crate::record::Layout;
use crate::report::file::ReportPlan;
use crate::retry::{RetryPlan, Then, Unknown};
use crate::row::Row;
use crate::save::SavePlan;
use crate::secret::SecretPlan;
use crate::sink::SinkPlan;
use crate::source::SourcePlan;
use crate::template::{Condition, Template};
use crate::transport::{ClientPlan, TimeoutPlan};

pub use body::{BodyPlan, FilePlan, PartContent, PartPlan};
pub use fail_if::{Comparison, FailIf, Measure};
pub use notify::NotifyPlan;
pub use stop_if::{StopIf, StopMeasure};
pub use stream::{EventsPlan, HeartbeatPlan, StreamKind, StreamPlan, UntilPlan, WebSocketPlan};

/// A job, decided.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the job; names its state folder.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Path of the job file as given.
    pub file: PathBuf,
    /// The files that it includes, in the order of reading.
    pub includes: Vec<PathBuf>,
    /// The job file and what it includes, as they were read; for reports.
    pub texts: Vec<(PathBuf, String)>,
    /// What `paceline plan` says of it, for reports; empty where nobody asked.
    pub words: String,
    /// The files of variables beneath the environment (`--env-file`).
    pub env_files: Vec<PathBuf>,
    /// Folder that holds the journal and lock of this job.
    pub state: PathBuf,
    /// Secrets to read before the first request.
    pub secrets: Vec<SecretPlan>,
    /// Token buckets; endpoints point at them by position.
    pub limits: Vec<LimitPlan>,
    /// Endpoints, in the order of the file.
    pub endpoints: Vec<EndpointPlan>,
    /// Sinks, in the order of the file.
    pub sinks: Vec<SinkPlan>,
    /// Reports to write when the run has ended.
    pub reports: Vec<ReportPlan>,
    /// Who is told when the run has ended, in the order of the file.
    pub notify: Vec<NotifyPlan>,
    /// Conditions that fail the run.
    pub fail_if: Vec<FailIf>,
    /// Conditions that stop the run, resumable.
    pub stop_if: Vec<StopIf>,
    /// Rows to take of each input (`--limit`).
    pub row_limit: Option<u64>,
    /// What would be sent and written, key by key: a resume is refused when it differs.
    pub identity: BTreeMap<String, String>,
}

impl Plan {
    /// By position of the endpoint: the position of the one whose records are its rows; `None`: it reads something else.
    #[must_use]
    pub fn parents(&self) -> Vec<Option<usize>> {
        let position = |name: &str| self.endpoints.iter().position(|endpoint| endpoint.name == name);
        self.endpoints.iter().map(|endpoint| endpoint.source.parent().and_then(position)).collect()
    }

    /// Whatever sends requests: endpoints, and then sinks.
    pub fn senders(&self) -> impl Iterator<Item = &EndpointPlan> {
        self.endpoints.iter().chain(self.sinks.iter().filter_map(|sink| sink.hook.as_deref()))
    }

    /// CRC-32 of the identity, as eight hexadecimal digits; for people.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = crc32fast::Hasher::new();
        for (key, value) in &self.identity {
            for part in [key.as_str(), "\0", value.as_str(), "\0"] {
                hasher.update(part.as_bytes());
            }
        }
        format!("{:08x}", hasher.finalize())
    }
}

/// An endpoint, decided.
#[derive(Debug, Clone)]
pub struct EndpointPlan {
    /// Name in `[endpoints.NAME]`.
    pub name: String,
    /// HTTP method.
    pub method: Method,
    /// The URL; `demo:` stays in it and is resolved when the run begins.
    pub url: Template,
    /// Whether every row's request goes to one origin: then what the origin does to one, it does to all.
    pub one_origin: bool,
    /// Query parameters, in order; a list gives the name several times.
    pub query: Vec<(String, Vec<Template>)>,
    /// Headers, in order.
    pub headers: Vec<(HeaderName, Template)>,
    /// What proves who asks.
    pub auth: Option<Arc<dyn AuthPlan>>,
    /// Body.
    pub body: BodyPlan,
    /// Where rows come from.
    pub source: Arc<dyn SourcePlan>,
    /// Whether its connections stay open and give messages; `None`: a request and its reply.
    pub stream: Option<StreamPlan>,
    /// How a list is walked from page to page; `None`: one request for each row.
    pub paginate: Option<Arc<dyn PaginatePlan>>,
    /// Positions in [`Plan::limits`], ascending; a request takes a token of each.
    pub limits: Vec<usize>,
    /// Whether what replies say of limits slows the endpoint down where it takes from no limit: then it has a
    /// bucket that knows only holds.
    pub learn: bool,
    /// Requests in flight; the most there may be where `adaptive`.
    pub concurrency: usize,
    /// Whether the number in flight is found while the run goes on (`concurrency = "auto"`).
    pub adaptive: bool,
    /// Order of records.
    pub order: Order,
    /// Batches.
    pub batch: BatchPlan,
    /// Retries.
    pub retry: RetryPlan,
    /// Timeouts.
    pub timeout: TimeoutPlan,
    /// Connections.
    pub client: ClientPlan,
    /// What is made of replies before anything else looks at them; the first that matches wins.
    pub rules: Vec<RulePlan>,
    /// Which statuses are accepted.
    pub expect: StatusSet,
    /// What must hold for a reply with such a status.
    pub asserts: Vec<Condition>,
    /// The key by which servers tell a repeated request; `None`: there is none.
    pub idempotency: Option<IdempotencyPlan>,
    /// Rows in a request; `None`: one, seen as `row`.
    pub chunk: Option<ChunkPlan>,
    /// The items of a reply, a record each; `None`: a reply gives one record.
    pub rows: Option<RowsPlan>,
    /// Extracted columns, in order.
    pub columns: Vec<ColumnPlan>,
    /// Meta columns, in order; they stand behind the extracted ones.
    pub meta: Vec<Meta>,
    /// Where bodies are saved; `None`: they are not.
    pub save: Option<SavePlan>,
    /// Shape of the records.
    pub layout: Layout,
}

impl EndpointPlan {
    /// Every file that is sent: in bodies of requests and in frames.
    #[must_use]
    pub fn files_sent(&self) -> Vec<&FilePlan> {
        let frames = self.stream.iter().flat_map(StreamPlan::files);
        self.body.files().into_iter().chain(frames).collect()
    }

    /// The keys of the endpoint below which its URL stands.
    #[must_use]
    pub fn address_keys(&self) -> &'static [&'static str] {
        match self.stream.as_ref().map(|stream| &stream.kind) {
            None => &["url"],
            Some(StreamKind::WebSocket(_)) => &["websocket", "url"],
            Some(StreamKind::Events(_)) => &["sse", "url"],
        }
    }

    /// Whether a request may be sent again although it may have reached the server: by its method (RFC 9110,
    /// section 9.2.2), or since it carries a key.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.retry.keyed || self.retry.methods.contains(&self.method)
    }

    /// Whether its requests may go over TLS: its URL says https or wss, or does not say yet.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        const PLAIN: [&str; 4] = ["http://", "ws://", "demo:", "unix:"];
        let prefix = self.url.literal_prefix();
        !PLAIN.iter().any(|plain| prefix.starts_with(plain))
    }

    /// Whether its requests must not be sent again unasked when they were cut off without an answer: the method
    /// may not be repeated, and nothing lets the server tell a repetition. They are noted before they are sent.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.retry.keyed && !self.resends_unknown()
    }

    /// Whether a row that an earlier session left as unknown is sent again: the job says so. That requests carry
    /// a key now says nothing of the one that was cut off, which had none.
    #[must_use]
    pub fn resends_unknown(&self) -> bool {
        self.retry.unknown == Unknown::Resend || self.retry.methods.contains(&self.method)
    }
}

/// What to make of replies that meet a condition.
#[derive(Debug, Clone)]
pub struct RulePlan {
    /// The condition, over reply and row.
    pub when: Condition,
    /// What follows.
    pub then: Then,
}

/// Rows that go out in one request.
#[derive(Debug, Clone)]
pub struct ChunkPlan {
    /// Rows in a request.
    pub size: usize,
    /// Whether a chunk that fails is split in halves that are tried again.
    pub split: bool,
    /// How the items of a reply find their rows; `None`: by position.
    pub by: Option<ChunkKeyPlan>,
}

impl ChunkPlan {
    /// Why so many items can't be given to so many rows by position, and the way out.
    #[must_use]
    pub fn uneven(&self, items: usize, rows: usize) -> [String; 2] {
        [
            format!(
                "the reply has {items} items for the {rows} rows of the chunk, so that it can't be told which is whose"
            ),
            format!(
                "if items may be missing, name what both have in common: `chunk = {{ size = {}, by = \"id\" }}`",
                self.size
            ),
        ]
    }
}

/// What a row and its items have in common.
#[derive(Debug, Clone)]
pub struct ChunkKeyPlan {
    /// A column of the input.
    pub column: String,
    /// A path into the item.
    pub item: RowsPlan,
}

impl ChunkKeyPlan {
    /// What a row has to find its item by.
    #[must_use]
    pub fn of_row(&self, row: &Row) -> Option<String> {
        row.get(&self.column).and_then(|value| comparable(&value))
    }

    /// What an item has to find its rows by.
    #[must_use]
    pub fn of_item(&self, item: &Value) -> Option<String> {
        self.item.items(item).first().and_then(|value| comparable(value))
    }

    /// What is said of a row that no item is for.
    #[must_use]
    pub fn missing(&self, row: &Row) -> String {
        let Some(key) = self.of_row(row) else {
            return format!("the row has no `{}`, which would find its item (chunk.by)", self.column);
        };
        format!("the reply to its chunk has no item with {} = `{key}` (chunk.by)", self.item.source())
    }
}

/// A value for comparing what a table of text has with what JSON has; `None`: it is nothing, which equals nothing.
fn comparable(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// How the key of a request is sent (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyPlan {
    /// The header.
    pub header: HeaderName,
    /// Whether the key stands in quotes, as the draft has it; many APIs want it bare.
    pub quoted: bool,
    /// What the job says of the request's content: another content has other keys.
    pub content: String,
}

/// A column of the output.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Its name.
    pub name: String,
    /// How its value is had.
    pub extractor: Arc<dyn Extractor>,
    /// What is made of it.
    pub settle: Settle,
}

/// Order of an endpoint's records in the sinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// As calls end.
    #[default]
    Finished,
    /// As rows stand in the input.
    Input,
}

/// How rows are cut into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlan {
    /// Rows in a batch; `None`: no batches.
    pub size: Option<u64>,
    /// From the end of one batch to the start of the next.
    pub pause: Duration,
    /// Batches side by side, each with its own pauses.
    pub in_flight: usize,
}

/// A meta column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meta {
    /// Status code of the last reply, whole or cut off; null when there was none.
    Status,
    /// Attempts made.
    Attempts,
    /// Milliseconds of the last attempt, from the request's start to the end of the body.
    DurationMs,
    /// Why the row failed; null when it did not.
    Error,
    /// The URL that was requested, secrets masked.
    Url,
    /// When the reply was complete, RFC 3339.
    ReceivedAt,
    /// One-based number of the row in the input.
    Row,
    /// One-based number of the page in the row's walk; null where pages are not walked.
    Page,
    /// Name of the endpoint.
    Endpoint,
    /// The body of the reply: JSON as it is, anything else as text.
    Body,
    /// The file that the reply was saved to, relative to the job file; null when nothing was saved.
    Saved,
    /// One-based number of the message in its row; null where messages are not collected.
    Message,
    /// Type of the event; null where events are not collected.
    Event,
    /// The last id that the server has given, up to this event; null where there is none.
    EventId,
}

impl Meta {
    /// The column's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Attempts => "attempts",
            Self::DurationMs => "duration_ms",
            Self::Error => "error",
            Self::Url => "url",
            Self::ReceivedAt => "received_at",
            Self::Row => "row",
            Self::Page => "page",
            Self::Endpoint => "endpoint",
            Self::Body => "body",
            Self::Saved => "saved",
            Self::Message => "message",
            Self::Event => "event",
            Self::EventId => "event_id",
        }
    }
}

/// A set of HTTP statuses, from entries such as `200` and `"2xx"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet {
    ranges: Vec<(u16, u16)>,
}

impl StatusSet {
    /// A set of inclusive ranges.
    #[must_use]
    pub fn new(ranges: Vec<(u16, u16)>) -> Self {
        Self { ranges }
    }

    /// The status that stands for all of them: 200 where that is one, else the first; `None`: the set is empty.
    #[must_use]
    pub fn typical(&self) -> Option<u16> {
        let first = self.ranges.first().map(|(first, _)| *first);
        if self.contains(200) { Some(200) } else { first }
    }

    /// Whether a status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}
