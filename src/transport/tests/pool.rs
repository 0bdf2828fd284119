//! Connections: reused, capped, given back whatever happens, and never used when dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::support::{Open, Server, client, fetch, get, ok, patient, request, send};
use crate::clock;
use crate::retry::FailureKind;
use crate::transport::target::Origin;
use crate::transport::{BoxFuture, Call, Gate, HyperTransport, TimeoutPlan, Transport};

pub fn free_slots(transport: &HyperTransport, url: &str) -> (usize, usize) {
    let url = url.parse().unwrap();
    let host = transport.pool().host(Origin::of(&url).unwrap(), clock::now());
    transport.pool().free_slots(&host)
}

// One request to a server of its own: the reactor has then seen whatever the others did before.
pub async fn turn() {
    let server = Server::answering(ok).await;
    fetch(&client(|_| {}), &server.url("/")).await.unwrap();
}

#[tokio::test]
async fn one_connection_serves_one_after_the_other() {
    let server = Server::answering(ok).await;
    let transport = client(|_| {});
    for _ in 0..50 {
        fetch(&transport, &server.url("/")).await.unwrap();
    }
    assert_eq!((server.accepted(), transport.pool().open()), (1, 1));
}

#[tokio::test]
async fn replies_that_close_or_run_over_are_not_reused() {
    for reply in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let server = Server::answering(|_| reply.to_owned()).await;
        let transport = client(|_| {});
        for connections in 1..4 {
            assert_eq!(&fetch(&transport, &server.url("/")).await.unwrap().body[..], b"hi");
            assert_eq!((server.accepted(), transport.pool().open()), (connections, 0), "{reply}");
        }
    }
}

