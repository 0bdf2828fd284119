//! A server that acts a script, on the network or inside the double, seen from the outside.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use tokio::io::AsyncReadExt;

use super::super::support::{Open, Server, get, patient, plan};
use super::server::{Log, knock, serve};
use super::{Kind, Subject};
use crate::retry::{Failure, FailureKind};
use crate::transport::scripted::{Scene, ScriptedTransport, Silence};
use crate::transport::{BodyPart, Call, ClientPlan, Reply, RequestBody, TimeoutPlan, Timings, Transport};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// Values of a header, in their order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_slice()).collect()
    }
}

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length,
    Chunked,
    /// By closing the connection.
    Close,
    /// There is no body, whatever the head promises.
    None,
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Bytes,
    pub framing: Framing,
    pub silent: Option<Silence>,
    /// The connection is closed after so many bytes of the body.
    pub cut: Option<usize>,
}

/// An answer with a body.
pub fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into(), framing: Framing::Length, silent: None, cut: None }
}

impl Answer {
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    pub fn framed(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    pub fn silent(self, silent: Silence) -> Self {
        Self { silent: Some(silent), ..self }
    }
}

pub type Script = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// A transport and the server that it talks to.
pub struct Stand {
    pub transport: Arc<dyn Transport>,
    side: Side,
}

enum Side {
    Wire { log: Arc<Log>, server: Server, mute: Server },
    Double(Arc<ScriptedTransport>),
}

impl Stand {
    /// With the settings of tests, changed.
    pub async fn open(
        subject: Subject,
        change: impl FnOnce(&mut ClientPlan),
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let mut plan = plan();
        change(&mut plan);
        match subject.kind {
            Kind::Wire(open) => {
                let (log, script) = (Arc::<Log>::default(), Arc::new(script) as Script);
                let own = Arc::clone(&log);
                let server = Server::start(move |stream, _| serve(stream, Arc::clone(&script), Arc::clone(&own))).await;
                let mute = Server::start(|mut stream, _| async move { while stream.read_u8().await.is_ok() {} }).await;
                Self { transport: open(&plan), side: Side::Wire { log, server, mute } }
            }
            Kind::Double => {
                let double = ScriptedTransport::staged(move |request| {
                    let asked = asked(request);
                    act(&script(&asked), asked.method == "HEAD")
                })
                .per_host(plan.connections_per_host)
                .following(plan.redirects)
                .max_body(plan.max_body)
                .unreachable("unreachable.example");
                let double = Arc::new(double);
                Self { transport: Arc::clone(&double) as Arc<dyn Transport>, side: Side::Double(double) }
            }
        }
    }

    /// A URL of the server.
    pub fn url(&self, target: &str) -> String {
        match &self.side {
            Side::Wire { server, .. } => server.url(target),
            Side::Double(_) => format!("http://server.example{target}"),
        }
    }

    /// The same server by another name.
    pub fn elsewhere(&self, target: &str) -> String {
        match &self.side {
            Side::Wire { server, .. } => format!("http://localhost:{}{target}", server.address.port()),
            Side::Double(_) => format!("http://elsewhere.example{target}"),
        }
    }

    /// A URL to which no connection comes about: the handshake is never answered.
    pub fn unreachable(&self) -> String {
        match &self.side {
            Side::Wire { mute, .. } => format!("https://{}/", mute.address),
            Side::Double(_) => "http://unreachable.example/".to_owned(),
        }
    }

    /// Whole requests, in their order.
    pub fn asked(&self) -> Vec<Asked> {
        match &self.side {
            Side::Wire { log, .. } => log.asked.lock().unwrap().clone(),
            Side::Double(double) => {
                let requests = double.calls().into_iter().map(|call| {
                    let mut request = Request::new(call.body);
                    *request.method_mut() = call.method;
                    *request.uri_mut() = call.url;
                    *request.headers_mut() = call.headers;
                    request
                });
                requests.map(|request| asked(&request)).collect()
            }
        }
    }

