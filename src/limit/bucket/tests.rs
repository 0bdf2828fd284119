//! The promise of a bucket, on simulated time: no more than `burst + rate * T + 1`, and no less than
//! 98 % of the rate although every head wakes late.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::super::plan::Window;
use super::*;

const SECOND: u64 = 1_000_000_000;

pub(in crate::limit) fn plan(windows: &[(u32, Duration)], burst: u32) -> LimitPlan {
    let windows =
        windows.iter().map(|(count, per)| Window { count: NonZeroU32::new(*count).unwrap(), per: *per }).collect();
    LimitPlan::new("test", windows, NonZeroU32::new(burst).unwrap())
}

fn per_second(rate: u32, burst: u32) -> LimitPlan {
    plan(&[(rate, Duration::from_secs(1))], burst)
}

/// Whether in every stretch of the departures at most `burst + rate * T + 1` left, for every window.
pub(in crate::limit) fn promise_holds(plan: &LimitPlan, departures: &[u64]) -> bool {
    let departures: Vec<_> = departures.iter().map(|at| (*at, 1)).collect();
    promise_of_costs_holds(plan, &departures)
}

/// Whether in every stretch of the departures, each of so many tokens, at most
/// `max(burst, dearest cost) + rate * T + 1` tokens left, for every window.
pub(in crate::limit) fn promise_of_costs_holds(plan: &LimitPlan, departures: &[(u64, u32)]) -> bool {
    let dearest = departures.iter().map(|(_, cost)| *cost).max().unwrap_or(0);
    let most = f64::from(plan.burst.get().max(dearest)) + 1.0;
    plan.windows.iter().all(|window| {
        let rate = f64::from(window.count.get()) / window.per.as_secs_f64() / 1e9;
        let (mut taken, mut least) = (0.0, f64::INFINITY);
        departures.iter().all(|(at, cost)| {
            least = least.min(taken - rate * *at as f64);
            taken += f64::from(*cost);
            taken - rate * *at as f64 - least <= most + 1e-6
        })
    })
}

impl Bucket {
    /// Takes a token of every window, or of none.
    fn take(&mut self, now: u64, since: u64) -> Result<(), Due> {
        self.ready(now, since, 1).map(|ideal| self.settle(now, ideal, 1))
    }
}

/// What a run of the queue looks like from outside.
struct Simulation {
    plan: LimitPlan,
    /// Random numbers in 0..1, used in turn.
    dice: Vec<f64>,
    rolled: usize,
}

impl Simulation {
    fn roll(&mut self) -> f64 {
        self.rolled += 1;
        self.dice[self.rolled % self.dice.len()]
    }

    /// Lateness of a wake-up, as measured for each grain.
    fn lateness(&mut self, grain: Grain) -> u64 {
        let (least, most) = match grain {
            Grain::Timer => (0.0, 2_000_000.0),
            Grain::Thread => (50_000.0, 180_000.0),
            Grain::Yield => (0.0, 2_000.0),
        };
        (least + (most - least) * self.roll()) as u64
    }

    /// Departures within `length` when there is always somebody in the queue, and handing over to the
    /// next head takes up to `handover`.
    fn backlog(&mut self, length: u64, handover: u64) -> Vec<u64> {
        let mut bucket = Bucket::open(&self.plan);
        let (mut now, mut departures) = (0, Vec::new());
        while now < length {
            match bucket.take(now, 0) {
                Ok(()) => {
                    departures.push(now);
                    now += (handover as f64 * self.roll()) as u64;
                }
                Err(due) => now = due.at + self.lateness(due.grain),
            }
        }
        departures
    }

    /// Departures of requests that come one by one, `gaps` apart, and wait for their turn.
    fn arrivals(&mut self, gaps: &[u64]) -> Vec<u64> {
        let mut bucket = Bucket::open(&self.plan);
        let (mut now, mut came, mut departures) = (0, 0, Vec::new());
        for gap in gaps {
            came += gap;
            now = now.max(came);
            while let Err(due) = bucket.take(now, came) {
                assert!(due.at > now);
                now = due.at + self.lateness(due.grain);
            }
            departures.push(now);
        }
        departures
    }
}

