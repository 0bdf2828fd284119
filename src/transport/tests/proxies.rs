//! Proxies of a few lines each: what they and the targets are told, and what comes of their moods.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Server, fetch, get, ok, opening, patient, plan, send};
use super::tls::{Authority, Setup};
use crate::clock;
use crate::retry::{Failure, FailureKind};
use crate::transport::target::Origin;
use crate::transport::{ClientPlan, HyperTransport, ProxyPlan, TimeoutPlan};

/// `me:hush-hush` (RFC 7617).
const BASIC: &str = "proxy-authorization: Basic bWU6aHVzaC1odXNo\r\n";

/// A client in an environment with these variables.
pub(super) fn client(variables: &[(&str, String)], change: impl FnOnce(&mut ClientPlan)) -> HyperTransport {
    let mut plan = ClientPlan { proxy: ProxyPlan::Environment, ..plan() };
    change(&mut plan);
    let look_up = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    HyperTransport::open_in(&plan, &opening(), &look_up).unwrap()
}

pub(super) fn all(scheme: &str, proxy: &Server) -> [(&'static str, String); 1] {
    [("all_proxy", format!("{scheme}://me:hush-hush@{}", proxy.address))]
}

/// What a proxy was asked, first bytes first.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

pub(super) fn asked(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().clone()
}

// A head, byte by byte, so that nothing of the tunnel is taken.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(text).ok()
}

async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, target: SocketAddr, log: Asked) {
    let Some(head) = head(&mut stream).await else { return };
    log.lock().unwrap().push(head);
    let Ok(mut target) = TcpStream::connect(target).await else { return };
    let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _ = copy_bidirectional(&mut stream, &mut target).await;
}

/// A proxy that makes tunnels, all of them to `target`.
pub(super) async fn tunnels(target: SocketAddr) -> (Server, Asked) {
    let log = Asked::default();
    let shared = Arc::clone(&log);
    let server = Server::start(move |stream, _| tunnel(stream, target, Arc::clone(&shared))).await;
    (server, log)
}

