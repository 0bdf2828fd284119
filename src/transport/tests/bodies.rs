//! Bodies from files, over the wire: lengths, repeats, servers that do not want them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Server, client, get, ok, patient, request, send};
use crate::retry::FailureKind;
use crate::transport::{BodyPart, RequestBody};

/// A PUT of `<`, a file, `>`.
fn put(url: &str, path: &Path) -> Request<RequestBody> {
    let length = std::fs::metadata(path).unwrap().len();
    let text = |text: &'static str| BodyPart::Bytes(Bytes::from_static(text.as_bytes()));
    let parts = [text("<"), BodyPart::File { path: path.to_owned(), length }, text(">")];
    let mut request = get(url);
    *request.method_mut() = Method::PUT;
    *request.body_mut() = RequestBody::Parts(parts.into());
    request
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

/// A file of so many bytes that takes no room.
fn sparse(bytes: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(bytes).unwrap();
    file
}

#[tokio::test]
async fn a_file_is_sent_with_its_length_as_often_as_asked() {
    let server = Server::answering(ok).await;
    let (transport, file) = (client(|_| {}), file("hello"));
    for _ in 0..2 {
        let reply = send(&transport, put(&server.url("/x"), file.path()), &patient()).await.unwrap();
        let head = format!("PUT /x HTTP/1.1\r\nhost: {}\r\ncontent-length: 7\r\n\r\n", server.address);
        assert_eq!(String::from_utf8_lossy(&reply.body), head + "<hello>");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_file_that_can_not_be_sent_is_no_fault_of_the_connection() {
    let server = Server::answering(ok).await;
    let (transport, file) = (client(|_| {}), file("hello"));
    let path = file.path().display().to_string();
    let shorter = put(&server.url("/"), file.path());
    std::fs::write(file.path(), "hell").unwrap();
    let failure = send(&transport, shorter, &patient()).await.unwrap_err();
    let words = format!("the file {path} could not be sent: it changed: it had 5 bytes and has 4");
    // Whether the head has left by then is a matter of who is faster.
    assert_eq!((failure.kind, failure.message), (FailureKind::Request, words));
    let gone = put(&server.url("/"), file.path());
    drop(file);
    let failure = send(&transport, gone, &patient()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert_eq!(failure.message, format!("the file {path} could not be sent: No such file or directory"));
    assert_eq!(transport.pool().open(), 0, "half a request leaves no connection behind");
}

#[tokio::test]
async fn redirects_repeat_the_file_or_drop_it() {
    for (status, seen) in [(307, "PUT /to 7 <hello>"), (308, "PUT /to 7 <hello>"), (303, "GET /to - ")] {
        let server = Server::answering(move |request| {
            if request.starts_with("PUT /from") {
                return format!("HTTP/1.1 {status} Go\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n");
            }
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let length = head.split("content-length: ").nth(1).map_or("-", |rest| rest.lines().next().unwrap());
            ok(&format!("{} {length} {body}", head.split(" HTTP").next().unwrap()))
        })
        .await;
        let file = file("hello");
        let reply = send(&client(|_| {}), put(&server.url("/from"), file.path()), &patient()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&reply.body), seen, "{status}");
    }
    let elsewhere = Server::once("HTTP/1.1 307 Go\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n").await;
    let failure = send(&client(|_| {}), put(&elsewhere.url("/"), file("x").path()), &patient()).await.unwrap_err();
    assert!(failure.message.contains("would take the body to another origin"), "{failure}");
}

#[tokio::test]
async fn a_connection_that_died_unused_makes_the_file_be_sent_again() {
    let server = Server::start(|mut stream, number| async move {
        let text = request(&mut stream).await.unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
        stream.write_all(ok(&format!("{number} {body}")).as_bytes()).await.unwrap();
    })
    .await;
    let (transport, file) = (client(|_| {}), file("hello"));
    for number in 0..3 {
        let reply = send(&transport, put(&server.url("/"), file.path()), &patient()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&reply.body), format!("{number} <hello>"));
    }
}

const LARGE: u64 = 200 << 20;

#[tokio::test]
async fn a_reply_before_the_file_is_read_is_taken() {
    let server = Server::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        // Never reads, and stays open until the client leaves.
        stream.readable().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (transport, file) = (client(|_| {}), sparse(LARGE));
    let reply = send(&transport, put(&server.url("/"), file.path()), &patient()).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..], transport.pool().open()), (413, &b"no"[..], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_and_leaves_at_once_is_heard() {
    let server = Server::start(|mut stream, number| async move {
        let mut some = vec![0; 1 << (number % 20)];
        stream.read_exact(&mut some).await.unwrap();
        // Closed with bytes unread, which resets the connection behind the reply.
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await;
    })
    .await;
    let (transport, file) = (client(|_| {}), sparse(LARGE));
    for attempt in 0..200 {
        let reply = send(&transport, put(&server.url("/"), file.path()), &patient()).await;
        let reply = reply.unwrap_or_else(|failure| panic!("attempt {attempt}: {failure}"));
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (413, &b"no"[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_arrives_whole_while_the_server_answers_as_it_reads() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(|mut stream, _| async move {
        let mut buffer = vec![0; 1 << 16];
        let (mut head, mut told) = (Vec::new(), false);
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            READ.fetch_add(count, Ordering::SeqCst);
            if !told {
                // The head of the reply comes long before the request has ended.
                told = true;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await.unwrap();
            }
            if head.len() < 1000 {
                head.extend_from_slice(&buffer[..count]);
            }
            let length = head.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            if READ.load(Ordering::SeqCst) as u64 == length as u64 + LARGE + 2 {
                stream.write_all(b"done").await.unwrap();
                return;
            }
        }
    })
    .await;
    let (transport, file) = (Arc::new(client(|_| {})), sparse(LARGE));
    let reply = send(&transport, put(&server.url("/"), file.path()), &patient()).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"done"[..]));
}
