//! The demo API behind `demo:` URLs: worth playing with, deterministic by seed, on loopback only.

use std::net::SocketAddr;

/// Settings of the demo API.
#[derive(Debug, Clone, Copy)]
pub struct DemoPlan {
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Seed of everything that looks random.
    pub seed: u64,
}

/// A running demo API; ends when dropped.
#[derive(Debug)]
pub struct Demo {
    address: SocketAddr,
}

impl Demo {
    /// Starts the server on 127.0.0.1. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port can't be bound.
    #[allow(clippy::unused_async, reason = "skeleton")]
    pub async fn start(plan: DemoPlan) -> std::io::Result<Self> {
        let _ = plan;
        todo!()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One line per route, for `paceline demo` and the docs: method, path, what it does.
#[must_use]
pub fn routes() -> &'static [(&'static str, &'static str, &'static str)] {
    &[]
}
