//! One HTTP/2 connection: what takes requests, and the task that moves its bytes.
//!
//! Requests of many tasks run over it at once, so none of them can drive it; the task does, and ends with
//! the connection or when the connection is dropped. h2 is used without hyper's client around it, which
//! would spawn a task for each request and take a body for whole that the server broke off with NO_ERROR.
//!
//! Must never take more streams than the server allows (RFC 9113 §5.1.2), nor go on with one that is dead.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::task::JoinHandle;

use super::http1::MAX_HEAD;
use crate::clock::{self, Instant};
use crate::retry::{Failure, FailureKind};
use crate::transport::STREAMS_PER_CONNECTION;
use crate::transport::connect::wire::{Traffic, Wire};
use crate::transport::fault::io_words;

/// Bytes of one reply that the server may send before we have taken any: enough for 20 MB/s at a round
/// trip of 100 ms. On loopback 64 KiB cost large bodies a half of their speed and twice the CPU; from
/// 1 MiB on nothing changed.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// The same for all replies of a connection together: what it may cost of memory. h2 allows half of it for
/// the upkeep of small frames that nobody has read yet.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Largest frame that is taken (RFC 9113 §4.2).
const MAX_FRAME: u32 = 64 * 1024;
/// Streams before the server has said how many it allows: none are opened then, it only tells whether it has.
const UNSAID: usize = usize::MAX >> 1;

/// A connection that many requests share.
pub(in crate::transport) struct Http2Connection {
    sender: SendRequest<Bytes>,
    room: Arc<Room>,
    /// What moves over the wire.
    pub traffic: Arc<Traffic>,
    /// When a sign of life was last asked for, and the bytes that had come by then.
    doubted: Mutex<Option<(Instant, u64)>>,
    driver: JoinHandle<()>,
}

/// How many streams a connection takes; written by its driver.
#[derive(Default)]
struct Room {
    streams: AtomicUsize,
    retired: AtomicBool,
    /// Whether the server is to be asked for a sign of life.
    doubted: AtomicBool,
}

impl Drop for Http2Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http2Connection {
    /// Makes an HTTP/2 connection of a byte stream: ready when the server's settings are there.
    ///
    /// # Errors
    /// [`FailureKind::Connect`], or [`FailureKind::Protocol`] when the server speaks something else.
    pub async fn open(wire: Wire, host: &str) -> Result<Arc<Self>, Failure> {
        let traffic = wire.traffic();
        let handshake = settings().handshake::<_, Bytes>(wire);
        let (mut sender, mut connection) = handshake.await.map_err(|error| unopened(host, Some(&error)))?;
        let settled = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(unopened(host, ended.err().as_ref()))),
            Poll::Pending if connection.max_concurrent_send_streams() == UNSAID => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        });
        settled.await?;
        let room = Arc::new(Room::default());
        room.look(&mut sender, &connection);
        if room.retired.load(Ordering::Relaxed) {
            return Err(Failure::unsent(FailureKind::Connect, format!("`{host}` takes no requests over HTTP/2 now")));
        }
        let ping = connection.ping_pong();
        let driver = tokio::spawn(drive(connection, ping, sender.clone(), Arc::clone(&room)));
        Ok(Arc::new(Self { sender, room, traffic, doubted: Mutex::default(), driver }))
    }

    /// What a request is sent with.
    pub fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Streams that it takes at once; none when it is going away, and then never again.
    pub fn capacity(&self) -> usize {
        if self.room.retired.load(Ordering::Relaxed) { 0 } else { self.room.streams.load(Ordering::Relaxed) }
    }

    /// Takes no more streams from now on; those that are open go on.
    pub fn retire(&self) {
        self.room.retired.store(true, Ordering::Relaxed);
    }

    /// A request got no answer in its time, and has heard nothing since `silent_since`. The server is asked for a
    /// sign of life (PING, RFC 9113 §6.7), which goes out with the reset of the stream. Where one was asked for
    /// before that silence began and nothing at all has come since, the connection is dead: it is retired.
    pub fn doubt(&self, silent_since: Instant) {
        let read = self.traffic.read();
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        match *doubted {
            Some((_, before)) if before != read => {}
            Some((asked, _)) if asked <= silent_since => return self.retire(),
            Some(_) => return,
            None => {}
        }
        *doubted = Some((clock::now(), read));
        self.room.doubted.store(true, Ordering::Release);
    }
}

fn settings() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_max_send_streams(UNSAID);
    builder
}

/// Moves bytes until the connection ends, and tells how many streams it takes.
async fn drive(
    mut connection: Connection<Wire, Bytes>,
    mut ping: Option<PingPong>,
    mut sender: SendRequest<Bytes>,
    room: Arc<Room>,
) {
    poll_fn(|cx| {
        if let Some(ping) = &mut ping
            && room.doubted.swap(false, Ordering::Acquire)
        {
            // What was answered before makes room for the next one; one that is still out will do.
            let _ = ping.poll_pong(cx);
            let _ = ping.send_ping(Ping::opaque());
        }
        let ended = Pin::new(&mut connection).poll(cx);
        room.look(&mut sender, &connection);
        ended.map(drop)
    })
    .await;
    room.retired.store(true, Ordering::Relaxed);
}

impl Room {
    fn look(&self, sender: &mut SendRequest<Bytes>, connection: &Connection<Wire, Bytes>) {
        // The server said that it goes away, or the connection broke, or all numbers of streams are used.
        let ends = matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)));
        let streams = connection.max_concurrent_send_streams().min(STREAMS_PER_CONNECTION);
        if ends || streams == 0 {
            self.retired.store(true, Ordering::Relaxed);
        }
        self.streams.store(streams, Ordering::Relaxed);
    }
}

fn unopened(host: &str, error: Option<&h2::Error>) -> Failure {
    let Some(error) = error else {
        let message = format!("`{host}` closed the connection instead of speaking HTTP/2; see client.http");
        return Failure::unsent(FailureKind::Protocol, message);
    };
    match error.get_io() {
        Some(broken) => {
            let message = format!("the connection to `{host}` broke before HTTP/2 began: {}", io_words(broken));
            Failure::unsent(FailureKind::Connect, message)
        }
        None if error.is_remote() => {
            let message = format!("`{host}` went away before the first request: {error}");
            Failure::unsent(FailureKind::Connect, message)
        }
        None => {
            let message = format!("`{host}` does not speak HTTP/2 here; set client.http = \"auto\" or \"1.1\"");
            Failure::unsent(FailureKind::Protocol, message)
        }
    }
}