/// A proxy that answers whatever it is asked with `answer`, and closes when that is all.
async fn answers(answer: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        head(&mut stream).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

// Twice, on one transport, so that the first failure must have left the second a slot.
async fn fails(transport: &HyperTransport, url: &str, timeouts: &TimeoutPlan) -> Failure {
    let first = send(transport, get(url), timeouts).await.unwrap_err();
    let second = send(transport, get(url), timeouts).await.unwrap_err();
    assert_eq!(first, second);
    let url = url.parse().unwrap();
    let host = transport.pool().host(Origin::of(&url).unwrap(), clock::now());
    assert_eq!((transport.pool().open(), transport.pool().free_slots(&host)), (0, (100, 100)));
    assert!(!first.message.contains("hush") && !first.message.contains("aHVz"), "{first}");
    first
}

#[tokio::test]
async fn http_is_given_to_the_proxy_whole() {
    let proxy = Server::answering(ok).await;
    let transport = client(&all("http", &proxy), |_| {});
    for _ in 0..2 {
        let reply = fetch(&transport, "http://a.example:8080?b=c").await.unwrap();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.starts_with("GET http://a.example:8080/?b=c HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("host: a.example:8080\r\n") && text.contains(BASIC), "{text}");
    }
    assert_eq!(proxy.accepted(), 1, "its connections are reused");
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_is_verified_at_its_end() {
    let authority = Authority::new();
    let target = Setup::new(authority.certify("api.example", |_| {})).serve().await;
    let (proxy, log) = tunnels(target.address).await;
    let transport = client(&all("http", &proxy), |plan| plan.tls.ca = Some(authority.path("ca.pem")));
    for _ in 0..2 {
        assert_eq!(fetch(&transport, "https://api.example/").await.unwrap().status, 200);
    }
    let head = &asked(&log)[0];
    assert!(head.starts_with("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"), "{head}");
    assert!(head.to_lowercase().contains(&BASIC.to_lowercase()), "{head}");
    assert_eq!(proxy.accepted(), 1, "tunnels are reused");

    let failure = fetch(&transport, "https://other.example/").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Certificate);
    assert!(failure.message.contains("`other.example`"), "the target is named, not the proxy: {failure}");
}

#[tokio::test]
async fn an_https_proxy_is_spoken_to_over_tls() {
    let authority = Authority::new();
    let target = Setup::new(authority.certify("api.example", |_| {})).serve().await;
    let acceptor = Setup::new(authority.certify("proxy.example", |_| {})).acceptor();
    let (log, address) = (Asked::default(), target.address);
    let shared = Arc::clone(&log);
    let proxy = Server::start(move |stream, _| {
        let (acceptor, log) = (acceptor.clone(), Arc::clone(&shared));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut first = [0];
            // A tunnel or a request: the first letter tells.
            if stream.read_exact(&mut first).await.is_ok() && first == *b"C" {
                return tunnel(stream, address, log).await;
            }
            let Some(head) = head(&mut stream).await else { return };
            let _ = stream.write_all(ok(&head).as_bytes()).await;
            let _ = stream.flush().await;
        }
    })
    .await;
    let variables = [("all_proxy", format!("https://me:hush-hush@proxy.example:{}", proxy.address.port()))];
    let transport = client(&variables, |plan| {
        plan.tls.ca = Some(authority.path("ca.pem"));
        plan.resolve.insert("proxy.example".to_owned(), proxy.address);
    });
    let reply = fetch(&transport, "http://a.example/").await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("ET http://a.example/ ") && text.contains(BASIC), "{text}");
    assert_eq!(fetch(&transport, "https://api.example/").await.unwrap().status, 200);
    assert!(asked(&log)[0].starts_with("ONNECT api.example:443 "));

    let stranger = client(&variables, |plan| {
        plan.resolve.insert("proxy.example".to_owned(), proxy.address);
    });
    let failure = fetch(&stranger, "http://a.example/").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Certificate);
    assert!(failure.message.contains("`https://proxy.example:"), "{failure}");
}

/// A SOCKS 5 proxy that wants a user and a password where `wants` says so; all tunnels lead to `target`.
/// What it was asked is the kind of the address and its bytes.
pub(super) async fn socks(target: SocketAddr, wants: bool) -> (Server, Asked) {
    let log = Asked::default();
    let shared = Arc::clone(&log);
    let server = Server::start(move |mut stream, _| {
        let log = Arc::clone(&shared);
        async move {
            let Some(asked) = handshake(&mut stream, wants).await else { return };
            log.lock().unwrap().push(asked);
            let Ok(mut target) = TcpStream::connect(target).await else { return };
            let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            let _ = copy_bidirectional(&mut stream, &mut target).await;
        }
    })
    .await;
    (server, log)
}

async fn bytes(stream: &mut TcpStream, count: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::from(count)];
    stream.read_exact(&mut bytes).await.ok().map(|_| bytes)
}

async fn handshake(stream: &mut TcpStream, wants: bool) -> Option<String> {
    let greeting = bytes(stream, 2).await?;
    let methods = bytes(stream, greeting[1]).await?;
    let method = if wants { 2 } else { 0 };
    if !methods.contains(&method) {
        let _ = stream.write_all(&[5, 255]).await;
        return None;
    }
    stream.write_all(&[5, method]).await.ok()?;
    if wants {
        let user = bytes(stream, 2).await?[1];
        let user = bytes(stream, user).await?;
        let password = stream.read_u8().await.ok()?;
        let password = bytes(stream, password).await?;
        let is_known = (user.as_slice(), password.as_slice()) == (b"me", b"hush-hush");
        stream.write_all(&[1, u8::from(!is_known)]).await.ok()?;
        if !is_known {
            return None;
        }
    }
    let request = bytes(stream, 4).await?;
    let length = if request[3] == 3 { stream.read_u8().await.ok()? } else { 4 };
    let host = bytes(stream, length).await?;
    let port = u16::from_be_bytes(bytes(stream, 2).await?.try_into().ok()?);
    Some(if request[3] == 3 {
        format!("{}:{port}", String::from_utf8_lossy(&host))
    } else {
        format!("{host:?}:{port}")
    })
}

