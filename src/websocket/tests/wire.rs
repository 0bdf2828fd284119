//! Frames by hand, and a server that says some and hears others.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::retry::Failure;
use crate::websocket::{Incoming, Socket};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// The last frame of a message.
pub const FIN: u8 = 0x80;

/// A frame as a server sends it: first byte, payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(u8::try_from(length).unwrap()),
        Ok(length) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// A close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// A frame that the client sent: opcode, payload. It was whole and masked.
pub type Sent = (u8, Vec<u8>);

/// Reads a frame of the client's; `None`: there is none any more.
pub async fn read<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Option<Sent> {
    let first = stream.read_u8().await.ok()?;
    let second = stream.read_u8().await.unwrap();
    assert_eq!((first & 0xF0, second & 0x80), (FIN, 0x80), "whole, without extensions, masked");
    let length = match second & 0x7F {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        length => u64::from(length),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some((first & 0xF, payload))
}

/// What the client sent until it hung up.
pub async fn rest<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Vec<Sent> {
    let mut sent = Vec::new();
    while let Some(frame) = read(stream).await {
        sent.push(frame);
    }
    sent
}

/// The code of the close frame that stands last; `None`: there is none, or it has no code.
pub fn code(sent: &[Sent]) -> Option<u16> {
    let (opcode, payload) = sent.last()?;
    let code = payload.get(..2).filter(|_| *opcode == CLOSE)?;
    Some(u16::from_be_bytes(code.try_into().unwrap()))
}

/// A socket, and the other end of its connection.
pub fn pair(pipe: usize, max_message: u64) -> (Socket, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(pipe);
    (Socket::over(Box::new(ours), max_message), theirs)
}

/// Everything that comes, the end included; a failure ends it too.
pub async fn all(socket: &mut Socket) -> Vec<Result<Incoming, Failure>> {
    let mut came = Vec::new();
    loop {
        let next = socket.next().await;
        let is_last = next.as_ref().map_or(true, Incoming::is_end);
        came.push(next);
        if is_last {
            return came;
        }
    }
}

/// What a client makes of a server that sends `bytes` in pieces of `step`, and hangs up when the client does, or else behind
/// them if it `leaves`: what came, and what the client sent.
pub async fn play(bytes: &[u8], step: usize, leaves: bool, max: u64) -> (Vec<Result<Incoming, Failure>>, Vec<Sent>) {
    let (mut socket, theirs) = pair(1 << 20, max);
    let (mut reading, mut writing) = tokio::io::split(theirs);
    let client = async {
        let came = all(&mut socket).await;
        drop(socket);
        came
    };
    let server = async {
        for piece in bytes.chunks(step) {
            // The client may have had enough.
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if leaves {
            let _ = writing.shutdown().await;
        }
        let sent = rest(&mut reading).await;
        let _ = writing.shutdown().await;
        sent
    };
    tokio::join!(client, server)
}
