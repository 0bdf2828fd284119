//! Simulations of servers that work on some requests side by side and queue the others.
//!
//! Time is a number here. What is asked of every server: in the second half of the run no less than 90 % of the
//! best throughput that any fixed number would have, with no more in flight on average than twice the best
//! fixed number, and one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;
use crate::clock;

/// How service times spread, as factors with a mean of 1.
#[derive(Debug, Clone, Copy)]
enum Spread {
    None,
    Uniform(f64),
    Exponential,
}

/// A server, its client, and the time.
struct Scene {
    capacity: usize,
    service: f64,
    spread: Spread,
    /// How many requests the client has work for at once, whatever the number.
    demand: usize,
    /// Above this many in flight, the server refuses at once.
    refuses_above: usize,
    /// Share of requests that fail whatever the load.
    failing: f64,
    origin: Instant,
    /// Microseconds.
    now: u64,
    random: u64,
    /// When each of the server's workers is free.
    free: BinaryHeap<Reverse<u64>>,
    /// Requests under way: end, start, in flight at the start, overload.
    under_way: BinaryHeap<Reverse<(u64, u64, usize, bool)>>,
    concurrency: Concurrency,
}

/// What a stretch of time came to.
#[derive(Debug)]
struct Stretch {
    /// Good replies per second.
    throughput: f64,
    /// Of the number, over time.
    mean: f64,
    lowest: usize,
    highest: usize,
}

impl Scene {
    fn new(capacity: usize, milliseconds: f64, spread: Spread) -> Self {
        Self {
            capacity,
            service: milliseconds * 1000.0,
            spread,
            demand: usize::MAX,
            refuses_above: usize::MAX,
            failing: 0.0,
            origin: clock::now(),
            now: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            free: std::iter::repeat_n(Reverse(0), capacity).collect(),
            under_way: BinaryHeap::new(),
            concurrency: Concurrency::new(1000),
        }
    }

    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn factor(&mut self) -> f64 {
        let random = self.random();
        match self.spread {
            Spread::None => 1.0,
            Spread::Uniform(share) => 1.0 + share * (2.0 * random - 1.0),
            Spread::Exponential => -(1.0 - random).ln(),
        }
    }

    /// Changes how many the server works on at once.
    fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        let now = self.now;
        while self.free.len() > capacity {
            let Some(Reverse(first)) = self.free.pop() else { break };
            // The work of the one that leaves is done by the others.
            let Some(Reverse(second)) = self.free.pop() else { break };
            self.free.push(Reverse(second + first.saturating_sub(now)));
        }
        while self.free.len() < capacity {
            self.free.push(Reverse(now));
        }
    }

    fn send(&mut self) {
        let in_flight = self.under_way.len() + 1;
        if in_flight > self.refuses_above {
            let end = self.now + (self.service / 10.0).ceil() as u64;
            self.under_way.push(Reverse((end, self.now, in_flight, true)));
            return;
        }
        let time = (self.service * self.factor()).ceil() as u64;
        let start = self.free.pop().map_or(self.now, |Reverse(free)| free.max(self.now));
        self.free.push(Reverse(start + time));
        let overload = self.random() < self.failing;
        self.under_way.push(Reverse((start + time, self.now, in_flight, overload)));
    }

    /// Goes on for a time that is so many times the service time.
    fn run(&mut self, rounds: f64) -> Stretch {
        let (start, until) = (self.now, self.now + (rounds * self.service) as u64);
        let mut stretch = Stretch { throughput: 0.0, mean: 0.0, lowest: usize::MAX, highest: 0 };
        let (mut good, mut area) = (0_u64, 0.0);
        while self.now < until {
            while self.under_way.len() < self.concurrency.now().min(self.demand) {
                self.send();
            }
            let Some(Reverse((end, began, in_flight, overload))) = self.under_way.pop() else { break };
            let number = self.concurrency.now();
            area += number as f64 * (end - self.now) as f64;
            (stretch.lowest, stretch.highest) = (stretch.lowest.min(number), stretch.highest.max(number));
            self.now = end;
            good += u64::from(!overload);
            self.end(began, in_flight, overload);
        }
        let time = (self.now - start) as f64;
        stretch.throughput = good as f64 * 1e6 / time;
        stretch.mean = area / time;
        stretch
    }

    fn end(&mut self, began: u64, in_flight: usize, overload: bool) {
        let at = |time: u64| self.origin + Duration::from_micros(time);
        let latency = Duration::from_micros(self.now - began);
        self.concurrency.ended(Sample { latency, in_flight, overload, began: at(began) }, at(self.now));
    }

    fn best(&self) -> f64 {
        self.capacity as f64 * 1e6 / self.service
    }

    /// Runs on, and asks that what is asked of every server holds by then.
    fn settles(&mut self, what: &str) {
        // What it learns from are attempts: the fewer at a time, the more rounds it takes.
        let rounds = (3000.0 / self.capacity as f64).max(400.0);
        self.run(rounds);
        let stretch = self.run(rounds);
        let (capacity, share) = (self.capacity as f64, stretch.throughput / self.best());
        println!("{what}: C = {capacity}, S = {} ms: {:.1} % with {stretch:?}", self.service / 1e3, share * 100.0);
        assert!(share >= 0.9, "{what}: {:.1} % of what C = {capacity} gives: {stretch:?}", share * 100.0);
        assert!(stretch.mean <= 2.0 * capacity + 1.0, "{what}: too many for C = {capacity}: {stretch:?}");
        assert!(stretch.highest as f64 <= 2.5 * capacity + 2.0, "{what}: too many for C = {capacity}: {stretch:?}");
    }
}

