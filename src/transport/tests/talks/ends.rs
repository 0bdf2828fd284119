//! How talks begin and end, and what they leave behind.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{advance, pause, resume};

use super::{Listener, all_is_free, listen, one_at_a_time, open, sockets, ticks, welcome};
use crate::retry::{Failure, FailureKind};
use crate::transport::tests::pool::free_slots;
use crate::transport::tests::support::{Open, Server, client, get, ok, patient, request, reset};
use crate::transport::{BoxFuture, Call, Stream, Talk, TimeoutPlan, Transport};
use crate::websocket::Incoming;
use crate::websocket::tests::wire::{FIN, TEXT, frame};

#[tokio::test]
async fn what_comes_in_the_packet_of_the_head_is_heard_first() {
    let (server, mut told) = sockets(ticks()).await;
    let (transport, url) = (client(one_at_a_time), server.url("/ticks"));
    for connections in 1..4 {
        let (reply, listener) = listen(&transport, &url).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.len(), reply.timings.body), (101, 0, Duration::ZERO));
        assert!(reply.headers.contains_key("sec-websocket-accept"));
        assert_eq!(listener.texts(), ["one", "two"]);
        assert_eq!(told.recv().await, Some(Some(1000)), "the goodbye was answered");
        assert_eq!(server.accepted(), connections, "its connection is not used again");
        all_is_free(&transport, &url);
    }
    let bytes = transport.bytes();
    assert!(bytes.received > 3 * ticks().len() as u64 && bytes.sent > 3 * 8, "{bytes:?}");
}

#[tokio::test]
async fn a_talk_that_fails_or_breaks_rules_gives_its_slot_back() {
    for (bytes, outcome, kind, closes) in [
        (ticks(), Err(Failure::sent(FailureKind::Closed, "no more")), FailureKind::Closed, Some(1000)),
        (frame(FIN | 0x40 | TEXT, b"?"), Ok(()), FailureKind::Protocol, Some(1002)),
        (frame(FIN | TEXT, b"\xff"), Ok(()), FailureKind::Protocol, Some(1007)),
        (frame(FIN | TEXT, &vec![b'x'; 1 + (1 << 20)]), Ok(()), FailureKind::TooLarge, Some(1009)),
    ] {
        let (server, mut told) = sockets(bytes).await;
        let (transport, url) = (client(one_at_a_time), server.url("/"));
        for _ in 0..2 {
            let mut listener = Listener { outcome: outcome.clone(), ..Listener::new(&[]) };
            let failure = open(&transport, &url, &patient(), &mut listener).await.unwrap_err();
            assert_eq!((failure.kind, failure.head.map(|head| head.as_u16())), (kind, Some(101)), "{failure}");
            assert_eq!(told.recv().await, Some(closes));
            all_is_free(&transport, &url);
        }
    }
}

#[tokio::test]
async fn an_end_without_a_goodbye_is_heard_as_one() {
    for resets in [false, true] {
        let server = Server::start(move |mut stream, _| async move {
            let asked = request(&mut stream).await.unwrap();
            let bytes = [welcome(&asked, "").as_bytes(), &frame(FIN | TEXT, b"one")].concat();
            stream.write_all(&bytes).await.unwrap();
            if resets {
                reset(stream);
            }
        })
        .await;
        let (transport, url) = (client(one_at_a_time), server.url("/"));
        let (reply, listener) = listen(&transport, &url).await;
        assert!(resets || listener.texts() == ["one"], "a reset may overtake what came before it");
        // A reset that comes before the head was read is the end of a request.
        if reply.is_ok() || !resets {
            assert_eq!((reply.unwrap().status.as_u16(), listener.heard.last()), (101, Some(&Incoming::Gone)));
        }
        all_is_free(&transport, &url);
    }
}

#[tokio::test]
async fn a_talk_keeps_its_slot_and_dropping_it_hangs_up() {
    let (server, mut told) = sockets(frame(FIN | TEXT, b"one")).await;
    let (transport, url) = (client(one_at_a_time), server.url("/"));
    let impatient = TimeoutPlan { pool: Duration::from_millis(20), ..patient() };
    for _ in 0..2 {
        let mut listener = Listener::new(&[]);
        let patient = patient();
        let mut talking = Box::pin(open(&transport, &url, &patient, &mut listener));
        let mut second = Listener::new(&[]);
        let refused = tokio::select! {
            _ = talking.as_mut() => panic!("the server says no more"),
            refused = async {
                while free_slots(&transport, &url) != (99, 0) || server.accepted() == 0 {
                    tokio::task::yield_now().await;
                }
                open(&transport, &url, &impatient, &mut second).await
            } => refused,
        };
        assert_eq!(refused.unwrap_err().kind, FailureKind::PoolTimeout);
        assert_eq!((transport.pool().open(), free_slots(&transport, &url)), (1, (99, 0)));
        drop(talking);
        assert_eq!(told.recv().await, Some(None), "the server saw it go, without a goodbye");
        all_is_free(&transport, &url);
    }
}

