//! Buckets by key on tokio's paused clock: made, dropped, and never more generous for it.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::super::bucket::tests::{plan, promise_holds};
use super::super::plan::CostPlan;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn keyed(rate: u32, burst: u32) -> Buckets {
    Buckets::open(LimitPlan { key: KeyPlan::Host, ..plan(&[(rate, SECOND)], burst) })
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_a_key_has_one_bucket() {
    let buckets = Buckets::open(plan(&[(10, SECOND)], 1));
    let one = buckets.one().unwrap();
    assert!(Arc::ptr_eq(one, &buckets.of("a")));
    let until = clock::now() + SECOND;
    buckets.hold(None, until);
    assert_eq!(buckets.holds(), [(None, until)]);
    assert!(matches!(buckets.plan().cost, CostPlan::Fixed(NonZeroU32::MIN)));
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_share_tokens_and_a_key_keeps_its_own() {
    let buckets = keyed(1, 1);
    assert!(buckets.one().is_none());
    let start = clock::now();
    buckets.of("a").take(1).await;
    buckets.of("b").take(1).await;
    assert_eq!(clock::now(), start);
    buckets.of("a").take(1).await;
    assert_eq!(clock::now(), start + SECOND);
}

#[tokio::test(start_paused = true)]
async fn holds_are_told_by_key_and_can_be_given_back() {
    let (buckets, until) = (keyed(10, 1), clock::now() + SECOND * 60);
    buckets.of("b").take(1).await;
    buckets.of("a").told(until);
    assert_eq!(buckets.holds(), [(Some("a".to_owned()), until)]);
    let again = keyed(10, 1);
    for (key, until) in buckets.holds() {
        again.hold(key.as_deref(), until);
    }
    again.hold(None, until);
    assert_eq!(again.holds(), buckets.holds());
    tokio::time::advance(SECOND * 61).await;
    assert_eq!(again.holds(), []);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_keys_need_the_memory_of_those_in_use() {
    let buckets = keyed(1000, 1);
    for number in 0..100_000 {
        let bucket = buckets.of(&number.to_string());
        bucket.take(1).await;
        bucket.answered(1);
        if number % 10 == 0 {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(buckets.keyed().buckets.len() <= KEPT, "{}", buckets.keyed().buckets.len());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_is_kept() {
    let buckets = keyed(1, 1);
    let had = buckets.of("had");
    buckets.of("empty").take(1).await;
    buckets.of("held").hold(clock::now() + SECOND * 20);
    let throttled = buckets.of("throttled");
    throttled.throttled(clock::now(), clock::now());
    drop(throttled);
    let _ = buckets.of("idle");
    let left = || {
        let mut keyed = buckets.keyed();
        keyed.drop_idle(clock::now());
        let mut keys: Vec<_> = keyed.buckets.keys().map(ToString::to_string).collect();
        keys.sort_unstable();
        keys.join(" ")
    };
    assert_eq!(left(), "empty had held throttled");
    tokio::time::advance(SECOND).await;
    assert_eq!(left(), "had held throttled");
    tokio::time::advance(SECOND * 20).await;
    assert_eq!(left(), "had throttled");
    tokio::time::advance(SECOND * 600).await;
    assert_eq!(left(), "had");
    drop(had);
    assert_eq!(left(), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_bucket_that_is_dropped_and_made_again_allows_no_more(
        rate in 1..300u32, burst in 1..5u32,
        steps in proptest::collection::vec((0..4usize, prop_oneof![Just(0), 0..5000u64], 1..6usize), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (buckets, start) = (Arc::new(keyed(rate, burst)), clock::now());
            let mut tasks = Vec::new();
            for (key, pause, count) in steps {
                tokio::time::sleep(Duration::from_micros(pause * 100)).await;
                buckets.keyed().drop_idle(clock::now());
                for _ in 0..count {
                    let buckets = Arc::clone(&buckets);
                    tasks.push(tokio::spawn(async move {
                        buckets.of(&key.to_string()).take(1).await;
                        (key, u64::try_from((clock::now() - start).as_nanos()).unwrap())
                    }));
                }
            }
            let mut left = vec![Vec::new(); 4];
            for task in tasks {
                let (key, at) = task.await.unwrap();
                left[key].push(at);
            }
            for mut times in left {
                times.sort_unstable();
                prop_assert!(promise_holds(buckets.plan(), &times), "{times:?}");
            }
            Ok(())
        })?;
    }
}
