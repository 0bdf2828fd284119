//! The server of a stand on the network: HTTP/1.1 by hand, so that it can do what no server should.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::stand::{Answer, Asked, Framing, Script};
use crate::transport::scripted::Silence;

/// What happened at the server.
#[derive(Default)]
pub struct Log {
    pub asked: Mutex<Vec<Asked>>,
    pub received: AtomicUsize,
    pub written: AtomicUsize,
    pub closed: AtomicUsize,
    pub news: Notify,
    pub released: Notify,
}

impl Log {
    fn note(&self, counter: &AtomicUsize, amount: usize) {
        counter.fetch_add(amount, Ordering::SeqCst);
        self.news.notify_waiters();
    }
}

/// A round trip to the server that is no request of the transport.
pub async fn knock(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
}

pub async fn serve(mut stream: TcpStream, script: Script, log: Arc<Log>) {
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer, &log).await {
        let answer = script(&asked);
        log.asked.lock().unwrap().push(asked.clone());
        log.news.notify_waiters();
        if write(&mut stream, &answer, asked.method == "HEAD", &log).await.is_none() {
            break;
        }
    }
    log.note(&log.closed, 1);
}

/// A whole request; `None` when there is no more.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, log: &Log) -> Option<Asked> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let mut lines = buffer[..end].split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
            let first = String::from_utf8(lines.next()?.to_vec()).unwrap();
            let headers: Vec<(String, Vec<u8>)> = lines
                .map(|line| {
                    let colon = line.iter().position(|byte| *byte == b':').unwrap();
                    let name = String::from_utf8(line[..colon].to_vec()).unwrap();
                    (name, line[colon + 1..].trim_ascii_start().to_vec())
                })
                .collect();
            let length = headers
                .iter()
                .find(|(name, _)| name == "content-length")
                .map_or(0, |(_, value)| std::str::from_utf8(value).unwrap().parse::<usize>().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                let mut words = first.split(' ').map(str::to_owned);
                return Some(Asked { method: words.next()?, target: words.next()?, headers, body });
            }
        }
        let before = buffer.len();
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if buffer.as_slice() == b"?" {
            stream.write_all(b"!").await.ok()?;
            return None;
        }
        log.note(&log.received, buffer.len() - before);
    }
}

async fn write(stream: &mut TcpStream, answer: &Answer, is_head: bool, log: &Log) -> Option<()> {
    if answer.silent == Some(Silence::BeforeHead) {
        wait(stream, log).await?;
    }
    let mut head = format!("HTTP/1.1 {} Whatever\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers {
        head.extend_from_slice(format!("{name}: ").as_bytes());
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    let framing = match answer.framing {
        Framing::Length => format!("content-length: {}\r\n", answer.body.len()),
        Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Framing::Close | Framing::None => String::new(),
    };
    head.extend_from_slice(framing.as_bytes());
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await.ok()?;
    if is_head || answer.framing == Framing::None {
        return Some(());
    }
    let end = match answer.silent {
        Some(Silence::AfterBytes(bytes)) => bytes,
        Some(Silence::BeforeHead) | None => answer.cut.unwrap_or(answer.body.len()),
    };
    for piece in answer.body[..end].chunks(50_001) {
        if answer.framing == Framing::Chunked {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.ok()?;
        }
        push(stream, piece, log).await?;
        if answer.framing == Framing::Chunked {
            stream.write_all(b"\r\n").await.ok()?;
        }
    }
    if answer.silent.is_some() {
        wait(stream, log).await?;
    }
    if answer.framing == Framing::Chunked && answer.cut.is_none() {
        stream.write_all(b"0\r\n\r\n").await.ok()?;
    }
    Some(()).filter(|()| answer.cut.is_none() && answer.framing != Framing::Close)
}

/// Writes as the other side reads.
async fn push(stream: &mut TcpStream, mut piece: &[u8], log: &Log) -> Option<()> {
    while !piece.is_empty() {
        match stream.try_write(piece) {
            Ok(count) => {
                log.note(&log.written, count);
                piece = &piece[count..];
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                stream.writable().await.ok()?;
            }
            Err(_) => return None,
        }
    }
    Some(())
}

/// Silent until it is released; `None` when the other side has gone.
async fn wait(stream: &mut TcpStream, log: &Log) -> Option<()> {
    let mut byte = [0];
    tokio::select! {
        () = log.released.notified() => Some(()),
        _ = stream.read(&mut byte) => None,
    }
}
