//! What carries records on from spools, as the scribe and the conductor see it.
//!
//! Must never count a run as complete while a record of it waits in a spool.

use std::sync::Arc;
use std::time::Duration;

use super::control::{Cause, Control, Phase};
use super::scribe::Scribe;
use crate::clock;
use crate::event::Event;
use crate::sink::{Delivery, Overseer};

/// How often the scribe looks up while it waits for room in a spool.
const LOOK: Duration = Duration::from_millis(100);

impl Overseer for Control {
    fn drains(&self) -> bool {
        self.is_drained()
    }

    fn stops(&self) -> bool {
        self.phase() == Phase::Stopped
    }

    fn warn(&self, message: String) {
        self.tell(Event::Warning { message });
    }

    fn away(&self, sink: &str, lasted: Duration, reason: String) {
        self.end(Cause::SinkAway { sink: sink.to_owned(), lasted, reason });
    }

    fn broken(&self, words: String) {
        self.end(Cause::Broken(words));
    }
}

impl Scribe {
    /// Starts what carries records from their spools.
    pub(super) fn start_deliveries(&mut self) -> Result<(), String> {
        for open in &mut self.sinks {
            let overseer = Box::new(self.shared.control.clone());
            open.delivery = open.sink.deliver(overseer).map_err(|error| error.message)?;
        }
        Ok(())
    }

    fn deliveries(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.sinks.iter().filter_map(|open| open.delivery.as_ref())
    }

    /// Waits while a spool is full: whoever sends is held back by what is not taken. What is on its way when the run ends
    /// is taken all the same.
    pub(super) fn make_room(&mut self) -> Result<(), String> {
        while self.deliveries().any(|delivery| !delivery.has_room(LOOK)) && !self.shared.control.is_drained() {
            if self.is_due(clock::now()) {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Keeps the records of failed rows that leave their spool when they are delivered: they are taken out of where they
    /// went when their rows are sent again.
    pub(super) fn keep_lines(&mut self) -> Result<(), String> {
        let sinks = &self.sinks;
        for span in self.state.failed.iter_mut().flat_map(|failed| &mut failed.spans) {
            let known = span.bytes.filter(|_| span.line.is_none());
            if let (Some(bytes), Some(open)) = (known, sinks.get(span.sink)) {
                span.line = open.sink.line(bytes).map_err(|error| error.message)?;
            }
        }
        Ok(())
    }

    /// The journal stands for what is written: it may be carried.
    pub(super) fn release_deliveries(&self) {
        for (open, cursor) in self.sinks.iter().zip(&self.state.cursors) {
            if let (Some(delivery), Some(cursor)) = (&open.delivery, cursor) {
                delivery.committed(cursor.offset);
            }
        }
    }

    /// Every row has ended and the journal stands for it: what waits for that at the far end may be done.
    pub(super) fn tell_whole(&self) {
        self.deliveries().for_each(|delivery| delivery.whole());
    }

    /// Waits until everything is where it belongs, or will not get there in this session. Whether it is there. A thread that
    /// is at work when the run is stopped is left to itself: it may be cut off at any point, as by a kill.
    pub(super) fn finish_deliveries(&self) -> bool {
        let stops = || self.shared.control.phase() == Phase::Stopped;
        // Each is waited for, whatever the others say.
        self.deliveries().fold(true, |all, delivery| delivery.finish(stops) & all)
    }
}
