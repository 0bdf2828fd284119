//! Balance: whatever was told to have begun is told to have ended, however the session ends.
//!
//! Batches see to it themselves, by their drop. Endpoints whose workers were stopped can't, and an outage that stands
//! when the run ends has no end of its own. Must never tell an end twice.

use std::collections::BTreeMap;

use crate::clock::{self, Instant};
use crate::event::Event;

use super::judging::millis;

/// What has begun and not ended.
#[derive(Debug, Default)]
pub struct Balance {
    /// Outages by endpoint and host, and since when.
    outages: BTreeMap<(String, String), Instant>,
    /// Endpoints, by position.
    endpoints: Vec<String>,
}

impl Balance {
    /// Something is told.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::EndpointStarted { endpoint, .. } => self.endpoints.push(endpoint.clone()),
            Event::EndpointFinished { endpoint } => self.endpoints.retain(|begun| begun != endpoint),
            Event::OutageBegan { endpoint, host, .. } => {
                self.outages.insert((endpoint.clone(), host.clone()), clock::now());
            }
            Event::OutageEnded { endpoint, host, .. } => {
                self.outages.remove(&(endpoint.clone(), host.clone()));
            }
            Event::RunStarted { .. }
            | Event::BatchStarted { .. }
            | Event::BatchFinished { .. }
            | Event::Attempted { .. }
            | Event::Retrying { .. }
            | Event::Postponed { .. }
            | Event::Held { .. }
            | Event::RowFailed { .. }
            | Event::RowSkipped { .. }
            | Event::RowEnded { .. }
            | Event::Committed { .. }
            | Event::Progress { .. }
            | Event::LeftOut { .. }
            | Event::Warning { .. }
            // The conductor itself ends a pause before it drains or finishes.
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ConcurrencyChanged { .. }
            | Event::Draining { .. }
            | Event::RunFinished { .. } => {}
        }
    }

    /// The ends that are still to be told.
    #[must_use]
    pub fn rest(&self) -> Vec<Event> {
        let outages = self.outages.iter().map(|((endpoint, host), since)| Event::OutageEnded {
            endpoint: endpoint.clone(),
            host: host.clone(),
            lasted_ms: millis(since.elapsed()),
            answered: false,
        });
        let endpoints = self.endpoints.iter().map(|endpoint| Event::EndpointFinished { endpoint: endpoint.clone() });
        outages.chain(endpoints).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Rows;

    #[test]
    fn what_has_begun_ends_once() {
        let started =
            |name: &str| Event::EndpointStarted { endpoint: name.into(), rows: None, before: Rows::default() };
        let finished = |name: &str| Event::EndpointFinished { endpoint: name.into() };
        let began = |host: &str| Event::OutageBegan {
            endpoint: "a".into(),
            host: host.into(),
            reason: "503".into(),
            wait_ms: 1,
        };
        let ended = Event::OutageEnded { endpoint: "a".into(), host: "x".into(), lasted_ms: 7, answered: true };
        let mut balance = Balance::default();
        let told = [started("a"), started("b"), began("x"), began("y"), ended, finished("b")];
        told.iter().for_each(|event| balance.note(event));
        let rest = balance.rest();
        let [Event::OutageEnded { host, answered, .. }, last] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((host.as_str(), *answered, last), ("y", false, &finished("a")));
        rest.iter().for_each(|event| balance.note(event));
        assert_eq!(balance.rest(), []);
    }
}
