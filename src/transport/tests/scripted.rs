//! The test double keeps its own promises.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::response;

use super::support::{Open, get, patient};
use crate::retry::{Failure, FailureKind};
use crate::transport::scripted::{Scene, ScriptedTransport, Silence, reply};
use crate::transport::{BodyWriter, BoxFuture, Call, Endless, Keep, TimeoutPlan, Transport};

#[tokio::test]
async fn it_passes_the_gate_answers_and_remembers() {
    let transport = ScriptedTransport::new(|request| match request.uri().path() {
        "/ok" => Ok(reply(200, "fine")),
        _ => Err(Failure::sent(FailureKind::Reset, "broken")),
    });
    let gate = Open::default();
    let answer = async |url| transport.exchange(Call::new(get(url), &gate, &patient())).await;
    let fine = answer("http://a.example/ok").await.unwrap();
    assert_eq!((fine.status.as_u16(), &fine.body[..]), (200, &b"fine"[..]));
    assert_eq!(fine.url, "http://a.example/ok");
    assert_eq!(answer("http://a.example/no").await.unwrap_err().kind, FailureKind::Reset);
    assert_eq!(gate.passed.load(Ordering::SeqCst), 2);
    let paths: Vec<_> = transport.calls().into_iter().map(|call| call.url.path().to_owned()).collect();
    assert_eq!(paths, ["/ok", "/no"]);
}

#[tokio::test]
async fn answers_in_order_end_with_a_failure() {
    let transport = ScriptedTransport::in_order([Ok(reply(503, "")), Ok(reply(200, ""))]);
    let gate = Open::default();
    let answer = async || {
        let timeouts = patient();
        let call = Call::new(get("http://a.example/"), &gate, &timeouts);
        transport.exchange(call).await.map(|reply| reply.status.as_u16())
    };
    assert_eq!((answer().await, answer().await), (Ok(503), Ok(200)));
    assert_eq!(answer().await.unwrap_err().kind, FailureKind::Connect);
}

/// Takes so many bytes of a body that has no end.
struct Sips {
    enough: usize,
    bytes: usize,
}

impl BodyWriter for Sips {
    fn begin(&mut self, _: &response::Parts) -> Keep {
        Keep::Writer
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        self.bytes += piece.len();
        Box::pin(std::future::ready(Ok(())))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        unreachable!("it has no end")
    }

    fn endless(&self) -> Option<Endless> {
        Some(Endless { silence: Some(Duration::from_secs(5)) })
    }

    fn is_done(&self) -> bool {
        self.bytes >= self.enough
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_silent_or_enough() {
    let script = |_: &_| {
        let mut scene = Scene::from(reply(200, vec![b'x'; 50_000]));
        scene.silent = Some(Silence::AfterBytes(40_000));
        Ok(scene)
    };
    let transport = ScriptedTransport::staged(script).max_body(10);
    let gate = Open::default();
    let timeouts = TimeoutPlan { total: Duration::from_secs(1), read: Duration::from_secs(1), ..patient() };
    let mut some = Sips { enough: 20_000, bytes: 0 };
    let call = Call { writer: Some(&mut some), ..Call::new(get("http://a.example/"), &gate, &timeouts) };
    assert!(transport.exchange(call).await.unwrap().body.is_empty());
    assert_eq!((some.bytes, transport.closed()), (2 * 16 * 1024, 1));
    let mut all = Sips { enough: usize::MAX, bytes: 0 };
    let call = Call { writer: Some(&mut all), ..Call::new(get("http://a.example/"), &gate, &timeouts) };
    let failure = transport.exchange(call).await.unwrap_err();
    assert_eq!(failure.message, "`a.example` was silent for 5s (timeout.read)");
    assert_eq!((failure.kind, all.bytes, transport.closed()), (FailureKind::ReadTimeout, 40_000, 2));
}
