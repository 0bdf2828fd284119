//! The log of requests, and what it says about pace.
//!
//! Arrivals are stamped by a thread that the machine may hold up. The pulse notices: a request that is
//! stamped at the end of a standstill may have arrived at its begin, and no window is blamed for that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paceline::clock::{self, Instant};
use tokio::time::MissedTickBehavior;

use super::SeenRequest;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(1);
/// A longer time without a beat is a standstill.
const STANDSTILL: Duration = Duration::from_millis(4);
/// For so long after a standstill, requests may still be the ones that waited in it.
const AFTERMATH: Duration = Duration::from_millis(10);

/// Everything the oracle saw.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Mutex<Vec<Arc<SeenRequest>>>,
    faults: Mutex<Vec<String>>,
    pulse: Mutex<Pulse>,
    connections: Mutex<Connections>,
}

/// How many connections there were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Accepted so far.
    pub accepted: usize,
    /// Open now.
    pub open: usize,
    /// Most that were open at once.
    pub most: usize,
}

/// A connection that is open; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Log>);

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0.connections).open -= 1;
    }
}

#[derive(Debug, Default)]
struct Pulse {
    last: Option<Instant>,
    standstill: Option<(Instant, Instant)>,
}

impl Pulse {
    fn beat(&mut self, now: Instant) {
        if let Some(last) = self.last
            && now - last > STANDSTILL
        {
            self.standstill = Some((last, now));
        }
        self.last = Some(now);
    }

    /// How long a request that is stamped `now` may have waited unread.
    fn lateness(&self, now: Instant) -> Duration {
        if let Some(last) = self.last
            && now - last > STANDSTILL
        {
            return now - last;
        }
        match self.standstill {
            Some((start, end)) if now - end < AFTERMATH => now - start,
            Some(_) | None => Duration::ZERO,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// When a request whose head was just read arrived, and how much earlier it may have been.
    pub(super) fn stamp(&self) -> (Instant, Duration) {
        let now = clock::now();
        (now, lock(&self.pulse).lateness(now))
    }

    /// Adds a request; its number is given here.
    pub(super) fn record(&self, mut request: SeenRequest) -> Arc<SeenRequest> {
        let mut requests = lock(&self.requests);
        request.number = requests.len();
        let request = Arc::new(request);
        requests.push(Arc::clone(&request));
        request
    }

    /// Counts a connection.
    pub(super) fn open(log: &Arc<Self>) -> Open {
        let mut connections = lock(&log.connections);
        connections.accepted += 1;
        connections.open += 1;
        connections.most = connections.most.max(connections.open);
        Open(Arc::clone(log))
    }

    pub(super) fn connections(&self) -> Connections {
        *lock(&self.connections)
    }

    pub(super) fn blame(&self, fault: String) {
        lock(&self.faults).push(fault);
    }

    pub(super) fn requests(&self) -> Vec<Arc<SeenRequest>> {
        lock(&self.requests).clone()
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.requests).len()
    }

    pub(super) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }
}

/// Beats for ever, on the thread that reads requests.
pub(super) async fn keep_pulse(log: &Log) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        lock(&log.pulse).beat(clock::now());
    }
}

/// When a request arrived: not after `at`, and not before `late` earlier.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub at: Instant,
    pub late: Duration,
}

