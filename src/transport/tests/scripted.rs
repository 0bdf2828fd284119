//! The test double keeps its own promises.

use std::sync::atomic::Ordering;

use super::support::{Open, get, patient};
use crate::retry::{Failure, FailureKind};
use crate::transport::scripted::{ScriptedTransport, reply};
use crate::transport::{Call, Transport};

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