fn dice() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(0.0..1.0f64, 1..50)
}

fn windows() -> impl Strategy<Value = Vec<(u32, Duration)>> {
    let window = (1..2000u32, prop_oneof![Just(1u64), Just(1000), Just(60_000), Just(3_600_000)]);
    proptest::collection::vec(window.prop_map(|(count, ms)| (count, Duration::from_millis(ms))), 1..4)
}

#[test]
fn a_full_bucket_gives_its_burst_at_once_and_then_one_per_interval() {
    let mut bucket = Bucket::open(&per_second(10, 3));
    for _ in 0..3 {
        assert_eq!(bucket.take(5 * SECOND, 5 * SECOND), Ok(()));
    }
    let due = bucket.take(5 * SECOND, 5 * SECOND).unwrap_err();
    assert_eq!(due.at, 5 * SECOND + SECOND / 10);
    assert_eq!(bucket.take(due.at, due.at), Ok(()));
    assert_eq!(bucket.take(due.at, due.at).unwrap_err().at, due.at + SECOND / 10);
}

#[test]
fn nothing_is_taken_from_one_window_when_another_refuses() {
    let mut bucket = Bucket::open(&plan(&[(1, Duration::from_secs(60)), (10, Duration::from_secs(1))], 1));
    assert_eq!(bucket.take(0, 0), Ok(()));
    // The fast window has tokens all the while; had these asks taken them, it would be the later one.
    for _ in 0..1000 {
        assert_eq!(bucket.take(60 * SECOND - 1, 60 * SECOND - 1).unwrap_err().at, 60 * SECOND);
    }
    assert_eq!(bucket.take(60 * SECOND, 60 * SECOND), Ok(()));
    assert_eq!(bucket.take(60 * SECOND, 60 * SECOND).unwrap_err().at, 120 * SECOND);
}

#[test]
fn the_latest_window_says_when() {
    let mut bucket = Bucket::open(&plan(&[(100, Duration::from_secs(1)), (2, Duration::from_secs(1))], 1));
    assert_eq!(bucket.take(0, 0), Ok(()));
    assert_eq!(bucket.take(0, 0), Err(Due { at: SECOND / 2, grain: Grain::Timer, bind: Bind::Own }));
}

#[test]
fn lateness_is_caught_up_with_by_one_interval_at_most() {
    let interval = SECOND / 1000;
    let mut bucket = Bucket::open(&per_second(1000, 1));
    assert_eq!(bucket.take(0, 0), Ok(()));
    // A long stall: one token for now, one for the interval before, and no more.
    let now = 50 * interval;
    assert_eq!(bucket.take(now, 0), Ok(()));
    assert_eq!(bucket.take(now, 0), Ok(()));
    assert_eq!(bucket.take(now, 0).unwrap_err().at, now + interval);
}

#[test]
fn gaps_that_servers_look_at_are_kept_and_the_pace_as_well_however_late_the_head_wakes() {
    let interval = SECOND / 200;
    for (late, lost) in
        [(interval / 200, 0), (interval / 10, 0), (interval / 2, 0), (interval, 0), (2 * interval, interval)]
    {
        let mut bucket = Bucket::open(&per_second(200, 1));
        assert_eq!(bucket.take(0, 0), Ok(()));
        let mut left = interval + late;
        assert_eq!(bucket.take(left, 0), Ok(()));
        // What is owed comes back in steps of an eighth, all but the last nanoseconds.
        for turn in 2..120 {
            let next = bucket.take(left, 0).unwrap_err().at;
            let owed = left - lost - (turn - 1) * interval;
            assert_eq!(next - left, interval - owed / 8, "{late}, turn {turn}");
            assert_eq!(bucket.take(next, 0), Ok(()));
            left = next;
        }
        assert!(left - lost - 119 * interval < 50, "on the schedule again: {left}");
    }
}

