//! Servers that break off, go away, flood or speak nonsense: each fault has its kind, and only what surely
//! was not processed is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::client2;
use super::frames::{
    CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, HTTP_1_1_REQUIRED, NO_ERROR, OK, PING, REFUSED_STREAM, RST_STREAM,
    Raw, SETTINGS, frame, go_away, header, reset,
};
use crate::retry::{Failure, FailureKind};
use crate::transport::tests::pool::free_slots;
use crate::transport::tests::support::{Server, fetch, get, patient, send, with};
use crate::transport::{BoxFuture, TimeoutPlan};

/// A server whose connections are written by hand, each by its number.
pub async fn raw<F, Fut>(handle: F) -> Server
where
    F: Fn(Raw, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let handle = Arc::new(handle);
    Server::start(move |stream, at| {
        let handle = Arc::clone(&handle);
        async move {
            if let Some(raw) = Raw::begin(stream, &[(3, 100)]).await {
                handle(raw, at).await;
            }
        }
    })
    .await
}

// Reads one request, writes these frames, and goes on reading.
async fn saying(frames: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let frames = Arc::new(frames);
    raw(move |mut raw, _| {
        let frames = Arc::clone(&frames);
        async move {
            while let Some(stream) = raw.request().await {
                if !raw.write(frames(stream)).await {
                    return;
                }
            }
        }
    })
    .await
}

async fn fails(server: &Server, timeouts: &TimeoutPlan) -> Failure {
    let transport = client2(|plan| plan.max_body = 1000);
    let url = server.url("/path?token=hush");
    let first = send(&transport, get(&url), timeouts).await.unwrap_err();
    let second = send(&transport, get(&url), timeouts).await.unwrap_err();
    assert_eq!(first.kind, second.kind);
    assert!(!first.message.contains("hush"), "{first}");
    assert_eq!(free_slots(&transport, &url), (100, 100));
    first
}

fn head(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let headers: Vec<u8> = more.iter().flat_map(|(name, value)| header(name, value)).collect();
    frame(HEADERS, END_HEADERS, stream, &[OK, &headers].concat())
}

type Frames = Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>;

