//! Frames as they should not be, and as they may be although few servers send them so.

use std::time::Duration;

use super::{Case, ODD, Seen, row_of, tick};
use crate::support::oracle::ws::{Act, BINARY, CONTINUATION, Frame, Length, PING, PONG, Part, TEXT, close};

/// A row that fails at once, and says why to the server.
const ONCE: &str = "until.messages = 3\nreconnect.attempts = 0\nmax-message = \"64KiB\"";

/// What must not be: its name, what is sent, and the code that the client closes with.
fn violations() -> Vec<(&'static str, Vec<Frame>, u16)> {
    let text = |bytes: &[u8]| Frame::new(TEXT, bytes);
    let more = |payload: &[u8]| Frame::new(CONTINUATION, payload);
    vec![
        ("a masked frame", vec![Frame { mask: Some([1, 2, 3, 4]), ..tick(2) }], 1002),
        ("the first reserved bit", vec![Frame { reserved: 4, ..tick(2) }], 1002),
        ("the last reserved bit", vec![Frame { reserved: 1, ..Frame::new(PING, "") }], 1002),
        ("an unknown kind of message", vec![Frame::new(3, "a")], 1002),
        ("an unknown kind of control", vec![Frame::new(11, "")], 1002),
        ("a continuation of nothing", vec![more(b"a")], 1002),
        ("a message within a message", vec![tick(2).unfinished(), tick(3)], 1002),
        ("a ping in pieces", vec![Frame::new(PING, "a").unfinished(), more(b"b")], 1002),
        ("a ping that is too long", vec![Frame::new(PING, vec![b'a'; 126])], 1002),
        ("a close of one byte", vec![Frame::new(8, [3])], 1002),
        ("a close with a code that is none", vec![close(Some(999), "")], 1002),
        ("a close with a code that is never sent", vec![close(Some(1005), "")], 1002),
        ("a close with an unknown code", vec![close(Some(2999), "")], 1002),
        ("a close whose reason is no text", vec![Frame::new(8, [3, 232, 0xff])], 1007),
        ("text that is no UTF-8", vec![text(b"{\"seq\":\xff}")], 1007),
        ("text that breaks off in a character", vec![text(b"\xe2\x82")], 1007),
        ("pieces that make no UTF-8", vec![text(b"\xe2\x82").unfinished(), more(b"a")], 1007),
        ("a surrogate", vec![text(b"\xed\xa0\x80")], 1007),
        // Lengths are as short as they can be (RFC 6455, section 5.2).
        ("a length in two bytes that fits into one", vec![Frame { length: Length::Two, ..tick(2) }], 1002),
        ("a length in eight bytes that fits into one", vec![Frame { length: Length::Eight, ..tick(2) }], 1002),
    ]
}

#[test]
fn what_the_protocol_forbids_ends_the_socket_and_is_told() {
    for (name, frames, code) in violations() {
        let bad = move |_: &Seen| Part::frames([tick(1)].into_iter().chain(frames.clone()));
        let (job, server, _) = Case::fails(name, "WebSocket protocol", 1, 1).socket(ONCE).meet(bad);
        for seen in server.seen().iter().filter(|seen| ODD.contains(&row_of(seen))) {
            let closed = seen.closed();
            assert_eq!(closed, Some(Some(code)), "{name}: {}", job.read("out.jsonl"));
        }
    }
}

