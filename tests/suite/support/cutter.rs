//! A relay that cuts connections to a server of PostgreSQL where a test wants them cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Where a connection is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// Not at all.
    Never,
    /// After so many bytes of both sides.
    After(u32),
    /// When the server has answered the so-many-th COMMIT, counted from 0: nobody hears the answer.
    Commit(u32),
}

/// Relays connections until it is dropped; those that are open then stay until a side ends them.
pub struct Cutter {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
}

/// One connection.
struct Relay {
    left: AtomicI64,
    commits: AtomicI64,
    cuts: Arc<AtomicU64>,
    cut: AtomicBool,
    client: TcpStream,
    server: TcpStream,
}

impl Cutter {
    /// Relays to `target`; `choose` says how each connection ends, counted from 0.
    pub fn start(target: SocketAddr, mut choose: impl FnMut(u64) -> Cut + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (ended, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (is_ended, count) = (Arc::clone(&ended), Arc::clone(&cuts));
        std::thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming()) {
                if is_ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok((client, server)) = client.and_then(|client| Ok((client, TcpStream::connect(target)?))) else {
                    continue;
                };
                relay(client, server, choose(number), Arc::clone(&count));
            }
        });
        Self { address, ended, cuts }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn relay(client: TcpStream, server: TcpStream, cut: Cut, cuts: Arc<AtomicU64>) {
    let (left, commits) = match cut {
        Cut::Never => (i64::MAX, i64::MAX),
        Cut::After(bytes) => (i64::from(bytes), i64::MAX),
        Cut::Commit(number) => (i64::MAX, i64::from(number)),
    };
    let cut = AtomicBool::new(false);
    let relay = Arc::new(Relay { left: left.into(), commits: commits.into(), cuts, cut, client, server });
    let up = Arc::clone(&relay);
    std::thread::spawn(move || up.pump(&up.client, &up.server, true));
    std::thread::spawn(move || relay.pump(&relay.server, &relay.client, false));
}

impl Relay {
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, is_up: bool) {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let said = &bytes[..read];
            if is_up && said.windows(7).any(|word| word == b"COMMIT\0") {
                self.commits.fetch_sub(1, Ordering::SeqCst);
            }
            // What comes after the COMMIT that nobody hears of is its answer: it was asked alone.
            let left = match !is_up && self.commits.load(Ordering::SeqCst) < 0 {
                true => 0,
                false => self.left.fetch_sub(read as i64, Ordering::SeqCst).max(0) as usize,
            };
            let _ = to.write_all(&said[..read.min(left)]);
            if left < read {
                if !self.cut.swap(true, Ordering::SeqCst) {
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                }
                break;
            }
        }
        let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
    }
}
