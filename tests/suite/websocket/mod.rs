//! Sockets that are opened, cut, lied to and left alone, through the real program: each ending has its words in the `error`
//! column, gives its slot back, leaves the rows around it alone, and no connection stays open behind it.

/// The cases of Autobahn's test suite, for a client that collects.
mod conformance;
/// How sockets end, and what that means for a row.
mod ends;
/// Frames as they should not be.
mod frames;
/// Interrupted, killed, gone on with.
mod going_on;
/// A server that nobody here wrote.
mod peer;
/// What is sent, and when a row has enough.
mod sends;
/// Handshakes that open nothing.
mod shakes;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::ws::{Act, Frame, Part, Seen, Sockets, close};
use crate::support::output::jsonl_file;
use crate::support::{Done, Job, wait};

/// Six rows over two slots: a socket that kept its slot would stop the rows behind it.
const JOB: &str = r#"
[endpoints.s]
input.range = { from = 1, to = 6 }
concurrency = 2
meta = ["message", "attempts", "error"]
columns = { seq = "$.seq" }
timeout.total = "2s"
ENDPOINT

[endpoints.s.websocket]
url = "ORACLE/row/{{ row.value }}"
SOCKET

[sinks.out]
path = "out.jsonl"
rows = "all"
"#;

/// The rows that meet what a case is about: one for each slot, in the middle of good ones.
const ODD: [u64; 2] = [3, 4];

/// What came of a row.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    /// Numbers of its messages, as they stand in the records.
    seqs: Vec<Value>,
    /// Why it failed; empty: it did not.
    errors: Vec<String>,
}

/// Message number `seq`.
fn tick(seq: u64) -> Frame {
    Frame::text(&json!({ "seq": seq }).to_string())
}

/// Messages, and an end in order by the server.
fn whole(from: u64, to: u64) -> Part {
    Part::frames((from..=to).map(tick).chain([close(Some(1000), "")])).then([Act::Closed, Act::Drop])
}

/// What a row's records say.
fn rows(job: &Job) -> BTreeMap<u64, Row> {
    let mut rows = BTreeMap::<u64, Row>::new();
    for record in jsonl_file(&job.path("out.jsonl")) {
        let row = rows.entry(record["value"].as_u64().expect("a row")).or_default();
        match record["error"].as_str() {
            Some(error) => row.errors.push(error.to_owned()),
            None => row.seqs.push(record["seq"].clone()),
        }
    }
    rows
}

/// Nothing is open any more, and no client broke a rule.
fn all_closed(server: &Sockets) {
    wait::until("the end of all sockets", Duration::from_secs(10), || (server.connections().open == 0).then_some(()));
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// The row that a connection is for.
fn row_of(seen: &Seen) -> u64 {
    seen.path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("the path ends with a row")
}

/// What a case is about, and what must come of it.
struct Case {
    name: &'static str,
    /// Lines of the endpoint.
    endpoint: &'static str,
    /// Lines of `[endpoints.s.websocket]`.
    socket: &'static str,
    /// Messages of an odd row.
    messages: u64,
    /// Words of its error; empty: it ends well.
    words: &'static str,
    /// Connections for each odd row.
    connections: usize,
    /// What the client's last close frame of an odd row says; `None`: nothing is asked of it.
    goodbye: Option<u16>,
}

/// A socket that wants three messages, and is opened again twice.
const THREE: &str = "until.messages = 3\nreconnect = { attempts = 2, initial = \"1ms\", max = \"2ms\" }";

impl Case {
    /// An odd row fails with these words, after so many messages over so many connections.
    fn fails(name: &'static str, words: &'static str, messages: u64, connections: usize) -> Self {
        Self { name, endpoint: "", socket: THREE, messages, words, connections, goodbye: None }
    }

    /// An odd row ends well, with so many messages over so many connections.
    fn ends(name: &'static str, messages: u64, connections: usize) -> Self {
        Self::fails(name, "", messages, connections)
    }

    fn endpoint(self, endpoint: &'static str) -> Self {
        Self { endpoint, ..self }
    }

    fn socket(self, socket: &'static str) -> Self {
        Self { socket, ..self }
    }

    fn goodbye(self, code: u16) -> Self {
        Self { goodbye: Some(code), ..self }
    }

    /// Runs it; `odd` says what happens to a connection of an odd row.
    #[track_caller]
    fn meet(self, odd: impl Fn(&Seen) -> Part + Send + Sync + 'static) -> (Job, Sockets, Done) {
        let server = Sockets::start(move |seen| if ODD.contains(&row_of(seen)) { odd(seen) } else { whole(1, 3) });
        let text = JOB.replace("ENDPOINT", self.endpoint).replace("SOCKET", self.socket);
        let job = Job::at(&server.url(), &text);
        let done = job.run(&[]).expect_code(i32::from(!self.words.is_empty()));
        self.judge(&job, &server);
        (job, server, done)
    }

    #[track_caller]
    fn judge(&self, job: &Job, server: &Sockets) {
        let name = self.name;
        all_closed(server);
        // For each slot one that is open, and one whose end the server has not noticed.
        assert!(server.connections().most <= 4, "{name}: two slots, {:?}", server.connections());
        let mut rows = rows(job);
        for row in 1..=6 {
            // A row without messages has no records, unless it failed.
            let told = rows.remove(&row).unwrap_or_default();
            let is_odd = ODD.contains(&row);
            let messages = if is_odd { self.messages } else { 3 };
            let numbers: Vec<Value> = (1..=messages).map(Value::from).collect();
            assert_eq!(told.seqs, numbers, "{name}, row {row}: {told:?}");
            let fails = is_odd && !self.words.is_empty();
            assert_eq!(told.errors.len(), usize::from(fails), "{name}, row {row}: {told:?}");
            assert!(told.errors.iter().all(|error| error.contains(self.words)), "{name}, row {row}: {told:?}");
        }
        assert!(rows.is_empty(), "{name}: {rows:?}");
        for row in ODD {
            let seen: Vec<Seen> = server.seen().into_iter().filter(|seen| row_of(seen) == row).collect();
            assert_eq!(seen.len(), self.connections, "{name}, row {row}");
            if let Some(code) = self.goodbye {
                let last = seen.last().expect("a connection");
                assert_eq!(last.closed(), Some(Some(code)), "{name}, row {row}: {last:?}");
            }
        }
    }
}

#[test]
fn a_row_is_a_socket_and_a_message_is_a_record() {
    let server = Sockets::start(|_| {
        Part::frames((1..=4).map(tick)).then([Act::Closed, Act::Send(close(Some(1000), "")), Act::Drop])
    });
    let job = Job::at(&server.url(), &JOB.replace("ENDPOINT", "").replace("SOCKET", THREE));
    let done = job.run(&[]).expect_code(0);
    all_closed(&server);
    assert!(done.stderr.contains("6 ok · 0 failed"), "{}", done.stderr);
    let records = jsonl_file(&job.path("out.jsonl"));
    assert_eq!(records.len(), 18, "three messages of six rows; the fourth is one too many");
    for record in &records {
        assert_eq!((&record["message"], &record["error"]), (&record["seq"], &Value::Null), "{record}");
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|seen| seen.closed() == Some(Some(1000))), "{seen:?}");
}
