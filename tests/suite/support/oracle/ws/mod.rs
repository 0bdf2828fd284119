//! A WebSocket server by hand (RFC 6455): frames are bytes that a script puts together, so that every rule can be broken, and
//! what the client sends is read by rules that it may break none of.
//!
//! Speaks to each connection what its script says, and hears meanwhile. Must never lose a frame of the client: what was
//! read is in the log before it is answered.

mod frame;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::Connections;
use super::log::Log;
pub use frame::{BINARY, CLOSE, CONTINUATION, Frame, Length, PING, PONG, TEXT, close};

/// What is said to an opening handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shake {
    /// 101, and all is right.
    Good,
    /// 101 with more headers.
    With(Vec<(&'static str, &'static str)>),
    /// 101 with the answer to another key.
    WrongKey,
    /// A reply that opens nothing: status, headers, body.
    Plain(u16, Vec<(&'static str, String)>, &'static str),
    /// These bytes.
    Raw(&'static str),
    /// Nothing.
    Never,
}

/// What is done with a socket that is open, one after the other. Behind the last one the server listens until the client
/// leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Send(Frame),
    Bytes(Vec<u8>),
    /// Sends this frame again and again, until the client leaves.
    Flood(Frame),
    /// Sends `{"seq":N}` from behind the `after` of the client's first text up to this number, this far apart.
    Count {
        until: u64,
        every: Duration,
    },
    /// Waits until the client has sent so many texts and binaries.
    Hear(usize),
    /// Waits for so many pings.
    Pings(usize),
    /// Waits for the client's close frame.
    Closed,
    Pause(Duration),
    /// Sends no more (FIN) and goes on listening.
    HalfClose,
    /// Reads nothing for so long; what the client sends stays in its buffers. Then it lets all go by.
    Deaf(Duration),
    /// Ends the connection as it is.
    Drop,
    /// Resets the connection (RST).
    Reset,
}

/// What happens to one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub shake: Shake,
    pub acts: Vec<Act>,
    /// Whether pings are answered.
    pub pongs: bool,
}

impl Part {
    /// Opens the socket as it should be opened, and then does this.
    pub fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self { shake: Shake::Good, acts: acts.into_iter().collect(), pongs: true }
    }

    /// Never opens the socket.
    pub fn refused(shake: Shake) -> Self {
        Self { shake, acts: Vec::new(), pongs: true }
    }

    /// Sends these frames.
    pub fn frames(frames: impl IntoIterator<Item = Frame>) -> Self {
        Self::of(frames.into_iter().map(Act::Send))
    }

    /// And then does this, too.
    pub fn then(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.acts.extend(acts);
        self
    }

    pub fn without_pongs(self) -> Self {
        Self { pongs: false, ..self }
    }
}

/// A frame of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Heard {
    /// The code of a close frame.
    pub fn code(&self) -> Option<u16> {
        self.payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}

/// A connection, as far as it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Number of the connection among all, from zero.
    pub number: usize,
    /// How many there were before it for this path.
    pub turn: usize,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub frames: Vec<Heard>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Texts that the client sent.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.frames.iter().filter(|frame| frame.opcode == TEXT);
        texts.map(|frame| String::from_utf8(frame.payload.clone()).expect("UTF-8, which was looked at")).collect()
    }

    /// Payloads of frames of this kind.
    pub fn payloads(&self, opcode: u8) -> Vec<Vec<u8>> {
        self.frames.iter().filter(|frame| frame.opcode == opcode).map(|frame| frame.payload.clone()).collect()
    }

    /// How the client closed: with no frame, or a frame that has a code or none.
    pub fn closed(&self) -> Option<Option<u16>> {
        self.frames.iter().find(|frame| frame.opcode == CLOSE).map(Heard::code)
    }
}

type Script = dyn Fn(&Seen) -> Part + Send + Sync;

#[derive(Debug, Default)]
struct Book {
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<String>>,
    news: Notify,
}

impl Book {
    fn open(&self, mut seen: Seen) -> Seen {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.number = all.len();
        seen.turn = all.iter().filter(|other| other.path == seen.path).count();
        all.push(seen.clone());
        seen
    }

