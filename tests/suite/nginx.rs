//! A real server that nobody here wrote: 10,000 rows against nginx, checked row by row.
//!
//! Without nginx the test says that it was skipped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
    keepalive_requests 1000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT;
        location ~ "^/items/([0-9]+)$" {
            default_type application/json;
            add_header X-Item "item-$1";
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
    fn start(program: &PathBuf) -> Self {
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start(program) {
                Ok(nginx) => return nginx,
                Err(error) => said = error,
            }
        }
        panic!("nginx is there but does not start:\n{said}");
    }

    fn try_start(program: &PathBuf) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let configuration = CONFIGURATION.replace("PORT", &address.port().to_string());
        std::fs::write(folder.path().join("nginx.conf"), configuration).expect("a configuration");
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
[endpoints.item]
url   = "http://ADDRESS/items/{{ row.id }}"
input = "rows.csv"
concurrency = 32

[endpoints.item.columns]
got  = "$.id"
name = "$.name"
tag  = "$.tags[1]"
half = "$.nested.half"
via  = "{{ headers['x-item'] }}"

[sinks.out]
path = "out.csv"
"#;

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn ten_thousand_rows_against_nginx() {
    let Some(program) = program() else {
        eprintln!("skipped: nginx not found");
        return;
    };
    let nginx = Nginx::start(&program);
    let received = Client::connect(nginx.address).get("/items/7").expect("nginx answers");
    assert_eq!((received.status, &received.json()["name"]), (200, &"item 7".into()), "before the program is judged");
    let rows: String = (1..=ROWS).fold("id,label\n".to_owned(), |rows, id| rows + &format!("{id},row {id}\n"));
    let job = Job::new(&JOB.replace("ADDRESS", &nginx.address.to_string())).with("rows.csv", rows);
    job.run(&[]).expect_code(0);
    let path = job.path("out.csv");
    let columns = "id,label,got,name,tag,half,via,status,attempts,duration_ms,error";
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
}
