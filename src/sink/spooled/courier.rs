//! The thread that carries a spool's lines to where they belong, and what it shares with the scribe.
//!
//! A line is carried only when the journal stands for it, so that what is delivered never comes back with other words. How
//! far the far end has come, the far end knows: it is asked at each beginning and after each setback, for a word that got
//! lost may have been heard. Must never carry a line twice that the far end has, nor end without saying how.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::segments::{Folder, Reader};
use super::{Destination, Head, Line, Load, Overseer, Setback, agree};
use crate::clock::{self, Instant};

/// Bytes of a spool that may wait for a destination before no more outcomes are taken.
const BOUND: u64 = 256 << 20;
/// The first wait for a destination that is away, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How often who waits looks whether the run still wants it to.
const LOOK: Duration = Duration::from_millis(100);
/// For how long a destination may be away before the run stops, to go on later.
const PATIENCE: Duration = Duration::from_secs(900);

/// How far a spool is, as the scribe and the courier see it.
#[derive(Debug)]
pub struct Delivery {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that the journal stands for.
    committed: u64,
    /// Bytes that the destination has, as far as that is known.
    delivered: u64,
    /// Whether it was asked.
    is_known: bool,
    /// Where files begin, the delivered ones that were dropped left out.
    starts: Vec<u64>,
    /// Nothing comes any more.
    closed: bool,
    /// As [`Delivery::whole`] says.
    whole: bool,
    /// The courier has ended: whether everything was delivered.
    ended: Option<bool>,
}

impl Delivery {
    /// A spool of which so much is committed, and so much delivered; `None`: nobody knows.
    pub(super) fn new(committed: u64, delivered: Option<u64>, starts: Vec<u64>) -> Self {
        let (is_known, first) = (delivered.is_some(), starts.first().copied().unwrap_or_default());
        let delivered = delivered.unwrap_or(first);
        let state = State { committed, delivered, is_known, starts, ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file was begun.
    pub(super) fn began(&self, start: u64) {
        self.state().starts.push(start);
    }

    /// The journal stands for all up to here.
    pub fn committed(&self, place: u64) {
        self.state().committed = place;
        self.changed.notify_all();
    }

    /// Waits until there is room in the spool, for `patience` at most. Whether there is.
    #[must_use]
    pub fn has_room(&self, patience: Duration) -> bool {
        let full = |state: &mut State| state.ended.is_none() && state.committed - state.delivered >= BOUND;
        let waited = self.changed.wait_timeout_while(self.state(), patience, full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Every row of the run has ended, and the journal stands for what it gave.
    pub fn whole(&self) {
        self.state().whole = true;
    }

    /// Nothing is added any more: waits until everything is delivered or given up, or the run `stops`: whatever is at work then
    /// may be cut off at any point. Whether it is all delivered.
    #[must_use]
    pub fn finish(&self, stops: impl Fn() -> bool) -> bool {
        self.state().closed = true;
        self.changed.notify_all();
        let mut state = self.state();
        while state.ended.is_none() && !stops() {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ended == Some(true)
    }

    /// The courier ends; what it said first counts.
    fn end(&self, delivered: bool) {
        self.state().ended.get_or_insert(delivered);
        self.changed.notify_all();
    }

    /// Waits for a while.
    fn rest(&self, time: Duration) {
        drop(self.changed.wait_timeout_while(self.state(), time, |_| true));
    }

    /// Waits for lines behind `place`, and behind what was `seen` of them where more may come. `None`: there will be none.
    fn wait(&self, place: u64, seen: u64) -> Option<Held> {
        let idle = |state: &mut State| state.committed <= seen && !state.closed;
        let state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let held = || Held { end: state.committed, starts: state.starts.clone(), is_all: state.closed };
        (state.committed > place).then(held)
    }

    /// All up to here is delivered; the files that hold nothing else. One that ends here stays: a resume that finds
    /// nothing committed behind it goes on in it.
    pub(super) fn delivered(&self, place: u64) -> Vec<u64> {
        let mut state = self.state();
        state.delivered = place;
        let whole = state.starts.iter().skip(1).take_while(|start| **start < place).count();
        let dropped = state.starts.drain(..whole).collect();
        drop(state);
        self.changed.notify_all();
        dropped
    }
}

/// What a spool holds at a moment.
struct Held {
    /// The end of what is committed.
    end: u64,
    /// Where files begin.
    starts: Vec<u64>,
    /// Whether nothing comes any more.
    is_all: bool,
}

/// See the module.
pub(super) struct Courier<'d> {
    pub name: String,
    pub delivery: &'d Delivery,
    pub folder: Folder,
    pub destination: Box<dyn Destination>,
    pub overseer: Box<dyn Overseer>,
}

/// Why a delivery ends before everything is delivered; whoever oversees it was told.
#[derive(Debug)]
struct Ended;

impl Drop for Courier<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.broken("its thread panicked; this is a bug of paceline, and what was committed is safe");
            // Whoever waits for it must not wait for ever.
            self.delivery.end(false);
        }
    }
}

impl Courier<'_> {
    /// Carries until everything is delivered after the scribe has closed the spool, or it can't go on.
    pub fn run(mut self) {
        let (carried, delivery) = (self.carry_all(), self.delivery);
        // Whoever waits may want the locks that the destination holds.
        drop(self);
        delivery.end(carried.is_ok());
    }

