//! Sends signed requests to a bucket, over the connections and the TLS that requests of rows have.
//!
//! The hash of each body is signed, so that a server takes it whole or not at all. Must never follow a redirect, as a
//! signature is for one host, and never wait for an answer without end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::keys::Access;
use crate::auth::Signing;
use crate::retry::{Failure, FailureKind};
use crate::secret::{Masker, Secrets};
use crate::sink::spooled::Setback;
use crate::transport::{
    BoxFuture, Call, ClientPlan, Gate, HttpVersion, HyperTransport, Opening, Reply, RequestBody, TimeoutPlan, Transport,
};

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The end of one upload and the beginning of the next may be far apart, and servers hang up on who says nothing.
const IDLE: Duration = Duration::from_secs(10);

/// A piece on a slow line takes minutes, and so does a server that puts many together (it sends blanks meanwhile).
const TIMEOUTS: TimeoutPlan = TimeoutPlan {
    pool: Duration::from_secs(30),
    connect: Duration::from_secs(10),
    read: Duration::from_secs(120),
    total: Duration::from_secs(600),
    row: None,
};

/// See the module.
pub(super) struct Client {
    transport: HyperTransport,
    signing: Arc<Signing>,
    /// The URL of the bucket.
    url: String,
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// The object; empty: the bucket.
    pub key: &'a str,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl<'a> Ask<'a> {
    /// A request about an object, without a body.
    pub fn new(method: Method, key: &'a str) -> Self {
        Self { method, key, query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    /// With this in the query.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    fn url(&self, bucket: &str) -> String {
        let path = utf8_percent_encode(self.key, PATH);
        let encoded = |(name, value): &(&str, String)| format!("{name}={}", utf8_percent_encode(value, QUERY));
        let query: Vec<String> = self.query.iter().map(encoded).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{bucket}/{path}{mark}{}", query.join("&"))
    }
}

/// Nothing holds uploads back but the server.
struct Open;

impl Gate for Open {
    fn pass(&self, _: &Uri) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Client {
    /// A client of a bucket: no connection yet.
    ///
    /// # Errors
    /// When there are no roots to verify certificates by, or a proxy of the environment can't be used.
    pub fn open(access: &Access, bucket: &str) -> Result<Self, Setback> {
        let plan = ClientPlan {
            http: HttpVersion::One,
            compression: false,
            redirects: 0,
            connections_total: 1,
            connections_per_host: 1,
            idle_timeout: IDLE,
            ..ClientPlan::default()
        };
        let secrets = Secrets::default();
        let masker: &Masker = &access.masker;
        let opening = Opening { needs_tls: access.endpoint.is_tls, secrets: &secrets, masker, demo: None };
        let transport = HyperTransport::open(&plan, &opening).map_err(|error| Setback::Refused(error.message))?;
        let url = access.endpoint.bucket(bucket, access.path_style);
        Ok(Self { transport, signing: Arc::clone(&access.signing), url })
    }

    /// Sends a request and waits for its answer, whatever it says.
    ///
    /// # Errors
    /// When there is none.
    pub async fn send(&self, ask: &Ask<'_>) -> Result<Reply, Setback> {
        let mut request = Request::new(RequestBody::from(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.url(&self.url).parse().map_err(|_| wrong("its URL"))?;
        let headers = request.headers_mut();
        headers.insert(
            http::header::USER_AGENT,
            HeaderValue::from_static(concat!("paceline/", env!("CARGO_PKG_VERSION"))),
        );
        put(headers, &ask.headers)?;
        let mut call = Call::new(request, &Open, &TIMEOUTS);
        call.signer = Some(self.signing.clone());
        self.transport.exchange(call).await.map_err(|failure| setback(&failure))
    }
}

fn put(headers: &mut HeaderMap, given: &[(&'static str, String)]) -> Result<(), Setback> {
    for (name, value) in given {
        let value = HeaderValue::from_str(value).map_err(|_| wrong("a header"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

fn wrong(what: &str) -> Setback {
    Setback::Refused(format!("{what} holds what can't be sent; this is a bug"))
}

/// What a request that got no answer means: some things do not pass by themselves.
fn setback(failure: &Failure) -> Setback {
    match failure.kind {
        FailureKind::Auth
        | FailureKind::Certificate
        | FailureKind::TlsMismatch
        | FailureKind::Request
        | FailureKind::UnknownHost => Setback::Refused(failure.message.clone()),
        _ => Setback::Away(failure.message.clone()),
    }
}
