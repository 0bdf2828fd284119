//! What goes out and what comes back when all is well, and when a reply is odd and still good.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::AsyncWriteExt;

use super::support::{Server, client, fetch, get, ok, patient, request, send, with};

#[tokio::test]
async fn a_request_is_written_as_it_should_be() {
    let server = Server::answering(ok).await;
    let transport = client(|_| {});
    let headers = HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static("*/*"))]);
    let request = with(Method::POST, &server.url("/a%20b?x=1"), headers, "hello");
    let reply = send(&transport, request, &patient()).await.unwrap();
    let expected = format!(
        "POST /a%20b?x=1 HTTP/1.1\r\nhost: {}\r\naccept: */*\r\ncontent-length: 5\r\n\r\nhello",
        server.address
    );
    assert_eq!(String::from_utf8_lossy(&reply.body), expected);
    assert_eq!(reply.url.to_string(), server.url("/a%20b?x=1"));
    assert_eq!((reply.status.as_u16(), transport.pool().open()), (200, 1));
}

#[tokio::test]
async fn nothing_is_added_that_is_the_callers_to_say() {
    let server = Server::answering(ok).await;
    let transport = client(|_| {});
    let text = String::from_utf8_lossy(&fetch(&transport, &server.url("/")).await.unwrap().body).into_owned();
    assert_eq!(text, format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", server.address));
    let headers = HeaderMap::from_iter([(http::header::USER_AGENT, HeaderValue::from_static("mine"))]);
    let reply = send(&transport, with(Method::GET, &server.url("/"), headers, ""), &patient()).await.unwrap();
    assert!(String::from_utf8_lossy(&reply.body).contains("user-agent: mine\r\n"));
}

#[tokio::test]
async fn odd_replies_come_through_unharmed() {
    for (method, reply, status, body) in [
        ("GET", "HTTP/1.1 599 \r\nContent-Length: 2\r\n\r\nhi", 599, "hi"),
        ("GET", "HTTP/1.1 520 Web Server Returned an Unknown Error\r\nContent-Length: 0\r\n\r\n", 520, ""),
        ("GET", "HTTP/1.1 999 No\r\nContent-Length: 1\r\n\r\nx", 999, "x"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\nContent-Encoding: gzip\r\n\r\n", 200, ""),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", 304, ""),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        ("GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", 200, "until the end"),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
            200,
            "1",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: t\r\n\r\n",
            200,
            "abcde",
        ),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\n1", 200, "1"),
        ("GET", "HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\nhere", 302, "here"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 stowaway\r\n\r\n", 200, "hi"),
    ] {
        let server = Server::once(reply).await;
        let request = with(method.parse().unwrap(), &server.url("/"), HeaderMap::new(), "");
        let got = send(&client(|_| {}), request, &patient()).await.unwrap();
        assert_eq!((got.status.as_u16(), &got.body[..]), (status, body.as_bytes()), "{reply}");
    }
}

#[tokio::test]
async fn header_values_beyond_ascii_are_kept_as_bytes() {
    let server =
        Server::once(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let reply = fetch(&client(|_| {}), &server.url("/")).await.unwrap();
    assert_eq!(reply.headers["x-name"].as_bytes(), b"caf\xe9 \xc3\xa9");
}

#[tokio::test]
async fn large_bodies_arrive_whole_by_length_and_in_chunks() {
    let body: String = (0..100_000).map(|n| format!("{n},")).collect();
    let expected = Bytes::from(body.clone());
    let server = Server::answering(move |request| {
        if request.starts_with("GET /chunked") {
            let chunks = body
                .as_bytes()
                .chunks(7001)
                .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.collect::<String>())
        } else {
            ok(&body)
        }
    })
    .await;
    let transport = client(|_| {});
    for path in ["/length", "/chunked", "/length"] {
        let reply = fetch(&transport, &server.url(path)).await.unwrap();
        assert!(reply.body == expected, "{path}");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_reply_before_the_request_is_read_ends_the_connection() {
    let server = Server::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        // Never reads, and stays open until the client leaves.
        stream.readable().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let transport = client(|_| {});
    let mut large = get(&server.url("/"));
    *large.method_mut() = Method::PUT;
    *large.body_mut() = Bytes::from(vec![b'x'; 32 << 20]).into();
    let reply = send(&transport, large, &patient()).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..], transport.pool().open()), (413, &b"no"[..], 0));
}

#[tokio::test]
async fn large_requests_arrive_whole() {
    let server = Server::start(|mut stream, _| async move {
        let text = request(&mut stream).await.unwrap();
        let length = text.len() - text.find("\r\n\r\n").unwrap() - 4;
        stream.write_all(ok(&length.to_string()).as_bytes()).await.unwrap();
    })
    .await;
    let mut large = get(&server.url("/"));
    *large.method_mut() = Method::PUT;
    *large.body_mut() = Bytes::from(vec![b'x'; 1 << 20]).into();
    let reply = send(&client(|_| {}), large, &patient()).await.unwrap();
    assert_eq!(&reply.body[..], (1 << 20).to_string().as_bytes());
}

#[tokio::test]
async fn names_can_be_sent_elsewhere() {
    let server = Server::answering(ok).await;
    let transport = client(|plan| {
        plan.resolve.insert("api.example.com".to_owned(), server.address);
    });
    let reply = fetch(&transport, "http://API.example.com/x").await.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("host: api.example.com\r\n"), "{text}");
}

#[tokio::test]
async fn localhost_is_looked_up() {
    let server = Server::answering(ok).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(fetch(&client(|_| {}), &url).await.unwrap().status, 200);
}

#[tokio::test]
async fn stages_are_timed() {
    let server = Server::answering(ok).await;
    let transport = client(|_| {});
    let first = fetch(&transport, &server.url("/")).await.unwrap().timings;
    let second = fetch(&transport, &server.url("/")).await.unwrap().timings;
    assert!(!first.connect.is_zero() && !first.first_byte.is_zero(), "{first:?}");
    assert!(second.connect.is_zero() && !second.exchange().is_zero(), "{second:?}");
    assert!(first.tls.is_zero() && second.dns.is_zero());
}
