//! The outages of an endpoint's hosts: which of them are out, and who may ask whether they are back.
//!
//! What an outage is, and when to look whether it is over, `retry::outage` decides. A host that answers costs one
//! look at an atomic. Must never fail a row.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;

use crate::clock::Instant;
use crate::retry::{Admission, Outage, ProbeId, Turn};

use super::taking::host;

/// See the module.
#[derive(Debug, Default)]
pub struct Outages {
    /// Hosts that failed lately.
    hosts: Mutex<HashMap<String, Outage>>,
    /// How many these are.
    known: AtomicUsize,
}

/// Leave to send a request; to see whether the host is back, where it is out.
#[derive(Debug)]
pub struct Leave<'o> {
    outages: &'o Outages,
    url: Uri,
    probe: Option<ProbeId>,
}

impl Outages {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Outage>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request to the host of this URL may go.
    ///
    /// # Errors
    /// When it may be asked again, at the earliest.
    pub fn admit(&self, url: &Uri, now: Instant) -> Result<Leave<'_>, Instant> {
        let leave = |probe| Leave { outages: self, url: url.clone(), probe };
        if self.known.load(Ordering::Acquire) == 0 {
            return Ok(leave(None));
        }
        match self.lock().get_mut(host(url)).map(|outage| outage.admit(now)) {
            None | Some(Admission::Go) => Ok(leave(None)),
            Some(Admission::Probe(probe)) => Ok(leave(Some(probe))),
            Some(Admission::NotBefore(at)) => Err(at),
        }
    }

    /// Since when a host is out, if it is.
    #[must_use]
    pub fn since(&self, host: &str) -> Option<Instant> {
        if self.known.load(Ordering::Acquire) == 0 { None } else { self.lock().get(host)?.since() }
    }

    /// A host that is out.
    #[must_use]
    pub fn standing(&self) -> Option<String> {
        if self.known.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.lock().iter().find(|(_, outage)| outage.since().is_some()).map(|(host, _)| host.clone())
    }
}

impl Leave<'_> {
    /// Where the request goes.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Whether the request only looks whether the host is back.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// The host did not answer as it should: whether that began an outage, or prolonged one.
    pub fn failed(mut self, now: Instant, random: f64) -> Option<Turn> {
        let mut hosts = self.outages.lock();
        let outage = hosts.entry(host(&self.url).to_owned()).or_insert_with(|| Outage::new(Outage::TRIP));
        let change = outage.failed(self.probe.take(), now, random);
        self.outages.known.store(hosts.len(), Ordering::Release);
        change
    }

    /// The host answered: how long it was out, if it was.
    pub fn answered(mut self, now: Instant) -> Option<Duration> {
        if self.outages.known.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut hosts = self.outages.lock();
        let outage = hosts.get_mut(host(&self.url))?;
        // Told, whichever it was.
        self.probe = None;
        let lasted = outage.succeeded(now);
        if outage.is_over(now) {
            hosts.remove(host(&self.url));
        }
        self.outages.known.store(hosts.len(), Ordering::Release);
        lasted
    }
}

impl Drop for Leave<'_> {
    /// Neither failed nor answered: another may ask.
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take()
            && let Some(outage) = self.outages.lock().get_mut(host(&self.url))
        {
            outage.given_up(probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    /// Fails until the host counts as out.
    fn fall(outages: &Outages, url: &Uri, now: Instant) {
        while outages.since(host(url)).is_none() {
            outages.admit(url, now).unwrap().failed(now, 0.5);
        }
    }

    #[test]
    fn a_late_probe_of_an_outage_that_was_forgotten_is_none_of_the_next() {
        let (outages, url, start) = (Outages::default(), Uri::from_static("http://a/"), clock::now());
        fall(&outages, &url, start);
        let before = outages.admit(&url, start + 2 * SECOND).unwrap();
        assert!(before.is_probe());
        let answer = |at| Leave { outages: &outages, url: url.clone(), probe: None }.answered(at);
        assert_eq!(answer(start + 3 * SECOND), Some(3 * SECOND));
        assert_eq!(answer(start + 60 * SECOND), None);
        assert_eq!(outages.known.load(Ordering::Acquire), 0, "forgotten");
        fall(&outages, &url, start + 61 * SECOND);
        let now = outages.admit(&url, start + 63 * SECOND).unwrap();
        assert!(now.is_probe());
        assert_eq!(before.failed(start + 64 * SECOND, 0.5), None);
        assert!(now.failed(start + 65 * SECOND, 0.5).is_some());
    }
}
