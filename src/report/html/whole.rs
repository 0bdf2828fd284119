//! A run over all of its sessions: what reports show in one number or one list. Pure.
//!
//! Rows are counted once, as the run counts them; replies, failures and limits as often as sessions met them.

use std::collections::BTreeMap;

use crate::journal::Counts;
use crate::recap::{Bytes, Distribution, FailureGroup, LimitUse, Recap, Slow, Stages, StreamUse};

/// Attempts that are shown of those that took longest.
const MOST_SLOW: usize = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Whole<'r> {
    /// The run.
    pub(super) recap: &'r Recap,
    /// Rows.
    pub(super) counts: Counts,
    /// Rows of all inputs, where known of each.
    pub(super) rows: Option<u64>,
    /// Time at work.
    pub(super) elapsed_ms: u64,
    /// Attempts, and those that were not the first of their row.
    pub(super) attempts: u64,
    /// See above.
    pub(super) retries: u64,
    /// Why, most frequent first.
    pub(super) retry_reasons: Vec<(String, u64)>,
    /// What held it back and for which share of the time, most first.
    pub(super) bound_by: Vec<(String, f64)>,
    /// Ascending.
    pub(super) statuses: Vec<(u16, u64)>,
    /// Most frequent first.
    pub(super) failures: Vec<FailureGroup>,
    /// Longest first.
    pub(super) slowest: Vec<Slow>,
    /// Attempts on the wire.
    pub(super) latency: Distribution,
    /// The same by stage.
    pub(super) stages: Stages,
    /// Over the wire.
    pub(super) traffic: Bytes,
    /// Endpoints whose connections stay open, in the order of the job.
    pub(super) streams: Vec<StreamUse>,
    /// In the order of the job.
    pub(super) limits: Vec<LimitUse>,
}

impl<'r> Whole<'r> {
    pub(super) fn of(recap: &'r Recap) -> Self {
        let sessions = &recap.sessions;
        let traffic = sessions.iter().fold(Bytes::default(), |sum, session| Bytes {
            sent: sum.sent.saturating_add(session.traffic.sent),
            received: sum.received.saturating_add(session.traffic.received),
        });
        let sum = |of: fn(&crate::recap::Session) -> u64| sessions.iter().map(of).fold(0, u64::saturating_add);
        Self {
            recap,
            counts: recap.counts(),
            rows: recap.endpoints.iter().map(|endpoint| endpoint.rows).sum(),
            elapsed_ms: sum(|session| session.elapsed_ms),
            attempts: sum(|session| session.attempts),
            retries: sum(|session| session.retries),
            retry_reasons: summed(sessions.iter().flat_map(|session| session.retry_reasons.iter().cloned())),
            bound_by: bound_by(recap),
            statuses: statuses(recap),
            failures: failures(recap),
            slowest: slowest(recap),
            latency: recap.latency(),
            stages: recap.stages(),
            traffic,
            streams: StreamUse::together(sessions.iter().flat_map(|session| &session.streams)),
            limits: limits(recap),
        }
    }

    /// Whether a session was measured. Of a run without a recap only the journal speaks: of rows and failures.
    pub(super) fn is_measured(&self) -> bool {
        self.elapsed_ms > 0
    }

    /// Rows per second of the time at work.
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn rate(&self) -> f64 {
        if self.elapsed_ms == 0 { 0.0 } else { self.counts.rows() as f64 * 1000.0 / self.elapsed_ms as f64 }
    }