const CAPACITIES: [usize; 6] = [1, 2, 4, 10, 32, 200];

#[test]
fn finds_what_a_steady_server_takes() {
    for capacity in CAPACITIES {
        for milliseconds in [1.0, 50.0, 2000.0] {
            Scene::new(capacity, milliseconds, Spread::None).settles("steady");
        }
    }
}

#[test]
fn noise_does_not_make_it_collapse() {
    for capacity in CAPACITIES {
        for seed in 1..=20_u64 {
            let milliseconds = [1.0, 50.0, 2000.0][seed as usize % 3];
            let mut scene = Scene::new(capacity, milliseconds, Spread::Uniform(0.3));
            scene.random = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
            scene.settles("noisy");
        }
    }
}

#[test]
fn latencies_without_measure_do_not_make_it_collapse() {
    for capacity in CAPACITIES {
        let mut scene = Scene::new(capacity, 50.0, Spread::Exponential);
        scene.run(2000.0);
        let stretch = scene.run(2000.0);
        let share = stretch.throughput / scene.best();
        println!("exponential: C = {capacity}: {:.1} % with {stretch:?}", share * 100.0);
        assert!(share >= 0.75 && stretch.mean <= 3.0 * capacity as f64 + 1.0, "C = {capacity}: {share} {stretch:?}");
    }
}

#[test]
fn follows_a_server_whose_capacity_halves_and_comes_back() {
    for capacity in [4, 32, 200] {
        for spread in [Spread::None, Spread::Uniform(0.3)] {
            let mut scene = Scene::new(capacity, 50.0, spread);
            scene.settles("whole");
            scene.resize(capacity / 2);
            scene.settles("half");
            scene.resize(capacity);
            scene.settles("whole again");
        }
    }
}

#[test]
fn a_server_that_becomes_slower_with_the_same_capacity_is_no_reason_to_send_less() {
    for factor in [3.0, 1.0 / 3.0] {
        let mut scene = Scene::new(32, 50.0, Spread::Uniform(0.3));
        scene.settles("before");
        scene.service *= factor;
        scene.settles("after");
    }
}

#[test]
fn starts_by_doubling() {
    let mut scene = Scene::new(200, 50.0, Spread::None);
    assert_eq!(scene.concurrency.now(), 4);
    // Each number needs a round, or two where 8 attempts are two rounds.
    let stretch = scene.run(20.0);
    assert!(stretch.highest >= 200, "{stretch:?}");
}

#[test]
fn never_more_than_the_most_and_never_none() {
    for most in [0, 1, 2, 3, 7, 100] {
        let mut scene = Scene::new(200, 50.0, Spread::Uniform(0.3));
        scene.concurrency = Concurrency::new(most);
        let stretch = scene.run(300.0);
        assert!(stretch.lowest >= 1 && stretch.highest <= most.max(1), "{most}: {stretch:?}");
        let stretch = scene.run(300.0);
        assert!(stretch.mean >= 0.98 * most.max(1) as f64, "{most}: {stretch:?}");
    }
}