#[tokio::test]
async fn streams_that_are_reset_or_make_no_sense() {
    let cut = |code| move |stream| [head(stream, &[]), frame(DATA, 0, stream, b"ab"), reset(stream, code)].concat();
    let server_says: [(Frames, _, _, _); 11] = [
        (Box::new(|stream| reset(stream, CANCEL)), FailureKind::Reset, true, "broke the request off"),
        (Box::new(|stream| reset(stream, REFUSED_STREAM)), FailureKind::Reset, false, "did not take the request"),
        (Box::new(|stream| reset(stream, HTTP_1_1_REQUIRED)), FailureKind::Protocol, true, "client.http = \"1.1\""),
        (Box::new(cut(CANCEL)), FailureKind::Truncated, true, "after 2 bytes"),
        (Box::new(cut(NO_ERROR)), FailureKind::Truncated, true, "cut short"),
        (
            Box::new(|stream| {
                [head(stream, &[("content-length", "5")]), frame(DATA, END_STREAM, stream, b"ab")].concat()
            }),
            FailureKind::Protocol,
            true,
            "malformed",
        ),
        (
            Box::new(|stream| [head(stream, &[("content-length", "1001")])].concat()),
            FailureKind::TooLarge,
            true,
            "client.max-body",
        ),
        (
            Box::new(|stream| [head(stream, &[]), frame(DATA, 0, stream, &[b'z'; 1001])].concat()),
            FailureKind::TooLarge,
            true,
            "client.max-body",
        ),
        (Box::new(|stream| frame(HEADERS, END_HEADERS, stream, &[0xff; 9])), FailureKind::Protocol, true, "HTTP/2"),
        (
            Box::new(|stream| frame(HEADERS, END_HEADERS, stream, &header("X-Big", "1"))),
            FailureKind::Protocol,
            true,
            "HTTP/2",
        ),
        (Box::new(|_| frame(DATA, 0, 0, b"for nobody")), FailureKind::Protocol, true, "HTTP/2"),
    ];
    for (frames, kind, sent, words) in server_says {
        let failure = fails(&saying(frames).await, &patient()).await;
        assert_eq!((failure.kind, failure.sent), (kind, sent), "{words}: {failure}");
        assert!(failure.message.contains(words), "{words}: {failure}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let header = header("x", &"y".repeat(120));
    let part = header.repeat(120);
    let server = saying(move |stream| {
        let more = frame(9, 0, stream, &part).repeat(25);
        [frame(HEADERS, 0, stream, OK), more, frame(9, END_HEADERS, stream, &[])].concat()
    })
    .await;
    let failure = fails(&server, &patient()).await;
    assert_eq!((failure.kind, failure.sent), (FailureKind::Protocol, true), "{failure}");
}

// Answers the first request with `bytes` and closes; answers those of later connections.
async fn once(bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let bytes = Arc::new(bytes);
    raw(move |mut raw, at| {
        let bytes = Arc::clone(&bytes);
        async move {
            while let Some(stream) = raw.request().await {
                if at == 0 {
                    raw.write(bytes(stream)).await;
                    return;
                }
                raw.answer(stream).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_goes_away_before_the_request_gets_it_on_another_connection() {
    for code in [NO_ERROR, CANCEL] {
        let server = once(move |_| go_away(0, code)).await;
        let transport = client2(|_| {});
        assert_eq!(&fetch(&transport, &server.url("/")).await.unwrap().body[..], b"hi");
        assert_eq!((server.accepted(), transport.pool().open()), (2, 1));
    }
}

#[tokio::test]
async fn what_may_have_been_processed_is_not_sent_again() {
    for bytes in [go_away(1, NO_ERROR), Vec::new(), go_away(1, CANCEL)] {
        let server = once(move |_| bytes.clone()).await;
        let transport = client2(|_| {});
        let failure = fetch(&transport, &server.url("/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Reset, true), "{failure}");
        assert_eq!((server.accepted(), transport.pool().open()), (1, 0));
        fetch(&transport, &server.url("/")).await.unwrap();
        assert_eq!(server.accepted(), 2);
    }
}

#[tokio::test]
async fn a_server_that_goes_away_twice_is_asked_twice() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = raw(move |mut raw, _| {
        let count = Arc::clone(&count);
        async move {
            raw.request().await;
            count.fetch_add(1, Ordering::SeqCst);
            raw.write(go_away(0, NO_ERROR)).await;
        }
    })
    .await;
    let failure = fetch(&client2(|_| {}), &server.url("/")).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Reset, false), "{failure}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_goes_away_ends_its_streams_and_takes_no_more() {
    let (gone, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&gone), Arc::clone(&go_on));
    let server = raw(move |mut raw, at| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            let Some(stream) = raw.request().await else { return };
            if at == 0 {
                // A ping that is answered was read, and what was before it too.
                raw.write([go_away(stream, NO_ERROR), frame(PING, 0, 0, &[0; 8])].concat()).await;
                raw.next(PING).await;
                tell.add_permits(1);
                wait.acquire().await.unwrap().forget();
            }
            raw.answer(stream).await;
            assert!(raw.request().await.is_none(), "no more over this one");
        }
    })
    .await;
    let transport = Arc::new(client2(|_| {}));
    let (first, url) = (Arc::clone(&transport), server.url("/"));
    let first = tokio::spawn(async move { fetch(&first, &url).await });
    gone.acquire().await.unwrap().forget();
    fetch(&transport, &server.url("/")).await.unwrap();
    assert_eq!((server.accepted(), transport.pool().open()), (2, 2));
    go_on.add_permits(1);
    assert_eq!(&first.await.unwrap().unwrap().body[..], b"hi");
    assert_eq!((server.accepted(), transport.pool().open()), (2, 1));
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
}

#[tokio::test]
async fn a_dropped_exchange_cancels_its_stream_and_leaves_the_connection() {
    let (arrived, cancelled) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell_arrived, tell_cancelled) = (Arc::clone(&arrived), Arc::clone(&cancelled));
    let server = raw(move |mut raw, _| {
        let (arrived, cancelled) = (Arc::clone(&tell_arrived), Arc::clone(&tell_cancelled));
        async move {
            let stream = raw.request().await.unwrap();
            arrived.add_permits(1);
            let reset = raw.next(RST_STREAM).await.unwrap();
            assert_eq!((reset.stream, &reset.payload[..]), (stream, &CANCEL.to_be_bytes()[..]));
            cancelled.add_permits(1);
            // A late reply to it is for nobody.
            raw.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, OK)).await;
            let stream = raw.request().await.unwrap();
            raw.answer(stream).await;
            raw.request().await;
        }
    })
    .await;
    let transport = Arc::new(client2(|_| {}));
    let (sender, url) = (Arc::clone(&transport), server.url("/"));
    let exchange = tokio::spawn(async move { fetch(&sender, &url).await });
    arrived.acquire().await.unwrap().forget();
    exchange.abort();
    let _ = exchange.await;
    cancelled.acquire().await.unwrap().forget();
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
    assert_eq!(&fetch(&transport, &server.url("/")).await.unwrap().body[..], b"hi");
    assert_eq!((server.accepted(), transport.pool().open()), (1, 1));
}

#[tokio::test]
async fn a_reply_that_comes_before_the_request_is_read_counts() {
    let server =
        saying(|stream| [head(stream, &[]), frame(DATA, END_STREAM, stream, b"no"), reset(stream, NO_ERROR)].concat())
            .await;
    let transport = client2(|_| {});
    let body: &'static str = "x".repeat(1 << 20).leak();
    for _ in 0..2 {
        let request = with(http::Method::POST, &server.url("/"), http::HeaderMap::new(), body);
        assert_eq!(&send(&transport, request, &patient()).await.unwrap().body[..], b"no");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn silence_and_trickles_end() {
    let short = TimeoutPlan { read: Duration::from_millis(60), ..patient() };
    for at in 0..3 {
        let server = saying(move |stream| match at {
            0 => Vec::new(),
            1 => head(stream, &[]),
            _ => [head(stream, &[]), frame(DATA, 0, stream, b"ab")].concat(),
        });
        let failure = fails(&server.await, &short).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::ReadTimeout, true), "{at}");
    }
    // `:status: 100`, in a loop.
    let early = |stream| frame(HEADERS, END_HEADERS, stream, &header(":status", "100"));
    let drop = |stream| frame(DATA, 0, stream, b"z");
    for (trickles, first) in [(false, true), (true, false)] {
        let server = raw(move |mut raw, _| async move {
            let Some(stream) = raw.request().await else { return };
            if trickles {
                raw.write(head(stream, &[])).await;
            }
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while raw.write(if first { early(stream) } else { drop(stream) }).await {
                pace.tick().await;
            }
        });
        let timeouts = TimeoutPlan { read: Duration::from_millis(100), total: Duration::from_millis(400), ..patient() };
        let failure = send(&client2(|_| {}), get(&server.await.url("/")), &timeouts).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::TotalTimeout, true), "{failure}");
    }
}

