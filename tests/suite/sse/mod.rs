//! Server-sent events through the real program: streams that are cut at any byte, lines that end in any way, ids, and servers
//! that end, cut, stall and lie. No connection stays open, and every slot comes back.

/// Interrupted, killed, gone on with.
mod going_on;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::{Piece, SeenRequest};
use crate::support::output::jsonl_file;
use crate::support::{Answer, Job, Oracle, wait};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

const JOB: &str = r#"
[endpoints.s]
input.range = { from = 1, to = TO }
concurrency = 2
meta = ["message", "event", "event_id", "body", "error"]
timeout.read = "1s"
ENDPOINT

[endpoints.s.sse]
url = "ORACLE/row/{{ row.value }}"
SSE

[sinks.out]
path = "out.jsonl"
rows = "all"
"#;

/// A stream that is opened again twice.
const TWICE: &str = "until.messages = 3\nreconnect = { attempts = 2, initial = \"1ms\", max = \"2ms\" }";

/// A stream that is not.
const ONCE: &str = "until.messages = 100\nreconnect.attempts = 0";

/// A chunk of a body.
fn chunk(bytes: &[u8]) -> Piece {
    Piece::Bytes([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// The end of a body.
fn last() -> Piece {
    Piece::text("0\r\n\r\n")
}

/// A stream of these chunks, and then this.
fn stream<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, then: impl IntoIterator<Item = Piece>) -> Answer {
    Answer::raw(HEAD, chunks.into_iter().map(chunk).chain(then))
}

/// Event number `seq`.
fn event(seq: u64) -> String {
    format!("id: {seq}\ndata: {{\"seq\":{seq}}}\n\n")
}

/// What stands in the records of a row: type, id and text of each event, and the errors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    events: Vec<(String, Value, String)>,
    errors: Vec<String>,
}

/// The row that a request is for.
fn row_of(request: &SeenRequest) -> u64 {
    request.id().parse().expect("the path ends with a row")
}

/// Runs rows 1 to `to` and says what came of them.
#[track_caller]
fn run(
    (to, sse, endpoint, code): (u64, &str, &str, i32),
    script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
) -> (Oracle, BTreeMap<u64, Row>) {
    let oracle = Oracle::start(script);
    let text = JOB.replace("TO", &to.to_string()).replace("ENDPOINT", endpoint).replace("SSE", sse);
    let job = Job::at(&oracle.url(), &text);
    job.run(&[]).expect_code(code);
    wait::until("the end of all streams", Duration::from_secs(10), || (oracle.connections().open == 0).then_some(()));
    // For each slot one that is open, and one whose end the server has not noticed.
    assert!(oracle.connections().most <= 4, "two slots: {:?}", oracle.connections());
    assert_eq!(oracle.faults(), Vec::<String>::new());
    let mut rows: BTreeMap<u64, Row> = (1..=to).map(|row| (row, Row::default())).collect();
    for record in jsonl_file(&job.path("out.jsonl")) {
        let row = rows.get_mut(&record["value"].as_u64().expect("a row")).expect("a row of the input");
        match record["error"].as_str() {
            Some(error) => row.errors.push(error.to_owned()),
            None => {
                // A text that is JSON stands there as JSON.
                let text =
                    |column: &str| record[column].as_str().map_or_else(|| record[column].to_string(), str::to_owned);
                row.events.push((text("event"), record["event_id"].clone(), text("body")));
            }
        }
    }
    (oracle, rows)
}

fn message(id: Value, data: &str) -> (String, Value, String) {
    ("message".to_owned(), id, data.to_owned())
}

/// The events of [`event`] from one number to another.
fn events(from: u64, to: u64) -> Vec<(String, Value, String)> {
    (from..=to).map(|seq| message(json!(seq.to_string()), &format!("{{\"seq\":{seq}}}"))).collect()
}

/// All that a stream may be: a BOM, every line end, comments, fields with and without colon, ids, types, times.
const ODD: &[u8] = "\u{feff}: a comment\r\ndata: one\r\ndata:two\r\rid: 7\r\nevent: trade\rdata\n\n\
    : still here\n\nid: bad\0id\ndata:  größe €\nunknown: x\n\nevent: nothing\nid: 9\n\ndata: last\n\nid\ndata: no id\n\nretry: 1\n\n\
    data: never ended\n".as_bytes();

fn odd_events() -> Vec<(String, Value, String)> {
    vec![
        message(Value::Null, "one\ntwo"),
        ("trade".to_owned(), json!("7"), String::new()),
        message(json!("7"), " größe €"),
        message(json!("9"), "last"),
        message(Value::Null, "no id"),
    ]
}

#[test]
fn a_stream_says_the_same_wherever_it_is_cut() {
    // Row n has its one cut behind byte n, the last one has one behind each.
    let to = ODD.len() as u64;
    let (_, rows) = run((to, ONCE, "", 0), move |request| {
        let at = row_of(request) as usize;
        if at == ODD.len() { stream(ODD.chunks(1), [last()]) } else { stream([&ODD[..at], &ODD[at..]], [last()]) }
    });
    for (row, told) in rows {
        assert_eq!((told.events, told.errors), (odd_events(), vec![]), "cut behind byte {row}");
    }
}

#[test]
fn a_stream_goes_on_behind_its_last_id() {
    for (name, ends) in [
        ("an end in order", vec![last()]),
        ("a cut", vec![Piece::Close]),
        ("a reset", vec![Piece::Pause(Duration::from_millis(50)), Piece::Reset]),
        ("half an event, and an end", vec![chunk(b"id: 9\ndata: half\n"), last()]),
        ("a silence", vec![Piece::Silence]),
    ] {
        let (oracle, rows) = run((4, TWICE, "", 0), move |request| match request.header("last-event-id") {
            None => stream([event(1).as_bytes()], ends.clone()),
            Some(_) => stream([event(2).as_bytes(), event(3).as_bytes(), event(4).as_bytes()], [Piece::Silence]),
        });
        assert!(rows.values().all(|told| told.events == events(1, 3) && told.errors.is_empty()), "{name}: {rows:?}");
        let ids: Vec<Option<String>> =
            oracle.requests().iter().map(|request| request.header("last-event-id").map(str::to_owned)).collect();
        assert_eq!(ids.iter().filter(|id| id.as_deref() == Some("1")).count(), 4, "{name}: {ids:?}");
        assert_eq!(ids.len(), 8, "{name}: {ids:?}");
        for request in oracle.requests() {
            assert_eq!(
                (request.header("accept"), request.header("accept-encoding")),
                (Some("text/event-stream"), None)
            );
        }
    }
}

#[test]
fn streams_that_never_say_enough_fail_the_row() {
    let odd = |answer: Answer| {
        move |request: &SeenRequest| match row_of(request) {
            3 | 4 => answer.clone(),
            _ => stream([event(1).as_bytes(), event(2).as_bytes(), event(3).as_bytes()], [Piece::Silence]),
        }
    };
    let large = format!("data: {}\n\n", "a".repeat(70_000));
    let small = "until.messages = 3\nreconnect.attempts = 0\nmax-message = \"64KiB\"";
    for (name, sse, answer, words, requests) in [
        ("nothing but ends", TWICE, stream([], [last()]), "ended the stream", 10),
        ("a silence each time", TWICE, stream([], [Piece::Silence]), "timeout.read", 10),
        ("no event stream", TWICE, Answer::json(&json!({ "seq": 1 })), "text/event-stream", 6),
        ("a refusal", TWICE, Answer::status(404), "404", 6),
        ("a refusal that says later", TWICE, Answer::status(503), "503", 10),
        ("an event that is too large", small, stream([large.as_bytes()], [last()]), "max-message", 6),
        (
            "an event without end",
            small,
            Answer::raw(HEAD, [Piece::endless(&format!("{:x}\r\ndata: {}\n\r\n", 1007, "a".repeat(1000)))]),
            "max-message",
            6,
        ),
    ] {
        let (oracle, rows) = run((6, sse, "", 1), odd(answer));
        for (row, told) in &rows {
            let is_odd = [3, 4].contains(row);
            assert_eq!(told.events.len(), if is_odd { 0 } else { 3 }, "{name}, row {row}: {told:?}");
            assert_eq!(told.errors.len(), usize::from(is_odd), "{name}, row {row}: {told:?}");
            assert!(told.errors.iter().all(|error| error.contains(words)), "{name}: {told:?}");
        }
        assert_eq!(oracle.count(), requests, "{name}");
    }
}

#[test]
fn no_content_ends_the_row_well() {
    let (oracle, rows) = run((4, TWICE, "", 0), |request| match request.header("last-event-id") {
        None => stream([event(1).as_bytes()], [last()]),
        Some(_) => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n", [Piece::Close]),
    });
    assert!(rows.values().all(|told| told.events == events(1, 1) && told.errors.is_empty()), "{rows:?}");
    assert_eq!(oracle.count(), 8);
}

#[test]
fn only_the_types_that_are_asked_for_are_taken() {
    let text = "event: quote\ndata: 1\n\nevent: trade\ndata: 2\n\ndata: 3\n\nevent: status\ndata: 4\n\nevent: trade\ndata: 5\n\n";
    let sse = "until.messages = 2\nreconnect.attempts = 0\nevents = \"trade\"";
    let (_, rows) = run((3, sse, "", 0), move |_| stream([text.as_bytes()], [Piece::Silence]));
    let expected = ["2", "5"].map(|data| ("trade".to_owned(), Value::Null, data.to_owned()));
    assert!(rows.values().all(|told| told.events == expected && told.errors.is_empty()), "{rows:?}");
}

#[test]
fn comments_keep_a_stream_and_are_no_events() {
    let chatter = || (0..60).flat_map(|_| [chunk(b": still here\n\n"), Piece::Pause(Duration::from_millis(20))]);
    let pieces: Vec<Piece> = [chunk(event(1).as_bytes())].into_iter().chain(chatter()).collect();
    let idle = "until = { idle = \"300ms\", messages = 3 }\nreconnect.attempts = 0";
    let silence = pieces.clone();
    let (_, rows) = run((2, idle, "", 0), move |_| Answer::raw(HEAD, silence.clone()));
    assert!(rows.values().all(|told| told.events == events(1, 1) && told.errors.is_empty()), "{rows:?}");
    // Comments are no silence: longer than `timeout.read` nothing else comes, and the stream is not opened again.
    let then: Vec<Piece> =
        pieces.into_iter().chain([chunk(event(2).as_bytes()), chunk(event(3).as_bytes()), Piece::Silence]).collect();
    let (oracle, rows) = run((2, TWICE, "", 0), move |_| Answer::raw(HEAD, then.clone()));
    assert!(rows.values().all(|told| told.events == events(1, 3) && told.errors.is_empty()), "{rows:?}");
    assert_eq!(oracle.count(), 2);
}

#[test]
fn conditions_and_time_end_a_row() {
    let all: Vec<String> = (1..=9).map(event).collect();
    let text = all.concat();
    let endless = text.clone();
    let (_, rows) =
        run((3, "until.when = \"json.seq >= 4\"", "", 0), move |_| stream([endless.as_bytes()], [Piece::Silence]));
    assert!(rows.values().all(|told| told.events == events(1, 4)), "{rows:?}");
    let (_, rows) = run((3, "until.time = \"300ms\"", "", 0), move |_| stream([text.as_bytes()], [Piece::Silence]));
    assert!(rows.values().all(|told| told.events == events(1, 9)), "{rows:?}");
}
