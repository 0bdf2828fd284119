//! What the fuzz targets share: the code under test, and replies made of the bytes of a fuzzer.
//!
//! The rooms of paceline that parse are built by themselves, not the whole crate with TLS and HTTP: that takes
//! seconds, and what the fuzzer is guided by is our parsers alone. Must never change what they see.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

#[path = "../../../src/hints/mod.rs"]
pub mod hints;

/// The local clock of all targets, 2023-11-14T22:13:20Z.
#[must_use]
pub fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// The headers of a reply written as `name: value` on a line each; lines that are no header are left out.
#[must_use]
pub fn reply(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
    }
    headers
}
