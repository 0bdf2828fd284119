//! The test suite: one binary, a module for each thing that must hold.

/// The commands, their flags, exit codes and output.
mod cli;
/// What is said of wrong job files, letter by letter.
mod golden;
/// Every job in `jobs/` runs and writes what the demo said.
mod jobs;
/// Killed at any moment, nothing is lost and nothing doubled.
mod kill;
/// Pace, on real time.
mod limits;
/// Ten thousand rows against a server that nobody here wrote.
mod nginx;
/// What README.md says is true.
mod readme;
/// What the schema says of good jobs and of broken ones.
mod schema;
/// What the tests stand on.
mod support;
