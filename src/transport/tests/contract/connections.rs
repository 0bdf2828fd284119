//! Connections, the gate before them, and what a dropped call leaves.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::Subject;
use super::stand::{Stand, answer, fetch, send};
use crate::transport::scripted::Silence;
use crate::transport::tests::support::{Open, get, patient};
use crate::transport::{BoxFuture, Call, Gate};

pub async fn connections_are_used_again(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |asked| answer(200, asked.target.clone())).await;
    for n in 0..20 {
        let target = format!("/{n}");
        assert_eq!(&fetch(&*stand.transport, &stand.url(&target)).await.unwrap().body[..], target.as_bytes());
    }
    assert_eq!(stand.connections(), 1);
}

/// Looks at the server before it opens.
struct Watchful<'s> {
    stand: &'s Stand,
    passed: AtomicUsize,
}

impl Gate for Watchful<'_> {
    fn pass(&self, _: &http::Uri) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let before = self.stand.received();
            self.stand.connected().await;
            assert_eq!(self.stand.received(), before, "something left before the gate");
            assert_eq!(self.stand.asked().len(), self.passed.fetch_add(1, Ordering::SeqCst));
        })
    }
}

pub async fn the_gate_is_passed_once_and_before_any_byte(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |_| answer(200, "")).await;
    let gate = Watchful { stand: &stand, passed: AtomicUsize::new(0) };
    for sent in 1..=4 {
        let timeouts = patient();
        stand.transport.exchange(Call::new(get(&stand.url("/")), &gate, &timeouts)).await.unwrap();
        assert_eq!((gate.passed.load(Ordering::SeqCst), stand.asked().len()), (sent, sent));
    }
}

pub async fn a_dropped_exchange_closes_its_connection(subject: Subject) {
    let stand = Stand::open(
        subject,
        |plan| plan.connections_per_host = 1,
        |asked| match asked.target.as_str() {
            "/silent" => answer(200, "").silent(Silence::BeforeHead),
            "/half" => answer(200, vec![b'x'; 200_000]).silent(Silence::AfterBytes(100_000)),
            _ => answer(200, asked.target.clone()),
        },
    )
    .await;
    for (round, target) in ["/silent", "/half"].into_iter().enumerate() {
        let (url, timeouts) = (stand.url(target), patient());
        tokio::select! {
            reply = send(&*stand.transport, get(&url), &timeouts) => panic!("nobody answered, and there is {reply:?}"),
            () = stand.until_asked(2 * round + 1) => {}
        }
        stand.until_closed(round + 1).await;
        assert_eq!(&fetch(&*stand.transport, &stand.url("/after")).await.unwrap().body[..], b"/after");
    }
}

/// Never opens; tells when somebody stands before it.
#[derive(Default)]
struct Shut(Notify);

impl Gate for Shut {
    fn pass(&self, _: &http::Uri) -> BoxFuture<'_, ()> {
        self.0.notify_one();
        Box::pin(pending())
    }
}

pub async fn a_call_dropped_before_its_gate_sends_nothing(subject: Subject) {
    let stand =
        Stand::open(subject, |plan| plan.connections_per_host = 1, |asked| answer(200, asked.target.clone())).await;
    let (shut, timeouts) = (Shut::default(), patient());
    let url = stand.url("/never");
    tokio::select! {
        _ = stand.transport.exchange(Call::new(get(&url), &shut, &timeouts)) => panic!("it passed a shut gate"),
        () = shut.0.notified() => {}
    }
    assert_eq!(&fetch(&*stand.transport, &stand.url("/next")).await.unwrap().body[..], b"/next");
    let targets: Vec<String> = stand.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/next"]);
}

pub async fn many_exchanges_at_once_are_told_apart(subject: Subject) {
    let stand =
        Stand::open(subject, |plan| plan.connections_per_host = 5, |asked| answer(200, asked.target.clone())).await;
    let gate = Open::default();
    let one = |n: usize| {
        let (stand, gate) = (&stand, &gate);
        async move {
            let (target, timeouts) = (format!("/{n}"), patient());
            let call = Call::new(get(&stand.url(&target)), gate, &timeouts);
            assert_eq!(&stand.transport.exchange(call).await.unwrap().body[..], target.as_bytes());
        }
    };
    let mut all: Vec<BoxFuture<'_, ()>> = (0..50).map(|n| Box::pin(one(n)) as BoxFuture<'_, ()>).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!((stand.asked().len(), gate.passed.load(Ordering::SeqCst)), (50, 50));
    assert!(stand.connections() <= 5, "{}", stand.connections());
}
