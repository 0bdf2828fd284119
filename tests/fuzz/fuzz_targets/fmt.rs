//! `fmt` on any text: what could be formatted means the same, has all its comments, and is left alone the second time.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../suite/loader/always.rs"]
#[allow(dead_code, reason = "each target holds a part of it")]
mod always;

fuzz_target!(|text: &str| {
    always::stays_formatted(text);
});
