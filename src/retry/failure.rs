//! The closed set of ways in which an attempt fails. Classified once, where it happens.

use std::fmt;

use http::StatusCode;

/// Classes that `[retry] errors` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The host's name could not be looked up for now; a name that surely does not exist is never tried again.
    Dns,
    /// No connection could be made, TLS included.
    Connect,
    /// The connection broke before the reply was whole.
    Reset,
    /// A timeout ran out.
    Timeout,
    /// The body was cut short or malformed on the wire.
    Body,
    /// The body was not what it should be: JSON that is none.
    Decode,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The name could not be looked up.
    Dns,
    /// There is no such name. The next attempt would be told the same, so it is never tried again.
    UnknownHost,
    /// TCP refused or unreachable.
    Connect,
    /// The TLS handshake broke off.
    Tls,
    /// Client and server have no TLS version, cipher or protocol in common. It does not change from one
    /// attempt to the next, so it is never tried again.
    TlsMismatch,
    /// The server's certificate is not to be trusted (expired, unknown issuer, wrong host), or it
    /// does not trust ours. The next attempt would meet the same one, so it is never tried again.
    Certificate,
    /// The proxy refuses us (407), or can't be used as it is given.
    Proxy,
    /// A token could not be had: the server that gives it refused us.
    Auth,
    /// No free connection within `timeout.pool`.
    PoolTimeout,
    /// DNS, TCP and TLS took longer than `timeout.connect`.
    ConnectTimeout,
    /// Nothing was read for `timeout.read`.
    ReadTimeout,
    /// The attempt took longer than `timeout.total`.
    TotalTimeout,
    /// The row took longer than `timeout.row`.
    RowTimeout,
    /// The connection broke before the head of the reply.
    Reset,
    /// The server closed a socket, or ended a stream of events, before its row had ended.
    Closed,
    /// Nothing came over a socket for `heartbeat.timeout` after a ping.
    Heartbeat,
    /// The body ended early.
    Truncated,
    /// The body is larger than `client.max-body`.
    TooLarge,
    /// The server does not speak HTTP as we know it.
    Protocol,
    /// A redirect that may not or can't be followed.
    Redirect,
    /// The body can't be decoded (encoding, JSON).
    Decode,
    /// A status that is not accepted.
    Status,
    /// A reply that breaks `expect.assert`.
    Assert,
    /// A reply that a rule of the job refuses.
    Rule,
    /// The reply's body could not be saved to a file.
    Save,
    /// The request can't be built from this row, or a file that it sends can't be read as it was announced.
    Request,
    /// A required value could not be extracted.
    Extract,
    /// An output can't take a record: another type than its column has, or no value in a key.
    Sink,
    /// The input row itself is unusable.
    Input,
}

impl FailureKind {
    /// Its name: `read-timeout`.
    #[must_use]
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(_) | Err(_) => String::new(),
        }
    }

    /// The class that `[retry] errors` knows it by; `None`: never tried again by class.
    #[must_use]
    pub fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Dns => Some(ErrorClass::Dns),
            Self::Connect | Self::Tls => Some(ErrorClass::Connect),
            Self::PoolTimeout | Self::ConnectTimeout | Self::ReadTimeout | Self::TotalTimeout | Self::Heartbeat => {
                Some(ErrorClass::Timeout)
            }
            Self::Reset | Self::Closed => Some(ErrorClass::Reset),
            Self::Truncated | Self::Protocol => Some(ErrorClass::Body),
            Self::Decode | Self::Assert => Some(ErrorClass::Decode),
            Self::UnknownHost
            | Self::Certificate
            | Self::TlsMismatch
            | Self::Proxy
            | Self::Auth
            | Self::Save
            | Self::RowTimeout
            | Self::TooLarge
            | Self::Redirect
            | Self::Status
            | Self::Rule
            | Self::Request
            | Self::Extract
            | Self::Sink
            | Self::Input => None,
        }
    }

    /// Whether the server has answered when an attempt fails so: what it did with the request is known then,
    /// as far as it says. A body cut short is no answer; a proxy's refusal is one.
    #[must_use]
    pub fn answered(self) -> bool {
        match self {
            Self::Proxy
            | Self::TooLarge
            | Self::Redirect
            | Self::Decode
            | Self::Status
            | Self::Assert
            | Self::Rule
            | Self::Save
            | Self::Extract
            | Self::Sink => true,
            Self::Dns
            | Self::UnknownHost
            | Self::Connect
            | Self::Tls
            | Self::TlsMismatch
            | Self::Certificate
            | Self::Auth
            | Self::PoolTimeout
            | Self::ConnectTimeout
            | Self::ReadTimeout
            | Self::TotalTimeout
            | Self::RowTimeout
            | Self::Reset
            | Self::Closed
            | Self::Heartbeat
            | Self::Truncated
            | Self::Protocol
            | Self::Request
            | Self::Input => false,
        }
    }

    /// Whom else it will meet, as surely as the row that met it.
    #[must_use]
    pub fn reach(self) -> Reach {
        match self {
            Self::UnknownHost | Self::Certificate | Self::TlsMismatch | Self::Proxy => Reach::Origin,
            Self::Auth => Reach::Endpoint,
            Self::Dns
            | Self::Connect
            | Self::Tls
            | Self::PoolTimeout
            | Self::ConnectTimeout
            | Self::ReadTimeout
            | Self::TotalTimeout
            | Self::RowTimeout
            | Self::Reset
            | Self::Closed
            | Self::Heartbeat
            | Self::Truncated
            | Self::TooLarge
            | Self::Protocol
            | Self::Redirect
            | Self::Decode
            | Self::Status
            | Self::Assert
            | Self::Rule
            | Self::Save
            | Self::Request
            | Self::Extract
            | Self::Sink
            | Self::Input => Reach::Row,
        }
    }
}

/// Whom a failure meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This row; the next may fare better.
    Row,
    /// Every request to the same origin, until somebody mends the server, the proxy or the job.
    Origin,
    /// Every request of the endpoint, wherever it goes.
    Endpoint,
}

/// A failed attempt, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub kind: FailureKind,
    /// Whether any byte of the request may have reached the server. When it is `false`, even a request
    /// that must not be done twice is tried again.
    pub sent: bool,
    /// The status that came before it failed: the reply's head was there, and its body was not whole.
    pub head: Option<StatusCode>,
    /// In words, for the `error` column; masked before it is shown.
    pub message: String,
}

impl Failure {
    /// A failure before anything was sent.
    pub fn unsent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, sent: false, head: None, message: message.into() }
    }

    /// A failure after something may have been sent.
    pub fn sent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, sent: true, head: None, message: message.into() }
    }

    /// The same, behind the head of a reply with this status.
    #[must_use]
    pub fn behind(self, head: StatusCode) -> Self {
        Self { head: Some(head), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
