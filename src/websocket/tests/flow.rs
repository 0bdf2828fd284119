//! Who waits for whom: pings in floods, peers that do not read, messages that are too large, goodbyes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::task::coop::unconstrained;

use super::wire::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, all, close, code, frame, pair, play, read, rest,
};
use crate::retry::FailureKind;
use crate::websocket::{Frame, Incoming};

const PATIENCE: Duration = Duration::from_secs(2);

fn text(text: &'static str) -> Incoming {
    Incoming::Text(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn messages_leave_as_they_were_given() {
    let (mut socket, mut theirs) = pair(1 << 20, 1024);
    let large = "x".repeat(70_000);
    socket.send(Frame::Text("{\"subscribe\":true}".to_owned())).await.unwrap();
    socket.send(Frame::Binary(Bytes::from_static(&[0, 255]))).await.unwrap();
    socket.send(Frame::Text(String::new())).await.unwrap();
    socket.send(Frame::Text(large.clone())).await.unwrap();
    socket.ping().await.unwrap();
    drop(socket);
    let expected = [
        (TEXT, b"{\"subscribe\":true}".to_vec()),
        (BINARY, vec![0, 255]),
        (TEXT, Vec::new()),
        (TEXT, large.into_bytes()),
        (PING, Vec::new()),
    ];
    assert_eq!(rest(&mut theirs).await, expected);
}

#[tokio::test]
async fn a_message_may_be_as_large_as_it_may_and_no_larger() {
    for max in [0, 10, 200] {
        let fits = vec![b'x'; usize::try_from(max).unwrap()];
        let half = fits.len() / 2;
        for (bytes, taken) in [
            (frame(FIN | TEXT, &fits), true),
            ([frame(TEXT, &fits[..half]), frame(FIN | CONTINUATION, &fits[half..])].concat(), true),
            (frame(FIN | TEXT, &[&fits[..], b"y"].concat()), false),
            ([frame(TEXT, &fits), frame(CONTINUATION, b"y"), frame(FIN | CONTINUATION, b"")].concat(), false),
        ] {
            let (came, sent) = play(&[bytes, close(1000, b"")].concat(), 1000, false, max).await;
            match taken {
                true => assert_eq!(came[0], Ok(Incoming::Text(fits.clone().into()))),
                false => {
                    let failure = came[0].as_ref().unwrap_err();
                    assert_eq!(failure.kind, FailureKind::TooLarge);
                    assert!(failure.message.contains(&format!("{max} bytes (websocket.max-message)")), "{failure}");
                }
            }
            assert_eq!(code(&sent), Some(if taken { 1000 } else { 1009 }), "{max}");
        }
        // What is no message is not measured by it.
        let bytes = [frame(FIN | PING, &[7; 125]), close(4000, &[b'x'; 123])].concat();
        let (came, sent) = play(&bytes, 1000, false, max).await;
        assert_eq!(came[0], Ok(Incoming::Alive));
        assert_eq!((sent[0].clone(), code(&sent)), ((PONG, vec![7; 125]), Some(4000)));
    }
}

#[tokio::test]
async fn fragments_without_end_are_stopped_where_the_message_is_too_large() {
    let (mut socket, theirs) = pair(64 * 1024, 100_000);
    let (mut reading, mut writing) = split(theirs);
    let flood = async {
        let piece = frame(CONTINUATION, &[0; 1000]);
        let _ = writing.write_all(&frame(BINARY, b"")).await;
        let mut taken = 0;
        while writing.write_all(&piece).await.is_ok() {
            taken += piece.len();
        }
        taken
    };
    let client = async {
        let came = socket.next().await;
        drop(socket);
        came
    };
    let heard = async { read(&mut reading).await };
    let (came, taken, heard) = tokio::join!(client, flood, heard);
    assert!(taken < 2 << 20, "{taken} bytes were heard");
    assert_eq!(came.unwrap_err().kind, FailureKind::TooLarge);
    assert_eq!(heard, Some((CLOSE, 1009_u16.to_be_bytes().to_vec())));
}

#[tokio::test]
async fn a_ping_is_answered_though_nobody_asks_for_more() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    theirs.write_all(&frame(FIN | PING, b"now")).await.unwrap();
    assert_eq!(socket.next().await, Ok(Incoming::Alive));
    assert_eq!(read(&mut theirs).now_or_never(), Some(Some((PONG, b"now".to_vec()))));
}

#[tokio::test]
async fn a_socket_is_attended_to_while_its_owner_waits_for_something_else() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    theirs.write_all(&[frame(FIN | TEXT, b"one"), frame(FIN | PING, b"there?")].concat()).await.unwrap();
    assert!(socket.attend().now_or_never().is_none());
    assert_eq!(read(&mut theirs).now_or_never(), Some(Some((PONG, b"there?".to_vec()))));
    theirs.write_all(&close(1001, b"")).await.unwrap();
    socket.attend().await;
    let closed = Incoming::Closed { code: Some(1001), reason: String::new() };
    assert_eq!(all(&mut socket).await, [Ok(text("one")), Ok(Incoming::Alive), Ok(closed)], "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn pings_of_a_peer_that_does_not_read_end_the_socket() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    let pings = async {
        let mut pings = 0_usize;
        while theirs.write_all(&frame(FIN | PING, &[0; 100])).await.is_ok() {
            pings += 1;
            // Longer than the client waits for its last words to be read.
            if pings > 100_000 {
                break;
            }
        }
        pings
    };
    let client = async {
        let came = all(&mut socket).await;
        drop(socket);
        came
    };
    let (came, pings) = tokio::join!(client, pings);
    let failure = came.last().unwrap().as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("pings") && pings > came.len(), "{failure}");
    assert!(came.len() < 1000, "{} answers were kept", came.len());
}

