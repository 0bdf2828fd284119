//! The test suite: one binary, a module for each thing that must hold.

/// What the tests stand on.
/// Batches, in flight and apart, seen from the server.
mod batches;
/// Sending again what failed.
mod failed;
/// Full disks, readers that leave, files that shrink.
mod faults;
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
/// Interrupted, limited, changed, damaged: when a run goes on and when it does not.
mod resume;
/// What is tried again, how often, and what the record says of it.
mod retries;
/// No secret in anything that is left behind.
mod secrets;
mod support;
/// Certificates, believed and not.
mod tls;

/// The commands, their flags, exit codes and output.
mod cli;
/// What README.md says is true.
mod readme;
