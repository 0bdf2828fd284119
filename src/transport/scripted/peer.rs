//! Who talks on behind a scripted 101.
//!
//! Must never outlive the call that it talks to.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Request};
use tokio::io::DuplexStream;

use super::{Scene, head, reply};
use crate::retry::Failure;
use crate::transport::exchange::Terms;
use crate::transport::{BoxFuture, Reply, RequestBody, Talk, fault};
use crate::websocket;

/// A server that talks over its end of a pipe, for as long as the call's talk goes on. Between the ends there are
/// [`Peer::PIPE`] bytes at most.
#[derive(Clone)]
pub struct Peer(Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, ()> + Send + Sync>);

impl Peer {
    /// Bytes on their way in one direction at most.
    pub const PIPE: usize = 64 * 1024;

    /// A server that does so with every connection it is given.
    #[must_use]
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |stream| Box::pin(serve(stream))))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl Scene {
    /// A WebSocket that is opened as `request` asks, without a subprotocol, and served by `peer`.
    #[must_use]
    pub fn websocket(request: &Request<RequestBody>, peer: Peer) -> Self {
        let key = request.headers().get(SEC_WEBSOCKET_KEY).map_or(&[][..], HeaderValue::as_bytes);
        let mut reply = reply(101, "");
        reply.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        reply.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::try_from(websocket::accept(key));
        reply.headers.extend(accept.ok().map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        Self { reply, silent: None, peer: Some(peer) }
    }
}

/// Lets the call's talk and the peer's go on together, until the call's is over.
pub(super) async fn switch(scene: Scene, terms: &Terms<'_>, talk: Option<&mut dyn Talk>) -> Result<Reply, Failure> {
    let Some(talk) = talk else { return Err(fault::switched(terms.host)) };
    let status = scene.reply.status;
    talk.begin(&head(&scene.reply)).map_err(|failure| failure.behind(status))?;
    let (ours, theirs) = tokio::io::duplex(Peer::PIPE);
    let mut serving = scene.peer.map(|peer| (peer.0)(theirs));
    let mut talking = talk.talk(Box::new(ours));
    let talked = poll_fn(|cx| {
        let talked = talking.as_mut().poll(cx);
        if talked.is_pending() && serving.as_mut().is_some_and(|serving| serving.as_mut().poll(cx).is_ready()) {
            serving = None;
        }
        talked
    });
    let talked = talked.await;
    drop(talking);
    // What was written last is there to be read.
    if let Some(mut serving) = serving {
        let _ = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
    }
    talked.map(|()| scene.reply).map_err(|failure| failure.behind(status))
}
