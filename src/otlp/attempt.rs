//! One attempt as a span, by the semantic conventions for clients of HTTP (stable since 1.23).
//!
//! Must never hold a text that has not passed the masker.

use std::sync::Arc;

use http::Method;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::url;
use super::values::{nanos, number, text};
use crate::event::Sent;
use crate::retry::FailureKind;
use crate::secret::Masker;

/// What is kept of an attempt until its row has ended.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub sent: Arc<Sent>,
    pub attempt: u32,
    pub again_after: Option<String>,
    pub status: Option<u16>,
    pub verdict: String,
    pub reason: Option<String>,
    pub wait_ms: Option<u64>,
}

impl Attempt {
    /// Its span, which has no id and no parent yet.
    pub fn span(&self, endpoint: &str, masker: &Masker) -> Span {
        let (method, original) = method(&self.sent.method);
        let begun = nanos(self.sent.at);
        let failed = self.error_type();
        Span {
            name: if original.is_some() { "HTTP".to_owned() } else { method.to_owned() },
            kind: SpanKind::Client.into(),
            start_time_unix_nano: begun,
            end_time_unix_nano: begun.saturating_add(u64::try_from(self.sent.lasted.as_nanos()).unwrap_or(u64::MAX)),
            attributes: self.attributes((method, original), endpoint, masker),
            status: failed.map(|_| Status { code: StatusCode::Error.into(), message: self.reason(masker) }),
            ..Span::default()
        }
    }

    fn attributes(&self, method: (&str, Option<&str>), endpoint: &str, masker: &Masker) -> Vec<KeyValue> {
        let (address, port) = url::server(&self.sent.url);
        let mut attributes = vec![
            text("http.request.method", method.0),
            text("url.full", masker.mask(&url::full(&self.sent.url))),
            text("server.address", masker.mask(&address)),
            text("paceline.endpoint", endpoint),
            text("paceline.verdict", &*self.verdict),
        ];
        attributes.extend(port.map(|port| number("server.port", port.into())));
        attributes.extend(method.1.map(|original| text("http.request.method_original", original)));
        attributes.extend(self.status.map(|status| number("http.response.status_code", status.into())));
        attributes.extend(self.error_type().map(|kind| text("error.type", kind)));
        let resent = self.attempt.saturating_sub(1);
        attributes.extend((resent > 0).then(|| number("http.request.resend_count", resent.into())));
        let again = self.again_after.as_ref();
        attributes.extend(again.map(|why| text("paceline.again_after", masker.mask(why))));
        attributes.extend(self.wait_ms.map(|wait| number("paceline.wait_ms", wait)));
        attributes
    }

    /// The status, where that is why it was not accepted; else the kind of the failure.
    pub fn error_type(&self) -> Option<String> {
        let refused = self.status.filter(|status| *status >= 400);
        match (self.sent.failure?, refused) {
            (FailureKind::Status | FailureKind::Rule, Some(status)) => Some(status.to_string()),
            (kind, _) => Some(kind.name()),
        }
    }

    /// Why. Of a status alone nothing: the conventions want no words that an attribute says.
    fn reason(&self, masker: &Masker) -> String {
        let reason = self.reason.as_deref().filter(|_| self.sent.failure != Some(FailureKind::Status));
        reason.map(|reason| masker.mask(reason).into_owned()).unwrap_or_default()
    }
}

/// What stands for a method, and the method itself where the conventions do not know it.
fn method(method: &Method) -> (&str, Option<&str>) {
    const KNOWN: [Method; 9] = [
        Method::CONNECT,
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
        Method::TRACE,
    ];
    if KNOWN.contains(method) { (method.as_str(), None) } else { ("_OTHER", Some(method.as_str())) }
}