#[tokio::test]
async fn a_peer_that_writes_before_it_reads_is_heard_while_it_is_sent_to() {
    let (mut socket, mut theirs) = pair(256, 1024);
    let server = async {
        // More than the pipe takes, and only then is anything read.
        for _ in 0..20 {
            theirs.write_all(&frame(FIN | TEXT, b"tick")).await.unwrap();
            theirs.write_all(&frame(FIN | BINARY, &[0; 50])).await.unwrap();
        }
        read(&mut theirs).await
    };
    let large = Bytes::from(vec![7; 10_000]);
    let (sent, heard) = tokio::join!(socket.send(Frame::Binary(large.clone())), server);
    sent.unwrap();
    assert_eq!(heard, Some((BINARY, large.to_vec())));
    drop(theirs);
    let came = all(&mut socket).await;
    assert_eq!((came.len(), &came[0], &came[40]), (41, &Ok(text("tick")), &Ok(Incoming::Gone)));
}

#[tokio::test]
async fn what_is_kept_while_a_frame_is_sent_is_bounded() {
    let (mut socket, mut theirs) = pair(256, 1024);
    let mut taken = 0_usize;
    {
        let mut send = std::pin::pin!(unconstrained(socket.send(Frame::Binary(Bytes::from(vec![7; 10_000])))));
        let message = frame(FIN | TEXT, b"tick");
        loop {
            assert!(send.as_mut().now_or_never().is_none(), "nobody reads");
            match unconstrained(theirs.write_all(&message)).now_or_never() {
                Some(written) => written.unwrap(),
                None => break,
            }
            taken += message.len();
        }
    }
    assert!((1000..100_000).contains(&taken), "{taken} bytes were taken");
    assert_eq!(socket.next().await, Ok(text("tick")), "and they are not lost");
}

#[tokio::test]
async fn a_frame_whose_sending_was_dropped_goes_all_the_same_and_once() {
    let (mut socket, mut theirs) = pair(64, 1024);
    let large = Bytes::from(vec![7; 1000]);
    assert!(socket.send(Frame::Binary(large.clone())).now_or_never().is_none());
    let server = async {
        let first = read(&mut theirs).await;
        theirs.write_all(&close(1000, b"")).await.unwrap();
        (first, rest(&mut theirs).await)
    };
    let client = async {
        let came = all(&mut socket).await;
        drop(socket);
        came
    };
    let (came, (first, after)) = tokio::join!(client, server);
    assert_eq!(came, [Ok(Incoming::Closed { code: Some(1000), reason: String::new() })]);
    assert_eq!((first, code(&after), after.len()), (Some((BINARY, large.to_vec())), Some(1000), 1));
}

#[tokio::test]
async fn what_came_before_the_end_is_told_though_writing_fails() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    theirs.write_all(&[frame(FIN | TEXT, b"last"), close(4401, b"who are you")].concat()).await.unwrap();
    drop(theirs);
    socket.send(Frame::Text("hello".to_owned())).await.unwrap();
    let closed = Incoming::Closed { code: Some(4401), reason: "who are you".to_owned() };
    assert_eq!(all(&mut socket).await, [Ok(text("last")), Ok(closed)]);
    assert_eq!(socket.next().await, Ok(Incoming::Gone), "nothing comes behind an end");
    assert_eq!(socket.send(Frame::Text(String::new())).await.unwrap_err().kind, FailureKind::Closed);
    assert_eq!(socket.ping().await.unwrap_err().kind, FailureKind::Closed);
}

#[tokio::test]
async fn goodbye_is_said_and_waited_for() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    let server = async {
        let said = read(&mut theirs).await.unwrap();
        // What was under way is let go of, and its pings need no answer any more.
        theirs
            .write_all(&[frame(FIN | TEXT, b"late"), frame(FIN | PING, b""), close(1001, b"")].concat())
            .await
            .unwrap();
        (said, rest(&mut theirs).await)
    };
    let ((), (said, after)) = tokio::join!(socket.close(1001, "stopping", PATIENCE), server);
    assert_eq!(said, (CLOSE, [&1001_u16.to_be_bytes()[..], b"stopping"].concat()));
    assert_eq!(after, [], "the client hung up");
    assert_eq!(socket.next().await, Ok(Incoming::Gone));
}

#[tokio::test(start_paused = true)]
async fn goodbye_is_short_where_nobody_answers() {
    for (pipe, code, reason) in
        [(1024, 1001, ""), (1, 1000, ""), (1024, 1006, ""), (1024, 1000, "ü".repeat(100).as_str())]
    {
        let (mut socket, mut theirs) = pair(pipe, 1024);
        socket.close(code, reason, PATIENCE).await;
        drop(socket);
        if pipe > 1 {
            let (opcode, payload) = read(&mut theirs).await.unwrap();
            // 61 letters of two bytes fit, and none in half; 1006 can't be said.
            let length = if code == 1006 { 0 } else { 2 + reason.len().min(122) };
            assert_eq!((opcode, payload.len()), (CLOSE, length));
        }
        assert_eq!(theirs.read(&mut [0]).await.unwrap_or(0), usize::from(pipe == 1), "and then it hung up");
    }
}

#[tokio::test]
async fn a_close_crosses_ours() {
    let (mut socket, mut theirs) = pair(1024, 1024);
    theirs.write_all(&close(1000, b"bye")).await.unwrap();
    socket.close(1001, "", PATIENCE).await;
    drop(socket);
    assert_eq!(rest(&mut theirs).await, [(CLOSE, 1001_u16.to_be_bytes().to_vec())], "once");
}
