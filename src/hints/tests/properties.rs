//! What holds for every reply.

use super::*;

const NAMES: [&str; 17] = [
    "retry-after",
    "date",
    "age",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "x-shopify-shop-api-call-limit",
];

/// Bytes of any kind, and bytes that values are made of.
fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(32..=255u8, 0..40),
        proptest::collection::vec(proptest::sample::select(b"\"ar;=t,0199.-:sm/ GMTZ".to_vec()), 0..40),
        "\"[ab]\";r=-?[0-9]{1,15}(;t=-?[0-9]{1,15})?".prop_map(String::into_bytes),
        "-?[0-9]{1,20}(\\.[0-9]{1,12})?(ms|s|m|h|d)?".prop_map(String::into_bytes),
    ]
}

/// A wait of `seconds` as a reset in each of the spellings, seen from the server's noon.
fn spellings(seconds: u64) -> [String; 7] {
    let time = NOON + seconds;
    let date = noon() + Duration::from_secs(seconds);
    [
        seconds.to_string(),
        format!("{seconds}.000"),
        time.to_string(),
        format!("{time}000"),
        format!("{}m{}s", seconds / 60, seconds % 60),
        httpdate::fmt_http_date(date),
        crate::clock::rfc3339(date),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        headers in proptest::collection::vec((proptest::sample::select(NAMES.to_vec()), values()), 0..12),
        now in 0..=u64::from(u32::MAX), status in 100..600u16,
    ) {
        let hints = read(&reply(&headers), SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        prop_assert!(hints.quotas.len() <= Hints::QUOTAS);
        let resets = hints.quotas.iter().filter_map(|quota| quota.reset);
        prop_assert!(resets.chain(hints.wait).chain(hints.server_wait(status)).all(|wait| wait <= LONGEST));
        if let Some(wait) = hints.wait {
            prop_assert_eq!(hints.server_wait(status), Some(wait));
        }
    }

    #[test]
    fn every_spelling_says_the_same_whatever_our_own_clock(
        seconds in 0..100_000_000u64, spelling in 0..7usize, skew in 0..2_000_000_000u64,
    ) {
        let reset = &spellings(seconds)[spelling];
        let date = httpdate::fmt_http_date(noon());
        for (remaining, name) in [
            ("x-ratelimit-remaining", "x-ratelimit-reset"),
            ("x-rate-limit-remaining", "x-rate-limit-reset"),
            ("ratelimit-remaining", "ratelimit-reset"),
            ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ] {
            let headers = reply(&[(remaining, "0"), (name, reset), ("date", &date)]);
            let hints = read(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(skew));
            prop_assert_eq!(&hints.quotas, &[quota(None, 0, seconds)], "{}", reset);
            prop_assert_eq!(hints.server_wait(429), Some(Duration::from_secs(seconds.max(1))));
        }
    }

    #[test]
    fn of_several_values_the_strictest_counts_in_any_order(
        said in proptest::collection::vec((0..1000u64, 0..1_000_000u64, 0..5usize), 1..5), joined: bool,
    ) {
        let remaining: Vec<String> = said.iter().map(|(remaining, ..)| remaining.to_string()).collect();
        // A date has a comma, and can't be joined.
        let resets: Vec<String> =
            said.iter().map(|(_, seconds, spelling)| spellings(*seconds)[*spelling].clone()).collect();
        let headers: Vec<_> = if joined {
            vec![("x-ratelimit-remaining", remaining.join(",")), ("x-ratelimit-reset", resets.join(", "))]
        } else {
            let remaining = remaining.into_iter().map(|value| ("x-ratelimit-remaining", value));
            remaining.chain(resets.into_iter().map(|value| ("x-ratelimit-reset", value))).collect()
        };
        let fewest = said.iter().map(|(remaining, ..)| *remaining).min().unwrap();
        let longest = said.iter().map(|(_, seconds, _)| *seconds).max().unwrap();
        prop_assert_eq!(read(&reply(&headers), noon()).quotas, [quota(None, fewest, longest)]);
    }

    #[test]
    fn both_syntaxes_of_the_draft_say_what_was_meant(
        limit in 0..1_000_000u64, remaining in 0..1_000_000u64, reset in 0..1_000_000_000u64,
    ) {
        let list = [
            ("ratelimit", format!("\"p\";r={remaining};t={reset}")),
            ("ratelimit-policy", format!("\"p\";w=60;q={limit}")),
        ];
        let dictionary = [("ratelimit", format!("limit={limit}, reset={reset}, remaining={remaining}"))];
        for headers in [reply(&list), reply(&dictionary)] {
            prop_assert_eq!(read(&headers, noon()).quotas, [quota(limit, remaining, reset)]);
        }
    }
}
