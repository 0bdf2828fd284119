//! Whole replies, in all dialects: nothing fails, nothing is endless, Retry-After is obeyed to the letter, and
//! no header that is added to a throttling reply makes its wait shorter, unless it is one that wins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paceline_fuzz::hints::{Hints, LONGEST, read};
use paceline_fuzz::{noon, reply};

fuzz_target!(|text: &[u8]| {
    let headers = reply(text);
    let hints = read(&headers, noon());
    assert!(hints.quotas.len() <= Hints::QUOTAS);
    assert!(hints.quotas.iter().filter_map(|quota| quota.reset).all(|reset| reset <= LONGEST));
    for status in [200, 403, 429, 503] {
        let wait = hints.server_wait(status);
        assert!(wait.unwrap_or_default() <= LONGEST);
        assert!(hints.wait.is_none() || wait == hints.wait);
    }
    // What a gateway adds in front of a reply with a known quota.
    let mut more = headers;
    for name in ["retry-after", "age", "date", "ratelimit"] {
        more.remove(name);
    }
    let name = "ratelimit";
    more.append(name, http::HeaderValue::from_static("\"known\";r=0;t=77"));
    if !more.contains_key("ratelimit-policy") {
        let wait = read(&more, noon()).server_wait(429);
        assert!(wait.is_some_and(|wait| wait.as_secs() >= 77), "{wait:?}");
    }
});
