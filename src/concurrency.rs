//! `concurrency = "auto"`: how many requests to have in flight, found by what more of them buy.
//!
//! Pure: attempts that ended and the time go in, a number comes out. Must never go beyond the most that it was
//! given, never raise a number that was not used, and never lower it twice for one and the same trouble.
//!
//! **The question.** A server works on `C` requests side by side and lets the others queue. Below `C` one
//! more in flight costs no latency and buys throughput; beyond it, it buys nothing and latency grows as the
//! number does. So two levels next to each other are compared: the *cost* of a step between them is the
//! growth of the mean latency over the growth of the number, both as logarithms: 0 where the step bought all
//! that it could, 1 where it bought nothing. No latency is remembered as the best one, so nothing is misled
//! when the server itself becomes slower or faster (the weakness of TCP Vegas, and of Netflix' Gradient
//! limits after it), and nothing depends on what a long average has got used to.
//!
//! **The walk.** It starts at 4 and doubles for as long as a doubling costs less than half. Then it walks
//! in steps of a quarter, at least one: up while a step costs less than half, then down while the step
//! back saves as much as it can (0.8 or more), then up again. So it hovers around the number where throughput
//! ends to grow, within a step or two. A level is left when the mean of its latency is known to 3 %, or
//! after 200 attempts, and after as many attempts as it has in flight in any case. Steps down that turned out
//! to cost throughput are tried more and more seldom, every 16th time at last, until the latency at
//! the level changes by a third.
//!
//! **Trouble.** Timeouts, resets, 429 and 5xx halve the number when they are more than a fifth of a round: of as
//! many attempts as there are in flight, 10 at least (AIMD, RFC 5681 §3.1; a few do not, for a server that
//! fails 5 % of all requests does so at any number). What was sent before the halving does not count again.
//!
//! **Figures** of the simulations beside this file (queues in front of C workers, 1 ms to 2 s for a request,
//! the second half of the run): the share of the throughput that the best fixed number would
//! have, and the mean of the number.
//!
//! | C | steady | | ±30 % | | exponential | |
//! |---|---|---|---|---|---|---|
//! | 1 | 100 % | 1.5 | 99 % | 1.3 | 99 % | 1.5 |
//! | 2 | 99 % | 2.9 | 96 % | 2.6 | 95 % | 2.3 |
//! | 4 | 99 % | 4.9 | 98 % | 5.1 | 100 % | 5.9 |
//! | 32 | 99 % | 38 | 99 % | 39 | 98 % | 39 |
//! | 200 | 99 % | 224 | 99 % | 228 | 99 % | 227 |
//!
//! (Of 20 seeds the worst where it is ±30 %.) Where a server refuses at once what is too much, it is 70 % to 80 %: the
//! price of halving. What it learns from are attempts: a server that takes one at a time is known after some
//! hundred of them, one that takes 200 after about 20 round trips.

use std::time::Duration;

use crate::clock::Instant;

/// Where it starts.
const START: usize = 4;

/// Growth of a step.
const STEP: f64 = 1.25;

/// Cost from which a step up was not worth it.
const DEAR: f64 = 0.5;

/// Cost from which the step back down loses nothing.
const WASTED: f64 = 0.8;

/// How well the mean latency of a level is to be known: its standard error, as a share of it.
const PRECISION: f64 = 0.03;

/// Attempts after which a level is left although its latency is not known as well as that.
const ENOUGH: usize = 200;

/// Attempts that a level needs in any case.
const FEWEST: usize = 8;

/// Share of the number that has to be in flight for an attempt to tell of it.
const USED: f64 = 0.9;

/// Change of the latency at a level that makes what was learned there void.
const CHANGED: f64 = 1.33;

/// How often at most a step down is skipped that cost throughput before.
const MOST_SKIPPED: u32 = 15;

/// Attempts in the smallest round in which trouble is counted.
const ROUND: usize = 10;

/// An attempt that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From its first byte out to its last byte in.
    pub latency: Duration,
    /// How many were on the wire when it left, itself included.
    pub in_flight: usize,
    /// Whether it ended as attempts do where there is too much: timeout, reset, 429, 5xx.
    pub overload: bool,
    /// When it left.
    pub began: Instant,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Concurrency {
    most: usize,
    limit: usize,
    walk: Walk,
    level: Level,
    /// The level before, which is the next one to this; `None`: there is nothing to compare with.
    before: Option<Known>,
    trouble: Trouble,
    caution: Caution,
}

/// Where the walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// Up by doubling: nothing is known yet.
    Doubling,
    Up,
    Down,
}

/// What is known of the number as it is now.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Since when it is this number; `None`: no attempt has ended at all.
    since: Option<Instant>,
    count: usize,
    /// Mean latency in seconds, and the sum of squares of the differences from it (Welford).
    mean: f64,
    squares: f64,
    in_flight: f64,
}

/// A level that was left.
#[derive(Debug, Clone, Copy)]
struct Known {
    latency: f64,
    in_flight: f64,
}

/// What ended badly, and what did not, since the last halving or the last whole round.
#[derive(Debug, Clone, Copy, Default)]
struct Trouble {
    bad: usize,
    all: usize,
}

/// What was learned from steps down that cost throughput.
#[derive(Debug, Clone, Copy, Default)]
struct Caution {
    /// The latency from which the last one was made.
    latency: Option<f64>,
    /// Steps to skip after the next one that costs throughput.
    next: u32,
    /// Steps to skip now.
    skip: u32,
}

