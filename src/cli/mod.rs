//! The command line: one file per command. Uses the public API alone and is the only room that prints.

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    todo!()
}
