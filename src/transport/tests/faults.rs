//! Servers that misbehave: each fault has its kind, its words, and leaves no slot taken.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::support::{Server, client, fetch, get, patient, request, reset, send};
use crate::clock;
use crate::retry::{Failure, FailureKind};
use crate::transport::target::Origin;
use crate::transport::{HyperTransport, TimeoutPlan};

fn nothing_is_held(transport: &HyperTransport, url: &str) {
    let url = url.parse().unwrap();
    let host = transport.pool().host(Origin::of(&url).unwrap(), clock::now());
    assert_eq!((transport.pool().open(), transport.pool().free_slots(&host)), (0, (100, 100)));
}

// Whatever it wrote, the server resets or closes; twice, on one transport, so that the first failure
// must have left the second a slot.
async fn fails(server: &Server, timeouts: &TimeoutPlan) -> Failure {
    let transport = client(|plan| plan.max_body = 1000);
    let url = server.url("/path?token=hush");
    let first = send(&transport, get(&url), timeouts).await.unwrap_err();
    let second = send(&transport, get(&url), timeouts).await.unwrap_err();
    assert_eq!(first.kind, second.kind);
    nothing_is_held(&transport, &url);
    assert!(!first.message.contains("hush"), "{}", first.message);
    first
}

#[tokio::test]
async fn replies_that_end_early_or_make_no_sense() {
    let endless_headers: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let endless_header = "y".repeat(600 * 1024);
    for (reply, kind, words) in [
        (String::new(), FailureKind::Reset, "without a reply"),
        ("HTTP/1.1 200 O".to_owned(), FailureKind::Reset, "without a reply"),
        ("HTTP/1.1 200 OK\r\nContent-Le".to_owned(), FailureKind::Reset, "without a reply"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_owned(), FailureKind::Truncated, "after 2 bytes"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".to_owned(),
            FailureKind::Truncated,
            "cut short",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n".to_owned(),
            FailureKind::Truncated,
            "cut short",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_owned(), FailureKind::Protocol, "malformed"),
        ("SSH-2.0-OpenSSH_9.9\r\n".to_owned(), FailureKind::Protocol, "HTTP/1.1"),
        ("HTTP/1.1 abc OK\r\n\r\n".to_owned(), FailureKind::Protocol, "HTTP/1.1"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            FailureKind::Protocol,
            "HTTP/1.1",
        ),
        (format!("HTTP/1.1 200 OK\r\n{endless_headers}\r\n"), FailureKind::Protocol, "100 headers"),
        (format!("HTTP/1.1 200 OK\r\nx: {endless_header}\r\n\r\n"), FailureKind::Protocol, "256 KiB"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".to_owned(), FailureKind::TooLarge, "larger than 1000 bytes"),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", "z".repeat(1001)), FailureKind::TooLarge, "client.max-body"),
    ] {
        let server = Server::once(reply.clone()).await;
        let failure = fails(&server, &patient()).await;
        let start = &reply[..reply.len().min(80)];
        assert_eq!((failure.kind, failure.sent), (kind, true), "{start}: {failure}");
        assert!(failure.message.contains(words), "{start}: {failure}");
    }
}

#[tokio::test]
async fn resets_before_and_within_the_reply() {
    for (reply, kind) in [
        ("", FailureKind::Reset),
        ("HTTP/1.1 200 O", FailureKind::Reset),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", FailureKind::Truncated),
        ("HTTP/1.1 200 OK\r\n\r\nab", FailureKind::Truncated),
    ] {
        let server = Server::start(move |mut stream, _| async move {
            request(&mut stream).await;
            let _ = stream.write_all(reply.as_bytes()).await;
            reset(stream);
        })
        .await;
        let failure = fails(&server, &patient()).await;
        assert_eq!((failure.kind, failure.sent), (kind, true), "{reply:?}: {failure}");
        let head = (kind == FailureKind::Truncated).then_some(http::StatusCode::OK);
        assert_eq!(failure.head, head, "{reply:?}");
    }
}