    fn carry_all(&mut self) -> Result<(), Ended> {
        let (begun, is_known) = {
            let state = self.delivery.state();
            (state.delivered, state.is_known)
        };
        let mut place = if is_known { begun } else { self.ask(begun)? };
        let (mut head, mut reader) = (None, Reader::new(self.folder.clone(), place));
        // Lines of the step that were passed over, while it waits for more.
        let mut passed = 0;
        while let Some(held) = self.delivery.wait(place, reader.place()) {
            let head = match &head {
                Some(head) => head,
                // It is the same in every file.
                None => head.insert(self.folder.head(held.starts[0]).map_err(|error| self.broken(&error.message))?),
            };
            let Some(to) = self.step(&mut reader, &held, place, &mut passed)? else { continue };
            place = self.carry(head, &held.starts, (place, to, held.end))?;
            passed = 0;
            if reader.place() != place {
                reader = Reader::new(self.folder.clone(), place);
            }
            let dropped = self.delivery.delivered(place);
            self.folder.remove(dropped).map_err(|error| self.broken(&error.message))?;
            if self.overseer.stops() {
                return Err(Ended);
            }
        }
        let is_whole = self.delivery.state().whole;
        if is_whole { self.persist(|destination| destination.complete()) } else { Ok(()) }
    }

    /// The place where the step ends that begins at `from`, of which so many lines were `passed`; `None`: it waits for more.
    fn step(&self, reader: &mut Reader, held: &Held, from: u64, passed: &mut usize) -> Result<Option<u64>, Ended> {
        if let Some(to) = self.destination.begun().filter(|to| (from + 1..=held.end).contains(to)) {
            return Ok(Some(to));
        }
        let load = self.destination.load();
        let rest = Load {
            bytes: from.saturating_add(load.bytes).saturating_sub(reader.place()),
            lines: load.lines.saturating_sub(*passed),
            ..load
        };
        let more = reader.skip(&held.starts, held.end, rest).map_err(|error| self.broken(&error.message))?;
        *passed += more;
        let is_full = reader.place() >= from.saturating_add(load.bytes) || *passed >= load.lines;
        Ok((is_full || held.is_all || !load.is_full).then(|| reader.place()))
    }

    /// How far a destination has come that was away when the session began.
    fn ask(&mut self, begun: u64) -> Result<u64, Ended> {
        let Some(Held { end, starts, .. }) = self.delivery.wait(begun, begun) else { return Ok(begun) };
        let head = self.folder.head(starts[0]).map_err(|error| self.broken(&error.message))?;
        let mut have = begun;
        self.persist(|destination| {
            have = destination.reach(&head)?;
            agree(have, &starts, end).map_err(Setback::Refused)
        })?;
        Ok(have)
    }

    /// Carries a step; the place that the destination has come to. It is not where the step ends if the word of another
    /// one was lost, which was heard.
    fn carry(&mut self, head: &Head, starts: &[u64], (from, to, end): (u64, u64, u64)) -> Result<u64, Ended> {
        let (mut missed, mut place) = (0, from);
        let folder = self.folder.clone();
        self.persist(|destination| {
            place = destination.reach(head)?;
            if place >= to && place <= end {
                return Ok(());
            }
            if !(from..to).contains(&place) {
                return Err(Setback::Refused(elsewhere(place, from)));
            }
            let mut lines = Parsed { reader: Reader::new(folder.clone(), place), starts, to, line: Vec::new() };
            missed = destination.deliver(head, place, to, &mut lines)?;
            place = to;
            Ok(())
        })?;
        if missed > 0 {
            self.overseer.warn(format!(
                "sinks.{}: records of failed rows that were sent again ({missed}) were changed by somebody else since, and stay \
                 beside the new ones",
                self.name
            ));
        }
        Ok(place)
    }

    fn broken(&self, words: &str) -> Ended {
        self.overseer.broken(format!("sinks.{}: {words}", self.name));
        Ended
    }

    /// Does a step again while the destination is away. A run that ends waits for nobody.
    fn persist(&mut self, mut step: impl FnMut(&mut dyn Destination) -> Result<(), Setback>) -> Result<(), Ended> {
        let (began, mut wait) = (clock::now(), WAITS.0);
        loop {
            let words = match step(self.destination.as_mut()) {
                Ok(()) => return Ok(()),
                Err(Setback::Refused(words)) => return Err(self.broken(&words)),
                Err(Setback::Away(words)) => words,
            };
            if wait == WAITS.0 && !self.overseer.drains() {
                self.overseer.warn(format!("sinks.{}: {words}; its records wait in the state folder", self.name));
            }
            if began.elapsed() > PATIENCE {
                self.overseer.away(&self.name, began.elapsed(), words);
                return Err(Ended);
            }
            self.pause(clock::now() + wait)?;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// Waits, unless the run ends.
    fn pause(&self, until: Instant) -> Result<(), Ended> {
        while clock::now() < until {
            if self.overseer.drains() {
                return Err(Ended);
            }
            self.delivery.rest(LOOK.min(until.saturating_duration_since(clock::now())));
        }
        Ok(())
    }
}

/// The lines of a step.
struct Parsed<'s> {
    reader: Reader,
    starts: &'s [u64],
    to: u64,
    line: Vec<u8>,
}

impl Iterator for Parsed<'_> {
    type Item = Result<Line, Setback>;

    fn next(&mut self) -> Option<Self::Item> {
        let failed = |words: String| Some(Err(Setback::Refused(words)));
        match self.reader.next(self.starts, self.to, &mut self.line) {
            Ok(false) => None,
            Err(error) => failed(error.message),
            Ok(true) => match Line::parse(&self.line) {
                Ok(line) => Some(Ok(line)),
                Err(error) => failed(format!("a line of its spool can't be read: {error}")),
            },
        }
    }
}

fn elsewhere(have: u64, from: u64) -> String {
    format!(
        "it has the records up to byte {have} of the spool, and those from byte {from} on were to come: it was changed by \
         somebody else, or brought back from a backup; begin a new run with --fresh"
    )
}
