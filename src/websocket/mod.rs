//! WebSocket (RFC 6455) from the client's side, over any byte stream: the handshake's headers, messages in and out, closes.
//!
//! Knows nothing of connections, rows and retries: who connects is a transport, and what a close means for a row is for the
//! run to carry out. No extension is offered, compression among them. Must never hold more than a message of the largest
//! size, what is being sent, and what came meanwhile.

pub mod close;
mod handshake;
mod lenient;
mod socket;

#[cfg(test)]
pub(crate) mod tests;

use bytes::Bytes;

pub use handshake::{Handshake, accept};
pub use socket::Socket;

/// What came over a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message of text: valid UTF-8.
    Text(Bytes),
    /// A message of bytes.
    Binary(Bytes),
    /// A ping, which is answered, or a pong: no message, and a sign of life.
    Alive,
    /// The server closed the socket by the book.
    Closed {
        /// Why, as a number; `None`: it says none (1005).
        code: Option<u16>,
        /// Why, in the server's words; often empty.
        reason: String,
    },
    /// The connection ended without a close frame (1006).
    Gone,
}

impl Incoming {
    /// Bytes of a message; 0: it is none.
    fn length(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Alive | Self::Closed { .. } | Self::Gone => 0,
        }
    }

    /// Whether nothing comes behind it.
    fn is_end(&self) -> bool {
        match self {
            Self::Text(_) | Self::Binary(_) | Self::Alive => false,
            Self::Closed { .. } | Self::Gone => true,
        }
    }
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}
