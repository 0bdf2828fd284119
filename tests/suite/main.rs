//! The test suite: one binary, a module for each thing that must hold.

mod support;

/// The commands, their flags, exit codes and output.
mod cli;
/// What README.md says is true.
mod readme;