    /// Connections that were made.
    pub fn connections(&self) -> usize {
        match &self.side {
            Side::Wire { server, .. } => server.accepted(),
            Side::Double(double) => double.opened(),
        }
    }

    /// Waits until a connection of the transport is there; some of it may have come from elsewhere.
    pub async fn connected(&self) {
        match &self.side {
            // The server's own rounds: what the transport has sent by now has been read by then.
            Side::Wire { server, .. } => {
                for _ in 0..3 {
                    knock(server.address).await;
                }
            }
            Side::Double(double) => assert!(double.opened() > 0),
        }
    }

    /// Bytes or requests that have come in.
    pub fn received(&self) -> usize {
        match &self.side {
            Side::Wire { log, .. } => log.received.load(Ordering::SeqCst),
            Side::Double(double) => double.calls().len(),
        }
    }

    /// Waits until so many requests have come.
    pub async fn until_asked(&self, count: usize) {
        self.until(|stand| stand.asked().len() >= count).await;
    }

    /// Waits until so many connections were closed from the other side.
    pub async fn until_closed(&self, count: usize) {
        self.until(|stand| match &stand.side {
            Side::Wire { log, .. } => log.closed.load(Ordering::SeqCst) >= count,
            Side::Double(double) => double.closed() >= count,
        })
        .await;
    }

    /// Waits until the server has written something and can't write any further, whoever else runs.
    pub async fn until_blocked(&self) {
        let Side::Wire { server, .. } = &self.side else { return };
        loop {
            let before = self.written();
            for _ in 0..10 {
                knock(server.address).await;
            }
            if before > 0 && self.written() == before {
                return;
            }
        }
    }

    /// Bytes of bodies that the server could hand out; the double hands out what is asked for.
    pub fn written(&self) -> usize {
        match &self.side {
            Side::Wire { log, .. } => log.written.load(Ordering::SeqCst),
            Side::Double(_) => 0,
        }
    }

    /// Silent answers are given after all, wherever they still can be.
    pub fn release(&self) {
        match &self.side {
            Side::Wire { log, .. } => log.released.notify_waiters(),
            Side::Double(_) => {}
        }
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let Side::Wire { log, .. } = &self.side else {
                    tokio::task::yield_now().await;
                    if holds(self) {
                        return;
                    }
                    continue;
                };
                let news = log.news.notified();
                if holds(self) {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never came to it");
    }
}

/// Makes an attempt with an open gate.
pub async fn send(
    transport: &dyn Transport,
    request: Request<RequestBody>,
    timeouts: &TimeoutPlan,
) -> Result<Reply, Failure> {
    transport.exchange(Call::new(request, &Open::default(), timeouts)).await
}

/// GETs a URL with patience.
pub async fn fetch(transport: &dyn Transport, url: &str) -> Result<Reply, Failure> {
    send(transport, get(url), &patient()).await
}

/// The same, acted by the double.
fn act(answer: &Answer, is_head: bool) -> Result<Scene, Failure> {
    if answer.cut.is_some() {
        return Err(Failure::sent(FailureKind::Truncated, "cut short"));
    }
    let pair = |(name, value): &(&'static str, Vec<u8>)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    headers.extend(answer.headers.iter().map(pair));
    let body = if is_head || answer.framing == Framing::None { Bytes::new() } else { answer.body.clone() };
    let status = StatusCode::from_u16(answer.status).unwrap();
    let reply = Reply { status, headers, body, url: Uri::default(), timings: Timings::default() };
    Ok(Scene { silent: answer.silent, ..reply.into() })
}

fn asked(request: &Request<RequestBody>) -> Asked {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let body = match request.body() {
        RequestBody::Whole(bytes) => bytes.to_vec(),
        RequestBody::Parts(parts) => parts.iter().flat_map(part).collect(),
    };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    Asked { method: request.method().to_string(), target, headers: headers.collect(), body }
}

fn part(part: &BodyPart) -> Vec<u8> {
    match part {
        BodyPart::Bytes(bytes) => bytes.to_vec(),
        BodyPart::File { path, .. } => std::fs::read(path).unwrap(),
    }
}
