//! A real server that nobody here wrote: 10,000 rows against nginx, checked row by row, over HTTP/1.1 and
//! HTTP/2.
//!
//! Without nginx the tests say that they were skipped.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};

use crate::support::client::Client;
use crate::support::output::{csv, csv_columns};
use crate::support::{Job, wait};

const ROWS: usize = 10_000;

const CONFIGURATION: &str = r#"
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 512; }
http {
    access_log off;
    keepalive_requests REQUESTS;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT LISTEN;
        location ~ "^/items/([0-9]+)$" {
            default_type application/json;
            add_header X-Item "item-$1";
            add_header X-Wire "$server_protocol $connection";
            return 200 '{"id": $1, "name": "item $1", "tags": ["a", "$1"], "nested": {"half": $1.5}}';
        }
    }
}
"#;

/// A running nginx in a folder of its own; killed when dropped.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = paceline::environment::variable("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).filter(|folder| !folder.is_empty());
    folders.map(|folder| PathBuf::from(folder).join("nginx")).find(|program| program.is_file())
}

impl Nginx {
    /// Starts on a free port. Another process may take the port between the look and the start, so
    /// that more than one port is tried.
    fn start(program: &PathBuf, listen: &str, requests: usize) -> Self {
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start(program, listen, requests) {
                Ok(nginx) => return nginx,
                Err(error) => said = error,
            }
        }
        panic!("nginx is there but does not start:\n{said}");
    }

    fn try_start(program: &PathBuf, listen: &str, requests: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let configuration = CONFIGURATION.replace("PORT", &address.port().to_string());
        let configuration = configuration.replace("LISTEN", listen).replace("REQUESTS", &requests.to_string());
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["localhost".to_owned()]).expect("a name").self_signed(&key);
        let certificate = certificate.expect("a certificate").pem();
        for (name, text) in [("nginx.conf", configuration), ("cert.pem", certificate), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), text).expect("a file for nginx");
        }
        let process = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx can be started");
        let mut nginx = Self { process, folder, address };
        let ready = wait::within(Duration::from_secs(20), || nginx.ready());
        if ready == Some(true) { Ok(nginx) } else { Err(nginx.log()) }
    }

    /// `Some(true)` when it listens, `Some(false)` when it has ended.
    fn ready(&mut self) -> Option<bool> {
        if self.process.try_wait().expect("a child can be waited for").is_some() {
            return Some(false);
        }
        TcpStream::connect(self.address).ok().map(|_| true)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
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

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn nginx(listen: &str, requests: usize) -> Option<Nginx> {
    let Some(program) = program() else {
        eprintln!("skipped: nginx not found");
        return None;
    };
    Some(Nginx::start(&program, listen, requests))
}

#[test]
fn ten_thousand_rows_against_nginx() {
    let Some(nginx) = nginx("", 1_000_000) else { return };
    let received = Client::connect(nginx.address).get("/items/7").expect("nginx answers");
    assert_eq!((received.status, &received.json()["name"]), (200, &"item 7".into()), "before the program is judged");
    let wires = run(&format!("http://{}", nginx.address), "");
    assert!(connections(&wires, "HTTP/1.1 ") <= 32, "{wires:?}");
}

#[test]
fn ten_thousand_rows_share_one_connection_over_http2() {
    let Some(nginx) = nginx("http2", 1_000_000) else { return };
    let wires = run(&format!("http://{}", nginx.address), "http = \"2\"");
    assert_eq!(connections(&wires, "HTTP/2.0 "), 1, "{wires:?}");
}

#[test]
fn http2_over_tls_outlives_connections_that_go_away() {
    // nginx says GOAWAY after as many requests, with others of ours on their way.
    let Some(nginx) = nginx("ssl http2", 700) else { return };
    let port = nginx.address.port();
    let client = format!(
        "tls.ca = {:?}\nresolve = {{ localhost = \"127.0.0.1:{port}\" }}",
        nginx.folder.path().join("cert.pem")
    );
    let wires = run(&format!("https://localhost:{port}"), &client);
    let connections = connections(&wires, "HTTP/2.0 ");
    assert!((ROWS / 700..ROWS / 300).contains(&connections), "{connections}: {wires:?}");
}