// Floods after the first request for as long as somebody is there.
async fn flooding(first: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static, drop: fn(u32) -> Vec<u8>) -> Server {
    let first = Arc::new(first);
    raw(move |mut raw, _| {
        let first = Arc::clone(&first);
        async move {
            let Some(stream) = raw.request().await else { return };
            raw.write(first(stream)).await;
            let flood = drop(stream).repeat(100);
            let (mut read, mut write) = raw.0.split();
            let flood = async { while write.write_all(&flood).await.is_ok() {} };
            let mut sink = tokio::io::sink();
            tokio::select! {
                () = flood => {}
                _ = tokio::io::copy(&mut read, &mut sink) => {}
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_end_with_a_named_failure() {
    let timeouts = TimeoutPlan { total: Duration::from_millis(500), ..patient() };
    let empty = flooding(|stream| head(stream, &[]), |stream| frame(DATA, 0, stream, &[])).await;
    let failure = fails(&empty, &timeouts).await;
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("floods the connection"), "{failure}");
    let idle_streams = flooding(|_| Vec::new(), |_| reset(9, CANCEL)).await;
    assert_eq!(fails(&idle_streams, &timeouts).await.kind, FailureKind::Protocol);
    for drop in [
        |_| frame(PING, 0, 0, &[0; 8]),
        |_| frame(SETTINGS, 0, 0, &[]),
        |stream| frame(HEADERS, END_HEADERS, stream, &header(":status", "103")),
    ] {
        let failure = fails(&flooding(|_| Vec::new(), drop).await, &timeouts).await;
        assert!(matches!(failure.kind, FailureKind::TotalTimeout | FailureKind::Protocol), "{failure}");
    }
}

#[tokio::test]
async fn a_storm_of_resets_ends_each_request_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = saying(move |stream| {
        count.fetch_add(1, Ordering::SeqCst);
        reset(stream, CANCEL).repeat(50)
    })
    .await;
    let transport = client2(|_| {});
    for requests in 1..100 {
        let failure = fetch(&transport, &server.url("/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Reset, true), "{failure}");
        assert_eq!(asked.load(Ordering::SeqCst), requests);
    }
    assert_eq!((server.accepted(), transport.pool().open()), (1, 1));
}

async fn connecting(handle: fn(TcpStream) -> BoxFuture<'static, ()>, kind: FailureKind, words: &str) {
    let server = Server::start(move |stream, _| handle(stream)).await;
    let timeouts = TimeoutPlan { connect: Duration::from_millis(80), ..patient() };
    let failure = fails(&server, &timeouts).await;
    assert_eq!((failure.kind, failure.sent), (kind, false), "{failure}");
    assert!(failure.message.contains(words), "{failure}");
}

#[tokio::test]
async fn connections_that_never_come_to_speak_http2() {
    let silent = |stream| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = tokio::io::copy(&mut { stream }, &mut tokio::io::sink()).await;
        })
    };
    connecting(silent, FailureKind::ConnectTimeout, "80ms (timeout.connect): the HTTP/2 handshake").await;
    let old = |mut stream: TcpStream| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
    };
    connecting(old, FailureKind::Protocol, "set client.http = \"auto\" or \"1.1\"").await;
    let closes = |mut stream: TcpStream| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
    };
    connecting(closes, FailureKind::Protocol, "instead of speaking HTTP/2").await;
    let none = |stream| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut raw = Raw::begin(stream, &[(3, 0)]).await.unwrap();
            while raw.read().await.is_some() {}
        })
    };
    connecting(none, FailureKind::Connect, "takes no requests over HTTP/2 now").await;
}
