//! Tables, properties and simulations of outages.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::hints::Hints;
use crate::retry::{Budget, BudgetPlan, Failure};

const SECOND: Duration = Duration::from_secs(1);

/// An outage that has begun, after three failures.
fn begun() -> (Outage, Instant) {
    let now = clock::now();
    let mut outage = Outage::new(3);
    let turns = [0; 3].map(|_| outage.failed(None, now, 0.5));
    assert_eq!(turns, [None, None, Some(Turn::Began(SECOND))]);
    (outage, now)
}

fn probe(outage: &mut Outage, now: Instant) -> ProbeId {
    match outage.admit(now) {
        Admission::Probe(id) => id,
        other => panic!("no probe: {other:?}"),
    }
}

#[test]
fn only_failures_without_a_success_between_them_make_an_outage() {
    let (mut outage, now) = (Outage::new(3), clock::now());
    for _ in 0..10 {
        assert_eq!(outage.failed(None, now, 0.5), None);
        assert_eq!(outage.failed(None, now, 0.5), None);
        assert_eq!(outage.succeeded(now), None);
        assert_eq!(outage.admit(now), Admission::Go);
    }
    assert_eq!(outage.since(), None);
}

#[test]
fn probes_go_one_at_a_time_with_growing_gaps() {
    let (mut outage, start) = begun();
    let mut due = start + SECOND;
    for gap in [2, 4, 8, 16, 30, 30, 30] {
        assert_eq!(outage.admit(due - Duration::from_nanos(1)), Admission::NotBefore(due));
        let id = probe(&mut outage, due);
        let ended = due + 3 * SECOND;
        assert!(matches!(outage.admit(ended), Admission::NotBefore(then) if then > ended), "a second probe");
        assert_eq!(outage.failed(Some(id), ended, 0.5), Some(Turn::Still));
        due = ended + gap * SECOND;
    }
    assert_eq!(outage.since(), Some(start));
    probe(&mut outage, due);
    assert_eq!(outage.succeeded(due), Some(due - start));
    assert_eq!((outage.admit(due), outage.since()), (Admission::Go, None));
}

#[test]
fn gaps_spread_by_a_fifth() {
    for (random, gap) in [(0.0, 0.8), (0.25, 0.9), (1.0, 1.2)] {
        let (mut outage, now) = (Outage::new(1), clock::now());
        let gap = Duration::from_secs_f64(gap);
        assert_eq!(outage.failed(None, now, random), Some(Turn::Began(gap)));
        assert_eq!(outage.admit(now), Admission::NotBefore(now + gap));
    }
}

#[test]
fn what_was_sent_before_the_outage_is_no_probe() {
    let (mut outage, start) = begun();
    assert_eq!(outage.failed(None, start, 0.5), None);
    let id = probe(&mut outage, start + SECOND);
    assert_eq!(outage.failed(None, start + SECOND, 0.5), None);
    assert!(matches!(outage.admit(start + 60 * SECOND), Admission::NotBefore(_)), "the probe is out still");
    assert_eq!(outage.failed(Some(id), start + 2 * SECOND, 0.5), Some(Turn::Still));
    // It is over, whoever says so.
    assert_eq!(outage.succeeded(start + 3 * SECOND), Some(3 * SECOND));
    assert_eq!(outage.admit(start + 3 * SECOND), Admission::Go);
}

#[test]
fn a_probe_of_an_outage_that_is_over_is_an_attempt_like_others() {
    let (mut outage, start) = begun();
    let old = probe(&mut outage, start + SECOND);
    outage.succeeded(start + SECOND);
    assert_eq!([0; 2].map(|_| outage.failed(Some(old), start + SECOND, 0.5)), [None; 2]);
    assert!(outage.failed(Some(old), start + SECOND, 0.5).is_some(), "the third in a row");
    // In the next outage it is neither a probe nor takes the place of one.
    let new = probe(&mut outage, start + 60 * SECOND);
    assert_eq!(outage.failed(Some(old), start + 60 * SECOND, 0.5), None);
    outage.given_up(old);
    assert!(matches!(outage.admit(start + 90 * SECOND), Admission::NotBefore(_)));
    assert!(outage.failed(Some(new), start + 90 * SECOND, 0.5).is_some());
}

#[test]
fn a_probe_that_is_given_up_makes_room_for_another_a_second_later() {
    let (mut outage, start) = begun();
    let due = start + SECOND;
    for n in 0..5 {
        let id = probe(&mut outage, due + n * SECOND);
        outage.given_up(id);
        assert_eq!(outage.admit(due + n * SECOND), Admission::NotBefore(due + (n + 1) * SECOND));
    }
}