#[test]
fn too_few_at_most_is_found_to_be_too_many_when_the_server_gets_slower() {
    let mut scene = Scene::new(50, 50.0, Spread::Uniform(0.3));
    scene.concurrency = Concurrency::new(20);
    assert!(scene.run(400.0).highest == 20);
    scene.resize(4);
    scene.settles("beneath the most");
}

#[test]
fn a_job_that_does_not_use_the_number_does_not_move_it() {
    for demand in [1, 3] {
        let mut scene = Scene::new(1, 50.0, Spread::Uniform(0.3));
        scene.demand = demand;
        let stretch = scene.run(2000.0);
        assert_eq!((stretch.lowest, stretch.highest), (4, 4), "{demand}");
    }
    let mut scene = Scene::new(100, 50.0, Spread::Uniform(0.3));
    scene.run(200.0);
    let number = scene.concurrency.now();
    scene.demand = number / 2;
    scene.run(20.0);
    let number = scene.concurrency.now();
    let stretch = scene.run(2000.0);
    assert_eq!((stretch.lowest, stretch.highest), (number, number));
}

#[test]
fn failures_halve_it_once_for_a_round_trip() {
    let origin = clock::now();
    let at = |milliseconds| origin + Duration::from_millis(milliseconds);
    let bad = |began| Sample { latency: Duration::from_millis(100), in_flight: 64, overload: true, began: at(began) };
    let mut concurrency = Concurrency::new(64);
    concurrency.limit = 64;
    (0..64).for_each(|_| concurrency.ended(bad(0), at(100)));
    assert_eq!(concurrency.now(), 32);
    // They left before it was halved: it is the same trouble.
    (0..64).for_each(|_| concurrency.ended(bad(99), at(199)));
    assert_eq!(concurrency.now(), 32);
    (0..7).for_each(|_| concurrency.ended(bad(100), at(200)));
    assert_eq!(concurrency.now(), 16);
}

#[test]
fn a_server_that_refuses_what_is_too_much_is_kept_busy() {
    for capacity in [4, 32, 200] {
        let mut scene = Scene::new(capacity, 50.0, Spread::Uniform(0.3));
        scene.refuses_above = capacity;
        scene.run(400.0);
        let stretch = scene.run(400.0);
        let share = stretch.throughput / scene.best();
        println!("refusing: C = {capacity}: {:.1} % with {stretch:?}", share * 100.0);
        assert!(share >= 0.65 && stretch.mean <= 1.2 * capacity as f64 + 1.0, "C = {capacity}: {share} {stretch:?}");
    }
}

#[test]
fn a_few_failures_are_no_overload() {
    for capacity in [4, 32, 200] {
        let mut scene = Scene::new(capacity, 50.0, Spread::Uniform(0.3));
        scene.failing = 0.03;
        scene.run(400.0);
        let stretch = scene.run(400.0);
        let share = stretch.throughput / scene.best();
        assert!(share >= 0.85, "C = {capacity}: {share} {stretch:?}");
    }
}

#[test]
fn a_server_that_fails_everything_gets_one_at_a_time_and_all_again_when_it_is_back() {
    let mut scene = Scene::new(32, 50.0, Spread::Uniform(0.3));
    scene.settles("before");
    scene.failing = 1.0;
    scene.run(100.0);
    assert_eq!(scene.concurrency.now(), 1);
    scene.failing = 0.0;
    scene.settles("after");
}

#[test]
fn steps_that_cost_throughput_are_tried_more_seldom_until_the_latency_changes() {
    let mut caution = Caution::default();
    for skipped in [1, 3, 7, 15, 15] {
        caution.learn(1.0);
        assert!((0..skipped).all(|_| caution.skips(1.2)), "{skipped}");
        assert!(!caution.skips(0.8), "{skipped}");
    }
    for changed in [1.4, 0.7] {
        let mut other = caution;
        other.learn(changed);
        assert!(other.skips(changed) && !other.skips(changed), "{changed}");
        let mut caution = caution;
        caution.learn(1.0);
        assert!(caution.skips(1.0) && !caution.skips(changed) && !caution.skips(1.0), "{changed}");
        caution.learn(1.0);
        assert!(caution.skips(1.0) && !caution.skips(1.0), "as if nothing had been learned: {changed}");
    }
}
