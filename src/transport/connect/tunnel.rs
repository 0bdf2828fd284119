//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).
//!
//! Must never read a byte that belongs to the tunnel.

use std::io;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Most headers of an answer.
const MAX_HEADERS: usize = 100;

/// Why there is no tunnel. The words follow the proxy's name.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The connection to the proxy broke.
    Broken(io::Error),
    /// The proxy wants to know who asks, or does not believe it.
    Unknown,
    /// The next attempt may do better.
    Passing(String),
    /// The next attempt would end the same way.
    Final(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Asks for a tunnel to `target`, a host and a port.
///
/// # Errors
/// When there is none.
pub(super) async fn open<S>(stream: &mut S, target: &str, authorization: Option<&HeaderValue>) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(value) = authorization {
        for part in [b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"] {
            request.extend_from_slice(part);
        }
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        while let Some((status, length)) = head(&read)? {
            read.drain(..length);
            if status.is_informational() {
                continue;
            }
            return judge(status, target, read.is_empty());
        }
        if read.len() > MAX_HEAD {
            return Err(Refusal::Final("answers CONNECT with a head that has no end".to_owned()));
        }
    }
}

/// The status and the bytes of a whole head.
fn head(read: &[u8]) -> Result<Option<(StatusCode, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut reply = httparse::Response::new(&mut headers);
    let no_http = || Refusal::Final("does not speak HTTP; is it another kind of proxy?".to_owned());
    match reply.parse(read).map_err(|_| no_http())? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => {
            let status = reply.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(no_http)?;
            Ok(Some((status, length)))
        }
    }
}

fn judge(status: StatusCode, target: &str, is_silent: bool) -> Result<(), Refusal> {
    match status.as_u16() {
        // Whatever its headers say, a body it has not. TLS begins with our word.
        200..=299 if is_silent => Ok(()),
        200..=299 => Err(Refusal::Final("speaks within the tunnel before it is spoken to".to_owned())),
        // tinyproxy says 401 to a wrong password, and nobody but the proxy can answer here.
        401 | 407 => Err(Refusal::Unknown),
        408 | 425 | 429 | 500..=599 => Err(Refusal::Passing(format!("made no tunnel to `{target}`: {status}"))),
        _ => Err(Refusal::Final(format!("refuses a tunnel to `{target}`: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> (Result<(), Refusal>, String) {
        let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        let value = HeaderValue::from_static("Basic x");
        let outcome = open(&mut ours, "a.example:443", Some(&value)).await;
        drop(ours);
        let mut sent = String::new();
        theirs.read_to_string(&mut sent).await.unwrap();
        (outcome, sent)
    }

    #[tokio::test]
    async fn any_2xx_is_a_tunnel() {
        for answer in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 204\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let (outcome, sent) = answered(answer.as_bytes()).await;
            assert!(outcome.is_ok(), "{answer}: {outcome:?}");
            let expected =
                "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic x\r\n\r\n";
            assert_eq!(sent, expected);
        }
    }

    #[tokio::test]
    async fn everything_else_is_told_apart() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        for (answer, words) in [
            ("", "Broken"),
            ("HTTP/1.1 200 OK\r\n", "Broken"),
            ("HTTP/1.1 407 Who\r\n\r\n", "Unknown"),
            ("HTTP/1.1 401 Who\r\n\r\n", "Unknown"),
            ("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", "Passing(\"made no tunnel to `a.example:443`: 503"),
            ("HTTP/1.1 429 No\r\n\r\n", "Passing"),
            ("HTTP/1.1 403 No\r\n\r\n", "Final(\"refuses a tunnel to `a.example:443`: 403 Forbidden"),
            ("HTTP/1.1 302 No\r\n\r\n", "Final"),
            ("HTTP/1.1 200 OK\r\n\r\nSSH-2.0", "Final(\"speaks"),
            ("SSH-2.0-OpenSSH_9.9\r\n", "Final(\"does not speak HTTP"),
            ("\u{5}\u{0}", "Final(\"does not speak HTTP"),
            (&long, "Final(\"answers"),
        ] {
            let refusal = format!("{:?}", answered(answer.as_bytes()).await.0.unwrap_err());
            assert!(refusal.starts_with(words), "{}: {refusal}", &answer[..answer.len().min(40)]);
        }
    }
}
