//! Tokens: fetched once, renewed in time, masked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{SECOND, Scene, refused, throttled, token};
use crate::retry::{Failure, FailureKind};

#[tokio::test(start_paused = true)]
async fn two_hundred_rows_at_once_ask_once() {
    let scene = Arc::new(Scene::new(|number| token(number, r#","expires_in":3600"#)));
    let mut rows = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let scene = Arc::clone(&scene);
        rows.spawn(async move { scene.header().await });
    }
    let headers = rows.join_all().await;
    assert!(headers.len() == 200 && headers.iter().all(|header| header == "Bearer token-1"));
    assert_eq!((scene.asked(), scene.gate.0.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_dropped_leaves_the_fetch_to_the_next() {
    let scene = Scene::new(|number| token(number, ""));
    let (mut first, second) = (Box::pin(scene.header()), scene.header());
    tokio::select! {
        biased;
        _ = &mut first => panic!("the server takes a second"),
        () = tokio::time::sleep(SECOND / 2) => {}
    }
    let dropped = async { drop(first) };
    let (header, ()) = tokio::join!(second, dropped);
    assert_eq!((header.as_str(), scene.asked()), ("Bearer token-2", 2));
    assert_eq!(scene.header().await, "Bearer token-2");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_when_most_of_its_life_is_over() {
    let scene = Scene::at(Duration::ZERO, |number| token(number, r#","expires_in":100"#));
    assert_eq!(scene.header().await, "Bearer token-1");
    tokio::time::advance(79 * SECOND).await;
    assert_eq!(scene.header().await, "Bearer token-1");
    tokio::time::advance(SECOND).await;
    assert_eq!(scene.header().await, "Bearer token-2");
    tokio::time::advance(200 * SECOND).await;
    assert_eq!((scene.header().await.as_str(), scene.asked()), ("Bearer token-3", 3));
}

#[tokio::test(start_paused = true)]
async fn while_one_row_renews_the_others_go_on() {
    let scene = Scene::new(|number| token(number, r#","expires_in":100"#));
    scene.header().await;
    tokio::time::advance(85 * SECOND).await;
    let mut renewing = Box::pin(scene.header());
    tokio::select! {
        biased;
        _ = &mut renewing => panic!("the server takes a second"),
        header = scene.header() => assert_eq!(header, "Bearer token-1"),
    }
    assert_eq!((renewing.await.as_str(), scene.asked()), ("Bearer token-2", 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_can_not_be_renewed_early_is_used_to_its_end() {
    for failing in [
        || refused(),
        || throttled(429, "5"),
        || throttled(429, "99999"),
        || Err(Failure::unsent(FailureKind::Connect, "no")),
    ] {
        let scene =
            Scene::at(
                Duration::ZERO,
                move |number| if number == 2 { failing() } else { token(number, r#","expires_in":100"#) },
            );
        scene.header().await;
        tokio::time::advance(85 * SECOND).await;
        for _ in 0..20 {
            assert_eq!(scene.header().await, "Bearer token-1");
        }
        assert_eq!(scene.asked(), 2, "and is left in peace for a while");
        tokio::time::advance(15 * SECOND).await;
        assert_eq!(scene.header().await, "Bearer token-3");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_token_again_is_kept_to_its_end() {
    let scene = Scene::at(Duration::ZERO, |number| {
        token(7, if number == 1 { r#","expires_in":100"# } else { r#","expires_in":20"# })
    });
    scene.header().await;
    tokio::time::advance(80 * SECOND).await;
    scene.header().await;
    tokio::time::advance(19 * SECOND).await;
    scene.header().await;
    assert_eq!(scene.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_without_an_end_is_kept_until_a_401() {
    let scene = Scene::at(Duration::ZERO, |number| token(number, ""));
    let (first, _) = scene.prove().await.unwrap();
    tokio::time::advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(scene.header().await, "Bearer token-1");
    assert!(scene.auth.renews(first));
    assert_eq!(scene.header().await, "Bearer token-2");
    assert!(scene.auth.renews(first), "others that had the first are sent again with the second");
    assert_eq!((scene.header().await.as_str(), scene.asked()), ("Bearer token-2", 2));
}

#[tokio::test(start_paused = true)]
async fn a_life_of_a_moment_is_enough_for_those_who_waited() {
    let scene = Scene::new(|number| token(number, r#","expires_in":0.001"#));
    let (one, other) = tokio::join!(scene.header(), scene.header());
    assert_eq!((one.as_str(), other.as_str(), scene.asked()), ("Bearer token-1", "Bearer token-1", 1));
    tokio::time::advance(SECOND).await;
    assert_eq!(scene.header().await, "Bearer token-2");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_masked_until_long_after_its_end() {
    let scene = Scene::at(Duration::ZERO, |number| token(number, r#","expires_in":10"#));
    let mut last = String::new();
    for _ in 0..20 {
        last = scene.header().await;
        assert_eq!(scene.masker.mask(&last), "Bearer ***");
        tokio::time::advance(11 * SECOND).await;
    }
    assert_eq!(last, "Bearer token-20");
    assert_eq!(scene.masker.mask("token-13!"), "***!");
    assert_eq!(scene.masker.mask("token-12!"), "token-12!", "a run of days does not look for all of them");
}
