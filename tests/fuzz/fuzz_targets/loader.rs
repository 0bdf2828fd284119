//! A job file of any text: it is read, checked and compiled without a panic, and there is a plan or there are words.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

#[path = "../../suite/loader/always.rs"]
#[allow(dead_code, reason = "each target holds a part of it")]
mod always;

// In a folder that is not there: no text may name a file of this machine.
fuzz_target!(|text: &str| always::loaded(Path::new("no-such-folder/job.toml"), text));