impl Concurrency {
    /// Starts at 4, or at `most` where that is less; never gives more than `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            limit: START.min(most),
            walk: Walk::Doubling,
            level: Level::new(None),
            before: None,
            trouble: Trouble::default(),
            caution: Caution::default(),
        }
    }

    /// How many requests may be in flight: 1 or more.
    #[must_use]
    pub fn now(&self) -> usize {
        self.limit
    }

    /// Learns from an attempt that ended. One that left before the number became what it is now tells
    /// nothing of it.
    pub fn ended(&mut self, sample: Sample, now: Instant) {
        let since = *self.level.since.get_or_insert(sample.began);
        if sample.began < since {
            return;
        }
        if self.trouble.note(sample.overload, self.limit) {
            self.halve(now);
        } else if !sample.overload && self.is_used(sample.in_flight) {
            self.level.note(&sample, self.limit);
            if self.level.is_known(self.limit) {
                self.step(now);
            }
        }
    }

    fn is_used(&self, in_flight: usize) -> bool {
        in_flight as f64 >= self.limit as f64 * USED
    }

    fn halve(&mut self, now: Instant) {
        self.walk = Walk::Up;
        self.caution = Caution::default();
        self.before = None;
        self.go(self.limit / 2, now);
    }

    /// Compares this level with the one before, and goes to the next.
    fn step(&mut self, now: Instant) {
        let known = self.level.known();
        let cost = self.before.and_then(|before| before.cost(known));
        let before = self.before.replace(known);
        let to = match (self.walk, cost) {
            (Walk::Doubling, None) if self.limit < self.most => self.limit * 2,
            (Walk::Doubling, Some(cost)) if cost < DEAR && self.limit < self.most => self.limit * 2,
            (Walk::Doubling, Some(cost)) if cost >= DEAR => {
                self.walk = Walk::Down;
                (self.limit / 2).max(1)
            }
            (Walk::Doubling, _) => self.top(known, cost.is_some()),
            (Walk::Up, Some(cost)) if cost >= DEAR => self.down(),
            (Walk::Up, _) if self.limit < self.most => self.up(),
            (Walk::Up, _) => self.top(known, cost.is_some()),
            (Walk::Down, Some(cost)) => self.descend(cost, known, before),
            (Walk::Down, None) => self.down(),
        };
        self.go(to, now);
    }

    /// After a step down.
    fn descend(&mut self, cost: f64, known: Known, before: Option<Known>) -> usize {
        if cost < DEAR {
            self.caution.learn(before.unwrap_or(known).latency);
        }
        if cost < WASTED {
            return self.up();
        }
        if self.limit == 1 || self.caution.skips(known.latency) { self.up() } else { self.down() }
    }

    /// At the most: there is nothing to climb to, so it stays for as long as nothing changes.
    fn top(&mut self, known: Known, climbed: bool) -> usize {
        if climbed {
            self.caution.latency = Some(known.latency);
        }
        self.walk = Walk::Up;
        if self.most == 1 || self.caution.is_good_for(known.latency) {
            self.before = None;
            return self.limit;
        }
        self.down()
    }

    fn up(&mut self) -> usize {
        self.walk = Walk::Up;
        ((self.limit as f64 * STEP).ceil() as usize).max(self.limit + 1)
    }

    fn down(&mut self) -> usize {
        self.walk = Walk::Down;
        ((self.limit as f64 / STEP).floor() as usize).min(self.limit - 1)
    }

    fn go(&mut self, limit: usize, now: Instant) {
        self.limit = limit.clamp(1, self.most);
        self.level = Level::new(Some(now));
    }
}

impl Level {
    fn new(since: Option<Instant>) -> Self {
        Self { since, count: 0, mean: 0.0, squares: 0.0, in_flight: 0.0 }
    }

    fn note(&mut self, sample: &Sample, limit: usize) {
        self.count += 1;
        let count = self.count as f64;
        let latency = sample.latency.as_secs_f64();
        let off = latency - self.mean;
        self.mean += off / count;
        self.squares += off * (latency - self.mean);
        self.in_flight += (sample.in_flight.min(limit) as f64 - self.in_flight) / count;
    }

    fn is_known(&self, limit: usize) -> bool {
        if self.count < limit.max(FEWEST) {
            return false;
        }
        let count = self.count as f64;
        let error = (self.squares / (count - 1.0) / count).sqrt();
        self.count >= ENOUGH || error <= self.mean * PRECISION
    }

    fn known(&self) -> Known {
        Known { latency: self.mean, in_flight: self.in_flight }
    }
}

impl Known {
    /// What the step between two levels costs, or saves; `None`: they are too close.
    fn cost(self, other: Self) -> Option<f64> {
        let number = (self.in_flight / other.in_flight).ln();
        let latency = (self.latency / other.latency).ln();
        (number.abs() > 0.01 && latency.is_finite()).then(|| latency / number)
    }
}

impl Trouble {
    /// Counts an attempt; says whether there is too much trouble.
    fn note(&mut self, overload: bool, limit: usize) -> bool {
        let round = limit.max(ROUND);
        self.bad += usize::from(overload);
        self.all += 1;
        let too_much = self.bad * 5 > round;
        if too_much || self.all >= round {
            *self = Self::default();
        }
        too_much
    }
}

impl Caution {
    /// A step down from a level with this latency cost throughput.
    fn learn(&mut self, latency: f64) {
        if !self.is_good_for(latency) {
            self.next = 0;
        }
        self.latency = Some(latency);
        self.next = (self.next * 2 + 1).min(MOST_SKIPPED);
        self.skip = self.next;
    }

    /// Whether to skip the step down from a level with this latency.
    fn skips(&mut self, latency: f64) -> bool {
        if !self.is_good_for(latency) {
            *self = Self::default();
        }
        let skips = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        skips
    }

    fn is_good_for(&self, latency: f64) -> bool {
        self.latency.is_some_and(|known| latency < known * CHANGED && known < latency * CHANGED)
    }
}

#[cfg(test)]
mod tests;
