//! Ticks over WebSockets and as server-sent events.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::super::Demo;
use super::{get, send, start};

/// Opens a WebSocket.
async fn open(demo: &Demo, target: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(demo.address()).await.unwrap();
    let url = format!("ws://{}{target}", demo.address());
    let (socket, reply) = ClientBuilder::new().uri(&url).unwrap().connect_on(stream).await.unwrap();
    assert_eq!(reply.status(), 101);
    socket
}

/// How a socket ended: the code of the close frame, if there was one.
type Ended = Option<u16>;

/// All that comes, and how it ended.
async fn all(socket: &mut WebSocketStream<TcpStream>) -> (Vec<Value>, Ended) {
    let mut ticks = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message.as_close() {
            Some((code, _)) => return (ticks, Some(code.into())),
            None => ticks.push(serde_json::from_str(message.as_text().unwrap()).unwrap()),
        }
    }
    (ticks, None)
}

fn numbers(ticks: &[Value]) -> Vec<u64> {
    ticks.iter().map(|tick| tick["seq"].as_u64().unwrap()).collect()
}

async fn ends(demo: &Demo, target: &str) -> (Vec<u64>, Ended) {
    let (ticks, ended) = all(&mut open(demo, target).await).await;
    (numbers(&ticks), ended)
}

#[tokio::test]
async fn a_socket_ticks_from_the_first_to_the_last() {
    let demo = start(1).await;
    let (ticks, ended) = all(&mut open(&demo, "/ticks/LMP?count=5&rate=0").await).await;
    assert_eq!((numbers(&ticks), ended), (vec![1, 2, 3, 4, 5], Some(1000)));
    assert_eq!(
        (&ticks[0]["symbol"], &ticks[3]["done"], &ticks[4]["done"]),
        (&json!("LMP"), &Value::Null, &json!(true))
    );
    let (again, _) = all(&mut open(&start(1).await, "/ticks/LMP?count=5&rate=1000").await).await;
    assert_eq!(again, ticks, "pace changes nothing, nor does another server");
    let (rest, _) = all(&mut open(&demo, "/ticks/LMP?count=5&after=3&rate=0").await).await;
    assert_eq!(rest, ticks[3..], "behind a number the same ticks follow");
    assert_eq!(ends(&demo, "/ticks/LMP?count=5&after=9").await, (vec![], Some(1000)));
}

#[tokio::test]
async fn connections_end_as_they_were_asked_to() {
    let demo = start(1).await;
    assert_eq!(ends(&demo, "/ticks/LMP?drop=3&rate=0").await, (vec![1, 2, 3], None));
    assert_eq!(ends(&demo, "/ticks/LMP?drop=2&close=1012&rate=0").await, (vec![1, 2], Some(1012)));
    assert_eq!(ends(&demo, "/ticks/LMP?close=4401").await, (vec![], Some(4401)));
    let once = |after| format!("/ticks/LMP?drop=2&times=1&count=5&rate=0&after={after}");
    assert_eq!(ends(&demo, &once(0)).await, (vec![1, 2], None));
    assert_eq!(ends(&demo, &once(2)).await, (vec![3, 4, 5], Some(1000)), "it was asked for once");
    assert_eq!(get(&demo, "/ticks/LMP?close=1006").await.status, 426, "the handshake comes first");
}

#[tokio::test]
async fn a_stall_answers_nothing_and_ends_with_the_client() {
    let demo = start(1).await;
    let mut socket = open(&demo, "/ticks/LMP?stall=2&rate=0").await;
    for _ in 0..2 {
        assert!(socket.next().await.unwrap().unwrap().is_text());
    }
    socket.send(Message::ping("are you there")).await.unwrap();
    let heard = tokio::time::timeout(std::time::Duration::from_millis(50), socket.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    // Where it is not stalled, the ping is answered.
    let mut socket = open(&demo, "/ticks").await;
    socket.send(Message::ping("and you")).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_pong());
}

