//! How sockets end: by every code, by none, by a cut, by silence.

use serde_json::Value;

use super::{Case, JOB, Seen, Sockets, all_closed, rows, tick, whole};
use crate::support::Job;
use crate::support::oracle::ws::{Act, Part, close};

/// Says one message and closes at first; the other two follow on the next connection.
fn then_whole(turn: usize, ends: impl IntoIterator<Item = Act>) -> Part {
    if turn == 0 { Part::frames([tick(1)]).then(ends) } else { whole(2, 3) }
}

/// A close by the server in order: its frame, the client's, the end.
fn closes(code: Option<u16>, reason: &str) -> [Act; 3] {
    [Act::Send(close(code, reason)), Act::Closed, Act::Drop]
}

#[test]
fn codes_that_say_later_open_the_socket_again() {
    for code in [1001, 1011, 1012, 1013, 1014, 3008, 3999, 4000, 4408, 4425, 4500, 4999] {
        Case::ends("a code that says later", 3, 2).meet(move |seen| then_whole(seen.turn, closes(Some(code), "later")));
    }
}

#[test]
fn codes_that_say_no_fail_the_row_with_their_words() {
    for (code, words) in [
        (1002, "1002 (protocol error): go away"),
        (1003, "1003 (unsupported data)"),
        (1007, "1007 (invalid data)"),
        (1008, "1008 (policy violation)"),
        (1009, "1009 (message too big)"),
        (1010, "1010 (extension missing)"),
        (3000, "3000 (unauthorized)"),
        (3003, "3003 (forbidden)"),
        (4400, "4400"),
        (4401, "4401"),
        (4404, "4404"),
    ] {
        let case = Case::fails("a code that says no", words, 1, 1).goodbye(code);
        case.meet(move |_| Part::frames([tick(1)]).then(closes(Some(code), "go away")));
    }
}

#[test]
fn codes_that_say_all_well_end_the_row() {
    for code in [Some(1000), None] {
        Case::ends("an end in order", 1, 1).meet(move |_| Part::frames([tick(1)]).then(closes(code, "")));
        Case::ends("an end without a message", 0, 1).meet(move |_| Part::of(closes(code, "")));
    }
}

#[test]
fn a_throttling_code_opens_the_socket_again() {
    Case::ends("4429", 3, 2).meet(|seen| then_whole(seen.turn, closes(Some(4429), "slowly")));
}

#[test]
fn cuts_open_the_socket_again() {
    Case::ends("an end without a close frame", 3, 2).meet(|seen| then_whole(seen.turn, [Act::Drop]));
    Case::ends("a reset", 3, 2).meet(|seen| then_whole(seen.turn, [Act::Reset]));
    Case::ends("half an end", 3, 2).meet(|seen| then_whole(seen.turn, [Act::HalfClose]));
    let torn = |seen: &Seen| then_whole(seen.turn, [Act::Bytes(tick(2).bytes()[..5].to_vec()), Act::Drop]);
    Case::ends("an end within a frame", 3, 2).meet(torn);
}

#[test]
fn cuts_without_a_message_in_between_fail_the_row_in_the_end() {
    let words = "without a close frame (1006)";
    Case::fails("nothing but cuts", words, 0, 3).meet(|_| Part::of([Act::Drop]));
    Case::fails("a message, then nothing but cuts", words, 1, 3)
        .meet(|seen| Part::frames(if seen.turn == 0 { vec![tick(1)] } else { vec![] }).then([Act::Drop]));
    Case::fails("nothing but resets", words, 0, 3).meet(|_| Part::of([Act::Reset]));
    let never = "until.messages = 3\nreconnect.attempts = 0";
    Case::fails("no reconnects", words, 1, 1).socket(never).meet(|_| Part::frames([tick(1)]).then([Act::Drop]));
}

#[test]
fn each_message_gives_the_reconnects_back() {
    // One message for each connection: more reconnects than `attempts` in all, and never more in a row.
    let socket = "until.messages = 5\nreconnect = { attempts = 1, initial = \"1ms\", max = \"2ms\" }\nsend = [{ json = { after = \"{{ last.seq }}\" } }]";
    let server = Sockets::start(|seen| Part::of([Act::Hear(1), Act::Send(tick(seen.turn as u64 + 1)), Act::Drop]));
    let job = Job::at(&server.url(), &JOB.replace("ENDPOINT", "").replace("SOCKET", socket));
    job.run(&[]).expect_code(0);
    all_closed(&server);
    for (row, told) in rows(&job) {
        assert_eq!((told.seqs, told.errors), ((1..=5).map(Value::from).collect(), vec![]), "row {row}");
    }
    for seen in server.seen() {
        let after = if seen.turn == 0 { "null".to_owned() } else { seen.turn.to_string() };
        assert_eq!(seen.texts(), [format!("{{\"after\":{after}}}")], "it goes on where it stopped");
    }
}

#[test]
fn a_server_that_answers_no_ping_is_given_up() {
    let socket = "until.messages = 3\nheartbeat = { every = \"50ms\", timeout = \"50ms\" }\nreconnect = { attempts = 1, initial = \"1ms\" }";
    let silent = Case::fails("never a pong", "of a ping (websocket.heartbeat.timeout)", 1, 2).socket(socket);
    silent.meet(|seen| Part::frames(if seen.turn == 0 { vec![tick(1)] } else { vec![] }).without_pongs());
    let back = Case::ends("a pong that does not come once", 3, 2).socket(socket);
    back.meet(|seen| if seen.turn == 0 { Part::frames([tick(1)]).without_pongs() } else { whole(2, 3) });
    // Pongs alone keep a socket that has nothing to say.
    let alive = Case::ends("pongs alone", 3, 1).socket(socket);
    alive.meet(|_| {
        Part::frames([tick(1)]).then([Act::Pings(3), Act::Send(tick(2)), Act::Send(tick(3)), Act::Closed, Act::Drop])
    });
}

#[test]
fn rules_have_the_last_word_on_a_close() {
    let fail = "rules = [{ when = \"meta.close_code == 1000\", then = \"fail\" }]";
    Case::fails("1000 that is a failure", "meta.close_code == 1000", 1, 1)
        .endpoint(fail)
        .meet(|_| Part::frames([tick(1)]).then(closes(Some(1000), "")));
    let accept = "rules = [{ when = \"meta.close_code == 4401\", then = \"accept\" }]";
    Case::ends("4401 that is fine", 1, 1)
        .endpoint(accept)
        .meet(|_| Part::frames([tick(1)]).then(closes(Some(4401), "")));
    let retry =
        "rules = [{ when = \"meta.close_code == 1008 and meta.close_reason == 'try again'\", then = \"retry\" }]";
    Case::ends("1008 that is not the end", 3, 2)
        .endpoint(retry)
        .meet(|seen| then_whole(seen.turn, closes(Some(1008), "try again")));
}
