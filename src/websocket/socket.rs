//! An open socket: messages in, messages out, pings answered, closes by the book.
//!
//! Frames are tokio-websockets' business. What it leaves to its user is here: a peer that asks for answers and never takes
//! them, text that breaks off within a character, messages that grow too large piece by piece, and a peer that hears why it
//! is hung up on. Must never wait for its peer to read before it reads itself, as long as what comes has room.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::str;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_websockets::{ClientBuilder, CloseCode, Error, Limits, Message, WebSocketStream};

use super::lenient::Lenient;
use super::{Frame, Incoming};
use crate::retry::{Failure, FailureKind};
use crate::transport::Stream;

/// Longest payload of a control frame, in bytes (RFC 6455 §5.5); a close's reason is two less.
const MOST_CONTROL: usize = 125;
/// Answers to pings that may wait for a peer that does not read, in bytes.
const MOST_OWED: usize = 64 * 1024;
/// What may be kept besides a message of the largest size while a frame is on its way, in bytes.
const MOST_HELD: u64 = 64 * 1024;
/// What keeping a message costs besides its bytes.
const OVERHEAD: u64 = 128;
/// How long a peer that broke the rules may take to hear of it and hang up.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What it may send until then, in bytes.
const MOST_HEARD: usize = 1024 * 1024;

/// An open socket. Dropped, its connection is closed at once.
pub struct Socket {
    frames: WebSocketStream<Lenient>,
    max_message: u64,
    /// What came while a frame was on its way.
    held: VecDeque<Result<Incoming, Failure>>,
    /// Whether something waits to be written.
    unwritten: bool,
    /// Bytes of answers to pings since all was written.
    owed: usize,
    state: State,
}

enum State {
    Open,
    /// The peer broke the rules: it is told, and heard until it hangs up.
    Failing(Failing),
    /// Nothing comes any more.
    Ended,
}

struct Failing {
    failure: Failure,
    end: Pin<Box<Sleep>>,
    shut: bool,
    heard: usize,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("max_message", &self.max_message).finish_non_exhaustive()
    }
}

impl Socket {
    /// A socket over a connection that was just switched; messages may have so many bytes.
    #[must_use]
    pub fn over(stream: Box<dyn Stream>, max_message: u64) -> Self {
        // The frame reader's limit holds for control frames too.
        let limit = usize::try_from(max_message).unwrap_or(usize::MAX).max(MOST_CONTROL);
        let limits = Limits::default().max_payload_len(Some(limit));
        let frames = ClientBuilder::new().limits(limits).take_over(Lenient::over(stream));
        let (held, state) = (VecDeque::new(), State::Open);
        Self { frames, max_message, held, unwritten: false, owed: 0, state }
    }

    /// What comes next; pings are answered meanwhile. After an end there is only [`Incoming::Gone`]. Dropped before it is done,
    /// it has taken nothing.
    ///
    /// # Errors
    /// [`FailureKind::Protocol`] when the server breaks RFC 6455, [`FailureKind::TooLarge`] when a message is larger than it may
    /// be: the server was told by a close frame, and had a second to hang up.
    pub async fn next(&mut self) -> Result<Incoming, Failure> {
        match self.held.pop_front() {
            Some(held) => held,
            None => poll_fn(|cx| self.poll_incoming(cx)).await,
        }
    }

