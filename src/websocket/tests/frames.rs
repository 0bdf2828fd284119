//! What Autobahn's client cases ask for, frame by frame: what is taken, and how the client hangs up.
//!
//! The numbers are those of the cases in the Autobahn test suite (crossbario/autobahn-testsuite), whose fuzzing server needs
//! a Python that is no more. A client that only collects echoes nothing: taking a message stands for its echo.

use super::wire::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Sent, TEXT, close, code, frame, play};
use crate::retry::FailureKind;
use crate::websocket::Incoming;

/// What came of a case, in short: `text:..`, `binary:LENGTH`, `alive`, `closed:CODE:REASON`, `gone`, and what failed.
async fn outcome(bytes: &[u8], step: usize, leaves: bool) -> (Vec<String>, Vec<Sent>) {
    let (came, sent) = play(bytes, step, leaves, 1 << 20).await;
    let short = came.into_iter().map(|came| match came {
        Ok(Incoming::Text(text)) => format!("text:{}", String::from_utf8(text.to_vec()).unwrap()),
        Ok(Incoming::Binary(bytes)) => format!("binary:{}", bytes.len()),
        Ok(Incoming::Alive) => "alive".to_owned(),
        Ok(Incoming::Closed { code, reason }) => format!("closed:{}:{reason}", code.unwrap_or(0)),
        Ok(Incoming::Gone) => "gone".to_owned(),
        Err(failure) => {
            assert!(failure.sent, "{failure}");
            match failure.kind {
                FailureKind::Protocol => failure.message.rsplit(": ").next().unwrap().to_owned(),
                kind => kind.name(),
            }
        }
    });
    (short.collect(), sent)
}

