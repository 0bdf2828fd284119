//! A server at a Unix-domain socket, reached by a whole run.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::Job;
use crate::support::output::csv;

/// Requests as lines: the first line and the `Host` header of each.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Answers every request at the socket with a JSON object; ends with the process.
fn serve(path: &Path) -> Seen {
    let listener = UnixListener::bind(path).expect("a socket");
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || answer(&stream, &log));
        }
    });
    seen
}

fn answer(stream: &UnixStream, log: &Seen) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let host = headers.iter().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        let id = first.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let body = format!("{{\"id\": \"{id}\"}}");
        log.lock().expect("a log").push((first.clone(), host));
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if (&*stream).write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

const JOB: &str = r#"
[vars]
socket = "SOCKET"

[endpoints.item]
url = "unix:{{ vars.socket }}:/items/{{ row.value }}"
input.values = [{ value = "a" }, { value = "b c" }, { value = "d/e" }]
columns.got = "$.id"
meta = ["url"]
order = "input"

[retry]
attempts = 1

[sinks.out]
path = "out.csv"
"#;

#[test]
fn rows_go_to_a_socket_and_people_see_its_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("api.sock");
    let shown = format!("unix:{}", socket.display());
    let job = Job::new(&JOB.replace("SOCKET", &socket.display().to_string()));

    let failed = job.run(&[]).expect_code(1);
    assert!(failed.stderr.contains(&format!("`{shown}` failed: there is no such socket")), "{}", failed.stderr);

    let seen = serve(&socket);
    job.run(&["--failed"]).expect_code(0);
    let records = csv(&job.path("out.csv"));
    let found: Vec<(&str, &str)> = records.iter().map(|row| (row["url"].as_str(), row["got"].as_str())).collect();
    let urls: Vec<String> = ["a", "b%20c", "d%2Fe"].iter().map(|item| format!("{shown}:/items/{item}")).collect();
    assert_eq!(found, [(urls[0].as_str(), "a"), (urls[1].as_str(), "b%20c"), (urls[2].as_str(), "d%2Fe")]);
    let mut requests = seen.lock().expect("a log").clone();
    requests.sort();
    let host = || "localhost".to_owned();
    let expected = ["a", "b%20c", "d%2Fe"].map(|item| (format!("GET /items/{item} HTTP/1.1"), host()));
    assert_eq!(requests, expected);
}

#[test]
fn a_plan_shows_the_socket() {
    let job = Job::new(&JOB.replace("SOCKET", "/run/api.sock"));
    let plan = job.command(&["plan", "job.toml"]).expect_code(0);
    for words in ["hosts     unix:/run/api.sock\n", "GET unix:/run/api.sock:/items/a\n"] {
        assert!(plan.stdout.contains(words), "{words:?} is missing:\n{}", plan.stdout);
    }
}
