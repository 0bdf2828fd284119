//! Bodies from rows and files, seen from the server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::output::{csv, jsonl, jsonl_file};
use crate::support::{Answer, Job, Oracle, wait};

/// A part as a server reads it: name, file name, type, content.
type Part = (String, Option<String>, Option<String>, String);

fn parts(request: &SeenRequest) -> Vec<Part> {
    let kind = request.header("content-type").expect("a content type");
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("parts");
    let body = String::from_utf8(request.body.clone()).expect("UTF-8");
    let inner = body.strip_prefix(&format!("--{boundary}\r\n")).expect("a first boundary");
    let inner = inner.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("a last boundary");
    let part = |text: &str| {
        let (head, content) = text.split_once("\r\n\r\n").expect("a head");
        let within = |from: &str, to: &str| Some(head.split_once(from)?.1.split(to).next()?.to_owned());
        let name = within(" name=\"", "\"").expect("a name");
        (name, within("filename=\"", "\""), within("Content-Type: ", "\r\n"), content.to_owned())
    };
    inner.split(&format!("\r\n--{boundary}\r\n")).map(part).collect()
}

const JOB: &str = r#"
[retry]
initial = "1ms"

[endpoints.form]
method = "PUT"
url = "ORACLE/form/{{ row.id }}"
input = "rows.csv"
form = { file = "{{ row.file }}", tag = ["a b", "ü&"] }
columns.got = "$.id"

[endpoints.parts]
method = "PUT"
url = "ORACLE/parts/{{ row.id }}"
input = "rows.csv"
multipart = { id = "{{ row.id }}", doc = { path = "docs/{{ row.file }}" } }
columns.got = "$.id"

[endpoints.text]
method = "PUT"
url = "ORACLE/text/{{ row.id }}"
input = "rows.csv"
body = "<{{ row.file }}>"
columns.got = "$.id"

[endpoints.file]
method = "PUT"
url = "ORACLE/file/{{ row.id }}"
input = "rows.csv"
body-file = "payload.bin"
columns.got = "$.id"

[sinks.out]
path = "out.jsonl"
"#;

fn job(server: &str) -> Job {
    let job = Job::at(server, JOB).with("rows.csv", "id,file\n1,a.txt\n2,sub/b c.pdf\n");
    job.with("docs/a.txt", "first").with("docs/sub/b c.pdf", "second\r\n").with("payload.bin", [0_u8, 255, 1, 254])
}

/// Refuses every request once, and answers then.
fn second_time(request: &SeenRequest, times: usize) -> Answer {
    if times == 0 { Answer::status(503) } else { Answer::text(200, format!("{{\"id\": {}}}", request.id())) }
}

fn refusing_once() -> Oracle {
    let seen = std::sync::Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    Oracle::start(move |request| {
        let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let times = seen.entry(request.path.clone()).or_default();
        *times += 1;
        second_time(request, *times - 1)
    })
}

#[test]
fn every_kind_arrives_whole_and_again_when_it_is_retried() {
    let oracle = refusing_once();
    job(&oracle.url()).run(&[]).expect_code(0);
    assert_eq!((oracle.faults(), oracle.count()), (Vec::new(), 16));
    for (path, count) in oracle.count_by_path() {
        assert_eq!(count, 2, "{path}");
    }
    for request in oracle.requests() {
        assert_eq!(request.header("content-length"), Some(request.body.len().to_string().as_str()));
        let (file, content) = if request.id() == "1" { ("a.txt", "first") } else { ("sub/b c.pdf", "second\r\n") };
        let kind = request.header("content-type").expect("a content type");
        match request.path.split('/').nth(1) {
            Some("form") => {
                let file = file.replace('/', "%2F").replace(' ', "+");
                let form = format!("file={file}&tag=a+b&tag=%C3%BC%26");
                assert_eq!((kind, request.body.as_slice()), ("application/x-www-form-urlencoded", form.as_bytes()));
            }
            Some("parts") => {
                let name = file.rsplit('/').next().map(str::to_owned);
                let media = if file == "a.txt" { "text/plain" } else { "application/pdf" };
                let id = ("id".to_owned(), None, None, request.id().to_owned());
                let doc = ("doc".to_owned(), name, Some(media.to_owned()), content.to_owned());
                assert_eq!(parts(&request), [id, doc]);
            }
            Some("text") => {
                assert_eq!(
                    (kind, request.body.as_slice()),
                    ("text/plain; charset=utf-8", format!("<{file}>").as_bytes())
                );
            }
            _ => assert_eq!((kind, request.body.as_slice()), ("application/octet-stream", [0, 255, 1, 254].as_slice())),
        }
    }
}

