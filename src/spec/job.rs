//! The job and its endpoints, as written.
//!
//! The doc comments are what editors show; they are part of the language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::PartSpec;
use super::column::ColumnSpec;
use super::input::InputSpec;
use super::kind::{AuthSpec, PaginateSpec};
use super::notify::{MOST_NOTIFIED, NotifySpec};
use super::pace::{ChunkSpec, ConcurrencySpec, ExpectSpec, IdempotencySpec, RuleSpec, RunSpec};
use super::report::ReportSpec;
use super::settings::{BatchSpec, ClientSpec, LimitSpec, RetrySpec, TimeoutSpec};
use super::sink::SinkSpec;
use super::stream::{SseSpec, WebsocketSpec};
use super::text::{ListSpec, Named, RateSpec, TextSpec};
use crate::plan::{Meta, Order};

/// Most endpoints, limits, sinks and secrets, of each, and headers of a request. More endpoints could not run: each has a thread. The others are
/// compared with each other.
pub const MOST_NAMED: usize = 1_000;

/// Most variables.
pub const MOST_VARS: usize = 10_000;

/// Most columns that endpoints hand to each other, all together.
pub const MOST_COLUMNS: usize = 1_000_000;

/// Most bytes of settings that flow to endpoints, for all of them together: each has what the top level says.
pub const MOST_FLOWING: usize = 32 << 20;

/// A job of paceline: endpoints to call for rows of input, and where the records go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "paceline job")]
pub struct JobSpec {
    /// Version of the job language.
    #[schemars(extend("default" = 1, "enum" = [1], "x-paceline-version" = true))]
    pub version: Option<u32>,
    /// Name of the job, which names its state; default: the file's stem.
    #[schemars(length(min = 1), extend("examples" = ["prices"]))]
    pub name: Option<String>,
    /// What the job is for, for people; absent: nothing is said.
    #[schemars(extend("examples" = ["Price of every product, every night"]))]
    pub description: Option<String>,
    /// Files that lie beneath this one, whose names end in `.toml`: tables merge key by key, a later file over an earlier one, this file over all. The
    /// path of an include is relative to the file that names it; other paths are relative to the job file, wherever
    /// they are written. Absent: nothing lies beneath.
    #[schemars(extend("examples" = ["common.toml", ["common.toml", "limits.toml"]]))]
    pub include: Option<ListSpec<String>>,
    /// Constants for templates, `{{ vars.NAME }}`; overridden by `--var NAME=..` and `PACELINE_VAR_NAME`. What looks like a secret and may be known to
    /// everyone has `public` or `publishable` in its name.
    #[schemars(extend("maxProperties" = MOST_VARS, "examples" = [{ "base": "https://api.example.com" }]))]
    pub vars: Option<Named<Value>>,
    /// Secrets for templates, `{{ secrets.NAME }}`; read from outside, never shown.
    #[schemars(extend("maxProperties" = MOST_NAMED, "examples" = [{ "token": { "env": "API_TOKEN" } }]))]
    pub secrets: Option<Named<SecretSpec>>,
    /// Partial jobs; `--profile NAME` lays one over the file.
    pub profiles: Option<Named<Value>>,
    /// How rows are cut into batches.
    pub batch: Option<BatchSpec>,
    /// What is tried again, how often and when.
    pub retry: Option<RetrySpec>,
    /// How long things may take.
    pub timeout: Option<TimeoutSpec>,
    /// Connections and what is common to every request.
    pub client: Option<ClientSpec>,
    /// Token buckets, shared by every endpoint that names them.
    #[schemars(extend("maxProperties" = MOST_NAMED))]
    pub limits: Option<Named<LimitSpec>>,
    /// What is called, once for each row of its input.
    #[schemars(extend("minProperties" = 1, "maxProperties" = MOST_NAMED, "examples" = [{ "price": {
        "url": "https://api.example.com/products/{{ row.sku }}",
        "input": "products.csv",
    } }]))]
    pub endpoints: Named<EndpointSpec>,
    /// Where records go; without any: to standard output as JSON lines.
    #[schemars(extend("maxProperties" = MOST_NAMED))]
    pub sinks: Option<Named<SinkSpec>>,
    /// Reports that are written when the run has ended, whichever way it did.
    pub report: Option<ReportSpec>,
    /// The run as a whole.
    pub run: Option<RunSpec>,
    /// Who is told when the run has ended. Like every list, that of a profile or of a file that includes another stands in
    /// the place of the list beneath. Absent: nobody is told.
    #[schemars(extend("maxItems" = MOST_NOTIFIED, "examples" = [[{ "webhook": "{{ secrets.hook }}" }]]))]
    pub notify: Option<Vec<NotifySpec>>,
}

