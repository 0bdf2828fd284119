//! Connections: each server once, whoever of the job goes there.
//!
//! Must never tell of a path or a query: they may hold what is in rows.

use std::sync::Arc;

use http::Uri;

use crate::document::KeyPath;
use crate::retry::Failure;
use crate::secret::Masker;
use crate::transport::reach::{Reached, origin_of};
use crate::transport::{self, ClientPlan, HyperTransport, OpenError, Opening, Transport};

use super::{Outcome, Tried, What};

/// What connections of one kind of settings are made with.
#[derive(Clone)]
pub(super) struct Ways {
    /// For requests.
    pub transport: Arc<dyn Transport>,
    /// For connections alone.
    knocker: Arc<HyperTransport>,
}

/// Everything that was opened and asked so far.
#[derive(Default)]
pub(super) struct Hosts {
    opened: Vec<(ClientPlan, Ways)>,
    asked: Vec<(ClientPlan, String, Result<Reached, Failure>)>,
}

impl Hosts {
    /// What the settings of an endpoint are asked with; opened when they are first met.
    ///
    /// # Errors
    /// When a certificate, a key or a proxy can't be used.
    pub fn ways(&mut self, client: &ClientPlan, opening: &Opening<'_>) -> Result<Ways, OpenError> {
        if let Some((_, ways)) = self.opened.iter().find(|(known, _)| known == client) {
            return Ok(ways.clone());
        }
        let knocker = Arc::new(HyperTransport::open(client, opening)?);
        let ways = Ways { transport: transport::open(client, opening)?, knocker };
        self.opened.push((client.clone(), ways.clone()));
        Ok(ways)
    }

    /// Connects to the server of a URL, unless that was done with the same settings. What is to be told of it, and
    /// whether it is there.
    pub async fn reach(
        &mut self,
        to: &Uri,
        client: &ClientPlan,
        ways: &Ways,
        near: &Near<'_>,
    ) -> (Option<Tried>, bool) {
        let origin = match origin_of(to) {
            Ok(origin) => origin,
            Err(why) => return (Some(near.tried("a URL that leads nowhere", Outcome::Failed(why))), false),
        };
        let same = |(known, at, _): &&(ClientPlan, String, _)| known == client && *at == origin;
        if let Some((_, _, reached)) = self.asked.iter().find(same) {
            return (None, reached.is_ok());
        }
        let reached = ways.knocker.reach(to, near.limit).await;
        let outcome = match &reached {
            Ok(reached) => Outcome::Reached(reached.clone()),
            Err(failure) => Outcome::Failed(near.masker.mask(&failure.message).into_owned()),
        };
        let (tried, is_there) = (near.tried(&origin, outcome), reached.is_ok());
        self.asked.push((client.clone(), origin, reached));
        (Some(tried), is_there)
    }
}

/// Who wants to connect.
pub(super) struct Near<'n> {
    pub key: KeyPath,
    pub limit: std::time::Duration,
    pub masker: &'n Masker,
    /// What stands for the demo API, which is shown as `demo:`.
    pub demo: Option<&'n str>,
}

impl Near<'_> {
    fn tried(&self, origin: &str, outcome: Outcome) -> Tried {
        let shown = if self.demo == Some(origin) { "demo:" } else { origin };
        let host = self.masker.mask(shown).into_owned();
        Tried { key: self.key.clone(), what: What::Host(host), outcome }
    }
}
