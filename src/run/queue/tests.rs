//! The order in which calls come, and when there are no more.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::row::{Fields, Row};

fn call(ordinal: u64) -> Call {
    let row = Arc::new(Row { ordinal, line: 0, fields: Fields::Integer(0) });
    Call::new(row, ordinal, None)
}

async fn next(queue: &Queue) -> Option<u64> {
    queue.next().await.map(|call| call.row.ordinal)
}

#[tokio::test(start_paused = true)]
async fn a_due_sleeper_comes_before_new_rows() {
    let queue = Queue::new(10, 10);
    queue.add(call(1)).await;
    queue.add(call(2)).await;
    let first = queue.next().await.unwrap();
    queue.sleep(first, clock::now() + Duration::from_secs(5));
    assert_eq!(next(&queue).await, Some(2));
    queue.finish();
    queue.add(call(3)).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(next(&queue).await, Some(1));
    assert_eq!(next(&queue).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_sleepers_and_for_calls_at_work() {
    let queue = Arc::new(Queue::new(10, 10));
    queue.add(call(1)).await;
    queue.complete();
    let taken = queue.next().await.unwrap();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    queue.sleep(taken, clock::now() + Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap(), Some(1));
    queue.finish();
    assert_eq!(next(&queue).await, None);
}

#[tokio::test(start_paused = true)]
async fn too_many_sleepers_hold_new_rows_back() {
    let queue = Queue::new(10, 1);
    queue.add(call(1)).await;
    queue.add(call(2)).await;
    let first = queue.next().await.unwrap();
    queue.sleep(first, clock::now() + Duration::from_secs(5));
    assert_eq!(next(&queue).await, Some(1), "the sleeper, when it is due, and not row 2");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_at_work_than_allowed() {
    let queue = Arc::new(Queue::new(10, 10));
    queue.allow(1);
    for ordinal in 1..=4 {
        queue.add(call(ordinal)).await;
    }
    queue.complete();
    assert_eq!(next(&queue).await, Some(1));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "one is at work");
    queue.allow(2);
    assert_eq!(waiting.await.unwrap(), Some(2), "who waits hears of it");
    queue.allow(1);
    queue.finish();
    assert!(matches!(queue.try_next(), Next::Wait(None)), "one is still at work");
    queue.finish();
    assert_eq!((next(&queue).await, queue.standing().at_work), (Some(3), 1));
}

#[tokio::test]
async fn a_drain_ends_workers_and_writers() {
    let queue = Arc::new(Queue::new(1, 1));
    queue.add(call(1)).await;
    let writer = tokio::spawn({
        let queue = queue.clone();
        async move { queue.add(call(2)).await }
    });
    tokio::task::yield_now().await;
    queue.drain();
    writer.await.unwrap();
    assert_eq!(next(&queue).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_hands_out_nothing_until_it_is_over_and_still_comes_to_its_end() {
    let queue = Arc::new(Queue::new(10, 10));
    queue.add(call(1)).await;
    queue.complete();
    queue.pause(true);
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished());
    queue.pause(false);
    assert_eq!(waiting.await.unwrap(), Some(1));
    queue.pause(true);
    queue.finish();
    assert_eq!(next(&queue).await, None, "there is nothing to wait for");
}