#[tokio::test]
async fn no_timeout_of_the_request_bounds_the_talk() {
    let server = Server::start(|mut stream, _| async move {
        let asked = request(&mut stream).await.unwrap();
        stream.write_all(welcome(&asked, "").as_bytes()).await.unwrap();
        // The client says when.
        stream.read_u8().await.unwrap();
        stream.write_all(&ticks()).await.unwrap();
        while stream.read_u8().await.is_ok() {}
    })
    .await;
    struct Waits(Listener);
    impl Talk for Waits {
        fn begin(&mut self, head: &http::response::Parts) -> Result<(), Failure> {
            self.0.begin(head)
        }
        fn talk<'s>(&'s mut self, mut stream: Box<dyn Stream>) -> BoxFuture<'s, Result<(), Failure>> {
            Box::pin(async move {
                pause();
                advance(Duration::from_secs(3600)).await;
                resume();
                stream.write_all(b"!").await.unwrap();
                stream.flush().await.unwrap();
                self.0.talk(stream).await
            })
        }
    }
    let (transport, gate, mut waits) = (client(one_at_a_time), Open::default(), Waits(Listener::new(&[])));
    let (mut request, patient) = (get(&server.url("/")), patient());
    waits.0.handshake.put(request.headers_mut());
    let reply = transport.exchange(Call { talk: Some(&mut waits), ..Call::new(request, &gate, &patient) }).await;
    assert_eq!((reply.unwrap().status.as_u16(), waits.0.texts()), (101, vec!["one".to_owned(), "two".to_owned()]));
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_handshake_runs_out_of_time() {
    let server = Server::start(|mut stream, _| async move { while request(&mut stream).await.is_some() {} }).await;
    let (transport, url) = (client(one_at_a_time), server.url("/"));
    let short = TimeoutPlan { read: Duration::from_millis(20), ..patient() };
    for _ in 0..2 {
        let mut listener = Listener::new(&[]);
        let failure = open(&transport, &url, &short, &mut listener).await.unwrap_err();
        assert_eq!((failure.kind, listener.began), (FailureKind::ReadTimeout, 0));
        all_is_free(&transport, &url);
    }
}

#[tokio::test]
async fn other_replies_are_replies() {
    let server = Server::answering(|request| match request.split(' ').nth(1) {
        Some("/plain") => ok("no socket here"),
        Some("/who") => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho".to_owned(),
        _ => "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n".to_owned(),
    })
    .await;
    let transport = client(one_at_a_time);
    for (path, status, body) in [("/plain", 200, &b"no socket here"[..]), ("/who", 401, b"who"), ("/", 426, b"")] {
        let (reply, listener) = listen(&transport, &server.url(path)).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..], listener.began), (status, body, 0));
    }
    assert_eq!(server.accepted(), 1, "whose connection serves on");
}

#[tokio::test]
async fn a_101_that_opens_something_else_fails_before_anything_is_said() {
    for (more, words) in [
        ("Sec-WebSocket-Protocol: other\r\n", "`other`"),
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", "`permessage-deflate`"),
        ("Sec-WebSocket-Accept: again\r\n", "sec-websocket-accept"),
    ] {
        let server = Server::start(move |mut stream, _| async move {
            let asked = request(&mut stream).await.unwrap();
            // Another key is accepted where a second header says so first.
            let head = welcome(if more.contains("again") { "" } else { &asked }, more);
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.read_u8().await.is_ok() {}
        })
        .await;
        let (transport, url) = (client(one_at_a_time), server.url("/"));
        for _ in 0..2 {
            let mut listener = Listener::new(&["ticks"]);
            let failure = open(&transport, &url, &patient(), &mut listener).await.unwrap_err();
            assert_eq!((failure.kind, listener.heard.len()), (FailureKind::Protocol, 0));
            assert!(failure.message.contains(words), "{failure}");
            all_is_free(&transport, &url);
        }
    }
}
