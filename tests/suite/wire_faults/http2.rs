//! HTTP/2, frame by frame: what a server may do to streams and connections.

use super::{Fault, MOST, measured, told};
use crate::support::oracle::Piece;
use crate::support::oracle::h2::{Asked, CANCEL, Frames, NO_ERROR, REFUSED_STREAM, data, goaway, head, reply, reset};
use crate::support::output::{Line, csv};
use crate::support::{Answer, Done, Job};

const JOB: &str = r#"
[retry]
attempts = 2
initial = "1ms"

[client]
http = "2"

[timeout]
read = "2s"
total = "2s"

[endpoints.item]
method = "METHOD"
url = "SERVER/items/{{ row.value }}"
concurrency = 1
input.range = { from = 1, to = 5 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// Five rows, one after the other; the end, the records, the server.
fn run(method: &str, script: impl Fn(Asked) -> Vec<Piece> + Send + Sync + 'static) -> (Done, Vec<Line>, Frames) {
    let server = Frames::start(script);
    let job = Job::new(&JOB.replace("SERVER", &server.url()).replace("METHOD", method));
    let (done, most) = measured(&job);
    assert!(most < MOST, "{most} KiB were resident");
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    let records = csv(&job.path("out.csv"));
    assert_eq!(records.len(), 5, "{}", done.stderr);
    (done, records, server)
}

fn fine(asked: Asked) -> Vec<Piece> {
    reply(asked.stream, "{\"id\":1}")
}

#[test]
fn a_connection_that_says_goodbye_before_the_request_costs_no_row() {
    told(&Fault::new(11, "GOAWAY before the request", "none", Answer::Reset, ""));
    for method in ["GET", "POST"] {
        let (done, records, server) = run(method, |asked| match asked.number {
            1 => vec![Piece::Bytes(goaway(asked.stream - 2, NO_ERROR)), Piece::Close],
            _ => fine(asked),
        });
        assert_eq!((done.code, server.asked().len()), (Some(0), 6), "{method}: {}", done.stderr);
        assert!(records.iter().all(|record| record["got"] == "1"), "{method}: {records:?}");
        assert_eq!(server.asked()[2].connection, 1, "{method}: on another connection");
    }
}

#[test]
fn a_stream_that_was_refused_is_sent_again_whatever_the_method() {
    told(&Fault::new(11, "REFUSED_STREAM", "none", Answer::Reset, ""));
    for method in ["GET", "POST"] {
        let (done, records, server) = run(method, |asked| match asked.number {
            1 => vec![Piece::Bytes(reset(asked.stream, REFUSED_STREAM))],
            _ => fine(asked),
        });
        assert_eq!((done.code, server.asked().len()), (Some(0), 6), "{method}: {}", done.stderr);
        assert!(records.iter().all(|record| record["got"] == "1"), "{method}: {records:?}");
    }
}

#[test]
fn a_storm_of_resets_fails_its_rows_after_their_attempts() {
    // Later: it counts to the retry budget.
    told(&Fault::new(11, "streams that are all reset", "Reset", Answer::Reset, ""));
    for (method, requests) in [("GET", 10), ("POST", 5)] {
        let (done, records, server) = run(method, |asked| vec![Piece::Bytes(reset(asked.stream, CANCEL))]);
        assert_eq!((done.code, server.asked().len()), (Some(1), requests), "{method}: {}", done.stderr);
        assert!(records.iter().all(|record| !record["error"].is_empty()), "{method}: {records:?}");
    }
}

#[test]
fn empty_data_without_end_is_cut() {
    told(&Fault::new(11, "empty DATA without end", "Protocol", Answer::Reset, ""));
    let (done, records, server) = run("GET", |asked| match asked.number {
        0 => {
            let flood = Piece::Endless(data(asked.stream, b"", false).repeat(8 * 1024));
            vec![Piece::Bytes(head(asked.stream)), flood]
        }
        _ => fine(asked),
    });
    assert_eq!((done.code, server.asked().len()), (Some(0), 6), "{}", done.stderr);
    let again = records.iter().filter(|record| record["attempts"] == "2").count();
    assert!(again == 1 && records.iter().all(|record| record["got"] == "1"), "{records:?}");
}