#[tokio::test]
async fn socks_makes_tunnels_with_and_without_a_password() {
    let target = Server::answering(ok).await;
    for wants in [false, true] {
        let (proxy, log) = socks(target.address, wants).await;
        for (scheme, seen) in [("socks5h", "a.example:80"), ("socks5", "[10, 1, 2, 3]:80")] {
            let transport = client(&all(scheme, &proxy), |plan| {
                plan.resolve.insert("a.example".to_owned(), "10.1.2.3:80".parse().unwrap());
            });
            let reply = fetch(&transport, "http://a.example/x").await.unwrap();
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(text.starts_with("GET /x HTTP/1.1\r\n") && !text.contains("proxy"), "{text}");
            assert_eq!(asked(&log).pop().unwrap(), seen, "{scheme}");
        }
    }
}

#[tokio::test]
async fn socks_carries_https() {
    let authority = Authority::new();
    let target = Setup::new(authority.certify("api.example", |_| {})).serve().await;
    let (proxy, log) = socks(target.address, true).await;
    let transport = client(&all("socks5h", &proxy), |plan| plan.tls.ca = Some(authority.path("ca.pem")));
    assert_eq!(fetch(&transport, "https://api.example/").await.unwrap().status, 200);
    assert_eq!(asked(&log), ["api.example:443"]);
}

