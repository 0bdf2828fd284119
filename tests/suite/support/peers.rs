//! Real servers that nobody here wrote: found, started on a free port of 127.0.0.1, and ended.
//!
//! Where a program is missing, [`find`] or [`find_pinned`] says `skipped: NAME not found` and the test passes; `.ci/run` installs
//! them all and takes a skip for a failure. Must never leave a process behind.

use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait;

/// Where programs from PyPI are, unless `PACELINE_PEERS_VENV` says otherwise.
const VENV: &str = "target/peers-venv";

/// A server that does not listen by then never will.
const READY: Duration = Duration::from_secs(60);

/// The program of this name, in PATH or in the folders of servers; `None` is said, as a skip.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = paceline::environment::variable("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).filter(|folder| !folder.is_empty());
    said(name, folders.map(|folder| Path::new(folder).join(name)).find(|program| program.is_file()))
}

/// The program of this name from PyPI: in the virtual environment with the pinned versions and nowhere else,
/// as another version in PATH may behave in another way; `None` is said, as a skip.
pub fn find_pinned(name: &str) -> Option<PathBuf> {
    said(name, Some(pinned(name)).filter(|program| program.is_file()))
}

/// Python with pyarrow, both of that virtual environment; `None` is said, as a skip.
#[cfg(feature = "parquet")]
pub fn pyarrow() -> Option<PathBuf> {
    pinned_python("pyarrow.parquet")
}

/// Python with a module, both of that virtual environment; `None` is said, as a skip.
pub fn pinned_python(module: &str) -> Option<PathBuf> {
    let python = pinned("python3");
    let done = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    said(module, Some(python).filter(|_| done.is_ok_and(|done| done.status.success())))
}

fn pinned(name: &str) -> PathBuf {
    let venv = paceline::environment::variable("PACELINE_PEERS_VENV").unwrap_or_else(|| VENV.to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(venv).join("bin").join(name)
}

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn said(name: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        eprintln!("skipped: {name} not found");
    }
    found
}

/// A running server in a folder of its own; killed when dropped.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    /// What started it, and may again.
    command: Command,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Peer {
    /// Starts a server. `prepare` gets its folder and its port and gives the command that runs it in the
    /// foreground. Another process may take the port between the look and the start, so that more than
    /// one is tried.
    pub fn start(prepare: impl Fn(&Path, u16) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start(&prepare) {
                Ok(peer) => return peer,
                Err(words) => said = words,
            }
        }
        panic!("a server is there but does not start:\n{said}");
    }

    fn try_start(prepare: impl Fn(&Path, u16) -> Command) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("paceline-peer-").tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let output = File::create(folder.path().join("output")).expect("a file for its output");
        let mut command = prepare(folder.path(), address.port());
        let errors = output.try_clone().expect("a file for its output");
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(output).stderr(errors);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut peer = Self { process, command, folder, address };
        let ready = wait::within(READY, || peer.ready());
        if ready == Some(true) { Ok(peer) } else { Err(peer.read("output") + &peer.read("error.log")) }
    }

    /// `Some(true)` when it listens, `Some(false)` when it has ended.
    fn ready(&mut self) -> Option<bool> {
        if self.process.try_wait().expect("a child can be waited for").is_some() {
            return Some(false);
        }
        TcpStream::connect(self.address).ok().map(|_| true)
    }

    /// Ends it by a signal, such as `INT`, and waits for its end.
    pub fn end(&mut self, signal: &str) {
        let _ = Command::new("kill").args([&format!("-{signal}"), &self.process.id().to_string()]).status();
        wait::until("the end of a server", READY, || self.process.try_wait().expect("a child can be waited for"));
    }

    /// Starts it again, where it was.
    pub fn start_again(&mut self) {
        self.process = self.command.spawn().expect("a server that started once");
        assert_eq!(wait::within(READY, || self.ready()), Some(true), "{}", self.read("output"));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where this file of its folder is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of its folder; empty when there is none. Its output is in `output`.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Servers with workers end them only when they are asked to end.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let ended = wait::within(Duration::from_secs(10), || self.process.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Starts nginx with these lines in its `http` block, in which `PORT` stands for its port, and these files
/// in its folder.
pub fn nginx(program: &Path, http: &str, files: &[(&str, &str)]) -> Peer {
    Peer::start(|folder, port| {
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};\n"));
        let http = format!("{}{}", places.concat(), http.replace("PORT", &port.to_string()));
        let head = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents { worker_connections 512; }\n";
        write(folder, "nginx.conf", &format!("{head}http {{\n{http}\n}}\n"));
        for (name, text) in files {
            write(folder, name, text);
        }
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "error.log"]);
        command
    })
}

fn write(folder: &Path, name: &str, text: &str) {
    let mut file = File::create(folder.join(name)).expect("a file");
    file.write_all(text.as_bytes()).expect("a file");
}

/// A PostgreSQL server with the user and database `tester`, whose password is `PASSWORD`; not before it answers.
#[cfg(feature = "postgres")]
pub fn postgres() -> Option<Peer> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    programs.retain(|programs| programs.join("initdb").is_file());
    programs.sort();
    let programs = said("postgres", programs.pop())?;
    let peer = Peer::start(|folder, port| {
        let data = folder.join("data");
        write(folder, "password", PASSWORD);
        std::fs::create_dir(&data).expect("a folder");
        // The server refuses to be root; another user must come into the folder.
        let root = Command::new("id").arg("-u").output().expect("id").stdout.trim_ascii() == b"0";
        if root {
            let run = |command: &mut Command| assert!(command.status().expect("a command").success(), "{command:?}");
            run(Command::new("chmod").arg("755").arg(folder));
            run(Command::new("chown").arg("nobody").arg(&data).arg(folder.join("password")));
        }
        let program = |name: &str| {
            let mut command = Command::new(if root { "setpriv".into() } else { programs.join(name) });
            if root {
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(programs.join(name));
            }
            command.current_dir(&data).arg("-D").arg(&data);
            command
        };
        let mut made = program("initdb");
        made.args(["-U", "tester", "-A", "scram-sha-256", "--no-sync", "--no-locale", "-E", "UTF8", "--pwfile"]);
        let made = made.arg(folder.join("password")).output().expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = program("postgres");
        command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command.args(["-c", "fsync=off", "-c", "timezone=Asia/Tokyo", "-c", "datestyle=German"]);
        command
    });
    wait::until("an answer of PostgreSQL", READY, || psql(&peer, "SELECT 1", "postgres").then_some(()));
    assert!(psql(&peer, "CREATE DATABASE tester", "postgres"));
    Some(peer)
}

/// The password of the user of [`postgres`].
#[cfg(feature = "postgres")]
pub const PASSWORD: &str = "p@ss:word/7";

/// Runs statements on a server of [`postgres`].
#[cfg(feature = "postgres")]
pub fn psql(peer: &Peer, statements: &str, database: &str) -> bool {
    said_to(peer, statements, database).status.success()
}

/// What a query of the database `tester` gives, a line for each row, with `|` between columns.
#[cfg(feature = "postgres")]
pub fn query(peer: &Peer, statement: &str) -> Vec<String> {
    let done = said_to(peer, statement, "tester");
    assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[cfg(feature = "postgres")]
fn said_to(peer: &Peer, statements: &str, database: &str) -> std::process::Output {
    let port = peer.address().port().to_string();
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    command.args(["-h", "127.0.0.1", "-p", &port, "-U", "tester", "-d", database, "-c", statements]);
    command.env("PGPASSWORD", PASSWORD).stdin(Stdio::null()).output().expect("psql runs")
}
