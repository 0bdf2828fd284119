//! Cookies over real connections: set on every reply, chosen anew on every hop.

use http::{HeaderMap, HeaderValue, Method};

use super::support::{Server, client, fetch, ok, patient, send, with};

fn set(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\n\r\n")
}

async fn shop() -> Server {
    Server::answering(|request| match request.split(' ').nth(1) {
        Some("/login") => set(302, "Set-Cookie: sid=1; Path=/\r\nSet-Cookie: in=1; Path=/login\r\nLocation: /home\r\n"),
        Some("/refuse") => set(401, "Set-Cookie: sid=2; Path=/\r\n"),
        Some("/logout") => set(200, "Set-Cookie: sid=; Path=/; Max-Age=0\r\n"),
        _ => ok(request),
    })
    .await
}

/// The `cookie` lines of a request that came back as a body.
fn cookies(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    text.lines().filter(|line| line.starts_with("cookie:")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_redirect_sets_and_its_next_hop_sends() {
    let server = shop().await;
    let transport = client(|plan| plan.cookies = true);
    let home = fetch(&transport, &server.url("/login")).await.unwrap();
    assert_eq!(cookies(&home.body), ["cookie: sid=1"], "not the one of another path");
    let again = fetch(&transport, &server.url("/x")).await.unwrap();
    assert_eq!(cookies(&again.body), ["cookie: sid=1"]);
    let inside = fetch(&transport, &server.url("/login/x")).await.unwrap();
    assert_eq!(cookies(&inside.body), ["cookie: in=1; sid=1"]);
    assert_eq!(fetch(&transport, &server.url("/refuse")).await.unwrap().status, 401);
    assert_eq!(cookies(&fetch(&transport, &server.url("/x")).await.unwrap().body), ["cookie: sid=2"]);
    fetch(&transport, &server.url("/logout")).await.unwrap();
    assert_eq!(cookies(&fetch(&transport, &server.url("/x")).await.unwrap().body), Vec::<String>::new());
}

#[tokio::test]
async fn another_host_gets_none_of_them() {
    let (server, other) = (shop().await, shop().await);
    let target = format!("http://localhost:{}/x", other.address.port());
    let away = Server::answering(move |_| set(302, &format!("Set-Cookie: k=v\r\nLocation: {target}\r\n"))).await;
    let transport = client(|plan| plan.cookies = true);
    fetch(&transport, &server.url("/login")).await.unwrap();
    let reply = fetch(&transport, &away.url("/")).await.unwrap();
    assert_eq!(cookies(&reply.body), Vec::<String>::new());
    let reply = fetch(&transport, &server.url("/x")).await.unwrap();
    assert_eq!(cookies(&reply.body), ["cookie: sid=1; k=v"], "ports share cookies (RFC 6265 §8.5)");
}

#[tokio::test]
async fn a_redirect_to_another_port_takes_only_what_that_port_has_set() {
    let other = Server::answering(|request| match request.split(' ').nth(1) {
        Some("/set") => set(200, "Set-Cookie: theirs=1; Path=/\r\n"),
        _ => ok(request),
    })
    .await;
    let target = other.url("/x");
    let server =
        Server::answering(move |_| set(302, &format!("Set-Cookie: sid=1; Path=/\r\nLocation: {target}\r\n"))).await;
    let transport = client(|plan| plan.cookies = true);
    let led = fetch(&transport, &server.url("/")).await.unwrap();
    assert_eq!(cookies(&led.body), Vec::<String>::new());
    fetch(&transport, &other.url("/set")).await.unwrap();
    assert_eq!(cookies(&fetch(&transport, &server.url("/")).await.unwrap().body), ["cookie: theirs=1"]);
    let asked = fetch(&transport, &other.url("/x")).await.unwrap();
    assert_eq!(cookies(&asked.body), ["cookie: sid=1; theirs=1"], "the job's own choice");
}

#[cfg(feature = "surf")]
#[tokio::test]
async fn a_redirect_that_a_middleware_follows_takes_no_more_than_ours() {
    use super::support::{Open, get};
    use crate::transport::surf::{SurfTransport, surf::middleware::Redirect};
    use crate::transport::{Call, Transport};

    let other = Server::answering(|request| match request.split(' ').nth(1) {
        Some("/set") => set(200, "Set-Cookie: theirs=1; Path=/\r\n"),
        _ => ok(request),
    })
    .await;
    let target = other.url("/x");
    let server = Server::answering(move |request| match request.split(' ').nth(1) {
        Some("/away") => set(302, &format!("Set-Cookie: sid=1; Path=/\r\nLocation: {target}\r\n")),
        Some("/here") => set(302, "Location: /x\r\n"),
        _ => ok(request),
    })
    .await;
    let ours = std::sync::Arc::new(client(|plan| (plan.cookies, plan.redirects) = (true, 0)));
    let transport = SurfTransport::with_client(ours, |client| client.with(Redirect::new(3)));
    let ask = async |url: String| {
        let (gate, timeouts) = (Open::default(), patient());
        transport.exchange(Call::new(get(&url), &gate, &timeouts)).await.unwrap()
    };
    let led = ask(server.url("/away")).await;
    assert_eq!((led.url.port_u16(), cookies(&led.body)), (Some(other.address.port()), vec![]));
    ask(other.url("/set")).await;
    assert_eq!(cookies(&ask(server.url("/away")).await.body), ["cookie: theirs=1"]);
    let stayed = ask(server.url("/here")).await;
    assert_eq!(cookies(&stayed.body), ["cookie: sid=1; theirs=1"], "in its own origin the job's own choice");
}

#[tokio::test]
async fn without_a_jar_nothing_is_kept_and_what_is_given_is_sent() {
    let server = shop().await;
    for (kept, expected) in [(false, vec!["cookie: mine=1"]), (true, vec!["cookie: mine=1"])] {
        let transport = client(|plan| plan.cookies = kept);
        let first = fetch(&transport, &server.url("/login")).await.unwrap();
        assert_eq!(cookies(&first.body).is_empty(), !kept);
        let headers = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static("mine=1"))]);
        let reply = send(&transport, with(Method::GET, &server.url("/x"), headers, ""), &patient()).await.unwrap();
        assert_eq!(cookies(&reply.body), expected);
    }
}