    /// A share of the latencies in microseconds.
    pub(super) fn quantile(&self, share: f64) -> Option<u64> {
        self.latency.quantile(share).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    /// A part of a whole, 0..=1.
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    pub(super) fn share(part: u64, whole: u64) -> f64 {
        if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
    }
}

fn summed(all: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<String, u64>::new();
    all.for_each(|(what, count)| *sums.entry(what).or_default() += count);
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums
}

fn statuses(recap: &Recap) -> Vec<(u16, u64)> {
    let mut sums = BTreeMap::<u16, u64>::new();
    let all = recap.sessions.iter().flat_map(|session| &session.statuses);
    all.for_each(|(status, count)| *sums.entry(*status).or_default() += count);
    sums.into_iter().collect()
}

/// Shares of the time of each session, weighted by how long it was.
#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn bound_by(recap: &Recap) -> Vec<(String, f64)> {
    let elapsed: u64 = recap.sessions.iter().map(|session| session.elapsed_ms).fold(0, u64::saturating_add);
    let mut sums = BTreeMap::<&String, f64>::new();
    for session in &recap.sessions {
        let weight = session.elapsed_ms as f64 / elapsed.max(1) as f64;
        session.bound_by.iter().for_each(|(what, share)| *sums.entry(what).or_default() += share * weight);
    }
    let mut sums: Vec<_> = sums.into_iter().map(|(what, share)| (what.clone(), share)).collect();
    sums.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    sums
}

fn failures(recap: &Recap) -> Vec<FailureGroup> {
    let mut all: Vec<FailureGroup> = Vec::new();
    for group in recap.sessions.iter().flat_map(|session| &session.failures) {
        let same = |known: &&mut FailureGroup| known.endpoint == group.endpoint && known.reason == group.reason;
        match all.iter_mut().find(same) {
            Some(known) => known.rows += group.rows,
            None => all.push(group.clone()),
        }
    }
    all.sort_by_key(|group| std::cmp::Reverse(group.rows));
    all
}

fn slowest(recap: &Recap) -> Vec<Slow> {
    let mut all: Vec<Slow> = recap.sessions.iter().flat_map(|session| session.slowest.iter().cloned()).collect();
    all.sort_by_key(|slow| std::cmp::Reverse(slow.micros));
    all.truncate(MOST_SLOW);
    all
}

/// Tokens and what could have been given of all sessions; the rates are those of the last one.
fn limits(recap: &Recap) -> Vec<LimitUse> {
    let mut all: Vec<LimitUse> = Vec::new();
    for limit in recap.sessions.iter().flat_map(|session| &session.limits) {
        match all.iter_mut().find(|known| known.name == limit.name) {
            Some(known) => {
                known.tokens = known.tokens.saturating_add(limit.tokens);
                known.holds += limit.holds;
                known.capacity = known.capacity.zip(limit.capacity).map(|(one, other)| one.saturating_add(other));
                known.rate.clone_from(&limit.rate);
            }
            None => all.push(limit.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::full;
    use super::*;

    #[test]
    fn sessions_are_added_up_and_shares_weighted() {
        let mut recap = full(1, 2, 10);
        recap.sessions[0].elapsed_ms = 30_000;
        recap.sessions[1].elapsed_ms = 10_000;
        recap.sessions[0].bound_by = vec![("server".into(), 1.0)];
        recap.sessions[1].bound_by = vec![("limit a".into(), 0.8), ("server".into(), 0.2)];
        let whole = Whole::of(&recap);
        assert_eq!(whole.elapsed_ms, 40_000);
        let shown: Vec<_> =
            whole.bound_by.iter().map(|(what, share)| (what.as_str(), (share * 100.0).round())).collect();
        assert_eq!(shown, [("server", 80.0), ("limit a", 20.0)]);
        let both = |of: fn(&crate::recap::Session) -> u64| recap.sessions.iter().map(of).sum::<u64>();
        assert_eq!(whole.attempts, both(|session| session.attempts));
        assert_eq!(
            whole.statuses.iter().map(|(_, count)| count).sum::<u64>(),
            both(|s| s.statuses.iter().map(|(_, c)| c).sum())
        );
        assert_eq!(whole.failures.len(), recap.sessions[0].failures.len(), "the same reasons are one group");
        assert!(
            whole.slowest.len() <= MOST_SLOW && whole.slowest.is_sorted_by_key(|slow| std::cmp::Reverse(slow.micros))
        );
    }
}
