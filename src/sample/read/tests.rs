//! Files that are replies, and those that are not.

use std::io::Write;

use super::*;
use crate::sample::tests::job;

fn file(name: &str, bytes: &[u8], keys: &str) -> Result<Sample, Unusable> {
    let (_, plan) = job(keys);
    Sample::of_file(Path::new(name), Bytes::copy_from_slice(bytes), &plan.endpoints[0])
}

fn read(bytes: &[u8]) -> Sample {
    file("reply", bytes, "").unwrap()
}

fn refused(bytes: &[u8]) -> String {
    file("reply", bytes, "").unwrap_err().message
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ::brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(text).unwrap();
    out
}

/// A reply with this head behind its status.
fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), body].concat()
}

#[test]
fn a_body_alone_has_no_head() {
    for body in ["{\"a\": 1}", "<html>\n\n</html>", "HTTP is a protocol\n\nit says", "HTTP/1.1 200 OK"] {
        let sample = file("reply.json", body.as_bytes(), "").unwrap();
        assert_eq!((sample.status, sample.has_head, sample.body.as_ref()), (None, false, body.as_bytes()));
        assert!(sample.headers.is_empty(), "{:?}", sample.headers);
    }
    assert!(read(b"").body.is_empty());
}

#[test]
fn a_head_before_the_body_is_read_and_the_last_one_counts() {
    let sample = read(b"HTTP/1.1 302 Found\r\nlocation: /b\r\n\r\nHTTP/2 201 \r\nETag: \"a:b\"\r\n\r\n{}\n\n");
    assert_eq!((sample.status, sample.has_head, sample.body.as_ref()), (Some(201), true, &b"{}\n\n"[..]));
    assert_eq!((sample.headers.len(), sample.headers["etag"].to_str().unwrap()), (1, "\"a:b\""));
    assert_eq!(read(b"HTTP/1.1 404 Not Found\nx: 1\n\n{\"a\": 1}").body.as_ref(), b"{\"a\": 1}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_reply() {
    assert_eq!(read(b"\xef\xbb\xbf{}").body.as_ref(), b"{}");
    assert_eq!(read(&reply("", b"\xef\xbb\xbf{}")).body.as_ref(), b"{}");
    let marked = [b"\xef\xbb\xbf", &reply("x: 1\r\n", b"{}")[..]].concat();
    assert_eq!((read(&marked).status, read(&marked).body.as_ref()), (Some(200), &b"{}"[..]));
    // As a shell of Windows writes what a command prints.
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-type: text/html; charset=iso-8859-1\r\n\r\ncafé\r\n";
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!((read(&wide).status, read(&wide).body.as_ref()), (Some(200), "café\r\n".as_bytes()));
}

#[test]
fn what_is_packed_is_unpacked() {
    let text = b"{\"a\": \"\xc3\xa9\"}";
    let zstd = zstd::encode_all(&text[..], 1).unwrap();
    for (name, bytes, packed) in [
        ("r.json.gz", gzip(text), "gzip"),
        ("r.json", zstd.clone(), "zstd"),
        ("r.json.br", brotli(text), "br"),
        ("r", reply("content-encoding: gzip\r\ncontent-length: 9999\r\n", &gzip(text)), "gzip"),
        ("r", reply("content-encoding: br\r\n", &brotli(text)), "br"),
        ("r", gzip(&reply("x: 1\r\n", text)), "gzip"),
    ] {
        let sample = file(name, &bytes, "").unwrap();
        assert_eq!((sample.body.as_ref(), sample.packed), (&text[..], Some(packed)), "{name}");
    }
    // curl unpacks the body, and leaves the head as it came.
    let written = read(&reply("content-encoding: gzip\r\n", text));
    assert_eq!((written.body.as_ref(), written.packed), (&text[..], None));
    // Without a word of it in the head a run takes it as it is.
    let as_it_is = read(&reply("", &gzip(text)));
    assert_eq!((as_it_is.body.as_ref(), as_it_is.packed), (&gzip(text)[..], None));
    let cut = gzip(text);
    let message = refused(&cut[..cut.len() - 9]);
    assert!(
        message.starts_with("is packed by gzip and can't be unpacked: its gzip data ends in the middle"),
        "{message}"
    );
}

#[test]
fn what_is_unpacked_ends_where_a_run_would_end_it() {
    let many = gzip(&vec![b' '; 5 << 20]);
    let message = file("reply", &many, "client.max-body = \"1KiB\"\n").unwrap_err().message;
    assert_eq!(message, "is larger than client.max-body = 1024 bytes: a run would not take it");
}

#[test]
fn a_part_of_a_reply_and_several_of_them_are_none() {
    let cut = "is cut off: its head says content-length: 10, and 2 bytes follow it";
    assert_eq!(refused(&reply("content-length: 10\r\n", b"{}")), cut);
    let several = "holds several replies, one behind the other";
    for first in ["content-length: 2\r\n", ""] {
        for second in [&b"HTTP/1.1 200 OK\r\nx: 1\r\n\r\n{}"[..], b"\nHTTP/2 404 \r\n\r\n"] {
            assert_eq!(refused(&[&reply(first, b"{}")[..], second].concat()), several);
        }
    }
    // A line end that an editor has put there.
    assert_eq!(read(&reply("content-length: 2\r\n", b"{}\n")).body.as_ref(), b"{}\n");
    let head = file("reply", &reply("content-length: 10\r\n", b""), "method = \"HEAD\"\n");
    assert_eq!(head.unwrap().status, Some(200), "the reply to HEAD has no body");
}

#[test]
fn a_body_that_quotes_a_reply_is_one_body() {
    let page = b"<html><pre>\nHTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n{}</pre>\nHTTP/2 404\n\n</html>";
    let text = b"first HTTP/1.1 200 OK\r\n\r\n";
    let opening = b"HTTP/1.1 404 Not Found\r\nx: 1\r\n\r\nis what it says";
    for body in [&page[..], text, b"HTTP/1.1 is old, HTTP/2 404 too", b"{\"a\": 1}\nHTTP/2 200 and\nso on\n\n"] {
        let length = format!("content-length: {}\r\n", body.len());
        // As it was sent; with a line end that an editor has put there; unpacked by curl; without a word of its length.
        for head in [&*length, &format!("content-length: {}\r\n", body.len() - 1), "content-encoding: gzip\r\n", ""] {
            let sample = read(&reply(head, body));
            assert_eq!((sample.status, sample.body.as_ref()), (Some(200), body), "{head}");
        }
    }
    for head in [&format!("content-length: {}\r\n", opening.len()), "content-type: text/plain\r\n"] {
        let sample = read(&reply(head, opening));
        assert_eq!((sample.status, sample.body.as_ref()), (Some(200), &opening[..]), "{head}");
    }
}

#[test]
fn heads_that_curl_writes_before_the_last_are_passed_over() {
    for before in [
        "100 Continue\r\n",
        "103 Early Hints\r\nlink: </a>\r\n",
        "200 Connection established\r\nproxy-agent: x\r\n",
        "301 Moved\r\nlocation: /b\r\ncontent-length: 178\r\ncontent-type: text/html\r\n",
        "401 Unauthorized\r\nwww-authenticate: Digest\r\ncontent-length: 9\r\n",
        "407 Proxy Authentication Required\r\n",
    ] {
        let sample = read(&[format!("HTTP/1.1 {before}\r\n").as_bytes(), &reply("x: 1\r\n", b"{}")[..]].concat());
        assert_eq!((sample.status, sample.headers.len(), sample.body.as_ref()), (Some(200), 1, &b"{}"[..]), "{before}");
    }
}

#[test]
fn several_replies_are_told_from_one_by_where_the_first_ends() {
    let several = "holds several replies, one behind the other";
    let page = b"<!doctype html><html><body>no end</body></HTML>\r\n";
    for first in [
        reply("content-length: 2\r\n", b"{}"),
        reply("content-length: 0\r\n", b""),
        reply("content-length: 5\r\n", b"a text"[..5].as_ref()),
        reply("transfer-encoding: chunked\r\n", b"{\"a\": [1]}\n"),
        reply("content-encoding: gzip\r\ncontent-length: 9\r\n", b"{\"a\": 1} [2]\n"),
        reply("", page),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        b"HTTP/1.1 302 Found\r\ncontent-length: 8\r\n\r\nto there".to_vec(),
    ] {
        for second in [&b"HTTP/1.1 200 OK\r\nx: 1\r\n\r\n{}"[..], b"\nHTTP/2 404 \r\n\r\n"] {
            let both = [&first[..], second].concat();
            assert_eq!(refused(&both), several, "{}", String::from_utf8_lossy(&both));
        }
    }
    let heads = reply("content-length: 10\r\n", &reply("content-length: 10\r\n", b""));
    assert_eq!(file("reply", &heads, "method = \"HEAD\"\n").unwrap_err().message, several);
}
