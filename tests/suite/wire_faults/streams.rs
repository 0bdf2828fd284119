//! Bytes that do not come, come too slowly, break off, or never end.

use std::time::Duration;

use super::{Fault, JOB, meet, run};
use crate::support::oracle::Piece;
use crate::support::oracle::script::{first, item};
use crate::support::{Answer, Job, Oracle};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

fn whole() -> Answer {
    Answer::text(200, "{\"id\":3,\"name\":\"a name\"}")
}

#[test]
fn resets_and_closes_before_the_reply() {
    meet(Fault::new(2, "a reset before the reply", "Reset", Answer::Reset, "broke"));
    meet(Fault::new(2, "a close before the reply", "Reset", Answer::Close, "without a reply"));
}

#[test]
fn what_may_have_been_done_is_done_again_only_where_that_is_harmless() {
    // Later: `retry.unknown`, under which the row of the POST ends as unknown and is held.
    for (method, rows) in [("GET", 9), ("PUT", 9), ("DELETE", 9), ("POST", 8), ("PATCH", 8)] {
        for fault in [Answer::Reset, Answer::Close] {
            let ran = run(first(1, move |_| fault.clone(), item), "", &format!("method = \"{method}\""));
            let fine = ran.records.iter().filter(|record| record["error"].is_empty()).count();
            assert_eq!((fine, ran.oracle.count()), (rows, rows + 1), "{method}: {}", ran.done.stderr);
        }
    }
}

#[test]
fn a_body_that_breaks_off_leaves_no_part_of_itself() {
    let cut = |number, name, answer, words| meet(Fault::new(number, name, "Truncated", answer, words).status("200"));
    cut(3, "a reset within the body", whole().reset_after(9), "cut short after");
    cut(4, "a body shorter than its length", whole().cut_after(9), "cut short after 9 bytes");
    let chunked = whole().chunked(4).cut_after(8);
    cut(4, "a chunked body that ends early", chunked, "cut short after 8 bytes");
    let none = Answer::raw(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\n{{\"i\r\nxyz\r\n"), [Piece::Close]);
    meet(Fault::new(4, "a chunk size that is none", "Protocol", none, "malformed").status("200"));
    // What came of the first attempt is gone when the second is whole.
    let ran = run(first(1, |_| whole().cut_after(9), item), "", "columns.name = \"$.name\"");
    assert_eq!((ran.done.code, ran.records.len()), (Some(0), 9), "{}", ran.done.stderr);
    let record = &ran.records[0];
    assert_eq!((record["attempts"].as_str(), record["name"].as_str()), ("2", "item 1"), "{record:?}");
}

#[test]
fn a_connection_that_dies_while_nobody_uses_it_costs_no_row() {
    // #5: the pause is where the server's end of the connection arrives.
    for method in ["GET", "POST"] {
        let more = format!("method = \"{method}\"\nbatch = {{ size = 3, pause = \"400ms\" }}");
        let script = |request: &crate::support::oracle::SeenRequest| match request.id() {
            "3" | "6" => item(request).then_close(),
            _ => item(request),
        };
        let ran = run(script, "", &more);
        assert_eq!((ran.done.code, ran.oracle.count()), (Some(0), 9), "{method}: {}", ran.done.stderr);
        assert!(ran.records.iter().all(|record| record["attempts"] == "1"), "{method}: {:?}", ran.records);
        assert_eq!(ran.oracle.connections().accepted, 3, "{method}");
    }
}

#[test]
fn a_head_that_drips_meets_the_total_timeout() {
    let every = Duration::from_millis(20);
    let head = Answer::Raw(vec![Piece::drip(every, &format!("{HEAD}x-long: {}", "y".repeat(400)))]);
    meet(Fault::new(6, "a head that drips", "TotalTimeout", head, "timeout.total").once().endpoint(ONCE));
}

#[test]
fn a_body_that_drips_meets_the_total_timeout() {
    let every = Duration::from_millis(20);
    let body = Answer::raw(&format!("{HEAD}content-length: 4000\r\n\r\n"), [Piece::drip(every, "{\"id\":1")]);
    let fault = Fault::new(6, "a body that drips", "TotalTimeout", body, "timeout.total").status("200");
    meet(fault.once().endpoint(ONCE));
}

/// Timeouts are slow: one attempt shows them.
const ONCE: &str = "retry.attempts = 1";

#[test]
fn silence_in_place_of_a_reply_meets_the_read_timeout() {
    let none = Answer::Raw(vec![Piece::Silence]);
    meet(Fault::new(6, "silence in place of a reply", "ReadTimeout", none, "timeout.read").once().endpoint(ONCE));
}

#[test]
fn silence_within_a_body_meets_the_read_timeout() {
    let body = Answer::raw(&format!("{HEAD}content-length: 40\r\n\r\n{{\"id"), [Piece::Silence]);
    let fault = Fault::new(6, "silence within the body", "ReadTimeout", body, "timeout.read").status("200");
    meet(fault.once().endpoint(ONCE));
}

#[test]
fn a_slow_row_holds_up_no_other() {
    let oracle = Oracle::start(|request| match request.id() {
        "1" => Answer::Raw(vec![Piece::drip(Duration::from_millis(20), HEAD)]),
        _ => item(request),
    });
    let text = JOB.replace("CLIENT", "").replace("ENDPOINT", ONCE);
    let job = Job::at(
        &oracle.url(),
        &text.replace("concurrency = 1", "concurrency = 2").replace("connections.total = 1", ""),
    );
    job.run(&[]).expect_code(1);
    let records = crate::support::output::csv(&job.path("out.csv"));
    // In the order in which they ended: the slow one is the last.
    assert_eq!(records.last().map(|record| record["value"].as_str()), Some("1"), "{records:?}");
}

#[test]
fn heads_without_end_are_cut() {
    let headers = Answer::raw(HEAD, [Piece::endless("x-more: and more\r\n")]);
    meet(Fault::new(7, "headers without end", "Protocol", headers, "more than 100 headers"));
    let header = Answer::raw(&format!("{HEAD}x-long: "), [Piece::endless("y")]);
    meet(Fault::new(7, "one header without end", "Protocol", header, "the head of the reply"));
}

#[test]
fn interim_replies_without_end_are_cut() {
    let interim = Answer::Raw(vec![Piece::endless("HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n")]);
    meet(Fault::new(7, "interim replies without end", "Protocol", interim, "and no reply yet"));
}

#[test]
fn bodies_that_are_too_large_are_cut() {
    let small = "max-body = \"4MiB\"";
    let announced = Answer::raw(&format!("{HEAD}content-length: 1073741824\r\n\r\n"), [Piece::endless("x")]);
    let fault = Fault::new(13, "a length that is too large", "TooLarge", announced, "client.max-body");
    meet(fault.status("200").once().client(small));
    let gigabyte = [Piece::Times(16 * 1024, [b"10000\r\n".to_vec(), vec![b'x'; 65536], b"\r\n".to_vec()].concat())];
    let endless = Answer::raw(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), gigabyte);
    let fault =
        Fault::new(13, "a body without end", "TooLarge", endless, "larger than 4194304 bytes (client.max-body)");
    meet(fault.status("200").once().client(small));
    let extensions = Answer::raw(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n1;"), [Piece::endless("x")]);
    meet(Fault::new(13, "chunk extensions without end", "Protocol", extensions, "malformed").status("200"));
}
