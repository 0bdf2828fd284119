//! Steering: what the conductor makes of commands from outside.
//!
//! Must never end a row, and never let more leave than the job allows.

use std::sync::atomic::Ordering;

use crate::clock;
use crate::event::{Allowance, Event};

use super::Conductor;
use crate::run::control::Phase;
use crate::run::judging::millis;
use crate::run::live::read;
use crate::run::{Command, Signal};

impl Conductor {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Pause => self.pause(),
            Command::Resume => self.resume(),
            Command::More => self.change_concurrency(true),
            Command::Fewer => self.change_concurrency(false),
            // Whoever wants the process gone at once sends it a signal.
            Command::Drain if self.signals_seen < 2 => self.on_signal(Signal::Interrupt),
            Command::Drain => {}
        }
    }

    fn pause(&mut self) {
        if *self.desk.phase.borrow() != Phase::Running {
            return;
        }
        // The queues first: what is turned back finds them closed.
        self.lanes.iter().for_each(|lane| lane.queue.pause(true));
        if !self.shared.control.pauses().begin(clock::now()) {
            return;
        }
        self.shared.live.paused.store(true, Ordering::Relaxed);
        let on_wire = self.lanes.iter().map(|lane| read(&lane.live().on_wire)).sum();
        self.tell(Event::Paused { on_wire });
    }

    /// Ends a pause, if there is one.
    pub(super) fn resume(&mut self) {
        let Some(paused) = self.shared.control.pauses().end(clock::now()) else { return };
        self.shared.live.paused.store(false, Ordering::Relaxed);
        self.lanes.iter().for_each(|lane| lane.queue.pause(false));
        self.tell(Event::Resumed { paused_ms: millis(paused) });
    }

    fn change_concurrency(&mut self, more: bool) {
        let steps = self.lanes.iter().filter_map(|lane| lane.by_hand(more));
        let (endpoints, news): (Vec<Allowance>, Vec<bool>) = steps.unzip();
        // A key that is held at the end of its way is told once.
        if news.contains(&true) {
            self.tell(Event::ConcurrencyChanged { endpoints });
        }
    }
}