#[test]
fn a_gap_is_shortened_by_an_eighth_at_the_most() {
    for rate in [9, 50, 200, 500] {
        let interval = SECOND.div_ceil(u64::from(rate));
        for tenths in 0..100 {
            let mut bucket = Bucket::open(&per_second(rate, 1));
            assert_eq!(bucket.take(0, 0), Ok(()));
            let left = interval + tenths * interval / 10;
            assert_eq!(bucket.take(left, 0), Ok(()));
            let gap = bucket.take(left, 0).unwrap_err().at - left;
            assert!(gap >= interval - interval / 8, "{rate}/s, {tenths} tenths late: {gap}");
        }
    }
}

#[test]
fn what_a_request_loses_on_its_way_to_the_wire_widens_the_gap_behind_it() {
    let interval = SECOND / 200;
    let mut bucket = Bucket::open(&per_second(200, 1));
    let mut gap_behind = |way: u64| {
        let now = bucket.latest(0, 1).at.max(SECOND);
        assert_eq!(bucket.take(now, now), Ok(()));
        bucket.left(way);
        bucket.take(now, now).unwrap_err().at - now
    };
    // The usual way is the same behind every request, whatever it is.
    assert_eq!([80_000; 20].map(&mut gap_behind), [interval; 20]);
    assert_eq!(gap_behind(4_000_000), interval + 3_920_000);
    // One such way hardly moves what is usual: the next one of the old length is not early, nor a little longer one late.
    assert_eq!([gap_behind(80_000), gap_behind(100_000)], [interval; 2]);
    let mut burst = Bucket::open(&per_second(200, 2));
    burst.left(0);
    burst.left(1_000_000);
    assert_eq!((burst.minds_gaps(), burst.take(0, 0), burst.take(0, 0)), (false, Ok(()), Ok(())));
}

#[test]
fn who_did_not_wait_has_nothing_to_catch_up_with() {
    let mut bucket = Bucket::open(&per_second(1000, 1));
    assert_eq!(bucket.take(SECOND, SECOND), Ok(()));
    assert_eq!(bucket.take(SECOND, SECOND).unwrap_err().at, SECOND + SECOND / 1000);
}

#[test]
fn a_spared_token_is_one_that_is_there_in_spite_of_ours() {
    for (burst, until, spares) in
        [(1, SECOND / 10 - 1, false), (1, SECOND / 10, true), (2, 0, true), (3, 0, true), (1, 0, false)]
    {
        let mut bucket = Bucket::open(&per_second(10, burst));
        for _ in 0..2 {
            assert_eq!(bucket.spares(0, 0, 1, (until, 1)), spares, "burst {burst}, {until}");
            assert_eq!(bucket.ready(0, 0, 1), Ok(0));
        }
    }
}

#[test]
fn a_burst_that_absorbs_lateness_needs_no_catch_up() {
    let mut bucket = Bucket::open(&per_second(500, 20));
    let at_once = std::iter::repeat_with(|| bucket.take(SECOND, 0)).take_while(Result::is_ok).count();
    assert_eq!(at_once, 20);
}

#[test]
fn the_grain_fits_the_slack() {
    let grain = |rate, burst| Bucket::open(&per_second(rate, burst)).cells[0].grain();
    // Without a burst, gaps that servers look at are kept within a fiftieth.
    let grains = [(8, 1), (9, 1), (50, 1), (51, 1), (500, 1), (501, 1), (5000, 1), (5001, 1)];
    use Grain::{Thread, Timer, Yield};
    let expected = [Timer, Thread, Thread, Yield, Yield, Thread, Thread, Yield];
    assert_eq!(grains.map(|(rate, burst)| grain(rate, burst)), expected);
    let grains = [(100, 2), (400, 2), (500, 2), (20_000, 50), (20_000, 4), (20_000, 3)];
    let expected = [Timer, Timer, Timer, Timer, Thread, Yield];
    assert_eq!(grains.map(|(rate, burst)| grain(rate, burst)), expected);
}

#[test]
fn the_extremes_neither_overflow_nor_panic() {
    for count in [1, 3, u32::MAX] {
        for per in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(86_400 * 365), Duration::MAX] {
            for burst in [1, 2, u32::MAX] {
                let mut bucket = Bucket::open(&plan(&[(count, per)], burst));
                for now in [0, 1, SECOND, 1 << 60, 1 << 61] {
                    let _ = bucket.take(now, 0);
                }
            }
        }
    }
}

