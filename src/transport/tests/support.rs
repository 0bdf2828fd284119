//! Servers for the tests of the engine: a few lines of TCP each, so that they can misbehave.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::retry::Failure;
use crate::secret::{Masker, Secrets};
use crate::transport::{
    BoxFuture, Call, ClientPlan, Engine, Gate, HttpVersion, HyperTransport, Opening, ProxyPlan, Reply, RequestBody,
    TimeoutPlan, TlsPlan, TlsVersion, Transport,
};

/// A server on loopback; ends when dropped.
pub struct Server {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Gives every connection, with its number from 0, to `handle`.
    pub async fn start<F, Fut>(handle: F) -> Self
    where
        F: Fn(TcpStream, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(handle(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, accepted, task }
    }

    /// Answers every request of every connection with what `answer` makes of it.
    pub async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                while let Some(request) = request(&mut stream).await {
                    if stream.write_all(answer(&request).as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Reads a request on every connection, writes `bytes` and closes.
    pub async fn once(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut stream, _| {
            let bytes = Arc::clone(&bytes);
            async move {
                request(&mut stream).await;
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// An http URL of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A whole request as text, its body by `Content-Length`; `None` when the client has closed.
pub async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if text.len() >= end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        if stream.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

/// Closes with a reset instead of an end.
pub fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// `200` with this body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Client settings that a test starts from.
pub fn plan() -> ClientPlan {
    ClientPlan {
        engine: Engine::Hyper,
        upgrades: false,
        http: HttpVersion::Auto,
        cookies: false,
        compression: true,
        proxy: ProxyPlan::None,
        connections_total: 100,
        connections_per_host: 100,
        idle_timeout: Duration::from_secs(90),
        dns_ttl: Duration::from_secs(300),
        redirects: 10,
        max_body: 1 << 20,
        user_agent: "paceline/test".to_owned(),
        resolve: BTreeMap::new(),
        tls: TlsPlan { verify: true, ca: None, identity: None, min_version: TlsVersion::V12 },
    }
}

/// What clients are opened with: no secrets, and TLS only if it comes to it.
pub fn opening() -> Opening<'static> {
    static NONE: std::sync::LazyLock<(Secrets, Masker)> = std::sync::LazyLock::new(Default::default);
    Opening { needs_tls: false, secrets: &NONE.0, masker: &NONE.1, demo: None }
}

/// A client with settings.
pub fn client(change: impl FnOnce(&mut ClientPlan)) -> HyperTransport {
    let mut plan = plan();
    change(&mut plan);
    HyperTransport::open(&plan, &opening()).unwrap()
}

/// Timeouts that no test should meet.
pub fn patient() -> TimeoutPlan {
    let long = Duration::from_secs(60);
    TimeoutPlan { pool: long, connect: long, read: long, total: long, row: None }
}

/// A gate that is open, and counts.
#[derive(Default)]
pub struct Open {
    pub passed: AtomicUsize,
}

impl Gate for Open {
    fn pass(&self, _: &http::Uri) -> BoxFuture<'_, ()> {
        self.passed.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

/// A GET request.
pub fn get(url: &str) -> Request<RequestBody> {
    Request::get(url).body(RequestBody::default()).unwrap()
}

/// Makes an attempt with an open gate.
pub async fn send(
    transport: &HyperTransport,
    request: Request<RequestBody>,
    timeouts: &TimeoutPlan,
) -> Result<Reply, Failure> {
    transport.exchange(Call::new(request, &Open::default(), timeouts)).await
}

/// GETs a URL with patience.
pub async fn fetch(transport: &HyperTransport, url: &str) -> Result<Reply, Failure> {
    send(transport, get(url), &patient()).await
}

/// A body in a coding, by its name: `raw` is deflate without zlib's header.
pub fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let level = flate2::Compression::default();
    match coding {
        "gzip" | "x-gzip" => flate2::read::GzEncoder::new(body, level).read_to_end(&mut out),
        "deflate" => flate2::read::ZlibEncoder::new(body, level).read_to_end(&mut out),
        "raw" => flate2::read::DeflateEncoder::new(body, level).read_to_end(&mut out),
        "br" => brotli::CompressorReader::new(body, 4096, 5, 22).read_to_end(&mut out),
        "zstd" => zstd::stream::copy_encode(body, &mut out, 3).map(|()| out.len()),
        other => panic!("no encoder for {other}"),
    }
    .unwrap();
    out
}

/// `200` with this body and these headers, each with its line break.
pub fn reply(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A request with headers and a body.
pub fn with(method: Method, url: &str, headers: HeaderMap, body: &'static str) -> Request<RequestBody> {
    let mut request = get(url);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.body_mut() = Bytes::from_static(body.as_bytes()).into();
    request
}
