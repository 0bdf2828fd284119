//! httpbin behind gunicorn, a server that says back what it was sent: methods, bodies, auth, statuses,
//! redirects, encodings, as another HTTP library reads them.
//!
//! Without gunicorn the tests say that they were skipped; see `support::peers` for where it is looked for.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::output::jsonl;
use crate::support::peers::{Peer, find_pinned};
use crate::support::{Done, Job};

/// Starts it.
pub fn httpbin() -> Option<Peer> {
    let gunicorn = find_pinned("gunicorn")?;
    Some(Peer::start(|_, port| {
        let mut command = Command::new(&gunicorn);
        command.args(["--bind", &format!("127.0.0.1:{port}"), "--worker-class", "gthread", "--threads", "8"]);
        command.args(["--no-control-socket", "--worker-tmp-dir", "/tmp", "httpbin:app"]);
        command
    }))
}

/// Runs a job against it, in which `BASE` stands for its URL; its end and its records.
fn run(httpbin: &Peer, text: &str, code: i32) -> (Done, Vec<Value>) {
    let text = text.replace("BASE", &format!("http://{}", httpbin.address()));
    let job = Job::new(&format!("retry.attempts = 1\nclient.user-agent = \"peer-test\"\n{text}"));
    let done = job.variable("TOKEN", "s3cret-token").run(&[]).expect_code(code);
    let records = jsonl(&done.stdout);
    (done, records)
}

/// The only record of an endpoint.
fn of<'r>(records: &'r [Value], endpoint: &str) -> &'r Value {
    let mut found = records.iter().filter(|record| record["endpoint"] == endpoint);
    let record = found.next().unwrap_or_else(|| panic!("no record of {endpoint}: {records:?}"));
    assert!(found.next().is_none(), "{endpoint} has several records");
    record
}

/// An endpoint of one row, with its name in the record.
fn endpoint(name: &str, path: &str, more: &str) -> String {
    format!(
        "[endpoints.{name}]\nurl = \"BASE{path}\"\ninput.range = {{ from = 7, to = 7 }}\n\
         meta = [\"endpoint\", \"status\", \"error\", \"url\", \"body\"]\n{more}\n"
    )
}

#[test]
fn every_method_and_what_it_carries() {
    let Some(httpbin) = httpbin() else { return };
    let json = "json = { id = \"{{ row.value | int }}\", text = \"grün & \\\"so\\\"\", list = [1, true, \"{{ row.value }}\"] }";
    let query = "query = { q = \"a b&c=ü\", many = [\"1\", \"2\"], n = \"{{ row.value }}\" }\nheaders.x-note = \"{{ row.value }}-th\"";
    let mut text = endpoint("get", "/anything/a%20b/{{ row.value }}", query);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        text += &endpoint(&method.to_lowercase(), "/anything", &format!("method = \"{method}\"\n{json}"));
    }
    text += &endpoint("bare", "/post", "method = \"POST\"");
    text += &endpoint("head", "/get", "method = \"HEAD\"");
    text += &endpoint("options", "/get", "method = \"OPTIONS\"");
    let (_, records) = run(&httpbin, &text, 0);
    assert_eq!(records.len(), 8);
    let get = &of(&records, "get")["body"];
    assert_eq!(get["args"], json!({ "q": "a b&c=ü", "many": ["1", "2"], "n": "7" }));
    assert_eq!((&get["headers"]["X-Note"], &get["headers"]["User-Agent"]), (&json!("7-th"), &json!("peer-test")));
    assert!(get["url"].as_str().expect("a URL").contains("/anything/a%20b/7?"), "{get}");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let body = &of(&records, &method.to_lowercase())["body"];
        assert_eq!(body["method"], method);
        assert_eq!(body["json"], json!({ "id": 7, "text": "grün & \"so\"", "list": [1, true, 7] }), "{method}");
        assert_eq!(body["headers"]["Content-Type"], "application/json", "{method}");
    }
    let bare = &of(&records, "bare")["body"];
    assert_eq!((&bare["data"], &bare["headers"]["Content-Length"]), (&json!(""), &json!("0")));
    for name in ["head", "options"] {
        assert_eq!((&of(&records, name)["status"], &of(&records, name)["body"]), (&json!(200), &json!("")), "{name}");
    }
}

