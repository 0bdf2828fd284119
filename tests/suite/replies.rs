//! Replies that are encoded, in another charset, too large, or odd: what the records say of them.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::output::jsonl_file;
use crate::support::{Answer, Done, Job, Oracle};

const JOB: &str = r#"
[retry]
attempts = 2
initial = "1ms"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 1 }
MORE

[sinks.out]
path = "out.jsonl"
"#;

/// Runs a job of one row; requests, the record, the end.
fn one_row(
    script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    more: &str,
) -> (Vec<std::sync::Arc<SeenRequest>>, Value, Done) {
    let oracle = Oracle::start(script);
    let job = Job::at(&oracle.url(), &JOB.replace("MORE", more));
    let done = job.run(&[]);
    assert_eq!(oracle.faults(), Vec::<String>::new());
    let records = jsonl_file(&job.path("out.jsonl"));
    assert_eq!(records.len(), 1, "{}", done.stderr);
    (oracle.requests(), records[0].clone(), done)
}

fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body).and_then(|()| encoder.finish()).expect("a stream")
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body).and_then(|()| encoder.finish()).expect("a stream")
        }
        "zstd" => zstd::encode_all(body, 3).expect("a stream"),
        "br" => {
            let mut out = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            out.write_all(body).expect("a stream");
            out.into_inner()
        }
        other => panic!("no encoder for {other}"),
    }
}

#[test]
fn every_encoding_that_is_asked_for_is_undone() {
    for chain in [&["gzip"][..], &["br"], &["zstd"], &["deflate"], &["br", "gzip"]] {
        let body = json!({ "id": 7, "text": "ä".repeat(50_000) }).to_string();
        let body = chain.iter().fold(body.into_bytes(), |body, coding| encoded(coding, &body));
        let length = body.len().to_string();
        let answer = Answer::text(200, body).header("content-encoding", &chain.join(", ")).chunked(100);
        let columns = "columns = { got = \"$.id\", how = \"{{ headers['content-encoding'] }}\", size = \"{{ json.text | length }}\" }";
        let (requests, record, done) = one_row(move |_| answer.clone(), columns);
        assert_eq!(requests[0].header("accept-encoding"), Some("gzip, br, zstd, deflate"));
        assert_eq!((&record["got"], &record["size"]), (&json!(7), &json!(50_000)), "{length} bytes: {}", done.stderr);
        assert_eq!(record["how"], chain.join(", "));
    }
}

#[test]
fn nothing_is_asked_for_and_nothing_undone_without_compression() {
    let body = encoded("gzip", b"{}");
    let answer = Answer::text(200, body).header("content-encoding", "gzip");
    let (requests, record, _) = one_row(move |_| answer.clone(), "client.compression = false");
    assert_eq!((requests.len(), requests[0].header("accept-encoding")), (2, None));
    let error = record["error"].as_str().expect("an error");
    assert!(error.contains("encoded as `gzip`, which was not asked for (client.compression = false)"), "{error}");
}

#[test]
fn bodies_that_break_are_tried_again_by_their_class_and_bombs_are_not() {
    let whole = encoded("gzip", &[b'x'; 3000]);
    let garbage = [&whole[..], b"garbage"].concat();
    let bomb = encoded("gzip", &vec![0; 8 << 20]);
    for (body, coding, retry, requests, words) in [
        (&whole[..10], "gzip", "errors = [\"body\"]", 2, "its gzip stream has no end"),
        (&whole[..10], "gzip", "errors = [\"decode\"]", 1, "its gzip stream has no end"),
        (&garbage, "gzip", "errors = [\"decode\"]", 2, "goes on after the end of its gzip stream"),
        (&whole, "br", "errors = [\"decode\"]", 2, "is no valid br"),
        (&whole, "lz4", "errors = [\"decode\"]", 2, "is encoded as `lz4`, which can't be decoded"),
        (&whole, "gzip,gzip,gzip", "errors = [\"decode\"]", 2, "is encoded 3 times over"),
        (&bomb, "gzip", "", 1, "grows to more than 200 times its size"),
        (&bomb, "gzip", "\nclient.max-body = \"1MiB\"", 1, "is larger than 1048576 bytes (client.max-body)"),
    ] {
        let answer = Answer::text(200, body).header("content-encoding", coding);
        let retry = retry.strip_prefix("errors").map_or(retry.to_owned(), |rest| format!("retry.errors{rest}"));
        let (asked, record, done) = one_row(move |_| answer.clone(), &retry);
        let error = record["error"].as_str().expect("an error");
        assert!(error.contains(words), "{coding} {retry}: {error}");
        assert_eq!((asked.len(), done.code), (requests, Some(1)), "{coding} {retry}: {error}");
        assert_eq!(record["status"], 200);
    }
}