const DOCS: &str = r#"
[endpoints.doc]
method = "POST"
url = "ORACLE/docs"
input = "rows.csv"
multipart.doc = { path = "docs/{{ row.file }}" }

[sinks.out]
path = "out.csv"
"#;

#[test]
fn a_row_sends_no_file_from_elsewhere() {
    let oracle = Oracle::start(|_| Answer::text(200, "{}"));
    let job = Job::at(&oracle.url(), DOCS).with("docs/a.txt", "a").with("secret.txt", "secret");
    let rows = "file\na.txt\n../secret.txt\n/etc/passwd\nlink\nlater.txt\ndocs/../../secret.txt\n";
    let job = job.with("rows.csv", rows);
    std::os::unix::fs::symlink("../secret.txt", job.path("docs/link")).expect("a link");
    job.run(&[]).expect_code(1);
    let mut errors: Vec<String> = csv(&job.path("out.csv"))
        .into_iter()
        .map(|record| {
            assert_eq!(
                (record["status"].is_empty(), record["attempts"].as_str()),
                if record["error"].is_empty() { (false, "1") } else { (true, "0") }
            );
            record["error"].clone()
        })
        .collect();
    errors.sort();
    assert_eq!(
        errors,
        [
            "",
            "the file \"docs/../secret.txt\" can't be sent: a row can't lead out of the folder with `..`",
            "the file \"docs//etc/passwd\" can't be sent: a row can't name a path from the top of the disk",
            "the file \"docs/docs/../../secret.txt\" can't be sent: a row can't lead out of the folder with `..`",
            "the file docs/later.txt can't be sent: no such file",
            "the file docs/link can't be sent: a link leads out of the folder docs/",
        ]
    );
    assert_eq!((oracle.count(), parts(&oracle.requests()[0])[0].3.as_str()), (1, "a"));
    // What was not there is sent when it is.
    let job = job.with("docs/later.txt", "later");
    job.run(&["--failed"]).expect_code(1);
    assert_eq!((oracle.count(), parts(&oracle.requests()[1])[0].3.as_str()), (2, "later"));
}

#[test]
fn a_run_goes_on_only_with_the_files_it_began_with() {
    let oracle = Oracle::start(|request| Answer::text(200, format!("{{\"id\": {}}}", request.id())));
    let job = job(&oracle.url());
    job.run(&["--limit", "1"]).expect_code(0);
    let job = job.with("payload.bin", "other");
    let refused = job.run(&[]).expect_code(3);
    assert!(refused.stderr.contains("endpoints.file.payload.bin (content): was 4 bytes"), "{}", refused.stderr);
    assert_eq!(oracle.count(), 4);
    let job = job.with("payload.bin", [0_u8, 255, 1, 254]);
    job.run(&[]).expect_code(0);
    assert_eq!((oracle.count(), jsonl_file(&job.path("out.jsonl")).len()), (8, 8));
}

#[test]
fn the_demo_refuses_what_is_too_large_and_is_heard() {
    let text = "[endpoints.up]\nmethod = \"POST\"\nurl = \"demo:/upload\"\ninput.range = { from = 1, to = 20 }\n\
        body-file = \"large.bin\"\ncolumns.why = \"$.error\"\nexpect.status = [413]\n";
    let job = Job::new(text).with("large.bin", vec![b'x'; 8 << 20]);
    let records = jsonl(&job.run(&[]).expect_code(0).stdout);
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record["why"] == "the body is too large" && record["attempts"] == 1));
}

const PREVIEW: &str = r#"
secrets.key.env = "KEY"

[endpoints.form]
method = "POST"
url = "https://api.example.com/form"
input = "rows.csv"
form = { key = "{{ secrets.key }}", file = "{{ row.file }}" }

[endpoints.parts]
method = "POST"
url = "https://api.example.com/parts"
input = "rows.csv"
multipart = { key = "{{ secrets.key }}", doc = { path = "docs/{{ row.file }}" } }

[endpoints.text]
method = "POST"
url = "https://api.example.com/text"
input = "rows.csv"
body = "key {{ secrets.key }}"

[endpoints.file]
method = "POST"
url = "https://api.example.com/file"
input = "rows.csv"
body-file = "docs/{{ row.file }}"
"#;

