//! Metrics of a run for Prometheus and what speaks its language, at `/metrics`.
//!
//! Counters are those of this process, from zero, as Prometheus wants them; how many series there are depends on the
//! job and not on its rows. Must never go down where it says counter, nor show a text of a row or a server.

mod accept;
mod exposition;
pub(crate) mod families;
pub(crate) mod family;

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use super::Watched;
use super::reply::{self, Reply};
use super::server::Site;
use exposition::{Dialect, Exposition};
use families::Highest;

/// See the module.
pub struct Metrics {
    watched: Arc<Watched>,
    highest: Mutex<Highest>,
}

impl Metrics {
    /// Metrics of a run.
    #[must_use]
    pub fn new(watched: Arc<Watched>) -> Self {
        Self { watched, highest: Mutex::default() }
    }

    fn text(&self, dialect: Dialect) -> Option<String> {
        let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        let exposition = families::tell(&self.watched, &mut highest, |recap| Exposition::new(dialect, &recap.job))?;
        Some(exposition.end())
    }
}

impl Site for Metrics {
    fn answer(&self, path: &str, headers: &HeaderMap) -> Reply {
        if path != "/metrics" {
            return reply::refuse(StatusCode::NOT_FOUND, "metrics are at /metrics");
        }
        let said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let dialect = accept::dialect(&said.collect::<Vec<_>>().join(","));
        match self.text(dialect) {
            Some(text) => reply::text(StatusCode::OK, dialect.content_type(), text),
            None => reply::refuse(StatusCode::SERVICE_UNAVAILABLE, "the run is not open yet").with(RETRY_AFTER, "1"),
        }
    }
}
