//! The `paceline` program: parse the arguments, call [`paceline::cli`], leave with its exit code.
//!
//! Must never hold logic: whatever it does is reachable from the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    paceline::cli::main()
}
