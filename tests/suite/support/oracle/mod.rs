//! The oracle: an HTTP/1.1 server that sees everything, says what its script says, and can misbehave.
//!
//! It lives on a thread and a runtime of its own, so that nothing in a test disturbs its clock. It
//! parses and writes HTTP by itself: a fault of the libraries that the program is built on can't hide
//! here. Must never lose a request: what was read whole is in the log before it is answered.

pub mod answer;
pub mod h2;
mod log;
pub mod raw;
pub mod script;
#[cfg(test)]
mod tests;
mod wire;
pub mod ws;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use paceline::clock::Instant;
use tokio::sync::oneshot;

pub use answer::Answer;
use log::Log;
pub use log::{Arrival, Connections, window_violation};
pub use raw::{Piece, Refusing};

/// A request as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Zero-based position in the log.
    pub number: usize,
    /// Number of its connection, from zero, in the order of acceptance.
    pub connection: usize,
    /// Method.
    pub method: String,
    /// Path, as it was sent.
    pub path: String,
    /// Query, as it was sent, without the question mark; empty when there is none.
    pub query: String,
    /// Headers, as they were sent.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// When its head was read.
    pub at: Instant,
    /// How long it may have waited unread because the machine stood still.
    pub late: Duration,
}

impl SeenRequest {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The last segment of the path.
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// What the oracle answers.
pub type Script = dyn Fn(&SeenRequest) -> Answer + Send + Sync;

/// What the oracle does with a new connection, by its number, before it reads a request.
pub type Greet = dyn Fn(usize) -> Vec<Piece> + Send + Sync;

/// A running oracle; ends when dropped.
#[derive(Debug)]
pub struct Oracle {
    address: SocketAddr,
    log: Arc<Log>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Oracle {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::greeting(|_| Vec::new(), script)
    }

    /// Starts on a free port of 127.0.0.1, and does something with connections before any request.
    pub fn greeting(
        greet: impl Fn(usize) -> Vec<Piece> + Send + Sync + 'static,
        script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listening(Refusing::new(), greet, script)
    }

    /// Begins to listen where every connection was refused so far.
    pub fn listening(
        at: Refusing,
        greet: impl Fn(usize) -> Vec<Piece> + Send + Sync + 'static,
        script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = at.address();
        let (end, ended) = oneshot::channel();
        let log = Arc::new(Log::default());
        let (greet, script): (Arc<Greet>, Arc<Script>) = (Arc::new(greet), Arc::new(script));
        let shared = Arc::clone(&log);
        let (listens, listening) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = at.into_socket().listen(1024).expect("a listener");
                listens.send(()).expect("the test waits for it");
                tokio::select! {
                    () = wire::accept(listener, Arc::clone(&shared), greet, script) => {}
                    () = log::keep_pulse(&shared) => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("oracle".to_owned()).spawn(serve).expect("a thread");
        listening.recv().expect("the oracle listens");
        Self { address, log, end: Some(end), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Arc<SeenRequest>> {
        self.log.requests()
    }

    /// Number of requests so far.
    pub fn count(&self) -> usize {
        self.log.count()
    }

    /// How many connections there were, and how many there are.
    pub fn connections(&self) -> Connections {
        self.log.connections()
    }

    /// Number of requests for each path.
    pub fn count_by_path(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.requests() {
            *counts.entry(request.path.clone()).or_default() += 1;
        }
        counts
    }

    /// What clients did that HTTP/1.1 does not allow; empty for good ones.
    pub fn faults(&self) -> Vec<String> {
        self.log.faults()
    }

    /// When and how late every request arrived.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.requests().iter().map(|request| Arrival { at: request.at, late: request.late }).collect()
    }

    /// Says so when some window of length T saw more than `burst + rate * T + slack` requests.
    /// `rate` is in requests per second, `slack` in requests.
    pub fn window_violation(&self, rate: f64, burst: f64, slack: f64) -> Option<String> {
        window_violation(&self.arrivals(), rate, burst, slack)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
