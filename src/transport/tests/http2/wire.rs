//! What goes over the wire: headers, bodies, TLS, redirects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{HeaderMap, HeaderValue, Method, Response};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use super::{Asked, client2, serve, server};
use crate::transport::tests::support::{Open, Server, client, fetch, ok, patient, request, send, with};
use crate::transport::{Call, HttpVersion, HyperTransport, Transport};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

// Answers with the request as the server got it: method, URL, sorted headers, length of the body.
async fn mirror() -> Server {
    server(100, async |mut asked: Asked| {
        let head = &asked.request;
        let mut lines = vec![format!("{} {}", head.method(), head.uri())];
        let mut named: Vec<String> = head.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        named.sort();
        lines.extend(named);
        let mut length = 0;
        while let Some(piece) = asked.request.body_mut().data().await {
            let piece = piece.unwrap();
            length += piece.len();
            let _ = asked.request.body_mut().flow_control().release_capacity(piece.len());
        }
        lines.push(length.to_string());
        asked.reply(lines.join("\n"));
    })
    .await
}

#[tokio::test]
async fn requests_look_as_http2_wants_them() {
    let server = mirror().await;
    let transport = client2(|_| {});
    let given = [
        ("accept", "*/*"),
        ("connection", "x-mine, close"),
        ("x-mine", "gone"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("content-length", "77"),
    ];
    for (method, given, body, expected) in [
        (Method::GET, &given[..], "", "GET http://HOST/a?b=1\naccept: \"*/*\"\n0"),
        (Method::POST, &given, "body", "POST http://HOST/a?b=1\naccept: \"*/*\"\ncontent-length: \"4\"\n4"),
        (Method::POST, &[], "", "POST http://HOST/a?b=1\ncontent-length: \"0\"\n0"),
        (Method::GET, &[("te", "trailers")], "", "GET http://HOST/a?b=1\nte: \"trailers\"\n0"),
        (Method::GET, &[("host", "other.example")], "", "GET http://other.example/a?b=1\n0"),
    ] {
        let request = with(method, &server.url("/a?b=1"), headers(given), body);
        let reply = send(&transport, request, &patient()).await.unwrap();
        let expected = expected.replace("HOST", &server.address.to_string());
        assert_eq!(String::from_utf8_lossy(&reply.body), expected);
    }
}

#[tokio::test]
async fn bodies_larger_than_every_window_go_both_ways() {
    let server = server(100, async |mut asked: Asked| {
        let mut sink = asked.respond.send_response(Response::new(()), false).unwrap();
        while let Some(piece) = asked.request.body_mut().data().await {
            let piece = piece.unwrap();
            let _ = asked.request.body_mut().flow_control().release_capacity(piece.len());
            sink.send_data(piece, false).unwrap();
        }
        // Trailers mean nothing to us.
        sink.send_trailers(headers(&[("x-sum", "1")])).unwrap();
    })
    .await;
    let transport = client2(|plan| plan.max_body = 30 << 20);
    let body: Bytes = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    let mut request = with(Method::POST, &server.url("/"), HeaderMap::new(), "");
    *request.body_mut() = body.clone().into();
    let reply = send(&transport, request, &patient()).await.unwrap();
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn replies_without_a_body_are_whole() {
    let server = server(100, async |mut asked: Asked| {
        let status = asked.path().trim_start_matches('/').parse().unwrap();
        let mut reply = Response::new(());
        *reply.status_mut() = http::StatusCode::from_u16(status).unwrap();
        reply.headers_mut().insert("content-length", HeaderValue::from_static("2000000"));
        asked.respond.send_response(reply, true).unwrap();
    })
    .await;
    let transport = client2(|_| {});
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 304)] {
        let request = with(method, &server.url(&format!("/{status}")), HeaderMap::new(), "");
        let reply = send(&transport, request, &patient()).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.len()), (status, 0));
    }
}

