//! What becomes of a connection, and of the next request, after something went wrong half-way.

use std::time::Duration;

use super::client2;
use super::faults::raw;
use crate::retry::FailureKind;
use crate::transport::TimeoutPlan;
use crate::transport::tests::pool::free_slots;
use crate::transport::tests::support::{get, patient, send};

#[tokio::test]
async fn a_connection_that_died_in_silence_is_left() {
    let server = raw(|mut raw, at| async move {
        // The first connection takes everything and says nothing more, as behind a router that forgot it.
        while let Some(frame) = raw.read().await {
            if at > 0 && frame.kind == super::frames::HEADERS {
                raw.answer(frame.stream).await;
            }
        }
    })
    .await;
    let (transport, url) = (client2(|_| {}), server.url("/"));
    let short = TimeoutPlan { read: Duration::from_millis(60), ..patient() };
    for _ in 0..2 {
        assert_eq!(send(&transport, get(&url), &short).await.unwrap_err().kind, FailureKind::ReadTimeout);
        assert_eq!(server.accepted(), 1);
    }
    assert_eq!(&send(&transport, get(&url), &patient()).await.unwrap().body[..], b"hi");
    assert_eq!((server.accepted(), transport.pool().open()), (2, 1));
    assert_eq!(free_slots(&transport, &url), (100, 100));
}
