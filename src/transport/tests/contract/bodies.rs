//! Bodies, there and back.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, response};

use super::Subject;
use super::stand::{Framing, Stand, answer, fetch, send};
use crate::retry::{Failure, FailureKind};
use crate::transport::tests::support::{Open, get, patient, with};
use crate::transport::{BodyPart, BodyWriter, BoxFuture, Call, Keep, RequestBody};

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

pub async fn requests_have_no_body_a_whole_one_or_one_in_parts(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |asked| answer(200, asked.body.clone())).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let content = pattern(300_000);
    file.write_all(&content).unwrap();
    let part = |bytes: &'static [u8]| BodyPart::Bytes(Bytes::from_static(bytes));
    let in_file = BodyPart::File { path: file.path().to_owned(), length: content.len() as u64 };
    let parts = RequestBody::Parts(Arc::new([
        part(b"before "),
        in_file.clone(),
        part(b""),
        part(b" between "),
        in_file,
        part(b" after"),
    ]));
    let expected = [b"before ", &content[..], b" between ", &content, b" after"].concat();
    for (method, body, expected) in [
        (Method::GET, RequestBody::default(), Vec::new()),
        (Method::POST, RequestBody::default(), Vec::new()),
        (Method::POST, Bytes::from_static(b"{\"a\":1}").into(), b"{\"a\":1}".to_vec()),
        (Method::DELETE, Bytes::from_static(b"x").into(), b"x".to_vec()),
        (Method::PUT, pattern(700_000).into(), pattern(700_000).to_vec()),
        (Method::PUT, parts, expected),
    ] {
        let mut request = with(method, &stand.url("/"), HeaderMap::new(), "");
        *request.body_mut() = body;
        let reply = send(&*stand.transport, request, &patient()).await.unwrap();
        let asked = stand.asked().pop().unwrap();
        assert!(asked.body == expected && reply.body == expected, "{}", asked.method);
        assert!(asked.values("content-type").is_empty() && asked.values("transfer-encoding").is_empty());
    }
}

pub async fn replies_without_a_body_end_at_once(subject: Subject) {
    let stand = Stand::open(
        subject,
        |_| {},
        |asked| match asked.target.as_str() {
            "/204" => answer(204, "").framed(Framing::None),
            "/304" => answer(304, "").framed(Framing::None).header("content-length", "77"),
            "/head" => answer(200, vec![b'x'; 5000]),
            _ => answer(200, ""),
        },
    )
    .await;
    for (method, target) in [("GET", "/204"), ("GET", "/304"), ("HEAD", "/head"), ("GET", "/empty")] {
        let request = with(method.parse().unwrap(), &stand.url(target), HeaderMap::new(), "");
        let reply = send(&*stand.transport, request, &patient()).await.unwrap();
        assert!(reply.body.is_empty(), "{target}");
        assert!(!reply.headers.contains_key("content-type"), "{target}");
    }
    assert_eq!(stand.connections(), 1);
}

pub async fn large_replies_come_whole_however_framed(subject: Subject) {
    let body = pattern(1 << 20);
    let own = body.clone();
    let stand = Stand::open(
        subject,
        |_| {},
        move |asked| {
            let framing = match asked.target.as_str() {
                "/chunked" => Framing::Chunked,
                "/close" => Framing::Close,
                _ => Framing::Length,
            };
            answer(200, own.clone()).framed(framing)
        },
    )
    .await;
    for target in ["/length", "/chunked", "/length", "/close"] {
        let reply = fetch(&*stand.transport, &stand.url(target)).await.unwrap();
        assert!(reply.body == body && !reply.headers.contains_key("content-type"), "{target}");
        assert!(!reply.timings.exchange().is_zero() || stand.written() == 0);
    }
    assert_eq!(stand.connections(), 1);
}

pub async fn a_body_beyond_the_limit_is_refused(subject: Subject) {
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let stand = Stand::open(
            subject,
            |plan| plan.max_body = 1000,
            move |asked| answer(200, vec![b'x'; asked.target[1..].parse().unwrap()]).framed(framing),
        )
        .await;
        assert_eq!(fetch(&*stand.transport, &stand.url("/1000")).await.unwrap().body.len(), 1000);
        let failure = fetch(&*stand.transport, &stand.url("/1001")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::TooLarge, true), "{framing:?}");
        assert!(failure.message.contains("client.max-body"), "{failure}");
    }
}

