//! A server that nobody here wrote: `websockets` for Python, with a thousand symbols over TLS, which is killed and started again
//! while two hundred sockets are open. What it sent stands in its log.
//!
//! Without `websockets` the tests say that they were skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::output::jsonl_file;
use crate::support::peers::{Peer, pinned_python};
use crate::support::tls::Authority;
use crate::support::{Job, wait};

const SYMBOLS: u64 = 1_000;
const MESSAGES: u64 = 30;

const JOB: &str = r#"
[client]
resolve = { localhost = "127.0.0.1:PORT" }
connections = { total = 200, per-host = 200 }
tls.ca = "ca.pem"

[endpoints.ticks]
input.range = { from = 1, to = 1000 }
concurrency = 200
meta = ["message", "error"]
columns = { symbol = "$.symbol", seq = "$.seq", price = "$.price" }

[endpoints.ticks.websocket]
url = "wss://localhost:PORT/ticks"
send = [{ json = { subscribe = "S{{ row.value }}", after = "{{ last.seq }}" } }]
until.messages = 30
reconnect = { attempts = 50, initial = "50ms", max = "500ms" }

[sinks.out]
path = "out.jsonl"
"#;

fn server(python: &Path, authority: &Authority) -> Peer {
    let certified = authority.certify("localhost");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/symbols.py");
    Peer::start(|folder, port| {
        for (name, text) in [("server.pem", certified.pem().to_owned()), ("server.key", certified.key_pem())] {
            std::fs::write(folder.join(name), text).expect("a file");
        }
        let mut command = Command::new(python);
        command.args([
            script,
            &port.to_string(),
            "server.pem",
            "server.key",
            "log",
            &MESSAGES.to_string(),
            "0.02",
            "200",
        ]);
        command
    })
}

fn job(peer: &Peer, authority: &Authority) -> Job {
    Job::new(&JOB.replace("PORT", &peer.address().port().to_string())).with("ca.pem", authority.pem())
}

/// Symbols and numbers of a kind of line in the log.
fn logged(peer: &Peer, kind: &str) -> BTreeSet<(String, u64)> {
    let log = peer.read("log");
    let lines = log.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_kind = lines.filter(|words| words[0] == kind && words.len() == 4);
    of_kind.map(|words| (words[2].to_owned(), words[3].parse().expect("a number"))).collect()
}

/// Every message of every symbol stands once, and so does each that the server has sent.
fn all_once(peer: &Peer, job: &Job) {
    let mut counts = BTreeMap::<(String, u64), u32>::new();
    for record in jsonl_file(&job.path("out.jsonl")) {
        assert!(record["error"].is_null(), "{record}");
        let (symbol, seq) = (record["symbol"].as_str().expect("a symbol"), record["seq"].as_u64().expect("a number"));
        assert_eq!(symbol, format!("S{}", record["value"]), "{record}");
        assert_eq!(record["price"].as_f64(), Some(seq as f64 * 1.25), "{record}");
        *counts.entry((symbol.to_owned(), seq)).or_default() += 1;
    }
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    let lost: Vec<_> = logged(peer, "sent").into_iter().filter(|sent| !counts.contains_key(sent)).collect();
    assert!(doubled.is_empty() && lost.is_empty(), "doubled {doubled:?}, lost {lost:?}");
    assert_eq!(counts.len() as u64, SYMBOLS * MESSAGES);
    assert!(peer.read("log").contains("together 200\n"), "two hundred sockets were open at once");
    let known = logged(peer, "known");
    assert!(!known.is_empty() && known.iter().all(|known| counts.contains_key(known)));
}

/// Waits until the server has sent so much.
fn sent(peer: &Peer, lines: usize) {
    let enough = || (peer.read("log").lines().filter(|line| line.starts_with("sent ")).count() >= lines).then_some(());
    wait::until("messages", Duration::from_secs(120), enough);
}

#[test]
fn a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing() {
    let Some(python) = pinned_python("websockets") else { return };
    let authority = Authority::new();
    let mut peer = server(&python, &authority);
    let job = job(&peer, &authority);
    let run = job.spawn(&[]);
    sent(&peer, 4_000);
    peer.end("KILL");
    peer.start_again();
    sent(&peer, 18_000);
    peer.end("TERM");
    peer.start_again();
    let done = run.wait().expect_code(0);
    assert!(done.stderr.contains("1,000 ok · 0 failed"), "{}", done.stderr);
    all_once(&peer, &job);
    let log = peer.read("log");
    let again = log.lines().filter(|line| line.starts_with("open ") && !line.ends_with(" 0")).count();
    assert!(again > 0, "some subscription went on within its symbol");
}

#[test]
fn a_run_that_is_killed_goes_on_behind_what_it_wrote() {
    let Some(python) = pinned_python("websockets") else { return };
    let authority = Authority::new();
    let peer = server(&python, &authority);
    let job = job(&peer, &authority);
    let run = job.spawn(&["-q"]);
    sent(&peer, 5_000);
    run.kill();
    let run = job.spawn(&[]);
    sent(&peer, 15_000);
    run.signal("INT");
    run.wait().expect_code(130);
    let closed = || logged(&peer, "closed").iter().any(|(_, code)| *code == 1001).then_some(());
    wait::until("a goodbye", Duration::from_secs(10), closed);
    job.run(&[]).expect_code(0);
    all_once(&peer, &job);
}
