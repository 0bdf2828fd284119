//! Who may look at a run over HTTP while it works: what `run --metrics` serves.
//!
//! Everything listens before the run begins, so that a port that is taken costs no request. Must never keep a run that
//! has ended from leaving.

use std::net::TcpListener;
use std::sync::Arc;

use super::args::WatchArgs;
use super::exit::Exit;
use super::print::Printer;
use crate::diagnostic::Format;
use crate::report::Reporter;
use crate::serve::server::Site;
use crate::serve::{Address, Metrics, Server, Watched, Watcher};

/// Servers at work, and the run that they show.
pub(super) struct Watching {
    watched: Arc<Watched>,
    servers: Vec<Server>,
}

impl Watching {
    /// Starts what was asked for, and says where it is.
    pub(super) fn open(args: WatchArgs, format: Format, print: &mut Printer) -> Result<Self, Exit> {
        let mut watching = Self { watched: Arc::default(), servers: Vec::new() };
        if let Some(address) = args.metrics {
            let listener = listen("--metrics", address, args.serve_anywhere);
            let site = Arc::new(Metrics::new(watching.watched.clone()));
            let server = listener.and_then(|listener| start("--metrics", listener, site));
            let server = server.map_err(|refusal| refusal.tell(format, print))?;
            print.place(format, "metrics are at", &format!("http://{}/metrics", server.address()));
            watching.servers.push(server);
        }
        Ok(watching)
    }

    /// Who learns of the run; nobody where nothing is served.
    pub(super) fn reporter(&self) -> Option<Box<dyn Reporter>> {
        let watcher = || Box::new(Watcher(self.watched.clone())) as Box<dyn Reporter>;
        (!self.servers.is_empty()).then(watcher)
    }

    /// Ends the servers, after replies that are on their way.
    pub(super) fn end(self) {
        self.servers.into_iter().for_each(Server::end);
    }
}

/// Why nothing can be served.
struct Refusal {
    exit: Exit,
    words: String,
}

impl Refusal {
    fn tell(self, format: Format, print: &mut Printer) -> Exit {
        print.error(format, &self.words);
        self.exit
    }
}

fn listen(flag: &str, address: Address, anywhere: bool) -> Result<TcpListener, Refusal> {
    if !address.is_loopback() && !anywhere {
        let port = address.socket().port();
        let words = format!(
            "{flag} {address} could be reached from other machines, and names hosts, endpoints and what fails: use \
             127.0.0.1:{port}, or say --serve-anywhere"
        );
        return Err(Refusal { exit: Exit::Usage, words });
    }
    TcpListener::bind(address.socket()).map_err(|error| {
        let way_out = "name another port, or port 0 for a free one";
        Refusal { exit: Exit::Broken, words: format!("{flag}: can't listen at {address}: {error}; {way_out}") }
    })
}

fn start(flag: &str, listener: TcpListener, site: Arc<dyn Site>) -> Result<Server, Refusal> {
    Server::start(listener, site)
        .map_err(|error| Refusal { exit: Exit::Broken, words: format!("{flag}: can't serve: {error}") })
}
