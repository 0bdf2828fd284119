//! Every stage has its timeout, every timeout its kind.

use std::time::Duration;

use super::Subject;
use super::stand::{Stand, answer, fetch, send};
use crate::retry::FailureKind;
use crate::transport::TimeoutPlan;
use crate::transport::scripted::Silence;
use crate::transport::tests::support::{get, patient};

const SHORT: Duration = Duration::from_millis(60);

pub async fn waits_for_a_connection_end(subject: Subject) {
    let stand =
        Stand::open(subject, |plan| plan.connections_per_host = 1, |_| answer(200, "").silent(Silence::BeforeHead))
            .await;
    let (url, timeouts) = (stand.url("/"), patient());
    let busy = send(&*stand.transport, get(&url), &timeouts);
    let waits = async {
        stand.until_asked(1).await;
        send(&*stand.transport, get(&url), &TimeoutPlan { pool: SHORT, ..patient() }).await.unwrap_err()
    };
    let failure = tokio::select! {
        reply = busy => panic!("nobody answered, and there is {reply:?}"),
        failure = waits => failure,
    };
    assert_eq!((failure.kind, failure.sent), (FailureKind::PoolTimeout, false));
    assert!(failure.message.contains("60ms (timeout.pool)"), "{failure}");
    assert_eq!(stand.asked().len(), 1);
}

pub async fn connecting_ends(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |_| answer(200, "")).await;
    let short = TimeoutPlan { connect: SHORT, ..patient() };
    let failure = send(&*stand.transport, get(&stand.unreachable()), &short).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::ConnectTimeout, false));
    assert!(failure.message.contains("60ms (timeout.connect)"), "{failure}");
}

pub async fn silence_ends_before_the_head_and_in_the_body(subject: Subject) {
    let short = TimeoutPlan { read: SHORT, ..patient() };
    for silence in [Silence::BeforeHead, Silence::AfterBytes(0), Silence::AfterBytes(70_000)] {
        let stand = Stand::open(subject, |_| {}, move |_| answer(200, vec![b'x'; 100_000]).silent(silence)).await;
        let failure = send(&*stand.transport, get(&stand.url("/")), &short).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::ReadTimeout, true), "{silence:?}");
        assert!(failure.message.contains("60ms (timeout.read)"), "{failure}");
        stand.until_closed(1).await;
    }
}

pub async fn the_attempt_ends(subject: Subject) {
    let short = TimeoutPlan { total: SHORT, ..patient() };
    for silence in [Silence::BeforeHead, Silence::AfterBytes(70_000)] {
        let stand = Stand::open(subject, |_| {}, move |_| answer(200, vec![b'x'; 100_000]).silent(silence)).await;
        let failure = send(&*stand.transport, get(&stand.url("/")), &short).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::TotalTimeout, true), "{silence:?}");
        assert!(failure.message.contains("60ms (timeout.total)"), "{failure}");
    }
}

pub async fn after_a_timeout_no_stale_reply_is_taken(subject: Subject) {
    let stand = Stand::open(
        subject,
        |plan| plan.connections_per_host = 1,
        |asked| match asked.target.as_str() {
            "/late" => answer(200, "late").silent(Silence::BeforeHead),
            _ => answer(200, asked.target.clone()),
        },
    )
    .await;
    let short = TimeoutPlan { read: SHORT, ..patient() };
    for round in 0..3 {
        let failure = send(&*stand.transport, get(&stand.url("/late")), &short).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ReadTimeout);
        stand.release();
        for target in ["/a", "/b"] {
            let reply = fetch(&*stand.transport, &stand.url(target)).await.unwrap();
            assert_eq!(&reply.body[..], target.as_bytes(), "round {round}");
        }
    }
    // Each round: the one that was late is given up, the next is used twice, and once more by the late one.
    assert_eq!(stand.connections(), 4);
}
