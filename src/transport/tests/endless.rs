//! Bodies that go on for as long as the server likes: no limit but their silence, an end when their writer has enough, and a server
//! that is held back by a writer that waits. Over HTTP/1.1 and HTTP/2 alike.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::{Response, response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use super::http2;
use super::pool::{free_slots, turn};
use super::support::{Open, Server, client, encoded, fetch, get, ok, patient, request};
use crate::retry::{Failure, FailureKind};
use crate::transport::{BodyWriter, BoxFuture, Call, Endless, HyperTransport, Keep, Reply, TimeoutPlan, Transport};

const SHORT: Duration = Duration::from_millis(60);

/// Bodies here are all larger.
const MAX_BODY: u64 = 10;

/// Takes a body without end; of replies that are none, nothing.
struct Taker {
    silence: Option<Duration>,
    enough: usize,
    bytes: Vec<u8>,
    ended: usize,
    heard: mpsc::UnboundedSender<usize>,
}

impl Taker {
    fn new(silence: Option<Duration>, enough: usize) -> (Self, mpsc::UnboundedReceiver<usize>) {
        let (heard, hears) = mpsc::unbounded_channel();
        (Self { silence, enough, bytes: Vec::new(), ended: 0, heard }, hears)
    }
}

impl BodyWriter for Taker {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        if head.status.is_success() { Keep::Writer } else { Keep::Memory }
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        assert!(self.bytes.len() < self.enough, "it had enough");
        self.bytes.extend_from_slice(&piece);
        let _ = self.heard.send(self.bytes.len());
        Box::pin(std::future::ready(Ok(())))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.ended += 1;
        Box::pin(std::future::ready(Ok(())))
    }

    fn endless(&self) -> Option<Endless> {
        Some(Endless { silence: self.silence })
    }

    fn is_done(&self) -> bool {
        self.bytes.len() >= self.enough
    }
}

/// A server whose one body is what a test gives it, and which tells how the client left.
struct Source {
    server: Server,
    transport: HyperTransport,
    pieces: mpsc::UnboundedSender<Bytes>,
    left: mpsc::UnboundedReceiver<String>,
}

const VERSIONS: [bool; 2] = [false, true];

impl Source {
    async fn open(two: bool, status: u16, coding: Option<&'static str>) -> Self {
        let (pieces, coming) = mpsc::unbounded_channel::<Bytes>();
        let (tell, left) = mpsc::unbounded_channel();
        let coming = Arc::new(Mutex::new(coming));
        let change = |plan: &mut crate::transport::ClientPlan| plan.max_body = MAX_BODY;
        let (server, transport) = if two {
            let server = http2::server(100, move |asked: http2::Asked| {
                let (coming, tell) = (Arc::clone(&coming), tell.clone());
                async move { speak2(asked, status, coding, &mut *coming.lock().await, &tell).await }
            });
            (server.await, http2::client2(change))
        } else {
            let server = Server::start(move |stream, _| {
                let (coming, tell) = (Arc::clone(&coming), tell.clone());
                async move { speak1(stream, status, coding, &mut *coming.lock().await, &tell).await }
            });
            (server.await, client(change))
        };
        Self { server, transport, pieces, left }
    }

    fn give(&self, piece: impl Into<Bytes>) {
        self.pieces.send(piece.into()).unwrap();
    }

    async fn take(&self, taker: &mut Taker, timeouts: &TimeoutPlan) -> Result<Reply, Failure> {
        let (gate, url) = (Open::default(), self.server.url("/"));
        let call = Call { writer: Some(taker), ..Call::new(get(&url), &gate, timeouts) };
        self.transport.exchange(call).await
    }

    /// How the client left, once it has; all slots are free again.
    async fn until_left(&mut self) -> String {
        let how = self.left.recv().await.unwrap();
        assert_eq!(free_slots(&self.transport, &self.server.url("/")).1, 100);
        how
    }
}

type Coming = mpsc::UnboundedReceiver<Bytes>;
type Tell = mpsc::UnboundedSender<String>;

async fn speak1(mut stream: TcpStream, status: u16, coding: Option<&str>, coming: &mut Coming, tell: &Tell) {
    request(&mut stream).await;
    let coding = coding.map_or_else(String::new, |coding| format!("Content-Encoding: {coding}\r\n"));
    let head = format!("HTTP/1.1 {status} So\r\nTransfer-Encoding: chunked\r\n{coding}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut byte = [0];
    loop {
        tokio::select! {
            piece = coming.recv() => {
                let piece = piece.unwrap_or_default();
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                if stream.write_all(&chunk).await.is_err() || piece.is_empty() {
                    break;
                }
            }
            _ = stream.read(&mut byte) => break,
        }
    }
    let _ = stream.read(&mut byte).await;
    let _ = tell.send("closed".to_owned());
}

async fn speak2(mut asked: http2::Asked, status: u16, coding: Option<&str>, coming: &mut Coming, tell: &Tell) {
    if asked.path() == "/other" {
        return asked.reply("other");
    }
    let mut head = Response::builder().status(status);
    if let Some(coding) = coding {
        head = head.header("content-encoding", coding);
    }
    let mut stream = asked.respond.send_response(head.body(()).unwrap(), false).unwrap();
    let reason = loop {
        tokio::select! {
            piece = coming.recv() => {
                let piece = piece.unwrap_or_default();
                let last = piece.is_empty();
                stream.send_data(piece, last).unwrap();
            }
            reason = reset(&mut stream) => break reason,
        }
    };
    let _ = tell.send(format!("{reason:?}"));
}

/// Ends when the client has reset the stream.
async fn reset(stream: &mut SendStream<Bytes>) -> Reason {
    match poll_fn(|cx| stream.poll_reset(cx)).await {
        Ok(reason) => reason,
        Err(_) => pending().await,
    }
}

fn left_by(two: bool) -> &'static str {
    if two { "CANCEL" } else { "closed" }
}

