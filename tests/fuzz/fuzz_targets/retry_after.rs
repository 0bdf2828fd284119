//! Retry-After: the first line is the reply's Date, each other one a value. Of several values the longest
//! counts, whatever is around it.
#![no_main]

use http::HeaderMap;
use http::header::{DATE, HeaderValue, RETRY_AFTER};
use libfuzzer_sys::fuzz_target;
use paceline_fuzz::hints::{LONGEST, retry_after};
use paceline_fuzz::noon;

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let mut headers = HeaderMap::new();
    headers.extend(lines.next().map(|date| (DATE, date)));
    let mut longest = None;
    let mut all = headers.clone();
    for value in lines {
        let mut alone = headers.clone();
        alone.insert(RETRY_AFTER, value.clone());
        longest = longest.max(retry_after(&alone, noon()));
        all.append(RETRY_AFTER, value);
    }
    assert_eq!(retry_after(&all, noon()), longest);
    assert!(longest.unwrap_or_default() <= LONGEST);
});
