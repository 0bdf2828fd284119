//! What is sent up and what is fetched down: uploads told back, files of any size.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::Demo;
use super::{get, send, start};

#[tokio::test]
async fn uploads_are_told_back() {
    let demo = start(1).await;
    let send = |kind: &'static str, body: String| {
        let demo = &demo;
        async move { send(demo, "POST", "/upload", &[("content-type", kind)], &body).await.unwrap() }
    };
    let form = send("application/x-www-form-urlencoded", "a=1&b=x+y&b=z".to_owned()).await.json();
    assert_eq!(form, json!({ "fields": { "a": "1", "b": ["x y", "z"] }, "files": [] }));
    let raw = send("text/csv; charset=utf-8", "123456789".to_owned()).await.json();
    let file = json!({ "name": null, "filename": null, "content_type": "text/csv; charset=utf-8", "size": 9, "crc32": "cbf43926" });
    assert_eq!(raw, json!({ "fields": {}, "files": [file] }), "the CRC-32 that every book gives");
    let parts = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n123456789\r\n--b--\r\n";
    let told = send("multipart/form-data; boundary=b", parts.to_owned()).await.json();
    let file =
        json!({ "name": "f", "filename": "a.txt", "content_type": "text/plain", "size": 9, "crc32": "cbf43926" });
    assert_eq!(told, json!({ "fields": { "note": "hello" }, "files": [file] }));
    let torn = send("multipart/form-data; boundary=c", parts.to_owned()).await;
    assert_eq!(torn.status, 400);
    assert_eq!(torn.json()["error"], "the multipart body can't be read: it does not begin with its boundary");
    assert_eq!(send("text/plain", "x".repeat(1 << 20)).await.json()["files"][0]["size"], 1 << 20);
    assert_eq!(send("text/plain", "x".repeat((1 << 20) + 1)).await.status, 413);
}

/// Head and body of a reply, as they came.
async fn raw(demo: &Demo, target: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(demo.address()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: demo.test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&reply[..end]).to_lowercase(), reply[end + 4..].to_vec())
}

#[tokio::test]
async fn files_are_the_same_bytes_by_seed_name_and_size() {
    let (demo, other) = (start(1).await, start(2).await);
    let (head, body) = raw(&demo, "/files/a.bin?size=100003").await;
    for header in ["content-length: 100003", "content-type: application/octet-stream", "etag: \""] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert_eq!(body.len(), 100_003);
    assert!(raw(&demo, "/files/a.bin?size=100003").await.1 == body);
    assert!(raw(&demo, "/files/a.bin?size=50").await.1 == body[..50]);
    assert!(raw(&other, "/files/a.bin?size=100003").await.1 != body);
    assert!(raw(&demo, "/files/b.bin?size=100003").await.1 != body);
    let (_, own) = raw(&demo, "/files/a.bin").await;
    assert!((1024..=64 * 1024).contains(&own.len()) && own[..1024] == body[..1024]);
    assert_eq!(raw(&demo, "/files/a.bin?size=0").await.1, b"");
    for size in ["-1", "x", "16777217"] {
        assert_eq!(get(&demo, &format!("/files/a.bin?size={size}")).await.status, 400, "{size}");
    }
}

#[tokio::test]
async fn files_come_in_chunks_when_asked() {
    let demo = start(1).await;
    let (_, whole) = raw(&demo, "/files/a.bin?size=1000").await;
    let (head, body) = raw(&demo, "/files/a.bin?size=1000&chunked=true").await;
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    let line = body.windows(2).position(|two| two == b"\r\n").unwrap();
    assert_eq!(&body[..line], b"3E8");
    assert!(body[line + 2..line + 1002] == whole && body.ends_with(b"\r\n0\r\n\r\n"));
}
