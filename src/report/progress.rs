//! Progress: from an endpoint's counters to the numbers that bars and lines show.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::{per_second, thousands};
use crate::clock::{self, Instant};
use crate::run::live::{Lane, read};

/// How far back "now" reaches: long enough to be steady, short enough to follow.
const WINDOW: Duration = Duration::from_secs(5);

/// Speed over the last seconds.
#[derive(Debug, Default)]
pub struct Speed {
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Notes how far an endpoint is at `now`: in messages where it takes some, else in rows.
    pub fn note_lane(&mut self, now: Instant, lane: &Lane) {
        self.note(now, lane.taken().unwrap_or_else(|| lane.ended()));
    }

    /// Notes how many rows had ended, or messages been taken, at `now`.
    pub fn note(&mut self, now: Instant, ended: u64) {
        self.samples.push_back((now, ended));
        // One sample older than the window stays, so that the window is always covered.
        while self.samples.get(1).is_some_and(|(time, _)| now.duration_since(*time) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Rows or messages per second over the window, 0 before the second sample.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let (Some((start, before)), Some((end, after))) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = end.duration_since(*start).as_secs_f64();
        if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

/// Where an endpoint stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Rows that have ended, those of earlier sessions included.
    pub done: u64,
    /// Rows in all, where known.
    pub total: Option<u64>,
    /// Messages taken in this session; `None` of an endpoint that takes none.
    pub messages: Option<u64>,
    /// Rows that ended per second, lately; messages, where there are some.
    pub rate: f64,
    /// Rows that failed in this session.
    pub failed: u64,
    /// Attempts in this session that were not the first of their row.
    pub retries: u64,
    /// Attempts under way.
    pub in_flight: u64,
    /// Attempts that may be, as found so far; 0 where the number is fixed.
    pub allowed: u64,
    /// Attempts that may be by hand; 0 where no hand has lowered the number.
    pub by_hand: u64,
    /// Until the end at this rate, where that can be told.
    pub eta: Option<Duration>,
}

impl Progress {
    /// Reads a lane and notes its speed.
    #[must_use]
    pub fn of(lane: &Lane, speed: &mut Speed, now: Instant) -> Self {
        let ended = lane.ended();
        speed.note_lane(now, lane);
        let messages = lane.taken();
        let rate = speed.rate();
        let done = lane.resumed + ended;
        let total = Some(read(&lane.rows)).filter(|rows| *rows > 0).map(|rows| rows.max(done));
        let in_flight = read(&lane.in_flight);
        // How many messages a row has nobody knows.
        let eta = total
            .filter(|_| rate > 0.0 && messages.is_none())
            .map(|total| Duration::from_secs_f64((total - done) as f64 / rate));
        let (failed, retries) = (read(&lane.failed), read(&lane.retries));
        let (allowed, by_hand) = (read(&lane.allowed), read(&lane.by_hand));
        Self { done, total, messages, rate, failed, retries, in_flight, allowed, by_hand, eta }
    }

    /// `412/1,000`, or `412 rows` when the total is unknown.
    #[must_use]
    pub fn position(&self) -> String {
        match self.total {
            Some(total) => format!("{}/{}", thousands(self.done), thousands(total)),
            None => format!("{} rows", thousands(self.done)),
        }
    }

    /// `1,234 msgs`, where there are some.
    #[must_use]
    pub fn taken(&self) -> Option<String> {
        self.messages.map(|messages| format!("{} {}", thousands(messages), if messages == 1 { "msg" } else { "msgs" }))
    }

    /// Everything but the position: messages, speed, time to go, failed rows, retries, requests in flight.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let known =
            [self.taken(), Some(self.speed()), self.time_to_go(), Some(self.failures()), Some(self.repetitions())];
        known.into_iter().flatten().chain([self.flying()]).collect()
    }

    /// `208/s`
    #[must_use]
    pub fn speed(&self) -> String {
        per_second(self.rate)
    }

    /// `eta 5s`, where that can be told.
    #[must_use]
    pub fn time_to_go(&self) -> Option<String> {
        self.eta.map(|eta| format!("eta {}", whole_seconds(eta)))
    }

    /// `2 failed`
    #[must_use]
    pub fn failures(&self) -> String {
        format!("{} failed", thousands(self.failed))
    }

    /// `7 retries`; of connections that stay open, `7 reconnects`
    #[must_use]
    pub fn repetitions(&self) -> String {
        let (one, many) = if self.messages.is_some() { ("reconnect", "reconnects") } else { ("retry", "retries") };
        format!("{} {}", thousands(self.retries), if self.retries == 1 { one } else { many })
    }

    /// `10 in flight`, and of how many where that is not as the job says.
    #[must_use]
    pub fn flying(&self) -> String {
        let in_flight = thousands(self.in_flight);
        match (self.by_hand, self.allowed) {
            (0, 0) => format!("{in_flight} in flight"),
            (0, allowed) => format!("{in_flight} of {} in flight (auto)", thousands(allowed)),
            (by_hand, 0) => format!("{in_flight} of {} in flight (by hand)", thousands(by_hand)),
            (by_hand, allowed) => format!("{in_flight} of {} in flight (by hand)", thousands(by_hand.min(allowed))),
        }
    }

    /// Percent done, where the total is known.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        // In u128, as 100 times a count may not fit.
        self.total.map(|total| u64::try_from(u128::from(self.done) * 100 / u128::from(total.max(1))).unwrap_or(100))
    }
}

