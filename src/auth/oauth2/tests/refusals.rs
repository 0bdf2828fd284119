//! Who is refused, and what is asked again.

use std::time::Duration;

use super::{SECOND, Scene, refused, throttled, token};
use crate::auth::Unproved;
use crate::clock;
use crate::retry::{Failure, FailureKind};
use crate::transport::scripted::reply;

#[tokio::test(start_paused = true)]
async fn a_401_that_a_new_token_does_not_mend_is_the_rows_own() {
    let scene = Scene::at(Duration::ZERO, |number| token(number, ""));
    let (first, _) = scene.prove().await.unwrap();
    assert!(scene.auth.renews(first));
    let (second, _) = scene.prove().await.unwrap();
    scene.auth.refused_again(second);
    for _ in 0..1000 {
        let (proof, _) = scene.prove().await.unwrap();
        assert!(!scene.auth.renews(proof));
    }
    assert_eq!(scene.asked(), 2);
    tokio::time::advance(11 * SECOND).await;
    assert!(scene.auth.renews(second), "after a while it may help again");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_a_short_time() {
    let scene = Scene::at(Duration::ZERO, |_| refused());
    for _ in 0..1000 {
        let failure = scene.failure().await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::Auth, false));
        let words = "auth.oauth2 got no token: the server refused: 401 Unauthorized, invalid_client: who is s3cr&t:1?";
        assert_eq!(failure.message, words, "the worker masks what is declared");
    }
    assert_eq!(scene.asked(), 1);
    tokio::time::advance(11 * SECOND).await;
    scene.failure().await;
    assert_eq!(scene.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_keeps_its_kind_and_is_asked_again() {
    let scene = Scene::new(|_| Err(Failure::sent(FailureKind::Reset, "the connection broke")));
    let (one, other) = tokio::join!(scene.failure(), scene.failure());
    assert_eq!(one, Failure::unsent(FailureKind::Reset, "auth.oauth2 got no token: the connection broke"));
    assert_eq!((&other, scene.asked()), (&one, 1), "those who waited share it");
    scene.failure().await;
    assert_eq!(scene.asked(), 2);
    let scene = Scene::new(|_| Err(Failure::unsent(FailureKind::Certificate, "unknown issuer")));
    scene.failure().await;
    scene.failure().await;
    assert_eq!(scene.asked(), 1, "what will be the same a moment later is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_to_come_back_is_obeyed() {
    let scene = Scene::at(Duration::ZERO, |number| match number {
        1 => throttled(429, "40"),
        2 => throttled(503, "20"),
        _ => token(number, ""),
    });
    let began = clock::now();
    assert_eq!((scene.header().await.as_str(), clock::now() - began), ("Bearer token-3", 60 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_dropped_while_it_waits_does_not_hasten_the_next() {
    let scene = Scene::at(Duration::ZERO, |number| if number == 1 { throttled(429, "40") } else { token(number, "") });
    let began = clock::now();
    assert!(tokio::time::timeout(10 * SECOND, scene.header()).await.is_err());
    assert_eq!((scene.header().await.as_str(), clock::now() - began), ("Bearer token-2", 40 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_goes_by_is_asked_again_as_often_as_the_job_says() {
    let scene = Scene::at(Duration::ZERO, |number| if number < 3 { Ok(reply(502, "")) } else { token(number, "") });
    assert_eq!(scene.header().await, "Bearer token-3");
    let scene = Scene::at(Duration::ZERO, |_| Ok(reply(502, "")));
    let failure = scene.failure().await;
    assert_eq!((failure.kind, scene.asked()), (FailureKind::Auth, 3));
    assert_eq!(failure.message, "auth.oauth2 got no token: the server answered 502 Bad Gateway");
    let scene = Scene::at(Duration::ZERO, |_| throttled(429, "15"));
    scene.failure().await;
    assert_eq!(scene.asked(), 3);
    tokio::time::advance(14 * SECOND).await;
    scene.failure().await;
    assert_eq!(scene.asked(), 3, "the wait counts after the last attempt too");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_all_bounds_stops_the_run() {
    let scene = Scene::at(Duration::ZERO, |_| throttled(429, "901"));
    assert_eq!(scene.prove().await.unwrap_err(), Unproved::Later(901 * SECOND));
    let next = tokio::time::timeout(900 * SECOND, scene.prove()).await;
    assert!(next.is_err() && scene.asked() == 1, "nobody else asks meanwhile");
}
