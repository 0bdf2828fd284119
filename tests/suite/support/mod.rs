//! What the tests stand on: the oracle server, the job builder, the output readers and normaliser.
//!
//! Built to be trusted: nothing here uses the code that it judges, but for the clock.

pub mod browser;
#[cfg(feature = "s3")]
pub mod bucket;
pub mod client;
#[cfg(feature = "otel")]
pub mod collector;
#[cfg(feature = "postgres")]
pub mod cutter;
pub mod dice;
pub mod golden;
pub mod job;
pub mod machine;
pub mod moto;
pub mod oracle;
pub mod output;
pub mod peers;
pub mod tls;
pub mod wait;

pub use dice::Dice;
pub use job::{Done, Job};
pub use oracle::{Answer, Oracle};
