//! Serve: a run looked at over HTTP while it works. A live page for people, metrics for Prometheus.
//!
//! A server has a thread and a runtime of its own ([`server`]), so that who looks takes nothing from who works, and
//! nothing is computed while nobody asks. What is shown comes from [`Watched`]. Must never change a run, hold up its
//! end, or be reachable from another machine unless somebody said so.

pub mod address;
pub mod metrics;
pub mod page;
mod reply;
pub mod server;
pub mod watched;

pub use address::Address;
pub use metrics::Metrics;
pub use page::{Page, Token};
pub use server::Server;
pub use watched::{Watched, Watcher};
