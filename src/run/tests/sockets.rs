//! A server of sockets in memory, which is a function: for jobs on the stage.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use tokio::io::DuplexStream;
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

use crate::clock::{self, Instant};
use crate::retry::Failure;
use crate::transport::{BoxFuture, Call, Reply, Timings, Transport};

/// Bytes that are on their way at once.
const PIPE: usize = 64 * 1024;

/// The server's end of a socket.
pub type Peer = WebSocketStream<DuplexStream>;

/// What the server does with a connection.
pub enum Visit {
    /// Answers with this status.
    Refuse(u16),
    /// Opens a socket and does this with it; the socket is dropped afterwards.
    Serve(Box<dyn FnOnce(Peer) -> BoxFuture<'static, ()> + Send>),
    /// Opens a connection and never says anything, not even a pong.
    Deaf,
}

type Script = Box<dyn Fn(&str, u32) -> Visit + Send + Sync>;

/// The server, and its log.
pub struct Sockets {
    script: Script,
    turns: Mutex<HashMap<String, u32>>,
    /// When connections came.
    pub log: Mutex<Vec<Instant>>,
}

impl Sockets {
    pub fn new(script: impl Fn(&str, u32) -> Visit + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), turns: Mutex::default(), log: Mutex::default() })
    }

    /// Seconds between one connection and the next.
    pub fn gaps(&self) -> Vec<u64> {
        let log = self.log.lock().unwrap();
        log.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    async fn serve(&self, call: Call<'_>) -> Result<Reply, Failure> {
        let url = call.request.uri().clone();
        call.gate.pass(&url).await;
        let id = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let turn = {
            let mut turns = self.turns.lock().unwrap();
            let turn = turns.entry(id.clone()).or_default();
            *turn += 1;
            *turn
        };
        self.log.lock().unwrap().push(clock::now());
        let reply = |status: u16, headers| Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::new(),
            url: url.clone(),
            timings: Timings::default(),
        };
        let visit = (self.script)(&id, turn);
        if let Visit::Refuse(status) = visit {
            return Ok(reply(status, HeaderMap::new()));
        }
        let talk = call.talk.expect("who asks for a socket goes on over it");
        let headers = switched(call.request.headers());
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers.clone();
        talk.begin(&response.into_parts().0)?;
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let _deaf = match visit {
            Visit::Serve(act) => {
                tokio::spawn(act(ServerBuilder::new().serve(theirs)));
                None
            }
            Visit::Deaf | Visit::Refuse(_) => Some(theirs),
        };
        talk.talk(Box::new(ours)).await?;
        Ok(reply(101, headers))
    }
}

impl Transport for Sockets {
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.serve(call))
    }
}

/// The head of a 101 (RFC 6455, section 4.2.2).
fn switched(asked: &HeaderMap) -> HeaderMap {
    let key = asked["sec-websocket-key"].to_str().unwrap();
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept.parse().unwrap());
    headers
}

pub fn serve<F>(act: impl FnOnce(Peer) -> F + Send + 'static) -> Visit
where
    F: Future<Output = ()> + Send + 'static,
{
    Visit::Serve(Box::new(move |peer| Box::pin(act(peer))))
}

/// Sends ticks of these numbers.
pub async fn tick(peer: &mut Peer, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        // Who does not listen any more has closed.
        if peer.send(Message::text(json!({ "seq": number }).to_string())).await.is_err() {
            return;
        }
    }
}

pub async fn close(mut peer: Peer, code: u16, reason: &'static str) {
    let code = CloseCode::try_from(code).unwrap();
    let _ = peer.send(Message::close(Some(code), reason)).await;
    while let Some(Ok(_)) = peer.next().await {}
}

/// Reads until the client's close frame; its code.
pub async fn closed(mut peer: Peer) -> Option<u16> {
    while let Some(Ok(message)) = peer.next().await {
        if let Some((code, _)) = message.as_close() {
            return Some(u16::from(code));
        }
    }
    None
}
