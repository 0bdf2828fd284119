//! Ways to a talk: redirects, cookies, proxies, TLS, and the other transports.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::unbounded_channel;

use super::{all_is_free, listen, one_at_a_time, serve, sockets, ticks, welcome};
use crate::retry::FailureKind;
use crate::transport::scripted::{Peer, Scene, ScriptedTransport};
use crate::transport::tests::proxies;
use crate::transport::tests::support::{Open, Server, client, fetch, get, patient, request};
use crate::transport::tests::tls::{Authority, Setup};
use crate::transport::{Call, ClientPlan, Transport};
use crate::websocket::tests::wire::{code, rest};

#[tokio::test]
async fn redirects_lead_to_the_socket_whatever_its_scheme_is_called() {
    let (target, _told) = sockets(ticks()).await;
    for scheme in ["http", "ws", "WS"] {
        let location = format!("{scheme}://{}/there", target.address);
        let server = Server::answering(move |_| {
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        })
        .await;
        let transport = client(one_at_a_time);
        let (reply, listener) = listen(&transport, &server.url("/")).await;
        assert_eq!((reply.unwrap().url.path(), listener.texts().len()), ("/there", 2), "{scheme}");
        if scheme == "ws" {
            let failure = fetch(&transport, &server.url("/")).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Redirect, "for requests there is no such scheme: {failure}");
        }
    }
}

#[tokio::test]
async fn a_cookie_of_the_handshake_is_kept() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(move |mut stream, _| {
        let log = Arc::clone(&log);
        async move {
            let Some(asked) = request(&mut stream).await else { return };
            log.lock().unwrap().push(asked.contains("cookie: place=1"));
            let head = welcome(&asked, "Set-Cookie: place=1\r\n");
            stream.write_all(&[head.as_bytes(), &ticks()].concat()).await.unwrap();
            rest(&mut stream).await;
        }
    })
    .await;
    let transport = client(|plan| plan.cookies = true);
    for _ in 0..2 {
        listen(&transport, &server.url("/")).await.0.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [false, true]);
}

#[tokio::test]
async fn a_plain_socket_goes_through_a_proxy_by_a_tunnel() {
    let (target, _told) = sockets(ticks()).await;
    let (proxy, log) = proxies::tunnels(target.address).await;
    let transport = proxies::client(&proxies::all("http", &proxy), one_at_a_time);
    let (reply, listener) = listen(&transport, "http://ticks.example/").await;
    assert_eq!((reply.unwrap().status.as_u16(), listener.texts().len()), (101, 2));
    assert!(proxies::asked(&log)[0].starts_with("CONNECT ticks.example:80 "), "{:?}", proxies::asked(&log));

    let (proxy, log) = proxies::socks(target.address, true).await;
    let transport = proxies::client(&proxies::all("socks5h", &proxy), one_at_a_time);
    let (reply, listener) = listen(&transport, "http://ticks.example/").await;
    assert_eq!((reply.unwrap().status.as_u16(), listener.texts().len()), (101, 2));
    assert_eq!(proxies::asked(&log), ["ticks.example:80"]);
}

#[tokio::test]
async fn a_socket_over_tls_directly_and_through_a_tunnel() {
    let authority = Authority::new();
    let acceptor = Setup::new(authority.certify("ticks.example", |_| {})).acceptor();
    let (told, mut hears) = unbounded_channel();
    let server = Server::start(move |stream, _| {
        let (acceptor, told) = (acceptor.clone(), told.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve(stream, &ticks(), &told).await;
        }
    })
    .await;
    let (proxy, _) = proxies::tunnels(server.address).await;
    let plan = |plan: &mut ClientPlan| {
        plan.tls.ca = Some(authority.path("ca.pem"));
        plan.resolve.insert("ticks.example".to_owned(), server.address);
        one_at_a_time(plan);
    };
    for transport in [client(plan), proxies::client(&proxies::all("http", &proxy), plan)] {
        let (reply, listener) = listen(&transport, "https://ticks.example/").await;
        assert_eq!((reply.unwrap().status.as_u16(), listener.texts().len()), (101, 2));
        assert_eq!(hears.recv().await, Some(Some(1000)));
        all_is_free(&transport, "https://ticks.example/");
    }
}

#[cfg(feature = "surf")]
#[tokio::test]
async fn surf_says_that_it_can_not() {
    let (server, _told) = sockets(ticks()).await;
    let transport = crate::transport::surf::SurfTransport::new(Arc::new(client(one_at_a_time)));
    let failure = listen(&transport, &server.url("/")).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.sent, server.accepted()), (FailureKind::Request, false, 0));
}

#[tokio::test]
async fn the_double_talks_over_a_pipe() {
    let (told, mut hears) = unbounded_channel();
    let transport = ScriptedTransport::staged(move |request| {
        let told = told.clone();
        let peer = Peer::new(move |mut stream| {
            let told = told.clone();
            async move {
                stream.write_all(&ticks()).await.unwrap();
                let _ = told.send(code(&rest(&mut stream).await));
            }
        });
        Ok(Scene::websocket(request, peer))
    });
    let (reply, listener) = listen(&transport, "http://ticks.example/").await;
    assert_eq!((reply.unwrap().status.as_u16(), listener.texts().len()), (101, 2));
    assert_eq!(hears.recv().await, Some(Some(1000)));
    assert_eq!((transport.opened(), transport.closed()), (1, 1));
    let gate = Open::default();
    let failure = transport.exchange(Call::new(get("http://ticks.example/"), &gate, &patient())).await.unwrap_err();
    assert_eq!((failure.kind, gate.passed.load(Ordering::SeqCst)), (FailureKind::Protocol, 1), "{failure}");
}
