//! The engine `surf`: a surf client, and whatever middleware it brings, over the connections of the default engine.
//!
//! The only room that names surf and async-std. None of surf's own backends is compiled: its `HttpClient` is
//! [`HyperTransport`](super::HyperTransport), so TLS, pools, timeouts, proxies and redirects are those of the
//! default engine. surf's types can't hold everything that HTTP has (its statuses and methods are closed sets,
//! its header values ASCII, its URLs rewritten as browsers do). What they can't hold travels beside them, and
//! comes back wherever a middleware left it alone; what a middleware changed takes effect. Of async-std nothing
//! but the traits that surf's bodies are read by is used, so that no executor of its own begins. Must never
//! panic on what a server sends, and never let a request past the gate.
//!
#![doc = include_str!("../../docs/middleware.md")]

mod bodies;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use ::surf::http::headers::{self, CONTENT_TYPE, Headers};
use ::surf::http::{self as types, Mime, StatusCode};
use ::surf::{Body, Client, HttpClient, Url};
use http::{HeaderMap, Request, Uri, Version, response};

/// surf itself, for middleware.
pub use ::surf;

use super::exchange::Collected;
use super::lossy;
use super::relay::{self, Errand};
use super::target::Origin;
use super::{BodyWriter, BoxFuture, Call, Keep, Reply, RequestBody, Transport};
use crate::retry::{Failure, FailureKind};
use bodies::{Inbound, Outbound, piece, whole};

pub use super::relay::Head;

/// Marks a body as ours, since surf's bodies can't be asked what is in them.
static OURS: LazyLock<Mime> = LazyLock::new(|| Mime::from("application/x-paceline-body"));

tokio::task_local! {
    // Not in the extensions of surf's request: they don't survive its `clone`.
    static ON: Arc<Trip>;
}

/// A surf client over the connections of another transport.
pub struct SurfTransport {
    backend: Arc<dyn Transport>,
    client: Client,
}

impl fmt::Debug for SurfTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurfTransport").field("client", &self.client).finish_non_exhaustive()
    }
}

impl SurfTransport {
    /// A client without middleware.
    #[must_use]
    pub fn new(backend: Arc<dyn Transport>) -> Self {
        Self::with_client(backend, |client| client)
    }

    /// A client with middleware: `configure` gets one over `backend` and gives it back with what it should
    /// have. Every request that a middleware makes through the client it is handed takes tokens and has
    /// the call's timeouts, each of its own. A request from another task is refused.
    ///
    /// In a reply's extensions stands its [`Head`] as it was on the wire: surf's own status is the first of its
    /// class where surf does not know the number. A middleware's own error before anything left fails
    /// the call as [`FailureKind::Request`], afterwards as [`FailureKind::Decode`]. A request body that a middleware
    /// gives is loaded into memory; those it leaves alone are not.
    #[must_use]
    pub fn with_client(backend: Arc<dyn Transport>, configure: impl FnOnce(Client) -> Client) -> Self {
        let client = configure(Client::with_http_client(Backend(Arc::clone(&backend))));
        Self { backend, client }
    }

    async fn send(&self, mut call: Call<'_>) -> Result<Reply, Failure> {
        if call.talk.is_some() {
            let message = "client.engine = \"surf\" can't change to another protocol; \"hyper\" can";
            return Err(Failure::unsent(FailureKind::Request, message));
        }
        let writer = call.writer.take();
        let errand =
            Arc::new(Errand::new(call.timeouts.clone(), call.signer.take(), call.request.extensions().clone()));
        let (trip, request) = Trip::begin(call.request, Arc::clone(&errand))?;
        let trip = Arc::new(trip);
        let work = ON.scope(Arc::clone(&trip), async {
            let response = self.client.send(request).await.map_err(|error| failed(&errand, error))?;
            receive(response.into(), writer, &trip).await
        });
        let reply = errand.attend(call.gate, work).await;
        // Of several requests some have left, whatever became of the last.
        reply.map_err(|failure| Failure { sent: failure.sent || errand.may_have_sent_others(), ..failure })
    }
}

impl Transport for SurfTransport {
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.send(call))
    }

    fn bytes(&self) -> crate::recap::Bytes {
        self.backend.bytes()
    }
}