#[test]
fn a_plan_shows_bodies_without_their_secrets() {
    let job = Job::new(PREVIEW).variable("KEY", "s3cret-s3cret").with("rows.csv", "file\na.txt\ngone.txt\n");
    let job = job.with("docs/a.txt", "first");
    let shown = job.command(&["plan", "job.toml"]).expect_code(0).stdout;
    for line in [
        "\n    key=***&file=a.txt\n",
        "\n    content-type: multipart/form-data; boundary=paceline-00000000000000000000000000000000\n",
        "\n    part key: \"***\", 3 bytes\n    part doc: the file docs/a.txt as a.txt, text/plain, 5 bytes\n",
        "\n    key ***\n",
        "\n    body: the file docs/a.txt, 5 bytes\n",
        "\n  row 2: fails: the file docs/gone.txt can't be sent: no such file\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let told = job.command(&["plan", "job.toml", "--output", "json"]).expect_code(0).stdout;
    let facts: Value = serde_json::from_str(&told).expect("JSON");
    let request = |endpoint: usize| &facts["endpoints"][endpoint]["preview"][0]["request"];
    assert_eq!(request(0)["body"], "key=***&file=a.txt");
    let key = json!({ "name": "key", "filename": null, "content_type": null, "size": 3, "text": "***", "path": null });
    let doc = json!({ "name": "doc", "filename": "a.txt", "content_type": "text/plain", "size": 5, "text": null, "path": "docs/a.txt" });
    assert_eq!((&request(1)["parts"], &request(1)["body"]), (&json!([key, doc]), &Value::Null));
    assert_eq!(request(3)["body_file"], json!({ "path": "docs/a.txt", "size": 5 }));
    assert!(!shown.contains("s3cret") && !told.contains("s3cret"));
}

#[test]
fn a_file_that_shrinks_on_its_way_fails_its_row_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let text = "[endpoints.up]\nmethod = \"PUT\"\nurl = \"ORACLE/up\"\ninput.values = [{ a = 1 }]\nbody-file = \"large.bin\"\n";
    let job = Job::at(&format!("http://{}", listener.local_addr().expect("an address")), text);
    let large = std::fs::File::create(job.path("large.bin")).expect("a file");
    large.set_len(LARGE).expect("room");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut [0; 1000]).expect("some of it");
        // Far more than the buffers between us hold is still to be read.
        large.set_len(1 << 20).expect("less");
        std::io::copy(&mut stream, &mut std::io::sink()).map_or(0, |count| count + 1000)
    });
    let records = jsonl(&job.run(&[]).expect_code(1).stdout);
    let error = "the file large.bin could not be sent: it became shorter while it was sent";
    let record = (&records[0]["error"], &records[0]["attempts"], &records[0]["status"]);
    assert_eq!(record, (&json!(error), &json!(1), &Value::Null));
    assert!(server.join().expect("the server ends") < LARGE, "no server takes it for a whole one");
}

const LARGE: u64 = 200 << 20;

/// Most memory that may be resident while large files are sent, in KiB.
const MOST: u64 = 64 * 1024;

/// Answers each of `uploads` with the bytes of its body.
fn counting(uploads: usize) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serve = move || {
        for _ in 0..uploads {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("a head");
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).expect("UTF-8").to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
            let body = (&mut stream).take(length.parse().expect("a number"));
            let count = std::io::copy(&mut { body }, &mut std::io::sink()).expect("a body");
            let count = format!("{{\"bytes\": {count}}}");
            let reply =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{count}", count.len());
            stream.write_all(reply.as_bytes()).expect("a reply");
        }
    };
    (url, std::thread::spawn(serve))
}

#[cfg(target_os = "linux")]
#[test]
fn large_files_need_little_memory() {
    let (url, server) = counting(2);
    let job = Job::at(
        &url,
        "[endpoints.a]\nmethod = \"POST\"\nurl = \"ORACLE/a\"\ninput.values = [{ a = 1 }]\n\
        body-file = \"large.bin\"\ncolumns.bytes = \"$.bytes\"\n[endpoints.b]\nmethod = \"POST\"\nurl = \"ORACLE/b\"\n\
        input.values = [{ a = 1 }]\nmultipart = { a = \"b\", c = { path = \"large.bin\" } }\ncolumns.bytes = \"$.bytes\"\n",
    );
    std::fs::File::create(job.path("large.bin")).expect("a file").set_len(LARGE).expect("room");
    let mut run = job.spawn(&["-q"]);
    let mut most = 0;
    wait::until("the end of the run", Duration::from_secs(170), || {
        most = crate::memory::peak(run.pid()).map_or(most, |now| most.max(now));
        (!run.is_running()).then_some(())
    });
    let done = run.wait().expect_code(0);
    server.join().expect("every upload came whole");
    let mut bytes: Vec<u64> = jsonl(&done.stdout).iter().filter_map(|record| record["bytes"].as_u64()).collect();
    bytes.sort_unstable();
    assert!(bytes.len() == 2 && bytes[0] == LARGE && (LARGE + 200..LARGE + 400).contains(&bytes[1]), "{bytes:?}");
    assert!((1024..MOST).contains(&most), "{most} KiB were resident, {MOST} are the most");
}
