//! The closed set of ways in which an attempt fails. Classified once, where it happens.

use std::fmt;

/// Classes that `[retry] errors` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The host's name did not resolve.
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
    /// The name did not resolve.
    Dns,
    /// TCP refused or unreachable.
    Connect,
    /// The TLS handshake broke off or could not be agreed on.
    Tls,
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
    /// The reply's body could not be saved to a file.
    Save,
    /// The request can't be built from this row.
    Request,
    /// A required value could not be extracted.
    Extract,
    /// The input row itself is unusable.
    Input,
}

impl FailureKind {
    /// The class that `[retry] errors` knows it by; `None`: never tried again by class.
    #[must_use]
    pub fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Dns => Some(ErrorClass::Dns),
            Self::Connect | Self::Tls => Some(ErrorClass::Connect),
            Self::PoolTimeout | Self::ConnectTimeout | Self::ReadTimeout | Self::TotalTimeout => {
                Some(ErrorClass::Timeout)
            }
            Self::Reset => Some(ErrorClass::Reset),
            Self::Truncated | Self::Protocol => Some(ErrorClass::Body),
            Self::Decode => Some(ErrorClass::Decode),
            Self::Certificate
            | Self::Proxy
            | Self::Auth
            | Self::Save
            | Self::RowTimeout
            | Self::TooLarge
            | Self::Redirect
            | Self::Status
            | Self::Request
            | Self::Extract
            | Self::Input => None,
        }
    }
}

/// A failed attempt, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub kind: FailureKind,
    /// Whether any byte of the request may have reached the server. When it is `false`, even a request
    /// that must not be done twice is tried again.
    pub sent: bool,
    /// In words, for the `error` column; masked before it is shown.
    pub message: String,
}

impl Failure {
    /// A failure before anything was sent.
    pub fn unsent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, sent: false, message: message.into() }
    }

    /// A failure after something may have been sent.
    pub fn sent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, sent: true, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
