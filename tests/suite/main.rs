//! The test suite: one binary, a module for each thing that must hold.

/// Batches, in flight and apart, seen from the server.
mod batches;
/// The commands, their flags, exit codes and output.
mod cli;
/// Whole jobs through the other engine.
mod engine;
/// Sending again what failed.
mod failed;
/// Full disks, readers that leave, files that shrink.
mod faults;
/// What is said of wrong job files, letter by letter.
mod golden;
/// Rows of every source, good and bad, and what becomes of them on the wire.
mod inputs;
/// Every job in `jobs/` runs and writes what the demo said.
mod jobs;
/// Killed at any moment, nothing is lost and nothing doubled.
mod kill;
/// Pace, on real time.
mod limits;
/// Many rows, little memory.
mod memory;
/// Ten thousand rows against a server that nobody here wrote.
mod nginx;
/// What stands in the records, where, and in which order.
mod outputs;
/// What README.md says is true.
mod readme;
/// Interrupted, limited, changed, damaged: when a run goes on and when it does not.
mod resume;
/// What is tried again, how often, and what the record says of it.
mod retries;
/// What the schema says of good jobs and of broken ones.
mod schema;
/// No secret in anything that is left behind.
mod secrets;
/// What the tests stand on.
mod support;
/// Certificates, believed and not.
mod tls;