pub async fn a_body_cut_short_is_told(subject: Subject) {
    for (framing, cut) in [(Framing::Length, 0), (Framing::Length, 70_000), (Framing::Chunked, 70_000)] {
        let stand = Stand::open(
            subject,
            |_| {},
            move |_| super::stand::Answer { cut: Some(cut), ..answer(200, vec![b'x'; 100_000]).framed(framing) },
        )
        .await;
        let failure = fetch(&*stand.transport, &stand.url("/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Truncated, true), "{framing:?} {cut}: {failure}");
    }
}

/// Takes notes.
#[derive(Default)]
struct Notes {
    keep: Option<Keep>,
    fails_after: Option<usize>,
    begun: Vec<u16>,
    bytes: Vec<u8>,
    ended: usize,
}

impl BodyWriter for Notes {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        assert_eq!(head.headers["x-head"], "here");
        self.begun.push(head.status.as_u16());
        self.keep.unwrap_or(Keep::Writer)
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            // A writer may take its time, other tasks' time included.
            tokio::task::yield_now().await;
            if self.fails_after.is_some_and(|most| self.bytes.len() >= most) {
                return Err(Failure::sent(FailureKind::Save, "the disk is full"));
            }
            self.bytes.extend_from_slice(&piece);
            Ok(())
        })
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.ended += 1;
        Box::pin(std::future::ready(Ok(())))
    }
}

pub async fn a_writer_gets_what_it_asks_for(subject: Subject) {
    let body = pattern(400_000);
    let own = body.clone();
    let stand = Stand::open(
        subject,
        |_| {},
        move |asked| match asked.target.as_str() {
            "/moved" => answer(302, "not this").header("location", "/full"),
            "/empty" => answer(299, "").header("x-head", "here"),
            _ => answer(299, own.clone()).header("x-head", "here"),
        },
    )
    .await;
    let (gate, timeouts) = (Open::default(), patient());
    for (target, keep) in [
        ("/full", Keep::Writer),
        ("/moved", Keep::Writer),
        ("/full", Keep::Both),
        ("/full", Keep::Memory),
        ("/empty", Keep::Writer),
        ("/empty", Keep::Memory),
    ] {
        let mut notes = Notes { keep: Some(keep), ..Notes::default() };
        let call = Call { writer: Some(&mut notes), ..Call::new(get(&stand.url(target)), &gate, &timeouts) };
        let reply = stand.transport.exchange(call).await.unwrap();
        let body = if target == "/empty" { Bytes::new() } else { body.clone() };
        let (kept, written) = match keep {
            Keep::Memory => (body, Bytes::new()),
            Keep::Writer => (Bytes::new(), body),
            Keep::Both => (body.clone(), body),
        };
        assert_eq!(notes.begun, [299], "{target} {keep:?}");
        assert!(reply.body == kept && notes.bytes == written, "{target} {keep:?}");
        assert_eq!(notes.ended, usize::from(keep != Keep::Memory), "{target} {keep:?}");
    }
    assert_eq!(stand.connections(), 1);
}

/// Takes nothing until the server can't go on.
struct Dam<'s> {
    stand: &'s Stand,
    held: bool,
    bytes: usize,
}

impl BodyWriter for Dam<'_> {
    fn begin(&mut self, _: &response::Parts) -> Keep {
        Keep::Writer
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            if !self.held {
                self.stand.until_blocked().await;
                self.held = true;
                assert!(self.stand.written() < VAST, "all of it was read while nobody took it");
            }
            self.bytes += piece.len();
            Ok(())
        })
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// More than the buffers of a connection hold.
const VAST: usize = 64 << 20;

pub async fn a_writer_that_waits_holds_the_server_back(subject: Subject) {
    let vast = Bytes::from(vec![7; VAST]);
    let stand = Stand::open(subject, |plan| plan.max_body = u64::MAX, move |_| answer(200, vast.clone())).await;
    let (gate, timeouts) = (Open::default(), patient());
    let mut dam = Dam { stand: &stand, held: false, bytes: 0 };
    let call = Call { writer: Some(&mut dam), ..Call::new(get(&stand.url("/")), &gate, &timeouts) };
    let reply = stand.transport.exchange(call).await.unwrap();
    assert!(dam.held && dam.bytes == VAST && reply.body.is_empty());
}

pub async fn a_writer_that_fails_ends_the_exchange(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |_| answer(200, vec![b'x'; 1 << 20]).header("x-head", "here")).await;
    let (gate, timeouts) = (Open::default(), patient());
    let mut notes = Notes { fails_after: Some(1), ..Notes::default() };
    let call = Call { writer: Some(&mut notes), ..Call::new(get(&stand.url("/")), &gate, &timeouts) };
    let failure = stand.transport.exchange(call).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Save, "the disk is full"));
    assert_eq!(notes.ended, 0);
    stand.until_closed(1).await;
}
