//! Streams and connections: how many, for whom, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Barrier, Semaphore};

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, OK, Raw, frame};
use super::{Asked, Peak, client2, echo, server};
use crate::retry::FailureKind;
use crate::transport::tests::pool::free_slots;
use crate::transport::tests::standing::Tokens;
use crate::transport::tests::support::{Open, Server, fetch, get, patient, send};
use crate::transport::{Call, HyperTransport, TimeoutPlan, Transport};

async fn at_once(transport: &Arc<HyperTransport>, server: &Server, count: usize) {
    let tasks: Vec<_> = (0..count)
        .map(|at| {
            let (transport, url) = (Arc::clone(transport), server.url(&format!("/{at}")));
            tokio::spawn(async move { fetch(&transport, &url).await })
        })
        .collect();
    for (at, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap().body, format!("/{at}").as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_start_at_once_share_one_connection() {
    let together = Arc::new(Barrier::new(50));
    let server = server(200, move |asked: Asked| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            let path = asked.path();
            asked.reply(path);
        }
    })
    .await;
    let transport = Arc::new(client2(|_| {}));
    for _ in 0..3 {
        at_once(&transport, &server, 50).await;
        assert_eq!((server.accepted(), transport.pool().open()), (1, 1));
        assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_connection_is_opened_when_all_streams_are_taken() {
    // Nobody is answered before all are there: 25 requests need three connections of ten streams.
    let together = Arc::new(Barrier::new(25));
    let server = server(10, move |asked: Asked| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            let path = asked.path();
            asked.reply(path);
        }
    })
    .await;
    let transport = Arc::new(client2(|plan| plan.connections_per_host = 3));
    at_once(&transport, &server, 25).await;
    assert_eq!((server.accepted(), transport.pool().open()), (3, 3));
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_streams_nor_connections_go_beyond_their_caps() {
    for (streams, total, per_host) in [(4, 100, 1), (1, 2, 100), (3, 2, 2)] {
        let peak = Arc::new(Peak::default());
        let seen = Arc::clone(&peak);
        let server = server(streams, move |asked: Asked| {
            let peak = Arc::clone(&seen);
            async move {
                peak.enter();
                tokio::task::yield_now().await;
                peak.leave();
                let path = asked.path();
                asked.reply(path);
            }
        })
        .await;
        let caps = |plan: &mut crate::transport::ClientPlan| {
            (plan.connections_total, plan.connections_per_host) = (total, per_host);
        };
        let transport = Arc::new(client2(caps));
        at_once(&transport, &server, 200).await;
        let connections = total.min(per_host);
        assert!(server.accepted() <= connections, "{} connections", server.accepted());
        assert!(peak.most() <= streams as usize * connections, "{} streams at once", peak.most());
        assert_eq!(free_slots(&transport, &server.url("/")), (total, per_host));
        assert_eq!(transport.pool().open(), server.accepted());
    }
}

// Takes every request and answers none until it may.
async fn slow(streams: u32, may: &Arc<Semaphore>) -> Server {
    let may = Arc::clone(may);
    server(streams, move |asked: Asked| {
        let may = Arc::clone(&may);
        async move {
            if asked.path() == "/slow" {
                may.acquire().await.unwrap().forget();
            }
            let path = asked.path();
            // Who asked may have given up by now.
            let _ = asked.try_reply(path);
        }
    })
    .await
}

#[tokio::test]
async fn waiting_for_a_stream_has_an_end_and_is_no_part_of_the_attempt() {
    let may = Arc::new(Semaphore::new(0));
    let server = slow(1, &may).await;
    let transport = Arc::new(client2(|plan| plan.connections_per_host = 1));
    let (holder, url) = (Arc::clone(&transport), server.url("/slow"));
    let held = tokio::spawn(async move { fetch(&holder, &url).await });
    while free_slots(&transport, &server.url("/")).1 > 0 {
        tokio::task::yield_now().await;
    }
    let impatient = TimeoutPlan { pool: Duration::from_millis(30), ..patient() };
    let failure = send(&transport, get(&server.url("/")), &impatient).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::PoolTimeout, false));
    let (waiter, url) = (Arc::clone(&transport), server.url("/next"));
    let waits = tokio::spawn(async move { fetch(&waiter, &url).await });
    may.add_permits(1);
    assert_eq!(&held.await.unwrap().unwrap().body[..], b"/slow");
    let reply = waits.await.unwrap().unwrap();
    let timings = reply.timings;
    assert_eq!((&reply.body[..], timings.connect, timings.tls), (&b"/next"[..], Duration::ZERO, Duration::ZERO));
    assert_eq!((server.accepted(), free_slots(&transport, &server.url("/"))), (1, (100, 1)));
}

#[tokio::test]
async fn a_request_before_its_gate_holds_its_stream_and_is_an_excuse() {
    let server = echo(2).await;
    let transport = Arc::new(client2(|plan| plan.connections_per_host = 1));
    let tokens = Arc::new(Tokens(Semaphore::new(0)));
    let impatient = TimeoutPlan { pool: Duration::from_millis(100), ..patient() };
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (transport, tokens, url) = (Arc::clone(&transport), Arc::clone(&tokens), server.url("/"));
            let timeouts = impatient.clone();
            tokio::spawn(async move { transport.exchange(Call::new(get(&url), &*tokens, &timeouts)).await })
        })
        .collect();
    crate::transport::tests::standing::outlast(&impatient).await;
    tokens.0.add_permits(10);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!((server.accepted(), free_slots(&transport, &server.url("/"))), (1, (100, 1)));
}

