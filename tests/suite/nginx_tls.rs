//! A real server that nobody here wrote, over TLS: nginx with an authority of the test's own, old versions,
//! HTTP/2, compression, client certificates. What it saw stands in its log.
//!
//! Without nginx the tests say that they were skipped.

use std::path::Path;

use crate::support::Job;
use crate::support::output::csv;
use crate::support::peers::{Peer, find, nginx};
use crate::support::tls::{Authority, Certified};

/// TLS, with one line of its log for each request.
const TLS: &str = r#"
log_format seen '$server_protocol $status $ssl_protocol $ssl_client_verify $sent_http_content_encoding $uri';
access_log access.log seen;
server {
    listen 127.0.0.1:PORT ssl OPTIONS;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    MORE
    location ~ "^/items/([0-9]+)$" {
        default_type application/json;
        return 200 '{"id": $1, "name": "item $1", "long": "LONG"}';
    }
}
"#;

/// An nginx with a certificate of this authority for `localhost`.
fn with_tls(program: &Path, authority: &Authority, options: &str, more: &str) -> Peer {
    let server = authority.certify("localhost");
    let versions = if more.contains("ssl_protocols") { "" } else { "ssl_protocols TLSv1.2 TLSv1.3;" };
    let more = format!("{versions} {more}");
    let text = TLS.replace("OPTIONS", options).replace("MORE", &more).replace("LONG", &"na ".repeat(400));
    let files = [("server.pem", server.pem()), ("server.key", &server.key_pem()), ("ca.pem", &authority.pem())];
    nginx(program, &text, &files)
}

/// Twenty rows over TLS.
fn job(nginx: &Peer, authority: &Authority, client: &str) -> Job {
    let text = r#"
[retry]
attempts = 1

[client]
resolve = { localhost = "127.0.0.1:PORT" }
CLIENT

[endpoints.item]
url = "https://localhost:PORT/items/{{ row.value }}"
input.range = { from = 1, to = 20 }
columns = { got = "$.id", name = "$.name" }

[sinks.out]
path = "out.csv"
"#;
    let text = text.replace("PORT", &nginx.address().port().to_string()).replace("CLIENT", client);
    Job::new(&text).with("ca.pem", authority.pem())
}

/// The run is fine, every row has its own reply, and each request was logged with these words.
fn all_well(nginx: &Peer, job: &Job, words: &str) {
    job.run(&[]).expect_code(0);
    let records = csv(&job.path("out.csv"));
    assert_eq!(records.len(), 20);
    for record in records {
        assert_eq!((&record["got"], &record["name"]), (&record["value"], &format!("item {}", record["value"])));
    }
    let log = nginx.read("access.log");
    let seen = log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((seen, log.lines().count()), (20, 20), "{log}");
}

const CA: &str = "tls.ca = \"ca.pem\"";

#[test]
fn nginx_with_tls_is_believed_when_its_issuer_is_named() {
    let Some(program) = find("nginx") else { return };
    let authority = Authority::new();
    let nginx = with_tls(&program, &authority, "", "");
    let done = job(&nginx, &authority, "").run(&[]).expect_code(3);
    assert!(done.stderr.contains("unknown issuer") && nginx.read("access.log").is_empty(), "{}", done.stderr);
    all_well(&nginx, &job(&nginx, &authority, CA), "HTTP/1.1 200 TLSv1.3 ");
}

#[test]
fn nginx_with_an_old_tls_is_spoken_to_as_far_as_the_job_allows() {
    let Some(program) = find("nginx") else { return };
    let authority = Authority::new();
    let nginx = with_tls(&program, &authority, "", "ssl_protocols TLSv1.2;");
    let young = "tls = { ca = \"ca.pem\", min-version = \"1.3\" }";
    let done = job(&nginx, &authority, young).run(&[]).expect_code(3);
    assert!(done.stderr.contains("client.tls.min-version"), "{}", done.stderr);
    all_well(&nginx, &job(&nginx, &authority, CA), "HTTP/1.1 200 TLSv1.2 ");
}

#[test]
fn nginx_with_http_2_is_spoken_to_in_http_2() {
    let Some(program) = find("nginx") else { return };
    let authority = Authority::new();
    let nginx = with_tls(&program, &authority, "http2", "");
    all_well(&nginx, &job(&nginx, &authority, CA), "HTTP/2.0 200 ");
    for (version, seen) in [("2", "HTTP/2.0"), ("1.1", "HTTP/1.1")] {
        let nginx = with_tls(&program, &authority, "http2", "");
        all_well(&nginx, &job(&nginx, &authority, &format!("{CA}\nhttp = \"{version}\"")), &format!("{seen} 200 "));
    }
}

#[test]
fn nginx_that_compresses_is_understood() {
    let Some(program) = find("nginx") else { return };
    let authority = Authority::new();
    let nginx = with_tls(&program, &authority, "", "gzip on; gzip_types application/json; gzip_min_length 1;");
    all_well(&nginx, &job(&nginx, &authority, CA), " gzip /items/");
}

#[test]
fn nginx_that_wants_client_certificates_gets_the_one_of_the_job() {
    let Some(program) = find("nginx") else { return };
    let authority = Authority::new();
    let wants = "ssl_client_certificate ca.pem; ssl_verify_client on;";
    let with = |nginx: &Peer, me: &Certified| {
        let client = format!("{CA}\ntls.cert = \"me.pem\"\ntls.key = \"me.key\"");
        job(nginx, &authority, &client).with("me.pem", me.pem()).with("me.key", me.key_pem())
    };
    let nginx = with_tls(&program, &authority, "", wants);
    all_well(&nginx, &with(&nginx, &authority.certify("me")), "HTTP/1.1 200 TLSv1.3 SUCCESS ");
    // nginx refuses with a status, once TLS stands.
    for job in [job(&nginx, &authority, CA), with(&nginx, &Authority::new().certify("a stranger"))] {
        let done = job.run(&[]).expect_code(1);
        assert!(done.stderr.contains("0 ok · 20 failed") && done.stderr.contains("400 Bad Request"), "{}", done.stderr);
    }
}
