//! Retry-After (RFC 9110 §10.2.3): how long the server asks to be left alone.
//!
//! Reads both forms, seconds and HTTP-date. Must never come out shorter than what the server said,
//! and never fail on what it should not have said: a value that is neither form counts as absent.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Longest wait that is told apart, a century: larger ones are cut to it, so that adding one to any
/// clock can't overflow.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The wait that a reply asks for; `None` when it asks for none that can be read. Of several headers
/// the longest counts; a date that has passed is a wait of zero.
///
/// A date is compared with the reply's own `Date`, so that a skewed clock on either side does no
/// harm; without one it is compared with `now`, the local wall clock.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).iter();
    values.filter_map(|value| wait(value.to_str().ok()?.trim(), headers, now)).max()
}

fn wait(value: &str, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let asked = match delta_seconds(value) {
        Some(seconds) => seconds,
        None => httpdate::parse_http_date(value).ok()?.duration_since(server_now(headers, now)).unwrap_or_default(),
    };
    Some(asked.min(LONGEST))
}

/// `1*DIGIT`; a number beyond all bounds is a long wait, not garbage.
fn delta_seconds(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().map_or(LONGEST, Duration::from_secs))
}

fn server_now(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    date.and_then(|value| httpdate::parse_http_date(value.trim()).ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
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