#[tokio::test]
async fn neither_time_nor_size_ends_it() {
    for two in VERSIONS {
        let source = Source::open(two, 200, None).await;
        let (mut taker, mut heard) = Taker::new(None, usize::MAX);
        let short = TimeoutPlan { read: SHORT, total: SHORT, ..patient() };
        let feed = async {
            for round in 1..=4 {
                source.give(vec![b'x'; 100]);
                while heard.recv().await.unwrap() < round * 100 {}
                // A server that has nothing to say for longer than a request may take.
                tokio::time::sleep(SHORT + SHORT / 2).await;
            }
            source.give("");
        };
        let (reply, ()) = tokio::join!(source.take(&mut taker, &short), feed);
        let reply = reply.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
        assert_eq!((taker.bytes.len(), taker.ended), (400, 1));
        assert_eq!(reply.timings.body, Duration::ZERO, "what a server has to say is no latency");
        assert_eq!(source.transport.pool().open(), 1, "a body that ended leaves its connection");
    }
}

#[tokio::test]
async fn its_silence_ends_it() {
    for two in VERSIONS {
        let mut source = Source::open(two, 200, None).await;
        for piece in [&b""[..], b"a body that is longer than may be"] {
            let (mut taker, _heard) = Taker::new(Some(SHORT), usize::MAX);
            if !piece.is_empty() {
                source.give(piece);
            }
            let failure = source.take(&mut taker, &patient()).await.unwrap_err();
            assert_eq!((failure.kind, failure.sent), (FailureKind::ReadTimeout, true));
            assert!(failure.message.ends_with("was silent for 60ms (timeout.read)"), "{failure}");
            assert_eq!((failure.head.unwrap().as_u16(), taker.ended, &taker.bytes[..]), (200, 0, piece));
            assert_eq!(source.until_left().await, left_by(two));
        }
    }
}

#[tokio::test]
async fn a_writer_that_has_enough_ends_it_well() {
    for two in VERSIONS {
        let mut source = Source::open(two, 200, None).await;
        let (mut taker, _heard) = Taker::new(None, 30);
        [20, 20, 20].into_iter().for_each(|length| source.give(vec![b'x'; length]));
        let reply = source.take(&mut taker, &patient()).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.len(), taker.ended), (200, 0, 0));
        assert!(taker.bytes.len() >= 30);
        assert_eq!(source.until_left().await, left_by(two));
        if two {
            // The others on the connection go on.
            assert_eq!(fetch(&source.transport, &source.server.url("/other")).await.unwrap().body, "other");
        }
        assert_eq!((source.transport.pool().open(), source.server.accepted()), (usize::from(two), 1));
    }
}

#[tokio::test]
async fn a_writer_may_have_enough_with_the_last_byte() {
    for two in VERSIONS {
        let source = Source::open(two, 200, None).await;
        let (mut taker, _heard) = Taker::new(None, 20);
        source.give(vec![b'x'; 20]);
        source.give("");
        source.take(&mut taker, &patient()).await.unwrap();
        assert_eq!((taker.bytes.len(), taker.ended), (20, 0));
        assert_eq!(free_slots(&source.transport, &source.server.url("/")).1, 100);
    }
}

#[tokio::test]
async fn who_drops_it_closes_it() {
    for two in VERSIONS {
        let mut source = Source::open(two, 200, None).await;
        let (mut taker, mut heard) = Taker::new(None, usize::MAX);
        source.give("some of it");
        let timeouts = patient();
        tokio::select! {
            reply = source.take(&mut taker, &timeouts) => panic!("it has no end, and there is {reply:?}"),
            _ = heard.recv() => {}
        }
        assert_eq!(source.until_left().await, left_by(two));
        assert_eq!(source.transport.pool().open(), usize::from(two));
    }
}

#[tokio::test]
async fn what_is_encoded_is_given_as_it_comes() {
    for two in VERSIONS {
        let source = Source::open(two, 200, Some("gzip")).await;
        let text = b"one that is longer than may be";
        let (mut taker, _heard) = Taker::new(None, 3 * text.len());
        // Each member is whole; the body is not.
        (0..3).for_each(|_| source.give(encoded("gzip", text)));
        source.take(&mut taker, &patient()).await.unwrap();
        assert_eq!(taker.bytes, text.repeat(3));
    }
}

