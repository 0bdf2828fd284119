//! An HTTP/2 server by hand (RFC 9113), without TLS: it reads frames, answers its pings and settings, and
//! says to each request what its script says, byte for byte.
//!
//! It knows streams and no headers: which row a request is for is the order's to tell. Must never be used
//! where the order of requests is open.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::raw::{self, Piece};

/// `PRI * HTTP/2.0 ...`
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
const FLAG: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes (RFC 9113 §7).
pub const NO_ERROR: u32 = 0;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

/// A request, as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Position among all requests.
    pub number: usize,
    /// Number of its connection.
    pub connection: usize,
    /// Its stream.
    pub stream: u32,
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:status: 200`, of the static table of HPACK (RFC 7541, appendix A).
pub fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

/// A piece of a body; the last one ends the stream.
pub fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    frame(DATA, if last { FLAG } else { 0 }, stream, bytes)
}

/// Status 200 with a body.
pub fn reply(stream: u32, body: &str) -> Vec<Piece> {
    vec![Piece::Bytes([head(stream), data(stream, body.as_bytes(), true)].concat())]
}

/// Ends a stream with an error.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Says that no stream above `last` was looked at.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

type Script = dyn Fn(Asked) -> Vec<Piece> + Send + Sync;

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Frames {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Frames {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(Asked) -> Vec<Piece> + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let (end, ended) = oneshot::channel();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, log, script) => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("frames".to_owned()).spawn(serve).expect("a thread");
        Self { address, asked, end: Some(end), thread: Some(thread) }
    }

    /// Its origin.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, log: Arc<Mutex<Vec<Asked>>>, script: Arc<Script>) {
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, connection, Arc::clone(&log), Arc::clone(&script)));
    }
}

/// Serves until either side has enough.
async fn serve(mut stream: TcpStream, connection: usize, log: Arc<Mutex<Vec<Asked>>>, script: Arc<Script>) {
    let mut preface = [0; PREFACE];
    if stream.read_exact(&mut preface).await.is_err() || !preface.starts_with(b"PRI * HTTP/2.0") {
        return;
    }
    let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
    while let Some((kind, flags, id, payload)) = next(&mut stream).await {
        let pieces = match kind {
            SETTINGS if flags & FLAG == 0 => vec![Piece::Bytes(frame(SETTINGS, FLAG, 0, &[]))],
            PING if flags & FLAG == 0 => vec![Piece::Bytes(frame(PING, FLAG, 0, &payload))],
            HEADERS => {
                let asked = {
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    let asked = Asked { number: log.len(), connection, stream: id };
                    log.push(asked);
                    asked
                };
                script(asked)
            }
            _ => Vec::new(),
        };
        if !raw::play(&mut stream, &pieces).await {
            return;
        }
    }
}

/// Kind, flags, stream and payload of the next frame.
async fn next(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    let mut payload = vec![0; usize::try_from(length).ok()?];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], id, payload))
}

#[test]
fn it_speaks_frames() {
    use std::io::{Read as _, Write as _};
    let server = Frames::start(|asked| reply(asked.stream, "{}"));
    let mut client = std::net::TcpStream::connect(server.address).expect("it listens");
    let sent =
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(PING, 0, 0, b"12345678"), frame(HEADERS, 5, 1, &[0x82])];
    client.write_all(&sent.concat()).expect("it reads");
    let expected = [
        vec![0, 0, 0, 4, 0, 0, 0, 0, 0],
        [vec![0, 0, 8, 6, 1, 0, 0, 0, 0], b"12345678".to_vec()].concat(),
        vec![0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88],
        vec![0, 0, 2, 0, 1, 0, 0, 0, 1, b'{', b'}'],
    ];
    let mut received = vec![0; expected.concat().len()];
    client.read_exact(&mut received).expect("it answers");
    assert_eq!(received, expected.concat());
    assert_eq!(server.asked(), [Asked { number: 0, connection: 0, stream: 1 }]);
    assert_eq!((goaway(1, NO_ERROR).len(), reset(1, CANCEL).len()), (17, 13));
}
