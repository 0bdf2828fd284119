//! Reporters: what people see of a run. They look at events and counters and never change anything.
//!
//! One file each: [`bar`] on a terminal (how it is laid out says [`layout`], how it is drawn [`screen`]), [`lines`] elsewhere, [`log`] with `-v` or
//! into a file, [`events`] for programs (that one of these two can't be written says [`fault`]), [`summary`] and [`mod@file`] when the run has
//! ended, and [`html`] for a browser. Must never print by themselves:
//! the command line gives them their way out.

pub mod bar;
pub mod events;
pub mod fault;
pub mod file;
pub mod held;
pub mod html;
pub mod layout;
pub mod lines;
pub mod log;
pub mod notice;
pub mod progress;
pub mod screen;
pub mod summary;
pub mod text;

use std::sync::Arc;
use std::time::SystemTime;

use crate::event::Event;
use crate::recap::Recap;
use crate::run::live::Live;
use crate::secret::Masker;

use fault::Fault;

/// A reporter's way out: takes one line, without its line end.
pub type Speak = Box<dyn FnMut(&str) + Send>;

/// A run at work, as reporters may look at it at any time and from any thread.
pub trait View: Send + Sync {
    /// Its counters.
    fn live(&self) -> &Live;

    /// The run as it stands now; costs some milliseconds.
    fn recap(&self) -> Recap;
}

/// Watches a run, on a thread of its own.
pub trait Reporter: Send {
    /// Whether it wants to be told of every attempt: millions of events, which nobody makes otherwise.
    fn wants_attempts(&self) -> bool {
        false
    }

    /// Whether it wants to be told of every row that ends.
    fn wants_rows(&self) -> bool {
        false
    }

    /// Whether it is a record of the run, for which much may wait in memory before anything is left out.
    fn is_record(&self) -> bool {
        self.wants_attempts() || self.wants_rows()
    }

    /// What may go wrong with what it writes: once it did, that is a warning of the run.
    fn fault(&self) -> Option<Fault> {
        None
    }

    /// The run is open, and nothing was told yet. Who shows the run from a thread of its own keeps the view.
    fn opened(&mut self, _view: &Arc<dyn View>) {}

    /// Secrets are known from here on, and this takes them out of texts. Before anything else happens; not where they
    /// can't be had.
    fn masked_by(&mut self, _masker: &Masker) {}

    /// Something happened.
    fn tell(&mut self, event: &Event);

    /// As [`Reporter::tell`], for who wants to know when.
    fn tell_at(&mut self, event: &Event, _at: SystemTime) {
        self.tell(event);
    }

    /// Time went by, ten times a second at most; read the counters and redraw.
    fn tick(&mut self, live: &Live);

    /// As [`Reporter::tick`], for who wants to know when.
    fn tick_at(&mut self, live: &Live, _at: SystemTime) {
        self.tick(live);
    }
}