#[tokio::test]
async fn the_cap_of_a_host_holds() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (current, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |mut stream, _| {
        let (current, peak) = (Arc::clone(&current), Arc::clone(&peak));
        async move {
            peak.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while request(&mut stream).await.is_some() {
                tokio::task::yield_now().await;
                stream.write_all(ok("hi").as_bytes()).await.unwrap();
            }
            current.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let transport = Arc::new(client(|plan| plan.connections_per_host = 3));
    let tasks: Vec<_> = (0..60)
        .map(|_| {
            let (transport, url) = (Arc::clone(&transport), server.url("/"));
            tokio::spawn(async move { fetch(&transport, &url).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!((most.load(Ordering::SeqCst), server.accepted(), transport.pool().open()), (3, 3, 3));
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 3));
}

#[tokio::test]
async fn idle_connections_of_other_hosts_make_room() {
    let transport = client(|plan| plan.connections_total = 2);
    let mut servers = Vec::new();
    for _ in 0..5 {
        servers.push(Server::answering(ok).await);
    }
    for (at, server) in servers.iter().enumerate() {
        fetch(&transport, &server.url("/")).await.unwrap();
        assert_eq!(transport.pool().open(), (at + 1).min(2));
    }
    // The two youngest were kept, the oldest went.
    for (at, connections) in [(4, 1), (3, 1), (0, 2)] {
        fetch(&transport, &servers[at].url("/")).await.unwrap();
        assert_eq!(servers[at].accepted(), connections, "server {at}");
    }
    assert_eq!(transport.pool().open(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_in_all_holds_over_many_hosts_at_once() {
    let mut servers = Vec::new();
    for _ in 0..4 {
        servers.push(Server::answering(ok).await);
    }
    let transport = Arc::new(client(|plan| plan.connections_total = 3));
    let tasks: Vec<_> = (0..80)
        .map(|at| {
            let (transport, url) = (Arc::clone(&transport), servers[at % 4].url("/"));
            tokio::spawn(async move {
                let reply = fetch(&transport, &url).await;
                assert!(transport.pool().open() <= 3);
                reply
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(free_slots(&transport, &servers[0].url("/")), (3, 100));
}

#[tokio::test]
async fn waiting_for_a_slot_has_an_end_and_leaves_the_slot_alone() {
    let server = Server::start(|mut stream, at| async move {
        request(&mut stream).await;
        if at == 0 {
            std::future::pending::<()>().await;
        }
        let _ = stream.write_all(ok("hi").as_bytes()).await;
    })
    .await;
    for total in [1, 100] {
        let transport = Arc::new(client(|plan| (plan.connections_total, plan.connections_per_host) = (total, 1)));
        let (holder, url) = (Arc::clone(&transport), server.url("/"));
        let held = tokio::spawn(async move { fetch(&holder, &url).await });
        while free_slots(&transport, &server.url("/")).1 > 0 {
            tokio::task::yield_now().await;
        }
        let impatient = TimeoutPlan { pool: Duration::from_millis(30), ..patient() };
        if total == 1 {
            let failure = send(&transport, get(&server.url("/")), &impatient).await.unwrap_err();
            assert_eq!((failure.kind, failure.sent), (FailureKind::PoolTimeout, false));
            assert!(failure.message.contains("30ms (timeout.pool)"), "{failure}");
        }
        held.abort();
        let _ = held.await;
        assert_eq!(free_slots(&transport, &server.url("/")), (total, 1));
        assert_eq!(transport.pool().open(), 0);
    }
}

#[tokio::test]
async fn a_wait_for_a_slot_is_no_part_of_the_attempt() {
    let server = Server::start(|mut stream, _| async move {
        let slow = tokio::time::sleep(Duration::from_millis(700));
        request(&mut stream).await;
        slow.await;
        stream.write_all(ok("slow").as_bytes()).await.unwrap();
        request(&mut stream).await;
        stream.write_all(ok("fast").as_bytes()).await.unwrap();
    })
    .await;
    let transport = Arc::new(client(|plan| plan.connections_per_host = 1));
    let (holder, url) = (Arc::clone(&transport), server.url("/"));
    let held = tokio::spawn(async move { fetch(&holder, &url).await });
    while free_slots(&transport, &server.url("/")).1 > 0 {
        tokio::task::yield_now().await;
    }
    let timeouts = TimeoutPlan { total: Duration::from_millis(500), ..patient() };
    let reply = send(&transport, get(&server.url("/")), &timeouts).await.unwrap();
    assert_eq!(&reply.body[..], b"fast");
    assert!(!reply.timings.pool.is_zero() && reply.timings.pool > reply.timings.exchange(), "{:?}", reply.timings);
    assert_eq!(&held.await.unwrap().unwrap().body[..], b"slow");
}

#[tokio::test]
async fn a_dropped_exchange_closes_its_connection_and_frees_its_slots() {
    let arrived = Arc::new(Semaphore::new(0));
    let gone = Arc::new(Semaphore::new(0));
    let (tell_arrived, tell_gone) = (Arc::clone(&arrived), Arc::clone(&gone));
    let server = Server::start(move |mut stream, _| {
        let (arrived, gone) = (Arc::clone(&tell_arrived), Arc::clone(&tell_gone));
        async move {
            request(&mut stream).await;
            arrived.add_permits(1);
            assert!(request(&mut stream).await.is_none());
            gone.add_permits(1);
        }
    })
    .await;
    let transport = Arc::new(client(|_| {}));
    let (sender, url) = (Arc::clone(&transport), server.url("/"));
    let exchange = tokio::spawn(async move { fetch(&sender, &url).await });
    arrived.acquire().await.unwrap().forget();
    exchange.abort();
    let _ = exchange.await;
    gone.acquire().await.unwrap().forget();
    assert_eq!(transport.pool().open(), 0);
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
}

// Answers one request on each connection and closes it without saying so.
async fn forgetful(closed: Arc<Semaphore>) -> Server {
    Server::start(move |mut stream, _| {
        let closed = Arc::clone(&closed);
        async move {
            if request(&mut stream).await.is_some() {
                stream.write_all(ok("hi").as_bytes()).await.unwrap();
            }
            drop(stream);
            closed.add_permits(1);
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_not_used() {
    let closed = Arc::new(Semaphore::new(0));
    let server = forgetful(Arc::clone(&closed)).await;
    let transport = client(|_| {});
    for connections in 1..5 {
        fetch(&transport, &server.url("/")).await.unwrap();
        closed.acquire().await.unwrap().forget();
        turn().await;
        assert_eq!(server.accepted(), connections);
    }
}

/// Has the connection closed while the request waits for its token.
struct Late {
    close: Arc<Semaphore>,
    closed: Arc<Semaphore>,
    passed: AtomicUsize,
    exhaust: bool,
}

impl Gate for Late {
    fn pass(&self, _: &http::Uri) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.passed.fetch_add(1, Ordering::SeqCst);
            self.close.add_permits(1);
            self.closed.acquire().await.unwrap().forget();
            turn().await;
            // A task without budget reads nothing, so the check after the gate sees a living connection.
            while self.exhaust && tokio::task::coop::has_budget_remaining() {
                tokio::task::coop::consume_budget().await;
            }
        })
    }
}

#[tokio::test]
async fn a_connection_that_died_at_the_gate_is_replaced_and_the_gate_passed_once() {
    for exhaust in [false, true] {
        let (close, closed) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (may_close, has_closed) = (Arc::clone(&close), Arc::clone(&closed));
        let server = Server::start(move |mut stream, _| {
            let (close, closed) = (Arc::clone(&may_close), Arc::clone(&has_closed));
            async move {
                request(&mut stream).await.unwrap();
                stream.write_all(ok("hi").as_bytes()).await.unwrap();
                close.acquire().await.unwrap().forget();
                drop(stream);
                closed.add_permits(1);
            }
        })
        .await;
        let transport = client(|_| {});
        fetch(&transport, &server.url("/")).await.unwrap();
        assert_eq!(transport.pool().open(), 1);
        let gate = Late { close, closed, passed: AtomicUsize::new(0), exhaust };
        let timeouts = patient();
        let call = Call::new(get(&server.url("/")), &gate, &timeouts);
        let reply = transport.exchange(call).await.unwrap();
        assert_eq!((&reply.body[..], server.accepted()), (&b"hi"[..], 2), "exhaust: {exhaust}");
        assert_eq!((gate.passed.load(Ordering::SeqCst), transport.pool().open()), (1, 1));
    }
}

#[tokio::test]
async fn idle_connections_expire() {
    let server = Server::answering(ok).await;
    let transport = client(|plan| plan.idle_timeout = Duration::ZERO);
    for connections in 1..4 {
        fetch(&transport, &server.url("/")).await.unwrap();
        assert_eq!(server.accepted(), connections);
    }
}

#[tokio::test]
async fn hosts_that_nobody_uses_are_forgotten() {
    let (first, second) = (Server::answering(ok).await, Server::answering(ok).await);
    let transport = client(|_| {});
    fetch(&transport, &first.url("/")).await.unwrap();
    fetch(&transport, &second.url("/")).await.unwrap();
    assert_eq!((transport.pool().hosts(), transport.pool().open()), (2, 2));
    let url = "http://third.example/".parse().unwrap();
    let third = transport.pool().host(Origin::of(&url).unwrap(), clock::now() + Duration::from_secs(91));
    assert_eq!((transport.pool().hosts(), transport.pool().open()), (1, 0));
    drop(third);
    fetch(&transport, &first.url("/")).await.unwrap();
    assert_eq!(first.accepted(), 2);
}

#[tokio::test]
async fn one_gate_pass_for_each_request() {
    let server = Server::answering(ok).await;
    let transport = client(|_| {});
    let gate = Open::default();
    for passes in 1..4 {
        let timeouts = patient();
        let call = Call::new(get(&server.url("/")), &gate, &timeouts);
        transport.exchange(call).await.unwrap();
        assert_eq!(gate.passed.load(Ordering::SeqCst), passes);
    }
}
