//! A small HTTP server: a thread of its own, a bounded number of connections, one request on each.
//!
//! Read-only, and careful with whoever asks: heads have a size and a time, replies a time to be taken, and on loopback a
//! request must name this machine ([`super::address::is_own_name`]). Must never keep the process from ending.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::is_own_name;
use super::reply::{self, Content, Reply, Telling};

/// Connections at once; others wait in the system's queue.
const MOST_CONNECTIONS: usize = 32;
/// Bytes of a request's head.
const MOST_HEAD: usize = 16 * 1024;
/// How long a client may take to ask.
const ASKING: Duration = Duration::from_secs(5);
/// How long it may take to hear the answer.
const HEARING: Duration = Duration::from_secs(20);
/// Wait after a connection could not be accepted, so that a full file table is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How long the end of a run waits for replies that are on their way.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to be seen at an address.
pub trait Site: Send + Sync {
    /// Answers a GET or HEAD.
    fn answer(&self, path: &str, headers: &HeaderMap) -> Reply;
}

/// A server at work; ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ending: watch::Sender<bool>,
    ended: mpsc::Receiver<Infallible>,
}

struct Inside {
    site: Arc<dyn Site>,
    /// Whether only this machine can ask.
    is_loopback: bool,
}

impl Server {
    /// Shows a site to whoever asks at a listener.
    ///
    /// # Errors
    /// When there is no thread or no handle left for it.
    pub fn start(listener: TcpListener, site: Arc<dyn Site>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let inside = Arc::new(Inside { site, is_loopback: address.ip().is_loopback() });
        let ((ending, ends), (ends_here, ended)) = (watch::channel(false), mpsc::channel());
        let work = move || {
            runtime.block_on(serve(listener, inside, ends));
            drop(ends_here);
        };
        std::thread::Builder::new().name("serve".to_owned()).spawn(work)?;
        Ok(Self { address, ending, ended })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests.
    pub fn close(&self) {
        let _ = self.ending.send(true);
    }

    /// Ends it, after the replies that are on their way, for which it waits a moment and no more.
    pub fn end(self) {
        self.close();
        let _ = self.ended.recv_timeout(FAREWELL * 2);
    }
}

async fn serve(listener: tokio::net::TcpListener, inside: Arc<Inside>, ending: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = over(ending.clone()) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, inside.clone(), ending.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
}

/// Until the server is told to end, or nobody is left to tell it.
async fn over(mut ending: watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// One request, and its reply.
async fn connection(stream: TcpStream, inside: Arc<Inside>, ending: watch::Receiver<bool>) {
    // Without this, small replies would wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let (asks, mut asked) = oneshot::channel();
    let asks = Mutex::new(Some(asks));
    let service = service_fn(move |request: Request<Incoming>| {
        let Reply { http, telling } = inside.answer(&request);
        // There is one request on a connection.
        if let Some(asks) = asks.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = asks.send(telling);
        }
        async { Ok::<Response<Content>, Infallible>(http) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(MOST_HEAD);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let telling: Option<Telling> = tokio::select! {
        biased;
        _ = &mut served => return,
        asked = timeout(ASKING, &mut asked) => match asked {
            Ok(Ok(telling)) => telling,
            Ok(Err(_)) | Err(_) => return,
        },
        // Browsers connect before they have a question.
        () = over(ending) => return,
    };
    if let Some(telling) = telling {
        tokio::select! {
            _ = &mut served => return,
            () = telling => {}
        }
    }
    let _ = timeout(HEARING, served).await;
}

impl Inside {
    fn answer(&self, request: &Request<Incoming>) -> Reply {
        if self.is_loopback && !names_this_machine(request.headers()) {
            let words = "the Host header names another machine: ask for localhost or 127.0.0.1";
            return reply::refuse(StatusCode::MISDIRECTED_REQUEST, words);
        }
        match *request.method() {
            Method::GET => self.site.answer(request.uri().path(), request.headers()),
            Method::HEAD => Reply { telling: None, ..self.site.answer(request.uri().path(), request.headers()) },
            _ => reply::read_only(),
        }
    }
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    host.is_some_and(is_own_name) && hosts.next().is_none()
}
