//! A real server that nobody here wrote: 10,000 rows against nginx, checked row by row, over HTTP/1.1 and
//! HTTP/2.
//!
//! Without nginx the tests say that they were skipped.

use std::collections::HashSet;

use crate::support::Job;
use crate::support::client::Client;
use crate::support::output::{csv, csv_columns};
use crate::support::peers::{self, Peer, find};
use crate::support::tls::Authority;

const ROWS: usize = 10_000;

const HTTP: &str = r#"
access_log off;
keepalive_requests REQUESTS;
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
server {
    listen 127.0.0.1:PORT LISTEN;
    location ~ "^/items/([0-9]+)$" {
        default_type application/json;
        add_header X-Item "item-$1";
        add_header X-Wire "$server_protocol $connection";
        return 200 '{"id": $1, "name": "item $1", "tags": ["a", "$1"], "nested": {"half": $1.5}}';
    }
}
"#;

/// An nginx that ends a connection after as many requests, with a certificate for `localhost`.
fn nginx(listen: &str, requests: usize) -> Option<Peer> {
    let program = find("nginx")?;
    let authority = Authority::new();
    let server = authority.certify("localhost");
    let http = HTTP.replace("LISTEN", listen).replace("REQUESTS", &requests.to_string());
    let files = [("cert.pem", server.pem()), ("key.pem", &server.key_pem()), ("ca.pem", &authority.pem())];
    Some(peers::nginx(&program, &http, &files))
}

const JOB: &str = r#"
[client]
CLIENT

[endpoints.item]
url   = "URL/items/{{ row.id }}"
input = "rows.csv"
concurrency = 32

[endpoints.item.columns]
got  = "$.id"
name = "$.name"
tag  = "$.tags[1]"
half = "$.nested.half"
via  = "{{ headers['x-item'] }}"
wire = "{{ headers['x-wire'] }}"

[sinks.out]
path = "out.csv"
"#;

/// Runs the job and checks each record; gives what nginx said of its wires: protocol and connection.
fn run(url: &str, client: &str) -> HashSet<String> {
    let rows: String = (1..=ROWS).fold("id,label\n".to_owned(), |rows, id| rows + &format!("{id},row {id}\n"));
    let job = Job::new(&JOB.replace("URL", url).replace("CLIENT", client)).with("rows.csv", rows);
    job.run(&[]).expect_code(0);
    let path = job.path("out.csv");
    let columns = "id,label,got,name,tag,half,via,wire,status,attempts,duration_ms,error";
    assert_eq!(csv_columns(&path).join(","), columns);
    let mut lines = csv(&path);
    lines.sort_by_key(|line| line["id"].parse::<usize>().expect("an id"));
    assert_eq!(lines.len(), ROWS);
    for (id, line) in (1..=ROWS).zip(&lines) {
        let expected = [
            ("id", id.to_string()),
            ("label", format!("row {id}")),
            ("got", id.to_string()),
            ("name", format!("item {id}")),
            ("tag", id.to_string()),
            ("half", format!("{id}.5")),
            ("via", format!("item-{id}")),
            ("status", "200".to_owned()),
            ("attempts", "1".to_owned()),
            ("error", String::new()),
        ];
        for (column, value) in expected {
            assert_eq!(line[column], value, "{column} of row {id}");
        }
    }
    lines.iter().map(|line| line["wire"].clone()).collect()
}

fn connections(wires: &HashSet<String>, protocol: &str) -> usize {
    assert!(wires.iter().all(|wire| wire.starts_with(protocol)), "{protocol}: {wires:?}");
    wires.len()
}

#[test]
fn ten_thousand_rows_against_nginx() {
    let Some(nginx) = nginx("", 1_000_000) else { return };
    let received = Client::connect(nginx.address()).get("/items/7").expect("nginx answers");
    assert_eq!((received.status, &received.json()["name"]), (200, &"item 7".into()), "before the program is judged");
    let wires = run(&format!("http://{}", nginx.address()), "");
    assert!(connections(&wires, "HTTP/1.1 ") <= 32, "{wires:?}");
}

#[test]
fn ten_thousand_rows_share_one_connection_over_http2() {
    let Some(nginx) = nginx("http2", 1_000_000) else { return };
    let wires = run(&format!("http://{}", nginx.address()), "http = \"2\"");
    assert_eq!(connections(&wires, "HTTP/2.0 "), 1, "{wires:?}");
}

#[test]
fn http2_over_tls_outlives_connections_that_go_away() {
    // nginx says GOAWAY after as many requests, with others of ours on their way.
    let Some(nginx) = nginx("ssl http2", 700) else { return };
    let port = nginx.address().port();
    let client = format!("tls.ca = {:?}\nresolve = {{ localhost = \"127.0.0.1:{port}\" }}", nginx.path("ca.pem"));
    let wires = run(&format!("https://localhost:{port}"), &client);
    let connections = connections(&wires, "HTTP/2.0 ");
    assert!((ROWS / 700..ROWS / 300).contains(&connections), "{connections}: {wires:?}");
}