#[tokio::test]
async fn silence_is_a_read_timeout() {
    let short = TimeoutPlan { read: Duration::from_millis(60), ..patient() };
    for reply in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nab"] {
        let server = Server::start(move |mut stream, _| async move {
            request(&mut stream).await;
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.read_u8().await;
        })
        .await;
        let failure = fails(&server, &short).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::ReadTimeout, true), "{reply:?}");
        assert!(failure.message.contains("60ms (timeout.read)"), "{failure}");
    }
}

#[tokio::test]
async fn a_trickle_without_end_meets_the_total_timeout() {
    let short = TimeoutPlan { total: Duration::from_millis(150), ..patient() };
    for (start, drop) in
        [("HTTP/1.1 200 OK\r\n", "x: y\r\n"), ("HTTP/1.1 200 OK\r\n\r\n", "z"), ("", "HTTP/1.1 100 Continue\r\n\r\n")]
    {
        let server = Server::start(move |mut stream, _| async move {
            request(&mut stream).await;
            let _ = stream.write_all(start.as_bytes()).await;
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while stream.write_all(drop.as_bytes()).await.is_ok() {
                pace.tick().await;
            }
        })
        .await;
        let failure = fails(&server, &short).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::TotalTimeout, true), "{drop:?}: {failure}");
        assert!(failure.message.contains("150ms (timeout.total)"), "{failure}");
    }
}

#[tokio::test]
async fn what_moves_is_not_silent() {
    let server = Server::start(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").await;
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..12 {
            pace.tick().await;
            let _ = stream.write_all(b"x").await;
        }
    })
    .await;
    let timeouts = TimeoutPlan { read: Duration::from_millis(900), ..patient() };
    let reply = send(&client(|_| {}), get(&server.url("/")), &timeouts).await.unwrap();
    assert_eq!(reply.body.len(), 12);
}

#[tokio::test]
async fn nobody_there_is_a_connect_failure_and_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?token=hush", listener.local_addr().unwrap());
    drop(listener);
    let transport = client(|_| {});
    let failure = fetch(&transport, &url).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Connect, false));
    assert!(failure.message.contains("onnection refused") && !failure.message.contains("hush"), "{failure}");
    nothing_is_held(&transport, &url);
}

#[tokio::test]
async fn a_name_nobody_knows_is_a_dns_failure() {
    let transport = client(|_| {});
    let failure = fetch(&transport, "http://no-such-host.invalid/").await.unwrap_err();
    // A machine without a name server can't tell that the name is none.
    assert!(matches!(failure.kind, FailureKind::UnknownHost | FailureKind::Dns) && !failure.sent, "{failure:?}");
    assert!(failure.message.starts_with("the name `no-such-host.invalid` "), "{failure}");
    assert_eq!(failure.kind == FailureKind::UnknownHost, failure.message.contains("does not resolve"), "{failure}");
    nothing_is_held(&transport, "http://no-such-host.invalid/");
}

#[tokio::test]
async fn a_handshake_without_an_answer_is_a_connect_timeout() {
    let server = Server::start(|mut stream, _| async move {
        let mut sink = Vec::new();
        let _ = stream.read_to_end(&mut sink).await;
    })
    .await;
    let transport = client(|plan| plan.tls.verify = false);
    let timeouts = TimeoutPlan { connect: Duration::from_millis(80), ..patient() };
    let url = format!("https://{}/", server.address);
    let failure = send(&transport, get(&url), &timeouts).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::ConnectTimeout, false));
    assert!(failure.message.contains("80ms (timeout.connect): the TLS handshake"), "{failure}");
    nothing_is_held(&transport, &url);
}

#[tokio::test]
async fn urls_that_are_none_of_http_fail_before_anything() {
    for url in ["/just/a/path", "ftp://example.com/x", "http://me:pw@example.com/"] {
        let failure = fetch(&client(|_| {}), url).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Request, false), "{url}");
        assert!(!failure.message.contains("pw"), "{failure}");
    }
}