/// A case: its number, what the server sends, what comes of it, and the code that the client closes with.
type Case = (&'static str, Vec<u8>, Vec<String>, Option<u16>);

// Whole, in halves of frames, and byte by byte.
async fn judge(cases: Vec<Case>) {
    for (name, bytes, expected, closes) in cases {
        for step in [bytes.len().max(1), 7, 1] {
            if step == 1 && bytes.len() > 10_000 {
                continue;
            }
            let (came, sent) = outcome(&bytes, step, false).await;
            assert_eq!(came, expected, "{name}, in pieces of {step}");
            assert_eq!(code(&sent), closes, "{name}, in pieces of {step}: {sent:?}");
            let farewells = sent.iter().filter(|(opcode, _)| *opcode == CLOSE).count();
            assert_eq!(farewells, 1, "{name}: one close frame");
        }
    }
}

fn ending(frames: &[Vec<u8>]) -> Vec<u8> {
    [frames.concat(), close(1000, b"")].concat()
}

fn fine(came: &[&str]) -> Vec<String> {
    came.iter().copied().chain(["closed:1000:"]).map(str::to_owned).collect()
}

fn only(came: &[&str]) -> Vec<String> {
    came.iter().map(|came| (*came).to_owned()).collect()
}

#[tokio::test]
async fn messages_of_every_size_are_taken() {
    let mut cases: Vec<Case> = Vec::new();
    for (name, length) in
        [("1.1.1", 0), ("1.1.2", 125), ("1.1.3", 126), ("1.1.4", 127), ("1.1.5", 128), ("1.1.6", 65_535)]
    {
        let text = "*".repeat(length);
        let came = fine(&[&format!("text:{text}")]);
        cases.push((name, ending(&[frame(FIN | TEXT, text.as_bytes())]), came, Some(1000)));
    }
    for (name, length) in [("1.2.1", 0), ("1.2.2", 125), ("1.2.6", 65_535), ("1.2.7", 65_536), ("9.2.2", 1 << 20)] {
        let came = fine(&[&format!("binary:{length}")]);
        cases.push((name, ending(&[frame(FIN | BINARY, &vec![0xFE; length])]), came, Some(1000)));
    }
    judge(cases).await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_say() {
    let long = [b'x'; 125];
    let pings = [&b""[..], b"Hello, world!", b"\x00\xff\xfe", &long];
    for payload in pings {
        let (came, sent) = outcome(&ending(&[frame(FIN | PING, payload)]), 3, false).await;
        assert_eq!(came, fine(&["alive"]));
        assert_eq!(sent[0], (PONG, payload.to_vec()));
    }
    // 2.7 to 2.9: pongs that nobody asked for are left alone. 2.10: ten pings, in order.
    let (came, sent) = outcome(&ending(&[frame(FIN | PONG, b"unasked"), frame(FIN | PING, b"asked")]), 5, false).await;
    assert_eq!((came, &sent[0]), (fine(&["alive", "alive"]), &(PONG, b"asked".to_vec())));
    let ten: Vec<Vec<u8>> = (0..10).map(|number| frame(FIN | PING, &[number])).collect();
    let (_, sent) = outcome(&ending(&ten), 1000, false).await;
    let answers: Vec<u8> = sent.iter().filter(|(opcode, _)| *opcode == PONG).map(|(_, payload)| payload[0]).collect();
    assert_eq!(answers, (0..10).collect::<Vec<u8>>());
}

#[tokio::test]
async fn control_frames_are_short_and_whole() {
    let (long, cut) = ("invalid payload length", "fragmented control frame");
    judge(vec![
        ("2.5", frame(FIN | PING, &[0xFE; 126]), only(&[long]), Some(1002)),
        ("a long pong", frame(FIN | PONG, &[0xFE; 126]), only(&[long]), Some(1002)),
        ("a long close", close(1000, &[b'x'; 124]), only(&[long]), Some(1002)),
        ("5.1", frame(PING, b"fragment1"), only(&[cut]), Some(1002)),
        ("5.2", frame(PONG, b"fragment1"), only(&[cut]), Some(1002)),
        ("a close in pieces", frame(CLOSE, &[3, 232]), only(&[cut]), Some(1002)),
    ])
    .await;
}

#[tokio::test]
async fn reserved_bits_and_opcodes_break_the_rules() {
    let mut cases: Vec<Case> = Vec::new();
    for (name, bits, opcode) in [
        ("3.1", 0x40, TEXT),
        ("3.2", 0x20, TEXT),
        ("3.3", 0x30, TEXT),
        ("3.4", 0x40, TEXT),
        ("3.5", 0x50, BINARY),
        ("3.6", 0x60, PING),
        ("3.7", 0x70, CLOSE),
    ] {
        let bytes = [frame(FIN | TEXT, b"first"), frame(FIN | bits | opcode, b"")].concat();
        cases.push((name, bytes, only(&["text:first", "invalid extension"]), Some(1002)));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let bytes = [frame(FIN | TEXT, b"first"), frame(FIN | opcode, b"?"), frame(FIN | PING, b"")].concat();
        cases.push(("4.*", bytes, only(&["text:first", "invalid opcode"]), Some(1002)));
    }
    judge(cases).await;
}

#[tokio::test]
async fn fragments_make_messages_and_control_frames_pass_between_them() {
    let (first, last) = (frame(TEXT, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2"));
    let (ping, whole) = (frame(FIN | PING, b"ping"), "text:fragment1fragment2");
    let stray = "invalid opcode";
    judge(vec![
        ("5.3", ending(&[first.clone(), last.clone()]), fine(&[whole]), Some(1000)),
        ("5.6", ending(&[first.clone(), ping.clone(), last.clone()]), fine(&["alive", whole]), Some(1000)),
        ("5.9", ending(&[frame(FIN | CONTINUATION, b"x"), frame(FIN | TEXT, b"y")]), only(&[stray]), Some(1002)),
        ("5.12", ending(&[frame(CONTINUATION, b"x"), frame(FIN | TEXT, b"y")]), only(&[stray]), Some(1002)),
        (
            "5.15",
            ending(&[first.clone(), last.clone(), frame(CONTINUATION, b"fragment3"), frame(FIN | TEXT, b"fragment4")]),
            only(&[whole, stray]),
            Some(1002),
        ),
        ("5.18", ending(&[first.clone(), frame(FIN | TEXT, b"fragment2")]), only(&[stray]), Some(1002)),
        (
            "5.19",
            ending(&[
                first,
                frame(CONTINUATION, b"-"),
                ping.clone(),
                frame(CONTINUATION, b""),
                ping,
                frame(FIN | CONTINUATION, b"!"),
            ]),
            fine(&["alive", "alive", "text:fragment1-!"]),
            Some(1000),
        ),
        (
            "6.1.3",
            ending(&[frame(TEXT, b""), frame(CONTINUATION, b"middle"), frame(FIN | CONTINUATION, b"")]),
            fine(&["text:middle"]),
            Some(1000),
        ),
        (
            "6.1.2",
            ending(&[frame(BINARY, b""), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, b"")]),
            fine(&["binary:0"]),
            Some(1000),
        ),
    ])
    .await;
}

#[tokio::test]
async fn text_is_utf_8_however_it_is_cut() {
    let text = "Hello-µ@ßöäüàá-UTF-8!!𐀀\u{10FFFF}";
    let taken = format!("text:{text}");
    for cut in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(cut);
        let frames = [frame(TEXT, one), frame(FIN | PING, b""), frame(FIN | CONTINUATION, other)];
        let (came, sent) = outcome(&ending(&frames), 1000, false).await;
        assert_eq!((came, code(&sent)), (fine(&["alive", &taken]), Some(1000)), "cut at {cut}");
    }
    let single: Vec<Vec<u8>> = text.as_bytes().iter().map(|byte| frame(CONTINUATION, &[*byte])).collect();
    let frames = [vec![frame(TEXT, b"")], single, vec![frame(FIN | CONTINUATION, b"")]].concat();
    assert_eq!(outcome(&ending(&frames), 1000, false).await.0, fine(&[&taken]), "6.2.4");
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_refused() {
    let bad: &[&[u8]] = &[
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\x80",
        b"\xce",
        b"\xf0\x90\x80",
    ];
    let refused = || only(&["invalid utf-8"]);
    let mut cases: Vec<Case> = Vec::new();
    for bytes in bad {
        cases.push(("6.3.1", frame(FIN | TEXT, bytes), refused(), Some(1007)));
        let pieces: Vec<Vec<u8>> = bytes.iter().map(|byte| frame(CONTINUATION, &[*byte])).collect();
        let pieces = [vec![frame(TEXT, b"")], pieces, vec![frame(FIN | CONTINUATION, b"end")]].concat();
        cases.push(("6.3.2", pieces.concat(), refused(), Some(1007)));
    }
    // A character that breaks off where the message ends, in a last frame that is empty.
    let broken = [frame(TEXT, b"fine \xe2\x82"), frame(FIN | CONTINUATION, b"")].concat();
    cases.push(("an empty last fragment", broken, only(&["text that is not UTF-8"]), Some(1007)));
    // 6.4: told as soon as it is clear, though the frame is not whole.
    let mut early = frame(FIN | TEXT, &[0xFF; 100]);
    early.truncate(50);
    cases.push(("6.4.3", early, refused(), Some(1007)));
    judge(cases).await;
    // The same bytes are no trouble where nobody said that they are text.
    let (came, _) = outcome(&ending(&[frame(FIN | BINARY, b"\xff\xfe")]), 1, false).await;
    assert_eq!(came, fine(&["binary:2"]));
}

#[tokio::test]
async fn closes_are_taken_by_the_book_or_refused() {
    let mut cases: Vec<Case> = vec![
        ("7.1.3", [close(1000, b""), frame(FIN | PING, b"late")].concat(), only(&["closed:1000:"]), Some(1000)),
        (
            "7.1.5",
            [frame(TEXT, b"half"), close(1000, b""), frame(FIN | CONTINUATION, b"late")].concat(),
            only(&["closed:1000:"]),
            Some(1000),
        ),
        ("7.3.1", frame(FIN | CLOSE, b""), only(&["closed:0:"]), None),
        ("7.3.2", frame(FIN | CLOSE, b"\x03"), only(&["invalid payload length"]), Some(1002)),
        ("7.3.4", close(1000, b"Hello World!"), only(&["closed:1000:Hello World!"]), Some(1000)),
        ("7.3.5", close(1000, &[b'*'; 123]), only(&[&format!("closed:1000:{}", "*".repeat(123))]), Some(1000)),
        ("7.5.1", close(1000, b"\xce\xba\xed\xa0\x80"), only(&["invalid utf-8"]), Some(1007)),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        cases.push(("7.7", close(code, b"why"), only(&[&format!("closed:{code}:why")]), Some(code)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("7.9", close(code, b""), only(&["invalid close code"]), Some(1002)));
    }
    judge(cases).await;
}

#[tokio::test]
async fn frames_of_the_wrong_make_are_refused() {
    let masked = [vec![FIN | TEXT, 0x80 | 2], vec![1, 2, 3, 4], vec![b'h' ^ 1, b'i' ^ 2]].concat();
    let length = |second: u8, length: &[u8]| [&[FIN | BINARY, second], length].concat();
    let long = "invalid payload length";
    judge(vec![
        ("masked", masked, only(&["unexpected masked frame"]), Some(1002)),
        ("2 bytes for a short length", length(126, &125_u16.to_be_bytes()), only(&[long]), Some(1002)),
        ("8 bytes for a short length", length(127, &65_535_u64.to_be_bytes()), only(&[long]), Some(1002)),
        ("2^63", length(127, &(1_u64 << 63).to_be_bytes()), only(&["too-large"]), Some(1009)),
        ("2^64-1", length(127, &u64::MAX.to_be_bytes()), only(&["too-large"]), Some(1009)),
        ("a byte too many", length(127, &((1_u64 << 20) + 1).to_be_bytes()), only(&["too-large"]), Some(1009)),
    ])
    .await;
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_told_apart() {
    let whole = frame(FIN | TEXT, b"whole");
    let cut = [&whole[..], &frame(FIN | TEXT, b"cut off")[..5]].concat();
    let fragment = [&whole[..], &frame(TEXT, b"never finished")].concat();
    for bytes in [whole, cut, fragment] {
        for step in [1, 1000] {
            let (came, sent) = outcome(&bytes, step, true).await;
            assert_eq!((came, sent.len()), (only(&["text:whole", "gone"]), 0));
        }
    }
    assert_eq!(outcome(b"", 1, true).await.0, only(&["gone"]));
}
