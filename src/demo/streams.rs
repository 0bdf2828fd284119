//! Connections that stay open: what is said over a WebSocket, and an endless body of server-sent events.
//!
//! Must never outlive the task of its connection, and never read ahead of a client that does not read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{HeaderValue, Response, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{CloseCode, Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::ticks::{Feed, Trouble, is_symbol, tick};
use crate::clock;

/// Longest message of a client.
const MOST_HEARD: usize = 64 * 1024;
/// Most symbols of one socket.
const MOST_SYMBOLS: usize = 1_000;
/// Ticks that are put together where there is no pause between them.
const BURST: u64 = 64;
/// How long a client may take to answer a close frame.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the server asks a client to wait before it connects again, in milliseconds.
const RETRY: u64 = 100;

/// Why an endless body ends before its end: a route wants it so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// A body that is there, or one that comes.
pub(super) type Body = Either<Full<Bytes>, StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, Cut>>>>;

/// Speaks over a connection that was upgraded, until either side ends it.
pub(super) async fn speak(upgraded: Upgraded, feed: Feed) {
    let limits = Limits::default().max_payload_len(Some(MOST_HEARD));
    let socket = ServerBuilder::new().limits(limits).serve(TokioIo::new(upgraded));
    Speaker::new(socket, feed).speak().await;
}

struct Speaker<S> {
    socket: WebSocketStream<S>,
    feed: Feed,
    /// Symbols and the number of their last tick; the first one is next.
    subscribed: VecDeque<(String, u64)>,
    said: u64,
}

