//! Connections: accepted, served and owned.
//!
//! One task accepts and owns a task for each connection; when it ends, they all end. Must never let
//! one connection's trouble reach another.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, Reply, refuse};
use super::router::{Asked, World, dispatch};
use super::streams::{self, Body, Cut};
use super::ticks::Feed;

/// Largest request body in bytes.
const MOST_BODY: usize = 1024 * 1024;

/// Wait after a connection could not be accepted, so that a full file table is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A conversation that begins when the reply is on its way, on the task of its connection.
type Begun = Arc<Mutex<Option<(OnUpgrade, Feed)>>>;

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
    let begun = Begun::default();
    let begins = Arc::clone(&begun);
    let service = service_fn(move |request| {
        let (world, begun) = (Arc::clone(&world), Arc::clone(&begins));
        async move { answer(&world, request, &begun).await }
    });
    // A client that goes away, or a route that cuts it off, ends the connection and nothing else.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((upgrade, feed)) = begun
        && let Ok(upgraded) = upgrade.await
    {
        streams::speak(upgraded, feed).await;
    }
}

async fn answer(world: &World, mut request: Request<Incoming>, begun: &Begun) -> Result<Response<Body>, Cut> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let whole = |reply: Reply| Ok(reply.map(Either::Left));
    let Some(body) = collect(body).await else {
        return whole(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", "send 1 MiB at most"));
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
        Answer::Now(reply) => whole(reply),
        Answer::Later(wait, reply) => {
            tokio::time::sleep(wait).await;
            whole(reply)
        }
        Answer::Cut => Err(Cut),
        Answer::Socket(reply, feed) => {
            *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, feed));
            whole(reply)
        }
        Answer::Events(feed) => Ok(streams::events(feed)),
    }
}

async fn collect(body: Incoming) -> Option<Bytes> {
    if body.is_end_stream() {
        return Some(Bytes::new());
    }
    Limited::new(body, MOST_BODY).collect().await.ok().map(|whole| whole.to_bytes())
}
