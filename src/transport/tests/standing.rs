//! Waits for connections that others keep while they wait for tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::Semaphore;

use super::pool::free_slots;
use super::support::{Open, Server, client, fetch, get, ok, patient, send};
use crate::retry::{Failure, FailureKind};
use crate::transport::{BoxFuture, Call, Gate, RequestBody, Signer, TimeoutPlan, Transport};

/// A gate that opens once for each permit.
pub struct Tokens(pub Semaphore);

impl Gate for Tokens {
    fn pass(&self, _: &http::Uri) -> BoxFuture<'_, ()> {
        Box::pin(async { self.0.acquire().await.unwrap().forget() })
    }
}

// Takes every connection and never answers.
async fn silent() -> Server {
    Server::start(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await
}

// Lets pool timeouts of this length run out several times, at a server that never answers.
pub async fn outlast(timeouts: &TimeoutPlan) {
    let server = silent().await;
    let transport = Arc::new(client(|plan| plan.connections_total = 1));
    let (holder, url) = (Arc::clone(&transport), server.url("/"));
    let held = tokio::spawn(async move { fetch(&holder, &url).await });
    while free_slots(&transport, &server.url("/")).0 > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let failure = send(&transport, get(&server.url("/")), timeouts).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::PoolTimeout);
    }
    held.abort();
}

#[tokio::test]
async fn who_waits_behind_those_that_wait_for_tokens_does_not_time_out() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let server = Server::answering(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        ok("hi")
    })
    .await;
    for (total, per_host) in [(100, 4), (4, 100)] {
        served.store(0, Ordering::SeqCst);
        let transport =
            Arc::new(client(|plan| (plan.connections_total, plan.connections_per_host) = (total, per_host)));
        let tokens = Arc::new(Tokens(Semaphore::new(0)));
        let impatient = TimeoutPlan { pool: Duration::from_millis(150), ..patient() };
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (transport, tokens, url) = (Arc::clone(&transport), Arc::clone(&tokens), server.url("/"));
                let timeouts = impatient.clone();
                tokio::spawn(async move { transport.exchange(Call::new(get(&url), &*tokens, &timeouts)).await })
            })
            .collect();
        outlast(&impatient).await;
        assert_eq!(served.load(Ordering::SeqCst), 0);
        tokens.0.add_permits(20);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!((served.load(Ordering::SeqCst), transport.pool().open()), (20, 4));
        assert_eq!(free_slots(&transport, &server.url("/")), (total, per_host));
    }
}

#[tokio::test]
async fn tokens_of_one_host_are_no_excuse_for_another() {
    let (silent, other) = (silent().await, Server::answering(ok).await);
    let transport = Arc::new(client(|plan| plan.connections_per_host = 1));
    let standing = Arc::clone(&transport);
    let url = other.url("/");
    let stands = tokio::spawn(async move {
        let tokens = Tokens(Semaphore::new(0));
        standing.exchange(Call::new(get(&url), &tokens, &patient())).await
    });
    let (holder, url) = (Arc::clone(&transport), silent.url("/"));
    let hangs = tokio::spawn(async move { fetch(&holder, &url).await });
    while free_slots(&transport, &silent.url("/")).0 > 98 {
        tokio::task::yield_now().await;
    }
    let impatient = TimeoutPlan { pool: Duration::from_millis(30), ..patient() };
    let failure = send(&transport, get(&silent.url("/")), &impatient).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::PoolTimeout);
    stands.abort();
    hangs.abort();
}

/// Takes longer to sign than the whole attempt may.
struct Slow(TimeoutPlan);

impl Signer for Slow {
    fn sign<'a>(
        &'a self,
        _method: &'a Method,
        _url: &'a Uri,
        headers: &'a mut HeaderMap,
        _body: &'a RequestBody,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            outlast(&self.0).await;
            headers.insert("x-signed", HeaderValue::from_static("1"));
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_signing_takes_is_not_the_servers_time() {
    let server = Server::answering(|request| ok(if request.contains("x-signed: 1") { "signed" } else { "" })).await;
    let pool = Duration::from_millis(300);
    let (signer, gate) = (Arc::new(Slow(TimeoutPlan { pool, ..patient() })), Open::default());
    let timeouts = TimeoutPlan { read: pool, total: pool, ..patient() };
    let call = Call { signer: Some(signer), ..Call::new(get(&server.url("/")), &gate, &timeouts) };
    assert_eq!(client(|_| {}).exchange(call).await.unwrap().body, "signed");
}
