//! The handshake: what is asked for, and what is no answer to it.

use http::{HeaderMap, HeaderValue, Response, response};

use crate::retry::FailureKind;
use crate::websocket::{Handshake, accept};

fn asked(protocols: &[&str]) -> (Handshake, HeaderMap) {
    let protocols: Vec<String> = protocols.iter().map(|name| (*name).to_owned()).collect();
    let (handshake, mut headers) = (Handshake::new(&protocols), HeaderMap::new());
    handshake.put(&mut headers);
    (handshake, headers)
}

fn answer(asked: &HeaderMap, changes: &[(&'static str, &'static str)]) -> response::Parts {
    let (mut head, ()) = Response::builder().status(101).body(()).unwrap().into_parts();
    let key = accept(asked["sec-websocket-key"].as_bytes());
    for (name, value) in
        [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-accept", &key)]
    {
        head.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    for (name, value) in changes {
        head.headers.remove(*name);
        for value in value.split('|').filter(|value| !value.is_empty()) {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
    }
    head
}

#[test]
fn the_answer_to_the_key_of_the_rfc_is_that_of_the_rfc() {
    assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_request_asks_for_one_socket() {
    let (_, headers) = asked(&["chat.v2", "chat"]);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat.v2, chat"),
    ] {
        assert_eq!(headers[name], value);
    }
    let key = |headers: &HeaderMap| headers["sec-websocket-key"].clone();
    assert_eq!(key(&headers).len(), 24, "16 bytes in base64");
    let (_, other) = asked(&[]);
    assert_ne!(key(&headers), key(&other), "a key is used once");
    assert!(!other.contains_key("sec-websocket-protocol"));
}

#[test]
fn a_101_that_opens_it_is_taken() {
    let (handshake, headers) = asked(&["chat.v2", "chat"]);
    for changes in [
        &[][..],
        &[("sec-websocket-protocol", "chat")],
        &[("connection", "close|upgrade")],
        &[("upgrade", "h2c, websocket")],
        &[("sec-websocket-extensions", "")],
    ] {
        handshake.check(&answer(&headers, changes)).unwrap();
    }
}

#[test]
fn a_101_that_opens_something_else_is_refused() {
    let (handshake, headers) = asked(&["chat"]);
    for (change, words) in [
        (("upgrade", ""), "upgrade: websocket"),
        (("upgrade", "h2c"), "upgrade: websocket"),
        (("connection", "keep-alive"), "connection: upgrade"),
        (("connection", "upgraded"), "connection: upgrade"),
        (("sec-websocket-accept", ""), "sec-websocket-accept"),
        (("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "sec-websocket-accept"),
        (("sec-websocket-protocol", "Chat"), "`Chat`"),
        (("sec-websocket-protocol", "chat|chat"), "more than one"),
        (("sec-websocket-extensions", "permessage-deflate; server_no_context_takeover"), "`permessage-deflate"),
    ] {
        let failure = handshake.check(&answer(&headers, &[change])).unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Protocol, true));
        assert!(failure.message.contains(words), "{failure}");
    }
    let (handshake, headers) = asked(&[]);
    let failure = handshake.check(&answer(&headers, &[("sec-websocket-protocol", "chat")])).unwrap_err();
    assert!(failure.message.contains("not offered"), "{failure}");
}
