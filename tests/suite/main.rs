//! The test suite: one binary, a module for each thing that must hold.

/// Tokens and keys, from the file to the wire and no further.
mod auth;
/// Batches, in flight and apart, seen from the server.
mod batches;
/// Bodies from rows and files, seen from the server.
mod bodies;
/// The report in a real browser.
mod browser;
/// A unique secret in every slot, every failure, every artefact.
mod canary;
/// Records of one endpoint as rows of another.
mod chaining;
/// Many rows in one request, and whose item is whose.
mod chunks;
/// The commands, their flags, exit codes and output.
mod cli;
/// Columns of every kind, digit by digit.
mod columns;
/// Tables that Python's csv module wrote.
mod csv_python;
/// Commands of real curl, the jobs made of them, and the commands made of those.
mod curl;
/// A table of 100,000 rows, walked to the last at a server that nobody here wrote.
mod datasette;
/// What docs/ says is true.
mod docs;
/// Whole jobs through the other engine.
mod engine;
/// The stream of events: nothing missing, what began ends, and the summary in it.
mod events;
/// What a code of a diagnostic means, and that it is so.
mod explain;
/// Sending again what failed.
mod failed;
/// Rows that failed, as they were in the input.
mod failed_command;
/// Full disks, readers that leave, files that shrink.
mod faults;
/// Job files in one style.
mod fmt;
/// Packed outputs and arrays, as other programs see them.
mod forms;
/// What is said of wrong job files, letter by letter.
mod golden;
/// What jobs of every kind write, byte by byte.
mod golden_jobs;
/// Files that are made to take time and memory.
mod hostile;
/// Everything httpbin says back.
mod httpbin;
/// New jobs: what passes is written, and else nothing.
mod init;
/// Rows of every source, good and bad, and what becomes of them on the wire.
mod inputs;
/// Every job in `jobs/` runs and writes what the demo said.
mod jobs;
/// Killed at any moment, nothing is lost and nothing doubled.
mod kill;
/// Env files, variables from outside, and what is said of them.
mod layers;
/// Pace, on real time.
mod limits;
/// A run in a browser, while it works.
mod live_page;
/// Job files that were cut, glued and overwritten at random.
mod loader;
/// What a run says while it goes on, where it says it, and what it keeps to itself.
mod logs;
/// Many rows, little memory.
mod memory;
/// Every help that quotes a mend, followed to the letter.
mod mends;
/// Metrics of a run, to Prometheus and to whom they are not meant for.
mod metrics;
mod migrate;
/// Every job with a slip in it, and where the word about it stands.
mod mutations;
/// The way of somebody new: init, check, plan, run, a mistake and its mending.
mod newcomer;
/// Ten thousand rows against a server that nobody here wrote.
mod nginx;
/// Its limiter, which counts in milliseconds.
mod nginx_limits;
/// The same server behind TLS.
mod nginx_tls;
/// Who is told of the end of a run.
mod notify;
/// Objects in buckets: every record once.
#[cfg(feature = "s3")]
mod objects;
/// What servers say when a check asks them, and what that leaves undone.
mod online;
/// Jobs made of OpenAPI documents.
mod openapi;
/// A run as a trace and as metrics, and collectors of every temper.
#[cfg(feature = "otel")]
mod otlp;
/// What stands in the records, where, and in which order.
mod outputs;
/// Lists walked from page to page.
mod pages;
/// Folders of Parquet files: every part whole, every record once.
#[cfg(feature = "parquet")]
mod parquet_sink;
/// Rows of a PostgreSQL server that nobody here wrote.
mod postgres;
/// Through proxies that nobody here wrote.
mod proxies;
/// What README.md says is true.
mod readme;
/// The catalog of a registry that nobody here wrote, walked by Link headers.
mod registry;
/// Encodings, charsets, odd statuses, cookies.
mod replies;
/// Reports of runs: found, made again, set side by side.
mod report;
/// Reports in files and in steps of CI, on every ending.
mod reports;
/// Interrupted, limited, changed, damaged: when a run goes on and when it does not.
mod resume;
/// What is tried again, how often, and what the record says of it.
mod retries;
/// Past runs, listed.
mod runs;
/// Replies in files of their own: whole, in their place, or not there.
mod saves;
/// What the schema says of good jobs and of broken ones.
mod schema;
/// No secret in anything that is left behind.
mod secrets;
/// AWS signatures, against a verifier that nobody here wrote.
mod sigv4;
/// A server at a Unix-domain socket.
mod sockets;
/// Streams of events: whole, cut, and gone on with.
mod sse;
/// Servers that throttle, lie, fail and come back.
mod storms;
/// What the tests stand on.
mod support;
/// Tables of databases: every record once.
#[cfg(feature = "sqlite")]
mod tables;
/// Tables of a server that stops, is cut off and refuses: every record once.
#[cfg(feature = "postgres")]
mod tables_postgres;
/// In front of a terminal: bars, keys, and what is left behind.
mod terminal;
/// Certificates, believed and not.
mod tls;
/// What was on the wire when a run was cut off, and must not be sent twice.
mod unknown;
/// Records posted to a receiver that is away, refuses, and says nothing.
mod webhook;
/// Sockets that are opened, cut, lied to and left alone.
mod websocket;
/// What the wire can do to a row.
mod wire_faults;