/// Where a secret comes from: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("x-paceline-exactly-one" = ["env", "file"], "x-paceline-secret" = true))]
pub struct SecretSpec {
    /// An environment variable.
    #[schemars(length(min = 1), extend("examples" = ["API_TOKEN"]))]
    pub env: Option<String>,
    /// A file, relative to the job file; its last newline is trimmed.
    #[schemars(length(min = 1), extend("examples" = ["/run/secrets/token"]))]
    pub file: Option<String>,
}

/// An endpoint: what is called for each row of its input, and what is taken from the replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("x-paceline-exactly-one" = ["url", "websocket", "sse"]))]
pub struct EndpointSpec {
    /// HTTP method.
    #[schemars(extend("default" = "GET", "examples" = ["GET", "POST"]))]
    pub method: Option<String>,
    /// The URL, a template; `demo:/..` is the API built into the program.
    #[schemars(length(min = 1), extend("examples" = ["https://api.example.com/products/{{ row.sku }}"]))]
    pub url: Option<String>,
    /// Instead of `url`: a WebSocket for each row, whose messages are records.
    pub websocket: Option<WebsocketSpec>,
    /// Instead of `url`: server-sent events for each row, each of which is a record.
    pub sse: Option<SseSpec>,
    /// Query parameters; values are templates, a list gives the name several times.
    #[schemars(extend("examples" = [{ "currency": "EUR", "page-size": 50, "tag": ["a", "b"] }]))]
    pub query: Option<Named<ListSpec<TextSpec>>>,
    /// Headers; values are templates.
    #[schemars(extend("maxProperties" = MOST_NAMED, "examples" = [{ "accept": "application/json" }]))]
    pub headers: Option<Named<TextSpec>>,
    /// Names of limits; a request takes a token of each. Absent: none is shared.
    #[schemars(extend("examples" = ["prices-api"]))]
    pub limit: Option<ListSpec<String>>,
    /// Gives the endpoint a token bucket of its own; of several windows all hold at once. Absent: as fast as `limit`,
    /// `concurrency` and the server let it.
    #[schemars(extend("examples" = ["10/s", ["10/s", "5000/h"]]))]
    pub rate: Option<ListSpec<RateSpec>>,
    /// With `rate`: requests that may leave at once after a quiet time.
    #[schemars(extend("default" = 1))]
    pub burst: Option<std::num::NonZeroU32>,
    /// Whether what replies say of limits (Retry-After, RateLimit, X-RateLimit-*) slows the endpoint down; a shared
    /// limit has its own `learn`.
    #[schemars(extend("default" = true))]
    pub learn: Option<bool>,
    /// Requests in flight; "auto" finds their number by how fast and how well the server answers.
    #[schemars(extend("default" = 10, "examples" = [10, "auto"]))]
    pub concurrency: Option<ConcurrencySpec>,
    /// Sends a key that stays the same for a row over retries and resumes, so that a server can tell a repetition: then
    /// any method may be repeated. A table names another header, or has the key bare.
    #[schemars(extend("default" = false, "examples" = [true, { "header": "Idempotency-Key", "style": "bare" }]))]
    pub idempotency_key: Option<IdempotencySpec>,
    /// Order of records: as calls end, or as rows stand in the input; then the pages of a row come one after the other.
    #[schemars(extend("default" = "finished"))]
    pub order: Option<Order>,
    /// What proves who asks.
    pub auth: Option<AuthSpec>,
    /// JSON body; its strings are templates, and one that is a single `{{ }}` keeps its type. Absent, as are `form`,
    /// `multipart`, `body` and `body-file`: no body.
    #[schemars(extend("examples" = [{ "id": "{{ row.id | int }}" }]))]
    #[schemars(extend("additionalProperties" = true))]
    pub json: Option<Value>,
    /// Form body, application/x-www-form-urlencoded; values are templates, a list gives the name several times.
    #[schemars(extend("minProperties" = 1, "examples" = [{ "user": "{{ row.user }}", "tag": ["a", "b"] }]))]
    pub form: Option<Named<ListSpec<TextSpec>>>,
    /// Body of parts, multipart/form-data; a part is a text (a template), or a table with a file, a text or JSON; a list gives the name several times.
    #[schemars(extend("minProperties" = 1, "examples" = [{ "note": "hello", "file": { "path": "docs/{{ row.file }}" } }]))]
    pub multipart: Option<Named<ListSpec<PartSpec>>>,
    /// Body as plain text, a template, sent as it is rendered: nothing is escaped; text/plain unless a header says otherwise. Absent: no such body.
    #[schemars(extend("examples" = ["raw text {{ row.x }}"]))]
    pub body: Option<String>,
    /// File that is the body, a template, relative to the job file; sent as it is read. With `{{ }}` in it, the folder before the first one is where files may lie: a value may name folders below it (`a/b.bin`), and never leads out of it. Its ending tells the content type, unless a header does. Absent: no such body.
    #[schemars(length(min = 1), extend("examples" = ["payload.bin"]))]
    pub body_file: Option<String>,
    /// Where rows come from: a file whose ending tells its kind, or a kind.
    #[schemars(extend("examples" = ["products.csv"]))]
    pub input: InputSpec,
    /// Rows that go out in one request, which sees them as `rows` instead of `row`; a table says more. Absent: each row is
    /// a request.
    #[schemars(extend("examples" = [50, { "size": 50, "split": true }, { "size": 50, "by": "sku" }]))]
    pub chunk: Option<ChunkSpec>,
    /// The items of a JSON reply, a JSONPath: each match gives a record, and columns are taken from it; absent: one
    /// record for each reply.
    #[schemars(length(min = 1), extend("examples" = ["$.items[*]"]))]
    pub rows: Option<String>,
    /// How a list is walked from page to page; absent: one request for each row.
    pub paginate: Option<PaginateSpec>,
    /// Values taken from each reply: a JSONPath, a template, or a kind.
    #[schemars(extend("examples" = [{ "price": "$.price" }]))]
    pub columns: Option<Named<ColumnSpec>>,
    /// Input columns in the record; default: all.
    #[schemars(extend("examples" = [["sku"]]))]
    pub keep: Option<Vec<String>>,
    /// Columns about the call, behind the others.
    #[schemars(extend("default" = ["status", "attempts", "duration_ms", "error"]))]
    pub meta: Option<Vec<Meta>>,
    /// Saves the body of each accepted reply to a file, as it comes; of two rows with the same path the later
    /// one stands.
    #[schemars(extend("examples" = [{ "path": "pages/{{ row.sku }}.html" }]))]
    pub save: Option<SaveSpec>,
    /// What becomes of replies that meet a condition, before statuses and `expect` are looked at; the first that
    /// matches wins. Absent: statuses and `expect` alone decide.
    #[schemars(extend("examples" = [[{ "when": "status == 404", "then": "skip" }]]))]
    pub rules: Option<Vec<RuleSpec>>,
    /// What a good reply is; any other is a failed attempt.
    pub expect: Option<ExpectSpec>,
    /// How rows are cut into batches; over the top level, key by key.
    pub batch: Option<BatchSpec>,
    /// What is tried again, how often and when; over the top level, key by key.
    pub retry: Option<RetrySpec>,
    /// How long things may take; over the top level, key by key.
    pub timeout: Option<TimeoutSpec>,
    /// Connections and what is common to every request; over the top level, key by key.
    pub client: Option<ClientSpec>,
}

impl EndpointSpec {
    /// The keys below which the URL stands.
    #[must_use]
    pub fn address_keys(&self) -> &'static [&'static str] {
        match (&self.url, &self.websocket, &self.sse) {
            (None, Some(_), _) => &["websocket", "url"],
            (None, None, Some(_)) => &["sse", "url"],
            (Some(_), _, _) | (None, None, None) => &["url"],
        }
    }

    /// Whether its connections stay open and give messages.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.websocket.is_some() || self.sse.is_some()
    }

    /// The URL, whichever key it stands under.
    #[must_use]
    pub fn address(&self) -> &str {
        let websocket = self.websocket.as_ref().map(|websocket| websocket.url.as_str());
        let url = self.url.as_deref().or(websocket).or(self.sse.as_ref().map(|sse| sse.url.as_str()));
        url.unwrap_or_default()
    }
}

/// Where bodies are saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SaveSpec {
    /// The file, relative to the job file: a template over row and vars. A value is a part of one name, and
    /// nothing is saved outside of the folder that stands before the first `{{`.
    #[schemars(length(min = 1), extend("examples" = ["pages/{{ row.sku }}.html"]))]
    pub path: String,
}
