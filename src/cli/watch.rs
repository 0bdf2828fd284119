//! Who may look at a run over HTTP while it works: what `run --serve` and `run --metrics` serve.
//!
//! Everything listens before the run begins, so that a port that is taken costs no request. Must never keep a run that
//! has ended from leaving.

use std::net::TcpListener;
use std::sync::Arc;

use super::args::WatchArgs;
use super::exit::Exit;
use super::print::Printer;
use super::reports::voices;
use crate::diagnostic::Format;
use crate::recap::Recap;
use crate::report::Reporter;
use crate::serve::server::Site;
use crate::serve::{Address, Metrics, Page, Server, Token, Watched, Watcher};

/// Servers at work, and the run that they show.
pub(super) struct Watching {
    watched: Arc<Watched>,
    servers: Vec<Server>,
}

impl Watching {
    /// Starts what was asked for, and says where it is.
    pub(super) fn open(args: &WatchArgs, format: Format, print: &mut Printer) -> Result<Self, Exit> {
        let mut watching = Self { watched: Arc::default(), servers: Vec::new() };
        watching.serve(args, format, print).map_err(|refusal| {
            voices(format).for_each(|format| print.error(format, &refusal.words));
            refusal.exit
        })?;
        Ok(watching)
    }

    fn serve(&mut self, args: &WatchArgs, format: Format, print: &mut Printer) -> Result<(), Refusal> {
        if let Some(address) = args.serve {
            let listener = listen("--serve", address, args.serve_anywhere)?;
            let token = Token::draw().ok_or_else(|| Refusal::broken("--serve: the system gives no randomness"))?;
            let path = format!("/{}/", token.written());
            let server = start("--serve", listener, Arc::new(Page::new(self.watched.clone(), token)))?;
            print.place(format, "the run can be watched at", &format!("http://{}{path}", server.address()));
            self.servers.push(server);
        }
        if let Some(address) = args.metrics {
            let listener = listen("--metrics", address, args.serve_anywhere)?;
            let server = start("--metrics", listener, Arc::new(Metrics::new(self.watched.clone())))?;
            print.place(format, "metrics are at", &format!("http://{}/metrics", server.address()));
            self.servers.push(server);
        }
        Ok(())
    }

    /// Who learns of the run; nobody where nothing is served.
    pub(super) fn reporter(&self) -> Option<Box<dyn Reporter>> {
        let watcher = || Box::new(Watcher(self.watched.clone())) as Box<dyn Reporter>;
        (!self.servers.is_empty()).then(watcher)
    }

    /// Tells those who look how the run ended; `None`: it could not start.
    pub(super) fn tell_end(&self, recap: Option<&Recap>) {
        self.watched.end(recap);
    }

    /// Ends the servers, after replies that are on their way.
    pub(super) fn end(self) {
        self.servers.iter().for_each(Server::close);
        self.servers.into_iter().for_each(Server::end);
    }
}

/// Why nothing can be served.
struct Refusal {
    exit: Exit,
    words: String,
}

impl Refusal {
    fn broken(words: impl Into<String>) -> Self {
        Self { exit: Exit::Broken, words: words.into() }
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
        Refusal::broken(format!("{flag}: can't listen at {address}: {error}; {way_out}"))
    })
}

fn start(flag: &str, listener: TcpListener, site: Arc<dyn Site>) -> Result<Server, Refusal> {
    Server::start(listener, site).map_err(|error| Refusal::broken(format!("{flag}: can't serve: {error}")))
}
