//! The test suite: one binary, a module for each thing that must hold.

/// What the tests stand on.
mod golden;
/// Every job in `jobs/` runs and writes what the demo said.
mod jobs;
/// Killed at any moment, nothing is lost and nothing doubled.
mod kill;
/// Pace, on real time.
mod limits;
/// Ten thousand rows against a server that nobody here wrote.
mod nginx;
mod support;

/// The commands, their flags, exit codes and output.
mod cli;
/// What README.md says is true.
mod readme;
