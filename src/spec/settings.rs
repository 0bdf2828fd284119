//! Settings that flow down from the top level to endpoints: batch, retry, timeout, client.
//!
//! Every field is optional: absent means "as above, or the default". The doc comments are what
//! editors show; they are part of the language.

use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pace::CostSpec;
use super::text::{
    AddressSpec, DurationSpec, JitterSpec, ListSpec, Named, PositiveDurationSpec, ShareSpec, SizeSpec, StatusSpec,
};
use crate::retry::{BackoffShape, ErrorClass, Unknown};
use crate::transport::{Engine, HttpVersion};

/// How rows are cut into batches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BatchSpec {
    /// Rows in a batch; absent: no batches.
    #[schemars(extend("examples" = [500]))]
    pub size: Option<NonZeroU64>,
    /// Pause from the end of one batch, retries included, to the start of the next.
    #[schemars(extend("default" = "0s", "examples" = ["250ms"]))]
    pub pause: Option<DurationSpec>,
    /// Batches that may run side by side.
    #[schemars(extend("default" = 1))]
    pub in_flight: Option<NonZeroU32>,
}

/// What is tried again, how often and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RetrySpec {
    /// Attempts, the first included. One that is throttled takes none, and neither does one that fails because its
    /// host is out: such rows wait, for `max-wait` at most.
    #[schemars(extend("default" = 5))]
    pub attempts: Option<NonZeroU32>,
    /// How the wait grows.
    #[schemars(extend("default" = "exponential"))]
    pub backoff: Option<BackoffShape>,
    /// First wait; 1 s at least where the server throttles.
    #[schemars(extend("default" = "250ms"))]
    pub initial: Option<DurationSpec>,
    /// Growth of the exponential wait.
    #[schemars(range(min = 1.0, max = 100.0), extend("default" = 2.0))]
    pub factor: Option<f64>,
    /// Longest wait of our own making.
    #[schemars(extend("default" = "60s"))]
    pub max: Option<DurationSpec>,
    /// Spread of the wait: a name, or a share such as 0.25 for plus or minus 25 %.
    #[schemars(extend("default" = "full"))]
    pub jitter: Option<JitterSpec>,
    /// Statuses that are tried again.
    #[schemars(extend("default" = [408, 425, 429, 500, 502, 503, 504]))]
    pub statuses: Option<Vec<StatusSpec>>,
    /// Failures without a usable reply that are tried again.
    #[schemars(extend("default" = ["dns", "connect", "reset", "timeout", "body", "decode"]))]
    pub errors: Option<Vec<ErrorClass>>,
    /// Methods that may be repeated although the request may have reached the server.
    #[schemars(extend("default" = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]))]
    pub methods: Option<Vec<String>>,
    /// A server that asks for a longer wait stops the run, which can be resumed.
    #[schemars(extend("default" = "15m"))]
    pub max_wait: Option<DurationSpec>,
    /// A request that must not be repeated and was cut off without an answer: its row fails as unknown, also after a
    /// kill, and is not sent again unasked; "resend" sends it again like any other.
    #[schemars(extend("default" = "fail"))]
    pub unknown: Option<Unknown>,
    /// Retries as a share of the requests of the last 10 s, beside one retry a second that there always is. An empty
    /// budget delays retries; no row fails for it.
    #[schemars(extend("default" = "20%"))]
    pub budget: Option<ShareSpec>,
}

/// How long things may take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = [{ "total": "30s" }]))]
pub struct TimeoutSpec {
    /// Wait for a free connection.
    #[schemars(extend("default" = "30s"))]
    pub pool: Option<PositiveDurationSpec>,
    /// DNS, TCP and TLS.
    #[schemars(extend("default" = "10s"))]
    pub connect: Option<PositiveDurationSpec>,
    /// Silence between two reads.
    #[schemars(extend("default" = "30s"))]
    pub read: Option<PositiveDurationSpec>,
    /// One attempt, to the last byte of the body.
    #[schemars(extend("default" = "120s"))]
    pub total: Option<PositiveDurationSpec>,
    /// One row: all attempts and pauses; absent: no bound.
    #[schemars(extend("examples" = ["10m"]))]
    pub row: Option<PositiveDurationSpec>,
}

