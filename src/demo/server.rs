//! Connections: accepted, served and owned.
//!
//! One task accepts and owns a task for each connection; when it ends, they all end. Must never let
//! one connection's trouble reach another.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, Reply, refuse};
use super::router::{Asked, World, dispatch};

/// Largest request body in bytes.
const MOST_BODY: usize = 1024 * 1024;

/// Wait after a connection could not be accepted, so that a full file table is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why a connection is cut without an answer: a route wants it so.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, world: Arc<World>) {
    debug_assert!(listener.local_addr().is_ok_and(|address| address.ip() == Ipv4Addr::LOCALHOST));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&world)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, world: Arc<World>) {
    // Without this, small replies would wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let world = Arc::clone(&world);
        async move { answer(&world, request).await }
    });
    // A client that goes away, or a route that cuts it off, ends the connection and nothing else.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(world: &World, request: Request<Incoming>) -> Result<Reply, Cut> {
    let (head, body) = request.into_parts();
    let Some(body) = collect(body).await else {
        return Ok(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", "send 1 MiB at most"));
    };
    let asked = Asked {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body: &body,
        part: "".into(),
    };
    match dispatch(world, asked) {
        Answer::Now(reply) => Ok(reply),
        Answer::Later(wait, reply) => {
            tokio::time::sleep(wait).await;
            Ok(reply)
        }
        Answer::Cut => Err(Cut),
    }
}

async fn collect(body: Incoming) -> Option<Bytes> {
    if body.is_end_stream() {
        return Some(Bytes::new());
    }
    Limited::new(body, MOST_BODY).collect().await.ok().map(|whole| whole.to_bytes())
}
