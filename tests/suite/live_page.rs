//! The live page: numbers grow while a job runs, whoever has no token sees nothing, and the end of a run waits for nobody.
//!
//! The server of the job answers as many rows as the test says and puts the others off, so that a run stands still
//! wherever it is wanted. What a browser makes of the page is judged elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::metrics::{LONG, ask, place};
use crate::support::job::Running;
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle};

const JOB: &str = r#"
[retry]
attempts = 1000
backoff = "constant"
initial = "50ms"
jitter = "none"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 0, to = 19 }
rules = [{ when = "status == 202", then = "retry" }]

[sinks.out]
path = "out.csv"
"#;

/// Lets as many rows end as the number says.
pub fn gate(rows: u64) -> (Oracle, Arc<AtomicU64>) {
    let allowed = Arc::new(AtomicU64::new(rows));
    let looks = allowed.clone();
    let oracle = Oracle::start(move |request| {
        let row: u64 = request.id().parse().unwrap();
        if row < looks.load(Ordering::SeqCst) { item(request) } else { Answer::status(202) }
    });
    (oracle, allowed)
}

/// A run with its live page: where it listens, and the path of the page.
pub fn watched(oracle: &Oracle, more: &[&str]) -> (Job, Running, SocketAddr, String) {
    watched_job(oracle, "", more)
}

/// The same of a job to which this is added.
pub fn watched_job(oracle: &Oracle, added: &str, more: &[&str]) -> (Job, Running, SocketAddr, String) {
    let job = Job::at(&oracle.url(), &format!("{JOB}{added}"));
    let run = job.spawn(&[&["--serve", "127.0.0.1:0"], more].concat());
    let (address, path) = place(&run, "the run can be watched at");
    (job, run, address, path)
}

/// What a browser has of the page.
struct Viewer {
    stream: BufReader<TcpStream>,
    sections: BTreeMap<String, String>,
    has_ended: bool,
}

