//! What becomes of a connection, and of the next request, after something went wrong half-way.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use tokio::sync::Semaphore;

use super::faults::raw;
use super::{Asked, client2, server};
use crate::retry::FailureKind;
use crate::transport::tests::pool::free_slots;
use crate::transport::tests::support::{get, patient, send};
use crate::transport::{BodyPart, RequestBody, TimeoutPlan};

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

#[tokio::test]
async fn a_file_that_changes_behind_an_early_head_breaks_the_request_off() {
    let (answered, may) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&answered), Arc::clone(&may));
    let server = server(100, move |mut asked: Asked| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            let mut sink = asked.respond.send_response(Response::new(()), false).unwrap();
            tell.add_permits(1);
            wait.acquire().await.unwrap().forget();
            let body = asked.request.body_mut();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
            }
            let _ = sink.send_data("whole".into(), true);
        }
    })
    .await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    let part = BodyPart::File { path: file.path().to_owned(), length: 1 << 20 };
    let mut request = get(&server.url("/"));
    *request.method_mut() = Method::PUT;
    *request.body_mut() = RequestBody::Parts([part].into());
    let (transport, timeouts) = (client2(|_| {}), patient());
    let change = async {
        answered.acquire().await.unwrap().forget();
        file.as_file().set_len(200 << 10).unwrap();
        may.add_permits(1);
    };
    let (reply, ()) = tokio::join!(send(&transport, request, &timeouts), change);
    let failure = reply.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request, "{failure}");
    assert!(failure.message.contains("could not be sent"), "{failure}");
    assert_eq!(free_slots(&transport, &server.url("/")), (100, 100));
}

#[cfg(feature = "surf")]
#[tokio::test]
async fn what_was_refused_twice_is_unsent_through_surf_too() {
    use super::frames::{NO_ERROR, go_away};
    use crate::transport::tests::support::Open;
    use crate::transport::{Call, Transport, surf::SurfTransport};
    let server = raw(|mut raw, _| async move {
        raw.request().await;
        raw.write(go_away(0, NO_ERROR)).await;
    })
    .await;
    let transport = SurfTransport::new(Arc::new(client2(|_| {})));
    let (gate, timeouts) = (Open::default(), patient());
    let failure = transport.exchange(Call::new(get(&server.url("/")), &gate, &timeouts)).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Reset, false), "{failure}");
    assert_eq!(server.accepted(), 2);
}
