//! One connection: the handshake, what the script says, and what the client sends meanwhile.
//!
//! Must never answer a frame before it is in the book.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::super::log::Open;
use super::frame::{BINARY, CLOSE, Frame, PING, PONG, TEXT};
use super::{Act, Book, Heard, Part, Script, Seen, Shake};

const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Requests until one of them opens a socket; a reply that opens none leaves the connection as it is.
pub(super) async fn serve(mut stream: TcpStream, book: Arc<Book>, open: Open, script: Arc<Script>) {
    while let Some(seen) = asked(&mut stream).await {
        let seen = book.open(seen);
        let part = script(&seen);
        let Some(reply) = reply(&part.shake, &seen, &book) else {
            // Until the client has enough of it.
            while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
            break;
        };
        if stream.write_all(reply.as_bytes()).await.is_err() {
            break;
        }
        if !matches!(part.shake, Shake::Plain(..)) {
            speak(stream, seen.number, &part, &book).await;
            break;
        }
    }
    drop(open);
}

/// Head of a request without a body.
async fn asked(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.trim_end().split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some(Seen { path: path.to_owned(), query: query.to_owned(), headers, ..Seen::default() })
}

/// What is said to a handshake, which is looked at; `None`: nothing.
fn reply(shake: &Shake, seen: &Seen, book: &Book) -> Option<String> {
    let says = |name: &str, word: &str| seen.header(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let key = seen.header("sec-websocket-key").unwrap_or_default();
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if !says("upgrade", "websocket")
        || !says("connection", "upgrade")
        || !says("sec-websocket-version", "13")
        || !is_key
    {
        book.blame(format!("no handshake: {seen:?}"));
    }
    let open = |key: &str, more: &[(&str, &str)]| {
        let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{MAGIC}").as_bytes()));
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ";
        let more: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Some(format!("{head}{accept}\r\n{more}\r\n"))
    };
    match shake {
        Shake::Good => open(key, &[]),
        Shake::With(more) => open(key, more),
        Shake::WrongKey => open("another key", &[]),
        Shake::Plain(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            Some(format!("HTTP/1.1 {status} Refused\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
        }
        Shake::Raw(text) => Some((*text).to_owned()),
        Shake::Never => None,
    }
}

/// One side speaks, one hears; the connection is over when the script ends it or the client does.
async fn speak(stream: TcpStream, number: usize, part: &Part, book: &Book) {
    let (mut reader, writer) = stream.into_split();
    let writer = tokio::sync::Mutex::new(writer);
    let deafness = Mutex::new(None);
    let goes_deaf = Notify::new();
    let hears = async {
        tokio::select! {
            () = hear(&mut reader, number, part.pongs.then_some(&writer), book) => return,
            () = goes_deaf.notified() => {}
        }
        let time = deafness.lock().unwrap_or_else(PoisonError::into_inner).take();
        tokio::time::sleep(time.unwrap_or_default()).await;
        let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
    };
    let deafen = |time| {
        *deafness.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
        goes_deaf.notify_one();
    };
    let plays = async {
        for act in &part.acts {
            if !play(act, number, &writer, book, &deafen).await {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = hears => {}
        () = plays => {}
    }
}

/// `false`: the connection is over.
async fn play(
    act: &Act,
    number: usize,
    writer: &tokio::sync::Mutex<OwnedWriteHalf>,
    book: &Book,
    deafen: &(dyn Fn(Duration) + Sync),
) -> bool {
    match act {
        Act::Send(frame) => writer.lock().await.write_all(&frame.bytes()).await.is_ok(),
        Act::Bytes(bytes) => writer.lock().await.write_all(bytes).await.is_ok(),
        Act::Flood(frame) => {
            let bytes = frame.bytes();
            let bytes = bytes.repeat(1 + 64 * 1024 / bytes.len());
            // A lock for each, so that pongs come in between.
            while writer.lock().await.write_all(&bytes).await.is_ok() {}
            false
        }
        Act::Count { until, every } => {
            let texts = book.seen(number).texts();
            let asked: Option<serde_json::Value> = texts.first().and_then(|text| serde_json::from_str(text).ok());
            let after = asked.and_then(|asked| asked["after"].as_u64()).unwrap_or(0);
            for seq in after + 1..=*until {
                let frame = Frame::text(&format!("{{\"seq\":{seq}}}"));
                if writer.lock().await.write_all(&frame.bytes()).await.is_err() {
                    return false;
                }
                tokio::time::sleep(*every).await;
            }
            true
        }
        Act::Hear(count) => heard(number, book, |frame| frame.opcode == TEXT || frame.opcode == BINARY, *count).await,
        Act::Pings(count) => heard(number, book, |frame| frame.opcode == PING, *count).await,
        Act::Closed => heard(number, book, |frame| frame.opcode == CLOSE, 1).await,
        Act::Pause(time) => {
            tokio::time::sleep(*time).await;
            true
        }
        Act::HalfClose => writer.lock().await.shutdown().await.is_ok(),
        Act::Deaf(time) => {
            deafen(*time);
            true
        }
        Act::Drop => false,
        Act::Reset => {
            let _ = writer.lock().await.as_ref().set_zero_linger();
            false
        }
    }
}

/// Waits until the client has sent so many such frames.
async fn heard(number: usize, book: &Book, is_such: fn(&Heard) -> bool, count: usize) -> bool {
    loop {
        let news = book.news.notified();
        tokio::pin!(news);
        // Before the look, so that no news is missed.
        news.as_mut().enable();
        if book.seen(number).frames.iter().filter(|frame| is_such(frame)).count() >= count {
            return true;
        }
        news.await;
    }
}

/// Reads frames until the client leaves, and answers pings where there is a way to.
async fn hear(
    reader: &mut OwnedReadHalf,
    number: usize,
    pongs: Option<&tokio::sync::Mutex<OwnedWriteHalf>>,
    book: &Book,
) {
    let mut last_mask = None;
    while let Some((heard, head, mask)) = next(reader).await {
        if let Some(fault) = fault(&heard, head, mask, last_mask) {
            book.blame(format!("connection {number}: {fault}: {heard:?}"));
        }
        if book.seen(number).closed().is_some() {
            book.blame(format!("connection {number}: behind its close frame: {heard:?}"));
        }
        last_mask = mask;
        book.hear(number, heard.clone());
        if let Some(writer) = pongs.filter(|_| heard.opcode == PING) {
            let _ = writer.lock().await.write_all(&Frame::new(PONG, heard.payload).bytes()).await;
        }
    }
}

/// A frame, its first byte, and its mask.
async fn next(reader: &mut OwnedReadHalf) -> Option<(Heard, u8, Option<[u8; 4]>)> {
    let (head, length) = (reader.read_u8().await.ok()?, reader.read_u8().await.ok()?);
    let count = match length & 127 {
        126 => reader.read_u16().await.ok()?.into(),
        127 => reader.read_u64().await.ok()?,
        short => short.into(),
    };
    let mut mask = [0; 4];
    if length >= 128 {
        reader.read_exact(&mut mask).await.ok()?;
    }
    let mut payload = vec![0; usize::try_from(count).ok()?];
    reader.read_exact(&mut payload).await.ok()?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    let heard = Heard { fin: head >= 128, opcode: head & 15, payload };
    Some((heard, head, (length >= 128).then_some(mask)))
}

/// What is wrong with a frame of a client.
fn fault(heard: &Heard, head: u8, mask: Option<[u8; 4]>, last_mask: Option<[u8; 4]>) -> Option<&'static str> {
    let Heard { fin, opcode, payload } = heard;
    match opcode {
        _ if mask.is_none() => Some("not masked"),
        _ if mask == last_mask => Some("the mask of the frame before"),
        _ if head & 0x70 != 0 => Some("reserved bits"),
        8.. if !fin || payload.len() > 125 => Some("a control frame too long, or in pieces"),
        &CLOSE if payload.len() == 1 => Some("half a code"),
        &TEXT if *fin && std::str::from_utf8(payload).is_err() => Some("not UTF-8"),
        3..=7 | 11.. => Some("an unknown kind"),
        _ => None,
    }
}
