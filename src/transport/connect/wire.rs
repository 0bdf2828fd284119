//! The byte stream under a connection, a socket or TLS over it, which counts what moves.
//!
//! Owns the socket. Must never interpret a byte.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::recap::Bytes;

/// Bytes that have moved over all wires of a transport.
#[derive(Debug, Default)]
pub(in crate::transport) struct Total {
    read: AtomicU64,
    written: AtomicU64,
}

impl Total {
    /// What was sent and what came, in bytes.
    pub fn bytes(&self) -> Bytes {
        Bytes { sent: self.written.load(Ordering::Relaxed), received: self.read.load(Ordering::Relaxed) }
    }
}

/// What has moved over a wire. Written and read by the one task that uses the connection.
#[derive(Debug, Default)]
pub(in crate::transport) struct Traffic {
    moves: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Traffic {
    /// Reads and writes that moved at least a byte.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Bytes that came.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes handed to the operating system or to TLS.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    // One task at a time owns the connection, so a load and a store suffice.
    fn count(counter: &AtomicU64, amount: u64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>, total: &Total) {
        if let Poll::Ready(Ok(bytes)) = written
            && *bytes > 0
        {
            Self::count(&self.moves, 1);
            Self::count(&self.written, *bytes as u64);
            total.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS with a target, through a tunnel within TLS with a proxy.
    Nested(Box<TlsStream<Box<TlsStream<TcpStream>>>>),
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($wire:expr, $stream:ident => $done:expr) => {
        match &mut $wire.stream {
            Stream::Plain($stream) => $done,
            Stream::Unix($stream) => $done,
            Stream::Tls(boxed) => {
                let $stream = boxed.as_mut();
                $done
            }
            Stream::Nested(boxed) => {
                let $stream = boxed.as_mut();
                $done
            }
        }
    };
}

/// A connected byte stream.
pub(in crate::transport) struct Wire {
    stream: Stream,
    traffic: Arc<Traffic>,
    /// What moves over it and all others of its transport.
    total: Arc<Total>,
    /// The peer takes nothing any more.
    deaf: bool,
}

impl Wire {
    /// Over TCP alone.
    pub fn plain(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), traffic: Arc::default(), total: Arc::default(), deaf: false }
    }

    /// Over a Unix-domain socket.
    pub fn unix(stream: UnixStream) -> Self {
        Self { stream: Stream::Unix(stream), traffic: Arc::default(), total: Arc::default(), deaf: false }
    }

    /// Over TLS.
    pub fn tls(stream: Box<TlsStream<TcpStream>>) -> Self {
        Self { stream: Stream::Tls(stream), traffic: Arc::default(), total: Arc::default(), deaf: false }
    }

    /// Over TLS within TLS.
    pub fn nested(stream: TlsStream<Box<TlsStream<TcpStream>>>) -> Self {
        Self { stream: Stream::Nested(Box::new(stream)), traffic: Arc::default(), total: Arc::default(), deaf: false }
    }

    /// The TLS session with whoever is at its other end; `None`: there is none.
    pub fn session(&self) -> Option<&rustls::ClientConnection> {
        match &self.stream {
            Stream::Plain(_) | Stream::Unix(_) => None,
            Stream::Tls(stream) => Some(stream.get_ref().1),
            Stream::Nested(stream) => Some(stream.get_ref().1),
        }
    }

    /// Counts what moves over it there as well.
    pub fn counted_in(self, total: &Arc<Total>) -> Self {
        Self { total: Arc::clone(total), ..self }
    }

    /// What moves over it.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    // A server that refuses a request and leaves before it has read all of it resets the connection
    // behind its reply. The reply can still be read, and whoever writes is told before whoever reads; so
    // writing waits, and reading says what it was: a reply, or the end.
    fn outlive<T>(&mut self, outcome: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match outcome {
            Poll::Ready(Err(error))
                if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) && !self.deaf =>
            {
                self.deaf = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(_) if self.deaf => Poll::Pending,
            outcome => outcome,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = each!(self, stream => Pin::new(stream).poll_read(cx, buffer));
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            Traffic::count(&self.traffic.moves, 1);
            Traffic::count(&self.traffic.read, bytes as u64);
            self.total.read.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = each!(self, stream => Pin::new(stream).poll_write(cx, bytes));
        self.traffic.note_write(&written, &self.total);
        self.outlive(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A request without a body is one slice, and a plain write is the cheaper call for it.
        if let [only] = slices {
            return self.poll_write(cx, only);
        }
        let written = each!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices));
        self.traffic.note_write(&written, &self.total);
        self.outlive(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Nested(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = each!(self, stream => Pin::new(stream).poll_flush(cx));
        self.outlive(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
