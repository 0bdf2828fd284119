//! The windows of a limit and what was learned beside them, asked together.
//!
//! Pure: times are nanoseconds since the bucket was opened, given by the caller, which must be the
//! only one to ask. Must never take from one window and not from another.
//!
//! **Catch-up.** A head that sleeps for a token wakes late. If governor were told that late time,
//! every bit of lateness would be lost for good, and a rate of 500/s without a burst would come out
//! at 350/s. So governor is told when the token *should* have left: as soon as it was due and someone
//! waited for it. How far that may lie in the past is bounded by each window's catch-up: one
//! interval at most, and nothing where the burst itself makes up for lateness. What governor
//! allows holds for the told times, and these are never later than the true ones and at most the
//! catch-up earlier; so in true time no more than `max(burst, dearest cost) + rate * (T + catch-up)`
//! leave, which is `max(burst, dearest cost) + rate * T + 1` or less. Whose token lay there for longer
//! than a busy machine can be blamed for ([`STALL`]: the machine was suspended, the clock jumped, another
//! limit was waited for) has nothing to catch up with: then no more than `max(burst, cost)` leave at once.
//!
//! **Gaps.** Without a burst it is the gap between two requests that a server may look at (nginx's `limit_req` refuses a
//! second one within the interval): there each gap makes up for an eighth of what the pace is behind; and what a request loses between its token and the wire (more than others do) counts for the gap behind it.
//!
//! **Learned.** A pace that was learned is one more window at the end of the list; a quota that is short
//! stands beside them (see `learned`).

use crate::hints::Quota;

use super::alarm::Grain;
use super::cell::Cell;
use super::learned::{Learned, Meter};
use super::limiter::Bind;
use super::plan::LimitPlan;

/// A token that lay there for longer than this was not missed because of a late wake-up.
const STALL: u64 = 100_000_000;

/// Tokens that are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When they will be, or may be, in nanoseconds since the bucket was opened.
    pub at: u64,
    /// How exactly to wait for them.
    pub(super) grain: Grain,
    /// What they are missing for.
    pub bind: Bind,
}

/// All windows of a limit.
#[derive(Debug)]
pub struct Bucket {
    /// Its own, and behind them the learned pace, if there is one.
    cells: Vec<Cell>,
    own: usize,
    /// Tokens per second in the long run, by its own windows.
    rate: f64,
    learned: Option<Box<Learned>>,
    meter: Meter,
    /// Tokens of requests that left and are not answered.
    wire: u64,
    /// The last place that was given.
    placed: u64,
    way: Way,
}

/// The usual way from the tokens to the wire.
#[derive(Debug, Default)]
struct Way {
    /// In nanoseconds, smoothed; `None` before the first.
    usual: Option<u64>,
}

impl Way {
    /// How much longer this way was than the usual one, which it becomes a part of. An outlier counts as four
    /// times the usual: it must not make the next one look early.
    fn late(&mut self, way: u64) -> u64 {
        let usual = *self.usual.get_or_insert(way);
        let counted = way.min(usual.saturating_mul(4));
        self.usual = Some(usual - usual / 16 + counted / 16);
        way.saturating_sub(usual)
    }
}

impl Bucket {
    /// Opens a full bucket.
    #[must_use]
    pub fn open(plan: &LimitPlan) -> Self {
        let cells: Vec<_> = plan.windows.iter().map(|window| Cell::open(window.interval(), plan.burst, true)).collect();
        let (own, rate) = (cells.len(), plan.rate());
        Self { cells, own, rate, learned: None, meter: Meter::default(), wire: 0, placed: 0, way: Way::default() }
    }

    /// Whether `cost` tokens of every window are there at `now` for one who waits since `since`, and when
    /// it should have left; takes none.
    ///
    /// # Errors
    /// The latest of the due times.
    pub fn ready(&mut self, now: u64, since: u64, cost: u32) -> Result<u64, Due> {
        if self.learned.is_some() {
            self.forget(now);
            self.asks_quota(now, cost)?;
        }
        let mut ideal = since.min(now);
        for cell in &self.cells {
            ideal = ideal.max(cell.due(cost));
        }
        if ideal > now || self.cells.iter().any(|cell| cell.gap_until() > now) {
            return Err(self.latest(now, cost));
        }
        Ok(if now - ideal > STALL { now } else { ideal })
    }

    /// Takes the tokens that [`Bucket::ready`] found at this `now`.
    pub fn settle(&mut self, now: u64, ideal: u64, cost: u32) {
        for cell in &mut self.cells {
            let told = cell.told_at(ideal, now);
            let taken = cell.ask(told, cost);
            debug_assert_eq!(taken, Ok(()), "tokens that were due are there");
            if cost > 0 {
                cell.took(now, told);
            }
        }
        self.wire = self.wire.saturating_add(u64::from(cost));
        self.meter.note(now, cost);
        if let Some(learned) = &mut self.learned
            && learned.grow(now, self.rate, self.meter.rate())
        {
            self.retune(now);
        }
    }

