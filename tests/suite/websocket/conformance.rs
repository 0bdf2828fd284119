//! The cases of Autobahn's test suite, from a server that nobody here wrote (`support/conformance.py`, over `websockets`): what
//! must be taken stands in the records, and the server judges what it was answered.
//!
//! Autobahn's own fuzzing server (`autobahntestsuite` 25.10.1 of PyPI) installs under Python 2.7 alone, which few systems have any
//! more, and judges an echo, which a client that collects does not send. Against an echo over `websocket::Socket` it was run
//! once: of its 301 cases without compression 298 are "OK" and 3 "informational" (7.1.6, 7.13.1, 7.13.2), no other.
//! Without `websockets` the test says that it was skipped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::output::{jsonl, jsonl_file};
use crate::support::peers::{Peer, pinned_python};
use crate::support::{Job, wait};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/conformance.py");

const JOB: &str = r#"
[endpoints.case]
input = "cases.jsonl"
concurrency = 4
keep = ["id"]
meta = ["message", "body", "error"]

[endpoints.case.websocket]
url = "ws://ADDRESS/{{ row.id }}"
until.messages = 10_000
reconnect.attempts = 0
max-message = "8MiB"

[run]
fail-if = ["ok < 100"]

[sinks.out]
path = "out.jsonl"
rows = "all"
"#;

/// The cases, by their number.
fn cases(python: &Path) -> (String, BTreeMap<String, Value>) {
    let done = Command::new(python).args([SCRIPT, "list"]).output().expect("Python runs");
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    let by_id = jsonl(&text).into_iter().map(|case| (case["id"].as_str().expect("an id").to_owned(), case));
    // A good one behind each: nothing but failures in a row would be an outage.
    let rows = text.lines().map(|line| format!("{line}\n{{\"id\":\"fine\"}}\n")).collect();
    (rows, by_id.filter(|(id, _)| id != "fine").collect())
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a body is what has this digest; that of a binary message is base64.
fn is(body: &Value, wanted: &str) -> bool {
    let text = body.as_str().unwrap_or_default();
    hex(text.as_bytes()) == wanted || STANDARD.decode(text).is_ok_and(|bytes| hex(&bytes) == wanted)
}

/// What is wrong with what came of a case.
fn judge(case: &Value, records: &[Value], seen: Option<&Value>) -> Result<(), String> {
    let Some(seen) = seen else { return Err("its connection has not ended".to_owned()) };
    let (errors, messages): (Vec<_>, Vec<_>) = records.iter().partition(|record| record["error"].is_string());
    let taken = case["taken"].as_array().expect("a list");
    let same = |(record, wanted): (&&Value, &Value)| is(&record["body"], wanted.as_str().unwrap_or_default());
    if messages.len() != taken.len() || !messages.iter().zip(taken).all(same) {
        return Err(format!("{} messages were taken, {} were right: {errors:?}", messages.len(), taken.len()));
    }
    if errors.is_empty() == (case["fails"] == true) {
        return Err(format!("it must end {}: {errors:?}", if errors.is_empty() { "badly" } else { "well" }));
    }
    if !case["codes"].as_array().expect("a list").contains(&seen["code"]) {
        return Err(format!("the client closed with {}, right is {}", seen["code"], case["codes"]));
    }
    // Where several pings wait, the last one may be answered alone (RFC 6455, section 5.5.3).
    let (pongs, asked) = (seen["pongs"].as_array().expect("a list"), case["pongs"].as_array().expect("a list"));
    if pongs.last() != asked.last() || pongs.iter().any(|pong| !asked.contains(pong)) {
        return Err(format!("pongs {pongs:?} to pings {asked:?}"));
    }
    if seen["faults"] != Value::Array(Vec::new()) { Err(seen["faults"].to_string()) } else { Ok(()) }
}

#[test]
fn every_case_is_taken_answered_and_closed_as_the_standard_says() {
    let Some(python) = pinned_python("websockets") else { return };
    let (text, cases) = cases(&python);
    assert!(cases.len() > 250, "{} cases", cases.len());
    let peer = Peer::start(|_, port| {
        let mut command = Command::new(&python);
        command.args([SCRIPT, &port.to_string()]);
        command
    });
    let job = Job::new(&JOB.replace("ADDRESS", &peer.address().to_string())).with("cases.jsonl", text);
    job.run(&[]).expect_code(0);
    let all_seen =
        || (peer.read("seen").lines().filter(|line| !line.contains("\"fine\"")).count() >= cases.len()).then_some(());
    let _ = wait::within(Duration::from_secs(10), all_seen);
    let seen: BTreeMap<String, Value> = jsonl(&peer.read("seen"))
        .into_iter()
        .map(|seen| (seen["id"].as_str().expect("an id").to_owned(), seen))
        .collect();
    let mut records = BTreeMap::<String, Vec<Value>>::new();
    for record in jsonl_file(&job.path("out.jsonl")) {
        records.entry(record["id"].as_str().expect("an id").to_owned()).or_default().push(record);
    }
    let none = Vec::new();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(id, case)| {
            let judged = judge(case, records.get(id).unwrap_or(&none), seen.get(id));
            judged.err().map(|why| format!("{id}: {}", why.chars().take(300).collect::<String>()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