#[tokio::test]
async fn what_was_refused_is_sent_again_whole_over_another_connection() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let server = server(100, move |mut asked: Asked| {
        let first = seen.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                asked.respond.send_reset(Reason::REFUSED_STREAM);
                return;
            }
            let mark = asked.request.headers()["x-mark"].clone();
            let body = asked.request.body_mut().data().await.unwrap().unwrap();
            asked.reply([mark.as_bytes(), &body].concat());
        }
    })
    .await;
    for redirects in [0, 10] {
        count.store(0, Ordering::SeqCst);
        let connections = server.accepted();
        let (transport, gate, timeouts) = (client2(|plan| plan.redirects = redirects), Open::default(), patient());
        let request = with(Method::POST, &server.url("/"), headers(&[("x-mark", "mark ")]), "body");
        let reply = transport.exchange(Call::new(request, &gate, &timeouts)).await.unwrap();
        assert_eq!(&reply.body[..], b"mark body");
        assert_eq!((count.load(Ordering::SeqCst), server.accepted() - connections), (2, 2));
        assert_eq!(gate.passed.load(Ordering::SeqCst), 2, "what may have been on the wire took its tokens");
        assert_eq!(transport.pool().open(), 1, "the connection that refuses is let go");
    }
}

#[tokio::test]
async fn redirects_are_followed() {
    let server = server(100, async |mut asked: Asked| {
        if asked.path() == "/there" {
            return asked.reply("here");
        }
        let mut reply = Response::new(());
        *reply.status_mut() = http::StatusCode::FOUND;
        reply.headers_mut().insert("location", HeaderValue::from_static("/there"));
        asked.respond.send_response(reply, false).unwrap().send_data(Bytes::from_static(b"moved"), true).unwrap();
    })
    .await;
    let reply = fetch(&client2(|_| {}), &server.url("/")).await.unwrap();
    assert_eq!((&reply.body[..], reply.url.path(), server.accepted()), (&b"here"[..], "/there", 1));
}

/// A TLS server that speaks what it offers; with HTTP/2 it waits until `together` requests are there.
async fn secure(offers: &[&[u8]], together: usize) -> Server {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["api.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
    let (acceptor, barrier) = (TlsAcceptor::from(Arc::new(config)), Arc::new(Barrier::new(together)));
    Server::start(move |stream, _| {
        let (acceptor, barrier) = (acceptor.clone(), Arc::clone(&barrier));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let answer = |asked: Asked| {
                    let barrier = Arc::clone(&barrier);
                    async move {
                        barrier.wait().await;
                        asked.reply("two");
                    }
                };
                return serve(stream, Builder::new(), answer).await;
            }
            while request(&mut stream).await.is_some() {
                barrier.wait().await;
                let _ = stream.write_all(ok("one").as_bytes()).await;
                let _ = stream.flush().await;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_servers_choose_the_version() {
    const ALL: usize = 12;
    for (offers, http, expected, connections) in [
        (&[&b"h2"[..], b"http/1.1"][..], HttpVersion::Auto, "two", 1),
        (&[b"http/1.1"], HttpVersion::Auto, "one", ALL),
        (&[], HttpVersion::Auto, "one", ALL),
        (&[b"h2", b"http/1.1"], HttpVersion::One, "one", ALL),
        (&[b"h2", b"http/1.1"], HttpVersion::Two, "two", 1),
    ] {
        let server = secure(offers, ALL).await;
        let transport: Arc<HyperTransport> = Arc::new(client(|plan| {
            plan.resolve.insert("api.example".to_owned(), server.address);
            plan.tls.verify = false;
            plan.http = http;
        }));
        for _ in 0..2 {
            let tasks: Vec<_> = (0..ALL)
                .map(|_| {
                    let transport = Arc::clone(&transport);
                    tokio::spawn(async move { fetch(&transport, "https://api.example/").await })
                })
                .collect();
            for task in tasks {
                assert_eq!(&task.await.unwrap().unwrap().body[..], expected.as_bytes());
            }
            assert_eq!((server.accepted(), transport.pool().open()), (connections, connections), "{http:?}");
        }
    }
}
