//! HTTPS: a certificate is believed when the job says so. One that is not stops the run before it fails a
//! row, for every other row would meet it too; where rows choose the host, it fails its row.

use rcgen::date_time_ymd;

use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::tls::{Authority, Front};
use crate::support::{Job, Oracle};

const JOB: &str = r#"
[client]
TLS
resolve = { localhost = "127.0.0.1:PORT" }

[endpoints.item]
url = "https://localhost:PORT/items/{{ row.value }}"
input.range = { from = 1, to = 3 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// A job against `https://localhost`, whose address is given, not resolved.
fn job(front: &Front, ca: &Authority, tls: &str) -> Job {
    Job::new(&JOB.replace("PORT", &front.port().to_string()).replace("TLS", tls)).with("ca.pem", ca.pem())
}

/// A server with a certificate that its authority made for `name`.
fn server(name: &str) -> (Oracle, Authority, Front) {
    let (oracle, authority) = (Oracle::start(item), Authority::new());
    let front = Front::start(&oracle, &authority.certify(name));
    (oracle, authority, front)
}

/// The run ends with exit 3 and these words, nothing reaches the server, and no row has failed.
fn stopped(oracle: &Oracle, job: &Job, words: &[&str]) {
    let done = job.run(&[]).expect_code(3);
    let always = ["broken off", "every row of item would fail: ", "0 ok · 0 failed", "resume "];
    for words in words.iter().chain(&always) {
        assert!(done.stderr.contains(words), "{words} is missing:\n{}", done.stderr);
    }
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (0, 0), "{}", done.stderr);
}

#[test]
fn an_unknown_issuer_stops_the_run_and_it_goes_on_when_the_issuer_is_named() {
    let (oracle, authority, front) = server("localhost");
    let job = job(&front, &authority, "");
    stopped(&oracle, &job, &["unknown issuer", "client.tls.ca"]);
    let run = |code| -> String {
        let done = job.run(&["--output", "json"]).expect_code(code);
        serde_json::from_str::<serde_json::Value>(&done.stderr).expect("JSON")["run"].to_string()
    };
    let before = run(3);
    job.change("job.toml", "resolve =", "tls.ca = \"ca.pem\"\nresolve =");
    assert_eq!(run(0), before, "the journal was kept");
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (3, 3));
}

#[test]
fn every_certificate_that_is_not_believed_stops_the_run_with_its_reason() {
    let (oracle, authority) = (Oracle::start(item), Authority::new());
    let ca = "tls.ca = \"ca.pem\"";
    let cases = [
        (Authority::new().certify("localhost"), "unknown issuer"),
        (authority.certify("example.test"), "example.test"),
        (authority.certify_with("localhost", |params| params.not_after = date_time_ymd(2002, 1, 1)), "has expired"),
        (
            authority.certify_with("localhost", |params| {
                (params.not_before, params.not_after) = (date_time_ymd(3001, 1, 1), date_time_ymd(3002, 1, 1));
            }),
            "not valid yet",
        ),
    ];
    for (certified, words) in cases {
        let front = Front::start(&oracle, &certified);
        stopped(&oracle, &job(&front, &authority, ca), &[words]);
    }
}

#[test]
fn a_version_that_is_not_spoken_stops_the_run() {
    let (oracle, authority) = (Oracle::start(item), Authority::new());
    let front = Front::start_old(&oracle, &authority.certify("localhost"));
    let tls = "tls = { ca = \"ca.pem\", min-version = \"1.3\" }";
    stopped(&oracle, &job(&front, &authority, tls), &["client.tls.min-version"]);
}

#[test]
fn a_certificate_that_turns_bad_within_the_run_stops_it_and_keeps_what_has_ended() {
    let (oracle, authority, front) = server("localhost");
    let job = job(&front, &authority, "tls.ca = \"ca.pem\"");
    job.run(&["--limit", "2"]).expect_code(0);
    job.change("job.toml", "tls.ca = \"ca.pem\"\n", "");
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("2 ok · 0 failed · 0 skipped (2 in earlier"), "{}", done.stderr);
    job.change("job.toml", "resolve =", "tls.ca = \"ca.pem\"\nresolve =");
    job.run(&[]).expect_code(0);
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (3, 3));
}

