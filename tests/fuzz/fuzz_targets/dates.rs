//! Moments in every spelling: the first line is the reply's Date, the second a moment. What Retry-After reads, a
//! reset reads the same; and an HTTP-date comes out as far away as it is, to the second.
#![no_main]

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderValue, RETRY_AFTER};
use libfuzzer_sys::fuzz_target;
use paceline_fuzz::hints::{LONGEST, read};
use paceline_fuzz::noon;

fn date(value: &HeaderValue) -> Option<SystemTime> {
    let date = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    (date >= SystemTime::UNIX_EPOCH).then_some(date)
}

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let (Some(sent), Some(moment)) = (lines.next(), lines.next()) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(DATE, sent.clone());
    headers.insert(RETRY_AFTER, moment.clone());
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
    headers.insert("x-ratelimit-reset", moment.clone());
    let hints = read(&headers, noon());
    let reset = hints.quotas[0].reset;
    assert!(reset.unwrap_or_default() <= LONGEST);
    if hints.wait.is_some() {
        assert_eq!(hints.wait, reset);
    }
    if let Some(then) = date(&moment) {
        let now = date(&sent).unwrap_or_else(noon);
        let wait = then.duration_since(now).unwrap_or(Duration::ZERO).min(LONGEST);
        assert_eq!(reset, Some(wait));
    }
});