/// Says so when some window of length T, from one arrival to another, holds more than
/// `burst + rate * T + slack` of them. Arrivals are in order.
pub fn window_violation(arrivals: &[Arrival], rate: f64, burst: f64, slack: f64) -> Option<String> {
    let first = arrivals.first()?.at;
    let seconds = |instant: Instant| (instant - first).as_secs_f64();
    // A window from i to j holds j - i + 1; the worst i for any j has the least of what i adds.
    let (mut worst, mut worst_start) = (f64::INFINITY, 0);
    for (end, arrival) in arrivals.iter().enumerate() {
        let adds = position(end) - rate * (seconds(arrival.at) - arrival.late.as_secs_f64());
        if adds < worst {
            (worst, worst_start) = (adds, end);
        }
        let surplus = position(end) - rate * seconds(arrival.at) + 1.0 - worst;
        if surplus > burst + slack + 1e-6 {
            let start = &arrivals[worst_start];
            let length = arrival.at - start.at + start.late;
            return Some(format!(
                "requests {worst_start} to {end}: {} in {length:?}, where {:.2} may leave",
                end - worst_start + 1,
                burst + slack + rate * length.as_secs_f64(),
            ));
        }
    }
    None
}

#[allow(clippy::cast_precision_loss, reason = "logs are far shorter than 2^52")]
fn position(index: usize) -> f64 {
    index as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arrivals(micros: &[u64]) -> Vec<Arrival> {
        let start = clock::now();
        let at = |micros: &u64| Arrival { at: start + Duration::from_micros(*micros), late: Duration::ZERO };
        micros.iter().map(at).collect()
    }

    #[test]
    fn a_full_burst_and_then_the_rate_is_fine() {
        let steady: Vec<u64> = [0; 5].into_iter().chain((1..100).map(|n| n * 20_000)).collect();
        assert_eq!(window_violation(&arrivals(&steady), 50.0, 5.0, 0.0), None);
        assert!(window_violation(&arrivals(&steady), 50.0, 4.0, 0.5).is_some());
        assert!(window_violation(&arrivals(&steady), 49.0, 5.0, 1.0).is_some());
    }

    #[test]
    fn a_second_burst_in_the_middle_is_found() {
        let mut log: Vec<u64> = (0..100).map(|n| n * 20_000).collect();
        log.splice(50..50, [1_000_000; 7]);
        let violation = window_violation(&arrivals(&log), 50.0, 5.0, 1.0).unwrap();
        assert!(violation.contains(" to 56: "), "the seventh of the burst is one too many: {violation}");
    }

    #[test]
    fn a_standstill_of_the_machine_is_not_blamed_on_the_client() {
        let mut log = arrivals(&[0, 100_000, 100_000, 100_000, 100_000]);
        assert!(window_violation(&log, 50.0, 1.0, 1.0).is_some());
        for arrival in &mut log[1..] {
            arrival.late = Duration::from_millis(80);
        }
        assert_eq!(window_violation(&log, 50.0, 1.0, 1.0), None);
    }

    #[test]
    fn the_pulse_knows_what_waited() {
        let start = clock::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pulse = Pulse::default();
        assert_eq!(pulse.lateness(at(0)), Duration::ZERO);
        pulse.beat(at(1));
        assert_eq!(pulse.lateness(at(2)), Duration::ZERO);
        assert_eq!(pulse.lateness(at(31)), Duration::from_millis(30), "stamped before the late beat");
        pulse.beat(at(31));
        assert_eq!(pulse.lateness(at(32)), Duration::from_millis(31), "stamped just after it");
        pulse.beat(at(33));
        assert_eq!(pulse.lateness(at(50)), Duration::from_millis(17), "again without a beat");
        pulse.beat(at(34));
        pulse.beat(at(37));
        pulse.beat(at(41));
        assert_eq!(pulse.lateness(at(41)), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_looking_at_every_window_finds(
            mut micros in proptest::collection::vec(0_u64..200_000, 1..40), rate in 20_u32..400, burst in 1_u32..6,
        ) {
            micros.sort_unstable();
            let (rate, burst) = (f64::from(rate), f64::from(burst));
            let log = arrivals(&micros);
            let every = (0..log.len()).any(|end| (0..=end).any(|start| {
                let length = (log[end].at - log[start].at).as_secs_f64();
                position(end - start + 1) > burst + rate * length + 1e-6
            }));
            prop_assert_eq!(window_violation(&log, rate, burst, 0.0).is_some(), every);
        }
    }
}