#[test]
fn who_asks_is_understood() {
    let Some(httpbin) = httpbin() else { return };
    let basic = "auth.basic = { user = \"me\", password = \"{{ secrets.token }}\" }";
    let text = ["secrets.token.env = \"TOKEN\"\n".to_owned()]
        .into_iter()
        .chain([
            endpoint("bearer", "/bearer", "auth.bearer = \"{{ secrets.token }}\"\ncolumns.token = \"$.authenticated\""),
            endpoint("basic", "/basic-auth/me/s3cret-token", basic),
            endpoint("hidden", "/hidden-basic-auth/me/s3cret-token", basic),
            endpoint("wrong", "/basic-auth/me/another", basic),
            endpoint("nobody", "/bearer", ""),
        ])
        .collect::<String>();
    let (done, records) = run(&httpbin, &text, 1);
    assert!(done.stderr.contains("3 ok · 2 failed"), "{}", done.stderr);
    assert_eq!(of(&records, "bearer")["token"], true);
    for name in ["basic", "hidden"] {
        assert_eq!(of(&records, name)["body"], json!({ "authenticated": true, "user": "me" }), "{name}");
    }
    for name in ["wrong", "nobody"] {
        assert_eq!(
            (&of(&records, name)["status"], &of(&records, name)["error"]),
            (&json!(401), &json!("401 Unauthorized"))
        );
    }
    assert!(!done.stdout.contains("s3cret-token") && !done.stderr.contains("s3cret-token"));
}

#[test]
fn statuses_and_redirects_are_what_they_are() {
    let Some(httpbin) = httpbin() else { return };
    let statuses = "[endpoints.status]\nurl = \"BASE/status/{{ row.value }}\"\ninput.range = { from = 400, to = 430 }\n\
                    concurrency = 4\nmeta = [\"endpoint\", \"status\", \"error\"]\n";
    let (done, records) = run(&httpbin, statuses, 1);
    assert!(done.stderr.contains("0 ok · 31 failed"), "{}", done.stderr);
    assert!(records.iter().all(|record| record["status"] == record["value"]), "{records:?}");
    let text = [
        endpoint("three", "/redirect/3", ""),
        endpoint("relative", "/relative-redirect/2", ""),
        endpoint("absolute", "/absolute-redirect/2", ""),
        endpoint(
            "kept",
            "/redirect-to",
            "method = \"POST\"\nquery = { url = \"/post\", status_code = 307 }\njson = { a = 1 }",
        ),
        endpoint(
            "changed",
            "/redirect-to",
            "method = \"POST\"\nquery = { url = \"/get\", status_code = 303 }\njson = { a = 1 }",
        ),
        endpoint("many", "/redirect/11", ""),
        endpoint("none", "/redirect/1", "client.redirects = 0\nexpect.status = [302]"),
        endpoint("cookies", "/cookies/set?a=b", ""),
    ];
    let (done, records) = run(&httpbin, &text.concat(), 1);
    assert!(done.stderr.contains("7 ok · 1 failed"), "{}", done.stderr);
    for name in ["three", "relative", "absolute", "changed"] {
        let record = of(&records, name);
        assert!(record["url"].as_str().expect("a URL").ends_with("/get"), "{record}");
        assert_eq!(record["status"], 200, "{name}");
    }
    assert_eq!(of(&records, "kept")["body"]["json"], json!({ "a": 1 }));
    assert!(of(&records, "many")["error"].as_str().expect("words").contains("client.redirects"));
    assert_eq!(of(&records, "none")["status"], 302);
    assert_eq!(of(&records, "cookies")["body"], json!({ "cookies": {} }), "cookies are off");
}

