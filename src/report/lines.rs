//! Lines: progress where there is no terminal, one line for each endpoint at work every ten seconds.

use std::time::Duration;

use super::held::Held;
use super::notice::Notices;
use super::progress::{Progress, Speed};
use super::text::clean;
use super::{Reporter, Speak};
use crate::clock::{self, Instant};
use crate::event::Event;
use crate::run::live::{Lane, Live};

/// From one line to the next.
pub const EVERY: Duration = Duration::from_secs(10);

/// Samples of the speed are taken this often, not at every tick.
const SAMPLE: Duration = Duration::from_secs(1);

/// Looks at what holds an endpoint back, from one line to the next.
const LOOKS: usize = 100;

/// Says now and then how far a run is.
pub struct Lines {
    speak: Speak,
    notices: Option<Notices>,
    speeds: Vec<Speed>,
    held: Vec<Held>,
    next: Option<Instant>,
    next_sample: Option<Instant>,
}

impl Lines {
    /// Lines that go to `speak`. `notices`: whether warnings, holds and the like are said as well
    /// (not when another reporter says them).
    #[must_use]
    pub fn new(speak: Speak, notices: bool) -> Self {
        let notices = notices.then(Notices::default);
        Self { speak, notices, speeds: Vec::new(), held: Vec::new(), next: None, next_sample: None }
    }

    fn say(&mut self, live: &Live, now: Instant) {
        for ((lane, speed), held) in live.lanes.iter().zip(&mut self.speeds).zip(&mut self.held) {
            let progress = Progress::of(lane, speed, now);
            if at_work(lane, &progress) {
                (self.speak)(&line(lane, &progress, held.shown().as_deref()));
            }
        }
    }

    fn sample(&mut self, live: &Live, now: Instant) {
        self.speeds.resize_with(live.lanes.len(), Speed::default);
        for (lane, speed) in live.lanes.iter().zip(&mut self.speeds) {
            speed.note_lane(now, lane);
        }
    }
}

/// An endpoint that has ended all of its rows has nothing new to say.
fn at_work(lane: &Lane, progress: &Progress) -> bool {
    let all_ended = progress.total == Some(progress.done);
    let begun = progress.in_flight > 0 || lane.ended() > 0 || progress.retries > 0;
    begun && !all_ended
}

fn line(lane: &Lane, progress: &Progress, held: Option<&str>) -> String {
    let percent = progress.percent().map(|percent| format!(" ({percent}%)")).unwrap_or_default();
    let held = held.map(|what| format!("; held back by {}", clean(what))).unwrap_or_default();
    let (name, position) = (clean(&lane.endpoint), progress.position());
    format!("{name}: {position}{percent}, {}{held}", progress.details().join(", "))
}

/// Whether the time has come; sets the next one.
fn due(next: &mut Option<Instant>, now: Instant, every: Duration) -> bool {
    match next {
        Some(time) if now < *time => false,
        _ => {
            *next = Some(now + every);
            true
        }
    }
}

impl Reporter for Lines {
    fn tell(&mut self, event: &Event) {
        if let Some(notice) = self.notices.as_mut().and_then(|notices| notices.of(event)) {
            (self.speak)(&notice);
        }
    }

    fn tick(&mut self, live: &Live) {
        let now = clock::now();
        self.held.resize_with(live.lanes.len(), || Held::over(LOOKS));
        self.held.iter_mut().zip(&live.lanes).for_each(|(held, lane)| held.note(lane.bound()));
        if due(&mut self.next_sample, now, SAMPLE) {
            self.sample(live, now);
        }
        let first = self.next.is_none();
        if due(&mut self.next, now, EVERY) && !first {
            self.say(live, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::{lane, streaming};
    use super::*;
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, Mutex};

    fn listening(notices: bool) -> (Lines, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        (Lines::new(Box::new(move |line| ear.lock().unwrap().push(line.to_owned())), notices), heard)
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_every_ten_seconds_and_none_at_the_start() {
        let (mut lines, heard) = listening(true);
        let live = Live { lanes: vec![lane(1000, 102)], ..Live::default() };
        live.lanes[0].note_bound(Some("limit api"));
        for _ in 0..205 {
            lines.tick(&live);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let line = "price: 502/1,000 (50%), 0/s, 2 failed, 7 retries, 10 in flight; held back by limit api".to_owned();
        assert_eq!(*heard.lock().unwrap(), [line.clone(), line]);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_said_with_their_rate() {
        let (mut lines, heard) = listening(true);
        let live = Live { lanes: vec![streaming(0, 0)], ..Live::default() };
        for _ in 0..105 {
            lines.tick(&live);
            live.lanes[0].messages.fetch_add(100, Ordering::Relaxed);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let line = "price: 502 rows, 10,000 msgs, 1,000/s, 2 failed, 7 reconnects, 10 in flight";
        assert_eq!(*heard.lock().unwrap(), [line]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_has_ended_is_silent() {
        let (mut lines, heard) = listening(true);
        let lanes = vec![lane(502, 102), Lane { endpoint: "idle".into(), ..Lane::default() }];
        let live = Live { lanes, ..Live::default() };
        lines.tick(&live);
        tokio::time::advance(EVERY).await;
        lines.tick(&live);
        assert!(heard.lock().unwrap().is_empty());
    }

    #[test]
    fn notices_are_said_once() {
        let warning = Event::Warning { message: "odd".into() };
        for (notices, said) in [(true, 1), (false, 0)] {
            let (mut lines, heard) = listening(notices);
            lines.tell(&warning);
            assert_eq!(heard.lock().unwrap().len(), said);
        }
    }
}
