//! The raw side of the oracle: bytes as they are, floods, silences and ends, below HTTP.
//!
//! Knows nothing of requests. Must never keep a connection whose client has left: every piece that waits
//! or goes on for ever watches for that.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Something that is done with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends these bytes this many times.
    Times(u64, Vec<u8>),
    /// Sends these bytes again and again, until the client leaves.
    Endless(Vec<u8>),
    /// Sends a byte at a time, this far apart, and then the last one again and again.
    Drip(Duration, Vec<u8>),
    /// Waits until the client says something, and passes over it.
    Hear,
    /// Says nothing for this long.
    Pause(Duration),
    /// Says nothing until the client leaves.
    Silence,
    /// Resets the connection (RST).
    Reset,
    /// Closes the connection (FIN).
    Close,
}

impl Piece {
    /// Sends this text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    /// Sends this text again and again, until the client leaves; in large writes, to be quick.
    pub fn endless(text: &str) -> Self {
        Self::Endless(text.repeat(1 + 64 * 1024 / text.len()).into_bytes())
    }

    /// Sends this text a byte at a time, for ever.
    pub fn drip(every: Duration, text: &str) -> Self {
        Self::Drip(every, text.as_bytes().to_vec())
    }
}

/// Does one piece after the other; `false` when the connection is over.
pub(super) async fn play(stream: &mut TcpStream, pieces: &[Piece]) -> bool {
    for piece in pieces {
        if !step(stream, piece).await {
            return false;
        }
    }
    true
}

async fn step(stream: &mut TcpStream, piece: &Piece) -> bool {
    match piece {
        Piece::Bytes(bytes) => stream.write_all(bytes).await.is_ok(),
        Piece::Times(times, bytes) => {
            for _ in 0..*times {
                if stream.write_all(bytes).await.is_err() {
                    return false;
                }
            }
            true
        }
        Piece::Endless(bytes) => {
            while stream.write_all(bytes).await.is_ok() {}
            false
        }
        Piece::Drip(every, bytes) => {
            let last = bytes.iter().last().into_iter().cycle();
            for byte in bytes.iter().chain(last) {
                if stream.write_all(&[*byte]).await.is_err() || !stays(stream, Some(*every)).await {
                    return false;
                }
            }
            true
        }
        Piece::Hear => stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0),
        Piece::Pause(time) => stays(stream, Some(*time)).await,
        Piece::Silence => stays(stream, None).await,
        Piece::Reset => {
            let _ = stream.set_zero_linger();
            false
        }
        Piece::Close => false,
    }
}

/// Waits for this long, or for ever; `false` when the client left meanwhile. What it says is not heard.
async fn stays(stream: &mut TcpStream, time: Option<Duration>) -> bool {
    let mut heard = [0; 4096];
    let leaves = async { while matches!(stream.read(&mut heard).await, Ok(count) if count > 0) {} };
    match time {
        Some(time) => tokio::time::timeout(time, leaves).await.is_err(),
        None => {
            leaves.await;
            false
        }
    }
}

/// An address that refuses every connection: the port is taken, and nobody listens at it.
#[derive(Debug)]
pub struct Refusing {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Refusing {
    /// Takes a free port of 127.0.0.1.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { socket, address }
    }

    /// Its origin, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, to listen at.
    pub(super) fn into_socket(self) -> TcpSocket {
        self.socket
    }
}