/// What ends a conversation.
enum End {
    /// The client left, or the connection broke.
    Gone,
    /// It is closed with this code.
    Close(u16, &'static str),
    /// Nothing is said any more.
    Stall,
    /// It is cut.
    Drop,
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Gone
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Speaker<S> {
    fn new(socket: WebSocketStream<S>, feed: Feed) -> Self {
        let subscribed = feed.first.clone().into_iter().collect();
        Self { socket, feed, subscribed, said: 0 }
    }

    async fn speak(mut self) {
        let Err(end) = self.go_on().await;
        match end {
            End::Gone | End::Drop => {}
            End::Stall => {
                // Hears, so that it notices when the client leaves, and answers not even a ping.
                let _ = tokio::io::copy(&mut self.socket.into_inner(), &mut tokio::io::sink()).await;
            }
            End::Close(code, reason) => {
                let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
                let _ = tokio::time::timeout(PATIENCE, self.close(code, reason)).await;
            }
        }
    }

    async fn close(&mut self, code: CloseCode, reason: &str) {
        if self.socket.send(Message::close(Some(code), reason)).await.is_ok() {
            while let Some(Ok(_)) = self.socket.next().await {}
        }
    }

    /// Hears and says, until something ends it.
    async fn go_on(&mut self) -> Result<Infallible, End> {
        let mut due = clock::now();
        loop {
            self.look_for_trouble()?;
            let has_more = !self.subscribed.is_empty();
            tokio::select! {
                heard = self.socket.next() => self.hear(&heard.ok_or(End::Gone)??)?,
                () = tokio::time::sleep_until(due), if has_more => {
                    // Never quicker than it may, also where it was held up.
                    due = clock::now() + self.feed.pause;
                    self.say().await?;
                }
            }
        }
    }

    fn look_for_trouble(&self) -> Result<(), End> {
        match self.feed.trouble {
            Some((after, trouble)) if self.said >= after => Err(match trouble {
                Trouble::Drop => End::Drop,
                Trouble::Close(code) => End::Close(code, "as you asked for"),
                Trouble::Stall => End::Stall,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The next tick, or some where there is no pause.
    async fn say(&mut self) -> Result<(), End> {
        let burst = if self.feed.pause.is_zero() { BURST } else { 1 };
        for _ in 0..burst {
            let Some((symbol, seq)) = self.subscribed.pop_front() else { break };
            if self.feed.last.is_some_and(|last| seq >= last) {
                return if self.subscribed.is_empty() { Err(End::Close(1000, "that was the last")) } else { Ok(()) };
            }
            let text = tick(self.feed.seed, &symbol, seq + 1, self.feed.last).to_string();
            self.subscribed.push_back((symbol, seq + 1));
            self.said += 1;
            self.socket.feed(Message::text(text)).await?;
            if let Err(trouble) = self.look_for_trouble() {
                self.socket.flush().await?;
                return Err(trouble);
            }
        }
        Ok(self.socket.flush().await?)
    }

    /// Pings are answered by the socket itself.
    fn hear(&mut self, message: &Message) -> Result<(), End> {
        if message.is_close() || message.is_ping() || message.is_pong() {
            return Ok(());
        }
        let said = message.as_text().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let (symbol, after) =
            said.as_ref().and_then(subscription).ok_or(End::Close(1008, "say {\"subscribe\": \"LMP\"}"))?;
        let is_full = self.subscribed.len() >= MOST_SYMBOLS;
        match self.subscribed.iter_mut().find(|(known, _)| *known == symbol) {
            // Goes on, and never back: nothing comes twice.
            Some((_, seq)) => *seq = after.max(*seq),
            None if is_full => return Err(End::Close(1008, "too many symbols")),
            None => self.subscribed.push_back((symbol, after)),
        }
        Ok(())
    }
}

/// Symbol and number of `{"subscribe": "LMP", "after": 7}`; a null number is none.
fn subscription(said: &Value) -> Option<(String, u64)> {
    let symbol = said["subscribe"].as_str().filter(|symbol| is_symbol(symbol))?;
    let after = match &said["after"] {
        Value::Null => 0,
        number => number.as_u64()?,
    };
    Some((symbol.to_owned(), after))
}

/// A reply whose body goes on for as long as there are ticks.
pub(super) fn events(feed: Feed) -> Response<Body> {
    let (symbol, seq) = feed.first.clone().unwrap_or_default();
    let greeting = json!({ "symbol": symbol, "after": seq });
    let first = format!("retry: {RETRY}\n: ticks of {symbol}\n\nevent: open\ndata: {greeting}\n\n");
    let teller = Teller { feed, symbol, seq, said: 0, due: clock::now() };
    let told = stream::once(async { Ok(Frame::data(Bytes::from(first))) });
    let rest = stream::unfold(Some(teller), |teller| async { teller?.next().await });
    let mut reply = Response::new(Either::Right(StreamBody::new(told.chain(rest).boxed())));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

struct Teller {
    feed: Feed,
    symbol: String,
    seq: u64,
    said: u64,
    due: clock::Instant,
}

/// A piece of a body and who tells the next one; nothing: the body ends.
type Told = Option<(Result<Frame<Bytes>, Cut>, Option<Teller>)>;

impl Teller {
    async fn next(mut self) -> Told {
        match self.feed.trouble {
            Some((after, trouble)) if self.said >= after => match trouble {
                Trouble::Drop => {
                    // What was told is on its way first.
                    tokio::task::yield_now().await;
                    return Some((Err(Cut), None));
                }
                Trouble::Close(_) => return None,
                Trouble::Stall => std::future::pending::<()>().await,
            },
            Some(_) | None => {}
        }
        if self.feed.last.is_some_and(|last| self.seq >= last) {
            return None;
        }
        tokio::time::sleep_until(self.due).await;
        self.due = clock::now() + self.feed.pause;
        self.said += 1;
        self.seq += 1;
        let data = tick(self.feed.seed, &self.symbol, self.seq, self.feed.last);
        // Now and then a comment, as servers send them to keep proxies awake.
        let comment = if self.seq.is_multiple_of(10) { ": still here\n\n" } else { "" };
        let event = format!("{comment}id: {}\nevent: tick\ndata: {data}\n\n", self.seq);
        Some((Ok(Frame::data(Bytes::from(event))), Some(self)))
    }
}
