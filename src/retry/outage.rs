//! Outages: while a host fails everything, it is asked now and then whether it is back, and nothing else.
//!
//! A circuit breaker (Nygard, *Release It!*) that pauses: rows wait for the end of the outage with their
//! attempts unspent. One for each origin. Must never fail a row, never keep two probes out at once, and
//! never let anything but probes out while the outage lasts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Attempted, FailureKind, Then};
use crate::clock::Instant;

/// Wait before the first probe.
const FIRST: Duration = Duration::from_secs(1);

/// Longest wait before a probe, but for the spread.
const LONGEST: Duration = Duration::from_secs(30);

/// Spread of the waits, so that many runs do not probe in step.
const SPREAD: f64 = 0.2;

/// See the module.
#[derive(Debug, Clone)]
pub struct Outage {
    trip: u32,
    /// Failures since the last success.
    failures: u32,
    /// How long the last probe was waited for, before the spread.
    gap: Duration,
    /// When the last outage ended.
    ended: Option<Instant>,
    open: Option<Open>,
}

/// An outage that lasts.
#[derive(Debug, Clone, Copy)]
struct Open {
    since: Instant,
    /// When the next probe may go.
    next: Instant,
    /// The probe that is out.
    probe: Option<ProbeId>,
}

/// Which probe an attempt was. No two have the same, whatever outage they belong to: an outage that is over is
/// forgotten, and a probe of it may come back late, in the middle of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeId(u64);

impl ProbeId {
    fn next() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self(IDS.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Go,
    /// It may, and is the one that finds out whether the outage is over: what becomes of it must be told with
    /// this id, to [`Outage::failed`], [`Outage::succeeded`] or [`Outage::given_up`].
    Probe(ProbeId),
    /// Not before this, unless the outage ends earlier: ask again then.
    NotBefore(Instant),
}

/// What a failure means for the outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It begins; the first probe goes after this.
    Began(Duration),
    /// It goes on.
    Still,
}

impl Outage {
    /// Failures in a row, by default, that make an outage.
    pub const TRIP: u32 = 20;

    /// None so far; `trip` failures in a row make one.
    #[must_use]
    pub fn new(trip: u32) -> Self {
        Self { trip: trip.max(1), failures: 0, gap: Duration::ZERO, ended: None, open: None }
    }

    /// Whether an attempt may be made now.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let Some(open) = &mut self.open else { return Admission::Go };
        if open.probe.is_none() && open.next <= now {
            let id = ProbeId::next();
            // Where the probe is given up, its successor keeps a distance to it.
            *open = Open { next: now + FIRST, probe: Some(id), ..*open };
            return Admission::Probe(id);
        }
        let unless_it_succeeds = now + longer(self.gap).mul_f64(1.0 - SPREAD);
        Admission::NotBefore(if open.probe.is_some() { unless_it_succeeds } else { open.next })
    }

    /// Notes an attempt that ended as [`Sign::Down`]; `probe` is what it was admitted with, `random` a number
    /// in 0..1. Tells whether that begins an outage, or makes it last. What was sent before the outage and
    /// fails within it is no news.
    pub fn failed(&mut self, probe: Option<ProbeId>, now: Instant, random: f64) -> Option<Turn> {
        match self.open {
            None => self.count(now, random),
            Some(open) if probe.is_some() && open.probe == probe => {
                self.gap = longer(self.gap);
                self.wait(open.since, now, random);
                Some(Turn::Still)
            }
            Some(_) => None,
        }
    }

    /// Notes an attempt that ended as [`Sign::Up`], whether or not it was a probe: the host answers. Tells how
    /// long the outage was that this ends.
    pub fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        self.failures = 0;
        let open = self.open.take()?;
        self.ended = Some(now);
        Some(now.saturating_duration_since(open.since))
    }

    /// Notes that a probe ended without a sign of the host, or was never sent: another may go.
    pub fn given_up(&mut self, probe: ProbeId) {
        if let Some(open) = &mut self.open
            && open.probe == Some(probe)
        {
            open.probe = None;
        }
    }

    /// Whether a new one in its place would do the same: no failure counts, and no outage of lately.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        let lately = |ended| now.saturating_duration_since(ended) <= self.gap;
        self.open.is_none() && self.failures == 0 && !self.ended.is_some_and(lately)
    }

    /// Since when there is an outage; `None`: there is none.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.open.map(|open| open.since)
    }

    fn count(&mut self, now: Instant, random: f64) -> Option<Turn> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.trip {
            return None;
        }
        // A host that comes back for a moment and falls again is not asked as often as in a new outage.
        let relapse = self.ended.is_some_and(|ended| now.saturating_duration_since(ended) <= self.gap);
        self.gap = if relapse { longer(self.gap) } else { FIRST };
        Some(Turn::Began(self.wait(now, now, random)))
    }

    /// Waits for the next probe of the outage since `since`.
    fn wait(&mut self, since: Instant, now: Instant, random: f64) -> Duration {
        let wait = self.gap.mul_f64(1.0 + SPREAD * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        self.open = Some(Open { since, next: now + wait, probe: None });
        wait
    }
}

fn longer(gap: Duration) -> Duration {
    (gap * 2).clamp(FIRST, LONGEST)
}

/// What an attempt tells of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answers.
    Up,
    /// It may be out: no connection, no answer, or one that says that it can't.
    Down,
    /// Nothing: the attempt never got that far, or what failed is ours.
    Nothing,
}

impl Sign {
    /// What an attempt tells of the host. A reply that a rule takes or leaves out is what the job expects of
    /// a host that is well, whatever its status.
    #[must_use]
    pub fn of(attempted: Attempted<'_>) -> Self {
        match attempted {
            Attempted::Accepted | Attempted::Ruled { then: Then::Accept | Then::Skip, .. } => Self::Up,
            Attempted::Refused { status, .. } | Attempted::Ruled { status, .. } => Self::of_status(status),
            Attempted::Failed(failure) => Self::of_failure(failure.kind),
        }
    }

    fn of_status(status: u16) -> Self {
        // 520 to 529 are what the edge of a CDN says of a host behind it that it can't reach.
        if matches!(status, 500 | 502..=504 | 520..=529) { Self::Down } else { Self::Up }
    }

    fn of_failure(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Dns
            | FailureKind::Connect
            | FailureKind::Tls
            | FailureKind::ConnectTimeout
            | FailureKind::ReadTimeout
            | FailureKind::TotalTimeout
            | FailureKind::Reset
            | FailureKind::Heartbeat
            | FailureKind::Truncated
            | FailureKind::Protocol => Self::Down,
            // Who closes has opened before.
            FailureKind::Closed
            | FailureKind::TooLarge
            | FailureKind::Redirect
            | FailureKind::Decode
            | FailureKind::Status
            | FailureKind::Assert
            | FailureKind::Rule
            | FailureKind::Save
            | FailureKind::Extract
            | FailureKind::Sink => Self::Up,
            // These stop the run, are decided on this side of the wire, or cut off an attempt for the sake
            // of its row.
            FailureKind::UnknownHost
            | FailureKind::TlsMismatch
            | FailureKind::Certificate
            | FailureKind::Proxy
            | FailureKind::Auth
            | FailureKind::PoolTimeout
            | FailureKind::RowTimeout
            | FailureKind::Request
            | FailureKind::Input => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
