//! Retry-After (RFC 9110 §10.2.3): how long the server asks to be left alone.
//!
//! Reads both forms, seconds and HTTP-date, and the seconds since 1970 that some servers send. Must never come out shorter than what the server said,
//! and never fail on what it should not have said: a value that is neither form counts as absent.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::moment::{LONGEST, ServerClock};

/// The wait that a reply asks for; `None` when it asks for none that can be read. Of several headers
/// the longest counts; a date that has passed is a wait of zero.
///
/// A date is compared with the reply's own `Date`, so that a skewed clock on either side does no
/// harm; without one it is compared with `now`, the local wall clock.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    read(headers, &ServerClock::new(headers, now)).0
}

/// As [`retry_after`], and how many of its headers could not be read.
pub(super) fn read(headers: &HeaderMap, clock: &ServerClock<'_>) -> (Option<Duration>, u32) {
    let (mut longest, mut malformed) = (None, 0);
    for value in headers.get_all(RETRY_AFTER) {
        match value.to_str().ok().and_then(|value| wait(value.trim(), clock)) {
            // `None` is less than any wait.
            Some(wait) => longest = longest.max(Some(wait)),
            None => malformed += 1,
        }
    }
    (longest, malformed)
}

fn wait(value: &str, clock: &ServerClock<'_>) -> Option<Duration> {
    seconds(value, clock).or_else(|| clock.until_http_date(value))
}

/// `1*DIGIT`; a number beyond all bounds is a long wait, not garbage. One that would be a wait of decades is
/// the time to come back at: the registry of Docker says it so (docker/hub-feedback#2459).
fn seconds(value: &str, clock: &ServerClock<'_>) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| clock.until_number(Duration::from_secs(value.parse().unwrap_or(u64::MAX))).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::DATE;
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
    const MINUTE_PAST: &str = "Sun, 06 Nov 1994 12:01:00 GMT";

    fn noon() -> SystemTime {
        httpdate::parse_http_date(NOON).unwrap()
    }

    fn asked(values: &[&str], date: Option<&str>, now: SystemTime) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_read_and_garbage_is_as_good_as_absent() {
        for (value, wait) in [("120", Some(120)), ("0", Some(0)), (" 7 ", Some(7)), ("007", Some(7))] {
            assert_eq!(asked(&[value], None, noon()), wait, "{value:?}");
        }
        for garbage in ["", "-1", "+5", "soon", "1.5", "5s", "1e3", "0x10", "Sun, 99 Nov 1994", "\u{e4}", "12 0"] {
            assert_eq!(asked(&[garbage], None, noon()), None, "{garbage:?}");
        }
        assert_eq!(asked(&[], Some(NOON), noon()), None);
    }

    #[test]
    fn all_three_forms_of_a_date_are_read() {
        for date in [MINUTE_PAST, "Sunday, 06-Nov-94 12:01:00 GMT", "Sun Nov  6 12:01:00 1994"] {
            assert_eq!(asked(&[date], Some(NOON), noon()), Some(60), "{date}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_servers_own_clock() {
        let skewed = noon() + Duration::from_secs(7200);
        assert_eq!(asked(&[MINUTE_PAST], Some(NOON), skewed), Some(60));
        assert_eq!(asked(&[MINUTE_PAST], None, noon() + Duration::from_secs(20)), Some(40));
        assert_eq!(asked(&[MINUTE_PAST], Some("garbage"), noon()), Some(60));
        assert_eq!(asked(&[NOON], Some(MINUTE_PAST), SystemTime::UNIX_EPOCH), Some(0));
    }

    #[test]
    fn the_longest_valid_one_of_several_counts() {
        assert_eq!(asked(&["5", "soon", "90", MINUTE_PAST], Some(NOON), noon()), Some(90));
        assert_eq!(asked(&["5", MINUTE_PAST, "-3"], Some(NOON), noon()), Some(60));
    }

    #[test]
    fn absurd_waits_are_cut_to_a_century() {
        let far = [u64::MAX.to_string(), "9".repeat(400), "Fri, 31 Dec 9999 23:59:59 GMT".to_owned()];
        for value in far {
            assert_eq!(asked(&[&value], None, noon()), Some(LONGEST.as_secs()), "{value}");
        }
    }

    #[test]
    fn a_number_of_decades_is_the_time_to_come_back_at() {
        let date = "Tue, 14 Nov 2023 22:13:20 GMT";
        for (value, wait) in [
            ("999999999", 999_999_999),
            ("1700000060", 60),
            ("1700000000", 0),
            ("1600000000", 0),
            ("1700000060000", 60),
        ] {
            assert_eq!(asked(&[value], Some(date), noon()), Some(wait), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(value in proptest::collection::vec(32..=255u8, 0..40), now in 0..u32::MAX) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(RETRY_AFTER, value.clone());
                headers.append(DATE, value);
            }
            let wait = retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(now.into()));
            prop_assert!(wait.unwrap_or_default() <= LONGEST);
        }

        #[test]
        fn both_forms_say_the_same(seconds in 0..3_000_000u64, skew in 0..9_000u64) {
            let date = httpdate::fmt_http_date(noon() + Duration::from_secs(seconds));
            prop_assert_eq!(asked(&[&date], Some(NOON), noon() + Duration::from_secs(skew)), Some(seconds));
            prop_assert_eq!(asked(&[&seconds.to_string()], None, noon()), Some(seconds));
        }
    }
}