#[test]
fn a_relapse_is_not_asked_as_often_as_a_new_outage() {
    let (mut outage, start) = begun();
    let mut now = start + SECOND;
    for gap in [2, 4, 8] {
        let id = probe(&mut outage, now);
        outage.failed(Some(id), now, 0.5);
        now += gap * SECOND;
    }
    probe(&mut outage, now);
    outage.succeeded(now);
    let fall = |outage: &mut Outage, at| (0..3).filter_map(|_| outage.failed(None, at, 0.5)).next();
    let mut calm = outage.clone();
    assert_eq!(fall(&mut outage, now + 8 * SECOND), Some(Turn::Began(16 * SECOND)));
    assert_eq!(fall(&mut calm, now + 9 * SECOND), Some(Turn::Began(SECOND)));
}

#[test]
fn what_tells_of_an_outage() {
    let hints = Hints::default();
    let signs = |status| {
        let refused = Sign::of(Attempted::Refused { status, hints: &hints });
        let ruled = |then| Sign::of(Attempted::Ruled { then, status, hints: &hints });
        assert_eq!([Then::Retry, Then::Throttle, Then::Fail, Then::Stop].map(ruled), [refused; 4], "{status}");
        assert_eq!([Then::Accept, Then::Skip].map(ruled), [Sign::Up; 2], "{status}");
        refused
    };
    for status in [500, 502, 503, 504, 520, 522, 524, 529] {
        assert_eq!(signs(status), Sign::Down, "{status}");
    }
    for status in [200, 301, 400, 401, 403, 404, 408, 409, 425, 429, 501, 505, 519, 530] {
        assert_eq!(signs(status), Sign::Up, "{status}");
    }
    let failed = |kind| Sign::of(Attempted::Failed(&Failure::sent(kind, "x")));
    for kind in [FailureKind::Dns, FailureKind::Connect, FailureKind::ReadTimeout, FailureKind::Truncated] {
        assert_eq!(failed(kind), Sign::Down, "{kind:?}");
    }
    for kind in [FailureKind::Decode, FailureKind::Assert, FailureKind::Extract, FailureKind::Rule] {
        assert_eq!(failed(kind), Sign::Up, "{kind:?}");
    }
    for kind in [FailureKind::PoolTimeout, FailureKind::RowTimeout, FailureKind::Request] {
        assert_eq!(failed(kind), Sign::Nothing, "{kind:?}");
    }
    assert_eq!(Sign::of(Attempted::Accepted), Sign::Up);
}

/// A host that fails everything until `until`, with an answer after 50 ms, and rows that come at a pace. Each
/// has one attempt at a time until it is answered; a retry needs the budget, a probe does not.
struct Storm {
    start: Instant,
    until: Duration,
    in_flight: usize,
    /// Rows that wait for room, with their attempt.
    waiting: VecDeque<(u32, u32)>,
    outage: Outage,
    budget: Budget,
    random: u64,
    sends: u32,
    probes: u32,
    retries: u32,
    answered: u32,
}

/// What happens next, when, and to which row: it wants to be sent, or its attempt has ended.
type Next = Reverse<(Duration, u32, Step)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Wants { attempt: u32 },
    Ended { attempt: u32, probe: Option<u64> },
}

impl Storm {
    const LATENCY: Duration = Duration::from_millis(50);

    fn new(until: Duration, trip: u32) -> Self {
        let start = clock::now();
        let budget = Budget::new(BudgetPlan { share: 0.2 }, start);
        let outage = Outage::new(trip);
        Self {
            start,
            until,
            in_flight: 0,
            waiting: VecDeque::new(),
            outage,
            budget,
            random: 7,
            sends: 0,
            probes: 0,
            retries: 0,
            answered: 0,
        }
    }

    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Lets rows come, one every `gap`, and sees all of them to their end.
    fn run(&mut self, rows: u32, gap: Duration, concurrency: usize) -> Duration {
        let mut queue: BinaryHeap<Next> =
            (0..rows).map(|row| Reverse((row * gap, row, Step::Wants { attempt: 1 }))).collect();
        let mut now = Duration::ZERO;
        while let Some(Reverse((at, row, step))) = queue.pop() {
            now = at;
            match step {
                Step::Wants { attempt } if self.in_flight == concurrency => self.waiting.push_back((row, attempt)),
                Step::Wants { attempt } => {
                    let (at, step) = self.send(now, attempt);
                    queue.push(Reverse((at, row, step)));
                }
                Step::Ended { attempt, probe } => {
                    self.in_flight -= 1;
                    if let Some(wait) = self.end(now, probe) {
                        queue.push(Reverse((now + wait, row, Step::Wants { attempt: attempt + 1 })));
                    }
                }
            }
            // What just made no use of the room, or left it, leaves it to the next.
            if self.in_flight < concurrency
                && let Some((row, attempt)) = self.waiting.pop_front()
            {
                queue.push(Reverse((now, row, Step::Wants { attempt })));
            }
        }
        now
    }