#[test]
fn bodies_of_every_kind_arrive() {
    let Some(httpbin) = httpbin() else { return };
    let text = [
        endpoint("drip", "/drip?duration=1&numbytes=5&delay=0", ""),
        endpoint(
            "chunks",
            "/stream-bytes/100000?chunk_size=1000&seed=1",
            "columns.type = \"{{ headers['content-type'] }}\"",
        ),
        endpoint("lines", "/stream/3", ""),
        endpoint("utf8", "/encoding/utf8", ""),
        endpoint("html", "/html", ""),
        endpoint("json", "/json", "columns.title = \"$.slideshow.slides[1].title\""),
        endpoint("headers", "/response-headers?X-One=1&X-Two=a&X-Two=b", "columns.two = \"{{ headers['x-two'] }}\""),
        endpoint("none", "/status/204", ""),
    ];
    let (_, records) = run(&httpbin, &text.concat(), 0);
    let body = |name| of(&records, name)["body"].as_str().expect("a text").to_owned();
    assert_eq!(body("drip"), "*****");
    assert_eq!(of(&records, "chunks")["type"], "application/octet-stream");
    // Bytes that are no text are replaced one by one, or a few by one.
    assert!(body("chunks").chars().count() > 50_000);
    assert_eq!(body("lines").lines().count(), 3);
    assert!(body("utf8").contains("∮ E⋅da = Q") && body("html").contains("Moby-Dick"));
    assert_eq!(of(&records, "json")["title"], "Overview");
    assert_eq!(of(&records, "headers")["two"], "a, b");
    assert_eq!((&of(&records, "none")["status"], body("none").as_str()), (&json!(204), ""));
}

#[test]
fn encoded_bodies_are_decoded() {
    let Some(httpbin) = httpbin() else { return };
    let text = ["gzip", "brotli", "deflate"].map(|name| endpoint(name, &format!("/{name}"), ""));
    let (_, records) = run(&httpbin, &text.concat(), 0);
    for (name, flag) in [("gzip", "gzipped"), ("brotli", "brotli"), ("deflate", "deflated")] {
        assert_eq!(of(&records, name)["body"][flag], true, "{name}");
    }
}

#[test]
fn cookies_are_kept_where_the_job_says_so() {
    let Some(httpbin) = httpbin() else { return };
    let (_, records) = run(&httpbin, &endpoint("cookies", "/cookies/set?a=b", "client.cookies = true"), 0);
    assert_eq!(of(&records, "cookies")["body"], json!({ "cookies": { "a": "b" } }));
}

#[test]
fn forms_parts_and_files_are_understood() {
    let Some(httpbin) = httpbin() else { return };
    let text = [
        endpoint("form", "/post", "method = \"POST\"\nform = { user = \"a b&c\", n = \"{{ row.value }}\" }"),
        endpoint("text", "/post", "method = \"POST\"\nbody = \"raw {{ row.value }}\""),
        endpoint("file", "/post", "method = \"POST\"\nbody-file = \"job.toml\""),
        endpoint(
            "parts",
            "/post",
            "method = \"POST\"\nmultipart = { note = \"hello {{ row.value }}\", file = { path = \"job.toml\", content-type = \"text/plain\" } }",
        ),
    ];
    let (_, records) = run(&httpbin, &text.concat(), 0);
    assert_eq!(of(&records, "form")["body"]["form"], json!({ "user": "a b&c", "n": "7" }));
    assert_eq!(of(&records, "text")["body"]["data"], "raw 7");
    assert!(of(&records, "file")["body"]["data"].as_str().expect("a text").contains("[endpoints.file]"));
    let parts = &of(&records, "parts")["body"];
    assert_eq!(parts["form"], json!({ "note": "hello 7" }));
    assert!(parts["files"]["file"].as_str().expect("a text").contains("[endpoints.parts]"), "{parts}");
}