#[test]
fn costs_beyond_all_measure_neither_overflow_nor_panic() {
    for count in [1, 1_000_000] {
        for per in [Duration::from_secs(1), Duration::MAX] {
            for burst in [1, 7, u32::MAX] {
                let mut bucket = Bucket::open(&plan(&[(count, per)], burst));
                for now in [0, 1, SECOND, 1 << 60, 1 << 61] {
                    for cost in [u32::MAX, 1, 3, u32::MAX] {
                        if let Ok(ideal) = bucket.ready(now, 0, cost) {
                            bucket.settle(now, ideal, cost);
                        }
                        bucket.throttled(now, now);
                        bucket.place(now, cost, 0);
                    }
                }
            }
        }
    }
}

#[test]
fn a_stall_leaves_nothing_to_catch_up_with() {
    for burst in [1, 4] {
        let mut bucket = Bucket::open(&per_second(1000, burst));
        let at_once =
            |bucket: &mut Bucket, now| std::iter::repeat_with(|| bucket.take(now, 0)).take_while(Result::is_ok).count();
        at_once(&mut bucket, 0);
        assert_eq!(at_once(&mut bucket, 3600 * SECOND), burst as usize);
    }
}

#[test]
fn the_interval_is_never_shorter_than_written() {
    for (count, nanos) in [(3, 333_333_334), (7, 142_857_143), (1_000_000, 1000), (999_999, 1001)] {
        let mut bucket = Bucket::open(&per_second(count, 1));
        assert_eq!(bucket.take(0, 0), Ok(()));
        assert_eq!(bucket.take(0, 0).unwrap_err().at, nanos);
    }
}

proptest! {
    #[test]
    fn no_backlog_breaks_the_promise(windows in windows(), burst in 1..30u32, dice in dice(), handover in 0..3_000_000u64) {
        let plan = plan(&windows, burst);
        let mut simulation = Simulation { plan: plan.clone(), dice, rolled: 0 };
        let length = ((200.0 / plan.rate()) * 1e9) as u64;
        let departures = simulation.backlog(length, handover);
        prop_assert!(promise_holds(&plan, &departures), "{departures:?}");
    }

    #[test]
    fn no_schedule_of_arrivals_breaks_the_promise(
        windows in windows(), burst in 1..30u32, dice in dice(),
        gaps in proptest::collection::vec(prop_oneof![Just(0), 0..2_000_000u64, 0..10 * SECOND], 1..200),
    ) {
        let plan = plan(&windows, burst);
        let departures = Simulation { plan: plan.clone(), dice, rolled: 0 }.arrivals(&gaps);
        prop_assert!(promise_holds(&plan, &departures), "{departures:?}");
    }

    #[test]
    fn late_wake_ups_cost_no_rate(rate in 1..30_000u32, burst in 1..60u32, dice in dice()) {
        // Handing over must be quicker than the bucket can bear, or it is what bounds the rate.
        let handover = (SECOND / u64::from(rate) / 2).min(50_000);
        let seconds = (500 / u64::from(rate)).max(1);
        let departures = Simulation { plan: per_second(rate, burst), dice, rolled: 0 }.backlog(seconds * SECOND, handover);
        let most = u64::from(rate) * seconds;
        prop_assert!(departures.len() as f64 >= 0.98 * most as f64, "{} of {most}", departures.len());
    }

    #[test]
    fn two_windows_of_one_rate_cost_no_rate(rate in 1..900u32, bursts in 1..3u32, dice in dice()) {
        let windows = [(rate, Duration::from_secs(1)), (rate * 60, Duration::from_secs(60))];
        let departures = Simulation { plan: plan(&windows, bursts), dice, rolled: 0 }.backlog(10 * SECOND, 20_000);
        prop_assert!(departures.len() as f64 >= 0.98 * f64::from(rate * 10), "{}", departures.len());
    }
}