#[tokio::test]
async fn a_proxy_that_wants_another_password_is_a_failure_with_a_way_out() {
    let refusing = answers("HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno").await;
    let (socks, _) = socks(refusing.address, true).await;
    let urls = ["http://a.example/", "https://a.example/"];
    for (scheme, proxy) in [("http", &refusing), ("socks5h", &socks)] {
        for url in urls {
            let place = format!("{scheme}://{}", proxy.address);
            let stranger = client(&[("all_proxy", place.clone())], |_| {});
            let failure = fails(&stranger, url, &patient()).await;
            assert_eq!(failure.kind, FailureKind::Proxy, "{failure}");
            let words = format!("the proxy `{place}` wants a user and a password");
            assert!(failure.message.starts_with(&words) && failure.message.contains("client.proxy"), "{failure}");

            let mistaken = format!("{scheme}://me:hush-hash@{}", proxy.address);
            let failure = fails(&client(&[("all_proxy", mistaken)], |_| {}), url, &patient()).await;
            assert_eq!(failure.kind, FailureKind::Proxy, "{failure}");
            assert!(failure.message.contains("refuses the user or the password"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_407_of_a_host_without_a_proxy_is_a_reply() {
    let server = Server::once("HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(fetch(&client(&[], |_| {}), &server.url("/")).await.unwrap().status, 407);
}

#[tokio::test]
async fn refused_tunnels_are_told_with_their_status() {
    for (answer, kind, words) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FailureKind::Proxy, "refuses a tunnel to `a.example:443`: 403 Forbidden"),
        ("HTTP/1.1 503 No\r\n\r\n", FailureKind::Connect, "made no tunnel to `a.example:443`: 503 Service"),
        ("HTTP/1.1 504 No\r\n\r\n", FailureKind::Connect, "504 Gateway Timeout"),
        ("HTTP/1.1 200 O", FailureKind::Connect, "broke off before there was a tunnel to `a.example`"),
        ("", FailureKind::Connect, "broke off before there was a tunnel to `a.example`"),
        ("SSH-2.0-OpenSSH_9.9\r\n", FailureKind::Proxy, "does not speak HTTP"),
    ] {
        let proxy = answers(answer).await;
        let failure = fails(&client(&all("http", &proxy), |_| {}), "https://a.example/?s=hush", &patient()).await;
        assert_eq!((failure.kind, failure.sent), (kind, false), "{answer:?}: {failure}");
        let name = format!("the proxy `http://{}` ", proxy.address);
        assert!(failure.message.starts_with(&name) && failure.message.contains(words), "{answer:?}: {failure}");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_a_connect_timeout_of_the_tunnel() {
    let silent = Server::start(|mut stream, _| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let timeouts = TimeoutPlan { connect: Duration::from_millis(80), ..patient() };
    for (scheme, url) in [("http", "https://a.example/"), ("socks5h", "http://a.example/")] {
        let failure = fails(&client(&all(scheme, &silent), |_| {}), url, &timeouts).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::ConnectTimeout, false));
        let words = format!("the tunnel through the proxy `{scheme}://{}` took too long", silent.address);
        assert!(failure.message.contains(&words), "{failure}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in ["http://a.example/", "https://a.example/"] {
        let failure = fails(&client(&[("all_proxy", place.clone())], |_| {}), url, &patient()).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::Connect, false));
        assert!(failure.message.contains(&format!("`{place}`")), "{failure}");
    }
    let transport = client(&[("all_proxy", "http://no-such-proxy.invalid".to_owned())], |_| {});
    let failure = fetch(&transport, "http://a.example/").await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::UnknownHost | FailureKind::Dns), "{failure:?}");
    assert!(failure.message.contains("the proxy `http://no-such-proxy.invalid:80`"), "{failure}");
}

#[tokio::test]
async fn a_proxy_that_can_not_be_used_is_never_passed_by() {
    let server = Server::answering(ok).await;
    let transport = client(&[("http_proxy", "socks4://me:hush@127.0.0.1".to_owned())], |_| {});
    let failure = fails(&transport, &server.url("/"), &patient()).await;
    assert_eq!((failure.kind, failure.sent), (FailureKind::Proxy, false));
    assert!(failure.message.contains("http_proxy") && failure.message.contains("socks4"), "{failure}");
    assert_eq!(server.accepted(), 0);
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn every_hop_finds_its_own_way() {
    let target = Server::answering(ok).await;
    let location = target.url("/end");
    let proxy =
        Server::answering(move |request| if request.contains("/away") { to(&location) } else { ok(request) }).await;
    let first = Server::answering(|_| to("http://a.example/in")).await;
    let variables =
        [("http_proxy", format!("http://me:hush-hush@{}", proxy.address)), ("no_proxy", "127.0.0.1".to_owned())];
    let transport = client(&variables, |_| {});

    let reply = fetch(&transport, "http://a.example/away").await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("GET /end HTTP/1.1\r\n") && !text.contains("proxy-"), "{text}");

    let reply = fetch(&transport, &first.url("/")).await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("GET http://a.example/in HTTP/1.1\r\n") && text.contains(BASIC), "{text}");
}

#[tokio::test]
async fn the_way_to_a_proxy_is_timed_with_the_connection() {
    let target = Server::answering(ok).await;
    let address = target.address;
    let pause = Duration::from_millis(30);
    let proxy = Server::start(move |mut stream, _| async move {
        if handshake(&mut stream, false).await.is_none() {
            return;
        }
        tokio::time::sleep(pause).await;
        let mut target = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        let _ = copy_bidirectional(&mut stream, &mut target).await;
    })
    .await;
    let transport = client(&all("socks5h", &proxy), |_| {});
    let timings = fetch(&transport, "http://a.example/").await.unwrap().timings;
    assert!(timings.connect >= pause && timings.tls.is_zero(), "{timings:?}");
    assert!(fetch(&transport, "http://a.example/").await.unwrap().timings.connect.is_zero(), "it is reused");
}
