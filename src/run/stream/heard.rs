//! What a row has heard so far, and when that is enough.
//!
//! Plain data and a clock that is handed in. Must never count a message that was not taken.

use std::time::Duration;

use crate::clock::Instant;
use crate::journal::{StreamNote, WalkNote};
use crate::plan::UntilPlan;

/// What a row has heard so far; kept while it sleeps between two connections.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// As the journal has it once its records are written.
    pub note: StreamNote,
    /// When its first connection of this session was open.
    pub began: Option<Instant>,
    /// How long the server wants to be left alone before it is asked again.
    pub rest: Option<Duration>,
}

impl Heard {
    /// Where an earlier session left the row.
    #[must_use]
    pub fn after(note: Option<&WalkNote>) -> Self {
        let note = note.and_then(|note| note.stream.as_deref().cloned()).unwrap_or_default();
        Self { note, ..Self::default() }
    }

    /// Whether there are as many messages as there may be.
    #[must_use]
    pub fn is_full(&self, until: &UntilPlan) -> bool {
        until.messages.is_some_and(|messages| self.note.messages >= messages)
    }

    /// When its time is over; `None`: it has no end, or has not begun.
    #[must_use]
    pub fn time_over(&self, until: &UntilPlan) -> Option<Instant> {
        self.began.zip(until.time).map(|(began, time)| began + time)
    }

    /// Whether a row that has no connection needs none any more.
    #[must_use]
    pub fn is_enough(&self, until: &UntilPlan, now: Instant) -> bool {
        self.is_full(until) || self.time_over(until).is_some_and(|over| over <= now)
    }
}

/// What an open connection waits for, beside what comes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Ring {
    /// It has stood for so long that its host is there.
    Stood,
    /// It was silent for as long as `until.idle` says, or the row's time is over.
    Enough,
    /// Records have waited long enough for more.
    Deliver,
    /// A ping is due.
    Ping,
    /// No answer to a ping came in time.
    Dead,
}

/// The clocks of an open connection.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Clocks {
    /// When the last message came, or the connection was opened.
    pub heard: Instant,
    /// When anything came.
    pub alive: Instant,
    /// When a ping was sent that nothing has come behind.
    pub pinged: Option<Instant>,
    /// Since when records wait.
    pub waiting: Option<Instant>,
    /// When it was opened, where nobody has told yet that its host is there.
    pub opened: Option<Instant>,
}

/// A connection that has stood for so long was not opened by a gateway whose host is out.
const STANDS: Duration = Duration::from_secs(5);

/// Records wait so long for others at the most, so that few go to the scribe together and none wait long.
const DELIVER_AFTER: Duration = Duration::from_millis(50);

impl Clocks {
    /// Those of a connection that has just opened.
    pub fn start(now: Instant) -> Self {
        Self { heard: now, alive: now, pinged: None, waiting: None, opened: None }
    }

    /// Something came, if only a pong; or nothing was looked at, so that nobody knows.
    pub fn alive(&mut self, now: Instant) {
        (self.alive, self.pinged) = (now, None);
    }

    /// Nobody has listened for a while: neither silence nor a lost ping counts.
    pub fn pass_over(&mut self, since: Instant, now: Instant) {
        self.heard += now.saturating_duration_since(since);
        self.alive(now);
    }

    /// The next of what it waits for, and when.
    pub fn next(
        &self,
        until: &UntilPlan,
        over: Option<Instant>,
        heartbeat: Option<crate::plan::HeartbeatPlan>,
    ) -> Option<(Instant, Ring)> {
        let idle = until.idle.map(|idle| (self.heard + idle, Ring::Enough));
        let over = over.map(|over| (over, Ring::Enough));
        let waiting = self.waiting.map(|since| (since + DELIVER_AFTER, Ring::Deliver));
        let beat = heartbeat.map(|beat| match self.pinged {
            Some(pinged) => (pinged + beat.timeout, Ring::Dead),
            None => (self.alive + beat.every, Ring::Ping),
        });
        let stood = self.opened.map(|opened| (opened + STANDS, Ring::Stood));
        [idle, over, waiting, beat, stood].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::plan::HeartbeatPlan;

    const SECOND: Duration = Duration::from_secs(1);

    fn until() -> UntilPlan {
        UntilPlan { messages: Some(3), idle: Some(SECOND * 30), time: Some(SECOND * 60), when: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_is_full_with_its_messages_and_over_with_its_time() {
        let (now, until) = (clock::now(), until());
        let mut heard = Heard::default();
        assert!(!heard.is_enough(&until, now + SECOND * 1_000), "what has not begun is not over");
        heard.began = Some(now);
        assert!(!heard.is_enough(&until, now + SECOND * 59));
        assert!(heard.is_enough(&until, now + SECOND * 60));
        heard.note.messages = 3;
        assert!(heard.is_enough(&until, now));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_first_rings_first() {
        let (now, until) = (clock::now(), until());
        let beat = Some(HeartbeatPlan { every: SECOND * 20, timeout: SECOND * 5 });
        let mut clocks = Clocks::start(now);
        assert_eq!(clocks.next(&until, None, beat), Some((now + SECOND * 20, Ring::Ping)));
        clocks.pinged = Some(now + SECOND * 20);
        assert_eq!(clocks.next(&until, None, beat), Some((now + SECOND * 25, Ring::Dead)));
        clocks.alive(now + SECOND * 21);
        assert_eq!(clocks.next(&until, None, beat), Some((now + SECOND * 30, Ring::Enough)), "a pong is no message");
        assert_eq!(clocks.next(&until, Some(now + SECOND), beat), Some((now + SECOND, Ring::Enough)));
        clocks.waiting = Some(now);
        assert_eq!(clocks.next(&until, None, beat), Some((now + DELIVER_AFTER, Ring::Deliver)));
        assert_eq!(Clocks::start(now).next(&UntilPlan::default(), None, None), None);
        clocks = Clocks { opened: Some(now), ..Clocks::start(now) };
        assert_eq!(clocks.next(&until, None, None), Some((now + STANDS, Ring::Stood)));
        clocks.opened = None;
        clocks.pass_over(now + SECOND, now + SECOND * 21);
        assert_eq!(clocks.next(&until, None, None), Some((now + SECOND * 50, Ring::Enough)), "nobody listened");
    }
}