    /// Sends a message and waits until it is written: for ever, if the peer does not read, so the caller bounds it. What comes
    /// meanwhile is kept for [`Socket::next`], up to a message of the largest size. Dropped before it is done, the message still
    /// goes: whatever is called next writes on. If the socket ends meanwhile, the message goes nowhere, and
    /// [`Socket::next`] tells why.
    ///
    /// # Errors
    /// [`FailureKind::Closed`] when [`Socket::next`] has told that it is over.
    pub async fn send(&mut self, frame: Frame) -> Result<(), Failure> {
        self.put(match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
        })?;
        poll_fn(|cx| self.poll_written(cx)).await;
        Ok(())
    }

    /// Answers pings and keeps what comes for [`Socket::next`], as [`Socket::send`] does, while its caller waits for something
    /// else and drops it then. It ends when the socket does.
    pub async fn attend(&mut self) {
        poll_fn(|cx| {
            let _ = self.poll_flush(cx);
            while !self.is_over() {
                ready!(self.poll_held(cx));
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Sends a ping. Does not wait for a peer that does not read.
    ///
    /// # Errors
    /// [`FailureKind::Closed`] when [`Socket::next`] has told that it is over.
    pub async fn ping(&mut self) -> Result<(), Failure> {
        self.put(Message::ping(Bytes::new()))?;
        let _ = poll_fn(|cx| Poll::Ready(self.poll_flush(cx))).await;
        Ok(())
    }

    /// Says goodbye, waits for the peer's goodbye at most so long and lets go of what comes until then. A code that can't be
    /// sent is left out, and a reason is cut where a frame is full.
    pub async fn close(&mut self, code: u16, reason: &str, patience: Duration) {
        let code = CloseCode::try_from(code).ok().filter(|code| !code.is_reserved());
        let end = (0..=reason.len().min(MOST_CONTROL - 2)).rfind(|end| reason.is_char_boundary(*end));
        self.queue(Message::close(code, &reason[..end.unwrap_or(0)]));
        let over = self.held.drain(..).any(|held| held.is_ok_and(|held| held.is_end()));
        let _ = tokio::time::timeout(patience, async {
            while !over && self.next().await.is_ok_and(|incoming| !incoming.is_end()) {}
            poll_fn(|cx| self.poll_flush(cx)).await;
            poll_fn(|cx| Pin::new(self.frames.get_mut()).poll_shutdown(cx)).await
        })
        .await;
        self.state = State::Ended;
    }

    fn put(&mut self, message: Message) -> Result<(), Failure> {
        if self.is_over() && self.held.is_empty() {
            return Err(Failure::sent(FailureKind::Closed, "the socket is closed"));
        }
        self.queue(message);
        Ok(())
    }

    // Refused when a close frame went before it: then it goes nowhere.
    fn queue(&mut self, message: Message) {
        self.unwritten |= Pin::new(&mut self.frames).start_send(message).is_ok();
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unwritten {
            // Writing does not fail (`Lenient`).
            let _ = ready!(Pin::new(&mut self.frames).poll_flush(cx));
            (self.unwritten, self.owed) = (false, 0);
        }
        Poll::Ready(())
    }

    // A peer that writes to us before it reads on must not wait for us, nor we for it.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.poll_flush(cx).is_ready() || self.is_over() {
                return Poll::Ready(());
            }
            ready!(self.poll_held(cx));
        }
    }

    // Takes one of what comes into keeping, as long as there is room.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let held: u64 = self.held.iter().flatten().map(|held| OVERHEAD + held.length() as u64).sum();
        if held >= self.max_message.max(MOST_HELD) {
            return Poll::Pending;
        }
        let came = ready!(self.poll_incoming(cx));
        if came != Ok(Incoming::Alive) || self.held.back() != Some(&Ok(Incoming::Alive)) {
            self.held.push_back(came);
        }
        Poll::Ready(())
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Failure>> {
        loop {
            let flushed = self.poll_flush(cx).is_ready();
            match &mut self.state {
                State::Open => {}
                State::Failing(failing) => {
                    ready!(failing.poll(self.frames.get_mut(), flushed, cx));
                    let failure = failing.failure.clone();
                    self.state = State::Ended;
                    return Poll::Ready(Err(failure));
                }
                State::Ended => return Poll::Ready(Ok(Incoming::Gone)),
            }
            let taken = match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(message)) => self.take(message, cx),
                Some(Err(error)) => self.broken(&error),
                None => Ok(Incoming::Gone),
            };
            match taken {
                Ok(incoming) => {
                    if incoming.is_end() {
                        self.state = State::Ended;
                    }
                    return Poll::Ready(Ok(incoming));
                }
                Err((code, failure)) => self.fail(code, failure),
            }
        }
    }

    fn take(&mut self, message: Message, cx: &mut Context<'_>) -> Result<Incoming, (CloseCode, Failure)> {
        if message.is_ping() {
            // Header, mask, payload: its answer has as many.
            self.owed += 6 + message.as_payload().len();
            self.unwritten = true;
            if self.poll_flush(cx).is_pending() && self.owed > MOST_OWED {
                let words = "the server sends pings and does not read their answers";
                return Err((CloseCode::POLICY_VIOLATION, Failure::sent(FailureKind::Protocol, words)));
            }
            return Ok(Incoming::Alive);
        }
        if message.is_pong() {
            return Ok(Incoming::Alive);
        }
        if let Some((code, reason)) = message.as_close() {
            let code = Some(u16::from(code)).filter(|_| !message.as_payload().is_empty());
            let reason = reason.to_owned();
            // Our own goodbye is on its way; who has closed needs no more than that.
            self.unwritten = true;
            if self.poll_flush(cx).is_ready() {
                let _ = Pin::new(self.frames.get_mut()).poll_shutdown(cx);
            }
            return Ok(Incoming::Closed { code, reason });
        }
        self.message(message)
    }

    fn message(&self, message: Message) -> Result<Incoming, (CloseCode, Failure)> {
        let is_text = message.is_text();
        let payload = Bytes::from(message.into_payload());
        if payload.len() as u64 > self.max_message {
            return Err(self.too_large());
        }
        // Fragments are looked at one by one, and an empty last one hides that the one before broke off.
        if is_text && str::from_utf8(&payload).is_err() {
            return Err((CloseCode::INVALID_FRAME_PAYLOAD_DATA, violation("text that is not UTF-8")));
        }
        Ok(if is_text { Incoming::Text(payload) } else { Incoming::Binary(payload) })
    }

    fn broken(&self, error: &Error) -> Result<Incoming, (CloseCode, Failure)> {
        match error {
            // It queues the close frame itself, with the code that belongs to what is wrong.
            Error::Protocol(what) => Err((CloseCode::PROTOCOL_ERROR, violation(&what.to_string()))),
            Error::PayloadTooLong { .. } => Err(self.too_large()),
            _ => Ok(Incoming::Gone),
        }
    }

    fn too_large(&self) -> (CloseCode, Failure) {
        let words = format!("a message is larger than {} bytes (websocket.max-message)", self.max_message);
        (CloseCode::MESSAGE_TOO_BIG, Failure::sent(FailureKind::TooLarge, words))
    }

    fn fail(&mut self, code: CloseCode, failure: Failure) {
        self.queue(Message::close(Some(code), ""));
        self.unwritten = true;
        let end = Box::pin(tokio::time::sleep(LAST_WORDS));
        self.state = State::Failing(Failing { failure, end, shut: false, heard: 0 });
    }
}

impl Failing {
    // A connection that is closed while bytes of the peer lie unread is reset, and then the peer may never read what
    // it did wrong; so they are read.
    fn poll(&mut self, stream: &mut Lenient, flushed: bool, cx: &mut Context<'_>) -> Poll<()> {
        if flushed && !self.shut {
            self.shut = Pin::new(&mut *stream).poll_shutdown(cx).is_ready();
        }
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4096];
        while self.heard < MOST_HEARD {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.heard += buffer.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

fn violation(what: &str) -> Failure {
    Failure::sent(FailureKind::Protocol, format!("the server broke the WebSocket protocol: {what}"))
}