/// Tenths of seconds flicker; an estimate is not that good anyway.
fn whole_seconds(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs_f64().round() as u64);
    if seconds.is_zero() { "0s".to_owned() } else { clock::human(seconds) }
}

#[cfg(test)]
#[allow(missing_docs, reason = "seen by tests alone")]
pub mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A lane in the middle of its work: 400 of 1,000 rows were done before.
    pub fn lane(rows: u64, ended: u64) -> Lane {
        Lane {
            endpoint: "price".into(),
            rows: AtomicU64::new(rows),
            resumed: 400,
            ok: AtomicU64::new(ended - 2),
            failed: AtomicU64::new(2),
            // Some rows never reached the wire: what attempts and rows differ by says nothing of retries.
            attempts: AtomicU64::new(ended - 50 + 10 + 3 + 7),
            retries: AtomicU64::new(7),
            in_flight: AtomicU64::new(10),
            sleeping: AtomicU64::new(3),
            ..Lane::default()
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = clock::now();
        let mut speed = Speed::default();
        assert_eq!(speed.rate(), 0.0);
        for second in 0..=10 {
            speed.note(start + Duration::from_secs(second), second * 100);
        }
        assert!((speed.rate() - 100.0).abs() < 1e-9);
        for second in 11..=20 {
            speed.note(start + Duration::from_secs(second), 1000);
        }
        assert_eq!(speed.rate(), 0.0, "what was fast before the window no longer counts");
        assert!(speed.samples.len() <= 7, "old samples are dropped");
    }

    #[test]
    fn counters_become_numbers() {
        let (start, mut speed) = (clock::now(), Speed::default());
        speed.note(start, 2);
        let progress = Progress::of(&lane(1000, 102), &mut speed, start + Duration::from_secs(1));
        assert_eq!((progress.done, progress.total, progress.percent()), (502, Some(1000), Some(50)));
        assert_eq!(progress.position(), "502/1,000");
        assert_eq!(progress.details(), ["100/s", "eta 5s", "2 failed", "7 retries", "10 in flight"]);
    }

    /// The same with messages.
    pub fn streaming(rows: u64, messages: u64) -> Lane {
        Lane { stream: true, messages: AtomicU64::new(messages), ..lane(rows, 102) }
    }

    #[test]
    fn messages_are_counted_and_tell_of_no_end() {
        let (start, mut speed) = (clock::now(), Speed::default());
        speed.note_lane(start, &streaming(1000, 1234));
        let progress = Progress::of(&streaming(1000, 1290), &mut speed, start + Duration::from_secs(1));
        assert_eq!((progress.position().as_str(), progress.rate), ("502/1,000", 56.0));
        assert_eq!(progress.details(), ["1,290 msgs", "56/s", "2 failed", "7 reconnects", "10 in flight"]);
        let one = Lane { retries: 1.into(), ..streaming(1000, 1) };
        let progress = Progress::of(&one, &mut Speed::default(), start);
        assert_eq!((progress.taken().as_deref(), progress.repetitions().as_str()), (Some("1 msg"), "1 reconnect"));
        assert_eq!(Progress::of(&lane(1000, 102), &mut Speed::default(), start).taken(), None);
    }

    #[test]
    fn without_a_total_there_is_no_end_in_sight() {
        let progress = Progress::of(&lane(0, 102), &mut Speed::default(), clock::now());
        assert_eq!((progress.position().as_str(), progress.eta, progress.percent()), ("502 rows", None, None));
    }

    #[test]
    fn an_input_that_grew_does_not_go_past_its_end() {
        let progress = Progress::of(&lane(450, 102), &mut Speed::default(), clock::now());
        assert_eq!((progress.total, progress.percent()), (Some(502), Some(100)));
    }
}
