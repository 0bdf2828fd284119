//! HTTP/2: connections that many requests share, and servers that do odd things with them.

mod faults;
mod frames;
mod recovery;
mod sharing;
mod wire;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::support::{Server, client};
use crate::transport::{ClientPlan, HttpVersion, HyperTransport};

/// A client that speaks HTTP/2 alone.
pub fn client2(change: impl FnOnce(&mut ClientPlan)) -> HyperTransport {
    client(|plan| {
        plan.http = HttpVersion::Two;
        change(plan);
    })
}

/// A request as a server gets it, and where its reply goes.
pub struct Asked {
    request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
}

impl Asked {
    pub fn path(&self) -> String {
        self.request.uri().path().to_owned()
    }

    pub fn reply(self, body: impl Into<Bytes>) {
        self.try_reply(body).unwrap();
    }

    /// Fails when the client gave the request up.
    fn try_reply(mut self, body: impl Into<Bytes>) -> Result<(), h2::Error> {
        self.respond.send_response(Response::new(()), false)?.send_data(body.into(), true)
    }
}

/// Serves one connection; every request has a task of its own.
async fn serve<S, F, Fut>(stream: S, settings: Builder, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Asked) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let Ok(mut connection) = settings.handshake::<_, Bytes>(stream).await else { return };
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tasks.spawn(answer(Asked { request, respond }));
    }
}

/// A server of HTTP/2 that lets so many streams in at once.
pub async fn server<F, Fut>(streams: u32, answer: F) -> Server
where
    F: Fn(Asked) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let answer = Arc::new(answer);
    Server::start(move |stream, _| {
        let answer = Arc::clone(&answer);
        let mut settings = Builder::new();
        settings.max_concurrent_streams(streams);
        async move { serve(stream, settings, |asked| answer(asked)).await }
    })
    .await
}

/// A server that answers with the path that it was asked for.
async fn echo(streams: u32) -> Server {
    server(streams, async |asked: Asked| {
        let path = asked.path();
        asked.reply(path);
    })
    .await
}

/// Counts who is inside at once, and the most there ever were.
#[derive(Default)]
struct Peak {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Peak {
    fn enter(&self) {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}
