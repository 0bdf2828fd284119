//! Encoded replies from a server: what is decoded, what is refused, and with which words.

use http::{HeaderMap, Method};

use super::support::{Server, client, encoded, fetch, patient, reply, send, with};
use crate::retry::FailureKind;

#[tokio::test]
async fn every_coding_is_undone_and_the_headers_stay() {
    let body: String = (0..20_000).map(|n| format!("{n},")).collect();
    for (header, chain) in [
        ("gzip", &["gzip"][..]),
        ("X-GZIP", &["gzip"]),
        ("deflate", &["deflate"]),
        ("deflate", &["raw"]),
        ("br", &["br"]),
        ("zstd", &["zstd"]),
        (" identity ,, gzip", &["gzip"]),
        ("br, gzip", &["br", "gzip"]),
        ("zstd\r\nContent-Encoding: deflate", &["zstd", "deflate"]),
    ] {
        let wire = chain.iter().fold(body.clone().into_bytes(), |body, coding| encoded(coding, &body));
        let server = Server::once(reply(&format!("Content-Encoding: {header}\r\n"), &wire)).await;
        let got = fetch(&client(|_| {}), &server.url("/")).await.unwrap();
        assert!(got.body == body, "{header}");
        let first = header.lines().next().unwrap().trim();
        assert_eq!(got.headers["content-encoding"].to_str().unwrap(), first);
        assert_eq!(got.headers["content-length"].to_str().unwrap(), wire.len().to_string());
    }
}

#[tokio::test]
async fn codings_that_are_not_undone_are_named() {
    let body = encoded("gzip", b"no other coding in here");
    for (header, asked, kind, words) in [
        (
            "lz4",
            true,
            FailureKind::Decode,
            "is encoded as `lz4`, which can't be decoded: gzip, br, zstd and deflate can",
        ),
        ("gzip, Compress", true, FailureKind::Decode, "is encoded as `compress`"),
        ("gzip, gzip, br", true, FailureKind::Decode, "is encoded 3 times over, which is more than 2"),
        (
            "gzip\r\nContent-Encoding: br\r\nContent-Encoding: br,br",
            true,
            FailureKind::Decode,
            "is encoded 4 times over",
        ),
        (
            "gzip",
            false,
            FailureKind::Decode,
            "is encoded as `gzip`, which was not asked for (client.compression = false)",
        ),
        ("br", true, FailureKind::Decode, "is no valid br"),
        ("zstd", true, FailureKind::Decode, "is no valid zstd: Unknown frame descriptor"),
        ("deflate", true, FailureKind::Decode, "is no valid deflate"),
        ("gzip, gzip", true, FailureKind::Decode, "is no valid gzip: incorrect header check"),
    ] {
        let server = Server::once(reply(&format!("Content-Encoding: {header}\r\n"), &body)).await;
        let transport = client(|plan| plan.compression = asked);
        let failure = fetch(&transport, &server.url("/?token=hush")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (kind, true), "{header}: {failure}");
        assert!(failure.message.contains(words) && !failure.message.contains("hush"), "{header}: {failure}");
        assert_eq!(transport.pool().open(), 0);
    }
}

#[tokio::test]
async fn without_a_body_nothing_is_decoded() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: lz4\r\nContent-Length: 99\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Encoding: br\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Encoding: zstd\r\n\r\n"),
    ] {
        for compression in [true, false] {
            let server = Server::once(head).await;
            let transport = client(|plan| plan.compression = compression);
            let request = with(method.parse::<Method>().unwrap(), &server.url("/"), HeaderMap::new(), "");
            let got = send(&transport, request, &patient()).await.unwrap();
            assert!(got.body.is_empty() && got.headers.contains_key("content-encoding"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_truncated_whoever_tells() {
    let whole = encoded("gzip", b"a body that is long enough to be cut in its middle");
    let half = &whole[..whole.len() / 2];
    let honest = reply("Content-Encoding: gzip\r\n", half);
    let short = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", whole.len());
    for (bytes, words) in [
        (honest, "was cut short: its gzip stream has no end"),
        ([short.as_bytes(), half].concat(), "was cut short after"),
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", half].concat(), "its gzip stream has no end"),
    ] {
        let server = Server::once(bytes).await;
        let failure = fetch(&client(|_| {}), &server.url("/")).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Truncated, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_encoded_reply() {
    let body = encoded("br", b"hello");
    let server = Server::start(move |mut stream, _| {
        let bytes = reply("Content-Encoding: br\r\n", &body);
        async move {
            while super::support::request(&mut stream).await.is_some() {
                tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.unwrap();
            }
        }
    })
    .await;
    let transport = client(|_| {});
    for _ in 0..3 {
        assert_eq!(fetch(&transport, &server.url("/")).await.unwrap().body, "hello");
    }
    assert_eq!(server.accepted(), 1);
}
