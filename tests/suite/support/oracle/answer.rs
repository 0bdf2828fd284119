//! What the oracle can do with a request.

use std::time::Duration;

use serde_json::Value;

use super::Piece;

/// A reply, whole and honest unless its answer says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Wait before the first byte.
    pub delay: Duration,
    /// Send the body in chunks (RFC 9112, 7.1) of at most so many bytes.
    pub chunk: Option<usize>,
    /// Close the connection after it, without a word in the headers.
    pub farewell: bool,
}

/// What the oracle does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Replies.
    Reply(Reply),
    /// Resets the connection before a byte of the reply (RST).
    Reset,
    /// Closes the connection before a byte of the reply (FIN).
    Close,
    /// Sends the head and this many bytes of the body, then resets.
    ResetMidBody(Reply, usize),
    /// Says the full length, sends this many bytes of the body, then closes.
    Short(Reply, usize),
    /// Sends these bytes instead of a reply, then closes.
    Garbage(Vec<u8>),
    /// Keeps the connection and never says anything.
    Stall,
    /// Does these things, one after the other; if none ends the connection, it goes on with the next request.
    Raw(Vec<Piece>),
}

impl Answer {
    /// Status 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::text(200, value.to_string()).header("content-type", "application/json")
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self::text(status, "")
    }

    /// A status with a body.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = Vec::new();
        Self::Reply(Reply { status, headers, body: body.into(), delay: Duration::ZERO, chunk: None, farewell: false })
    }

    /// This text as it stands, and then more.
    pub fn raw(text: &str, more: impl IntoIterator<Item = Piece>) -> Self {
        Self::Raw([Piece::text(text)].into_iter().chain(more).collect())
    }

    /// With one more header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.change(|reply| reply.headers.push((name.to_owned(), value.to_owned())))
    }

    /// After a wait.
    pub fn after(self, delay: Duration) -> Self {
        self.change(|reply| reply.delay = delay)
    }

    /// In chunks of at most `size` bytes.
    pub fn chunked(self, size: usize) -> Self {
        self.change(|reply| reply.chunk = Some(size))
    }

    /// Closes the connection after the reply, without saying so before.
    pub fn then_close(self) -> Self {
        self.change(|reply| reply.farewell = true)
    }

    /// Resets after `bytes` of the body.
    pub fn reset_after(self, bytes: usize) -> Self {
        match self {
            Self::Reply(reply) => Self::ResetMidBody(reply, bytes),
            other => panic!("only a reply can be reset in its middle, not {other:?}"),
        }
    }

    /// Closes after `bytes` of the body.
    pub fn cut_after(self, bytes: usize) -> Self {
        match self {
            Self::Reply(reply) => Self::Short(reply, bytes),
            other => panic!("only a reply can be cut short, not {other:?}"),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Reply)) -> Self {
        match &mut self {
            Self::Reply(reply) | Self::ResetMidBody(reply, _) | Self::Short(reply, _) => change(reply),
            Self::Reset | Self::Close | Self::Garbage(_) | Self::Stall | Self::Raw(_) => panic!("{self:?} is no reply"),
        }
        self
    }
}
