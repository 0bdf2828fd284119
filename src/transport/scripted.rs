//! A transport without a network: answers from a script and remembers what it was asked.
//!
//! The double for tests of whatever stands above the transport. It keeps the contract of the real ones: it
//! passes the gate before it answers, honours timeouts (on tokio's clock, paused or not), hands bodies
//! to writers, talks over pipes where it switches protocols, counts connections, and follows redirects where it is told to. It must never touch a network.

mod peer;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::exchange::{Intake, Terms};
use super::fault::{self, Overdue};
use super::redirect::{self, Trail};
use super::target::{Origin, Outgoing};
use super::{
    Bodied, BodyWriter, BoxFuture, Call, Endless, Reply, RequestBody, TimeoutPlan, Timings, Transport, lend, lend_talk,
};
use crate::clock;
use crate::retry::{Failure, FailureKind};

pub use peer::Peer;

/// Bytes of a piece of a scripted body.
const PIECE: usize = 16 * 1024;

type Script = Box<dyn Fn(&Request<RequestBody>) -> Result<Scene, Failure> + Send + Sync>;

/// A reply and how it comes.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The reply, should it come.
    pub reply: Reply,
    /// Where the server falls silent for good.
    pub silent: Option<Silence>,
    /// Who talks on behind a 101; `None`: nobody, and the connection ends there.
    pub peer: Option<Peer>,
}

/// Where a scripted server falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Before the head.
    BeforeHead,
    /// In the body, after so many bytes.
    AfterBytes(usize),
}

impl From<Reply> for Scene {
    fn from(reply: Reply) -> Self {
        Self { reply, silent: None, peer: None }
    }
}

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: Uri,
    /// Headers as given to the transport.
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
}

/// The test double.
pub struct ScriptedTransport {
    script: Script,
    calls: Mutex<Vec<Recorded>>,
    hosts: Mutex<HashMap<String, Arc<ScriptedHost>>>,
    per_host: usize,
    redirects: u32,
    max_body: u64,
    unreachable: Option<String>,
}

/// Connections to an origin.
struct ScriptedHost {
    label: String,
    slots: Arc<Semaphore>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    opened: usize,
    idle: usize,
    closed: usize,
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedTransport").field("calls", &lock(&self.calls).len()).finish_non_exhaustive()
    }
}

impl ScriptedTransport {
    /// Answers each request with what `script` makes of it.
    #[must_use]
    pub fn new(script: impl Fn(&Request<RequestBody>) -> Result<Reply, Failure> + Send + Sync + 'static) -> Self {
        Self::staged(move |request| script(request).map(Scene::from))
    }

    /// As [`ScriptedTransport::new`], with a say in how replies come.
    #[must_use]
    pub fn staged(script: impl Fn(&Request<RequestBody>) -> Result<Scene, Failure> + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            calls: Mutex::default(),
            hosts: Mutex::default(),
            per_host: Semaphore::MAX_PERMITS,
            redirects: 0,
            max_body: u64::MAX,
            unreachable: None,
        }
    }

    /// Answers with these, one after the other; afterwards with a failed connection.
    #[must_use]
    pub fn in_order(answers: impl IntoIterator<Item = Result<Reply, Failure>>) -> Self {
        let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into_iter().collect());
        Self::new(move |_request| {
            let next = lock(&answers).pop_front();
            next.unwrap_or_else(|| Err(Failure::unsent(FailureKind::Connect, "the script has ended")))
        })
    }

    /// Allows so many connections to an origin, at least 1; without it, as many as are asked for.
    #[must_use]
    pub fn per_host(self, per_host: usize) -> Self {
        Self { per_host: per_host.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// Follows so many redirects; without it none.
    #[must_use]
    pub fn following(self, redirects: u32) -> Self {
        Self { redirects, ..self }
    }

    /// Refuses larger bodies; without it none.
    #[must_use]
    pub fn max_body(self, max_body: u64) -> Self {
        Self { max_body, ..self }
    }

    /// Connections to this host are never made.
    #[must_use]
    pub fn unreachable(self, host: impl Into<String>) -> Self {
        Self { unreachable: Some(host.into()), ..self }
    }

    /// The requests that were made, in the order in which they passed the gate.
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        lock(&self.calls).clone()
    }

    /// Connections that were made.
    #[must_use]
    pub fn opened(&self) -> usize {
        lock(&self.hosts).values().map(|host| lock(&host.counts).opened).sum()
    }

    /// Connections that were closed, because an exchange on them failed or was dropped.
    #[must_use]
    pub fn closed(&self) -> usize {
        lock(&self.hosts).values().map(|host| lock(&host.counts).closed).sum()
    }

    async fn answer(&self, mut call: Call<'_>) -> Result<Reply, Failure> {
        let (parts, body) = call.request.into_parts();
        let (method, url, headers) = (parts.method, parts.uri, parts.headers);
        let bodied = parts.extensions.get::<Bodied>().is_some();
        let mut outgoing = Outgoing { method, url, headers, kept: Vec::new(), body, abroad: false, bodied };
        let mut trail = Trail::new(self.redirects);
        loop {
            let origin = Origin::of(&outgoing.url).map_err(|why| Failure::unsent(FailureKind::Request, why))?;
            let host = self.host(&origin);
            let connection = self.connect(&host, call.timeouts).await?;
            call.gate.pass(&outgoing.url).await;
            if let Some(signer) = &call.signer {
                signer.sign(&outgoing.method, &outgoing.url, &mut outgoing.headers, &outgoing.body).await?;
            }
            let terms = Terms {
                host: &host.label,
                timeouts: call.timeouts,
                start: clock::now(),
                total: call.timeouts.total,
                follows: trail.follows(),
                max_body: self.max_body,
                decodes: false,
                forward: None,
            };
            let scene = (self.script)(&self.record(&outgoing))?;
            let reply = if scene.reply.status == StatusCode::SWITCHING_PROTOCOLS {
                peer::switch(scene, &terms, lend_talk(&mut call.talk)).await?
            } else {
                let (reply, whole) = play(scene, &terms, lend(&mut call.writer)).await?;
                if whole {
                    connection.keep();
                }
                reply
            };
            match trail.next(&outgoing, reply.status, &reply.headers)? {
                Some(next) => {
                    // As the real ones: a signature stays in its origin.
                    call.signer = call.signer.filter(|_| Origin::of(&next.url).is_ok_and(|to| to == origin));
                    outgoing = next;
                }
                None => return Ok(Reply { url: own_or(reply.url, outgoing.url), ..reply }),
            }
        }
    }

    fn host(&self, origin: &Origin<'_>) -> Arc<ScriptedHost> {
        let label = origin.label();
        let mut hosts = lock(&self.hosts);
        let new = || {
            let slots = Arc::new(Semaphore::new(self.per_host));
            Arc::new(ScriptedHost { label: label.clone(), slots, counts: Mutex::default() })
        };
        Arc::clone(hosts.entry(format!("{} {label}", origin.secure)).or_insert_with(new))
    }

    async fn connect(&self, host: &Arc<ScriptedHost>, timeouts: &TimeoutPlan) -> Result<Scripted, Failure> {
        let slot = tokio::time::timeout(timeouts.pool, Arc::clone(&host.slots).acquire_owned()).await;
        // Never closed, so the inner error has no case.
        let Ok(Ok(slot)) = slot else { return Err(fault::pool_timeout(&host.label, timeouts.pool)) };
        if self.unreachable.as_deref() == Some(host.label.as_str()) {
            tokio::time::sleep(timeouts.connect).await;
            return Err(fault::connect_timeout(&host.label, timeouts.connect, "TCP"));
        }
        let mut counts = lock(&host.counts);
        match counts.idle.checked_sub(1) {
            Some(idle) => counts.idle = idle,
            None => counts.opened += 1,
        }
        drop(counts);
        Ok(Scripted { host: Arc::clone(host), _slot: slot, reusable: false })
    }

    /// Notes the request, and gives it to be shown to the script.
    fn record(&self, outgoing: &Outgoing) -> Request<RequestBody> {
        let Outgoing { method, url, headers, body, .. } = outgoing.clone();
        let mut request = Request::new(body.clone());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers.clone();
        lock(&self.calls).push(Recorded { method, url, headers, body });
        request
    }
}

