//! HTTP/1.1 by hand (RFC 9112), as strict as a server may be.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Reply;
use super::log::Log;
use super::{Answer, Greet, Script, SeenRequest, raw};

/// Accepts for ever and owns every connection.
pub(super) async fn accept(listener: TcpListener, log: Arc<Log>, greet: Arc<Greet>, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let open = Log::open(&log);
        let connection = Connection { stream, unread: Vec::new(), number, log: Arc::clone(&log) };
        let (script, greeting) = (Arc::clone(&script), greet(number));
        connections.spawn(async move {
            connection.serve(&greeting, script).await;
            drop(open);
        });
        number += 1;
        while connections.try_join_next().is_some() {}
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes that were read and belong to nothing yet.
    unread: Vec<u8>,
    number: usize,
    log: Arc<Log>,
}

/// Why no request came: a fault of the client, or a plain end.
type NoRequest = Option<String>;

impl Connection {
    async fn serve(mut self, greeting: &[raw::Piece], script: Arc<Script>) {
        if !raw::play(&mut self.stream, greeting).await {
            return;
        }
        loop {
            match self.request().await {
                Ok(request) => {
                    let seen = self.log.record(request);
                    let answer = script(&seen);
                    if !self.perform(answer, seen.method == "HEAD").await {
                        return;
                    }
                }
                Err(Some(fault)) => {
                    self.log.blame(fault);
                    let _ = self.stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
                    return;
                }
                Err(None) => return,
            }
        }
    }

    async fn request(&mut self) -> Result<SeenRequest, NoRequest> {
        let head = self.head().await?;
        let (at, late) = self.log.stamp();
        let mut lines = head.split("\r\n");
        let (method, target) = request_line(lines.next().unwrap_or_default())?;
        let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut request = SeenRequest {
            number: 0,
            connection: self.number,
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
            at,
            late,
        };
        let length = body_length(&request)?;
        request.body = self.bytes(length).await?;
        Ok(request)
    }

    /// The head of the next request, without its empty line.
    async fn head(&mut self) -> Result<String, NoRequest> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.unread[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                let end = searched + end;
                let head = String::from_utf8(self.unread[..end].to_vec());
                self.unread.drain(..end + 4);
                return head.map_err(|_| Some("the head is not UTF-8".to_owned()));
            }
            searched = self.unread.len().saturating_sub(3);
            if !self.more().await {
                let torn = !self.unread.is_empty();
                return Err(torn.then(|| "the connection ended within a head".to_owned()));
            }
        }
    }

    async fn bytes(&mut self, length: usize) -> Result<Vec<u8>, NoRequest> {
        while self.unread.len() < length {
            if !self.more().await {
                return Err(Some("the connection ended within a body".to_owned()));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.unread).await, Ok(count) if count > 0)
    }

    /// Does what the answer says; `false` when the connection is over.
    async fn perform(&mut self, answer: Answer, head_only: bool) -> bool {
        match answer {
            Answer::Reply(reply) => {
                let body = if head_only { 0 } else { reply.body.len() };
                self.reply(&reply, body).await && !reply.farewell
            }
            Answer::Reset => {
                let _ = self.stream.set_zero_linger();
                false
            }
            Answer::Close => false,
            Answer::ResetMidBody(reply, bytes) => {
                self.reply(&reply, bytes).await;
                let _ = self.stream.set_zero_linger();
                false
            }
            Answer::Short(reply, bytes) => {
                self.reply(&reply, bytes).await;
                false
            }
            Answer::Garbage(bytes) => {
                let _ = self.stream.write_all(&bytes).await;
                false
            }
            Answer::Raw(pieces) => raw::play(&mut self.stream, &pieces).await,
            Answer::Stall => {
                // Until the client has enough of it.
                while self.more().await {}
                false
            }
        }
    }

    /// Writes a reply with the first `bytes` bytes of its body.
    async fn reply(&mut self, reply: &Reply, bytes: usize) -> bool {
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        let mut out = head_of(reply).into_bytes();
        let body = &reply.body[..bytes.min(reply.body.len())];
        match reply.chunk {
            None => out.extend_from_slice(body),
            Some(size) => {
                for chunk in body.chunks(size) {
                    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                if bytes >= reply.body.len() {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
            }
        }
        self.stream.write_all(&out).await.is_ok()
    }
}

fn head_of(reply: &Reply) -> String {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let bare = reply.status == 204 || reply.status == 304;
    match reply.chunk {
        _ if bare => {}
        None => head += &format!("content-length: {}\r\n", reply.body.len()),
        Some(_) => head += "transfer-encoding: chunked\r\n",
    }
    head + "\r\n"
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn request_line(line: &str) -> Result<(String, String), NoRequest> {
    let fault = || Some(format!("not a request line: {line:?}"));
    let [method, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(fault()) };
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
    if !is_token(method) || !target.starts_with('/') || !plain {
        return Err(fault());
    }
    Ok((method.to_owned(), target.to_owned()))
}

fn header(line: &str) -> Result<(String, String), NoRequest> {
    match line.split_once(':') {
        Some((name, value)) if is_token(name) && !value.contains(|c: char| c.is_control() && c != '\t') => {
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        }
        Some(_) | None => Err(Some(format!("not a header: {line:?}"))),
    }
}

/// The length of the body: Content-Length once at most, and no chunks, since nothing here streams.
fn body_length(request: &SeenRequest) -> Result<usize, NoRequest> {
    let values = |wanted: &str| -> Vec<&str> {
        let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.as_str()).collect()
    };
    if values("host").len() != 1 {
        return Err(Some(format!("{} Host headers for {}", values("host").len(), request.path)));
    }
    if !values("transfer-encoding").is_empty() {
        return Err(Some(format!("a chunked body for {}, though its length is known", request.path)));
    }
    match values("content-length")[..] {
        [] => Ok(0),
        [length] => length.parse().map_err(|_| Some(format!("Content-Length {length:?}"))),
        _ => Err(Some(format!("several Content-Length for {}", request.path))),
    }
}
