//! Connections that go on behind a 101: what is talked, what ends it, and that slots come back from every end.

mod ends;
mod ways;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::pool::free_slots;
use super::support::{Open, Server, get, patient, request};
use crate::retry::Failure;
use crate::transport::{BoxFuture, Call, ClientPlan, HyperTransport, Reply, Stream, Talk, TimeoutPlan, Transport};
use crate::websocket::tests::wire::{FIN, TEXT, close, code, frame, rest};
use crate::websocket::{Handshake, Incoming, Socket, accept};

const LIMIT: u64 = 1 << 20;

/// Opens a socket and listens until it ends.
struct Listener {
    handshake: Handshake,
    heard: Vec<Incoming>,
    began: usize,
    /// What comes of the talk when the socket has ended.
    outcome: Result<(), Failure>,
}

impl Listener {
    fn new(protocols: &[&str]) -> Self {
        let protocols: Vec<String> = protocols.iter().map(|name| (*name).to_owned()).collect();
        Self { handshake: Handshake::new(&protocols), heard: Vec::new(), began: 0, outcome: Ok(()) }
    }

    fn texts(&self) -> Vec<String> {
        let texts = self.heard.iter().filter_map(|came| match came {
            Incoming::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        });
        texts.collect()
    }
}

impl Talk for Listener {
    fn begin(&mut self, head: &http::response::Parts) -> Result<(), Failure> {
        self.began += 1;
        self.handshake.check(head)
    }

    fn talk<'s>(&'s mut self, stream: Box<dyn Stream>) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async move {
            let mut socket = Socket::over(stream, LIMIT);
            loop {
                let came = socket.next().await?;
                let is_end = matches!(came, Incoming::Closed { .. } | Incoming::Gone);
                self.heard.push(came);
                if is_end {
                    return self.outcome.clone();
                }
            }
        })
    }
}

async fn open(
    transport: &dyn Transport,
    url: &str,
    timeouts: &TimeoutPlan,
    listener: &mut Listener,
) -> Result<Reply, Failure> {
    let (gate, mut request) = (Open::default(), get(url));
    listener.handshake.put(request.headers_mut());
    transport.exchange(Call { talk: Some(listener), ..Call::new(request, &gate, timeouts) }).await
}

async fn listen(transport: &dyn Transport, url: &str) -> (Result<Reply, Failure>, Listener) {
    let mut listener = Listener::new(&[]);
    let reply = open(transport, url, &patient(), &mut listener).await;
    (reply, listener)
}

/// The 101 that a request asks for, with more header lines.
fn welcome(request: &str, more: &str) -> String {
    let line = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = accept(line.unwrap_or_default().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n{more}\r\n"
    )
}

/// Welcomes who comes with these bytes in the same packet, and tells what the client sent until it hung up.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    bytes: &[u8],
    told: &UnboundedSender<Option<u16>>,
) -> Option<()> {
    let asked = request(&mut stream).await?;
    stream.write_all(&[welcome(&asked, "").as_bytes(), bytes].concat()).await.ok()?;
    stream.flush().await.ok()?;
    let _ = told.send(code(&rest(&mut stream).await));
    Some(())
}

fn ticks() -> Vec<u8> {
    [frame(FIN | TEXT, b"one"), frame(FIN | TEXT, b"two"), close(1000, b"")].concat()
}

async fn sockets(bytes: Vec<u8>) -> (Server, UnboundedReceiver<Option<u16>>) {
    let (told, hears) = unbounded_channel();
    let bytes: Arc<[u8]> = bytes.into();
    let server = Server::start(move |stream, _| {
        let (bytes, told) = (Arc::clone(&bytes), told.clone());
        async move {
            serve(stream, &bytes, &told).await;
        }
    })
    .await;
    (server, hears)
}

fn one_at_a_time(plan: &mut ClientPlan) {
    plan.connections_per_host = 1;
    plan.upgrades = true;
}

// Nothing is open, and the slot is there for the next.
fn all_is_free(transport: &HyperTransport, url: &str) {
    assert_eq!((transport.pool().open(), free_slots(transport, url)), (0, (100, 1)));
}
