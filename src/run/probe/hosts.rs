//! Connections: each server once, whoever of the job goes there; who comes while it is connected to waits for that.
//!
//! Must never tell of a path or a query: they may hold what is in rows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use tokio::sync::OnceCell;

use crate::document::KeyPath;
use crate::retry::Failure;
use crate::secret::Masker;
use crate::transport::reach::{Reached, origin_of};
use crate::transport::{self, ClientPlan, HyperTransport, OpenError, Opening, Transport};

use super::{Outcome, Told, Tried, What};

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
    opened: Mutex<Vec<(ClientPlan, Ways)>>,
    asked: Mutex<Vec<Server>>,
}

/// A server, as one kind of settings reaches it.
struct Server {
    client: ClientPlan,
    origin: String,
    /// Empty until somebody has connected to it.
    reached: Arc<OnceCell<Result<Reached, Failure>>>,
}

impl Hosts {
    /// What the settings of an endpoint are asked with; opened when they are first met.
    ///
    /// # Errors
    /// When a certificate, a key or a proxy can't be used.
    pub fn ways(&self, client: &ClientPlan, opening: &Opening<'_>) -> Result<Ways, OpenError> {
        let mut opened = locked(&self.opened);
        if let Some((_, ways)) = opened.iter().find(|(known, _)| known == client) {
            return Ok(ways.clone());
        }
        let knocker = Arc::new(HyperTransport::open(client, opening)?);
        let ways = Ways { transport: transport::open(client, opening)?, knocker };
        opened.push((client.clone(), ways.clone()));
        Ok(ways)
    }

    /// Connects to the server of a URL, unless that was done with the same settings. What is to be told of it, and
    /// whether it is there.
    pub async fn reach(&self, to: &Uri, client: &ClientPlan, ways: &Ways, near: &Near<'_>) -> (Told, bool) {
        let origin = match origin_of(to) {
            Ok(origin) => origin,
            Err(why) => {
                let tried = near.tried("a URL that leads nowhere", Outcome::Failed(why));
                return (Told { tried, host: None }, false);
            }
        };
        let (number, reached) = self.server(client, &origin);
        let reached = reached.get_or_init(|| ways.knocker.reach(to, near.limit)).await;
        let outcome = match reached {
            Ok(reached) => Outcome::Reached(reached.clone()),
            Err(failure) => Outcome::Failed(near.masker.mask(&failure.message).into_owned()),
        };
        (Told { tried: near.tried(&origin, outcome), host: Some(number) }, reached.is_ok())
    }

    /// The number of a server, and what is known of it.
    fn server(&self, client: &ClientPlan, origin: &str) -> (usize, Arc<OnceCell<Result<Reached, Failure>>>) {
        let mut asked = locked(&self.asked);
        let known = asked.iter().position(|server| server.client == *client && server.origin == origin);
        let number = known.unwrap_or_else(|| {
            asked.push(Server { client: client.clone(), origin: origin.to_owned(), reached: Arc::default() });
            asked.len() - 1
        });
        (number, Arc::clone(&asked[number].reached))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