impl Viewer {
    /// Listens to the events.
    fn new(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(format!("GET {path}events HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).unwrap();
        Self { stream: BufReader::new(stream), sections: BTreeMap::new(), has_ended: false }
    }

    /// Takes the next event; `false`: there are no more.
    fn hear(&mut self) -> bool {
        let mut line = String::new();
        while self.stream.read_line(&mut line).unwrap() > 0 {
            self.has_ended |= line.trim_end() == "event: end";
            if let Some(data) = line.strip_prefix("data: ") {
                let changed: BTreeMap<String, Value> = serde_json::from_str(data).unwrap();
                let html = |value: &Value| value.as_str().unwrap().to_owned();
                self.sections.extend(changed.iter().map(|(id, value)| (id.clone(), html(value))));
                return true;
            }
            line.clear();
        }
        false
    }

    /// Rows of a kind, as the bar of the summary has them: `</svg>12 ok</li>`.
    fn fact(&self, name: &str) -> u64 {
        let summary = self.sections.get("summary").map(String::as_str).unwrap_or_default();
        let before = summary.split_once(&format!(" {name}</li>")).map(|(before, _)| before);
        let number = |before: &str| before.rsplit_once('>').unwrap().1.replace(',', "").parse().unwrap();
        before.map_or(0, number)
    }

    /// Listens until so many rows are ok; they never become fewer meanwhile.
    fn until_ok(&mut self, rows: u64) {
        while self.fact("ok") < rows {
            let before = self.fact("ok");
            assert!(self.hear(), "the events ended at {before} rows");
            assert!(self.fact("ok") >= before, "{} rows after {before}", self.fact("ok"));
        }
        assert_eq!(self.fact("ok"), rows, "more than the server let go");
    }

    /// Listens until there are no more events.
    fn until_the_end(&mut self) {
        while self.hear() {}
        assert!(self.has_ended, "the connection ended without a word: {:?}", self.sections);
    }
}

#[test]
fn numbers_grow_while_a_job_runs_and_the_page_says_how_it_ended() {
    let (oracle, allowed) = gate(5);
    let (_job, run, address, path) = watched(&oracle, &[]);
    let mut viewer = Viewer::new(address, &path);
    for rows in [5, 12] {
        allowed.store(rows, Ordering::SeqCst);
        viewer.until_ok(rows);
        assert!(
            viewer.sections["summary"].contains("at work") && viewer.sections["errors"].contains("rules[0]"),
            "{:?}",
            viewer.sections
        );
    }
    let page = ask(address, &[&format!("GET {path} HTTP/1.1"), "host: localhost"]);
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(html.contains("at work</span> <bdi>just now</bdi>") && !html.contains("or killed"), "{html}");
    assert!(html.contains(">12 ok<") && html.contains("of 20"), "{html}");
    assert!(html.contains("<!DOCTYPE html>") && html.contains("out.csv"), "{html}");
    allowed.store(20, Ordering::SeqCst);
    viewer.until_the_end();
    assert!(viewer.sections["summary"].contains("complete"), "{:?}", viewer.sections);
    assert_eq!((viewer.fact("ok"), viewer.fact("failed")), (20, 0));
    assert!(viewer.sections["outputs"].contains(">20</td>"), "{:?}", viewer.sections["outputs"]);
    run.wait().expect_code(0);
    assert!(TcpStream::connect(address).is_err(), "something still listens");
}

#[test]
fn a_page_brings_all_that_it_needs_and_may_load_nothing_else() {
    let (oracle, _allowed) = gate(0);
    let (_job, run, address, path) = watched(&oracle, &[]);
    let get = |file: &str| ask(address, &[&format!("GET {path}{file} HTTP/1.1"), "host: [::1]:80"]);
    let page = get("");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in
        [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(page.header(name), Some(value));
    }
    let html = String::from_utf8(page.body.clone()).unwrap();
    for (file, kind) in [("page.js", "text/javascript; charset=utf-8"), ("page.css", "text/css; charset=utf-8")] {
        assert!(html.contains(&format!("\"{file}\"")), "{html}");
        let received = get(file);
        assert_eq!((received.status, received.header("content-type")), (200, Some(kind)));
        let text = String::from_utf8(received.body.clone()).unwrap();
        assert!(!text.is_empty() && !text.contains("://"), "{file} names another host");
    }
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http") && !html.contains("url(http"), "{html}");
    run.kill();
}

#[test]
fn without_the_token_there_is_nothing() {
    let (oracle, _allowed) = gate(0);
    let (_job, run, address, path) = watched(&oracle, &["--output", "json"]);
    let (_other_job, other, _, other_path) = watched(&oracle, &[]);
    other.kill();
    let token = path.trim_matches('/');
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}");
    assert_ne!(path, other_path);
    let get = |path: &str| ask(address, &[&format!("GET {path} HTTP/1.1"), "host: localhost"]);
    let wrong = ["/", "", "/events", "/page.js", &path[..32], &other_path, &format!("{other_path}events"), "/metrics"];
    let nothing = get("/nothing/").body;
    for path in wrong.into_iter().filter(|path| !path.is_empty()) {
        let reply = get(path);
        assert_eq!((reply.status, &reply.body), (404, &nothing), "{path}");
    }
    assert_eq!(get(&format!("{path}other")).status, 404);
    assert_eq!(ask(address, &[&format!("GET {path} HTTP/1.1"), "host: evil.test"]).status, 421);
    let post = [&format!("POST {path} HTTP/1.1"), "host: localhost", "content-length: 0"];
    assert_eq!(ask(address, &post).status, 405);
    assert_eq!(get(&path).status, 200);
    let note: Value = serde_json::from_str(run.stderr().lines().next().unwrap()).unwrap();
    assert_eq!(note["url"], format!("http://{address}{path}"));
    run.kill();
}

#[test]
fn an_interrupted_run_says_so_and_waits_for_no_listener() {
    let (oracle, allowed) = gate(5);
    let (_job, run, address, path) = watched(&oracle, &[]);
    let (mut viewer, deaf) = (Viewer::new(address, &path), Viewer::new(address, &path));
    let silent = TcpStream::connect(address).unwrap();
    viewer.until_ok(5);
    run.signal("INT");
    viewer.until_the_end();
    assert!(viewer.sections["summary"].contains("interrupted"), "{:?}", viewer.sections["summary"]);
    run.wait().expect_code(130);
    drop((deaf, silent, allowed));
}

#[test]
fn a_page_is_for_this_machine_unless_somebody_says_otherwise() {
    let (oracle, _allowed) = gate(20);
    let job = Job::at(&oracle.url(), JOB);
    let said = job.run(&["--serve", "0.0.0.0:8080"]).expect_code(2).stderr;
    assert!(said.contains("127.0.0.1:8080") && said.contains("--serve-anywhere"), "{said}");
    assert_eq!(oracle.count(), 0);
}