#[test]
fn messages_that_are_too_large_are_not_read() {
    let large = |length: usize| format!("{{\"seq\":2,\"more\":\"{}\"}}", "a".repeat(length));
    let whole_one = Frame::text(&large(65 * 1024));
    let pieces: Vec<Frame> = (0..5)
        .map(|piece| Frame::new(if piece == 0 { TEXT } else { CONTINUATION }, vec![b'a'; 16 * 1024]).unfinished())
        .collect();
    let told = |length| vec![Frame { length: Length::Lie(length), ..tick(2) }];
    for (name, frames) in [
        ("a large message", vec![whole_one]),
        ("pieces of one", pieces),
        ("a large length", told(1 << 40)),
        ("a length beyond all", told(1 << 63)),
    ] {
        let bad = move |_: &Seen| Part::frames([tick(1)].into_iter().chain(frames.clone()));
        Case::fails(name, "websocket.max-message", 1, 1).socket(ONCE).goodbye(1009).meet(bad);
    }
    let fits = Frame::text(&large(60 * 1024));
    let good = move |_: &Seen| Part::frames([tick(1), fits.clone(), tick(3)]).then([Act::Closed, Act::Drop]);
    Case::ends("a message that fits", 3, 1).socket(ONCE).goodbye(1000).meet(good);
}

#[test]
fn what_is_allowed_is_read() {
    let pieces = |seq: u64| {
        let text = format!("{{\"seq\":{seq},\"name\":\"größe €\"}}").into_bytes();
        let frame = |(position, byte): (usize, &u8)| {
            Frame::new(if position == 0 { TEXT } else { CONTINUATION }, vec![*byte]).unfinished()
        };
        let mut frames: Vec<Frame> = text.iter().enumerate().map(frame).collect();
        frames.insert(3, Frame::new(PING, "within"));
        frames.push(Frame::new(CONTINUATION, ""));
        frames
    };
    for (name, frames) in [
        ("a message byte by byte, with a ping within", [vec![tick(1)], pieces(2), pieces(3)].concat()),
        (
            "pings and pongs between",
            vec![tick(1), Frame::new(PING, vec![7; 125]), Frame::new(PONG, "unasked"), tick(2), tick(3)],
        ),
        ("JSON as binary", vec![tick(1), Frame { opcode: BINARY, ..tick(2) }, tick(3)]),
    ] {
        let good = move |_: &Seen| Part::frames(frames.clone()).then([Act::Closed, Act::Drop]);
        let (_, server, _) = Case::ends(name, 3, 1).goodbye(1000).meet(good);
        let pongs: Vec<Vec<u8>> = server
            .seen()
            .iter()
            .filter(|seen| seen.path.ends_with("/3"))
            .flat_map(|seen| seen.payloads(PONG))
            .collect();
        let expected = if name.contains("within") { vec![b"within".to_vec(); 2] } else { vec![vec![7; 125]] };
        assert!(
            pongs.is_empty() != name.contains("ping") && (pongs.is_empty() || pongs == expected),
            "{name}: {pongs:?}"
        );
    }
}

#[test]
fn pieces_of_bytes_make_the_same_messages() {
    let bytes: Vec<u8> = (1..=3).flat_map(|seq| tick(seq).bytes()).collect();
    let drip =
        move |_: &Seen| Part::of(bytes.iter().map(|byte| Act::Bytes(vec![*byte])).chain([Act::Closed, Act::Drop]));
    Case::ends("byte by byte", 3, 1).goodbye(1000).meet(drip);
}

#[test]
fn a_server_that_floods_is_read_no_faster_than_it_is_wanted() {
    // It never stops by itself; the row has enough, says so, and does not wait for a server that does not listen.
    let messages = |_: &Seen| Part::frames((1..=3).map(tick)).then([Act::Flood(tick(4))]);
    Case::ends("messages without end", 3, 1).meet(messages);
    let socket = "until = { messages = 3, time = \"500ms\" }\nreconnect.attempts = 0";
    let pings = |_: &Seen| Part::frames((1..=3).map(tick)).then([Act::Flood(Frame::new(PING, vec![1; 125]))]);
    Case::ends("pings without end behind the messages", 3, 1).socket(socket).meet(pings);
    let deaf = |_: &Seen| Part::of([Act::Deaf(Duration::from_secs(4)), Act::Flood(Frame::new(PING, vec![1; 125]))]);
    Case::fails("pings whose answers nobody reads", "pings", 0, 1)
        .socket("until.messages = 3\nreconnect.attempts = 0\nheartbeat.every = \"0s\"")
        .meet(deaf);
}