    fn send(&mut self, now: Duration, attempt: u32) -> (Duration, Step) {
        let later = |at: Instant| (at - self.start, Step::Wants { attempt });
        let at = self.start + now;
        let probe = match self.outage.admit(at) {
            Admission::NotBefore(then) => return later(then),
            Admission::Probe(id) => Some(id.0),
            Admission::Go => None,
        };
        if attempt == 1 {
            self.budget.request(at);
        } else if probe.is_none() {
            match self.budget.retry(at) {
                Err(then) => return later(then),
                Ok(()) => self.retries += 1,
            }
        }
        self.sends += 1;
        self.probes += u32::from(probe.is_some());
        self.in_flight += 1;
        (now + Self::LATENCY, Step::Ended { attempt, probe })
    }

    /// Gives the wait before the next attempt, if there has to be one.
    fn end(&mut self, now: Duration, probe: Option<u64>) -> Option<Duration> {
        let (at, probe) = (self.start + now, probe.map(ProbeId));
        if now > self.until {
            self.outage.succeeded(at);
            self.answered += 1;
            return None;
        }
        let random = self.random();
        self.outage.failed(probe, at, random);
        Some(Duration::from_millis(250).mul_f64(self.random()))
    }
}

#[test]
fn a_storm_is_no_more_than_the_trip_what_was_in_flight_probes_and_the_budget() {
    let mut storm = Storm::new(60 * SECOND, Outage::TRIP);
    let ended = storm.run(8000, Duration::from_millis(10), 10);
    assert_eq!(storm.answered, 8000);
    let failed = storm.sends - storm.answered;
    assert!(failed <= Outage::TRIP + 10 + storm.probes, "{failed} sends, {} of them probes", storm.probes);
    assert!(storm.probes <= 8 && storm.retries <= 10 + 240 + 1600, "{} and {}", storm.probes, storm.retries);
    assert!(ended < 240 * SECOND, "it goes on by itself: {ended:?}");
}

#[test]
fn an_outage_of_ten_minutes_gets_probes_only() {
    for concurrency in [1, 10, 100] {
        let mut storm = Storm::new(600 * SECOND, Outage::TRIP);
        storm.run(1000, Duration::from_millis(1), concurrency);
        let failed = storm.sends - storm.answered;
        assert_eq!(storm.answered, 1000);
        assert!(failed <= Outage::TRIP + concurrency as u32 + storm.probes, "{failed} sends with {concurrency}");
        assert!((20..=27).contains(&storm.probes), "{} probes", storm.probes);
    }
}

#[test]
fn without_an_outage_the_budget_alone_keeps_retries_to_a_share() {
    // A trip that is never reached: the storm that the budget alone lets through.
    let mut storm = Storm::new(60 * SECOND, u32::MAX);
    let ended = storm.run(6000, Duration::from_millis(10), 1000);
    assert!(storm.sends - storm.answered <= 6000 + 1200 + 60 + 10, "{} sends", storm.sends);
    assert_eq!(storm.answered, 6000);
    // All of them are retries by then, which the floor alone pays for: one a second. An outage never lets so many
    // rows begin.
    assert!(ended < 6200 * SECOND, "{ended:?}");
}

proptest! {
    #[test]
    fn never_two_probes_at_once_and_never_anything_else(
        steps in proptest::collection::vec((0..5_u8, 0..3000_u64, 0.0..1.0), 1..400),
    ) {
        let (mut outage, mut now) = (Outage::new(3), clock::now());
        let mut out: Option<ProbeId> = None;
        for (step, wait, random) in steps {
            now += Duration::from_millis(wait);
            let lasts = outage.since().is_some();
            match step {
                0 | 1 => match outage.admit(now) {
                    Admission::Go => prop_assert!(!lasts),
                    Admission::Probe(id) => {
                        prop_assert!(lasts && out.is_none());
                        out = Some(id);
                    }
                    Admission::NotBefore(then) => prop_assert!(lasts && then > now && then <= now + 36 * SECOND),
                },
                2 => {
                    prop_assert!(outage.failed(None, now, random).is_none() || !lasts);
                }
                3 => {
                    if let Some(id) = out.take() {
                        prop_assert_eq!(outage.failed(Some(id), now, random).is_some(), lasts);
                    }
                }
                _ => {
                    if let Some(id) = out.take() {
                        if random < 0.3 {
                            outage.given_up(id);
                        } else {
                            prop_assert_eq!(outage.succeeded(now).is_some(), lasts);
                        }
                    }
                }
            }
            if outage.since().is_none() {
                out = None;
            }
        }
    }

    #[test]
    fn a_probe_comes_whatever_happened(fails in 0..40_u32, random in 0.0..1.0) {
        let (mut outage, mut now) = begun();
        for _ in 0..fails {
            if let Admission::NotBefore(then) = outage.admit(now) {
                now = then;
            }
            let id = probe(&mut outage, now);
            outage.failed(Some(id), now, random);
        }
        prop_assert!(matches!(outage.admit(now + 36 * SECOND), Admission::Probe(_)));
    }
}
