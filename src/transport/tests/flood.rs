//! Servers that never stop: each flood ends by a cap, long before the server has sent much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;

use super::support::{Server, client, fetch, request};
use crate::retry::FailureKind;

/// Most bytes that a server gets rid of before it is cut off: the cap of a head or two, and what the
/// system keeps between two sockets.
const MOST: usize = 16 << 20;

#[tokio::test]
async fn floods_end_by_a_cap() {
    for (start, drop, words) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "sent more than 512 KiB and no reply yet"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n", "sent more than 512 KiB and no reply yet"),
        ("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyy", "larger than 256 KiB"),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n", "more than 100 headers"),
        ("HTTP/1.1 200 ", "OK OK OK", "larger than 256 KiB"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=", "yyyyyyyy", "malformed"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1;x=yyyyyyyyyyyyyyyyyyyyyyyyyy\r\nz\r\n",
            "malformed",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "x: y\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "00000000", "malformed"),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let server = Server::start(move |mut stream, _| {
            let counter = Arc::clone(&counter);
            async move {
                request(&mut stream).await;
                let _ = stream.write_all(start.as_bytes()).await;
                let flood = drop.repeat(512);
                while stream.write_all(flood.as_bytes()).await.is_ok() {
                    counter.fetch_add(flood.len(), Ordering::SeqCst);
                }
            }
        })
        .await;
        let transport = client(|_| {});
        let failure = fetch(&transport, &server.url("/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Protocol, true), "{start}{drop}: {failure}");
        assert!(failure.message.contains(words), "{start}{drop}: {failure}");
        assert_eq!(transport.pool().open(), 0, "the slot is free again");
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < MOST, "{start}{drop}: the server got rid of {sent} bytes");
    }
}

#[tokio::test]
async fn another_protocol_is_a_failure() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let server = Server::once(switch).await;
    let transport = client(|_| {});
    let failure = fetch(&transport, &server.url("/")).await.unwrap_err();
    assert_eq!((failure.kind, transport.pool().open()), (FailureKind::Protocol, 0));
    assert!(failure.message.contains("101 Switching Protocols"), "{failure}");
}