#[test]
fn where_rows_choose_the_host_a_certificate_fails_its_row_alone() {
    let (oracle, authority, front) = server("localhost");
    let bad = Front::start(&oracle, &authority.certify("example.test"));
    let job = job(&front, &authority, "tls.ca = \"ca.pem\"");
    job.change("job.toml", &format!("url = \"https://localhost:{}/", front.port()), "url = \"https://{{ row.host }}/");
    job.change("job.toml", "input.range = { from = 1, to = 3 }", "input = \"rows.csv\"");
    job.change("job.toml", "row.value", "row.id");
    job.change("job.toml", "127.0.0.1:", &format!("127.0.0.1:{}\", \"other.test\" = \"127.0.0.1:", front.port()));
    job.change("job.toml", &format!("\"127.0.0.1:{}\" }}", front.port()), &format!("\"127.0.0.1:{}\" }}", bad.port()));
    let job = job.with("rows.csv", "id,host\n1,localhost\n2,other.test\n3,localhost\n");
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("2 ok · 1 failed"), "{}", done.stderr);
    let records = csv(&job.path("out.csv"));
    let failed = records.iter().find(|record| record["id"] == "2").expect("a record");
    assert!(failed["error"].contains("example.test"), "{failed:?}");
    assert_eq!((failed["attempts"].as_str(), failed["status"].as_str()), ("1", ""), "no attempt helps");
    assert_eq!(oracle.count(), 2);
}

#[test]
fn behind_a_redirect_a_certificate_fails_its_row_alone() {
    let (inside, authority, front) = server("example.test");
    let port = front.port();
    let oracle = Oracle::start(move |request| match request.id() {
        "2" => crate::support::Answer::status(302).header("location", &format!("https://127.0.0.1:{port}/items/2")),
        _ => item(request),
    });
    let job = job(&front, &authority, "tls.ca = \"ca.pem\"");
    job.change("job.toml", &format!("https://localhost:{port}"), &oracle.url());
    job.run(&[]).expect_code(1);
    let records = csv(&job.path("out.csv"));
    let failed: Vec<_> = records.iter().filter(|record| !record["error"].is_empty()).collect();
    assert_eq!((records.len(), failed.len(), inside.count()), (3, 1, 0));
    assert!(
        failed[0]["error"].contains("after a redirect") && failed[0]["error"].contains("example.test"),
        "{failed:?}"
    );
    assert_eq!(failed[0]["attempts"], "1");
}

#[test]
fn an_issuer_that_the_job_names_is_believed() {
    let (_oracle, authority, front) = server("localhost");
    let job = job(&front, &authority, "tls.ca = \"ca.pem\"");
    let done = job.run(&[]).expect_code(0);
    assert_eq!(csv(&job.path("out.csv")).len(), 3);
    assert!(!done.stderr.contains("client.tls"), "{}", done.stderr);
}

#[test]
fn without_verification_the_rows_are_fine_and_the_run_warns() {
    let (oracle, authority, front) = server("example.test");
    let job = job(&front, &authority, "tls.verify = false");
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("warning") && done.stderr.contains("client.tls.verify = false"), "{}", done.stderr);
    assert_eq!(oracle.count(), 3);
}

#[test]
fn a_certificate_file_that_can_not_be_used_is_exit_3_before_any_request() {
    let (oracle, authority, front) = server("localhost");
    let cases = [
        ("tls.ca = \"none.pem\"", "none.pem"),
        ("tls.ca = \"job.toml\"", "holds no certificate"),
        ("tls = { cert = \"ca.pem\", key = \"ca.pem\" }", "client.tls.key"),
    ];
    for (tls, words) in cases {
        let job = job(&front, &authority, tls);
        let done = job.run(&[]).expect_code(3);
        assert!(done.stderr.contains(words) && !job.path("out.csv").exists(), "{tls}: {}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
}