/// Connections and what is common to every request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientSpec {
    /// What requests go through: hyper, or a surf client over it.
    #[schemars(extend("default" = "hyper"))]
    pub engine: Option<Engine>,
    /// Which HTTP is spoken: "auto" lets a TLS server choose, "2" without TLS is by prior knowledge.
    #[schemars(extend("default" = "auto"))]
    pub http: Option<HttpVersion>,
    /// Whether cookies are kept and sent, for the time of a run's session.
    #[schemars(extend("default" = false))]
    pub cookies: Option<bool>,
    /// Whether gzip, br, zstd and deflate are asked for and decoded.
    #[schemars(extend("default" = true))]
    pub compression: Option<bool>,
    /// A proxy: http://, https://, socks5:// (names are resolved here) or socks5h:// (by the proxy); its password is a
    /// secret. "none" ignores the environment's. Absent: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.
    #[schemars(length(min = 1), extend("examples" = ["http://proxy.example.com:3128", "http://me:{{ secrets.proxy }}@proxy.example.com:3128"]))]
    pub proxy: Option<String>,
    /// How many connections there may be, and how long they are kept.
    pub connections: Option<ConnectionsSpec>,
    /// How long a resolved address is believed.
    #[schemars(extend("default" = "5m"))]
    pub dns_ttl: Option<DurationSpec>,
    /// Redirects that are followed; 0: none, a redirect is a reply like any other. Secrets, auth and cookies never cross
    /// an origin.
    #[schemars(range(min = 0, max = 100), extend("default" = 10))]
    pub redirects: Option<u32>,
    /// Largest body of a reply, on the wire and decoded; a larger one fails the attempt.
    #[schemars(extend("default" = "64MiB"))]
    pub max_body: Option<SizeSpec>,
    /// The User-Agent header; default: paceline and its version.
    #[schemars(extend("examples" = ["prices-nightly/1.0"]))]
    pub user_agent: Option<String>,
    /// Addresses to connect to instead of asking DNS: host = "address:port".
    #[schemars(extend("examples" = [{ "api.example.com": "127.0.0.1:8443" }]))]
    pub resolve: Option<Named<AddressSpec>>,
    /// TLS.
    pub tls: Option<TlsSpec>,
}

/// How many connections there may be, and how long they are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectionsSpec {
    /// Connections in all.
    #[schemars(extend("default" = 100))]
    pub total: Option<NonZeroU32>,
    /// Connections to one origin.
    #[schemars(extend("default" = 100))]
    pub per_host: Option<NonZeroU32>,
    /// Unused connections are closed after this.
    #[schemars(extend("default" = "90s"))]
    pub idle_timeout: Option<DurationSpec>,
}

/// TLS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSpec {
    /// Whether the server's certificate is verified; false accepts any.
    #[schemars(extend("default" = true))]
    pub verify: Option<bool>,
    /// More root certificates, PEM, relative to the job file; absent: those of the system alone.
    #[schemars(extend("examples" = ["ca.pem"]))]
    pub ca: Option<String>,
    /// Client certificate chain, PEM, relative to the job file; goes with `key`. Absent: none is shown.
    #[schemars(extend("examples" = ["me.pem"]))]
    pub cert: Option<String>,
    /// Key of the client certificate, PEM, relative to the job file; goes with `cert`. Absent: none.
    #[schemars(extend("examples" = ["me.key"]))]
    pub key: Option<String>,
    /// Lowest version spoken.
    #[schemars(extend("default" = "1.2"))]
    pub min_version: Option<TlsVersionSpec>,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersionSpec {
    /// TLS 1.2
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V13,
}

/// A token bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitSpec {
    /// Requests per window; of several windows all hold at once.
    #[schemars(extend("examples" = ["10/s", ["10/s", "5000/h"]]))]
    pub rate: ListSpec<super::text::RateSpec>,
    /// Requests that may leave at once after a quiet time.
    #[schemars(extend("default" = 1))]
    pub burst: Option<NonZeroU32>,
    /// Tokens that a request takes: a number, or a template over row and vars that makes a whole number for each row.
    #[schemars(extend("default" = 1, "examples" = [5, "{{ row.weight }}"]))]
    pub cost: Option<CostSpec>,
    /// One bucket for each value of a template over row and vars, or for each host with "host"; absent: one for all.
    #[schemars(length(min = 1), extend("examples" = ["{{ row.tenant }}", "host"]))]
    pub key: Option<String>,
    /// Whether what replies say of limits (Retry-After, RateLimit, X-RateLimit-*) slows the bucket down; nothing ever
    /// speeds it up.
    #[schemars(extend("default" = true))]
    pub learn: Option<bool>,
}