/// Whether surf has this method.
#[must_use]
pub(super) fn has_method(method: &str) -> bool {
    // It reads small letters as capitals, which are another method.
    method.parse::<types::Method>().is_ok_and(|known| known.as_ref() == method)
}

/// What surf has against a URL, in words; `None`: nothing.
pub(super) fn against_url(url: &str) -> Option<String> {
    Url::parse(url).err().map(|error| error.to_string())
}

/// A call on its way through surf: what was given, to be found again below.
struct Trip {
    errand: Arc<Errand>,
    url: Url,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
    // Whether somebody has read of the body on the way.
    read: Arc<AtomicBool>,
}

impl Trip {
    fn begin(request: Request<RequestBody>, errand: Arc<Errand>) -> Result<(Self, types::Request), Failure> {
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str();
        let refused = |why: String| Failure::unsent(FailureKind::Request, why);
        let known = method.parse().ok().filter(|_| has_method(method));
        let known: types::Method = known.ok_or_else(|| refused(format!("surf can't send the method {method}")))?;
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| refused(format!("surf can't send to {}: {error}", super::target::shown(&parts.uri))))?;
        let mut sent = types::Request::new(known, url.clone());
        let read = Arc::new(AtomicBool::new(false));
        if !body.is_empty() {
            let reader = Outbound::new(&body, Arc::clone(&read));
            let mut ours = Body::from_reader(reader, usize::try_from(body.length()).ok());
            ours.set_mime(OURS.clone());
            sent.set_body(ours);
            sent.remove_header(CONTENT_TYPE);
        }
        put(&parts.headers, sent.as_mut());
        Ok((Self { errand, url, uri: parts.uri, headers: parts.headers, body, read }, sent))
    }

    /// The request as it comes out of surf.
    async fn request(&self, mut sent: types::Request) -> Result<(Request<RequestBody>, bool), Failure> {
        let refused = |why: String| Failure::unsent(FailureKind::Request, why);
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = sent.method().as_ref().parse().map_err(|_| refused("no such method".to_owned()))?;
        *request.uri_mut() = if *sent.url() == self.url {
            self.uri.clone()
        } else {
            let url = sent.url().as_str();
            url.parse().map_err(|error| refused(format!("a middleware's URL can't be sent to: {error}")))?
        };
        if sent.header(CONTENT_TYPE).is_some_and(|values| values.last().as_str() == OURS.essence()) {
            sent.remove_header(CONTENT_TYPE);
        }
        *request.headers_mut() = lossy::merged(&self.headers, flat(sent.as_ref())).map_err(refused)?;
        let body = sent.take_body();
        *request.body_mut() = if body.is_empty() == Some(true) {
            RequestBody::default()
        } else if *body.mime() == *OURS && !self.read.load(Ordering::Acquire) {
            self.body.clone()
        } else {
            let loaded = whole(body, &self.errand).await;
            loaded.map_err(|error| refused(format!("the body could not be read: {error}")))?.into()
        };
        // A signature, and cookies of other ports, are for the origin that the call was meant for.
        let own = Origin::of(request.uri()).is_ok_and(|to| Origin::of(&self.uri).is_ok_and(|from| from == to));
        Ok((request, own))
    }
}