#[tokio::test]
async fn whoever_subscribes_is_told_of_each_symbol_in_turn() {
    let demo = start(1).await;
    let mut socket = open(&demo, "/ticks?count=3&rate=0").await;
    for subscription in [json!({ "subscribe": "LMP", "after": null }), json!({ "subscribe": "MUG", "after": 1 })] {
        socket.send(Message::text(subscription.to_string())).await.unwrap();
    }
    let (ticks, ended) = all(&mut socket).await;
    let of = |symbol: &str| numbers(&ticks.iter().filter(|tick| tick["symbol"] == symbol).cloned().collect::<Vec<_>>());
    assert_eq!(ended, Some(1000));
    // The second subscription may come when the first one is over.
    assert_eq!(of("LMP"), [1, 2, 3]);
    assert!(of("MUG") == [2, 3] || of("MUG").is_empty(), "{ticks:?}");
    for wrong in ["{}", "no JSON", "{\"subscribe\": \"a b\"}", "{\"subscribe\": \"LMP\", \"after\": -1}"] {
        let mut socket = open(&demo, "/ticks").await;
        socket.send(Message::text(wrong)).await.unwrap();
        assert_eq!(all(&mut socket).await, (vec![], Some(1008)), "{wrong}");
    }
}

#[tokio::test]
async fn without_a_handshake_it_says_what_it_is() {
    let demo = start(1).await;
    let seen = get(&demo, "/ticks/LMP").await;
    assert_eq!(
        (seen.status, seen.header("upgrade"), seen.header("sec-websocket-version")),
        (426, Some("websocket"), Some("13"))
    );
    let handshake = |key| {
        [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", key),
        ]
    };
    assert_eq!(send(&demo, "GET", "/ticks/LMP", &handshake("short"), "").await.unwrap().status, 400);
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(send(&demo, "GET", "/ticks/a%20b", &handshake(key), "").await.unwrap().status, 404);
    for wrong in ["close=1006", "close=1005", "close=70000", "count=x", "rate=100000"] {
        let seen = send(&demo, "GET", &format!("/ticks/LMP?{wrong}"), &handshake(key), "").await.unwrap();
        assert_eq!(seen.status, 400, "{wrong}");
    }
}

/// The text of an event stream, and whether its body ended as a body must.
async fn events(demo: &Demo, target: &str, last: &str) -> (String, bool) {
    let mut stream = TcpStream::connect(demo.address()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: demo.test\r\nconnection: close\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let whole = body.ends_with("\r\n0\r\n\r\n");
    let lines = body.lines().filter(|line| !line.is_empty() && line.chars().any(|c| !c.is_ascii_hexdigit()));
    (lines.collect::<Vec<_>>().join("\n"), whole)
}

#[tokio::test]
async fn events_have_ids_and_go_on_behind_the_last_one() {
    let demo = start(1).await;
    let (text, whole) = events(&demo, "/events/LMP?count=2&rate=0", "").await;
    let tick = |seq| super::super::ticks::tick(1, "LMP", seq, Some(2));
    let expected = format!(
        "retry: 100\n: ticks of LMP\nevent: open\ndata: {{\"symbol\":\"LMP\",\"after\":0}}\nid: 1\nevent: tick\ndata: {}\nid: 2\nevent: tick\ndata: {}",
        tick(1),
        tick(2)
    );
    assert_eq!((text, whole), (expected, true));
    let (text, whole) = events(&demo, "/events/LMP?count=12&rate=0&drop=3", "last-event-id: 8\r\n").await;
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!((ids, whole), (vec!["9", "10", "11"], false));
    assert!(text.contains(": still here"), "{text}");
    let (text, whole) = events(&demo, "/events/LMP?drop=1&close=1000&rate=0", "").await;
    assert_eq!((text.matches("event: tick").count(), whole), (1, true));
    let behind = send(&demo, "GET", "/events/LMP?count=12", &[("last-event-id", "12")], "").await.unwrap();
    assert_eq!(behind.status, 204);
}
