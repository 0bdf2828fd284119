//! The clock of an exchange: when something last moved, and what is due when.
//!
//! Must never take silence for more than it is: bytes that came while nobody looked count.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Sleep;

use super::Terms;
use crate::clock::{self, Instant};
use crate::transport::Endless;
use crate::transport::fault::Overdue;
use crate::transport::pool::http1::Http1Connection;

/// When an exchange is overdue.
pub(super) struct Deadline {
    read: Duration,
    end: Instant,
    /// When something last moved.
    pub last: Instant,
}

impl Deadline {
    /// Begins now.
    pub fn new(terms: &Terms<'_>) -> Self {
        Self { read: terms.timeouts.read, end: later(terms.start, terms.total), last: terms.start }
    }

    /// The body of the reply is endless: from now on only its silence counts.
    pub fn go_on(&mut self, endless: Endless, sleep: Pin<&mut Sleep>) {
        self.read = endless.silence.unwrap_or(AGES);
        self.end = later(self.last, AGES);
        sleep.reset(self.due());
    }

    /// When to look next.
    pub fn due(&self) -> Instant {
        later(self.last, self.read).min(self.end)
    }

    /// Tells what is overdue, now that the timer has rung; if nothing is, it is armed anew.
    pub fn judge(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Option<Overdue> {
        loop {
            let now = clock::now();
            if now >= self.end {
                return Some(Overdue::Total);
            }
            if now >= later(self.last, self.read) {
                return Some(Overdue::Read(self.read));
            }
            sleep.as_mut().reset(self.due());
            if sleep.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }
}

/// The clock of an exchange that has its connection to itself: whatever moves over it is its own.
pub(super) struct Watch {
    deadline: Deadline,
    moves: u64,
    // Whether the request has had its chance to be written: that move is no news.
    begun: bool,
}

impl Watch {
    /// Begins now.
    pub fn new(connection: &mut Http1Connection, terms: &Terms<'_>) -> Self {
        let watch = Self { deadline: Deadline::new(terms), moves: connection.traffic.moves(), begun: false };
        // A timer that is armed earlier is left alone: it costs one needless look when it rings, which is
        // less than arming it anew for every request.
        let due = watch.deadline.due();
        if connection.sleep.deadline() > due || connection.sleep.is_elapsed() {
            connection.sleep.as_mut().reset(due);
        }
        watch
    }

    /// When something last moved.
    pub fn last(&self) -> Instant {
        self.deadline.last
    }

    /// Lets the connection move; tells what is overdue.
    // The timer is asked first, while the task's budget is fresh, and judged last: bytes that came while
    // nobody looked count.
    pub fn step(&mut self, connection: &mut Http1Connection, cx: &mut Context<'_>) -> Option<Overdue> {
        let rang = connection.sleep.as_mut().poll(cx).is_ready();
        connection.drive(cx);
        let moves = connection.traffic.moves();
        if moves != self.moves {
            self.moves = moves;
            if self.begun {
                self.deadline.last = clock::now();
            }
        }
        self.begun = true;
        if rang { self.deadline.judge(connection.sleep.as_mut(), cx) } else { None }
    }

    /// The body of the reply is endless: from now on only its silence counts.
    pub fn go_on(&mut self, endless: Endless, connection: &mut Http1Connection) {
        self.deadline.go_on(endless, connection.sleep.as_mut());
    }

    /// The receiver was busy elsewhere and listens again: what it did not hear was no silence.
    pub fn resume(&mut self) {
        self.deadline.last = clock::now();
    }
}

/// So long that nobody waits for it.
const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// `start + duration`, or so far away that nobody waits for it.
fn later(start: Instant, duration: Duration) -> Instant {
    start + duration.min(AGES)
}