impl Transport for ScriptedTransport {
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.answer(call))
    }
}

/// A connection in use; closed when it is dropped, unless its exchange was complete.
struct Scripted {
    host: Arc<ScriptedHost>,
    _slot: OwnedSemaphorePermit,
    reusable: bool,
}

impl Scripted {
    fn keep(mut self) {
        self.reusable = true;
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let mut counts = lock(&self.host.counts);
        if self.reusable { counts.idle += 1 } else { counts.closed += 1 }
    }
}

/// Lets the reply come, as the scene says; tells whether all of it came, or its writer had enough before.
async fn play(scene: Scene, terms: &Terms<'_>, writer: Option<&mut dyn BodyWriter>) -> Result<(Reply, bool), Failure> {
    let Scene { reply, silent, peer: _ } = scene;
    if silent == Some(Silence::BeforeHead) {
        return Err(silence(terms, None).await);
    }
    let head = head(&reply);
    let writer = writer.filter(|_| !(terms.follows && redirect::is_one(&head)));
    let mut intake = Intake::open(&head, reply.body.len() as u64, terms, writer)?;
    let end = match silent {
        Some(Silence::AfterBytes(bytes)) => bytes.min(reply.body.len()),
        Some(Silence::BeforeHead) | None => reply.body.len(),
    };
    for start in (0..end).step_by(PIECE) {
        intake.take(reply.body.slice(start..end.min(start + PIECE)), terms)?;
        intake.flush().await?;
        if intake.is_done() {
            break;
        }
    }
    if silent.is_some() && !intake.is_done() {
        return Err(silence(terms, intake.endless()).await);
    }
    let whole = !intake.is_done();
    let body = intake.end().await?;
    Ok((Reply { body, ..reply }, whole))
}

fn head(reply: &Reply) -> response::Parts {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = reply.status;
    head.headers = reply.headers.clone();
    head
}

/// Waits until somebody is out of patience.
async fn silence(terms: &Terms<'_>, endless: Option<Endless>) -> Failure {
    let left = terms.total.saturating_sub(clock::now() - terms.start);
    let (patience, overdue) = match endless {
        Some(Endless { silence: None }) => return std::future::pending().await,
        Some(Endless { silence: Some(silence) }) => (silence, Overdue::Read(silence)),
        None if left <= terms.timeouts.read => (left, Overdue::Total),
        None => (terms.timeouts.read, Overdue::Read(terms.timeouts.read)),
    };
    tokio::time::sleep(patience).await;
    overdue.failure(terms.host, terms.timeouts)
}

fn own_or(own: Uri, other: Uri) -> Uri {
    if own == Uri::default() { other } else { own }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reply with a status and a body, and nothing else. Its URL will be that of the request.
///
/// # Panics
/// When `status` is not in 100..=999.
#[must_use]
pub fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).expect("a status between 100 and 999"),
        headers: HeaderMap::new(),
        body: body.into(),
        url: Uri::default(),
        timings: Timings::default(),
    }
}