    fn hear(&self, number: usize, heard: Heard) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)[number].frames.push(heard);
        self.news.notify_waiters();
    }

    fn seen(&self, number: usize) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)[number].clone()
    }

    fn blame(&self, fault: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Sockets {
    address: SocketAddr,
    book: Arc<Book>,
    log: Arc<Log>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sockets {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&Seen) -> Part + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let (end, ended) = oneshot::channel();
        let (book, log, script) = (Arc::<Book>::default(), Arc::<Log>::default(), Arc::new(script) as Arc<Script>);
        let (book_kept, log_kept) = (Arc::clone(&book), Arc::clone(&log));
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, &book, &log, &script) => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("sockets".to_owned()).spawn(serve).expect("a thread");
        Self { address, book: book_kept, log: log_kept, end: Some(end), thread: Some(thread) }
    }

    /// Its origin, such as `ws://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Every connection whose handshake was read, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.book.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections there were, and how many there are.
    pub fn connections(&self) -> Connections {
        self.log.connections()
    }

    /// What clients did that RFC 6455 does not allow; empty for good ones.
    pub fn faults(&self) -> Vec<String> {
        self.book.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, book: &Arc<Book>, log: &Arc<Log>, script: &Arc<Script>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        connections.spawn(wire::serve(stream, Arc::clone(book), Log::open(log), Arc::clone(script)));
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::support::wait;

    fn read(stream: &mut std::net::TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).expect("so much comes");
        bytes
    }

    const ASKED: &[u8] = b"GET /a?b=c HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn it_speaks_and_hears() {
        let server = Sockets::start(|_| Part::frames([Frame::text("hi")]).then([Act::Closed, Act::Drop]));
        let mut client = std::net::TcpStream::connect(server.address).expect("it listens");
        client.write_all(ASKED).expect("it reads");
        let head = String::from_utf8(read(&mut client, 129)).expect("a head");
        assert!(head.ends_with("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), "{head}");
        assert_eq!(read(&mut client, 4), b"\x81\x02hi");
        let masked = |opcode, payload: &[u8], mask| Frame { mask: Some(mask), ..Frame::new(opcode, payload) }.bytes();
        client.write_all(&masked(PING, b"p", [1, 2, 3, 4])).expect("it reads");
        assert_eq!(read(&mut client, 3), b"\x8a\x01p");
        client.write_all(&Frame::text("bare").bytes()).expect("it reads");
        client.write_all(&masked(CLOSE, &1001_u16.to_be_bytes(), [5, 6, 7, 8])).expect("it reads");
        assert_eq!(client.read(&mut [0]).expect("an end"), 0);
        wait::until("the end", Duration::from_secs(10), || (server.connections().open == 0).then_some(()));
        let seen = &server.seen()[0];
        assert_eq!((seen.path.as_str(), seen.query.as_str(), seen.closed()), ("/a", "b=c", Some(Some(1001))));
        assert_eq!((seen.texts(), seen.payloads(PING)), (vec!["bare".to_owned()], vec![b"p".to_vec()]));
        assert_eq!(server.faults().len(), 1, "one frame was not masked: {:?}", server.faults());
    }

    #[test]
    fn frames_are_written_as_told() {
        assert_eq!(Frame::new(BINARY, [7; 200]).bytes()[..4], [0x82, 126, 0, 200]);
        let lie = Frame { length: Length::Lie(1 << 62), reserved: 5, ..Frame::text("a").unfinished() };
        assert_eq!(lie.bytes(), [0x51, 127, 0x40, 0, 0, 0, 0, 0, 0, 0, b'a']);
        assert_eq!(
            Frame { length: Length::Two, mask: Some([1; 4]), ..Frame::text("a") }.bytes(),
            [0x81, 0xfe, 0, 1, 1, 1, 1, 1, b'`']
        );
        assert_eq!(close(Some(1000), "ok").bytes(), [0x88, 4, 3, 232, b'o', b'k']);
        assert_eq!(close(None, "").bytes(), [0x88, 0]);
    }
}