#[test]
fn statuses_without_what_was_asked_for_are_no_empty_rows() {
    let columns = "columns.got = \"$.id\"";
    let range = "headers = { range = \"bytes=0-7\" }\ncolumns.got = \"$.id\"";
    let any = "expect.status = [\"2xx\", 304]\ncolumns.got = \"$.id\"";
    let label = "columns.label = \"{{ row.value }}\"";
    let text = "columns.all = \"{{ text }}\"";
    for (status, body, more, error) in [
        (200, "{\"id\":1}", columns, ""),
        (204, "", columns, "the reply is 204 No Content: it has no body, and the columns need one"),
        (204, "", text, "the reply is 204 No Content: it has no body, and the columns need one"),
        (205, "", columns, "the reply is 205 Reset Content: it has no body"),
        (304, "", any, "the reply is 304 Not Modified: it has no body"),
        (304, "", columns, "304 Not Modified"),
        (204, "", label, ""),
        (204, "", "", ""),
        (304, "", "expect.status = 304", ""),
        (206, "{\"id\":1}", columns, "the reply is 206 Partial Content, a part of a body, and no part was asked for"),
        (206, "{\"id\":1}", range, ""),
        (206, "{\"id\"", range, "the reply is not JSON"),
        (200, "", columns, "the reply is empty and not JSON"),
    ] {
        let (requests, record, _) = one_row(move |_| Answer::text(status, body), more);
        let said = record["error"].as_str().unwrap_or_default();
        assert!(said.starts_with(error) && said.is_empty() == error.is_empty(), "{status} {more}: {record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(requests.len() == 1, error.is_empty() || error.starts_with("304"), "{status} {more}: {record}");
    }
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_vec();
    let (_, record, _) = one_row(move |_| Answer::Garbage(switch.clone()), "expect.status = [\"1xx\", \"2xx\"]");
    assert!(record["error"].as_str().is_some_and(|error| error.contains("101 Switching Protocols")), "{record}");
}

#[test]
fn charsets_are_understood_and_bytes_that_mean_nothing_are_told() {
    let (json, text) = ("columns.got = \"$.a\"", "columns.got = \"{{ text }}\"");
    for (content_type, body, more, got, error) in [
        ("application/json; charset=iso-8859-1", &b"{\"a\":\"caf\xe9\"}"[..], json, Some("café"), ""),
        ("application/json", b"\xef\xbb\xbf{\"a\":\"caf\xc3\xa9\"}", json, Some("café"), ""),
        ("text/plain", b"\xff\xfec\0a\0f\0\xe9\0", text, Some("café"), ""),
        ("text/html; charset=\"Shift_JIS\"", b"\x93\xfa\x96{", text, Some("日本"), ""),
        ("text/plain", b"caf\xe9", text, Some("caf\u{fffd}"), ""),
        ("text/plain; charset=klingon", b"caf\xc3\xa9", text, Some("café"), ""),
        (
            "text/plain; charset=klingon",
            b"caf\xe9",
            text,
            None,
            "the reply is in the charset `klingon`, which is not known",
        ),
        ("text/json; charset=klingon", b"{\"a\":\"\xe9\"}", json, None, "the reply is in the charset `klingon`"),
        ("text/json", b"{\"b\":\n \"\xe9\", \"a\":1}", json, None, "the byte 0xE9 at line 2 column 3 is not UTF-8"),
    ] {
        let answer = Answer::text(200, body).header("content-type", content_type);
        let (_, record, _) = one_row(move |_| answer.clone(), more);
        let said = record["error"].as_str().unwrap_or_default();
        assert!(said.contains(error) && said.is_empty() == error.is_empty(), "{content_type}: {record}");
        assert_eq!(record["got"].as_str(), got, "{content_type}: {record}");
    }
    let answer = Answer::text(404, &b"caf\xe9"[..]).header("content-type", "text/plain; charset=latin1");
    let (_, record, _) = one_row(move |_| answer.clone(), "meta = [\"error\", \"body\"]");
    assert_eq!((&record["error"], &record["body"]), (&json!("404 Not Found"), &json!("café")), "refused ones too");
}

/// Sets a cookie with every reply, and says back the one it was sent.
fn counting(request: &SeenRequest) -> Answer {
    let seen = request.header("cookie").unwrap_or("none").to_owned();
    Answer::json(&json!({ "seen": seen })).header("set-cookie", "sid=canary-7f3a; Path=/; Max-Age=600")
}

#[test]
fn cookies_last_for_a_session_and_are_written_nowhere() {
    for (client, second) in
        [("", "none"), ("client.cookies = false", "none"), ("client.cookies = true", "sid=canary-7f3a")]
    {
        let oracle = Oracle::start(counting);
        let more = format!("{client}\nconcurrency = 1\norder = \"input\"\nmeta = [\"status\", \"error\"]");
        let job = Job::at(&oracle.url(), &JOB.replace("to = 1", "to = 3").replace("MORE", &more));
        job.run(&["--limit", "2", "-v"]).expect_code(0);
        let sent = |number: usize| oracle.requests()[number].header("cookie").unwrap_or("none").to_owned();
        assert_eq!((sent(0), sent(1)), ("none".to_owned(), second.to_owned()), "{client}");
        let done = job.run(&["-v"]).expect_code(0);
        assert_eq!((oracle.count(), sent(2)), (3, "none".to_owned()), "another session begins without: {client}");
        assert!(!done.stderr.contains("canary") && !done.stdout.contains("canary"), "{}", done.stderr);
        let plan = job.command(&["plan", "job.toml"]);
        assert!(!plan.stdout.contains("canary"), "{}", plan.stdout);
        let grep = job.shell("grep -ra canary .");
        assert_eq!(grep.stdout, "", "{client}");
    }
}

#[test]
fn a_run_does_not_go_on_with_other_cookies() {
    let oracle = Oracle::start(counting);
    let job = Job::at(&oracle.url(), &JOB.replace("to = 1", "to = 3").replace("MORE", "client.redirects = 3"));
    job.run(&["--limit", "1"]).expect_code(0);
    job.change("job.toml", "client.redirects = 3", "client.cookies = true");
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("client.cookies"), "{}", done.stderr);
    job.run(&["--accept-changes"]).expect_code(0);
    assert_eq!(oracle.count(), 3);
}