#[tokio::test]
async fn replies_that_its_writer_does_not_take_have_their_limits() {
    for two in VERSIONS {
        let source = Source::open(two, 500, None).await;
        let (mut taker, _heard) = Taker::new(None, usize::MAX);
        source.give(vec![b'x'; 11]);
        let failure = source.take(&mut taker, &patient()).await.unwrap_err();
        assert_eq!((failure.kind, taker.bytes.len()), (FailureKind::TooLarge, 0));
        let short = TimeoutPlan { total: SHORT, ..patient() };
        let failure = source.take(&mut taker, &short).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TotalTimeout);
    }
}

/// Takes nothing until the server can't go on, and then so much.
struct Dam {
    written: Arc<AtomicUsize>,
    most: usize,
    held: Option<usize>,
    bytes: usize,
}

/// More than the buffers of a connection hold.
const VAST: usize = 64 << 20;

impl BodyWriter for Dam {
    fn begin(&mut self, _: &response::Parts) -> Keep {
        Keep::Writer
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            while self.held.is_none() {
                let before = self.written.load(Ordering::SeqCst);
                for _ in 0..10 {
                    turn().await;
                }
                self.held = Some(before).filter(|before| *before == self.written.load(Ordering::SeqCst));
            }
            self.bytes += piece.len();
            Ok(())
        })
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        unreachable!("it has no end")
    }

    fn endless(&self) -> Option<Endless> {
        Some(Endless { silence: Some(SHORT) })
    }

    fn is_done(&self) -> bool {
        self.bytes >= self.most
    }
}

/// Writes all that it can, and counts.
async fn pour1(mut stream: TcpStream, written: Arc<AtomicUsize>) {
    request(&mut stream).await;
    let mut next = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    while stream.write_all(&next).await.is_ok() {
        written.fetch_add(next.len(), Ordering::SeqCst);
        next = vec![b'x'; 16 * 1024];
    }
}

async fn pour2(mut asked: http2::Asked, written: Arc<AtomicUsize>) {
    let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
    loop {
        stream.reserve_capacity(16 * 1024);
        let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        if stream.send_data(vec![b'x'; room].into(), false).is_err() {
            return;
        }
        written.fetch_add(room, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_writer_that_waits_holds_the_server_back_and_is_no_silence() {
    for two in VERSIONS {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let (server, transport) = if two {
            (http2::server(1, move |asked| pour2(asked, Arc::clone(&counter))).await, http2::client2(|_| {}))
        } else {
            (Server::start(move |stream, _| pour1(stream, Arc::clone(&counter))).await, client(|_| {}))
        };
        let (gate, timeouts, url) = (Open::default(), patient(), server.url("/"));
        let mut dam = Dam { written, most: VAST, held: None, bytes: 0 };
        let call = Call { writer: Some(&mut dam), ..Call::new(get(&url), &gate, &timeouts) };
        transport.exchange(call).await.unwrap();
        assert!(dam.held.unwrap() < VAST / 2, "{:?} bytes came while nobody took them", dam.held);
        assert!(dam.bytes >= VAST);
        assert_eq!(free_slots(&transport, &url).1, 100);
    }
}

#[tokio::test]
async fn a_slot_that_it_gave_back_is_used_by_the_next() {
    let server = Server::start(|mut stream, number| async move {
        request(&mut stream).await;
        let reply = if number == 0 { "HTTP/1.1 200 OK\r\n\r\nand so on".to_owned() } else { ok("hi") };
        stream.write_all(reply.as_bytes()).await.unwrap();
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let transport = client(|plan| plan.connections_per_host = 1);
    let (gate, timeouts, url) = (Open::default(), patient(), server.url("/"));
    let (mut taker, _heard) = Taker::new(None, 1);
    transport.exchange(Call { writer: Some(&mut taker), ..Call::new(get(&url), &gate, &timeouts) }).await.unwrap();
    assert_eq!(fetch(&transport, &url).await.unwrap().body, "hi");
}

#[tokio::test]
async fn what_came_before_it_broke_off_is_given() {
    // All of it in one write: piece, torn piece and end are there together.
    let server = Server::start(async |mut stream, _| {
        request(&mut stream).await;
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n9\r\nto";
        stream.write_all(text.as_bytes()).await.unwrap();
    })
    .await;
    let (transport, url) = (client(|_| {}), server.url("/"));
    let (mut taker, _heard) = Taker::new(None, usize::MAX);
    let (gate, timeouts) = (Open::default(), patient());
    let call = Call { writer: Some(&mut taker), ..Call::new(get(&url), &gate, &timeouts) };
    let failure = transport.exchange(call).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Truncated, "{failure}");
    assert!(taker.bytes.starts_with(b"firstsecond"), "{:?}", String::from_utf8_lossy(&taker.bytes));
    assert_eq!(taker.ended, 0);
}
