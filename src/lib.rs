//! paceline: a declarative batch runner for HTTP APIs.
//!
//! A TOML job file declares endpoints, inputs, limits, batches, retries and sinks. The interpreter
//! compiles it to a [`plan::Plan`] and runs it:
//!
//! ```text
//! job.toml ─ document ─ spec ─ compile ─ Plan ┬─ `check`, `plan` stop here: pure, offline, no runtime
//!                                             └─ run: source → rows → batches → worker → records → sinks → journal
//! ```
//!
//! See ARCHITECTURE.md for the rooms and the principles they are built on.

pub mod auth;
pub mod cli;
pub mod clock;
pub mod compile;
pub mod concurrency;
pub mod curl;
pub mod demo;
pub mod diagnostic;
mod disk;
pub mod document;
pub mod environment;
pub mod event;
mod expression;
pub mod extract;
pub mod format;
pub mod hints;
pub mod init;
pub mod journal;
pub mod limit;
pub mod migrate;
pub mod openapi;
#[cfg(feature = "otel")]
pub mod otlp;
pub mod paginate;
pub mod plan;
mod postgres;
pub mod random;
pub mod recap;
pub mod record;
pub mod report;
pub mod retry;
pub mod row;
pub mod run;
pub mod sample;
pub mod save;
pub mod secret;
pub mod serve;
pub mod sink;
pub mod source;
pub mod spec;
pub mod sse;
pub mod template;
pub mod transport;
pub mod websocket;
