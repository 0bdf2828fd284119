//! What stops a run by itself: the conditions of `run.stop-if`, looked at whenever a row has ended.
//!
//! Those over a percentile are looked at ten times a second at most: each look goes through the whole histogram,
//! which would cost more than all else that is done for a row. Time and not a number of rows measures it, so that a
//! slow run is looked at with every row and a fast one is never let go on for longer than that.
//!
//! Must never stop a run twice, and never look at earlier sessions: a run that goes on begins to count anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::plan::StopIf;
use crate::plan::stop_if::{Ended, Tally};

use super::control::Cause;
use super::lane::Shared;

/// From one look at percentiles to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug, Default)]
pub struct Stops {
    counted: Mutex<Counted>,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Counted {
    tally: Tally,
    /// When percentiles may be looked at again.
    next_look: Option<Instant>,
}

impl Stops {
    /// A row has ended: ends the run where a condition holds.
    pub fn note(&self, ended: &Ended, shared: &Shared) {
        if shared.plan.stop_if.is_empty() {
            return;
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.tally.note(ended);
        let conditions = &shared.plan.stop_if;
        let looks = conditions.iter().any(StopIf::is_over_a_percentile) && counted.may_look(clock::now());
        let percentile = |share| looks.then(|| shared.meter.quantile(share)).flatten();
        let held = conditions.iter().find(|condition| condition.holds(&counted.tally, percentile));
        if let Some(condition) = held
            && !self.stopped.swap(true, Ordering::Relaxed)
        {
            shared.control.end(Cause::StopIf { condition: condition.source.clone() });
        }
    }
}

impl Counted {
    /// Whether percentiles are looked at with this row.
    fn may_look(&mut self, now: Instant) -> bool {
        let may = self.next_look.is_none_or(|next| now >= next);
        if may {
            self.next_look = Some(now + LOOK_EVERY);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::super::meter::Attempt;
    use super::super::tests::stage::{Act, Server, lanes};
    use super::*;
    use crate::record::Ending;

    #[tokio::test(start_paused = true)]
    async fn percentiles_are_looked_at_now_and_then_and_not_missed_for_long() {
        let job = "[run]\nstop-if = \"p50 > 2s\"\n[endpoints.item]\nurl = \"http://api.test/\"\n\
                   input.range = { from = 0, to = 9 }\n";
        let (lanes, mut desk) = lanes(job, &Server::new(|_| Act::status(200)), None);
        let shared = &lanes[0].shared;
        let ended = Ended { ending: Ending::Ok, unauthorized: false, attempts: 1, was_ok: false };
        let attempt = |seconds| {
            let wire = Duration::from_secs(seconds);
            shared.meter.attempt(&Attempt { wire, status: Some(200), timings: None, endpoint: 0, row: 0 });
        };
        attempt(1);
        shared.stops.note(&ended, shared);
        (0..9).for_each(|_| attempt(3));
        shared.stops.note(&ended, shared);
        assert!(desk.causes.try_recv().is_err(), "looked at just before");
        tokio::time::advance(LOOK_EVERY).await;
        shared.stops.note(&ended, shared);
        let condition = "p50 > 2s".to_owned();
        assert_eq!(desk.causes.try_recv().ok(), Some(Cause::StopIf { condition }));
    }
}
