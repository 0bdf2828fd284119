//! HTTP/2 frame by frame (RFC 9113 §4), for servers that no library would let us write.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

/// The last frame of its stream.
pub const END_STREAM: u8 = 1;
/// All headers are in this frame.
pub const END_HEADERS: u8 = 4;

/// Codes of errors (RFC 9113 §7).
pub const NO_ERROR: u32 = 0;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const HTTP_1_1_REQUIRED: u32 = 13;

/// `:status: 200` (RFC 7541, appendix A).
pub const OK: &[u8] = &[0x88];

/// A header whose name and value stand there as they are (RFC 7541 §6.2.2).
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// A frame as it is written.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Ends a stream.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Goes away after a stream.
pub fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// A frame that was read.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection of which each frame is read and written by hand.
pub struct Raw(pub TcpStream);

impl Raw {
    /// Reads the preface and says its settings.
    pub async fn begin(mut stream: TcpStream, settings: &[(u16, u32)]) -> Option<Self> {
        stream.read_exact(&mut [0; 24]).await.ok()?;
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let mut raw = Self(stream);
        raw.write(frame(SETTINGS, 0, 0, &payload)).await.then_some(raw)
    }

    /// Writes frames; `false`: nobody is there any more.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next frame; settings are acknowledged.
    pub async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if (head[3], head[4]) == (SETTINGS, 0) {
            self.write(frame(SETTINGS, 1, 0, &[])).await;
        }
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame of a kind.
    pub async fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The stream of the next request.
    pub async fn request(&mut self) -> Option<u32> {
        self.next(HEADERS).await.map(|frame| frame.stream)
    }

    /// Answers a request with two bytes.
    pub async fn answer(&mut self, stream: u32) -> bool {
        self.write([frame(HEADERS, END_HEADERS, stream, OK), frame(DATA, END_STREAM, stream, b"hi")].concat()).await
    }
}
