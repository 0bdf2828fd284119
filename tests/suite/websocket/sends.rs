//! What is sent when a socket has opened, and what ends a row that has not counted its messages.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Case, JOB, all_closed, rows, tick, whole};
use crate::support::Job;
use crate::support::oracle::ws::{Act, BINARY, Frame, Part, Sockets};
use crate::support::output::jsonl_file;

/// Runs [`JOB`] with these lines for a server of this script.
fn run(socket: &str, endpoint: &str, script: impl Fn(&super::Seen) -> Part + Send + Sync + 'static) -> (Job, Sockets) {
    let server = Sockets::start(script);
    let job = Job::at(&server.url(), &JOB.replace("ENDPOINT", endpoint).replace("SOCKET", socket));
    let job = job.with("hello.bin", [0, 159, 146, 150]).with("big.bin", vec![7; 16 * 1024 * 1024]);
    job.run(&[]).expect_code(0);
    all_closed(&server);
    (job, server)
}

#[test]
fn frames_are_sent_in_order_and_again_on_each_connection() {
    let socket = r#"
until.messages = 3
reconnect = { initial = "1ms", max = "1ms" }
send = [
    "HELLO {{ row.value }}",
    { text = "{{ last.seq is none }} {{ last.message }}" },
    { json = { subscribe = "{{ row.value }}", id = "{{ row.value | string }}", after = "{{ last.seq }}" } },
    { file = "hello.bin" },
]
"#;
    let (_, server) = run(socket, "", |seen| {
        let first = if seen.turn == 0 { vec![tick(1), tick(2)] } else { vec![tick(3)] };
        Part::of([Act::Hear(4)]).then(first.into_iter().map(Act::Send)).then([Act::Drop])
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 12, "two connections for each row");
    for seen in seen {
        let row = super::row_of(&seen);
        let (told, after) = if seen.turn == 0 { ("true null", Value::Null) } else { ("false 2", json!(2)) };
        let subscription = json!({ "subscribe": row, "id": row.to_string(), "after": after });
        assert_eq!(seen.texts()[..2], [format!("HELLO {row}"), told.to_owned()], "{seen:?}");
        assert_eq!(serde_json::from_str::<Value>(&seen.texts()[2]).ok(), Some(subscription));
        assert_eq!(seen.payloads(BINARY), [vec![0, 159, 146, 150]]);
        assert_eq!(seen.frames.iter().take(4).map(|frame| frame.opcode).collect::<Vec<_>>(), [1, 1, 1, 2]);
    }
}

#[test]
fn a_server_that_does_not_read_holds_nobody_up_for_ever() {
    // Sixteen MiB fit into no buffer on the way.
    let socket = "until.messages = 3\nreconnect.attempts = 0\nsend = [{ file = \"big.bin\" }]";
    let server = Sockets::start(|seen| {
        if super::ODD.contains(&super::row_of(seen)) {
            Part::of([Act::Deaf(Duration::from_secs(4))])
        } else {
            whole(1, 3)
        }
    });
    let job = Job::at(&server.url(), &JOB.replace("ENDPOINT", "").replace("SOCKET", socket));
    let job = job.with("big.bin", vec![7; 16 * 1024 * 1024]);
    job.run(&[]).expect_code(1);
    all_closed(&server);
    let rows = rows(&job);
    for row in 1..=6 {
        let errors = &rows[&row].errors;
        let is_odd = super::ODD.contains(&row);
        assert_eq!(errors.len(), usize::from(is_odd), "row {row}: {errors:?}");
        assert!(errors.iter().all(|error| error.contains("did not take a frame")), "{errors:?}");
    }
}

#[test]
fn silence_ends_a_row_that_says_so() {
    let case = Case::ends("silence", 2, 1).socket("until = { idle = \"150ms\", messages = 3 }").goodbye(1000);
    case.meet(|_| Part::frames([tick(1), tick(2)]));
    // Control frames are no messages: the pings of the server do not keep the row.
    let pings = (0..40).flat_map(|_| [Act::Send(Frame::new(9, "")), Act::Pause(Duration::from_millis(20))]);
    let acts: Vec<Act> = [Act::Send(tick(1))].into_iter().chain(pings).collect();
    let case = Case::ends("pings alone", 1, 1).socket("until = { idle = \"150ms\", messages = 3 }").goodbye(1000);
    case.meet(move |_| Part::of(acts.clone()));
}

#[test]
fn time_ends_a_row_over_all_its_connections() {
    let endless = |_: &super::Seen| Part::of((1..=2).map(|seq| Act::Send(tick(seq))));
    Case::ends("time over an open socket", 2, 1)
        .socket("until = { time = \"200ms\", messages = 3 }")
        .goodbye(1000)
        .meet(endless);
    let gap = "until = { time = \"300ms\", messages = 3 }\nreconnect = { initial = \"60s\", max = \"60s\", jitter = \"none\" }";
    Case::ends("time over while it waits to open it again", 1, 1)
        .socket(gap)
        .meet(|_| Part::frames([tick(1)]).then([Act::Drop]));
}

#[test]
fn a_condition_ends_a_row_with_the_message_that_meets_it() {
    let socket = "until.when = \"json.seq >= 3\"";
    Case::ends("a condition", 3, 1).socket(socket).goodbye(1000).meet(|_| Part::frames((1..=9).map(tick)));
}

#[test]
fn messages_that_a_rule_skips_do_not_count() {
    let endpoint = r#"rules = [{ when = "'heartbeat' in text", then = "skip" }]"#;
    let frames = || [Frame::text("heartbeat 1"), tick(1), Frame::text("heartbeat 2"), tick(2), tick(3), tick(4)];
    Case::ends("chatter between", 3, 1)
        .socket("until.messages = 3")
        .endpoint(endpoint)
        .goodbye(1000)
        .meet(move |_| Part::frames(frames()));
}

#[test]
fn a_message_that_is_no_json_fails_the_row_where_a_column_wants_it() {
    let once = "until.messages = 3\nreconnect.attempts = 0";
    Case::fails("no JSON", "JSON", 1, 1).socket(once).meet(|_| Part::frames([tick(1), Frame::text("no JSON")]));
}

#[test]
fn binary_messages_are_kept_as_base64() {
    let socket = "until.messages = 2";
    let text = JOB.replace("columns = { seq = \"$.seq\" }", "").replace("\"error\"]", "\"error\", \"body\"]");
    let server = Sockets::start(|_| {
        Part::frames([Frame::new(BINARY, [0, 159, 146, 150]), Frame::text("text")]).then([Act::Closed, Act::Drop])
    });
    let job = Job::at(&server.url(), &text.replace("ENDPOINT", "").replace("SOCKET", socket));
    job.run(&[]).expect_code(0);
    all_closed(&server);
    let records = jsonl_file(&job.path("out.jsonl"));
    assert_eq!(records.len(), 12);
    for record in records {
        let body = if record["message"] == 1 { "AJ+Slg==" } else { "text" };
        assert_eq!(record["body"], body, "{record}");
    }
}

#[test]
fn a_message_may_hold_many_records() {
    let text = JOB.replace("ENDPOINT", "rows = \"$.items[*]\"").replace("SOCKET", "until.messages = 2");
    let items = |from: u64| Frame::text(&json!({ "items": [{ "seq": from }, { "seq": from + 1 }] }).to_string());
    let server = Sockets::start(move |_| Part::frames([items(1), items(3)]).then([Act::Closed, Act::Drop]));
    let job = Job::at(&server.url(), &text);
    job.run(&[]).expect_code(0);
    all_closed(&server);
    for (row, told) in rows(&job) {
        assert_eq!(told.seqs, [1, 2, 3, 4].map(Value::from), "row {row}");
    }
}