    /// Whether `theirs` tokens are there at `until` although the `cost` that [`Bucket::ready`] found at this
    /// `now` were taken; takes none.
    pub fn spares(&self, now: u64, ideal: u64, cost: u32, (until, theirs): (u64, u32)) -> bool {
        let until = until.max(now);
        let wire = self.wire.saturating_add(u64::from(cost));
        self.cells.iter().all(|cell| cell.spares(cell.told_at(ideal, now), cost, until, theirs))
            && self.learned.as_ref().is_none_or(|learned| learned.short_until(until, wire, theirs).is_none())
    }

    /// Tokens of a request that is answered, or will never be. Says whether somebody may have waited for it.
    pub fn answered(&mut self, cost: u32) -> bool {
        self.wire = self.wire.saturating_sub(u64::from(cost));
        self.learned.as_mut().is_some_and(|learned| std::mem::take(&mut learned.awaited))
    }

    /// Whether one of its own windows has gaps that a server may look at.
    pub fn minds_gaps(&self) -> bool {
        self.cells[..self.own].iter().any(Cell::minds_gaps)
    }

    /// A request was on the wire this many nanoseconds after it had its tokens: what that is above the usual is
    /// missing from the gap behind it.
    pub fn left(&mut self, way: u64) {
        let late = self.way.late(way);
        self.cells[..self.own].iter_mut().for_each(|cell| cell.widen(late));
    }

    /// What a reply to a request that left at `left` says is left of the `nth` quota of its size.
    pub fn learn(&mut self, quota: &Quota, nth: usize, left: u64, now: u64) {
        self.learned.get_or_insert_default().note(quota, nth, left, now);
        self.retune(now);
    }

    /// The server throttled a request that left at `left`, and named no time.
    pub fn throttled(&mut self, left: u64, now: u64) {
        // Of the first moments nothing can be measured.
        let used = if self.meter.is_young() && self.rate.is_finite() { self.rate } else { self.meter.rate() };
        self.learned.get_or_insert_default().cut(used, left, now);
        self.retune(now);
    }

    /// Tokens per second that were learned, where they bind.
    #[cfg(test)]
    pub fn learned_rate(&self) -> Option<f64> {
        self.learned.as_ref()?.rate()
    }

    /// When it would be the turn of a newcomer, behind those who were given a place, and not before `floor`;
    /// gives it that place.
    pub fn place(&mut self, now: u64, cost: u32, floor: u64) -> u64 {
        self.forget(now);
        let short = self.learned.as_ref().and_then(|learned| learned.short_until(now, self.wire, cost));
        let floor = now.max(floor).max(short.unwrap_or(0));
        let turn = self.cells.iter().map(|cell| cell.turn(cost)).fold(floor, u64::max);
        self.cells.iter_mut().for_each(|cell| cell.give_place(turn, cost));
        self.placed = self.placed.max(turn);
        turn
    }

    /// What those wait for who were given a place that has not come.
    pub fn placed(&self, now: u64) -> Option<Bind> {
        (self.placed > now).then(|| self.latest(now, 1).bind)
    }

    /// Whether it is as good as one that is opened now.
    pub fn is_idle(&mut self, now: u64) -> bool {
        self.forget(now);
        self.learned.is_none() && self.placed <= now && self.cells.iter().all(|cell| cell.is_full(now))
    }

    /// Drops what was learned and holds no longer.
    fn forget(&mut self, now: u64) {
        if self.learned.as_mut().is_some_and(|learned| learned.forget(now)) {
            self.retune(now);
        }
    }

    fn asks_quota(&mut self, now: u64, cost: u32) -> Result<(), Due> {
        let Some(learned) = &mut self.learned else { return Ok(()) };
        let Some(at) = learned.short_until(now, self.wire, cost) else { return Ok(()) };
        learned.awaited = true;
        Err(Due { at, grain: Grain::Timer, bind: Bind::Learned })
    }

    /// When every window will have the tokens, and the grain of the one that is last. A learned pace may be
    /// another one when a quota begins anew.
    fn latest(&self, now: u64, cost: u32) -> Due {
        let anew = self.learned.as_ref().map_or(u64::MAX, |learned| learned.next_change());
        let dues = self.cells.iter().enumerate().map(|(position, cell)| {
            let (most, bind) = if position < self.own { (u64::MAX, Bind::Own) } else { (anew, Bind::Learned) };
            Due { at: cell.due(cost).max(cell.gap_until()).min(most), grain: cell.grain(), bind }
        });
        dues.max_by_key(|due| due.at).unwrap_or(Due { at: now, grain: Grain::Timer, bind: Bind::Own })
    }

    /// Lets the last cell keep the pace that is learned now.
    fn retune(&mut self, now: u64) {
        let paced = self.learned.as_ref().and_then(|learned| learned.pace(now, self.wire));
        match (paced, self.cells.get_mut(self.own)) {
            (Some((interval, burst)), Some(cell)) => cell.retune(interval, burst, now),
            (Some((interval, burst)), None) => self.cells.push(Cell::open(u128::from(interval), burst, false)),
            (None, _) => self.cells.truncate(self.own),
        }
        if self.learned.as_ref().is_some_and(|learned| learned.is_empty()) {
            self.learned = None;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