/// What surf believes to be its HTTP client.
struct Backend(Arc<dyn Transport>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

#[::surf::utils::async_trait]
impl HttpClient for Backend {
    async fn send(&self, sent: types::Request) -> Result<types::Response, types::Error> {
        let trip = ON.try_with(Arc::clone).map_err(|_| {
            carried(Failure::unsent(FailureKind::Request, "a middleware made a request from a task of its own"))
        })?;
        let (request, own) = trip.request(sent).await.map_err(carried)?;
        let begun = relay::begin(Arc::clone(&self.0), Arc::clone(&trip.errand), request, own).await;
        let (head, rest) = begun.map_err(carried)?;
        let mut response = types::Response::new(nearest(head.status));
        if !rest.is_over() {
            response.set_body(Body::from_reader(Inbound::new(rest), None));
            response.remove_header(CONTENT_TYPE);
        }
        response.set_version(version(head.version));
        put(&head.headers, response.as_mut());
        response.ext_mut().insert(head);
        Ok(response)
    }
}

/// The reply as it comes out of surf, read to its end.
async fn receive(
    mut response: types::Response,
    mut writer: Option<&mut dyn BodyWriter>,
    trip: &Trip,
) -> Result<Reply, Failure> {
    let head = head(&mut response)?;
    let keep = writer.as_deref_mut().map_or(Keep::Memory, |writer| writer.begin(&head));
    let mut writer = writer.filter(|_| keep != Keep::Memory);
    let mut body = response.take_body();
    // max-body is kept to beneath.
    let mut kept = Collected::new(0, u64::MAX);
    while let Some(piece) = piece(&mut body, &trip.errand).await.map_err(|error| failed_body(&error))? {
        if keep != Keep::Writer {
            kept.add(piece.clone());
        }
        if let Some(writer) = &mut writer {
            writer.write(piece).await?;
        }
    }
    if let Some(writer) = writer {
        writer.end().await?;
    }
    let (url, timings) = trip.errand.ending();
    let (url, body) = (url.unwrap_or_else(|| trip.uri.clone()), kept.finish());
    Ok(Reply { status: head.status, headers: head.headers, body, url, timings })
}

/// Status and headers: those of the wire, but for what a middleware changed.
fn head(response: &mut types::Response) -> Result<response::Parts, Failure> {
    let wire = response.ext_mut().remove::<Head>();
    let (mut head, ()) = http::Response::new(()).into_parts();
    let unusable = |why: String| Failure::sent(FailureKind::Decode, format!("the reply of a middleware: {why}"));
    head.status = match &wire {
        Some(wire) if nearest(wire.status) == response.status() => wire.status,
        Some(_) | None => {
            http::StatusCode::from_u16(response.status().into()).map_err(|error| unusable(error.to_string()))?
        }
    };
    head.version = wire.as_ref().map_or(Version::HTTP_11, |wire| wire.version);
    let given = wire.map(|wire| wire.headers).unwrap_or_default();
    head.headers = lossy::merged(&given, flat(response.as_ref())).map_err(unusable)?;
    Ok(head)
}

/// The status itself where surf knows it, or the first of its class; what has no class is a server's error.
fn nearest(status: http::StatusCode) -> StatusCode {
    StatusCode::try_from(status.as_u16()).unwrap_or(match status.as_u16() {
        100..200 => StatusCode::Continue,
        200..300 => StatusCode::Ok,
        300..400 => StatusCode::MultipleChoice,
        400..500 => StatusCode::BadRequest,
        _ => StatusCode::InternalServerError,
    })
}

fn version(version: Version) -> Option<types::Version> {
    match version {
        Version::HTTP_10 => Some(types::Version::Http1_0),
        Version::HTTP_11 => Some(types::Version::Http1_1),
        Version::HTTP_2 => Some(types::Version::Http2_0),
        _ => None,
    }
}

/// Copies headers into surf's, whose values are ASCII: other bytes become `?`.
fn put(given: &HeaderMap, into: &mut Headers) {
    for (name, value) in given {
        if let Ok(value) = headers::HeaderValue::from_bytes(lossy::ascii(value)) {
            into.append(name.as_str(), value);
        }
    }
}

/// surf's headers, flat.
fn flat(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str()))).collect()
}

fn carried(failure: Failure) -> types::Error {
    types::Error::new(StatusCode::BadGateway, failure)
}

/// Why surf gave no reply: our own failure, found again, or what a middleware says.
fn failed(errand: &Errand, error: types::Error) -> Failure {
    let error = match error.downcast::<Failure>() {
        Ok(failure) => return failure,
        Err(error) => error,
    };
    if let Some(failure) = error.downcast_ref::<io::Error>().and_then(within) {
        return failure;
    }
    let sent = errand.passed() > 0;
    let kind = if sent { FailureKind::Decode } else { FailureKind::Request };
    Failure { kind, sent, head: None, message: format!("a middleware failed: {error}") }
}

fn failed_body(error: &io::Error) -> Failure {
    let own = || Failure::sent(FailureKind::Decode, format!("the body of a middleware's reply: {error}"));
    within(error).unwrap_or_else(own)
}

fn within(error: &io::Error) -> Option<Failure> {
    error.get_ref()?.downcast_ref::<Failure>().cloned()
}
