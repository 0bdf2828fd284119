//! Handshakes that open nothing, or another thing than was asked for.

use super::{Case, JOB, all_closed, row_of, rows, whole};
use crate::support::Job;
use crate::support::oracle::ws::{Part, Shake, Sockets};
use crate::support::output::jsonl_file;

/// A reply that opens nothing.
fn refuses(status: u16, headers: &[(&'static str, &str)]) -> Part {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Part::refused(Shake::Plain(status, headers, "no"))
}

#[test]
fn statuses_that_are_final_fail_the_row() {
    for (status, words) in [(400, "400"), (401, "401"), (403, "403"), (404, "404"), (200, "200")] {
        let case = Case::fails("a refusal", words, 0, 1);
        case.meet(move |_| refuses(status, &[]));
    }
}

#[test]
fn statuses_that_say_later_are_asked_again() {
    for (status, headers) in
        [(503, vec![]), (503, vec![("retry-after", "0")]), (429, vec![("retry-after", "0")]), (502, vec![])]
    {
        Case::ends("a refusal that passes", 3, 2)
            .meet(move |seen| if seen.turn == 0 { refuses(status, &headers) } else { whole(1, 3) });
    }
    Case::fails("a refusal that does not pass", "503", 0, 3).meet(|_| refuses(503, &[]));
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let (job, _, _) = Case::ends("429 with Retry-After", 3, 2)
        .meet(|seen| if seen.turn == 0 { refuses(429, &[("retry-after", "1")]) } else { whole(1, 3) });
    let odd = jsonl_file(&job.path("out.jsonl")).into_iter().filter(|record| record["attempts"] == 2).count();
    assert_eq!(odd, 6, "two rows of three messages came with the second attempt");
}

#[test]
fn a_handshake_that_is_none_fails_the_row() {
    let once = "until.messages = 3\nreconnect.attempts = 0";
    for (name, shake, words) in [
        ("the answer to another key", Shake::WrongKey, "sec-websocket-accept"),
        (
            "no answer to the key",
            Shake::Raw("HTTP/1.1 101 Go\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
            "sec-websocket-accept",
        ),
        (
            "another protocol",
            Shake::Raw("HTTP/1.1 101 Go\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
            "upgrade: websocket",
        ),
        (
            "an extension that nobody offered",
            Shake::With(vec![("sec-websocket-extensions", "permessage-deflate")]),
            "permessage-deflate",
        ),
        ("a subprotocol that nobody offered", Shake::With(vec![("sec-websocket-protocol", "soap")]), "soap"),
        ("no HTTP", Shake::Raw("SSH-2.0-OpenSSH\r\n"), "HTTP"),
    ] {
        let case = Case::fails(name, words, 0, 1).socket(once);
        case.meet(move |_| Part { shake: shake.clone(), ..whole(1, 3) });
    }
    let silent = Case::fails("no answer at all", "timeout.total", 0, 1).socket(once);
    silent.meet(|_| Part::refused(Shake::Never));
}

#[test]
fn subprotocols_are_offered_and_the_choice_is_looked_at() {
    let two = "until.messages = 3\nreconnect.attempts = 0\nprotocols = [\"v2.ticks\", \"v1.ticks\"]";
    let chooses = |protocol| Part { shake: Shake::With(vec![("sec-websocket-protocol", protocol)]), ..whole(1, 3) };
    let server = Sockets::start(move |seen| chooses(if row_of(seen) < 6 { "v1.ticks" } else { "v3.ticks" }));
    let job =
        Job::at(&server.url(), &JOB.replace("ENDPOINT", "headers = { x-team = \"ticks\" }").replace("SOCKET", two));
    job.run(&[]).expect_code(1);
    all_closed(&server);
    let rows = rows(&job);
    assert!((1..6).all(|row| rows[&row].errors.is_empty() && rows[&row].seqs.len() == 3), "{rows:?}");
    assert!(rows[&6].errors[0].contains("v3.ticks"), "{rows:?}");
    for seen in server.seen() {
        assert_eq!(
            (seen.header("sec-websocket-protocol"), seen.header("x-team")),
            (Some("v2.ticks, v1.ticks"), Some("ticks"))
        );
        assert_eq!(seen.header("sec-websocket-extensions"), None, "no extension is offered: none is spoken");
        assert!(seen.header("accept-encoding").is_none(), "a handshake has no body to encode: {seen:?}");
    }
}

#[test]
fn redirects_are_followed_to_the_socket() {
    let case = Case::ends("a redirect", 3, 2);
    case.meet(|seen| match seen.query.is_empty() {
        true => refuses(307, &[("location", &format!("{}?moved=yes", seen.path))]),
        false => whole(1, 3),
    });
}
