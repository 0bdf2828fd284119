//! What a reply says as a whole: whether it throttles, and for how long.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

mod dialects;
mod properties;

/// 2023-11-14T22:13:20Z, the server's clock in these tests, in seconds since 1970.
const NOON: u64 = 1_700_000_000;

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOON)
}

fn reply<V: AsRef<[u8]>>(headers: &[(&str, V)]) -> HeaderMap {
    let header = |(name, value): &(&str, V)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value.as_ref()).ok()?))
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().filter_map(header) {
        map.append(name, value);
    }
    map
}

/// What is said at noon, by the server's clock and by ours.
fn said(headers: &[(&str, &str)]) -> Hints {
    read(&reply(headers), noon())
}

fn quota(limit: impl Into<Option<u64>>, remaining: u64, reset: impl Into<Option<u64>>) -> Quota {
    Quota { limit: limit.into(), remaining, reset: reset.into().map(Duration::from_secs) }
}

const NOTHING_LEFT: [(&str, &str); 2] = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];

#[test]
fn a_reply_of_no_interest_says_nothing() {
    let reply = reply(&[
        ("content-type", "application/json"),
        ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("x-request-id", "7"),
        ("referrer-policy", "no-referrer"),
        ("x-ratelimitless", "1"),
        ("ratelimited", "1"),
        ("retry-after-all", "1"),
        ("age", "5"),
    ]);
    assert_eq!(Seen::of(&reply), Seen::default());
    let hints = read(&reply, noon());
    assert_eq!((&hints, hints.quotas.capacity()), (&Hints::default(), 0));
}

#[test]
fn these_replies_throttle() {
    let told = said(&[("retry-after", "5")]);
    let now = said(&[("retry-after", "0")]);
    let garbage = said(&[("retry-after", "soon")]);
    let nothing_left = said(&NOTHING_LEFT);
    let some_left = said(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")]);
    let silent = Hints::default();
    for (hints, throttling) in [
        (&told, vec![403, 429, 503]),
        (&now, vec![403, 429, 503]),
        (&garbage, vec![429]),
        (&nothing_left, vec![403, 429]),
        (&some_left, vec![429]),
        (&silent, vec![429]),
    ] {
        let found: Vec<u16> = (100..600).filter(|status| hints.throttles(*status)).collect();
        assert_eq!(found, throttling, "{hints:?}");
    }
}

#[test]
fn retry_after_wins_over_any_reset() {
    let headers = [("retry-after", "5"), NOTHING_LEFT[0], NOTHING_LEFT[1]];
    for status in [403, 429, 500, 503, 301] {
        assert_eq!(said(&headers).server_wait(status), Some(Duration::from_secs(5)), "{status}");
    }
    assert_eq!(said(&[("retry-after", "0"), NOTHING_LEFT[0], NOTHING_LEFT[1]]).server_wait(429), Some(Duration::ZERO));
}

#[test]
fn without_it_the_longest_reset_of_what_is_used_up_counts() {
    let wait = |headers: &[(&str, &str)], status| said(headers).server_wait(status).map(|wait| wait.as_secs());
    let several = [("ratelimit", r#""a";r=0;t=9, "b";r=0;t=40, "c";r=3;t=3000, "d";r=0"#)];
    assert_eq!([429, 403, 503, 500, 200].map(|status| wait(&several, status)), [Some(40), Some(40), None, None, None]);
    assert_eq!(wait(&[("ratelimit", r#""a";r=1;t=9"#)], 429), None);
    assert_eq!(wait(&[("ratelimit", r#""a";r=0"#)], 429), None);
    assert_eq!(said(&several).throttle_wait(), Some(Duration::from_secs(40)));
}

#[test]
fn a_quota_that_claims_to_be_whole_again_is_not_asked_at_once() {
    for reset in ["0", "-1", "1699999999", "1700000000", "Tue, 14 Nov 2023 22:00:00 GMT", "20ms"] {
        let hints = said(&[("x-ratelimit-remaining", "-3"), ("x-ratelimit-reset", reset)]);
        assert_eq!(hints.server_wait(429), Some(Duration::from_secs(1)), "{reset}");
    }
}

#[test]
fn a_secondary_limit_of_github_is_a_minute() {
    let id = ("x-github-request-id", "C0FE:1");
    let some_left = ("x-ratelimit-remaining", "4999");
    for (headers, forbidden, too_many) in [
        (vec![id], Some(60), Some(60)),
        (vec![id, some_left], Some(60), Some(60)),
        (vec![some_left], Some(60), None),
        (vec![id, ("x-ratelimit-remaining", "0")], Some(60), Some(60)),
        (vec![id, NOTHING_LEFT[0], NOTHING_LEFT[1]], Some(30), Some(30)),
        (vec![id, ("retry-after", "7")], Some(7), Some(7)),
        (vec![], None, None),
    ] {
        let hints = said(&headers);
        let wait = |status| hints.server_wait(status).map(|wait| wait.as_secs());
        assert_eq!((wait(403), wait(429)), (forbidden, too_many), "{headers:?}");
    }
}

#[test]
fn all_dialects_of_a_reply_are_kept() {
    let hints = said(&[
        ("ratelimit", r#""default";r=50;t=30"#),
        ("ratelimit-remaining", "49"),
        ("x-ratelimit-remaining", "48"),
        ("x-ratelimit-remaining-requests", "47"),
        ("x-rate-limit-remaining", "46"),
        ("x-shopify-shop-api-call-limit", "32/40"),
    ]);
    let remaining: Vec<u64> = hints.quotas.iter().map(|quota| quota.remaining).collect();
    assert_eq!(remaining, [50, 49, 48, 47, 46, 8]);
}

#[test]
fn of_very_many_quotas_the_strictest_are_kept() {
    let many: Vec<String> = (0..40).map(|index| format!("\"{index}\";r={};t={index}", (40 - index) / 2)).collect();
    let hints = said(&[("ratelimit", &many.join(", "))]);
    let kept: Vec<_> = hints.quotas.iter().map(|quota| (quota.remaining, quota.reset.unwrap().as_secs())).collect();
    assert_eq!(kept, [(0, 39), (1, 38), (1, 37), (2, 36), (2, 35), (3, 34), (3, 33), (4, 32)]);
}

#[test]
fn what_a_cache_says_of_quotas_is_left_out() {
    for (age, quotas) in [("0", 1), ("1", 0), ("600", 0), ("garbage", 1)] {
        let hints = said(&[("age", age), ("retry-after", "5"), NOTHING_LEFT[0], NOTHING_LEFT[1]]);
        assert_eq!((hints.quotas.len(), hints.wait), (quotas, Some(Duration::from_secs(5))), "{age}");
    }
}
