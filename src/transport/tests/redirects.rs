//! Redirects over real connections: the gate at each hop, credentials at home.

use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderValue, Method};

use super::support::{Open, Server, client, fetch, ok, patient, send, with};
use crate::retry::FailureKind;
use crate::transport::{Call, Transport};

fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nmoved")
}

async fn chain() -> Server {
    Server::answering(|request| match request.split(' ').nth(1) {
        Some("/1") => to(302, "/x/../2?y=1"),
        Some("/2?y=1") => to(303, "3"),
        Some("/keep") => to(307, "/3"),
        Some("/circle") => to(302, "/back"),
        Some("/back") => to(302, "/circle"),
        _ => ok(request),
    })
    .await
}

#[tokio::test]
async fn every_hop_passes_the_gate_and_reuses_the_connection() {
    let server = chain().await;
    let (transport, gate) = (client(|_| {}), Open::default());
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("mine"))]);
    let request = with(Method::POST, &server.url("/1"), headers, "body");
    let reply = transport.exchange(Call::new(request, &gate, &patient())).await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("GET /3 HTTP/1.1\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(text.contains("authorization: mine\r\n"), "its headers stay with it in its origin: {text}");
    assert_eq!(reply.url.to_string(), server.url("/3"));
    assert_eq!((gate.passed.load(Ordering::SeqCst), server.accepted()), (3, 1));
}

#[tokio::test]
async fn a_307_sends_the_body_again() {
    let server = chain().await;
    let request = with(Method::POST, &server.url("/keep"), HeaderMap::new(), "body");
    let reply = send(&client(|_| {}), request, &patient()).await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("POST /3 ") && text.ends_with("\r\n\r\nbody"), "{text}");
}

#[tokio::test]
async fn credentials_do_not_leave_their_origin() {
    let other = Server::answering(ok).await;
    let target = other.url("/");
    let server = Server::answering(move |_| to(302, &target)).await;
    let mut secret = HeaderValue::from_static("hush");
    secret.set_sensitive(true);
    let headers = HeaderMap::from_iter([
        (http::header::AUTHORIZATION, HeaderValue::from_static("hush")),
        (http::header::COOKIE, HeaderValue::from_static("hush")),
        (http::HeaderName::from_static("x-key"), secret),
        (http::header::ACCEPT, HeaderValue::from_static("text/plain")),
    ]);
    let request = with(Method::GET, &server.url("/"), headers, "");
    let reply = send(&client(|_| {}), request, &patient()).await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!text.contains("hush") && text.contains("accept: text/plain"), "{text}");
    assert!(text.contains(&format!("host: {}\r\n", other.address)), "{text}");
}

#[tokio::test]
async fn none_are_followed_when_none_are_allowed() {
    let server = chain().await;
    let reply = fetch(&client(|plan| plan.redirects = 0), &server.url("/1")).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (302, &b"moved"[..]));
    assert_eq!(reply.headers["location"], "/x/../2?y=1");
}

#[tokio::test]
async fn circles_and_long_ways_fail() {
    let server = chain().await;
    for (most, path, words) in [(10, "/circle", "circle"), (1, "/1", "1 were followed")] {
        let failure = fetch(&client(|plan| plan.redirects = most), &server.url(path)).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Redirect, true));
        assert!(failure.message.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn a_failure_after_a_redirect_is_one_of_a_request_that_was_sent() {
    let server = Server::answering(|_| to(302, "http://no-such-host.invalid/")).await;
    let failure = fetch(&client(|_| {}), &server.url("/")).await.unwrap_err();
    // What is surely so for every request to a host is a matter of this row where a redirect led there.
    assert!(matches!(failure.kind, FailureKind::Redirect | FailureKind::Dns) && failure.sent, "{failure:?}");
}