#[tokio::test]
async fn only_who_opened_the_connection_has_the_time_of_it() {
    let server = echo(100).await;
    let transport = client2(|_| {});
    let first = fetch(&transport, &server.url("/")).await.unwrap().timings;
    assert!(!first.connect.is_zero(), "{first:?}");
    let second = fetch(&transport, &server.url("/")).await.unwrap().timings;
    assert_eq!((second.pool, second.connect, second.dns), (Duration::ZERO, Duration::ZERO, Duration::ZERO));
    assert!(!second.first_byte.is_zero(), "{second:?}");
}

#[tokio::test]
async fn connections_at_rest_expire_and_make_room_for_other_hosts() {
    let (one, other) = (echo(100).await, echo(100).await);
    let transport = client2(|plan| plan.idle_timeout = Duration::ZERO);
    for connections in 1..4 {
        fetch(&transport, &one.url("/")).await.unwrap();
        assert_eq!((one.accepted(), transport.pool().open()), (connections, 1));
    }
    let transport = client2(|plan| plan.connections_total = 1);
    for (server, connections) in [(&one, 4), (&other, 1), (&one, 5)] {
        fetch(&transport, &server.url("/")).await.unwrap();
        assert_eq!((server.accepted(), transport.pool().open()), (connections, 1));
        assert_eq!(free_slots(&transport, &server.url("/")), (1, 100));
    }
}

#[tokio::test]
async fn those_who_wait_for_one_connection_hear_one_answer() {
    let server = Server::start(|stream, _| async move { drop(stream) }).await;
    let transport = Arc::new(client2(|_| {}));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (transport, url) = (Arc::clone(&transport), server.url("/"));
            tokio::spawn(async move { fetch(&transport, &url).await })
        })
        .collect();
    for task in tasks {
        let failure = task.await.unwrap().unwrap_err();
        assert!(!failure.sent && failure.kind != FailureKind::PoolTimeout, "{failure}");
    }
    assert_eq!((server.accepted(), transport.pool().open()), (1, 0));
    fetch(&transport, &server.url("/")).await.unwrap_err();
    assert_eq!(server.accepted(), 2, "who comes later tries anew");
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
}

#[tokio::test]
async fn tiny_replies_that_come_all_at_once_are_no_flood() {
    const ALL: usize = 100;
    let server = Server::start(|stream, _| async move {
        let Some(mut raw) = Raw::begin(stream, &[]).await else { return };
        let mut replies = Vec::new();
        for _ in 0..ALL {
            let stream = raw.request().await.unwrap();
            replies.extend(frame(HEADERS, END_HEADERS, stream, OK));
            replies.extend([frame(DATA, 0, stream, b"{"), frame(DATA, 0, stream, b"}")].concat());
            replies.extend(frame(DATA, END_STREAM, stream, &[]));
        }
        raw.write(replies).await;
        raw.request().await;
    })
    .await;
    let transport = Arc::new(client2(|_| {}));
    let tasks: Vec<_> = (0..ALL)
        .map(|_| {
            let (transport, url) = (Arc::clone(&transport), server.url("/"));
            tokio::spawn(async move { fetch(&transport, &url).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(&task.await.unwrap().unwrap().body[..], b"{}");
    }
}

#[tokio::test]
async fn one_gate_pass_for_each_request() {
    let server = echo(100).await;
    let (transport, gate, timeouts) = (client2(|_| {}), Open::default(), patient());
    for passes in 1..4 {
        transport.exchange(Call::new(get(&server.url("/")), &gate, &timeouts)).await.unwrap();
        assert_eq!(gate.passed.load(Ordering::SeqCst), passes);
    }
}

#[tokio::test]
async fn a_time_out_leaves_the_others_alone_and_no_stale_reply() {
    let may = Arc::new(Semaphore::new(0));
    let server = slow(100, &may).await;
    let transport = Arc::new(client2(|_| {}));
    let (holder, url) = (Arc::clone(&transport), server.url("/slow"));
    let held = tokio::spawn(async move { fetch(&holder, &url).await });
    for (short, kind) in [
        (TimeoutPlan { read: Duration::from_millis(60), ..patient() }, FailureKind::ReadTimeout),
        (TimeoutPlan { total: Duration::from_millis(60), ..patient() }, FailureKind::TotalTimeout),
    ] {
        let failure = send(&transport, get(&server.url("/slow")), &short).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (kind, true));
        assert_eq!(&fetch(&transport, &server.url("/next")).await.unwrap().body[..], b"/next");
    }
    // Those that were given up may be answered first: a reply to nobody.
    may.add_permits(3);
    assert_eq!(&held.await.unwrap().unwrap().body[..], b"/slow");
    assert_eq!((server.accepted(), transport.pool().open()), (1, 1));
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
}
